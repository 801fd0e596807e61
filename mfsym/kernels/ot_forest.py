"""Forests of shortest augmenting paths: the exact finish.

Dijkstra's algorithm over the reduced costs c_ij - u_i - v_j >= 0 grows from all waiting rows at once, one tree each,
until enough trees have met a column with free mass. The duals of the columns passed then decrease by what they were
nearer than the last one, which makes every path of the forest tight; trees are disjoint, so mass moves along one path
of each (after Jonker & Volgenant 1987, doi:10.1007/BF02278710, and Hopcroft & Karp 1973, doi:10.1137/0202019).

Lists make it lazy. A row that is reached relaxes its listed columns only and enters a *virtual* item at distance
tau_i - u_i for all the others. When that comes up, the row is searched anew among the columns not yet passed. Such a
list certifies nothing after the round, so it is thrown away then. All columns are accounted for; duals only decrease.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import uintp as U

from mfsym.accelerate import exact
from mfsym.kernels.ot_heap import Heap, clear, pop, push
from mfsym.kernels.ot_lists import best_value, renew
from mfsym.kernels.ot_market import give, take
from mfsym.kernels.ot_problem import Columns, Flags, Floats, Ints, Lists, Market, Numbers, Problem
from mfsym.kernels.ot_slopes import fit_bounds


class Forest(NamedTuple):
    """State of one round. Items of the heap: column j as j, row i's virtual item as M + i."""

    heap: Heap
    distance: Floats  # (M,) to each column, inf where not reached
    via: Numbers  # (M,) row that reached the column
    edge: Floats  # (M,) cost of that edge
    entry: Numbers  # (N,) column that reached the row, -1 for a root, -2 where not reached
    root: Numbers  # (N,) root of the row's tree
    height: Floats  # (N,) distance minus dual of the row
    target: Numbers  # (N,) of a root: its tree's first column with free mass, -1 where none
    reached: Numbers  # (M,) columns with a distance
    passed: Numbers  # (M,) columns whose distance is final
    rows: Numbers  # (N,) rows reached
    stale: Flags  # (N,) 1 where the row's list lacks columns passed in this round
    length: Ints  # (3,) lengths of reached, passed, rows


@exact
def count_open(j: int, by: int, columns: Columns) -> None:
    """Add ``by`` to the number of open atoms of every node above column j."""
    for t in range(columns.place.shape[1]):
        h = columns.leaf[columns.place[j, t] >> 3]
        while h >= 0:
            columns.opened[h] += by
            h = ((h + 1) >> 1) - 1


@exact
def relax(i: int, now: float, v: Floats, lists: Lists, forest: Forest) -> None:
    """Offer row i's listed columns the way through it; its virtual item stands for the others."""
    height = forest.height[i]
    begin = U(lists.start[i])
    for s in range(lists.size[i]):
        t = begin + U(s)
        j = U(lists.column[t])
        distance = max(height + lists.cost[t] - v[j], now)
        if distance < forest.distance[j]:
            if forest.distance[j] == np.inf:
                forest.reached[forest.length[0]] = lists.column[t]
                forest.length[0] += 1
            forest.distance[j], forest.via[j], forest.edge[j] = distance, i, lists.cost[t]
            push(lists.column[t], distance, forest.heap)
    if lists.tau[i] < np.inf:
        push(v.size + i, max(height + lists.tau[i], now), forest.heap)


@exact
def reach(i: int, entry: int, root: int, height: float, forest: Forest) -> None:
    """Note that row i is reached from column ``entry``."""
    forest.entry[i], forest.root[i], forest.height[i] = entry, root, height
    forest.rows[forest.length[2]] = i
    forest.length[2] += 1


@exact
def look_again(i: int, k: int, problem: Problem, forest: Forest) -> None:
    """Search row i's list anew among the columns not yet passed."""
    if forest.length[1] > 0:
        forest.stale[i] = 1
        problem.lists.size[i] = 0
    renew(i, k, problem)


@exact
def plant(k: int, problem: Problem, forest: Forest) -> None:
    """Make every waiting row the root of a tree at distance 0."""
    market = problem.market
    for t in range(market.top[0]):
        i = market.waiting[t]
        reach(i, -1, i, -best_value(i, k, problem), forest)
        forest.target[i] = -1
        relax(i, 0.0, problem.columns.v, problem.lists, forest)


