"""Power of a permutation test of the energy distance: the smallest shift that it detects with power 80 %."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from mfsym.data.datasets import permutation
from mfsym.streams import normals, stream_key

Floats = NDArray[np.float64]

LEVEL = 0.01
"""Level of the test: it rejects if its p-value is at most this."""

POWER = 0.8
"""Power of the test at the detectable shift."""

CASES = 40
"""Number of simulated pairs of samples."""

CALIBRATED = 2000
"""Number of points, over one split or more, whose permutations estimate the critical value."""

SMALLEST, LARGEST = 1e-3, 1e3
"""Bracket of the bisection for the detectable shift, in root mean squares of the points."""

_HALVINGS = 10


def energies(table: Floats, signs: Floats) -> Floats:
    """Energy distances (K,) between halves of 2 n points.  table : (2 n, 2 n) distances.  signs : (K, 2 n), 1 or -1."""
    count = table.shape[0] // 2
    return np.asarray(-np.einsum("ki,ki->k", signs @ table, signs) / count**2)


def relabellings(key: NDArray[np.uint32], size: int, number: int) -> Floats:
    """Signs (number + 1, size): the first half against the second, then random permutations of these signs."""
    signs = np.repeat([1.0, -1.0], size // 2)
    return np.stack([signs, *(signs[permutation(key, k, size)] for k in range(number))])


def detectable_shift(points: Floats, signs: Floats, seed: int = 0) -> float | None:
    """Smallest shift of half of the points (2 n, k) that the test with these ``signs`` detects with POWER at LEVEL.

    In root mean squares of the points, along random directions; by simulation and bisection over CASES splits of the
    points into halves. None if the halves are too small for the test to detect any shift.
    """
    size, width = points.shape
    if 2.0 / math.comb(size, size // 2) > LEVEL:
        return None
    scale = float(np.sqrt(np.mean(np.sum(points**2, axis=1)))) or 1.0
    key = stream_key(seed, "null")
    turns = normals(key, 0, CASES, width)
    turns *= scale / np.linalg.norm(turns, axis=1, keepdims=True)
    splits = [_Split(points[permutation(key, 1 + case, size)], turn) for case, turn in enumerate(turns)]

    def finds(shift: float) -> bool:
        """Whether a shift is detected with POWER; the critical value is averaged over the first splits."""
        limit = np.mean([_limit(energies(split.table(shift), signs[1:])) for split in splits[: 1 + CALIBRATED // size]])
        return float(np.mean([split.energy(shift) > limit for split in splits])) >= POWER

    low, high = SMALLEST, LARGEST
    if not finds(high):
        return None
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high


class _Split:
    """Points (2 n, k) whose second half is shifted along a direction; stores what does not depend on the shift."""

    def __init__(self, points: Floats, direction: Floats) -> None:
        count = len(points) // 2
        self.first, self.second, self.direction = points[:count], points[count:], direction
        self.within = sum(float(cdist(half, half).sum()) for half in (self.first, self.second))

    def energy(self, shift: float) -> float:
        """The energy distance between the halves."""
        across = float(cdist(self.first, self.second + shift * self.direction).sum())
        return (2.0 * across - self.within) / len(self.first) ** 2

    def table(self, shift: float) -> Floats:
        """All pairwise distances (2 n, 2 n)."""
        moved = np.concatenate([self.first, self.second + shift * self.direction])
        return np.asarray(cdist(moved, moved))


def _limit(null: Floats) -> float:
    """The critical value: a statistic above it has a p-value (1 + number at least as large) / (1 + K) <= LEVEL."""
    allowed = int(np.floor(LEVEL * (1 + len(null)) + 1e-9)) - 1
    return float(np.sort(null)[::-1][allowed]) if 0 <= allowed < len(null) else np.inf
