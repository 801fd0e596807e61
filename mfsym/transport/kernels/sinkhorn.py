"""Sparse Sinkhorn sweeps on pairs of near atoms: a good guess of the duals for a few sparse products.

With weights w_e = exp((u_i - c_e + v_j) / temperature) on the pairs e = (i, j), scalings a_i and b_j are sought that
give a_i w_e b_j the right masses; then v_j rises by temperature log b_j (Cuturi 2013, arXiv:1306.0895). Nothing here
need be exact or even converge, because the duals are only a start: scalings are clipped, so that no dual falls far.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mfsym.accelerate import exact_allocating
from mfsym.transport.kernels.packs import Floats, Ints, Numbers

CLIP = 1e3
"""Largest scaling, and inverse of the smallest, in one call."""


class Pairs(NamedTuple):
    """Pairs of rows and columns with their costs; a pair may come twice."""

    row: Numbers  # (E,)
    column: Numbers  # (E,)
    cost: Floats  # (E,)


@exact_allocating
def sweep(temperature: float, count: int, pairs: Pairs, supply: Ints, demand: Ints, v: Floats) -> None:
    """``count`` sweeps at one temperature; the new duals replace v, and may be larger than the old ones."""
    n, m, size = supply.size, demand.size, pairs.row.size
    best, weight = np.full(n, np.inf), np.empty(size)
    left, right, total = np.empty(n), np.ones(m), np.empty(m)
    for e in range(size):
        i = pairs.row[e]
        best[i] = min(best[i], pairs.cost[e] - v[pairs.column[e]])
    for e in range(size):
        weight[e] = np.exp((best[pairs.row[e]] - pairs.cost[e] + v[pairs.column[e]]) / temperature)
    for _ in range(count):
        for i in range(n):
            left[i] = 0.0
        for e in range(size):
            left[pairs.row[e]] += weight[e] * right[pairs.column[e]]
        for i in range(n):
            left[i] = supply[i] / left[i] if left[i] > 0.0 else 0.0
        for j in range(m):
            total[j] = 0.0
        for e in range(size):
            total[pairs.column[e]] += weight[e] * left[pairs.row[e]]
        for j in range(m):
            if total[j] > 0.0:
                right[j] = min(max(demand[j] / total[j], 1.0 / CLIP), CLIP)
    for j in range(m):
        v[j] += temperature * np.log(right[j])
