"""Exact transport between clouds in O(N k) memory: initial duals, epsilon-scaling, exact phase, certificate.

1. Initial duals (``initialisers``): Sinkhorn iterations from zero, Gaussian or coarse duals, or a warm start.
2. Auctions with decreasing epsilon, relative to the median local scale, and shortest augmenting paths for the few rows
   that an auction suspends because v would have to fall far.
3. An auction with epsilon = 0, and shortest augmenting paths for the rows it leaves unassigned.
4. The certificate: u = c-transform of v over all columns. The slacks c_ij - u_i - v_j >= 0 of pairs with flow sum to
   the duality gap, which is summed again in the original coordinates and for the given weights (``certificates``).

If many costs tie, duals rounded to the lattice of the costs replace step 2 (``lattices``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mfsym.errors import TransportFailed
from mfsym.transport.axes import principal_axes
from mfsym.transport.initialisers import (
    LIST_LENGTH,
    NEARLY_ALL,
    TransportProblem,
    initialise_duals,
    local_scale,
    nearest_share,
    prepare,
    rebuild_lists,
    rotated,
)
from mfsym.transport.kernels.auction import auction, withdraw_violations
from mfsym.transport.kernels.augmenting_paths import augment_all
from mfsym.transport.kernels.dual_fits import fit_bounds
from mfsym.transport.kernels.neighbour_search import c_transform
from mfsym.transport.kernels.packs import SolverState
from mfsym.transport.lattices import TIED_LIST_LENGTH, lattice_unit, round_duals
from mfsym.transport.packs import column_tree, empty_paths, kd_order, search_buffers, with_list_length
from mfsym.transport.results import FloatArray, IntArray

FIRST_EPSILON, LAST_EPSILON, REDUCTION = 0.1, 1e-3, 10.0
"""Epsilon of the first and the last auction in local scales, and the factor between consecutive ones.

If masses split, ties are common and small increments resolve them slowly: the first auction is then the last.
"""

DEFERRED = 8
"""Rows that the first auction may leave unassigned for the next one: at the first epsilon their augmenting paths would
pass through nearly all of a large cloud."""

WARM_EPSILON = 1e-2
"""The first epsilon after a warm start, in local scales."""

PATIENCE = 3.0
"""Initial patience of an auction: evictions per row that a chain may have before its row is suspended."""

SHARE = 0.5
"""Share of the total excess that one Dijkstra phase must reach."""

OFF_CENTRE = 4.0
"""Median of the duals, relative to their range (distances are about 1), above which it is subtracted."""

CERTIFIED = 1e-12
"""Relative duality gap above which the exact phase is repeated."""

TRIES = 3
"""Largest number of exact phases. For clouds that differ by rounding only, the relative gap cannot be reached."""


class Solution(NamedTuple):
    """The coupling (rows, columns, flow), duals with u_i = min_j c_ij - v_j, and the number of bids.

    rotated : whether the costs are those between atoms rotated in float64, see ``unrotated_row_duals``.
    """

    rows: IntArray
    columns: IntArray
    flow: IntArray
    u: FloatArray
    v: FloatArray
    iterations: int
    rotated: bool


def solve(problem: TransportProblem, start: FloatArray | None = None) -> Solution:
    """The optimal coupling, with optimal duals.

    start : duals v (M,) of a similar problem, or None; not used for clouds close to each other.
    Raises TransportFailed if spare cells run out, or if path lengths are lost in rounding.
    """
    ordered, state, order_x, order_y = prepare(problem)
    share, iterations = nearest_share(state), 0
    close, unit, axes = share >= NEARLY_ALL, lattice_unit(ordered.x, state.columns) if share < 1.0 else 0.0, None
    if share == 1.0:
        iterations = auction(0.0, LIST_LENGTH, state.x.shape[0], state)
    elif unit > 0.0:
        state = with_list_length(state, TIED_LIST_LENGTH)
        _initialise_tied(state, ordered, unit, close, None if start is None else start[order_y])
    elif close:
        rebuild_lists(state)
        iterations = epsilon_scaling(state, FIRST_EPSILON if start is None else WARM_EPSILON)
    else:
        axes = principal_axes(problem.x, problem.y)
        if axes is not None:
            ordered, state, order_x, order_y = prepare(rotated(problem, axes))
        initialise_duals(state, ordered, None if start is None else start[order_y], epsilon_scaling)
        iterations = epsilon_scaling(state, FIRST_EPSILON if start is None else WARM_EPSILON)
    u = _solve_exactly(state)
    cells = np.flatnonzero(state.coupling.flow > 0)
    solution_u, solution_v = np.empty(u.size), np.empty(state.columns.v.size)
    solution_u[order_x], solution_v[order_y] = u, state.columns.v
    return Solution(
        rows=order_x[state.coupling.row[cells]],
        columns=order_y[_columns_of_cells(state)[cells]],
        flow=state.coupling.flow[cells],
        u=solution_u,
        v=solution_v,
        iterations=iterations,
        rotated=axes is not None,
    )


def unrotated_row_duals(problem: TransportProblem, v: FloatArray) -> FloatArray:
    """Duals of the rows for duals v (M,) of the columns, in the coordinates before rotation."""
    columns, order = column_tree(problem.y, problem.matrices)
    columns.v[:] = v[order]
    fit_bounds(columns)
    order = kd_order(problem.x)
    found, u = np.full(order.size, np.inf), np.empty(order.size)
    c_transform(np.ascontiguousarray(problem.x[order]), columns, search_buffers(1), found)
    u[order] = found
    return u


def _initialise_tied(
    state: SolverState, problem: TransportProblem, unit: float, close: bool, start: FloatArray | None
) -> None:
    """Set duals on the lattice of costs (multiples of a unit), search the lists. close : whether zero duals will do."""
    if not close:
        initialise_duals(state, problem, start, epsilon_scaling, tied=True)
        round_duals(state, problem.y, unit)
    rebuild_lists(state, LIST_LENGTH)


def epsilon_scaling(state: SolverState, epsilon: float = FIRST_EPSILON) -> int:
    """Auctions from the first epsilon to the last, each completed by augmenting paths; returns the number of bids."""
    n, m = state.x.shape[0], state.columns.v.size
    scale, bids, patience = local_scale(state), 0, int(PATIENCE * n)
    last = FIRST_EPSILON if state.coupling.row.size > m else LAST_EPSILON
    paths = empty_paths(n, m)
    while True:
        withdraw_violations(epsilon * scale, LIST_LENGTH, state)
        bids += auction(epsilon * scale, LIST_LENGTH, patience, state)
        unassigned, later = state.coupling.queued[0], epsilon == FIRST_EPSILON and epsilon > last
        if unassigned > (DEFERRED if later else 0):
            fit_bounds(state.columns)
            _refuse_stalled(augment_all(SHARE, LIST_LENGTH, state, paths))
            fit_bounds(state.columns)
        if epsilon <= last:
            return bids
        epsilon = max(epsilon / REDUCTION, last)


def _refuse_stalled(phases: int) -> None:
    """Raise TransportFailed for the negative number of phases of a solve that stalled."""
    if phases < 0:
        raise TransportFailed(
            "float64 must tell the costs of the optimal pairs apart, got paths lost in rounding; look for rows that "
            "are far from all others, such as codes for missing values"
        )


def _solve_exactly(state: SolverState) -> FloatArray:
    """The exact phase, epsilon = 0: every row is assigned to tight columns. Returns the rows' duals."""
    n, m = state.x.shape[0], state.columns.v.size
    paths = empty_paths(n, m)
    _recentre(state)
    withdraw_violations(0.0, LIST_LENGTH, state)
    if state.coupling.queued[0] > 0:
        auction(0.0, LIST_LENGTH, state.x.shape[0], state)
        withdraw_violations(0.0, LIST_LENGTH, state)
    for unassigned in range(TRIES - 1, -1, -1):
        if state.coupling.queued[0] > 0:
            fit_bounds(state.columns)
            _refuse_stalled(augment_all(SHARE, LIST_LENGTH, state, paths))
        u, gap, total = _certificate(state)
        if gap <= CERTIFIED * total or unassigned == 0:
            break
        withdraw_violations(0.0, LIST_LENGTH, state)
    return u


