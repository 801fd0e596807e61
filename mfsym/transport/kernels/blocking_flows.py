"""More mass along tight columns: what one tree per root leaves where masses split or costs tie.

Paths of a forest share cells, so that mass which its trees met may find no way any more. Depth-first search along every
tight pair that is listed, c_ij - v_j = u_i, then moves more of it at the same duals, many paths for one round of
Dijkstra's algorithm (after Pothen & Fan 1990, doi:10.1145/98267.98287). What it misses the next round finds.
"""

from __future__ import annotations

from typing import NamedTuple

from mfsym.accelerate import exact
from mfsym.transport.kernels.couplings import give, held, take
from mfsym.transport.kernels.lists import renew
from mfsym.transport.kernels.packs import Flags, Floats, Market, Numbers, Problem

TIGHT = 1e-15
"""Slack below this, relative to the terms of a pair, counts as none."""


class Search(NamedTuple):
    """State of a depth-first search: what was seen, and the path by depth."""

    fresh: Flags  # (N,) rows whose lists are as long as there is room for, and searched at the present duals
    seen_row: Flags  # (N,)
    seen_column: Flags  # (M,)
    row: Numbers  # (N,) rows on the path
    entry: Numbers  # (N,) next entry of the row's list to look at
    column: Numbers  # (N,) column that the path leaves the row by
    cell: Numbers  # (N,) next cell of that column to look at, -1 at the end
    edge: Floats  # (N,) cost of that column for that row


@exact
def step_to_free(depth: int, problem: Problem, search: Search) -> bool:
    """Lead the path from its last row to a tight column with free mass; False where none is listed."""
    lists, market, v = problem.lists, problem.market, problem.columns.v
    i = search.row[depth]
    u = problem.u[i]
    begin = lists.start[i]
    for t in range(begin, begin + lists.size[i]):
        j = lists.column[t]
        if market.free[j] > 0 and lists.cost[t] - v[j] <= u + TIGHT * (abs(u) + abs(v[j]) + lists.cost[t]):
            search.column[depth], search.edge[depth] = j, lists.cost[t]
            return True
    return False


@exact
def step_to_held(depth: int, problem: Problem, search: Search) -> bool:
    """Lead the path from its last row to a tight column not seen yet; False where none is left on the list."""
    lists, v = problem.lists, problem.columns.v
    i = search.row[depth]
    u = problem.u[i]
    for s in range(search.entry[depth], lists.size[i]):
        t = lists.start[i] + s
        j = lists.column[t]
        if search.seen_column[j] == 0 and lists.cost[t] - v[j] <= u + TIGHT * (abs(u) + abs(v[j]) + lists.cost[t]):
            search.seen_column[j] = 1
            search.entry[depth] = s + 1
            search.column[depth], search.edge[depth] = j, lists.cost[t]
            search.cell[depth] = j if problem.market.flow[j] > 0 else -1
            return True
    return False


@exact
def enter_row(i: int, depth: int, problem: Problem, search: Search) -> None:
    """Put a row on the path; its list is searched anew, as long as there is room for, until it certifies its ties."""
    lists, u = problem.lists, problem.u[i]
    while search.fresh[i] == 0 and lists.tau[i] <= u + TIGHT * abs(u):
        k = min(2 * lists.size[i], lists.start[i + 1] - lists.start[i])
        search.fresh[i] = k == lists.size[i]
        renew(i, k, problem)
    search.seen_row[i] = 1
    search.row[depth], search.entry[depth], search.cell[depth] = i, 0, -1


@exact
def find_path(root: int, problem: Problem, search: Search) -> int:
    """Depth of the last row of a path from the root to a column with free mass; -1 where none is found."""
    market = problem.market
    depth = 0
    enter_row(root, 0, problem, search)
    if step_to_free(0, problem, search):
        return 0
    while depth >= 0:
        cell = search.cell[depth]
        if cell >= 0:
            search.cell[depth] = market.chain[cell]
            i = market.row[cell]
            if search.seen_row[i] == 0:
                depth += 1
                enter_row(i, depth, problem, search)
                if step_to_free(depth, problem, search):
                    return depth
        elif not step_to_held(depth, problem, search):
            depth -= 1
    return -1


@exact
def move_along(depth: int, market: Market, search: Search) -> bool:
    """Move what can move along the path, whose rows and columns may be seen again; False where the cells ran out."""
    mass = min(market.deficit[search.row[0]], market.free[search.column[depth]])
    for d in range(depth):
        mass = min(mass, held(search.row[d + 1], search.column[d], market))
    for d in range(depth, -1, -1):
        i, j = search.row[d], search.column[d]
        if d > 0:
            take(i, search.column[d - 1], mass, market)
        if not give(i, j, mass, search.edge[d], market):
            return False
        search.seen_row[i], search.seen_column[j] = 0, 0
    return True


@exact
def saturate(problem: Problem, search: Search) -> bool:
    """Move mass of waiting rows along tight pairs until a whole pass moves none; False where the cells ran out.

    Rows that are placed wait no longer. Duals stay as they are.
    """
    market = problem.market
    moved = True
    search.fresh[:] = 0
    while moved:
        moved = False
        search.seen_row[:], search.seen_column[:] = 0, 0
        waiting = 0
        for t in range(market.top[0]):
            i = market.waiting[t]
            depth = 0
            while depth >= 0 and market.deficit[i] > 0:
                depth = find_path(i, problem, search) if search.seen_row[i] == 0 else -1
                if depth >= 0:
                    moved = True
                    if not move_along(depth, market, search):
                        return False
            if market.deficit[i] > 0:
                market.waiting[waiting] = i
                waiting += 1
        market.top[0] = waiting
    return True
