"""What a permutation test of the energy distance can see: the smallest shift that it finds in four cases of five."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from mfsym.data.datasets import permutation
from mfsym.streams import normals, stream_key

Floats = NDArray[np.float64]

LEVEL = 0.01
"""The test rejects where its p-value is at most this."""

POWER = 0.8
"""Share of cases in which a detectable shift is found."""

CASES = 40
"""Simulated pairs of samples."""

CALIBRATED = 2000
"""Points whose permutations tell the level's quantile: of one split or more."""

SMALLEST, LARGEST = 1e-3, 1e3
"""Shifts between which the detectable one is sought, in root mean squares of the points."""

_HALVINGS = 10


def energies(table: Floats, signs: Floats) -> Floats:
    """Energy distances (K,) of two halves of 2 n points with distances (2 n, 2 n): signs (K, 2 n), 1 and -1."""
    count = table.shape[0] // 2
    return np.asarray(-np.einsum("ki,ki->k", signs @ table, signs) / count**2)


def relabellings(key: NDArray[np.uint32], size: int, number: int) -> Floats:
    """Signs (number + 1, size): first half against second, then random permutations of that."""
    signs = np.repeat([1.0, -1.0], size // 2)
    return np.stack([signs, *(signs[permutation(key, k, size)] for k in range(number))])


def detectable_shift(points: Floats, signs: Floats, seed: int = 0) -> float | None:
    """The shift of one half of the points (2 n, k) that the test of ``signs`` finds with POWER at LEVEL.

    In root mean squares of the points, along random directions; found by simulation, by bisection on CASES splits of
    the points into halves. None where the halves are too small for the test to find any shift.
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
        """Whether a shift is found often enough; the level's quantile is the mean of that of the first splits."""
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
    """Points (2 n, k) whose second half is shifted along a direction: what does not depend on the shift, once."""

    def __init__(self, points: Floats, direction: Floats) -> None:
        count = len(points) // 2
        self.first, self.second, self.direction = points[:count], points[count:], direction
        self.within = sum(float(cdist(half, half).sum()) for half in (self.first, self.second))

    def energy(self, shift: float) -> float:
        """The energy distance of the halves."""
        across = float(cdist(self.first, self.second + shift * self.direction).sum())
        return (2.0 * across - self.within) / len(self.first) ** 2

    def table(self, shift: float) -> Floats:
        """All distances (2 n, 2 n)."""
        moved = np.concatenate([self.first, self.second + shift * self.direction])
        return np.asarray(cdist(moved, moved))


def _limit(null: Floats) -> float:
    """What a statistic must exceed so that its p-value (1 + number at least as large) / (1 + K) is at most LEVEL."""
    allowed = int(np.floor(LEVEL * (1 + len(null)) + 1e-9)) - 1
    return float(np.sort(null)[::-1][allowed]) if 0 <= allowed < len(null) else np.inf
