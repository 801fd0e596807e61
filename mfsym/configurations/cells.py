"""A cell: one point of a sweep, frozen, hashable, with an identity made of its values only."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mfsym.arguments import as_number, as_plain, as_whole
from mfsym.configurations.fields import TRAINING_KEYS
from mfsym.configurations.layers import Resolved

SCHEMA_VERSION = 3
"""Raised when the meaning of a cell's values or of its arrays changes: old cells are then not found.

2: risks and L2 distances carry their errors, and kinked targets other rules. A grid of both would mix them.
3: kernels add in another order, so that numbers differ by rounding."""

WHOLE, REAL = ("n", "replicate", "seed", "batch_size", "null"), ("alpha", "tau", "beta", "horizon")
LEAST = {"replicate": 0, "seed": 0, "null": 0}
"""Numbers of a cell, and the least value of those that may be 0."""

PROBLEM_KEYS = ("problem", "problem_digest")


@dataclass(frozen=True)
class Cell:
    """One training of every scheme under common random numbers.

    n : N particles.  horizon : mean-field time T, so round(T N) steps.  The other fields are as in [training].
    problem, problem_digest : path and content of the problem file that states teacher, unit and activation, else "".
    The content is part of the identity, the path is not. Numbers may be NumPy's; MfsymError for one out of range.
    null : draws behind the null level of rmd2_symmetrised, 0 for none (``mfsym.metrics.nulls``).
    """

    teacher: str = "wi"
    init: str = "si"
    n: int = 100
    replicate: int = 0
    seed: int = 0
    schemes: tuple[str, ...] = ("vanilla", "da", "da-sampled", "fa", "ea")
    alpha: float = 50.0
    tau: float = 1e-4
    beta: float = 1e-6
    batch_size: int = 20
    horizon: float = 20.0
    unit: str = "matrix"
    activation: str = "sigmoid"
    dtype: str = "float32"
    problem: str = ""
    problem_digest: str = ""
    null: int = 0

    def __post_init__(self) -> None:
        for name in WHOLE:
            object.__setattr__(self, name, as_whole(getattr(self, name), name, least=LEAST.get(name, 1)))
        for name in REAL:
            bound = {"above": 0.0} if name == "alpha" else {"least": 0.0}
            object.__setattr__(self, name, as_number(getattr(self, name), name, **bound))
        given = as_plain(self.schemes)
        object.__setattr__(self, "schemes", tuple(given) if isinstance(given, list) else (given,))

    @property
    def identity(self) -> str:
        """32 hexadecimal digits: the digest of the values and of the schema's version."""
        values = {key: value for key, value in asdict(self).items() if key not in PROBLEM_KEYS}
        if not self.null:
            del values["null"]
        if self.problem_digest:
            values["problem"] = self.problem_digest
        text = json.dumps({"schema": SCHEMA_VERSION, **values}, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def noise(self) -> str:
        """What noise its trainings feel; see ``noise_of``."""
        return noise_of((self.init,), self.schemes)

    @property
    def label(self) -> str:
        """A short name for people; see ``label_of`` for the cells of a grid."""
        return self.label_of(())

    def label_of(self, listed: Iterable[str]) -> str:
        """A name for people that no other cell of a grid has; listed : the training parameters that vary over it."""
        head = f"teacher={self.teacher} init={self.init} n={self.n}"
        return " ".join([head, *(f"{key}={getattr(self, key)}" for key in listed), f"replicate={self.replicate}"])

    @property
    def steps(self) -> int:
        """Number of steps, round(T N)."""
        return round(self.horizon * self.n)

    @property
    def cost(self) -> float:
        """Particle-samples of the whole cell, the unit of the time estimate: larger cells start first."""
        return float(self.steps) * self.n * self.batch_size * len(self.schemes) + 50.0 * self.n**1.5 * (
            1.0 + self.null * len(self.schemes)
        )

    def to_dict(self) -> dict[str, Any]:
        """The values, as JSON holds them."""
        return {**asdict(self), "schemes": list(self.schemes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cell:
        """The cell of ``dataclasses.asdict`` after a passage through JSON."""
        known = {field.name for field in fields(cls)}
        picked = {key: value for key, value in values.items() if key in known}
        return cls(**{**picked, "schemes": tuple(picked["schemes"])})


def noise_of(inits: Iterable[str], schemes: Iterable[str]) -> str:
    """What noise trainings feel: "projected" on E^G from starts in it ("si", "zero") and for ea, else "isotropic".

    >>> noise_of(["si"], ["fa", "ea"])
    'projected'
    >>> noise_of(["si", "wi"], ["fa", "ea"])
    'si: projected; wi: isotropic, projected for ea'
    """
    names, phrases = set(schemes), {}
    for init in inits:
        inside = init in ("si", "zero") or names == {"ea"}
        phrases[init] = "projected" if inside else "isotropic" + (", projected for ea" if "ea" in names else "")
    if len(phrases) == 1:
        return next(iter(phrases.values()))
    return "; ".join(f"{init}: {phrase}" for init, phrase in phrases.items())


def extra_axes(resolved: Resolved) -> dict[str, list[Any]]:
    """Training parameters given as lists, in the order of [training]: the additional dimensions."""
    return {key: resolved.values[key] for key in TRAINING_KEYS if isinstance(resolved.values[key], list)}


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
    """Number of cells, without making them."""
    return math.prod(len(values) for values in axes(resolved).values())


def expand(resolved: Resolved) -> Iterator[tuple[tuple[int, ...], Cell]]:
    """(index along each dimension of ``axes``, cell) for every point of the grid."""
    dimensions = axes(resolved)
    scalars = {key: resolved.values[key] for key in TRAINING_KEYS if key not in dimensions}
    common = {key: resolved.values[key] for key in ("seed", "null")}
    common |= {"schemes": tuple(resolved.values["scheme"]), **scalars}
    if resolved.values["problem"]:
        common |= {key: resolved.values[key] for key in PROBLEM_KEYS} | {"unit": "problem", "activation": "problem"}
    names = list(dimensions)
    for index in itertools.product(*(range(len(values)) for values in dimensions.values())):
        point = {name: dimensions[name][k] for name, k in zip(names, index, strict=True)}
        yield index, Cell(**common, **point)
