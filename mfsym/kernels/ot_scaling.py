"""Sparse Sinkhorn sweeps on the rows' lists: a good guess of the duals for a few sparse products.

With weights w_ij = exp((u_i - c_ij + v_j) / temperature) on the listed pairs, scalings a_i and b_j are sought that
give a_i w_ij b_j the right masses; then v_j rises by temperature log b_j (Cuturi 2013, arXiv:1306.0895). Nothing here
need be exact or even converge, because the duals are only a start: scalings are clipped, so that no dual falls far.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact
from mfsym.kernels.ot_lists import extreme
from mfsym.kernels.ot_problem import Problem

CLIP = 1e3
"""Largest scaling, and inverse of the smallest, in one call."""


@exact
def sweep(temperature: float, count: int, problem: Problem) -> None:
    """``count`` sweeps at one temperature; the new duals replace v (they may rise: every list must be renewed)."""
    v, lists, market = problem.columns.v, problem.lists, problem.market
    n, m = problem.x.shape[0], v.size
    weight = np.empty(lists.start[n])
    scaling, total = np.ones(m), np.empty(m)
    for i in range(n):
        best = extreme(i, v, lists, 1.0)
        for t in range(lists.start[i], lists.start[i] + lists.size[i]):
            weight[t] = np.exp((best - lists.cost[t] + v[lists.column[t]]) / temperature)
    for _ in range(count):
        for j in range(m):
            total[j] = 0.0
        for i in range(n):
            mass = 0.0
            for t in range(lists.start[i], lists.start[i] + lists.size[i]):
                mass += weight[t] * scaling[lists.column[t]]
            share = market.deficit[i] / mass
            for t in range(lists.start[i], lists.start[i] + lists.size[i]):
                total[lists.column[t]] += weight[t] * share
        for j in range(m):
            if total[j] > 0.0:
                scaling[j] = min(max(market.demand[j] / total[j], 1.0 / CLIP), CLIP)
    for j in range(m):
        v[j] += temperature * np.log(scaling[j])
