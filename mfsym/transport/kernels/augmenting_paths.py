"""Forests of shortest augmenting paths: the exact finish of an auction.

Dijkstra's algorithm over the reduced costs c_ij - u_i - v_j >= 0 grows from all waiting rows at once, one tree each,
until enough mass was met in free columns; no way that is longer than those to the columns wanted is followed. The duals
of the columns passed then decrease, and those of the rows rise, by what they were nearer than the last one: every path
of the forest becomes tight, and mass moves along the paths that still carry it (after Jonker & Volgenant 1987,
doi:10.1007/BF02278710, and Hopcroft & Karp 1973, doi:10.1137/0202019). A cell's slack c_ij - u_i - v_j stays what it
was: cells within epsilon before are so afterwards, and the way back along them counts as nothing.

Lists make it lazy. A row that is reached relaxes its listed columns only and enters a *virtual* item at distance
tau_i - u_i for all the others. When that comes up, the row's next columns are searched among those not yet passed,
twice as many each time. All columns are accounted for; duals v only decrease, so that lists stay certificates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import uintp as U

from mfsym.accelerate import exact
from mfsym.transport.kernels.blocking_flows import Search, saturate
from mfsym.transport.kernels.couplings import give, held, take
from mfsym.transport.kernels.fits import fit_bounds
from mfsym.transport.kernels.heap import Heap, clear, pop, push
from mfsym.transport.kernels.lists import best_value
from mfsym.transport.kernels.packs import Columns, Floats, Ints, Market, Numbers, Problem
from mfsym.transport.kernels.search import nearest

FIRST = 4
"""Columns that a row's first search beyond its list is to find."""

GOALS = 128
"""Columns with free mass whose distances bound how far a round looks; a round ends when it met so many."""

STALLED = 20
"""Rounds in a row without any mass moved after which there is no hope of more."""


class Forest(NamedTuple):
    """State of one round. Items of the heap: column j as j, row i's virtual item as M + i."""

    heap: Heap
    distance: Floats  # (M,) to each column, inf where not reached
    via: Numbers  # (M,) row that reached the column
    edge: Floats  # (M,) cost of that edge
    entry: Numbers  # (N,) column that reached the row, -1 for a root, -2 where not reached
    root: Numbers  # (N,) root of the row's tree
    height: Floats  # (N,) distance minus dual of the row
    need: Ints  # (N,) of a root: what it waits for and its tree has not met
    target: Numbers  # (M,) columns with free mass that a tree in need met
    reached: Numbers  # (M,) columns with a distance
    passed: Numbers  # (M,) columns whose distance is final
    rows: Numbers  # (N,) rows reached
    asked: Numbers  # (N,) columns that the row's next search is to find
    length: Ints  # (4,) lengths of reached, passed, rows, target
    goals: Floats  # (GOALS,) smallest distances at which columns with free mass were seen, in order
    search: Search  # for what the trees leave


@exact
def close_column(j: int, columns: Columns) -> None:
    """Let searches pass column j by, and every node without an open atom."""
    for t in range(columns.place.shape[1]):
        columns.worth[columns.place[j, t]] = -np.inf
        h = columns.first + columns.place[j, t] // (8 * columns.octets)
        while h > 0:
            columns.opened[h - 1] -= 1
            if columns.opened[h - 1] > 0:
                break
            columns.offer[h - 1] = -np.inf
            h = (h - 1) >> 3


@exact
def open_column(j: int, columns: Columns) -> None:
    """Let searches find column j again, at its present dual."""
    for t in range(columns.place.shape[1]):
        columns.worth[columns.place[j, t]] = columns.v[j]
        h = columns.first + columns.place[j, t] // (8 * columns.octets)
        while h > 0:
            columns.opened[h - 1] += 1
            if columns.opened[h - 1] > 1:
                break
            columns.offer[h - 1] = columns.level[h - 1]
            h = (h - 1) >> 3


