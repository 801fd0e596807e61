"""Exact transport by shortest augmenting paths from duals of zero, for atoms at very different distances.

Jonker & Volgenant 1987 (doi:10.1007/BF02278710), for whole masses that may split. Every part of a path is a difference
of costs, and no dual falls by more than coupled pairs cost: where far atoms are coupled with each other, duals know
nothing of how far they are, and their rounding neither. Slower than the methods that start from better duals.
"""

from __future__ import annotations

import numpy as np

from mfsym.transport.clouds import Cloud
from mfsym.transport.rationals import whole_masses
from mfsym.transport.results import FloatArray, Plan

PAIRS = 250_000
"""Pairs of atoms up to which it takes seconds."""

Held = list[dict[int, int]]
"""Rows that hold each column, and how much of it."""


def solve_by_paths(cost: FloatArray, a: Cloud, b: Cloud) -> tuple[Plan, FloatArray, int]:
    """The best coupling for a cost matrix (N, M), potentials v (M,), and the number of paths.

    Masses have the ratios of the weights exactly, before each is rounded.
    """
    supply, demand = whole_masses(a, b)
    total, v = sum(supply), np.zeros(len(demand))
    held: Held = [{} for _ in demand]
    paths = 0
    for root, mass in enumerate(supply):
        while mass > 0:
            mass -= _augment(root, mass, cost, v, held, demand)
            paths += 1
    cells = sorted((i, j, mass) for j, holders in enumerate(held) for i, mass in holders.items())
    rows, columns = (np.array([cell[end] for cell in cells]) for end in (0, 1))
    return Plan(rows, columns, np.array([mass / total for _, _, mass in cells])), v, paths


def _augment(root: int, need: int, cost: FloatArray, v: FloatArray, held: Held, free: list[int]) -> int:
    """Move mass along a shortest path from a row to a column with free mass, lower the duals; returns how much."""
    distance, via = cost[root] - v, np.full(v.size, root)
    last, passed, came = -np.inf, [], {root: -1}
    while True:
        j = int(np.argmin(distance))
        last = max(last, float(distance[j]))
        passed.append((j, last))
        if free[j] > 0:
            break
        distance[j] = np.inf
        for i in held[j]:
            if i not in came:
                came[i] = j
                further = cost[i] - v + (last - (cost[i, j] - v[j]))
                nearer = further < distance
                for k, _ in passed:
                    nearer[k] = False
                distance[nearer], via[nearer] = further[nearer], i
    for k, near in passed:
        v[k] -= last - near
    return _move(root, need, passed[-1][0], (via, came), held, free)


def _move(
    root: int, need: int, target: int, ways: tuple[np.ndarray, dict[int, int]], held: Held, free: list[int]
) -> int:
    """Move what can move along the path to the target. ways : row before each column, and column before each row."""
    via, came = ways
    path, mass = [(int(via[target]), target)], min(need, free[target])
    while path[-1][0] != root:
        i = path[-1][0]
        back = came[i]
        mass = min(mass, held[back][i])
        path.append((int(via[back]), back))
    free[target] -= mass
    for i, j in path:
        held[j][i] = held[j].get(i, 0) + mass
        if i != root:
            left = held[came[i]][i] - mass
            held[came[i]][i] = left
            if left == 0:
                del held[came[i]][i]
    return mass
