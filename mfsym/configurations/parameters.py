"""The parameters of a training, each declared once: one line of ``Parameters``.

The line makes the field of a ``Cell``, the key of a sweep file, of ``--set`` and of ``MFSYM_*``, the keyword argument
of ``mfsym.simulate`` and ``mfsym.compare``, the command-line option with its help, the dimension of a sweep, and the
entry in the data dictionary. One with ``dynamics`` reaches ``NoisySGD`` as the keyword argument of its name.
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
    INITS,
    NOISES,
    REFERENCE_UNITS,
    SCHEMES,
    TEACHERS,
)
from mfsym.errors import MfsymError

LARGEST = 1e300
"""Largest number that a parameter may be."""


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
    """One of several names. A cell may hold another one: that of an object which a Python function was handed."""

    variable: ClassVar[str] = "text"
    names: tuple[str, ...]

    def check(self, value: Any, name: str) -> Any:
        """The value as it is: names are checked where they are resolved."""
        return value


@dataclass(frozen=True)
class AnyText:
    """Any text."""

    variable: ClassVar[str] = "text"

    def check(self, value: Any, name: str) -> Any:
        """The value as it is."""
        return value


Kind = WholeRange | RealRange | OneOf | AnyText

COUNT, BATCH, DRAWS, SEED = WholeRange(1, 10**12), WholeRange(1, 10**6), WholeRange(0, 10**6), WholeRange(0, 2**63 - 1)
POSITIVE, NONNEGATIVE = RealRange(positive=True), RealRange()


@dataclass(frozen=True)
class Key:
    """The key of a file, where it is not the parameter itself: its name, default, kind and meaning."""

    name: str
    default: Any
    kind: Kind
    doc: str


@dataclass(frozen=True)
class Parameter:
    """One declaration.

    kind : what it may be.  default : of a cell.  doc : its meaning, for help texts; ``more`` : for the data dictionary,
    where that says more.  units : as in the data dictionary.
    table : of a sweep file, "sweep" or "training".  axis : how it becomes a dimension of a sweep. "always": its key
    takes a list; "list": a value, or a list for one more dimension; "count": its key says how many; "": it does not.
    option : whether every command that trains has it as an option and every function as a keyword argument.
    dynamics : whether ``NoisySGD`` takes it; limit : whether ``MeanFieldFlow`` does too.
    stated : whether a problem file states it.  key : of the file, where it is not the parameter itself.
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
        """The name of its dimension and of its entry in the data dictionary; "" if it is none."""
        return {"": "", "count": self.name}.get(self.axis, self.key.name)

    @property
    def flag(self) -> str:
        """The option of its name: ``-n``, ``--batch-size``."""
        return f"-{self.name}" if len(self.name) == 1 else f"--{self.key.name.replace('_', '-')}"


def _sweep(default: Any, kind: Kind, doc: str, *, axis: str = "", option: bool = False, **rest: Any) -> Any:
    """A parameter of [sweep]: of the grid, the seeds and the problem."""
    told = Parameter("", kind, default, doc, table="sweep", axis=axis, option=option, **rest)
    return field(default=default, metadata={"parameter": told})


def _training(
    default: Any, kind: Kind, doc: str, *, dynamics: bool = True, limit: bool = True, stated: bool = False, **rest: Any
) -> Any:
    """A parameter of [training]; unless said otherwise both dynamics take it as a keyword argument."""
    taken = dynamics and not stated
    told = Parameter("", kind, default, doc, dynamics=taken, limit=taken and limit, stated=stated, **rest)
    return field(default=default, metadata={"parameter": told})


@dataclass(frozen=True)
class Parameters:
    """Every parameter of a training: the fields of a ``Cell``, in order. New ones go to the end."""

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
