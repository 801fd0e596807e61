"""The inputs of a study: parameters in a cell, a problem, and objects given by the user.

Every study of ``mfsym.experiments`` is f(problem, ..., parameters) -> Dataset. The problem is a name ("wi"), a problem
file, a Teacher or a Problem. Schemes, start particles, schedules and activations may be user-defined objects.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats, as_plain, as_whole, shown, suggestions
from mfsym.configurations.cells import Cell
from mfsym.configurations.loading import STATED, stated_cell
from mfsym.configurations.parameters import named
from mfsym.data.teachers import Teacher, reference_teacher, reference_unit
from mfsym.dynamics import NoisySGD, State
from mfsym.dynamics.noise_words import noise_of
from mfsym.dynamics.own import NOTHING, Own
from mfsym.dynamics.precision import starts_in
from mfsym.dynamics.sgd import Floats, Schedule
from mfsym.engines.choices import usable_engine
from mfsym.engines.predictions import described
from mfsym.ensembles import INSIDE
from mfsym.errors import MfsymError
from mfsym.experiments.cells import GIVEN, dynamics_of, problem_of, scenery, start_of, told
from mfsym.problems import Problem, load_problem
from mfsym.problems.expressions import TimeFormula
from mfsym.runtime.provenance import attributes
from mfsym.schemes import SCHEMES, AnyScheme, Scheme, name_of
from mfsym.stores.clouds import is_cloud_file, load_cloud
from mfsym.units import Activation, AnyActivation, Unit
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

AnyProblem = str | Path | Teacher | Problem
"""Accepted forms of a problem: "arbitrary", "wi", "si", the path of a problem file .toml, a Teacher or a Problem; or
the path of a file of particles, which define a teacher of the reference unit."""


class _Unstated(str):
    """The name of the default problem, distinguishable from the same name given explicitly."""


UNSTATED: AnyProblem = _Unstated("wi")
"""The default problem of a study."""

AnyStart = str | Path | ArrayLike
"""Accepted forms of a start: the name of a start law, particles (N, p), or the path of a file of particles."""

AnySchedule = str | Schedule
"""Accepted forms of a step schedule: a function of times, or a formula in t."""

PARAMETERS = (*(name for name in named(option=True) if name != "teacher"), "null", "schedule")
"""Keyword arguments of a training, besides its problem and schemes."""

NOT_RECORDED = "a Python {kind}: not recorded"
"""Attribute text for an object that cannot be recorded as text."""


@dataclass(frozen=True, eq=False)
class Setup:
    """One training, or one limit, ready to run.

    cell : consistent with the problem (``cells.told``).  own : objects given by the user.
    """

    cell: Cell
    problem: Problem
    own: Own = NOTHING

    @classmethod
    def of(cls, cell: Cell, problem: Problem | None = None, own: Own = NOTHING) -> Setup:
        """The setup of a cell; the problem is the one that the cell names if none is given.

        MfsymError for an engine whose packages are missing.
        """
        usable_engine(cell.engine)
        setting = problem_of(cell) if problem is None else problem
        return cls(told(cell, setting, own), setting, own)

    @property
    def unit(self) -> Unit:
        """The problem's unit."""
        return self.problem.unit

    @property
    def carried(self) -> Problem | None:
        """The problem to send to workers: None if the cell names it, since workers then load it themselves."""
        return self.problem if self.cell.problem == GIVEN else None

    def varied(self, **values: Any) -> Setup:
        """The same setup with some fields of the cell replaced."""
        return replace(self, cell=replace(self.cell, **values))

    def quadratic(self, what: str) -> Setup:
        """This setup if its loss is quadratic; otherwise MfsymError, naming the study ``what`` that needs it."""
        self.problem.quadratic(what)
        return self

    def without_start(self, what: str) -> Setup:
        """This setup if it starts from a law; otherwise MfsymError, naming the study ``what`` that needs it."""
        if self.own.start is not None:
            raise MfsymError(f"{what} varies the number of particles: init must name a start law, got particles")
        return self

    def dynamics(self, scheme: str | None = None) -> NoisySGD:
        """The noisy SGD of one scheme, the first by default."""
        return dynamics_of(self.cell, self.cell.schemes[0] if scheme is None else scheme, self.problem, self.own)

    def start(self, dynamics: NoisySGD) -> State:
        """The state at time 0."""
        return start_of(self.cell, dynamics, self.own)

    @property
    def noise(self) -> str:
        """The noise of the trainings; see ``noise_of``."""
        cell, start = self.cell, self.own.start
        inside: tuple[str, ...] = INSIDE
        if start is not None:
            inside = (cell.init,) if starts_in(start, self.unit.fixed_subspace) else ()
        return noise_of((cell.init,), [self.own.scheme(name) for name in cell.schemes], (cell.noise,), inside)

    def attributes(self, title: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes of a result.  title : the study that made it.  config : the values it depends on."""
        own = _records(self)
        found: dict[str, Any] = attributes(
            title,
            {**config, **own},
            self.cell.seed,
            self.problem.loss,
            noise=self.noise,
            engine=described(self.cell.engine),
        )
        marks = {name: scheme.mark for name, scheme in self._own_schemes().items() if scheme.mark is not None}
        return found | ({"marks": json.dumps(marks)} if marks else {})

    def dataset(
        self, title: str, variables: Mapping[str, Any], coords: Mapping[str, Any], config: Mapping[str, Any]
    ) -> xr.Dataset:
        """A result with the reference variables of plots and its attributes, checked against the data dictionary."""
        import xarray as xr

        everything = {**variables, **scenery(self.problem)}
        return annotate(xr.Dataset(everything, coords=coords, attrs=self.attributes(title, config)))

    def _own_schemes(self) -> dict[str, Scheme | type[Scheme]]:
        return {name: scheme for name, scheme in self.own.schemes.items() if not isinstance(scheme, str)}


def _records(setup: Setup) -> dict[str, Any]:
    """The configuration entries of user-defined objects; empty if there are none."""
    own, found = setup.own, dict[str, Any]()
    if own.schedule is not None:
        found["schedule"] = getattr(own.schedule, "text", NOT_RECORDED.format(kind="function"))
    if own.schemes:
        found["own_schemes"] = dict.fromkeys(own.schemes, NOT_RECORDED.format(kind="class"))
    if isinstance(setup.unit.pointwise, Activation):
        found["own_activation"] = NOT_RECORDED.format(kind="function")
    return found


def setup_of(
    problem: Any,
    schemes: Any,
    parameters: Mapping[str, Any],
    *,
    what: str = "scheme",
    known: Sequence[str] = PARAMETERS,
) -> Setup:
    """The checked setup of a study from its arguments.

    problem : an AnyProblem; if it is UNSTATED, the parameter ``teacher`` or ``problem``, else "wi".
    schemes : AnySchemes, or one; None for all of the package.  what : what error messages call them.
    parameters : keyword arguments, names in ``known``.
    Raises MfsymError for anything unknown, out of range, or stated twice.
    """
    values = dict(parameters)
    given = _problem(problem, values)
    for key in values:
        if key not in known:
            raise MfsymError(f"unknown parameter {key!r}{suggestions(key, known)}")
    names, own_schemes = named_schemes(schemes, what)
    schedule = as_schedule(values.pop("schedule", None))
    if is_cloud_file(given) or (isinstance(given, str) and isinstance(values.get("activation"), Activation)):
        make = teacher_from_file if is_cloud_file(given) else reference_teacher
        given = make(given, values.pop("unit", None) or "matrix", values.pop("activation", None) or "sigmoid")
    found = None if isinstance(given, str) else Problem.of(given)
    for key in () if found is None else STATED:
        if values.get(key) is not None:
            raise MfsymError(f"{key} is stated by the problem {given.name!r}, an object; leave it out")
    start, label = _start(values)
    training = {"teacher": given} if found is None else dict(found.training)
    cell = stated_cell({**training, **values})
    cell = replace(cell, init=label or cell.init, schemes=names or cell.schemes)
    return _checked(Setup.of(cell, found, Own(own_schemes, start, schedule)))


def setup_from_files(cell: Cell, teacher: str | None, init: str | None, schedule: str | None) -> Setup:
    """The setup of a cell whose teacher and start are files of particles and whose schedule is a formula.

    None keeps the value of the cell. The teacher uses the reference unit with the cell's unit and activation.
    """
    given = None if teacher is None else Problem.of(teacher_from_file(teacher, cell.unit, cell.activation))
    start, label = _start({"init": init})
    if start is not None:
        cell = replace(cell, init=str(label), n=len(start))
    return _checked(Setup.of(cell, given, Own(start=start, schedule=as_schedule(schedule))))


def teacher_from_file(path: Path | str, unit: str = "matrix", activation: AnyActivation = "sigmoid") -> Teacher:
    """The reference problem with the particles (n, 4) of a file for its teacher's."""
    return Teacher(reference_unit(unit, activation), load_cloud(os.fspath(path)), name=Path(path).stem)


def _problem(problem: Any, values: dict[str, Any]) -> Any:
    """The name, Teacher or Problem of a study; removed from the parameters if it is one of them."""
    for key in ("teacher", "problem"):
        stated = values.pop(key, None)
        if stated is not None and not isinstance(problem, _Unstated):
            hint = "hand over mf.load_problem(path) alone" if key == "problem" else "leave one out"
            raise MfsymError(f"the problem is given twice, once as {key}; {hint}")
        problem = problem if stated is None else stated
    if isinstance(problem, str | Path) and str(problem).lower().endswith(".toml"):
        return load_problem(problem)
    if not isinstance(problem, str | Path | Teacher | Problem):
        raise MfsymError(f"a problem must be a name, a Teacher or a Problem, got {shown(problem)}")
    return problem


def named_schemes(schemes: Any, what: str = "schemes") -> tuple[tuple[str, ...] | None, dict[str, AnyScheme]]:
    """Names of the schemes, and a mapping from name to each scheme given as an object; (None, {}) for None.

    Raises MfsymError for an unknown or repeated one.
    """
    if schemes is None:
        return None, {}
    given = as_plain(schemes)
    listed = given if isinstance(given, list) else [given]
    found = [(name_of(each, what), each) for each in listed]
    names = tuple(name for name, _ in found)
    if not names or len(set(names)) < len(names):
        raise MfsymError(f"schemes must name each scheme once and at least one, got {shown(schemes)}")
    return names, {name: each for name, each in found if not isinstance(each, str) and SCHEMES.get(name) is not each}


def as_schedule(schedule: AnySchedule | None) -> Schedule | None:
    """A step schedule from a function of times, or from a formula in t such as "1/(1+t)"; None stays None."""
    return TimeFormula(schedule) if isinstance(schedule, str) else schedule


def _start(values: dict[str, Any]) -> tuple[Floats | None, str | None]:
    """Start particles and their label in the cell. Removes them from ``values`` and sets n to their number there."""
    init = values.get("init")
    if init is None or (isinstance(init, str | list | tuple) and not is_cloud_file(init) and _is_text(init)):
        return None, None
    del values["init"]
    z = load_cloud(os.fspath(init)) if is_cloud_file(init) else as_floats(init, "init")
    if z.ndim != 2 or not z.size:
        raise MfsymError(f"init must be a start law or particles (N, p), got shape {z.shape}")
    if values.get("n") is not None and as_whole(values["n"], "n", 1) != len(z):
        raise MfsymError(f"n must be the number of particles of init, {len(z)}, got {values['n']}; leave it out")
    values["n"] = len(z)
    digest = hashlib.blake2b(np.ascontiguousarray(z).tobytes(), digest_size=16).hexdigest()
    source = os.fspath(init) if is_cloud_file(init) else "an array"
    return z, f"{source} {z.shape}, digest {digest}"


def _is_text(init: Any) -> bool:
    return isinstance(init, str) or any(isinstance(each, str) for each in init)


def _checked(setup: Setup) -> Setup:
    """The setup; MfsymError for start particles whose dimension is not the unit's, or that are not finite."""
    start, unit = setup.own.start, setup.unit
    if start is not None and (start.shape[1] != unit.p or not np.isfinite(start).all()):
        raise MfsymError(f"init must be finite particles (N, {unit.p}), got shape {start.shape}")
    return setup
