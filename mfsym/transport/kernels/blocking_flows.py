"""Blocking flows along tight pairs: what one tree per root leaves where masses split or costs tie.

Paths of a phase share edges, so that demand which its trees reached may no longer be reachable. Depth-first search over
the tight listed pairs, c_ij - v_j = u_i, then augments more flow at the same duals: many paths for one run of
Dijkstra's algorithm (after Pothen & Fan 1990, doi:10.1145/98267.98287). The next phase finds what it misses.
"""

from __future__ import annotations

from typing import NamedTuple

from mfsym.accelerate import exact
from mfsym.transport.kernels.candidate_lists import search_list
from mfsym.transport.kernels.couplings import assign, assigned, withdraw
from mfsym.transport.kernels.packs import Flags, Floats, Numbers, PartialCoupling, SolverState

TIGHT = 1e-15
"""Slack below this, relative to the terms of a pair, counts as zero."""


class DepthFirstSearch(NamedTuple):
    """State of a depth-first search: visited rows and columns, and the path by depth."""

    complete: Flags  # (N,) rows whose lists are full and were searched at the present duals
    visited_row: Flags  # (N,)
    visited_column: Flags  # (M,)
    row: Numbers  # (N,) rows on the path
    entry: Numbers  # (N,) next entry of the row's list
    column: Numbers  # (N,) column after the row on the path
    cell: Numbers  # (N,) next cell of that column, -1 at the end
    edge_cost: Floats  # (N,) cost c_ij of that row and column


@exact
def step_to_unsaturated(depth: int, state: SolverState, search: DepthFirstSearch) -> bool:
    """Extend the path from its last row to a tight unsaturated column; False where none is listed."""
    lists, coupling, v = state.lists, state.coupling, state.columns.v
    i = search.row[depth]
    u = state.u[i]
    begin = lists.start[i]
    for t in range(begin, begin + lists.size[i]):
        j = lists.column[t]
        if coupling.residual[j] > 0 and lists.cost[t] - v[j] <= u + TIGHT * (abs(u) + abs(v[j]) + lists.cost[t]):
            search.column[depth], search.edge_cost[depth] = j, lists.cost[t]
            return True
    return False


@exact
def step_to_unvisited(depth: int, state: SolverState, search: DepthFirstSearch) -> bool:
    """Extend the path from its last row to a tight unvisited column; False where none is left on the list."""
    lists, v = state.lists, state.columns.v
    i = search.row[depth]
    u = state.u[i]
    for s in range(search.entry[depth], lists.size[i]):
        t = lists.start[i] + s
        j = lists.column[t]
        if search.visited_column[j] == 0 and lists.cost[t] - v[j] <= u + TIGHT * (abs(u) + abs(v[j]) + lists.cost[t]):
            search.visited_column[j] = 1
            search.entry[depth] = s + 1
            search.column[depth], search.edge_cost[depth] = j, lists.cost[t]
            search.cell[depth] = j if state.coupling.flow[j] > 0 else -1
            return True
    return False


@exact
def push_row(i: int, depth: int, state: SolverState, search: DepthFirstSearch) -> None:
    """Append a row to the path; search ever longer lists for it until they certify all tight columns or are full."""
    lists, u = state.lists, state.u[i]
    while search.complete[i] == 0 and lists.tau[i] <= u + TIGHT * abs(u):
        k = min(2 * lists.size[i], lists.start[i + 1] - lists.start[i])
        search.complete[i] = k == lists.size[i]
        search_list(i, k, state)
    search.visited_row[i] = 1
    search.row[depth], search.entry[depth], search.cell[depth] = i, 0, -1


@exact
def find_augmenting_path(root: int, state: SolverState, search: DepthFirstSearch) -> int:
    """Depth of the last row of an augmenting path from the root to an unsaturated column; -1 where none is found."""
    coupling = state.coupling
    depth = 0
    push_row(root, 0, state, search)
    if step_to_unsaturated(0, state, search):
        return 0
    while depth >= 0:
        cell = search.cell[depth]
        if cell >= 0:
            search.cell[depth] = coupling.chain[cell]
            i = coupling.row[cell]
            if search.visited_row[i] == 0:
                depth += 1
                push_row(i, depth, state, search)
                if step_to_unsaturated(depth, state, search):
                    return depth
        elif not step_to_unvisited(depth, state, search):
            depth -= 1
    return -1


@exact
def augment_along(depth: int, coupling: PartialCoupling, search: DepthFirstSearch) -> bool:
    """Augment flow along the path, and mark its rows and columns unvisited; False where spare cells ran out."""
    mass = min(coupling.excess[search.row[0]], coupling.residual[search.column[depth]])
    for d in range(depth):
        mass = min(mass, assigned(search.row[d + 1], search.column[d], coupling))
    for d in range(depth, -1, -1):
        i, j = search.row[d], search.column[d]
        if d > 0:
            withdraw(i, search.column[d - 1], mass, coupling)
        if not assign(i, j, mass, search.edge_cost[d], coupling):
            return False
        search.visited_row[i], search.visited_column[j] = 0, 0
    return True


@exact
def saturate(state: SolverState, search: DepthFirstSearch) -> bool:
    """Augment flow from unassigned rows along tight pairs until a whole pass finds no path.

    Rows that become assigned leave the queue; duals do not change. Returns False where spare cells ran out.
    """
    coupling = state.coupling
    moved = True
    search.complete[:] = 0
    while moved:
        moved = False
        search.visited_row[:], search.visited_column[:] = 0, 0
        kept = 0
        for t in range(coupling.queued[0]):
            i = coupling.queue[t]
            depth = 0
            while depth >= 0 and coupling.excess[i] > 0:
                depth = find_augmenting_path(i, state, search) if search.visited_row[i] == 0 else -1
                if depth >= 0:
                    moved = True
                    if not augment_along(depth, coupling, search):
                        return False
            if coupling.excess[i] > 0:
                coupling.queue[kept] = i
                kept += 1
        coupling.queued[0] = kept
    return True
