"""The closure of orthogonal matrices under multiplication, within a tolerance.

Elements are distinguished by their distance, not by rounding to a grid, which could split one element in two. The check
that the result is a group uses indices only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import floor

import numpy as np
from numpy.typing import NDArray

from mfsym.streams import normals, stream_key
from mfsym.typing import Floats

Integers = NDArray[np.intp]

_CELL_SIDE = 32.0
"""Side of a hash cell, in units of the tolerance."""


class Finder:
    """Spatial hash of matrices (k, k): looks them up within a tolerance in Frobenius norm.

    Projections onto two fixed unit vectors assign each matrix to a square cell. A search visits every cell within the
    tolerance.
    """

    def __init__(self, size: int, tolerance: float) -> None:
        self.tolerance = tolerance
        directions = normals(stream_key(0, "haar"), 0, 2, size * size)
        self._axes = directions / (np.linalg.norm(directions, axis=1, keepdims=True) * _CELL_SIDE * tolerance)
        self._cells: dict[tuple[int, int], list[int]] = {}
        self.rows: list[Floats] = []

    def places(self, rows: Floats) -> list[list[float]]:
        """Projections of rows (n, k^2), in units of the cell size."""
        places: list[list[float]] = (rows @ self._axes.T).tolist()
        return places

    def search(self, row: Floats, place: list[float]) -> int:
        """Index of the nearest matrix within the tolerance, -1 if there is none."""
        x, y = place
        reach = 1.0 / _CELL_SIDE
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
        """Store the matrix; returns its index."""
        self._cells.setdefault((floor(place[0]), floor(place[1])), []).append(len(self.rows))
        self.rows.append(row)
        return len(self.rows) - 1


@dataclass(frozen=True)
class Closure:
    """Elements 0 (the identity) to n - 1, in breadth-first order of their words.

    right : (m, n), index of element . generator. Element i is element ``parents[i]`` times generator ``letters[i]``.
    levels : first index of every word length, followed by n.
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
        """Number of letters in the longest word."""
        return len(self.levels) - 2

    @property
    def spans(self) -> list[slice]:
        """The elements of word length 1, 2, ..., as slices."""
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

        Right multiplications must be permutations; they reach every element from the identity. Left multiplications
        must be permutations that commute with them. A transitive permutation group whose centraliser is transitive acts
        regularly, so its multiplication table is that of a group.
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
    """The closure of matrices (m, k, k) under right multiplication, and its matrices; None if it exceeds ``limit``.

    tolerance : a product within this Frobenius distance of an element is identified with it.
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
