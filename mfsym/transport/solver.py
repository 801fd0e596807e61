"""Exact transport between clouds in O(N k) memory: start, epsilon-scaling auction, exact finish, certificate.

1. A start for the duals (``starts``): Sinkhorn sweeps from zero or from a coarse problem, or an earlier solution.
2. Auctions with falling epsilon, relative to the median local scale, and forests of shortest augmenting paths for the
   few rows that an auction leaves because prices would have to fall far.
3. An auction with epsilon = 0, and forests for the rows it leaves.
4. The certificate: u = c-transform of v over all columns; each cell's slack c_ij - u_i - v_j >= 0 sums to the gap,
   which is summed again in the coordinates given and for the weights given (``certificates``).

Where costs tie everywhere, rough duals on the lattice of the costs replace step 2 (``lattices``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mfsym.errors import TransportFailed
from mfsym.transport.axes import flat_axes
from mfsym.transport.kernels.auction import auction, release
from mfsym.transport.kernels.augmenting_paths import finish
from mfsym.transport.kernels.fits import fit_bounds
from mfsym.transport.kernels.packs import Problem
from mfsym.transport.kernels.search import c_transform
from mfsym.transport.lattices import TIED, lattice_unit, round_duals
from mfsym.transport.packs import columns_of, forest_of, found_of, order_of, with_room
from mfsym.transport.results import FloatArray, IntArray
from mfsym.transport.starts import (
    LISTED,
    NEARLY_ALL,
    Transport,
    laid_out,
    local_scale,
    renew_lists,
    set_start,
    share_of_nearest,
    turned,
)

FIRST, LAST, DOWN = 0.1, 1e-3, 10.0
"""Epsilon of the first and the last auction in local scales, and the factor by which it goes down.

