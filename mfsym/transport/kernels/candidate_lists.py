"""Candidate lists: for each row its best columns, and a lower bound on all others.

Every column outside row i's list has c_ij - v_j >= tau_i. Duals v only decrease, so the bound stays valid: every column
below tau_i is on the list.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp as U

from mfsym.accelerate import exact
from mfsym.transport.kernels.neighbour_search import nearest
from mfsym.transport.kernels.packs import CandidateLists, Floats, SolverState


@exact
def search_list(i: int, k: int, state: SolverState) -> None:
    """Search row i's list again, with k entries or as many as there is room for. No column may be hidden."""
    columns, lists, found = state.columns, state.lists, state.found
    total = columns.v.size
    k = min(k, total, lists.start[i + 1] - lists.start[i])
    cutoff = np.inf
    if lists.size[i] >= k:
        cutoff = extreme_value(i, columns.v, lists, -1.0)
    count = nearest(state.x[i], columns, k, cutoff, found)
    begin = lists.start[i]
    for t in range(count):
        lists.column[begin + t], lists.cost[begin + t] = found.column[t], found.cost[t]
    lists.size[i] = count
    lists.tau[i] = np.inf if count == total else found.value[count - 1]


@exact
def extreme_value(i: int, v: Floats, lists: CandidateLists, sign: float) -> float:
    """Smallest (sign 1) or largest (sign -1) c_ij - v_j on row i's list; the largest bounds the size_i-th overall."""
    best = np.inf
    begin = U(lists.start[i])
    for s in range(lists.size[i]):
        t = begin + U(s)
        best = min(best, sign * (lists.cost[t] - v[U(lists.column[t])]))
    return sign * best


@exact
def best_value(i: int, k: int, state: SolverState) -> float:
    """min_j c_ij - v_j over all columns; searches the list again (k entries) if it does not certify its best."""
    best = extreme_value(i, state.columns.v, state.lists, 1.0)
    if state.lists.size[i] == 0 or best > state.lists.tau[i]:
        search_list(i, k, state)
        best = state.found.value[0]
    return best


@exact
def search_all_lists(k: int, state: SolverState) -> None:
    """Search every row's list again."""
    for i in range(state.x.shape[0]):
        search_list(i, k, state)


@exact
def values_and_scales(middle: int, state: SolverState, u: Floats, span: Floats) -> None:
    """Each row's best listed value u_i, and by how much the entry number ``middle`` of its list exceeds it."""
    lists, v = state.lists, state.columns.v
    for i in range(u.size):
        u[i] = extreme_value(i, v, lists, 1.0)
        t = lists.start[i] + min(middle, lists.size[i] - 1)
        span[i] = lists.cost[t] - v[lists.column[t]] - u[i]
