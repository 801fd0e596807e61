"""Lists of near columns, one per row, that certify all the others.

Every column outside row i's list has c_ij - v_j >= tau_i. Duals v only decrease, so this stays true without any work:
whatever beats tau_i is on the list.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp as U

from mfsym.accelerate import exact
from mfsym.transport.kernels.packs import Floats, Lists, Problem
from mfsym.transport.kernels.search import nearest


@exact
def renew(i: int, k: int, problem: Problem) -> None:
    """Search row i's list anew, with k entries or as many as there is room for. All columns must be open."""
    columns, lists, found = problem.columns, problem.lists, problem.found
    left = columns.v.size
    k = min(k, left, lists.start[i + 1] - lists.start[i])
    cutoff = np.inf
    if lists.size[i] >= k:
        cutoff = extreme(i, columns.v, lists, -1.0)
    count = nearest(problem.x[i], columns, k, cutoff, found)
    begin = lists.start[i]
    for t in range(count):
        lists.column[begin + t], lists.cost[begin + t] = found.column[t], found.cost[t]
    lists.size[i] = count
    lists.tau[i] = np.inf if count == left else found.value[count - 1]


@exact
def extreme(i: int, v: Floats, lists: Lists, sign: float) -> float:
    """Smallest (sign 1) or largest (sign -1) c_ij - v_j on row i's list; the largest bounds the size_i-th of all."""
    best = np.inf
    begin = U(lists.start[i])
    for s in range(lists.size[i]):
        t = begin + U(s)
        best = min(best, sign * (lists.cost[t] - v[U(lists.column[t])]))
    return sign * best


@exact
def best_value(i: int, k: int, problem: Problem) -> float:
    """min_j c_ij - v_j over all columns; renews the list (k entries) where it does not certify its best."""
    best = extreme(i, problem.columns.v, problem.lists, 1.0)
    if problem.lists.size[i] == 0 or best > problem.lists.tau[i]:
        renew(i, k, problem)
        best = problem.found.value[0]
    return best


@exact
def renew_all(k: int, problem: Problem) -> None:
    """Search every row's list anew."""
    for i in range(problem.x.shape[0]):
        renew(i, k, problem)


@exact
def spans(middle: int, problem: Problem, u: Floats, span: Floats) -> None:
    """Each row's best listed value u_i, and how much dearer the entry number ``middle`` of its list is."""
    lists, v = problem.lists, problem.columns.v
    for i in range(u.size):
        u[i] = extreme(i, v, lists, 1.0)
        t = lists.start[i] + min(middle, lists.size[i] - 1)
        span[i] = lists.cost[t] - v[lists.column[t]] - u[i]