Where masses split ties are common, which small bids settle slowly: the first auction is the last one there.
"""

LATER = 8
"""Rows that the first auction may leave to the next one, which shortens their ways to free columns: those lead through
nearly all of a large cloud."""

WARM = 1e-2
"""The first epsilon after a warm start."""

PATIENCE = 3.0
"""Evictions per row that a chain may have at first, before it is left to the forests."""

SHARE = 0.5
"""Of the trees of a forest that end a round when they met free mass."""

OFF_CENTRE = 4.0
"""Common level of the duals, relative to their range (lengths are about 1), from which it is taken out."""

CERTIFIED = 1e-12
"""Relative gap that the exact finish is repeated for, if ever it leaves more."""

TRIES = 3
"""Exact finishes at most. Clouds that differ by no more than rounding have no relative gap that could be met."""


class Solution(NamedTuple):
    """Cells (rows, columns, flow), duals with u_i = min_j c_ij - v_j, and the number of bids.

    turned : whether these costs are those between atoms turned in float64, see ``unturned``.
    """

    rows: IntArray
    columns: IntArray
    flow: IntArray
    u: FloatArray
    v: FloatArray
    iterations: int
    turned: bool


def solve(task: Transport, start: FloatArray | None = None) -> Solution:
    """The optimal coupling, with duals that prove it.

    start : duals v (M,) of a similar problem, or None; not used for clouds near to each other.
    Raises TransportFailed where the cells run out.
    """
    ordered, problem, order_x, order_y = laid_out(task)
    share, iterations = share_of_nearest(problem), 0
    close, unit, axes = share >= NEARLY_ALL, lattice_unit(ordered.x, problem.columns) if share < 1.0 else 0.0, None
    if share == 1.0:
        iterations = auction(0.0, LISTED, problem.x.shape[0], problem)
    elif unit > 0.0:
        problem = with_room(problem, TIED)
        _start_tied(problem, ordered, unit, close, None if start is None else start[order_y])
    elif close:
        renew_lists(problem)
        iterations = descend(problem, FIRST if start is None else WARM)
    else:
        axes = flat_axes(task.x, task.y)
        if axes is not None:
            ordered, problem, order_x, order_y = laid_out(turned(task, axes))
        set_start(problem, ordered, None if start is None else start[order_y], descend)
        iterations = descend(problem, FIRST if start is None else WARM)
    u = _finish_exactly(problem)
    cells = np.flatnonzero(problem.market.flow > 0)
    solution_u, solution_v = np.empty(u.size), np.empty(problem.columns.v.size)
    solution_u[order_x], solution_v[order_y] = u, problem.columns.v
    return Solution(
        rows=order_x[problem.market.row[cells]],
        columns=order_y[_columns_of_cells(problem)[cells]],
        flow=problem.market.flow[cells],
        u=solution_u,
        v=solution_v,
        iterations=iterations,
        turned=axes is not None,
    )


def unturned(task: Transport, v: FloatArray) -> FloatArray:
    """Duals of the rows for duals v of the columns (M,), in coordinates that no turn has rounded."""
    columns, order = columns_of(task.y, task.matrices)
    columns.v[:] = v[order]
    fit_bounds(columns)
    order = order_of(task.x)
    found, u = np.full(order.size, np.inf), np.empty(order.size)
    c_transform(np.ascontiguousarray(task.x[order]), columns, found_of(1), found)
    u[order] = found
    return u


def _start_tied(problem: Problem, task: Transport, unit: float, close: bool, start: FloatArray | None) -> None:
    """Duals on the lattice of costs that are multiples of a unit, and lists. close : whether zero ones will do."""
    if not close:
        set_start(problem, task, start, descend, tied=True)
        round_duals(problem, task.y, unit)
    renew_lists(problem, LISTED)


def descend(problem: Problem, epsilon: float = FIRST) -> int:
    """Auctions from the first epsilon down to the last, each finished by forests; returns the number of bids."""
    n, m = problem.x.shape[0], problem.columns.v.size
    scale, bids, patience = local_scale(problem), 0, int(PATIENCE * n)
    last = FIRST if problem.market.row.size > m else LAST
    forest = forest_of(n, m)
    while True:
        release(epsilon * scale, LISTED, problem)
        bids += auction(epsilon * scale, LISTED, patience, problem)
        left, later = problem.market.top[0], epsilon == FIRST and epsilon > last
        if left > (LATER if later else 0):
            fit_bounds(problem.columns)
            _counted(finish(SHARE, LISTED, problem, forest))
            fit_bounds(problem.columns)
        if epsilon <= last:
            return bids
        epsilon = max(epsilon / DOWN, last)


def _counted(steps: int) -> int:
    """The number of steps itself; negative ones tell that no more mass could be moved."""
    if steps < 0:
        raise TransportFailed(
            "all mass must be placed on pairs whose costs float64 tells apart, got some that could not; look for rows "
            "that are far from all others, such as codes for missing values"
        )
    return steps


def _finish_exactly(problem: Problem) -> FloatArray:
    """Close the last epsilon: every row placed on a tight column. Returns the rows' duals."""
    n, m = problem.x.shape[0], problem.columns.v.size
    forest = forest_of(n, m)
    _recentre(problem)
    release(0.0, LISTED, problem)
    if problem.market.top[0] > 0:
        auction(0.0, LISTED, problem.x.shape[0], problem)
        release(0.0, LISTED, problem)
    for left in range(TRIES - 1, -1, -1):
        if problem.market.top[0] > 0:
            fit_bounds(problem.columns)
            _counted(finish(SHARE, LISTED, problem, forest))
        u, gap, total = _certificate(problem)
        if gap <= CERTIFIED * total or left == 0:
            break
        release(0.0, LISTED, problem)
    return u


def _recentre(problem: Problem) -> None:
    """Bring the duals back near 0 where auctions drove them so low that digits would be lost."""
    v = problem.columns.v
    middle = float(np.median(v))
    if abs(middle) > OFF_CENTRE * (1.0 + float(np.ptp(v))):
        v -= middle
        renew_lists(problem)


def _certificate(problem: Problem) -> tuple[FloatArray, float, float]:
    """Duals of the rows by c-transform over all columns, the total slack of the cells, and their total cost."""
    market = problem.market
    fit_bounds(problem.columns)
    u = _placed_values(problem)
    c_transform(problem.x, problem.columns, problem.found, u)
    cells = np.flatnonzero(market.flow > 0)
    slack = market.cost[cells] - problem.columns.v[_columns_of_cells(problem)[cells]] - u[market.row[cells]]
    flow = market.flow[cells].astype(np.float64)
    return u, float(flow @ np.maximum(slack, 0.0)), float(flow @ market.cost[cells])


def _placed_values(problem: Problem) -> FloatArray:
    """c_ij - v_j of some column that row i holds, for every row: an upper bound on its dual."""
    cells = np.flatnonzero(problem.market.flow > 0)
    values = np.full(problem.x.shape[0], np.inf)
    v = problem.columns.v[_columns_of_cells(problem)[cells]]
    values[problem.market.row[cells]] = problem.market.cost[cells] - v
    return values


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
