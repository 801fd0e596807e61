"""Exact transport between clouds in O(N k) memory: start, epsilon-scaling auction, exact finish, certificate.

1. A start for the duals: the one of the largest dual value among zero, the duals of an earlier solution, and those of a
   coarse problem between groups of atoms (solved in the same way); then a few sparse Sinkhorn sweeps.
2. Auctions with epsilon relative to the median local scale: raised until they end with few rows waiting, then lowered.
3. An auction with epsilon = 0, and forests of shortest augmenting paths for the rows it leaves.
4. The certificate: u = c-transform of v over all columns; each cell's slack c_ij - u_i - v_j >= 0 sums to the gap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mfsym.errors import TransportFailed
from mfsym.kernels.ot_auction import auction, release
from mfsym.kernels.ot_forest import finish
from mfsym.kernels.ot_lists import renew_all, spans
from mfsym.kernels.ot_problem import Columns, Problem
from mfsym.kernels.ot_scaling import sweep
from mfsym.kernels.ot_search import c_transform
from mfsym.kernels.ot_slopes import fit_bounds
from mfsym.transport.packs import columns_of, forest_of, found_of, order_of, problem_of
from mfsym.transport.results import FloatArray, IntArray

LISTED = 20
"""Columns on a row's list."""

FEW = 4
"""Columns searched where prices move by more than a list spans, so that a longer one would not last."""

MIDDLE = 4
"""Entry of a list whose distance from the first is a row's local scale."""

TEMPERATURES = (1.0, 0.3, 0.1)
"""Of the Sinkhorn sweeps, in local scales."""

SWEEPS = 5
"""At each temperature."""

FIRST, LAST, UP, DOWN = 0.1, 1e-3, 8.0, 5.0
"""Epsilon of the first and the last auction in local scales, and the factors between."""

LEFT = 1e-3
"""Share of the rows that may be left waiting when epsilon starts to go down."""

PATIENCE = 2.0
"""Bids per row without progress after which an auction is broken off."""

SHARE = 0.5
"""Of the trees of a forest that end a round when they met free mass."""

OFF_CENTRE = 4.0
"""Common level of the duals, relative to their range (lengths are about 1), from which it is taken out."""

NOTHING = 1e-12
"""Gain of the dual value, relative to the size of the duals, that may be rounding."""

GROUP, SMALLEST = 4, 200
"""Atoms of a group of the coarse problem, and the size below which no coarse problem is made."""

CERTIFIED = 1e-12
"""Relative gap that the exact finish is repeated for, if ever it leaves more."""


class Transport(NamedTuple):
    """Rows (N, p), columns (M, p), their masses in units, and the group over which the smallest cost counts."""

    x: FloatArray
    y: FloatArray
    supply: IntArray
    demand: IntArray
    matrices: FloatArray | None = None


class Solution(NamedTuple):
    """Cells (rows, columns, flow) and their costs, duals, the total gap in units times cost, and the number of bids."""

    rows: IntArray
    columns: IntArray
    flow: IntArray
    cost: FloatArray
    u: FloatArray
    v: FloatArray
    gap: float
    iterations: int


def solve(task: Transport, start: FloatArray | None = None) -> Solution:
    """The optimal coupling, with duals that prove it.

    start : duals v (M,) of a similar problem, or None.  Raises TransportFailed where the cells run out.
    """
    ordered, problem, order_x, order_y = _laid_out(task)
    _start(problem, ordered, None if start is None else start[order_y])
    iterations = _descend(problem)
    u, gap = _finish_exactly(problem)
    cells = np.flatnonzero(problem.market.flow > 0)
    solution_u, solution_v = np.empty(u.size), np.empty(problem.columns.v.size)
    solution_u[order_x], solution_v[order_y] = u, problem.columns.v
    return Solution(
        rows=order_x[problem.market.row[cells]],
        columns=order_y[_columns_of_cells(problem)[cells]],
        flow=problem.market.flow[cells],
        cost=problem.market.cost[cells],
        u=solution_u,
        v=solution_v,
        gap=gap,
        iterations=iterations,
    )


def _laid_out(task: Transport) -> tuple[Transport, Problem, IntArray, IntArray]:
    """The task in tree order, the packs that solve it, and both orders."""
    order_x = order_of(task.x)
    columns, order_y = columns_of(task.y, task.matrices)
    ordered = Transport(
        np.ascontiguousarray(task.x[order_x]),
        np.ascontiguousarray(task.y[order_y]),
        task.supply[order_x],
        task.demand[order_y],
        task.matrices,
    )
    return ordered, problem_of(ordered.x, columns, ordered.supply, ordered.demand, LISTED), order_x, order_y


def _start(problem: Problem, task: Transport, start: FloatArray | None) -> None:
    """Set the duals: the best of those at hand, then Sinkhorn sweeps."""
    columns = problem.columns
    guesses = [np.zeros(columns.v.size)]
    if start is not None:
        guesses.append(start)
    elif min(task.supply.size, task.demand.size) >= SMALLEST:
        guesses.append(_coarse_duals(task))
    values = [_dual_value(task, columns, guess) for guess in guesses]
    best = int(np.argmax(values))
    columns.v[:] = guesses[best]
    _renew(problem)
    if start is None:
        scale = _local_scale(problem)
        for temperature in TEMPERATURES:
            sweep(temperature * scale, SWEEPS, problem)
        _renew(problem)
        if _listed_dual_value(problem, task) <= values[best] + NOTHING * np.abs(columns.v).max() * task.supply.sum():
            columns.v[:] = guesses[best]
            _renew(problem)


def _renew(problem: Problem) -> None:
    """Search all lists anew after duals may have risen."""
    fit_bounds(problem.columns)
    problem.lists.size[:] = 0
    renew_all(LISTED, problem)


