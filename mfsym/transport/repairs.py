"""Corrections of the masses of a plan, on its own pairs, so that the marginals are the exact weights."""

from __future__ import annotations

from collections import defaultdict
from math import lcm

import numpy as np

from mfsym.transport.atoms import PointCloud
from mfsym.transport.rationals import integer_masses
from mfsym.transport.results import FloatArray, Plan


def in_units(plan: Plan, a: PointCloud, b: PointCloud) -> tuple[Plan, bool]:
    """Round the masses of a plan between uniform clouds to multiples of 1 / lcm(N, M).

    Returns the plan, and whether its marginals are now exact. Otherwise, or with weights, the plan is unchanged.
    """
    if a.weights is not None or b.weights is not None:
        return plan, False
    n, m = a.z.shape[0], b.z.shape[0]
    total = lcm(n, m)
    units = np.rint(plan.mass * total)
    rows, columns = np.bincount(plan.rows, units, n), np.bincount(plan.columns, units, m)
    if (rows != total // n).any() or (columns != total // m).any():
        return plan, False
    positive = units > 0.0
    return Plan(plan.rows[positive], plan.columns[positive], units[positive] / total), True


def exact_masses(plan: Plan, a: PointCloud, b: PointCloud) -> FloatArray | None:
    """Masses (E,) on the pairs of a plan whose marginals are exact before rounding; None if this finds none.

    Corrects the masses along a spanning forest of the pairs, from leaves to roots, in integers.
    """
    supply, demand = integer_masses(a, b)
    total, n = sum(supply), len(supply)
    need, ends = supply + demand, (plan.rows.tolist(), (plan.columns + n).tolist())
    flow = []
    for mass, i, j in zip(plan.mass.tolist(), *ends, strict=True):
        numerator, denominator = mass.as_integer_ratio()
        flow.append(numerator * total // denominator)
        need[i] -= flow[-1]
        need[j] -= flow[-1]
    for node, edge, parent in reversed(_spanning_forest(ends, len(need))):
        if edge < 0:
            if need[node]:
                return None
            continue
        flow[edge] += need[node]
        need[parent] -= need[node]
    if min(flow, default=0) < 0:
        return None
    return np.array([mass / total for mass in flow])


def _spanning_forest(ends: tuple[list[int], list[int]], count: int) -> list[tuple[int, int, int]]:
    """A spanning forest of the graph of pairs: (node, edge to parent, parent), parents first; roots have edge -1."""
    neighbours: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for edge, (i, j) in enumerate(zip(*ends, strict=True)):
        neighbours[i].append((edge, j))
        neighbours[j].append((edge, i))
    order: list[tuple[int, int, int]] = []
    seen = [False] * count
    for root in range(count):
        if seen[root]:
            continue
        seen[root] = True
        front = len(order)
        order.append((root, -1, -1))
        while front < len(order):
            node = order[front][0]
            front += 1
            for edge, other in neighbours[node]:
                if not seen[other]:
                    seen[other] = True
                    order.append((other, edge, node))
    return order
