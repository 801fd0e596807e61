"""Forward auction: unassigned rows bid for columns, and prices only rise (duals v only decrease).

A row obtains an unsaturated column at its present price; only a bid that evicts another row raises the price. Duals
therefore stay near 0 where the clouds nearly coincide, and so does their rounding error.

Epsilon-complementary slackness: after its bid a row is assigned to a column within epsilon of its best one. Bids are
exact over all columns, not only over the listed ones: a row bids only while its best listed value is at most tau_i.
Bertsekas 1988 (doi:10.1007/BF02186476); for masses Bertsekas & Castañon 1989 (doi:10.1007/BF02216933).
"""

from __future__ import annotations

import numpy as np
from numpy import uintp as U

from mfsym.accelerate import exact, exact_part
from mfsym.transport.kernels.candidate_lists import best_value, search_list
from mfsym.transport.kernels.couplings import assign, assigned, enqueue, evict, withdraw
from mfsym.transport.kernels.dual_fits import copy_dual, fit_bounds
from mfsym.transport.kernels.packs import SolverState

TIE = 1e-14
"""Price increments below this, relative to the value of the column to the row, count as zero."""

LEAST_PATIENCE = 500
"""Evictions that every chain is allowed."""


@exact
def best_two(i: int, state: SolverState) -> tuple[int, float, float]:
    """Position on the list and value of the best column not wholly assigned to row i, and the second best value."""
    lists, coupling, v = state.lists, state.coupling, state.columns.v
    first, second, place = np.inf, np.inf, -1
    begin = U(lists.start[i])
    for s in range(lists.size[i]):
        t = begin + U(s)
        j = lists.column[t]
        value = lists.cost[t] - v[U(j)]
        if value < second and assigned(i, j, coupling) < coupling.demand[j]:
            if value < first:
                first, second, place = value, first, lists.start[i] + s
            else:
                second = value
    return place, first, second


@exact_part
def best_two_unit(i: int, state: SolverState) -> tuple[int, float, float]:
    """As ``best_two`` where masses do not split: nothing is assigned to an unassigned row, so no column is excluded."""
    lists, v = state.lists, state.columns.v
    first, second, place = np.inf, np.inf, -1
    begin = U(lists.start[i])
    for s in range(lists.size[i]):
        value = lists.cost[begin + U(s)] - v[U(lists.column[begin + U(s)])]
        if value < first:
            first, second, place = value, first, lists.start[i] + s
        elif value < second:
            second = value
    return place, first, second


@exact_part
def certified_best_two(i: int, k: int, splits: bool, state: SolverState) -> tuple[int, float, float]:
    """As ``best_two`` over all columns: searches the list until it certifies its best. splits : whether masses do."""
    while True:
        place, first, second = best_two(i, state) if splits else best_two_unit(i, state)
        if place >= 0 and first <= state.lists.tau[i]:
            return place, first, min(second, state.lists.tau[i])
        search_list(i, k, state)
        k *= 2


@exact
def lower_own_duals(i: int, value: float, state: SolverState) -> None:
    """Lower the duals of the columns wholly assigned to row i until c_ij - v_j >= ``value``, that of its new column."""
    lists, coupling, v = state.lists, state.coupling, state.columns.v
    for t in range(lists.start[i], lists.start[i] + lists.size[i]):
        j = lists.column[t]
        if lists.cost[t] - v[j] < value and assigned(i, j, coupling) == coupling.demand[j]:
            v[j] = lists.cost[t] - value
            copy_dual(j, state.columns)