def _dual_value(task: Transport, columns: Columns, guess: FloatArray) -> float:
    columns.v[:] = guess
    fit_bounds(columns)
    u = np.empty(task.supply.size)
    c_transform(task.x, columns, found_of(1), u)
    return float(task.supply @ u + task.demand @ guess)


def _listed_dual_value(problem: Problem, task: Transport) -> float:
    """Dual value of the present duals, from lists that are fresh."""
    u, span = np.empty(problem.x.shape[0]), np.empty(problem.x.shape[0])
    spans(0, problem, u, span)
    return float(task.supply @ u + task.demand @ problem.columns.v)


def _local_scale(problem: Problem) -> float:
    """Median over the rows of how much dearer the MIDDLE-th column is than the best, in the present duals."""
    u, span = np.empty(problem.x.shape[0]), np.empty(problem.x.shape[0])
    spans(MIDDLE, problem, u, span)
    positive = span[span > 0.0]
    return float(np.median(positive)) if positive.size else 1.0


def _coarse_duals(task: Transport) -> FloatArray:
    """Duals of the problem between groups of GROUP neighbouring atoms, extended by c-transform."""
    count = min(task.supply.size, task.demand.size) // GROUP
    ones = np.ones(count, dtype=np.int64)
    x, y = _grouped(task.x, task.supply, count), _grouped(task.y, task.demand, count)
    ordered, problem, _, _ = _laid_out(Transport(x, y, ones, ones, task.matrices))
    _start(problem, ordered, None)
    _descend(problem)
    u = np.empty(count)
    fit_bounds(problem.columns)
    c_transform(ordered.x, problem.columns, problem.found, u)
    rows, order = columns_of(ordered.x, task.matrices)
    rows.v[:] = u[order]
    fit_bounds(rows)
    v = np.empty(task.demand.size)
    c_transform(task.y, rows, found_of(1), v)
    return v


def _grouped(atoms: FloatArray, units: IntArray, count: int) -> FloatArray:
    """``count`` points for groups of neighbours of equal mass: means where masses are equal, otherwise quantiles."""
    if (units == units[0]).all():
        edges = np.arange(count + 1) * atoms.shape[0] // count
        means: FloatArray = np.add.reduceat(atoms, edges[:-1], axis=0) / np.diff(edges)[:, None]
        return means
    ends = np.cumsum(units, dtype=np.float64)
    middle = (np.arange(count) + 0.5) * ends[-1] / count
    return np.ascontiguousarray(atoms[np.minimum(np.searchsorted(ends, middle), atoms.shape[0] - 1)])


def _descend(problem: Problem) -> int:
    """Auctions from the first epsilon up as far as needed and down to the last; returns the number of bids."""
    n = problem.x.shape[0]
    scale, patience = _local_scale(problem), int(PATIENCE * n) + 50
    epsilon, rising, bids = FIRST, True, 0
    while True:
        k = LISTED if epsilon <= 0.5 else FEW
        release(epsilon * scale, LISTED, problem)
        bids += auction(epsilon * scale, k, patience, problem)
        fit_bounds(problem.columns)
        rising = rising and int(problem.market.top[0]) > LEFT * n and epsilon < 1e12
        if rising:
            epsilon *= UP
        elif epsilon <= LAST:
            return bids
        else:
            epsilon = max(epsilon / DOWN, LAST)


def _counted(steps: int) -> int:
    """The number of steps itself; negative ones tell that the cells ran out."""
    if steps < 0:
        raise TransportFailed("the plan must have few cells, got more than were set aside; use method='emd'")
    return steps


def _finish_exactly(problem: Problem) -> tuple[FloatArray, float]:
    """Close the last epsilon: every row placed on a tight column. Returns the rows' duals and the total gap."""
    n, m = problem.x.shape[0], problem.columns.v.size
    forest = forest_of(n, m)
    _counted(finish(SHARE, FEW, problem, forest))
    _recentre(problem)
    release(0.0, LISTED, problem)
    auction(0.0, LISTED, n + 50, problem)
    for _ in range(3):
        release(0.0, LISTED, problem)
        fit_bounds(problem.columns)
        _counted(finish(SHARE, FEW, problem, forest))
        u, gap, total = _certificate(problem)
        if gap <= CERTIFIED * total:
            break
    return u, gap


def _recentre(problem: Problem) -> None:
    """Bring the duals back near 0 where auctions drove them so low that digits would be lost."""
    v = problem.columns.v
    middle = float(np.median(v))
    if abs(middle) > OFF_CENTRE * (1.0 + float(np.ptp(v))):
        v -= middle
        _renew(problem)


def _certificate(problem: Problem) -> tuple[FloatArray, float, float]:
    """Duals of the rows by c-transform over all columns, the total slack of the cells, and their total cost."""
    market = problem.market
    fit_bounds(problem.columns)
    u = np.empty(problem.x.shape[0])
    c_transform(problem.x, problem.columns, problem.found, u)
    cells = np.flatnonzero(market.flow > 0)
    slack = market.cost[cells] - problem.columns.v[_columns_of_cells(problem)[cells]] - u[market.row[cells]]
    flow = market.flow[cells].astype(np.float64)
    return u, float(flow @ np.maximum(slack, 0.0)), float(flow @ market.cost[cells])


def _columns_of_cells(problem: Problem) -> IntArray:
    """Column of every cell in use."""
    m = problem.columns.v.size
    column = np.arange(problem.market.row.size)
    front = np.flatnonzero(problem.market.chain[:m] >= 0)
    cells = problem.market.chain[front]
    while cells.size:
        column[cells] = front
        further = problem.market.chain[cells] >= 0
        front, cells = front[further], problem.market.chain[cells][further]
    return column
