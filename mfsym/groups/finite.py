"""Finite groups: every element, enumerated from the generators, is an index and a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_whole
from mfsym.errors import MfsymError
from mfsym.groups.accuracy import rounding_of
from mfsym.groups.base import Group, Quadrature
from mfsym.groups.closure import Finder
from mfsym.groups.enumeration import enumerate_group, finder_of
from mfsym.groups.snapping import relation_defect, snap
from mfsym.representations.orthogonality import ORTHOGONAL_TOLERANCE
from mfsym.streams import uniforms
from mfsym.typing import Elements, Floats

MAX_ORDER = 50_000
"""Default limit on the number of elements of a finite group."""

MAX_TABLE = 1 << 25
"""Largest number of entries (order q^2) in the table of a representation: 256 MB."""


class FiniteGroup(Group):
    """A finite group of orthogonal matrices, given by generators and enumerated breadth first.

    matrices : (m, k, k) generators.
    natural : functions that return the generator matrices of a natural representation, by its name.
    Element i is the word ``words[i]`` in the generators (0 is the identity, the empty word); ``matrices[i]`` is its
    defining matrix. Generators given to a few digits are replaced by those of the exact group near them.
    MfsymError if they are not orthogonal, generate more than ``max_order`` elements, or are too inaccurate to determine
    a group: see ``mfsym.groups.enumeration``.
    """

    order: int

    def __init__(
        self,
        matrices: ArrayLike,
        name: str,
        *,
        generator_names: Sequence[str] | None = None,
        natural: Mapping[str, Callable[[], Floats]] | None = None,
        max_order: int = MAX_ORDER,
    ) -> None:
        given = as_floats(matrices, "generators").copy()
        if given.ndim != 3 or given.shape[1] != given.shape[2]:
            raise MfsymError(f"generators must be an array (m, k, k) of square matrices, got shape {given.shape}")
        self.name = name
        self.degree = given.shape[1]
        self.generator_names = tuple(generator_names or (f"g{i + 1}" for i in range(len(given))))
        self.algebra = np.zeros((0, self.degree, self.degree))
        self._natural = dict(natural or {})
        self._given, self._limit = given, as_whole(max_order, "max_order", 1)
        self.closure, self.matrices, self.generator_defining = enumerate_group(
            given, name, self.generator_names, self._limit
        )
        self.order = self.closure.order
        self.generators = self.closure.right[:, 0]

    @cached_property
    def _finder(self) -> Finder:
        """Lookup of elements by their matrices."""
        return finder_of(self.matrices)

    @property
    def words(self) -> tuple[tuple[int, ...], ...]:
        """Generator indices of every element's word, left to right."""
        return tuple(self.closure.word(index) for index in range(self.order))

    @property
    def identity(self) -> Elements:
        """Index 0."""
        return np.array(0)

    @cached_property
    def table(self) -> NDArray[np.intp]:
        """(order, order): index of the product of element i and element j."""
        everyone = np.arange(self.order)
        return np.asarray(self.multiply(everyone[:, None], everyone[None, :]))

    def multiply(self, a: Elements, b: Elements) -> Elements:
        """Products a_i b_i: multiply b from the left by the letters of a, last letter first."""
        a, b = np.broadcast_arrays(self._checked(a), self._checked(b))
        return self._apply_words(a, b, self.closure.left)

    def inverse(self, a: Elements) -> Elements:
        """Inverses: multiply the identity by the inverse letters of a, last letter first."""
        a = self._checked(a)
        return self._apply_words(a, np.zeros_like(a), np.argsort(self.closure.right, axis=1))

    def _apply_words(
        self, words: NDArray[np.intp], start: NDArray[np.intp], moves: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Apply the letters of each word to a starting element, last letter first; moves : (m, order)."""
        result, rest = np.array(start), np.array(words)
        active = rest > 0
        while active.any():
            here = rest[active]
            result[active] = moves[self.closure.letters[here], result[active]]
            rest[active] = self.closure.parents[here]
            active = rest > 0
        return result

    def element_name(self, element: Elements) -> str:
        """The element's word, with repeated letters as powers: "e", "r^2 s"."""
        word = self.closure.word(int(self._checked(element)))
        runs = [(self.generator_names[k], len(list(run))) for k, run in groupby(word)]
        return " ".join(letter if power == 1 else f"{letter}^{power}" for letter, power in runs) or "e"

    def haar(self, key: NDArray[np.uint32], step: int, n: int) -> Elements:
        """n independent uniform indices (n,)."""
        return np.asarray((uniforms(key, step, n, 1)[:, 0] * self.order).astype(np.intp))

    def quadrature(self, order: int | None = None) -> Quadrature:
        """All elements with equal weights, in the order of enumeration (identity first): exact."""
        if order is not None:
            as_whole(order, "order", 0)
        return Quadrature(np.arange(self.order), np.full(self.order, 1.0 / self.order), exact=True)

    def defining(self, elements: Elements) -> Floats:
        """Defining matrices (n, k, k)."""
        return np.asarray(self.matrices[self._checked(elements)])

    def find(self, matrices: Floats) -> Elements:
        """Indices (n,) of defining matrices (n, k, k); MfsymError if one is not in the group."""
        matrices = as_floats(matrices, "matrices")
        if matrices.shape[-2:] != (self.degree, self.degree):
            raise MfsymError(f"elements of {self.name} are {self.degree}x{self.degree} matrices, got {matrices.shape}")
        rows = np.ascontiguousarray(matrices).reshape(-1, self.degree**2)
        places = self._finder.places(rows)
        flat = [self._finder.search(row, place) for row, place in zip(rows, places, strict=True)]
        if -1 in flat:
            raise MfsymError(f"matrix {flat.index(-1)} is not an element of {self.name}")
        return np.array(flat, dtype=np.intp).reshape(matrices.shape[:-2])

    def has_natural(self, name: str) -> bool:
        """Whether the group has a natural representation of this name."""
        return name in self._natural

    def natural(self, name: str) -> Floats | None:
        """Generator matrices of a natural representation, None if there is none."""
        return self._natural[name]() if name in self._natural else super().natural(name)

    def evaluator(self, generators: Floats, algebra: Floats) -> MultiplicationTable:
        """The matrices of all elements from generator matrices (m, q, q); rounded generators are made exact.

        MfsymError naming the element if the generators do not satisfy the group's relations.
        """
        size, closure = generators.shape[-1], self.closure
        if self.order * size**2 > MAX_TABLE:
            raise MfsymError(
                f"a representation must fit in a table of {MAX_TABLE} numbers: {self.name} on R^{size} has "
                f"{self.order * size**2}; build it from smaller ones by +, * and hom, or take a smaller group"
            )
        table = closure.tabulate(generators)
        error, worst, letter = relation_defect(closure, table, generators)
        if error > rounding_of(closure.length):
            near = error <= ORTHOGONAL_TOLERANCE * (2 * closure.length + 1)
            snapped, moved = snap(closure, table, generators) if near else (table, generators)
            if not near or not np.abs(moved - generators).max() <= ORTHOGONAL_TOLERANCE:
                name = self.generator_names[letter]
                raise MfsymError(
                    f"matrices must satisfy the relations of {self.name}: max|rho(g) rho({name}) - rho(g {name})| = "
                    f"{error:.1e} for g = {self.element_name(np.array(worst))}; give one matrix per generator, in the "
                    f"order {', '.join(self.generator_names)}"
                )
            table = snapped
        return MultiplicationTable(table)

    def _checked(self, elements: Elements) -> NDArray[np.intp]:
        indices = np.asarray(elements)
        if not np.issubdtype(indices.dtype, np.integer):
            raise MfsymError(f"elements of {self.name} are indices 0 to {self.order - 1}, got dtype {indices.dtype}")
        return indices.astype(np.intp, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        stated = (self._given, self.name, self.generator_names, self._natural, self._limit)
        return _rebuild, (*stated, self.factors)


class MultiplicationTable:
    """A homomorphism of a finite group as the table (order, q, q) of its values."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    def __call__(self, elements: Elements) -> Floats:
        return np.asarray(self.values[elements])


def _rebuild(
    matrices: Floats,
    name: str,
    names: tuple[str, ...],
    natural: Mapping[str, Callable[[], Floats]],
    limit: int,
    factors: tuple[Group, ...],
) -> FiniteGroup:
    group = FiniteGroup(matrices, name, generator_names=names, natural=natural, max_order=limit)
    group.factors = factors
    return group