@exact
def auction(epsilon: float, k: int, patience: int, state: SolverState) -> int:
    """Let unassigned rows bid until only suspended rows are left. Returns the number of bids.

    A row is suspended if its two best columns tie at epsilon = 0, so that its bid would raise no price. So is the last
    row of a chain of more than ``patience`` evictions (half as many after each such chain) that reached no unsaturated
    column: there more mass competes than the nearby columns can take, and v would have to fall far. The auction also
    ends where spare cells run out.
    """
    columns, lists, coupling = state.columns, state.lists, state.coupling
    splits = coupling.row.size > columns.v.size
    bids, suspended, since, chain, fewest = 0, 0, 0, 0, coupling.queued[0] + 1
    while coupling.queued[0] > suspended and not (splits and coupling.spare[0] < 0):
        coupling.queued[0] -= 1
        i = coupling.queue[coupling.queued[0]]
        if coupling.queued[0] - suspended < fewest:
            fewest, chain = coupling.queued[0] - suspended, 0
        chain += 1
        place, first, second = certified_best_two(i, k, splits, state)
        bids += 1
        increment = second - first + epsilon
        if coupling.residual[lists.column[place]] == 0 and (chain > patience or increment <= TIE * abs(second)):
            if chain > patience:
                patience = max(patience // 2, LEAST_PATIENCE)
            coupling.queue[coupling.queued[0]] = coupling.queue[suspended]
            coupling.queue[suspended] = i
            suspended += 1
            coupling.queued[0] += 1
            continue
        if splits:
            split_bid(i, place, increment, second + epsilon, state)
            state.u[i] = best_value(i, k, state)
        else:
            state.u[i] = unit_bid(i, place, increment, first, second, state)
        since += 1
        if since > columns.v.size * columns.place.shape[1]:
            fit_bounds(columns)
            since = 0
    return bids


@exact_part
def unit_bid(i: int, place: int, increment: float, first: float, second: float, state: SolverState) -> float:
    """Assign the column at ``place`` on its list to row i; its dual falls by ``increment`` if a row must be evicted.

    Returns the row's dual: its best value at the new prices.
    """
    columns, coupling = state.columns, state.coupling
    j = state.lists.column[place]
    if coupling.residual[j] == 0:
        if increment < np.inf:
            columns.v[j] -= increment
            first = second
        copy_dual(j, columns)
        loser = coupling.row[j]
        coupling.excess[loser] = 1
        enqueue(loser, coupling)
    coupling.row[j], coupling.flow[j], coupling.cost[j] = i, 1, state.lists.cost[place]
    coupling.residual[j], coupling.excess[i] = 0, 0
    return first


@exact
def split_bid(i: int, place: int, increment: float, value: float, state: SolverState) -> None:
    """Assign as much excess of row i as possible to the column at ``place`` on its list.

    If that exceeds the residual demand, v_j falls by ``increment``; then c_ij - v_j is ``value``.
    """
    coupling, columns = state.coupling, state.columns
    j = state.lists.column[place]
    mass = min(coupling.excess[i], coupling.demand[j] - assigned(i, j, coupling))
    if coupling.excess[i] > mass:
        enqueue(i, coupling)
    if coupling.residual[j] < mass and increment < np.inf:
        columns.v[j] -= increment
        copy_dual(j, columns)
        lower_own_duals(i, value, state)
    evict(j, mass, i, coupling)
    assign(i, j, mass, state.lists.cost[place], coupling)


@exact
def withdraw_violations(epsilon: float, k: int, state: SolverState) -> None:
    """Withdraw every flow that violates epsilon-complementary slackness, and enqueue its row."""
    coupling, v = state.coupling, state.columns.v
    n = state.x.shape[0]
    best = state.u
    for i in range(n):
        best[i] = best_value(i, k, state)
    for j in range(v.size):
        cell = j
        while cell >= 0 and coupling.flow[cell] > 0:
            i, after = coupling.row[cell], coupling.chain[cell]
            rounding = TIE * (abs(best[i]) + abs(v[j]) + coupling.cost[cell])
            if coupling.cost[cell] - v[j] > best[i] + epsilon + 0.1 * rounding:
                if coupling.excess[i] == 0:
                    enqueue(i, coupling)
                if cell == j and after >= 0:
                    after = j
                withdraw(i, j, coupling.flow[cell], coupling)
            cell = after
