"""Schema of a sweep file: one structure per table, generated from the declared parameters.

A key of ``[training]`` given as a list adds a dimension to the sweep.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from mfsym.configurations.names import ACTIVATIONS, ENGINES, RULES
from mfsym.configurations.parameters import (
    BATCH,
    COUNT,
    LARGEST,
    PARAMETERS,
    SEED,
    Kind,
    OneOf,
    Parameter,
    RealRange,
    WholeRange,
)

Count = Annotated[int, Meta(ge=COUNT.least, le=COUNT.most)]
Batch = Annotated[int, Meta(ge=BATCH.least, le=BATCH.most)]
Seed = Annotated[int, Meta(ge=SEED.least, le=SEED.most)]
Positive = Annotated[float, Meta(gt=0.0, le=LARGEST)]
NonNegative = Annotated[float, Meta(ge=0.0, le=LARGEST)]

if TYPE_CHECKING:
    ActivationName: TypeAlias = str
    EngineName: TypeAlias = str
    RuleName: TypeAlias = str
else:
    ActivationName, EngineName, RuleName = Literal[ACTIVATIONS], Literal[ENGINES], Literal[RULES]


def _type_of(kind: Kind) -> Any:
    """The msgspec type of the values of a kind."""
    if isinstance(kind, WholeRange):
        return Annotated[int, Meta(ge=kind.least, le=kind.most)]
    if isinstance(kind, RealRange):
        return Positive if kind.positive else NonNegative
    return Literal[kind.names] if isinstance(kind, OneOf) else str


def _field(parameter: Parameter) -> tuple[str, Any, Any]:
    """Name, type and default of the key of a parameter."""
    key, one = parameter.key, _type_of(parameter.key.kind)
    several: Any = types.GenericAlias(list, (one,))
    if parameter.axis == "always":
        return key.name, several, msgspec.field(default_factory=lambda: list(key.default))
    return key.name, one | several if parameter.axis == "list" else one, key.default


def _table(name: str) -> type[msgspec.Struct]:
    """The structure of the named table, with its keys in order of declaration."""
    keys = [_field(each) for each in PARAMETERS.values() if each.table == name]
    return msgspec.defstruct(name.capitalize(), keys, frozen=True, forbid_unknown_fields=True, module=__name__)


TABLES: dict[str, type[msgspec.Struct]] = {table: _table(table) for table in ("sweep", "training")}
"""The tables [sweep], the grid, and [training], the parameters of one training; the defaults are the paper's."""

TRAINING_KEYS: tuple[str, ...] = TABLES["training"].__struct_fields__


def key_tables() -> dict[str, str]:
    """Key to the table it belongs to; keys are unique over tables."""
    return {key: table for table, struct in TABLES.items() for key in struct.__struct_fields__}


def defaults() -> dict[str, Any]:
    """Key to its default value."""
    return {key: getattr(struct(), key) for struct in TABLES.values() for key in struct.__struct_fields__}
