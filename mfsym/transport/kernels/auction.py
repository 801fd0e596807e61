"""Forward auction: waiting rows bid for columns, and prices only rise (duals v only decrease).

A column with free mass is taken at its price; only who drives another row out raises it. Duals then stay near 0 where
clouds nearly coincide, and with them their rounding.

Epsilon-complementarity: after its bid a row's cell is within epsilon of its best column. Bids are exact over all
columns, not only over the listed ones, because a row bids only while its best listed value is at most tau_i.
Bertsekas 1988 (doi:10.1007/BF02186476); for masses Bertsekas & Castañon 1989 (doi:10.1007/BF02216933).
"""

from __future__ import annotations

import numpy as np
from numpy import uintp as U

from mfsym.accelerate import exact, exact_part
from mfsym.transport.kernels.couplings import evict, give, held, take, wait
from mfsym.transport.kernels.fits import fit_bounds, show_dual
from mfsym.transport.kernels.lists import best_value, renew
from mfsym.transport.kernels.packs import Problem

TIE = 1e-14
"""A rise of price below this, relative to the row's value, counts as none."""

LEAST = 500
"""Evictions in a chain that are allowed in any case."""


@exact
def best_two(i: int, problem: Problem) -> tuple[int, float, float]:
    """Place on the list and value of the best column that row i does not hold wholly, and the second best value."""
    lists, market, v = problem.lists, problem.market, problem.columns.v
    first, second, place = np.inf, np.inf, -1
    begin = U(lists.start[i])
    for s in range(lists.size[i]):
        t = begin + U(s)
        j = lists.column[t]
        value = lists.cost[t] - v[U(j)]
        if value < second and held(i, j, market) < market.demand[j]:
            if value < first:
                first, second, place = value, first, lists.start[i] + s
            else:
                second = value
    return place, first, second


@exact_part
def best_two_of_whole(i: int, problem: Problem) -> tuple[int, float, float]:
    """As ``best_two`` where masses do not split: a row that waits holds nothing, and nobody has to ask what."""
    lists, v = problem.lists, problem.columns.v
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
def certified_best_two(i: int, k: int, splits: bool, problem: Problem) -> tuple[int, float, float]:
    """As ``best_two`` over all columns: the list is renewed until it certifies its best. splits : whether masses do."""
    while True:
        place, first, second = best_two(i, problem) if splits else best_two_of_whole(i, problem)
        if place >= 0 and first <= problem.lists.tau[i]:
            return place, first, min(second, problem.lists.tau[i])
        renew(i, k, problem)
        k *= 2


@exact
def raise_own(i: int, value: float, problem: Problem) -> None:
    """Lower the duals of the columns that row i holds wholly until each is worth ``value`` to it, as its new one."""
    lists, market, v = problem.lists, problem.market, problem.columns.v
    for t in range(lists.start[i], lists.start[i] + lists.size[i]):
        j = lists.column[t]
        if lists.cost[t] - v[j] < value and held(i, j, market) == market.demand[j]:
            v[j] = lists.cost[t] - value
            show_dual(j, problem.columns)


@exact
def auction(epsilon: float, k: int, patience: int, problem: Problem) -> int:
    """Let the waiting rows bid until none waits but those that stand aside.

    A row stands aside whose two best columns tie at epsilon = 0, so that its bid would raise no price, and one that
    comes last in a chain of ``patience`` evictions (less after each such chain) which did not end on a free column:
    where more mass than fits was drawn to some place, its prices would have to fall far. It also ends where the cells
    run low. Returns the number of bids.
    """
    columns, lists, market = problem.columns, problem.lists, problem.market
    splits = market.row.size > columns.v.size
    bids, aside, since, chain, fewest = 0, 0, 0, 0, market.top[0] + 1
    while market.top[0] > aside and not (splits and market.spare[0] < 0):
        market.top[0] -= 1
        i = market.waiting[market.top[0]]
        if market.top[0] - aside < fewest:
            fewest, chain = market.top[0] - aside, 0
        chain += 1
        place, first, second = certified_best_two(i, k, splits, problem)
        bids += 1
        raised = second - first + epsilon
        if market.free[lists.column[place]] == 0 and (chain > patience or raised <= TIE * abs(second)):
            if chain > patience:
                patience = max(patience // 2, LEAST)
            market.waiting[market.top[0]] = market.waiting[aside]
            market.waiting[aside] = i
            aside += 1
            market.top[0] += 1
            continue
        if splits:
            split_bid(i, place, raised, second + epsilon, problem)
            problem.u[i] = best_value(i, k, problem)
        else:
            problem.u[i] = whole_bid(i, place, raised, first, second, problem)
        since += 1
        if since > columns.v.size * columns.place.shape[1]:
            fit_bounds(columns)
            since = 0
    return bids


@exact_part
def whole_bid(i: int, place: int, raised: float, first: float, second: float, problem: Problem) -> float:
    """Row i takes the column at ``place`` on its list, whose dual falls by ``raised`` where another row has to go.

    Returns the row's dual: its best value at the prices that then hold.
    """
    columns, market = problem.columns, problem.market
    j = problem.lists.column[place]
    if market.free[j] == 0:
        if raised < np.inf:
            columns.v[j] -= raised
            first = second
        show_dual(j, columns)
        loser = market.row[j]
        market.deficit[loser] = 1
        wait(loser, market)
    market.row[j], market.flow[j], market.cost[j] = i, 1, problem.lists.cost[place]
    market.free[j], market.deficit[i] = 0, 0
    return first


@exact
def split_bid(i: int, place: int, raised: float, value: float, problem: Problem) -> None:
    """Row i takes what it lacks of the column at ``place`` on its list, as far as it does not hold it yet.

    Where that is not free, the column's dual falls by ``raised``; it is then worth ``value`` to row i.
    """
    market, columns = problem.market, problem.columns
    j = problem.lists.column[place]
    mass = min(market.deficit[i], market.demand[j] - held(i, j, market))
    if market.deficit[i] > mass:
        wait(i, market)
    if market.free[j] < mass and raised < np.inf:
        columns.v[j] -= raised
        show_dual(j, columns)
        raise_own(i, value, problem)
    evict(j, mass, i, market)
    give(i, j, mass, problem.lists.cost[place], market)


@exact
def release(epsilon: float, k: int, problem: Problem) -> None:
    """Take back every cell that is further than epsilon from its row's best column; its row starts to wait."""
    market, v = problem.market, problem.columns.v
    n = problem.x.shape[0]
    best = problem.u
    for i in range(n):
        best[i] = best_value(i, k, problem)
    for j in range(v.size):
        cell = j
        while cell >= 0 and market.flow[cell] > 0:
            i, after = market.row[cell], market.chain[cell]
            rounding = TIE * (abs(best[i]) + abs(v[j]) + market.cost[cell])
            if market.cost[cell] - v[j] > best[i] + epsilon + 0.1 * rounding:
                if market.deficit[i] == 0:
                    wait(i, market)
                if cell == j and after >= 0:
                    after = j
                take(i, j, market.flow[cell], market)
            cell = after