@exact
def note_goal(before: float, distance: float, goals: Floats) -> None:
    """Enter the distance of a column with free mass among the smallest, in place of an earlier one of that column."""
    last = goals.size - 1
    place = last
    while place > 0 and goals[place] != before:
        place -= 1
    place = place if goals[place] == before else last
    while place > 0 and goals[place - 1] > distance:
        goals[place] = goals[place - 1]
        place -= 1
    goals[place] = distance


@exact
def offer(i: int, now: float, numbers: Numbers, costs: Floats, market: Market, v: Floats, forest: Forest) -> None:
    """Offer columns, given with their costs, the way through row i, as far as they lie within the furthest goal."""
    height, goals = forest.height[i], forest.goals
    last = goals.size - 1
    for s in range(numbers.size):
        t = U(s)
        j = U(numbers[t])
        distance = max(height + costs[t] - v[j], now)
        if distance < forest.distance[j] and distance <= goals[last]:
            if market.free[j] > 0:
                note_goal(forest.distance[j], distance, goals)
            if forest.distance[j] == np.inf:
                forest.reached[forest.length[0]] = numbers[t]
                forest.length[0] += 1
            forest.distance[j], forest.via[j], forest.edge[j] = distance, i, costs[t]
            push(numbers[t], distance, forest.heap)


@exact
def relax(i: int, now: float, problem: Problem, forest: Forest) -> None:
    """Offer row i's listed columns the way through it; its virtual item stands for the others."""
    lists, v = problem.lists, problem.columns.v
    begin, end = lists.start[i], lists.start[i] + lists.size[i]
    offer(i, now, lists.column[begin:end], lists.cost[begin:end], problem.market, v, forest)
    further = forest.height[i] + lists.tau[i]
    if further < np.inf and further <= forest.goals[-1]:
        push(v.size + i, max(further, now), forest.heap)


@exact
def reach(i: int, entry: int, root: int, height: float, forest: Forest) -> None:
    """Note that row i is reached from column ``entry``."""
    forest.asked[i] = FIRST
    forest.entry[i], forest.root[i], forest.height[i] = entry, root, height
    forest.rows[forest.length[2]] = i
    forest.length[2] += 1


@exact
def look_further(i: int, now: float, problem: Problem, forest: Forest) -> None:
    """Search row i's next columns among those not yet passed, and offer them the way through it.

    A search that can find no more than this one comes after all that this one found are passed, also where rounding
    makes them tie: it would find the same again.
    """
    columns, found = problem.columns, problem.found
    k = min(forest.asked[i], found.value.size)
    forest.asked[i] = min(2 * k, found.value.size)
    count = nearest(problem.x[i], columns, k, forest.goals[-1] - forest.height[i], found)
    offer(i, now, found.column[:count], found.cost[:count], problem.market, columns.v, forest)
    if count == k:
        further = max(forest.height[i] + found.value[count - 1], now)
        if k == found.value.size:
            for t in range(count):
                further = max(further, forest.height[i] + found.cost[t] - columns.v[found.column[t]])
            further = np.nextafter(further, np.inf)
        push(columns.v.size + i, further, forest.heap)


@exact
def plant(wanted: int, k: int, problem: Problem, forest: Forest) -> None:
    """Make every waiting row the root of a tree at distance 0, and set out for ``wanted`` columns with free mass."""
    market = problem.market
    forest.goals[:] = np.inf
    forest.goals[: max(0, GOALS - wanted)] = -np.inf
    for t in range(market.top[0]):
        i = market.waiting[t]
        problem.u[i] = best_value(i, k, problem)
        reach(i, -1, i, -problem.u[i], forest)
        forest.need[i] = market.deficit[i]
        relax(i, 0.0, problem, forest)


