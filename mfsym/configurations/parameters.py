"""The parameters of a training, each declared once: one line of ``Parameters``.

The line defines the field of a ``Cell``, the key of a sweep file, of ``--set`` and of ``MFSYM_*``, the keyword argument
of ``mfsym.simulate`` and ``mfsym.compare``, the command-line option with its help, the dimension of a sweep, and the
entry in the data dictionary. A parameter with ``dynamics`` is passed to ``NoisySGD`` as a keyword argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar

from mfsym.arguments import as_number, as_whole
from mfsym.configurations.names import (
    ACTIVATIONS,
    AUTO,
    DTYPES,
    ENGINES,
    INITS,
    NOISES,
    REFERENCE_UNITS,
    SCHEMES,
    TEACHERS,
)
from mfsym.errors import MfsymError

LARGEST = 1e300
"""Largest value of a parameter."""


@dataclass(frozen=True)
class WholeRange:
    """A whole number from ``least`` to ``most``, ends included."""

    variable: ClassVar[str] = "int"
    least: int
    most: int

    def check(self, value: Any, name: str) -> Any:
        """The value as a Python int; MfsymError, naming the parameter, otherwise."""
        return as_whole(value, name, self.least, self.most)


@dataclass(frozen=True)
class RealRange:
    """A finite number, at least 0, or above 0 if ``positive``; at most LARGEST."""

    variable: ClassVar[str] = "float"
    positive: bool = False

    def check(self, value: Any, name: str) -> Any:
        """The value as a Python float; MfsymError, naming the parameter, otherwise."""
        found = as_number(value, name, **({"above": 0.0} if self.positive else {"least": 0.0}))
        if found > LARGEST:
            raise MfsymError(f"{name} must be a number <= {LARGEST:g}, got {found:g}")
        return found


@dataclass(frozen=True)
class OneOf:
    """One of several names. A cell may hold another name, that of an object passed to a Python function."""

    variable: ClassVar[str] = "text"
    names: tuple[str, ...]

    def check(self, value: Any, name: str) -> Any:
        """The value unchanged: names are checked when they are resolved."""
        return value


@dataclass(frozen=True)
class AnyText:
    """Any text."""

    variable: ClassVar[str] = "text"

    def check(self, value: Any, name: str) -> Any:
        """The value unchanged."""
        return value


Kind = WholeRange | RealRange | OneOf | AnyText

COUNT, BATCH, DRAWS, SEED = WholeRange(1, 10**12), WholeRange(1, 10**6), WholeRange(0, 10**6), WholeRange(0, 2**63 - 1)
POSITIVE, NONNEGATIVE = RealRange(positive=True), RealRange()


@dataclass(frozen=True)
class Key:
    """A file key that differs from its parameter: name, default, kind and meaning."""

    name: str
    default: Any
    kind: Kind
    doc: str


@dataclass(frozen=True)
class Parameter:
    """The declaration of one parameter.

    kind : allowed values.  default : of a cell.  doc : meaning, for help texts.  more : longer text for the data
    dictionary, if any.  units : as in the data dictionary.
    table : of a sweep file, "sweep" or "training".  axis : how it becomes a dimension of a sweep. "always": its key
    takes a list; "list": a value, or a list for one more dimension; "count": its key is the length; "": never.
    option : whether every training command has it as an option and every training function as a keyword argument.
    dynamics : whether ``NoisySGD`` takes it; limit : whether ``MeanFieldFlow`` does too.
    stated : whether a problem file fixes it.  key : the file key, if it differs from the parameter.
    """

    name: str
    kind: Kind
    default: Any
    doc: str
    more: str = ""
    units: str = "1"
    table: str = "training"
    axis: str = "list"
    option: bool = True
    dynamics: bool = False
    limit: bool = False
    stated: bool = False
    file_key: Key | None = None

    @property
    def key(self) -> Key:
        """The key of a sweep file, with the default that a file has."""
        if self.file_key is not None:
            return self.file_key
        lists = self.axis == "always"
        return Key(self.name, [self.default] if lists else self.default, self.kind, self.doc)

    @property
    def dimension(self) -> str:
        """The name of its dimension and its entry in the data dictionary; "" if it is not a dimension."""
        return {"": "", "count": self.name}.get(self.axis, self.key.name)

    @property
    def flag(self) -> str:
        """The command-line flag: ``-n``, ``--batch-size``."""
        return f"-{self.name}" if len(self.name) == 1 else f"--{self.key.name.replace('_', '-')}"


def _sweep(default: Any, kind: Kind, doc: str, *, axis: str = "", option: bool = False, **rest: Any) -> Any:
    """A parameter of [sweep]: the grid, the seeds and the problem."""
    told = Parameter("", kind, default, doc, table="sweep", axis=axis, option=option, **rest)
    return field(default=default, metadata={"parameter": told})


def _training(
    default: Any, kind: Kind, doc: str, *, dynamics: bool = True, limit: bool = True, stated: bool = False, **rest: Any
) -> Any:
    """A parameter of [training]; by default both dynamics take it as a keyword argument."""
    taken = dynamics and not stated
    told = Parameter("", kind, default, doc, dynamics=taken, limit=taken and limit, stated=stated, **rest)
    return field(default=default, metadata={"parameter": told})


@dataclass(frozen=True)
class Parameters:
    """Every parameter of a training: the fields of a ``Cell``, in order. Append new ones at the end."""

    teacher: str = _sweep(
        "wi",
        OneOf(TEACHERS),
        "target law",
        more="target law: arbitrary, wi or si (reference problem), or another problem's name",
        axis="always",
        option=True,
        stated=True,
    )
    init: str = _sweep(
        "si", OneOf(INITS), "start law: weakly (wi) or strongly (si) invariant", axis="always", option=True
    )
    n: int = _sweep(100, COUNT, "number N of particles", axis="always", option=True)
    replicate: int = _sweep(
        0,
        WholeRange(0, 10**12),
        "replicate: a start, data and noise, shared by all schemes; seed's offset in a study",
        axis="count",
        file_key=Key("replicates", 1, COUNT, "replicates of every cell"),
    )
    seed: int = _sweep(0, SEED, "seed of every random stream", option=True)
    schemes: tuple[str, ...] = _sweep(
        SCHEMES,
        OneOf(SCHEMES),
        "where the group enters",
        axis="always",
        file_key=Key("scheme", list(SCHEMES), OneOf(SCHEMES), "training schemes, under common random numbers"),
    )
    alpha: float = _training(50.0, POSITIVE, "step size alpha of the mean-field dynamics", units="|z|^2/({loss} t)")
    tau: float = _training(1e-4, NONNEGATIVE, "weight tau of the penalty |z|^2", units="{loss}/|z|^2")
    beta: float = _training(1e-6, NONNEGATIVE, "temperature beta of the noise", units="{loss}")
    batch_size: int = _training(20, BATCH, "samples B per step", limit=False)
    horizon: float = _training(20.0, NONNEGATIVE, "mean-field time T at the end of training", units="t", dynamics=False)
    unit: str = _training("matrix", OneOf(REFERENCE_UNITS), "kind of unit", stated=True)
    activation: str = _training("sigmoid", OneOf(ACTIVATIONS), "activation of the unit", stated=True)
    dtype: str = _training(
        "float32",
        OneOf((*DTYPES, AUTO)),
        "arithmetic of the training; auto: float32, or float64 where rounding would leave E^G",
        more="arithmetic of the training",
        limit=False,
    )
    problem: str = _sweep("", AnyText(), "problem file, .toml, instead of teacher, unit and activation")
    problem_digest: str = _sweep("", AnyText(), "digest of what the problem file says (filled in)")
    null: int = _sweep(0, DRAWS, "moved clouds behind the null level of rmd2_symmetrised, 0 for none")
    noise: str = _training(
        AUTO, OneOf((AUTO, *NOISES)), "noise; fixed: in E^G; auto: fixed from starts in E^G; more in docs/quotients.md"
    )
    engine: str = _training(
        ENGINES[0],
        OneOf(ENGINES),
        "engine of the training and of its measures: numba on processor cores; jax on JAX's device",
    )


def declared(owner: type[Parameters]) -> Mapping[str, Parameter]:
    """The declarations of a class of parameters by field name."""
    return MappingProxyType({each.name: replace(each.metadata["parameter"], name=each.name) for each in fields(owner)})


PARAMETERS = declared(Parameters)
"""The declarations by name, in the order of the fields of a cell."""


def named(**properties: Any) -> tuple[str, ...]:
    """Names of the parameters with these properties.

    >>> named(stated=True)
    ('teacher', 'unit', 'activation')
    """
    return tuple(
        name
        for name, each in PARAMETERS.items()
        if all(getattr(each, key) == value for key, value in properties.items())
    )
