"""A cell: one point of a sweep, frozen, hashable, with an identity that depends on its values only."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mfsym.arguments import as_plain
from mfsym.configurations.layers import Resolved
from mfsym.configurations.names import SCHEMES, in_order
from mfsym.configurations.parameters import PARAMETERS, Parameters, named

SCHEMA_VERSION = 3
"""Raised when the meaning of a cell's values or of its arrays changes: cells of an older schema are not reused.

2: risks and L2 distances carry errors, and targets with kinks use other quadrature rules.
3: kernels sum in another order, so results differ by rounding."""

FOUNDING = (
    *("teacher", "init", "n", "replicate", "seed", "schemes", "alpha", "tau", "beta", "batch_size", "horizon"),
    *("unit", "activation", "dtype"),
)
"""Fields that always enter the identity. Any other field enters only if it differs from its default, so that a new
parameter leaves the identity of existing cells unchanged; its default may then not change within a schema."""

PROBLEM_KEYS = ("problem", "problem_digest")


@dataclass(frozen=True)
class Cell(Parameters):
    """One training of every scheme under common random numbers: a value for each of ``Parameters``.

    n : N particles.  horizon : mean-field time T, so round(T N) steps.  The other fields are as in [training].
    problem, problem_digest : path and content digest of the problem file (fixes teacher, unit, activation), or "".
    The digest is part of the identity, the path is not. Numbers may be NumPy's; MfsymError for one out of range.
    null : draws behind the null level of rmd2_symmetrised, 0 for none (``mfsym.metrics.nulls``).
    """

    def __post_init__(self) -> None:
        for name, parameter in PARAMETERS.items():
            object.__setattr__(self, name, parameter.kind.check(getattr(self, name), name))
        given = as_plain(self.schemes)
        object.__setattr__(self, "schemes", tuple(given) if isinstance(given, list) else (given,))

    @property
    def identity(self) -> str:
        """32 hexadecimal digits: the digest of the values and of the schema's version."""
        values = {key: value for key, value in asdict(self).items() if key not in PROBLEM_KEYS}
        values = {key: value for key, value in values.items() if key in FOUNDING or value != PARAMETERS[key].default}
        if self.problem_digest:
            values["problem"] = self.problem_digest
        text = json.dumps({"schema": SCHEMA_VERSION, **values}, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def options(self, *, limit: bool = False) -> dict[str, Any]:
        """The keyword arguments for ``NoisySGD``, or with ``limit`` for ``MeanFieldFlow``."""
        return {name: getattr(self, name) for name in named(**{"limit" if limit else "dynamics": True})}

    @property
    def label(self) -> str:
        """A short readable label; see ``label_of`` for the cells of a grid."""
        return self.label_of(())

    def label_of(self, listed: Iterable[str]) -> str:
        """A readable label, unique within a grid; listed : the training parameters that vary over the grid."""
        head = f"teacher={self.teacher} init={self.init} n={self.n}"
        return " ".join([head, *(f"{key}={getattr(self, key)}" for key in listed), f"replicate={self.replicate}"])

    @property
    def steps(self) -> int:
        """Number of steps, round(T N)."""
        return round(self.horizon * self.n)

    @property
    def cost(self) -> float:
        """Particle-samples of the whole cell, the unit of the time estimate. Cells of higher cost start first."""
        return float(self.steps) * self.n * self.batch_size * len(self.schemes) + 50.0 * self.n**1.5 * (
            1.0 + self.null * len(self.schemes)
        )

    def to_dict(self) -> dict[str, Any]:
        """The values as plain JSON types."""
        return {**asdict(self), "schemes": list(self.schemes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cell:
        """The cell from the values of ``to_dict``, also after a JSON round trip."""
        known = {field.name for field in fields(cls)}
        picked = {key: value for key, value in values.items() if key in known}
        return cls(**{**picked, "schemes": tuple(picked["schemes"])})


def extra_axes(resolved: Resolved) -> dict[str, list[Any]]:
    """Training parameters given as lists, in the order of [training]: the additional dimensions."""
    return {key: resolved.values[key] for key in named(axis="list") if isinstance(resolved.values[key], list)}


def axes(resolved: Resolved) -> dict[str, list[Any]]:
    """Dimensions of the cells, in the order of the Dataset: teacher, init, n, extra ones, replicate."""
    values = resolved.values
    problem = values["problem"]
    return {
        "teacher": [Path(problem).stem] if problem else list(values["teacher"]),
        "init": list(values["init"]),
        "n": list(values["n"]),
        **extra_axes(resolved),
        "replicate": range(values["replicates"]),  # type: ignore[dict-item]
    }


def count(resolved: Resolved) -> int:
    """Number of cells, without constructing them."""
    return math.prod(len(values) for values in axes(resolved).values())


def expand(resolved: Resolved) -> Iterator[tuple[tuple[int, ...], Cell]]:
    """(index along each dimension of ``axes``, cell) for every point of the grid.

    Cells hold their schemes in registry order, so identities do not depend on the order in which a file lists them.
    """
    dimensions, values = axes(resolved), resolved.values
    common = {key: values[key] for key in (*named(axis="list"), *named(axis="")) if key not in dimensions}
    common["schemes"] = in_order(values["scheme"], SCHEMES)
    if values["problem"]:
        common |= {"unit": "problem", "activation": "problem"}
    names = list(dimensions)
    for index in itertools.product(*(range(len(values)) for values in dimensions.values())):
        point = {name: dimensions[name][k] for name, k in zip(names, index, strict=True)}
        yield index, Cell(**{**common, **point})
