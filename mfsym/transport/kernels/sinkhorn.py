"""Sparse Sinkhorn iterations on pairs of near atoms: good initial duals at the price of a few sparse products.

For the Gibbs kernel w_e = exp((u_i - c_e + v_j) / temperature) on the pairs e = (i, j), the iteration looks for
scalings a_i and b_j such that a_i w_e b_j has the right marginals; then v_j rises by temperature log b_j (Cuturi 2013,
arXiv:1306.0895). It need not converge, because the duals only initialise the solver: scalings are clipped, so that no
dual falls far.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mfsym.accelerate import exact_allocating
from mfsym.transport.kernels.packs import Floats, Ints, Numbers

CLIP = 1e3
"""Largest scaling, and inverse of the smallest."""


class NearPairs(NamedTuple):
    """The sparse support: pairs of rows and columns with their costs; a pair may occur twice."""

    row: Numbers  # (E,)
    column: Numbers  # (E,)
    cost: Floats  # (E,)


@exact_allocating
def sinkhorn_sweeps(temperature: float, count: int, pairs: NearPairs, supply: Ints, demand: Ints, v: Floats) -> None:
    """``count`` iterations at one temperature; the new duals replace v, and may be larger than the old ones."""
    n, m, size = supply.size, demand.size, pairs.row.size
    best, weight = np.full(n, np.inf), np.empty(size)
    row_scaling, column_scaling, total = np.empty(n), np.ones(m), np.empty(m)
    for e in range(size):
        i = pairs.row[e]
        best[i] = min(best[i], pairs.cost[e] - v[pairs.column[e]])
    for e in range(size):
        weight[e] = np.exp((best[pairs.row[e]] - pairs.cost[e] + v[pairs.column[e]]) / temperature)
    for _ in range(count):
        for i in range(n):
            row_scaling[i] = 0.0
        for e in range(size):
            row_scaling[pairs.row[e]] += weight[e] * column_scaling[pairs.column[e]]
        for i in range(n):
            row_scaling[i] = supply[i] / row_scaling[i] if row_scaling[i] > 0.0 else 0.0
        for j in range(m):
            total[j] = 0.0
        for e in range(size):
            total[pairs.column[e]] += weight[e] * row_scaling[pairs.row[e]]
        for j in range(m):
            if total[j] > 0.0:
                column_scaling[j] = min(max(demand[j] / total[j], 1.0 / CLIP), CLIP)
    for j in range(m):
        v[j] += temperature * np.log(column_scaling[j])
