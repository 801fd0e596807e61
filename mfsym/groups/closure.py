"""The closure of orthogonal matrices under products, element by element, within a tolerance.

Elements are told apart by distance, never by a grid that could cut one element in two. That the result is a group is
then checked on the indices alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import floor

import numpy as np
from numpy.typing import NDArray

from mfsym.streams import normals, stream_key

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_CELL = 32.0
"""Side of a cell, in tolerances."""


class Finder:
    """Matrices (k, k) found again within a tolerance in Frobenius norm.

    Two projections on fixed unit vectors put each matrix into a square cell; the cells that the tolerance reaches are
    all searched.
    """

    def __init__(self, size: int, tolerance: float) -> None:
        self.tolerance = tolerance
        directions = normals(stream_key(0, "haar"), 0, 2, size * size)
        self._axes = directions / (np.linalg.norm(directions, axis=1, keepdims=True) * _CELL * tolerance)
        self._cells: dict[tuple[int, int], list[int]] = {}
        self.rows: list[Floats] = []

    def places(self, rows: Floats) -> list[list[float]]:
        """Where rows (n, k^2) lie, in units of cells."""
        places: list[list[float]] = (rows @ self._axes.T).tolist()
        return places

    def search(self, row: Floats, place: list[float]) -> int:
        """The number of the nearest matrix within the tolerance, -1 if there is none."""
        x, y = place
        reach = 1.0 / _CELL
        left, right, low, high = floor(x - reach), floor(x + reach), floor(y - reach), floor(y + reach)
        cells = self._cells
        near = cells.get((left, low), ())
        if left != right or low != high:
            corners = {(left, low), (left, high), (right, low), (right, high)}
            near = [number for corner in corners for number in cells.get(corner, ())]
        best, least = -1, self.tolerance**2
        for number in near:
            difference = row - self.rows[number]
            square = float(difference @ difference)
            if square <= least:
                best, least = number, square
        return best

    def add(self, row: Floats, place: list[float]) -> int:
        """The number under which the matrix is found from now on."""
        self._cells.setdefault((floor(place[0]), floor(place[1])), []).append(len(self.rows))
        self.rows.append(row)
        return len(self.rows) - 1


@dataclass(frozen=True)
class Closure:
    """Elements 0 (the identity) to n - 1 in the order of their words, breadth first.

    right : (m, n), index of element . generator.  Element i is that of ``parents[i]`` times generator ``letters[i]``.
    levels : first index of every word length, and n at the end.
    """

    right: Integers
    parents: Integers
    letters: Integers
    levels: Integers

    @property
    def order(self) -> int:
        """n."""
        return int(self.parents.size)

    @property
    def length(self) -> int:
        """Letters of the longest word."""
        return len(self.levels) - 2

    @property
    def spans(self) -> list[slice]:
        """The elements of each word length from 1 on."""
        return [slice(int(a), int(b)) for a, b in zip(self.levels[1:-1], self.levels[2:], strict=True)]

    @cached_property
    def left(self) -> Integers:
        """(m, n): index of generator . element."""
        table = np.empty_like(self.right)
        table[:, :1] = self.right[:, :1]
        for here in self.spans:
            table[:, here] = self.right[self.letters[here], table[:, self.parents[here]]]
        return table

    def is_group(self) -> bool:
        """Whether the products are those of a group of n elements.

        The right moves must be permutations; they reach every element from the identity. The left moves must be
        permutations and commute with them. A transitive group of permutations whose centraliser is transitive has
        exactly one element for each point, and its table is a latin square with identity and inverses.
        """
        everyone = np.arange(self.order)
        if not all(np.array_equal(np.sort(row), everyone) for row in (*self.right, *self.left)):
            return False
        return all(np.array_equal(a[b], b[a]) for a in self.left for b in self.right)

    def word(self, element: int) -> tuple[int, ...]:
        """Generator indices of an element's word, left to right."""
        letters = []
        while element:
            letters.append(int(self.letters[element]))
            element = int(self.parents[element])
        return tuple(letters[::-1])

    def shifted(self, element: int) -> Integers:
        """(n,): index of ``element`` . g for every g."""
        images = np.empty(self.order, dtype=np.intp)
        images[0] = element
        for here in self.spans:
            images[here] = self.right[self.letters[here], images[self.parents[here]]]
        return images

    def tabulate(self, generators: Floats) -> Floats:
        """(n, q, q): the products of matrices (m, q, q) along every element's word."""
        table = np.broadcast_to(np.eye(generators.shape[-1]), (self.order, *generators.shape[1:])).copy()
        for here in self.spans:
            table[here] = table[self.parents[here]] @ generators[self.letters[here]]
        return table


def close(generators: Floats, tolerance: float, limit: int) -> tuple[Closure, Floats] | None:
    """The closure of matrices (m, k, k) under right multiplication, and its matrices; None if it passes ``limit``.

    tolerance : products that are this near (Frobenius norm) to an element are that element.
    """
    count, size = generators.shape[0], generators.shape[-1]
    finder = Finder(size, tolerance)
    identity = np.eye(size).reshape(1, -1)
    finder.add(identity[0], finder.places(identity)[0])
    right: list[int] = []
    origins, levels = [0], [0, 1]
    while levels[-1] > levels[-2]:
        last = np.array(finder.rows[levels[-2] :]).reshape(-1, size, size)
        rows = np.einsum("nij,mjk->nmik", last, generators).reshape(-1, size * size)
        for flat, (row, place) in enumerate(zip(rows, finder.places(rows), strict=True), levels[-2] * count):
            found = finder.search(row, place)
            if found < 0:
                found = finder.add(row, place)
                origins.append(flat)
            right.append(found)
        if len(finder.rows) > limit:
            return None
        levels.append(len(finder.rows))
    parents, letters = np.divmod(np.array(origins, dtype=np.intp), max(1, count))
    moves = np.ascontiguousarray(np.array(right, dtype=np.intp).reshape(len(finder.rows), count).T)
    matrices = np.array(finder.rows).reshape(-1, size, size)
    return Closure(moves, parents, letters, np.array(levels[:-1], dtype=np.intp)), matrices
