"""The table of measures: every scalar measured on a law or its model, by its name in the data dictionary.

``mfsym.variables`` defines each measure and its units; MEASURES maps it to the function that computes it. ``simulate``,
``compare``, ``flow`` and ``converge`` choose from the table. To add a measure, add its entry to the dictionary, its
line to MEASURES, and its name to the list of each study that writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice
from mfsym.configurations.names import ENGINES
from mfsym.data.expectations import Columns, expect
from mfsym.dynamics import NoisySGD, State
from mfsym.dynamics.precision import rmd2_floor, rounding_floor
from mfsym.engines.predictions import predictor
from mfsym.errors import MfsymError
from mfsym.flows import FlowState
from mfsym.metrics import Interval, distance_wi, evaluate, objective, risks, rmd2_si, rmd2_symmetrised_estimate
from mfsym.problems import Problem
from mfsym.schemes import Scheme
from mfsym.transport import W2Result, rmd2_from, second_moment, w2
from mfsym.units import Unit
from mfsym.variables import VARIABLES, Variable

Floats = NDArray[np.float64]

LAW_METRICS = (
    "rmd2_si",
    "rmd2_symmetrised",
    "rmd2_symmetrised_error",
    "distance_wi",
    "distance_wi_lower",
    "distance_wi_upper",
    "second_moment",
    "rmd2_floor",
)
MODEL_METRICS = (
    "risk",
    "risk_bare",
    "l2_symmetrisation",
    "l2_target",
    "l2_symmetrised_target",
    "equivariance_error",
)
ERRORS = (*(f"{name}_error" for name in MODEL_METRICS), "equivariance_error_group")
"""The integration error over x of each of MODEL_METRICS, and over an infinite group of the equivariance error."""

CLASS_METRICS = ("accuracy", "accuracy_moved")
"""Metrics of problems whose y names a class."""

RISKS = ("risk", "risk_bare", "risk_error", "risk_bare_error")
"""Measures that need only the risks of the model."""

SNAPSHOT = (*RISKS, "rmd2_si", "rmd2_symmetrised", "rmd2_symmetrised_error", "rmd2_floor")
"""Measures that ``simulate`` writes for one scheme at one time."""

FLOWING = (
    *RISKS,
    "rmd2_si",
    "rmd2_symmetrised",
    "second_moment",
    "energy",
    "dissipated",
    "energy_defect",
    "error_force",
    "quadrature_order",
)
"""Measures that ``flow`` writes for the limit at one time."""

DEPARTURES = ("error_mean", "error_second_moment", "error_prediction", "error_risk", "w2_limit", "rmd2_limit")
"""Distances between a law and the limit law."""

CONVERGING = (*DEPARTURES, "rmd2_si", "risk", "risk_error", "second_moment")
"""Measures that ``converge`` writes for one replicate at one time."""


class Judged:
    """One law to be measured; intermediate results shared by several measures are computed lazily, once.

    unit : of the particles z (N, p), float64.  scheme, problem : define the model; measures of the law do not need
    them.  zero : second moment at rounding level; relative distances are 0 for laws at or below it.
    floor : the value of ``rmd2_floor``.  limit : (L, p) particles of the limit at the same time.
    flow, begun, presented, tau : the state of a flow, its initial state, the scheme whose population risk it follows,
    and its penalty.  engine : of predictions, a name in ENGINES.
    names : the measures that will be computed; they decide how the risks are integrated.
    """

    def __init__(self, unit: Unit, z: Floats, names: Iterable[str] = (), **known: Any) -> None:
        self.unit, self.z, self.names = unit, z, frozenset(names)
        self.scheme: Scheme = known.get("scheme")  # type: ignore[assignment]
        self.problem: Problem = known.get("problem")  # type: ignore[assignment]
        self.zero, self.floor = float(known.get("zero", 0.0)), float(known.get("floor", np.nan))
        self.limit: Floats = known.get("limit")  # type: ignore[assignment]
        self.flow: FlowState = known.get("flow")  # type: ignore[assignment]
        self.begun: FlowState = known.get("begun")  # type: ignore[assignment]
        self.presented: Scheme | None = known.get("presented")
        self.tau, self.engine = float(known.get("tau", 0.0)), str(known.get("engine", ENGINES[0]))

    @cached_property
    def invariance(self) -> Interval:
        """Bounds on the distance to the weakly invariant laws."""
        return distance_wi(self.z, self.unit.action)

    @cached_property
    def symmetrised(self) -> Any:
        """The squared RMD to the symmetrised law, with its error."""
        return rmd2_symmetrised_estimate(self.z, self.unit.action, self.zero)

    @cached_property
    def model(self) -> dict[str, float]:
        """Measures of the model: the risks alone, by the quadrature of a flow's energy; or all, if others are named.

        Each quadrature is refined until its error estimate is met, so the same risk may differ by that error.
        """
        data, loss, engine = self.problem.data, self.problem.loss, self.engine
        if self.names & {*MODEL_METRICS[2:], *ERRORS[2:], *CLASS_METRICS}:
            return asdict(evaluate(self.scheme, data, self.z, loss=loss, engine=engine))
        found = {}
        if self.presented is not None:
            energy, model, bare = objective(self.presented, data, self.z, self.tau, self.engine)
            found["energy"] = float(energy)
        else:
            model, bare = risks(self.scheme, data, self.z, loss=loss, engine=engine)
        known = {"risk": float(model), "risk_bare": float(bare)}
        return found | known | {"risk_error": model.error, "risk_bare_error": bare.error}

    @cached_property
    def coupling(self) -> W2Result:
        """W2 between the law and the limit law."""
        return w2(self.z, self.limit)


def _model(name: str, law: Judged) -> float:
    return law.model[name]


def _error_mean(law: Judged) -> float:
    return float(np.linalg.norm(law.z.mean(axis=0) - law.limit.mean(axis=0)))


def _error_prediction(law: Judged) -> float:
    here, predict = law.scheme.particles(law.z), predictor(law.unit, law.engine)

    def gap(x: Floats, _: Floats) -> Columns:
        one, other = predict(x, here), predict(x, law.limit)
        return Columns(np.sum((one - other) ** 2, axis=1, keepdims=True), (one, other))

    return float(expect(law.problem.data, gap).value[0]) ** 0.5


def _error_risk(law: Judged) -> float:
    return abs(law.model["risk"] - risks(law.scheme, law.problem.data, law.limit, engine=law.engine)[0])


class Measure(NamedTuple):
    """One line of the table: the function that computes a variable of the data dictionary."""

    name: str
    function: Callable[[Judged], float]

    @property
    def entry(self) -> Variable:
        """The entry of the data dictionary: units and meaning."""
        return VARIABLES[self.name]


_TABLE: tuple[Measure, ...] = (
    *(Measure(name, partial(_model, name)) for name in (*MODEL_METRICS, *ERRORS, *CLASS_METRICS, "energy")),
    Measure("rmd2_si", lambda law: rmd2_si(law.z, law.unit.fixed_subspace, law.zero)),
    Measure("rmd2_symmetrised", lambda law: law.symmetrised.value),
    Measure("rmd2_symmetrised_error", lambda law: law.symmetrised.error),
    Measure("rmd2_floor", lambda law: law.floor),
    Measure("distance_wi", lambda law: law.invariance.upper),
    Measure("distance_wi_lower", lambda law: law.invariance.lower),
    Measure("distance_wi_upper", lambda law: law.invariance.upper),
    Measure("second_moment", lambda law: second_moment(law.z)),
    Measure("dissipated", lambda law: law.flow.dissipated),
    Measure("energy_defect", lambda law: law.flow.energy + law.flow.dissipated - law.begun.energy),
    Measure("error_force", lambda law: law.flow.force_error),
    Measure("quadrature_order", lambda law: law.flow.order),
    Measure("error_mean", _error_mean),
    Measure("error_second_moment", lambda law: abs(second_moment(law.z) - second_moment(law.limit))),
    Measure("error_prediction", _error_prediction),
    Measure("error_risk", _error_risk),
    Measure("w2_limit", lambda law: law.coupling.value),
    Measure("rmd2_limit", lambda law: rmd2_from(law.coupling.w2_squared, law.z, law.limit)),
)

MEASURES: Mapping[str, Measure] = MappingProxyType({measure.name: measure for measure in _TABLE})
"""The measures by name."""


def row_of(law: Judged, names: Iterable[str]) -> dict[str, float]:
    """The measures with these names."""
    return {name: MEASURES[name].function(law) for name in names}


def row_of_state(
    state: State,
    scheme: Scheme,
    problem: Problem,
    names: Iterable[str],
    limit: Floats | None = None,
    engine: str = ENGINES[0],
) -> dict[str, float]:
    """The measures with these names of a trained state; NaN if it diverged.  limit, engine : as in ``Judged``."""
    names = tuple(names)
    if state.status == "diverged":
        return dict.fromkeys(names, float("nan"))
    z, zero = np.asarray(state.z, dtype=np.float64), rounding_floor(state.z, state.step)
    known = {"scheme": scheme, "problem": problem, "zero": zero, "floor": rmd2_floor(state.z, state.step)}
    return row_of(Judged(problem.unit, z, names, limit=limit, engine=engine, **known), names)


def measure(dynamics: NoisySGD, state: State, names: Iterable[str] = SNAPSHOT) -> dict[str, float]:
    """The measures of one state of a noisy SGD, by name: the row that ``simulate`` writes.

    names : other measures of a law or of its model, as ``compare`` writes them (LAW_METRICS, MODEL_METRICS, ...).
    ``mfsym.variables.VARIABLES`` defines each of them and its units. NaN if the state diverged.
    Raises MfsymError for an unknown name, and for the state of a residual network.

    >>> from mfsym.data.teachers import reference_teacher
    >>> teacher = reference_teacher("wi")
    >>> dynamics = NoisySGD(teacher.unit, "vanilla", teacher)
    >>> measure(dynamics, dynamics.init(np.zeros((8, 4))), ["rmd2_si"])
    {'rmd2_si': 0.0}
    """
    if state.z.ndim != 2:
        raise MfsymError("measure needs the state of one layer; of a residual network hand over a layer's own dynamics")
    problem = Problem(dynamics.data.name, dynamics.unit, dynamics.data, dynamics.loss.name)
    apart = {*DEPARTURES, "energy", "dissipated", "energy_defect", "error_force", "quadrature_order"}
    chosen = [as_choice(name, "a measure", [each for each in MEASURES if each not in apart]) for name in names]
    return row_of_state(state, dynamics.scheme, problem, chosen, engine=dynamics.engine)


def law_metrics(z: ArrayLike, unit: Unit, zero: float = 0.0) -> dict[str, float]:
    """Distances of the law of z (N, p) to the symmetric laws; relative ones are 0 where E|z|^2 is at most ``zero``."""
    return row_of(Judged(unit, np.asarray(z, dtype=np.float64), zero=zero), LAW_METRICS[:-1])


def metric_names(problem: Problem) -> tuple[str, ...]:
    """Names of the measures that ``compare`` writes for one trained scheme on a problem."""
    return (*LAW_METRICS, *MODEL_METRICS, *ERRORS, *(CLASS_METRICS if problem.data.classes else ()))


def pairs(states: list[State]) -> NDArray[np.float64]:
    """(S, S) squared RMD between the laws of the schemes; NaN if either law diverged."""
    clouds = [None if state.status == "diverged" else np.asarray(state.z, dtype=np.float64) for state in states]
    zeros = [rounding_floor(state.z, state.step) for state in states]
    table = np.full((len(states), len(states)), np.nan)
    for i, a in enumerate(clouds):
        for j, b in enumerate(clouds[:i]):
            if a is not None and b is not None:
                table[i, j] = table[j, i] = rmd2_from(w2(a, b).w2_squared, a, b, max(zeros[i], zeros[j]))
        if a is not None:
            table[i, i] = 0.0
    return table
