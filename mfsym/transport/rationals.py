"""Exact transport in integer arithmetic: float64 weights and coordinates are dyadic rationals.

Python's integers neither round nor overflow, so the result needs no certificate. Slow: for small problems that float64
cannot certify, such as those whose atoms differ by many orders of magnitude in size or weight.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mfsym.errors import MfsymError, TransportFailed
from mfsym.transport.atoms import PointCloud
from mfsym.transport.results import FloatArray, Plan, W2Result

PAIRS = 10**5
"""Largest number of pairs of atoms and images under a group: more would take longer than seconds."""

NORMAL = 2.0**-960
"""Positive values below this have lost digits to underflow."""

TOO_SMALL = (
    f"W2^2 must be 0 or at least {NORMAL:.1g}, got {{:.3g}}, which has lost digits to underflow; scale the clouds up"
)


class ScaledIntegers(NamedTuple):
    """Integers times a common power of two."""

    numbers: list[int]
    exponent: int


def as_integers(values: Sequence[float]) -> ScaledIntegers:
    """Finite float64 numbers as scaled integers, without rounding."""
    parts = [math.frexp(value) for value in values]
    exponent = min((power for part, power in parts if part), default=0) - 53
    return ScaledIntegers([int(part * 2.0**53) << max(power - 53 - exponent, 0) for part, power in parts], exponent)


def integer_masses(a: PointCloud, b: PointCloud) -> tuple[list[int], list[int]]:
    """Integer masses of both clouds with equal totals, in the exact ratios of the given weights."""
    first, second = (_counts(cloud) for cloud in (a, b))
    total, other = sum(first), sum(second)
    common = math.gcd(total, other)
    return [k * (other // common) for k in first], [k * (total // common) for k in second]


def _counts(cloud: PointCloud) -> list[int]:
    if cloud.weights is None:
        return [1] * cloud.z.shape[0]
    numbers = as_integers((cloud.weights if cloud.given is None else cloud.given).tolist()).numbers
    common = math.gcd(*numbers)
    return [k // common for k in numbers]


def integer_costs(x: FloatArray, y: FloatArray, matrices: FloatArray | None) -> tuple[list[list[int]], int]:
    """Integer costs of x (N, p) and y (M, p), the smallest over the images M_g y_j, in units of 4^exponent."""
    (n, p), m = x.shape, y.shape[0]
    numbers, exponent = as_integers(np.concatenate([x.ravel(), y.ravel()]).tolist())
    points = [numbers[start : start + p] for start in range(0, len(numbers), p)]
    rows, images = points[:n], points[n:]
    if matrices is not None:
        entries, power = as_integers(matrices.ravel().tolist())
        lines = [entries[start : start + p] for start in range(0, len(entries), p)]
        group = [lines[start : start + p] for start in range(0, len(lines), p)]
        rows = [[k << max(-power, 0) for k in row] for row in rows]
        images = [[_dot(line, point) << max(power, 0) for line in matrix] for matrix in group for point in images]
        exponent += min(power, 0)
    costs = []
    for row in rows:
        line = [sum((s - t) ** 2 for s, t in zip(row, image, strict=True)) for image in images]
        costs.append(line if len(line) == m else [min(line[j::m]) for j in range(m)])
    return costs, exponent


def _dot(one: list[int], other: list[int]) -> int:
    return sum(s * t for s, t in zip(one, other, strict=True))


def solve_integer(
    costs: list[list[int]], supply: list[int], demand: list[int]
) -> tuple[list[dict[int, int]], list[int], list[int]]:
    """The optimal coupling of integer masses by shortest augmenting paths: flows by column and row, duals u, v.

    Jonker & Volgenant 1987 (doi:10.1007/BF02278710), for masses that may split.
    """
    n, m = len(supply), len(demand)
    u, v = [0] * n, [min(costs[i][j] for i in range(n)) for j in range(m)]
    flow: list[dict[int, int]] = [{} for _ in range(m)]
    residual = list(demand)
    for root in range(n):
        excess = supply[root]
        u[root] = min(map(int.__sub__, costs[root], v))
        while excess > 0:
            excess -= _augment(root, excess, costs, (u, v), flow, residual)
    return flow, u, v


def _augment(
    root: int,
    excess: int,
    costs: list[list[int]],
    duals: tuple[list[int], list[int]],
    flow: list[dict[int, int]],
    residual: list[int],
) -> int:
    """Augment flow along a shortest path from a row to an unsaturated column; returns the amount."""
    u, v = duals
    m = len(v)
    predecessor, settled, labelled = [root] * m, {}, {root: (0, -1)}
    distance = [c - u[root] - w for c, w in zip(costs[root], v, strict=True)]
    unsettled = set(range(m))
    while True:
        j = min(unsettled, key=distance.__getitem__)
        last = distance[j]
        if residual[j] > 0:
            break
        unsettled.remove(j)
        settled[j] = last
        for i in flow[j]:
            if i not in labelled:
                labelled[i] = (last, j)
                base, line = last - u[i], costs[i]
                for k in unsettled:
                    further = base + line[k] - v[k]
                    if further < distance[k]:
                        distance[k], predecessor[k] = further, i
    for k, near in settled.items():
        v[k] -= last - near
    for i, (near, _) in labelled.items():
        u[i] += last - near
    path = [(predecessor[j], j)]
    while path[-1][0] != root:
        back = labelled[path[-1][0]][1]
        path.append((predecessor[back], back))
    mass = min([excess, residual[j], *(flow[k][i] for (i, _), (_, k) in itertools.pairwise(path))])
    residual[j] -= mass
    for step, (i, k) in enumerate(path):
        flow[k][i] = flow[k].get(i, 0) + mass
        if i != root:
            back = path[step + 1][1]
            flow[back][i] -= mass
            if flow[back][i] == 0:
                del flow[back][i]
    return mass


def is_small(a: PointCloud, b: PointCloud, matrices: FloatArray | None = None) -> bool:
    """Whether a problem has at most PAIRS pairs of atoms and images."""
    return a.z.shape[0] * b.z.shape[0] * (1 if matrices is None else len(matrices)) <= PAIRS


def solve_rational(a: PointCloud, b: PointCloud, matrices: FloatArray | None = None) -> W2Result:
    """Squared W2 in exact arithmetic, rounded once to float64; the lower bound is the value itself.

    matrices : (K, p, p), the group of a quotient distance, or None.
    Raises MfsymError for more than PAIRS pairs, TransportFailed if the value is too small for float64.
    """
    if not is_small(a, b, matrices):
        n, m = a.z.shape[0], b.z.shape[0] * (1 if matrices is None else len(matrices))
        raise MfsymError(f"method 'rational' is for at most {PAIRS} pairs of atoms and images, got {n} x {m}")
    started = time.perf_counter()
    costs, exponent = integer_costs(a.z, b.z, matrices)
    supply, demand = integer_masses(a, b)
    flow, u, v = solve_integer(costs, supply, demand)
    total = sum(supply)
    cells = sorted((i, j, mass) for j, holders in enumerate(flow) for i, mass in holders.items())
    number = sum(mass * costs[i][j] for i, j, mass in cells)
    value = scaled(number, total, exponent)
    if number and value < NORMAL:
        raise TransportFailed(TOO_SMALL.format(value))
    return W2Result(
        w2_squared=value,
        lower_bound=value,
        relative_gap=0.0,
        method="rational",
        seconds=time.perf_counter() - started,
        plan=Plan(
            np.array([i for i, _, _ in cells]),
            np.array([j for _, j, _ in cells]),
            np.array([mass / total for _, _, mass in cells]),
        ),
        potentials=tuple(np.array([scaled(k, 1, exponent) for k in duals]) for duals in (u, v)),  # type: ignore[arg-type]
        iterations=len(cells),
    )


def scaled(number: int, total: int, exponent: int) -> float:
    """number / total times 4^exponent, rounded to the nearest float64."""
    shift = 2 * exponent
    return (number << shift) / total if shift >= 0 else number / (total << -shift)
