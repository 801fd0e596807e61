"""Schema of a problem file: every table, key, type and range. The error for an unknown key suggests the nearest one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mfsym.arguments import suggestions
from mfsym.configurations.fields import ActivationName, Seed
from mfsym.configurations.values import check_names
from mfsym.errors import MfsymError

Matrices = list[list[list[float]]] | str
Positive = Annotated[float, Meta(gt=0.0, le=1e300)]
Share = Annotated[float, Meta(ge=0.0, lt=1.0)]
Size = Annotated[int, Meta(ge=1, le=10**6)]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
LossName = Literal["quadratic", "cross-entropy", "logistic"]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a problem file."""


class GroupTable(Table, frozen=True):
    """[group]: a known ``name`` such as "cyclic(4)"; with ``generators`` (matrices or .npy) it is only a label."""

    name: Text
    generators: Matrices | None = None


class RepresentationTable(Table, frozen=True):
    """An action as matrices, one per generator and per Lie algebra basis element, or as 0-based permutations."""

    generators: Matrices | None = None
    algebra: Matrices | None = None
    permutations: list[list[int]] | None = None


class RepresentationsTable(Table, frozen=True):
    """[representations]: how the group acts on inputs x and outputs y."""

    x: Text | RepresentationTable
    y: Text | RepresentationTable


class UnitTable(Table, frozen=True):
    """[unit]: ``kind`` and ``activation``; for mlp also the representation of each hidden layer, and the biases.

    An entry of ``hidden`` is a representation, "gated(...)" or "normed(...)" of one, or a list of these (direct sum).
    """

    kind: Text = "matrix"
    activation: ActivationName = "sigmoid"
    hidden: list[Text | list[Text]] | None = None
    biases: bool | list[bool] | None = None
    output_bias: bool | None = None
    output_linear: bool | None = None


class InputsTable(Table, frozen=True):
    """[inputs]: the law of x, its ``scale``, and for the Gaussian a ``cutoff`` beyond which x is 0."""

    law: Literal["gaussian", "uniform", "sphere"] = "gaussian"
    scale: Positive = 1.0
    cutoff: Positive | None = None


class TargetTable(Table, frozen=True):
    """[target]: y as a function of x: a teacher (``particles`` or ``random``) or a ``formula`` for each output.

    samples : size of a training set drawn once; by default every step draws its inputs afresh.
    """

    particles: list[list[float]] | Text | None = None
    random: Size | None = None
    seed: Seed = 0
    scale: Positive = 1.0
    symmetry: Literal["arbitrary", "wi", "si"] = "arbitrary"
    formula: list[Text] | None = None
    samples: Size | None = None


class DatasetTable(Table, frozen=True):
    """[dataset]: samples from a file (or "digits"), instead of [inputs] and [target]."""

    source: Text
    x: list[Text] = msgspec.field(default_factory=lambda: ["x"])
    y: list[Text] = msgspec.field(default_factory=lambda: ["y"])
    classes: Annotated[int, Meta(ge=2, le=10**4)] | None = None
    shift: float = 0.0
    scale: Positive = 1.0
    test: Share = 0.25
    test_source: Text | None = None
    seed: Seed = 0
    symmetrised: bool = False


class ProblemFile(Table, frozen=True):
    """A whole problem file."""

    group: GroupTable
    representations: RepresentationsTable
    unit: UnitTable = msgspec.field(default_factory=UnitTable)
    inputs: InputsTable | None = None
    target: TargetTable | None = None
    dataset: DatasetTable | None = None
    name: Text | None = None
    description: str = ""
    loss: LossName = "quadratic"
    training: dict[str, Any] = msgspec.field(default_factory=dict)


TABLES: dict[str, type[Table]] = {
    "group": GroupTable,
    "representations": RepresentationsTable,
    "unit": UnitTable,
    "inputs": InputsTable,
    "target": TargetTable,
    "dataset": DatasetTable,
}
"""Tables of a problem file with fixed keys."""


def parse(data: dict[str, Any], path: Path) -> ProblemFile:
    """The checked content of a problem file; MfsymError naming the file, the table and the key otherwise."""
    _refuse_unknown(data, ProblemFile, f"{path}: unknown key or table", "")
    for table, struct in TABLES.items():
        if isinstance(data.get(table), dict):
            _refuse_unknown(data[table], struct, f"{path}: unknown key", f" in [{table}]")
            check_names(data[table], struct, f"{path}: {table}.")
    check_names(data, ProblemFile, f"{path}: ")
    for key in ("x", "y"):
        given = data.get("representations", {})
        if isinstance(given, dict) and isinstance(given.get(key), dict):
            _refuse_unknown(given[key], RepresentationTable, f"{path}: unknown key", f" in representations.{key}")
    try:
        return msgspec.convert(data, ProblemFile)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        reason = re.sub(r"`\$\.?([^`]*)`", r"\1", " ".join(str(error).split()))
        raise MfsymError(f"{path}: {reason[:200]}") from error


def _refuse_unknown(data: dict[str, Any], struct: type[msgspec.Struct], what: str, where: str) -> None:
    for key in data:
        if key not in struct.__struct_fields__:
            raise MfsymError(f"{what} {key[:80]!r}{where}{suggestions(key, struct.__struct_fields__)}")