@exact
def grow(wanted: int, problem: Problem, forest: Forest) -> float:
    """Grow the trees until they met ``wanted`` units of free mass that they need; returns the last distance."""
    columns, market, heap = problem.columns, problem.market, forest.heap
    now, met = 0.0, 0
    while heap.size[0] > 0 and met < wanted:
        if heap.key[heap.item[0]] > forest.goals[-1]:
            break
        j = pop(heap)
        now = heap.key[j]
        if j >= columns.v.size:
            look_further(j - columns.v.size, now, problem, forest)
            continue
        forest.passed[forest.length[1]] = j
        forest.length[1] += 1
        close_column(j, columns)
        root = forest.root[forest.via[j]]
        mass = min(market.free[j], forest.need[root])
        if mass > 0:
            forest.target[forest.length[3]] = j
            forest.length[3] += 1
            forest.need[root] -= mass
            met += mass
        cell = j
        while cell >= 0 and market.flow[cell] > 0:
            i = market.row[cell]
            if forest.entry[i] == -2:
                reach(i, j, root, now - problem.u[i], forest)
                relax(i, now, problem, forest)
            cell = market.chain[cell]
    return now


@exact
def path_mass(j: int, root: int, market: Market, forest: Forest) -> int:
    """The most that can still move along the path from the root to column j."""
    mass = min(market.deficit[root], market.free[j])
    i = forest.via[j]
    while i != root and mass > 0:
        mass = min(mass, held(i, forest.entry[i], market))
        i = forest.via[forest.entry[i]]
    return mass


@exact
def move_mass(j: int, mass: int, market: Market, forest: Forest) -> bool:
    """Move mass along the path from its tree's root to column j; False where no cell was left to note it."""
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
    """Lower the duals of the columns passed, and move mass along the paths to the targets."""
    columns, market = problem.columns, problem.market
    for t in range(forest.length[1]):
        j = forest.passed[t]
        columns.v[j] -= last - forest.distance[j]
        open_column(j, columns)
    for t in range(forest.length[2]):
        i = forest.rows[t]
        problem.u[i] = last - forest.height[i]
    waiting, noted = 0, True
    for t in range(forest.length[3]):
        j = forest.target[t]
        mass = path_mass(j, forest.root[forest.via[j]], market, forest)
        if noted and mass > 0:
            noted = move_mass(j, mass, market, forest)
    for t in range(market.top[0]):
        i = market.waiting[t]
        if market.deficit[i] > 0:
            market.waiting[waiting] = i
            waiting += 1
    market.top[0] = waiting
    return noted


@exact
def forget(forest: Forest) -> None:
    """Clear the round away."""
    for t in range(forest.length[0]):
        forest.distance[forest.reached[t]] = np.inf
    for t in range(forest.length[2]):
        forest.entry[forest.rows[t]] = -2
    for t in range(4):
        forest.length[t] = 0
    clear(forest.heap)


@exact
def missing(market: Market) -> int:
    """Mass that the waiting rows wait for."""
    mass = 0
    for t in range(market.top[0]):
        mass += market.deficit[market.waiting[t]]
    return mass


@exact
def finish(share: float, k: int, problem: Problem, forest: Forest) -> int:
    """Rounds until no row waits, each until ``share`` of what rows wait for is met. Returns how many.

    No cell's slack grows: exact where every cell is tight beforehand (``release`` with epsilon = 0). The number is
    negative where the cells ran out, or where STALLED rounds in a row moved no mass because duals are so large that
    the costs of the paths are lost in their rounding.
    """
    market, columns = problem.market, problem.columns
    rounds, since, stalled, left = 0, 0, 0, missing(market)
    splits = market.row.size > columns.v.size
    if splits and not saturate(problem, forest.search):
        return -1
    while market.top[0] > 0:
        wanted = max(1, int(share * missing(market)))
        plant(wanted, k, problem, forest)
        last = grow(wanted, problem, forest)
        rounds, since = rounds + 1, since + forest.length[1]
        noted = harvest(last, problem, forest)
        forget(forest)
        if splits and noted:
            noted = saturate(problem, forest.search)
        before, left = left, missing(market)
        stalled = stalled + 1 if left == before else 0
        if not noted or stalled == STALLED:
            return -1
        if since > columns.v.size * columns.place.shape[1]:
            fit_bounds(columns)
            since = 0
    return rounds