@exact
def grow(wanted: int, k: int, problem: Problem, forest: Forest) -> float:
    """Grow the trees until ``wanted`` of them met a column with free mass; returns the last distance."""
    columns, lists, market, heap = problem.columns, problem.lists, problem.market, forest.heap
    now, met = 0.0, 0
    while heap.size[0] > 0 and met < wanted:
        j = pop(heap)
        now = heap.key[j]
        if j >= columns.v.size:
            i = j - columns.v.size
            look_again(i, k, problem, forest)
            relax(i, now, columns.v, lists, forest)
            continue
        forest.passed[forest.length[1]] = j
        forest.length[1] += 1
        columns.closed[j] = 1
        count_open(j, -1, columns)
        root = forest.root[forest.via[j]]
        if market.free[j] > 0 and forest.target[root] < 0:
            forest.target[root] = j
            met += 1
        cell = j
        while cell >= 0 and market.flow[cell] > 0:
            i = market.row[cell]
            if forest.entry[i] == -2:
                reach(i, j, root, now - (market.cost[cell] - columns.v[j]), forest)
                if lists.size[i] == 0:
                    look_again(i, k, problem, forest)
                relax(i, now, columns.v, lists, forest)
            cell = market.chain[cell]
    return now


@exact
def path_mass(root: int, market: Market, forest: Forest) -> int:
    """The most that can move along the path from the root to its target."""
    j = forest.target[root]
    mass = min(market.deficit[root], market.free[j])
    i = forest.via[j]
    while i != root:
        cell = forest.entry[i]
        while market.row[cell] != i or market.flow[cell] == 0:
            cell = market.chain[cell]
        mass = min(mass, market.flow[cell])
        i = forest.via[forest.entry[i]]
    return mass


@exact
def move_mass(root: int, market: Market, forest: Forest) -> bool:
    """Move mass along the path from the root to its target; False where no cell was left to note it."""
    mass = path_mass(root, market, forest)
    j = forest.target[root]
    while j >= 0:
        i = forest.via[j]
        back = forest.entry[i]
        if back >= 0:
            take(i, back, mass, market)
        if not give(i, j, mass, forest.edge[j], market):
            return False
        j = back
    return True


@exact
def harvest(last: float, problem: Problem, forest: Forest) -> bool:
    """Lower the duals of the columns passed, and move mass along one path of every tree that met its target."""
    columns, market = problem.columns, problem.market
    for t in range(forest.length[1]):
        j = forest.passed[t]
        columns.v[j] -= last - forest.distance[j]
        columns.closed[j] = 0
        count_open(j, 1, columns)
    waiting, noted = 0, True
    for t in range(market.top[0]):
        i = market.waiting[t]
        if noted and forest.target[i] >= 0:
            noted = move_mass(i, market, forest)
        if market.deficit[i] > 0:
            market.waiting[waiting] = i
            waiting += 1
    market.top[0] = waiting
    return noted


@exact
def forget(lists: Lists, forest: Forest) -> None:
    """Clear the round away, and with it the lists that certify nothing any more."""
    for t in range(forest.length[0]):
        forest.distance[forest.reached[t]] = np.inf
    for t in range(forest.length[2]):
        i = forest.rows[t]
        forest.entry[i] = -2
        if forest.stale[i] == 1:
            forest.stale[i], lists.size[i], lists.tau[i] = 0, 0, -np.inf
    for t in range(3):
        forest.length[t] = 0
    clear(forest.heap)


@exact
def finish(share: float, k: int, problem: Problem, forest: Forest) -> int:
    """Rounds until no row waits, each until ``share`` of the trees met a target; returns their number.

    Exact where every cell is tight beforehand (``release`` with epsilon = 0). The number is negative where the cells
    ran out.
    """
    market, columns = problem.market, problem.columns
    rounds, since = 0, 0
    while market.top[0] > 0:
        plant(k, problem, forest)
        last = grow(max(1, int(share * market.top[0])), k, problem, forest)
        rounds, since = rounds + 1, since + forest.length[1]
        noted = harvest(last, problem, forest)
        forget(problem.lists, forest)
        if not noted:
            return -1
        if since > columns.v.size:
            fit_bounds(columns)
            since = 0
    return rounds
