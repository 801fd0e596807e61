"""What may be configured: every key, its type, its range, its default and its meaning.

One structure per table of a sweep file. A key of ``[training]`` given as a list becomes one more dimension.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

TeacherName = Literal["arbitrary", "wi", "si"]
InitName = Literal["wi", "si"]
SchemeName = Literal["vanilla", "da", "da-sampled", "fa", "ea"]
UnitName = Literal["matrix", "uv"]
ActivationName = Literal["sigmoid", "tanh", "relu", "softplus", "erf", "identity"]
DtypeName = Literal["float32", "float64", "auto"]

TEACHERS: tuple[str, ...] = ("arbitrary", "wi", "si")
INITS: tuple[str, ...] = ("wi", "si")
SCHEMES: tuple[str, ...] = ("vanilla", "da", "da-sampled", "fa", "ea")
UNITS: tuple[str, ...] = ("matrix", "uv")
ACTIVATIONS: tuple[str, ...] = ("sigmoid", "tanh", "relu", "softplus", "erf", "identity")
DTYPES: tuple[str, ...] = ("float32", "float64", "auto")
CONVENTIONS: tuple[str, ...] = ("torch", "keras", "math")

Count = Annotated[int, Meta(ge=1, le=10**12)]
Batch = Annotated[int, Meta(ge=1, le=10**6)]
Draws = Annotated[int, Meta(ge=0, le=10**6)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0.0, le=1e300)]
NonNegative = Annotated[float, Meta(ge=0.0, le=1e300)]


class Sweep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [sweep]: the grid. One cell per (teacher, init, n, replicate); a cell trains every scheme."""

    teacher: list[TeacherName] = msgspec.field(default_factory=lambda: ["wi"])
    init: list[InitName] = msgspec.field(default_factory=lambda: ["si"])
    scheme: list[SchemeName] = msgspec.field(default_factory=lambda: ["vanilla", "da", "da-sampled", "fa", "ea"])
    n: list[Count] = msgspec.field(default_factory=lambda: [100])
    replicates: Count = 1
    seed: Seed = 0
    problem: str = ""
    problem_digest: str = ""
    null: Draws = 0


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [training]: the parameters of one training; the defaults are the paper's."""

    alpha: Positive | list[Positive] = 50.0
    tau: NonNegative | list[NonNegative] = 1e-4
    beta: NonNegative | list[NonNegative] = 1e-6
    batch_size: Batch | list[Batch] = 20
    horizon: NonNegative | list[NonNegative] = 20.0
    unit: UnitName | list[UnitName] = "matrix"
    activation: ActivationName | list[ActivationName] = "sigmoid"
    dtype: DtypeName | list[DtypeName] = "float32"


TABLES: dict[str, type[msgspec.Struct]] = {"sweep": Sweep, "training": Training}
TRAINING_KEYS: tuple[str, ...] = Training.__struct_fields__

MEANINGS: dict[str, str] = {
    "teacher": "target laws",
    "init": "start laws",
    "scheme": "schemes, trained together under common random numbers",
    "n": "numbers N of particles",
    "replicates": "replicates of every cell",
    "seed": "seed of every random stream",
    "problem": "problem file, instead of teacher, unit and activation",
    "problem_digest": "digest of what the problem file says (filled in)",
    "null": "moved clouds behind the null level of rmd2_symmetrised, 0 for none",
    "alpha": "step size",
    "tau": "weight of the penalty |z|^2",
    "beta": "temperature of the noise",
    "batch_size": "samples B per step",
    "horizon": "mean-field time T at the end",
    "unit": "kind of unit",
    "activation": "activation of the unit",
    "dtype": "arithmetic of the training; auto: float32, or float64 where rounding would leave E^G",
}


def key_tables() -> dict[str, str]:
    """Key to the table it belongs to; keys are unique over tables."""
    return {key: table for table, struct in TABLES.items() for key in struct.__struct_fields__}


def defaults() -> dict[str, Any]:
    """Key to its default value."""
    return {key: getattr(struct(), key) for struct in TABLES.values() for key in struct.__struct_fields__}
