"""Build a Problem, with its group, unit and data, from the tables of a problem file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice
from mfsym.configurations.layers import resolve
from mfsym.configurations.loading import digest_of, read_problem_tables, training_layer
from mfsym.configurations.shipped import problem_file
from mfsym.configurations.values import parse_toml
from mfsym.data.datasets import NAMED, SampleData, one_hot, read, split
from mfsym.data.inputs import INPUT_LAWS, Gaussian, InputLaw
from mfsym.data.teachers import Data, FunctionData, Teacher
from mfsym.ensembles import Ensemble
from mfsym.errors import MfsymError
from mfsym.problems.expressions import Formula
from mfsym.problems.fields import DatasetTable, InputsTable, ProblemFile, TargetTable, UnitTable, parse
from mfsym.problems.symmetries import build_group, build_part, build_representation
from mfsym.representations import Representation
from mfsym.runtime.origins import remember
from mfsym.stores.clouds import load_cloud
from mfsym.streams import normals, stream_key
from mfsym.units import UNITS, MLPUnit, Unit

Floats = NDArray[np.float64]

TEST_SAMPLES = 4096
"""Held-out samples of a target that is learned from finitely many."""

NETWORK_KEYS = ("hidden", "biases", "output_bias", "output_linear")
"""Keys of [unit] for multi-layer units only."""


@dataclass(frozen=True)
class Problem:
    """A learning problem: a jointly equivariant unit, a data law and a loss.

    unit : with its group and representations.  data : on the unit's R^d x R^c.  loss : a name of ``mfsym.data.losses``.
    training : values of [training], which override the defaults.
    digest : of the content of its file, "" if it has none.
    """

    name: str
    unit: Unit
    data: Data
    loss: str = "quadratic"
    training: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        if (self.data.d, self.data.c) != (self.unit.d, self.unit.c):
            raise MfsymError(
                f"data must be on R^{self.unit.d} x R^{self.unit.c} as the unit is, "
                f"got R^{self.data.d} x R^{self.data.c}; change the representations or the data"
            )

    @classmethod
    def of(cls, source: Problem | Teacher) -> Problem:
        """Wrap a teacher as a problem with its unit and the quadratic loss; return a Problem unchanged."""
        return source if isinstance(source, Problem) else cls(source.name, source.unit, source)

    def quadratic(self, what: str) -> Problem:
        """This problem if its loss is quadratic; otherwise MfsymError.  what : names what needs that loss."""
        if self.loss != "quadratic":
            raise MfsymError(f"{what} needs the quadratic loss, got {self.loss} in the problem {self.name}")
        return self


def load_problem(path: Path | str, digest: str | None = None) -> Problem:
    """Load a Problem from a TOML file, or by the name of one that comes with mfsym, such as "d4-plane".

    digest : required digest of the content (``mfsym.configurations.loading.digest_of``); None accepts any.
    Raises MfsymError (one line, naming file, table and key) for anything unknown, out of range or inconsistent.
    """
    path = problem_file(path)
    found = digest_of(path)
    if digest is not None and found != digest:
        raise MfsymError(f"{path}: the problem has changed since the run was planned; restore it, or start anew")
    return _load(str(path), found)


@lru_cache(maxsize=8)
def _load(text: str, digest: str) -> Problem:
    path = Path(text)
    remember(digest, path)
    tables = parse(read_problem_tables(path), path)
    resolve((f"{path}: [training]", training_layer(path)))
    try:
        return build(tables, path.parent, tables.name or path.stem, digest)
    except MfsymError as error:
        if str(error).startswith(text):
            raise
        error.args = (f"{text}: {error}",)
        raise


def build(tables: ProblemFile, folder: Path, name: str = "problem", digest: str = "") -> Problem:
    """Build the Problem from checked tables; file names in them are relative to ``folder``."""
    group = build_group(tables.group, folder)
    actions = tables.representations
    rho_x, rho_y = (
        build_representation(given, group, folder, f"representations.{key}")
        for key, given in (("x", actions.x), ("y", actions.y))
    )
    unit = build_unit(tables.unit, rho_x, rho_y)
    if (tables.dataset is None) == (tables.target is None):
        raise MfsymError("needs either [target] (with [inputs]) or [dataset]")
    if tables.dataset is not None:
        if tables.inputs is not None:
            raise MfsymError("[inputs] has no meaning beside [dataset]; remove one of them")
        data: Data = build_dataset(tables.dataset, unit, folder, name)
    else:
        data = build_target(tables.target or TargetTable(), tables.inputs or InputsTable(), unit, folder, name)
    return Problem(name, unit, data, tables.loss, MappingProxyType(tables.training), tables.description.strip(), digest)


def build_unit(table: UnitTable, rho_x: Representation, rho_y: Representation) -> Unit:
    """The unit of [unit]; raises NotEquivariant if it is not jointly equivariant."""
    as_choice(table.kind, "unit.kind", UNITS)
    shape = {key: getattr(table, key) for key in NETWORK_KEYS if getattr(table, key) is not None}
    if not issubclass(UNITS[table.kind], MLPUnit):
        if shape:
            raise MfsymError(f"unit.{next(iter(shape))} is for kind 'mlp', got kind {table.kind!r}")
        return UNITS[table.kind](table.activation, rho_x, rho_y)
    if table.hidden is not None:
        layers = [[entry] if isinstance(entry, str) else entry for entry in table.hidden]
        shape["hidden"] = [[build_part(part, rho_x.group, "unit.hidden") for part in layer] for layer in layers]
    return MLPUnit(table.activation, rho_x, rho_y, **shape)


def build_inputs(table: InputsTable) -> InputLaw:
    """The input law of [inputs]."""
    if table.cutoff is not None:
        if table.law != Gaussian.name:
            raise MfsymError(f"inputs.cutoff is for the gaussian law, got law {table.law!r}")
        return Gaussian(table.scale, table.cutoff)
    return INPUT_LAWS[table.law](table.scale)


def build_target(table: TargetTable, inputs: InputsTable, unit: Unit, folder: Path, name: str) -> Data:
    """The data law of [inputs] and [target]; with ``samples`` the law of that many, and TEST_SAMPLES held out."""
    law = build_law(table, inputs, unit, folder, name)
    if table.samples is None:
        return law
    x, y = law.draw(stream_key(table.seed, "data"), 0, table.samples + TEST_SAMPLES)
    count = table.samples
    return SampleData((x[:count], y[:count]), (x[count:], y[count:]), None, name)


def build_law(table: TargetTable, inputs: InputsTable, unit: Unit, folder: Path, name: str) -> FunctionData:
    """The law of (x, y) that [inputs] and [target] state."""
    law = build_inputs(inputs)
    stated = [key for key in ("particles", "random", "formula") if getattr(table, key) is not None]
    if len(stated) != 1:
        raise MfsymError(f"[target] needs one of particles, random, formula, got {', '.join(stated) or 'none'}")
    if table.formula is not None:
        if len(table.formula) != unit.c:
            raise MfsymError(f"target.formula needs one formula for each of {unit.c} outputs, got {len(table.formula)}")
        return FunctionData(law, Formula(list(table.formula), unit.d), unit.d, unit.c, name)
    return Teacher(unit, teacher_particles(table, unit, folder), name=name, inputs=law)


def teacher_particles(table: TargetTable, unit: Unit, folder: Path) -> Floats:
    """Particles of a teacher: given, from a file, or drawn; then kept, expanded to orbits, or projected onto E^G."""
    if table.random is not None:
        z = normals(stream_key(table.seed, "teacher"), 0, table.random, unit.p)
    elif isinstance(table.particles, str):
        z = load_cloud(str(folder / table.particles))
    else:
        try:
            z = np.array(table.particles, dtype=np.float64)
        except ValueError:
            raise MfsymError("target.particles must be rows of one length") from None
    z = table.scale * z
    if z.ndim != 2 or z.shape[1] != unit.p:
        raise MfsymError(f"target.particles must have {unit.p} numbers each, got shape {z.shape}")
    if table.symmetry == "si":
        return unit.fixed_subspace.project(z)
    if table.symmetry == "wi":
        if unit.rho_x.group.order is None:
            raise MfsymError("target.symmetry = 'wi' needs a finite group; use a formula, or 'si'")
        return Ensemble(z).orbit(unit.action).z
    return z


def build_dataset(table: DatasetTable, unit: Unit, folder: Path, name: str) -> SampleData:
    """The data law of [dataset]: x <- scale (x - shift), labels are one-hot encoded if ``classes`` is given."""

    def prepared(source: str) -> tuple[Floats, Floats]:
        x, y = read(source if source in NAMED else folder / source, table.x, table.y)
        labels = y if table.classes is None else one_hot(y, table.classes)
        return table.scale * (x - table.shift), labels

    train, test = split(*prepared(table.source), 0.0 if table.test_source else table.test, table.seed)
    if table.test_source is not None:
        test = prepared(table.test_source)
    if (train[0].shape[1], train[1].shape[1]) != (unit.d, unit.c):
        raise MfsymError(
            f"the dataset must be on R^{unit.d} x R^{unit.c} as the representations are, "
            f"got R^{train[0].shape[1]} x R^{train[1].shape[1]}"
        )
    return SampleData(train, test, (unit.rho_x, unit.rho_y) if table.symmetrised else None, name, table.classes)


def parse_text(text: str, folder: Path | str = ".") -> Problem:
    """Build the Problem from TOML text, for use in notebooks."""
    path = Path(folder) / "problem.toml"
    try:
        data = parse_toml(text)
    except MfsymError as error:
        raise MfsymError(f"the problem {error}") from None
    return build(parse(data, path), Path(folder))