def _recentre(state: SolverState) -> None:
    """Subtract the median of the duals if it is so large that digits would be lost."""
    v = state.columns.v
    middle = float(np.median(v))
    if abs(middle) > OFF_CENTRE * (1.0 + float(np.ptp(v))):
        v -= middle
        rebuild_lists(state)


def _certificate(state: SolverState) -> tuple[FloatArray, float, float]:
    """Duals of the rows by c-transform over all columns, the duality gap, and the primal cost."""
    coupling = state.coupling
    fit_bounds(state.columns)
    u = _assigned_values(state)
    c_transform(state.x, state.columns, state.found, u)
    cells = np.flatnonzero(coupling.flow > 0)
    slack = coupling.cost[cells] - state.columns.v[_columns_of_cells(state)[cells]] - u[coupling.row[cells]]
    flow = coupling.flow[cells].astype(np.float64)
    return u, float(flow @ np.maximum(slack, 0.0)), float(flow @ coupling.cost[cells])


def _assigned_values(state: SolverState) -> FloatArray:
    """c_ij - v_j of some column assigned to row i, for every row: an upper bound on its dual."""
    cells = np.flatnonzero(state.coupling.flow > 0)
    values = np.full(state.x.shape[0], np.inf)
    v = state.columns.v[_columns_of_cells(state)[cells]]
    values[state.coupling.row[cells]] = state.coupling.cost[cells] - v
    return values


def _columns_of_cells(state: SolverState) -> IntArray:
    """Column of every cell with flow."""
    m = state.columns.v.size
    column = np.arange(state.coupling.row.size)
    front = np.flatnonzero(state.coupling.chain[:m] >= 0)
    cells = state.coupling.chain[front]
    while cells.size:
        column[cells] = front
        further = state.coupling.chain[cells] >= 0
        front, cells = front[further], state.coupling.chain[cells][further]
    return column
