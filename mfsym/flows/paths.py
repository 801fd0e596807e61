"""Brownian paths as functions of time: the path does not depend on the time steps.

Levy's construction: the increment over a unit of time is drawn, then intervals are halved by Brownian bridges. Each
draw is a function of its interval (``mfsym.streams``), so W(t) - W(s) does not depend on the other evaluation times.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mfsym.streams import normals
from mfsym.typing import Floats

DEPTH = 31
"""Halvings of a unit of time. Within an interval of 2^-31, W is the increment times the root of the share elapsed."""


class BrownianPath:
    """Independent Brownian motions W (rows, p) on [0, infinity).

    key : key of their random stream. Fewer rows give a prefix of the same motions.

    >>> from mfsym.streams import stream_key
    >>> path = BrownianPath(stream_key(0, "noise"), 3, 2)
    >>> halves = path.increment(0.0, 0.5) + path.increment(0.5, 1.0)
    >>> bool(np.allclose(halves, path.increment(0.0, 1.0)))
    True
    """

    def __init__(self, key: NDArray[np.uint32], rows: int, p: int) -> None:
        self.key, self.rows, self.p = key, rows, p
        self._units: tuple[int, Floats] | None = None
        self._halves: dict[int, tuple[int, tuple[Floats, Floats]]] = {}

    def increment(self, begin: float, end: float) -> Floats:
        """W(end) - W(begin), for 0 <= begin <= end within one unit of time: end <= floor(begin) + 1."""
        unit = math.floor(begin)
        return self._since(unit, end - unit) - self._since(unit, begin - unit)

    def _since(self, unit: int, share: float) -> Floats:
        """W(unit + share) - W(unit), 0 <= share <= 1."""
        part, total = self._unit(unit), np.zeros((self.rows, self.p))
        index = 0
        for depth in range(DEPTH):
            if share in (0.0, 1.0):
                break
            left, right = self._split(unit, depth, index, part)
            later = share >= 0.5
            total = total + left if later else total
            part, index, share = (right if later else left), 2 * index + later, 2.0 * share - later
        return total + math.sqrt(share) * part

    def _unit(self, unit: int) -> Floats:
        if self._units is None or self._units[0] != unit:
            self._units, self._halves = (unit, normals(self.key, unit << (DEPTH + 1), self.rows, self.p)), {}
        return self._units[1]

    def _split(self, unit: int, depth: int, index: int, whole: Floats) -> tuple[Floats, Floats]:
        """The increments over both halves of interval ``index`` of the 2^depth parts of a unit; caches the last."""
        kept = self._halves.get(depth)
        if kept is not None and kept[0] == index:
            return kept[1]
        node = (1 << depth) + index
        bend = 0.5 * 2.0 ** (-0.5 * depth) * normals(self.key, (unit << (DEPTH + 1)) + node, self.rows, self.p)
        halves = 0.5 * whole + bend, 0.5 * whole - bend
        self._halves[depth] = index, halves
        return halves
