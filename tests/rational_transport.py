"""Transport in rational arithmetic: the transportation simplex on whole numbers, proved by its own duals."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

Costs = list[list[Fraction]]


def exact_costs(a: np.ndarray, b: np.ndarray, matrices: np.ndarray | None = None) -> Costs:
    """|a_i - b_j|^2, or the smallest |a_i - M_g b_j|^2 over the matrices (K, p, p), without any rounding."""
    rows = [[Fraction(value) for value in row] for row in a.tolist()]
    images = [[[Fraction(value) for value in row] for row in b.tolist()]]
    if matrices is not None:
        group = [[[Fraction(value) for value in line] for line in matrix] for matrix in matrices.tolist()]
        images = [[[_dot(line, row) for line in matrix] for row in images[0]] for matrix in group]
    return [
        [min(sum((s - t) ** 2 for s, t in zip(x, cloud[j], strict=True)) for cloud in images) for j in range(len(b))]
        for x in rows
    ]


def _dot(one: list[Fraction], other: list[Fraction]) -> Fraction:
    return sum((s * t for s, t in zip(one, other, strict=True)), Fraction(0))


def exact_w2(costs: Costs, weights_a: np.ndarray | None, weights_b: np.ndarray | None) -> Fraction:
    """The smallest cost of a coupling of the weights, each scaled to sum to 1 as the fractions that they are."""
    masses = [
        [Fraction(1, count) for _ in range(count)] if weights is None else _shares(weights)
        for count, weights in ((len(costs), weights_a), (len(costs[0]), weights_b))
    ]
    kept = [[k for k, mass in enumerate(side) if mass > 0] for side in masses]
    supply, demand = ([side[k] for k in those] for side, those in zip(masses, kept, strict=True))
    inner = [[costs[i][j] for j in kept[1]] for i in kept[0]]
    unit = lcm(*(mass.denominator for mass in supply + demand))
    scale = lcm(*(cost.denominator for line in inner for cost in line))
    whole = [[int(cost * scale) for cost in line] for line in inner]
    found = _simplex(whole, [int(mass * unit) for mass in supply], [int(mass * unit) for mass in demand])
    return Fraction(found, unit * scale)


def _shares(weights: np.ndarray) -> list[Fraction]:
    numbers = [Fraction(weight) for weight in weights.tolist()]
    return [number / sum(numbers) for number in numbers]


def _simplex(costs: list[list[int]], supply: list[int], demand: list[int]) -> int:
    """The smallest total cost of whole masses. Masses are perturbed, so that no pivot moves nothing.

    The answer is proved here: duals that are feasible, and a coupling of the masses given whose cost is their value.
    """
    n, m = len(supply), len(demand)
    fine = 2 * n + 1
    rows, columns = [fine * mass + 1 for mass in supply], [fine * mass for mass in demand]
    columns[-1] += n
    flow = _greedy(costs, rows, columns)
    while True:
        u, v = _duals(costs, flow, n, m)
        reduced, i, j = min((costs[i][j] - u[i] - v[j], i, j) for i in range(n) for j in range(m))
        if reduced >= 0:
            break
        _pivot(flow, i, j)
    value = sum(mass * dual for mass, dual in zip(supply + demand, u + v, strict=True))
    rounded = {cell: (mass + n) // fine for cell, mass in flow.items()}
    for k, mass in enumerate(supply):
        assert sum(part for (i, _), part in rounded.items() if i == k) == mass
    for k, mass in enumerate(demand):
        assert sum(part for (_, j), part in rounded.items() if j == k) == mass
    assert min(rounded.values()) >= 0
    assert sum(part * costs[i][j] for (i, j), part in rounded.items()) == value
    return value


def _greedy(costs: list[list[int]], rows: list[int], columns: list[int]) -> dict[tuple[int, int], int]:
    """A basis: the cheapest pair that is left takes what it can, again and again."""
    left, free, flow = list(rows), list(columns), {}
    for _, i, j in sorted((cost, i, j) for i, line in enumerate(costs) for j, cost in enumerate(line)):
        mass = min(left[i], free[j])
        if mass > 0:
            flow[i, j] = mass
            left[i] -= mass
            free[j] -= mass
    return flow


def _duals(costs: list[list[int]], flow: dict[tuple[int, int], int], n: int, m: int) -> tuple[list[int], list[int]]:
    """Duals that make the basis tight, u_0 = 0."""
    u, v, front = {0: 0}, {}, [(0, True)]
    beside: dict[tuple[int, bool], list[int]] = {}
    for i, j in flow:
        beside.setdefault((i, True), []).append(j)
        beside.setdefault((j, False), []).append(i)
    while front:
        node, is_row = front.pop()
        for other in beside[node, is_row]:
            i, j = (node, other) if is_row else (other, node)
            if other not in (v if is_row else u):
                (v if is_row else u)[other] = costs[i][j] - (u if is_row else v)[node]
                front.append((other, not is_row))
    return [u[i] for i in range(n)], [v[j] for j in range(m)]


def _pivot(flow: dict[tuple[int, int], int], i: int, j: int) -> None:
    """Bring the pair (i, j) into the basis: mass goes round the cycle that it closes."""
    cycle = _way(flow, i, j)
    giving = cycle[0::2]
    mass = min(flow[cell] for cell in giving)
    for place, cell in enumerate(cycle):
        flow[cell] += -mass if place % 2 == 0 else mass
    flow[i, j] = mass
    del flow[min(giving, key=flow.__getitem__)]


def _way(flow: dict[tuple[int, int], int], i: int, j: int) -> list[tuple[int, int]]:
    """Basic pairs on the way from row i to column j."""
    came: dict[tuple[int, bool], tuple[int, int] | None] = {(i, True): None}
    front = [(i, True)]
    while (j, False) not in came:
        node, is_row = front.pop()
        for cell in flow:
            if cell[0 if is_row else 1] == node:
                other = (cell[1 if is_row else 0], not is_row)
                if other not in came:
                    came[other] = cell
                    front.append(other)
    way, node = [], (j, False)
    while came[node] is not None:
        cell = came[node]
        way.append(cell)
        node = (cell[0], True) if not node[1] else (cell[1], False)
    return way[::-1]
