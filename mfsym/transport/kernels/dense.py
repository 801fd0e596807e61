"""Linear assignment on a dense cost matrix, for clouds so small that trees and lists do not pay.

The algorithm of Jonker & Volgenant 1987 (doi:10.1007/BF02278710): column reduction, augmenting row reduction, and
shortest augmenting paths for the rows still unassigned. It reads eight columns at a time. Every step keeps c_ij - v_j
smallest, over row i, at the column assigned to row i: v proves the answer.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact, exact_allocating, exact_part
from mfsym.transport.kernels.lanes import at_most, broadcast, load, lowest_bit, minimum, store
from mfsym.transport.kernels.packs import Floats, Ints

BIDS = 4
"""Bids per row in the augmenting row reduction; shortest augmenting paths assign the rest."""


@exact
def pair_costs(x: Floats, y: Floats, costs: Floats) -> None:
    """costs_ij = |x_i - y_j|^2 by differences, axis by axis. x : (n, p).  y : (p, width).  costs : (n, width)."""
    for i in range(x.shape[0]):
        for o in range(0, y.shape[1], 8):
            cost = broadcast(0.0)
            for axis in range(x.shape[1]):
                difference = x[i, axis] - load(y[axis], o)
                cost += difference * difference
            store(costs[i], o, cost)


@exact_part
def smallest(values: Floats, lane: Floats) -> float:
    """The smallest of values (a multiple of eight of them)."""
    best = load(values, 0)
    for o in range(8, values.size, 8):
        best = minimum(best, load(values, o))
    store(lane, 0, best)
    answer = lane[0]
    for t in range(1, 8):
        answer = min(answer, lane[t])
    return answer


@exact_part
def place_of_value(values: Floats, bound: float) -> int:
    """The first place whose value is <= bound; there must be one."""
    o = 0
    while at_most(load(values, o), bound) == 0:
        o += 8
    return o + lowest_bit(at_most(load(values, o), bound))


@exact_part
def unassigned_place(values: Floats, bound: float, row: Ints) -> int:
    """The first unassigned column with a value <= bound; -1 where there is none."""
    for o in range(0, values.size, 8):
        marks = at_most(load(values, o), bound)
        while marks != 0:
            j = o + lowest_bit(marks)
            marks &= marks - 1
            if row[j] < 0:
                return j
    return -1


@exact
def column_reduction(cost: Floats, v: Floats, column: Ints, row: Ints) -> None:
    """v_j = min_i c_ij; row i is assigned to the first unassigned column whose minimum it attains."""
    width = v.size
    v[:] = np.inf
    for i in range(column.size):
        for o in range(0, width, 8):
            store(v, o, minimum(load(v, o), load(cost[i], o)))
    v[row.size :] = 0.0
    for i in range(column.size):
        for o in range(0, width, 8):
            cheapest = at_most(load(cost[i], o) - load(v, o), 0.0)
            while cheapest != 0 and column[i] < 0:
                j = o + lowest_bit(cheapest)
                cheapest &= cheapest - 1
                if row[j] < 0:
                    column[i], row[j] = j, i


@exact
def augmenting_row_reduction(cost: Floats, v: Floats, column: Ints, row: Ints, values: Floats, lane: Floats) -> None:
    """Unassigned rows bid for their best columns, whose duals fall until the second best is as good.

    A row whose best columns tie is assigned to an unassigned one of them, or stays unassigned.
    """
    n, width, bids = column.size, v.size, 0
    for start in range(n):
        i = start if column[start] < 0 else -1
        while i >= 0 and bids < BIDS * n:
            bids += 1
            for o in range(0, width, 8):
                store(values, o, load(cost[i], o) - load(v, o))
            first = smallest(values, lane)
            j = place_of_value(values, first)
            values[j] = np.inf
            second = smallest(values, lane)
            if second < np.inf:
                v[j] -= second - first
            other = row[j]
            if other >= 0 and not first < second:
                j, other = unassigned_place(values, first, row), -1
                if j < 0:
                    break
            row[j], column[i] = i, j
            if other >= 0:
                column[other] = -1
            i = other


@exact
def augment_row(
    i: int, cost: Floats, v: Floats, column: Ints, row: Ints, work: Floats, predecessor: Ints, settled: Ints
) -> None:
    """Assign row i along a shortest augmenting path. work : (5, width); via, passed : (width,) to work in."""
    distance, floor, final, values, lane = work[0], work[1], work[2], work[3], work[4]
    width, count, last, root = v.size, 0, 0.0, i
    distance[:], floor[:] = np.inf, np.inf
    offset = 0.0
    while True:
        for o in range(0, width, 8):
            through_row = load(cost[i], o) - load(v, o) + offset
            nearer = at_most(through_row, load(floor, o))
            if nearer != 0:
                store(values, 0, through_row)
            while nearer != 0:
                t = lowest_bit(nearer)
                nearer &= nearer - 1
                distance[o + t] = floor[o + t] = max(values[t], last)
                predecessor[o + t] = i
        last = smallest(distance, lane)
        j = unassigned_place(distance, last, row)
        if j < 0:
            j = place_of_value(distance, last)
        settled[count], final[count] = j, last
        count += 1
        if row[j] < 0:
            break
        distance[j], floor[j] = np.inf, -np.inf
        i = row[j]
        offset = last - (cost[i, j] - v[j])
    for t in range(count):
        v[settled[t]] += final[t] - last
    while True:
        i = predecessor[j]
        row[j] = i
        column[i], j = j, column[i]
        if i == root:
            break


@exact_allocating
def jonker_volgenant(cost: Floats, v: Floats, u: Floats, column: Ints, row: Ints, work: Floats) -> None:
    """The optimal assignment of n rows to n columns: column (n,) and row (n,) start at -1; duals u (n,), v (width,).

    cost : (n, width), width a multiple of eight; columns past n cost inf.  work : (5, width).
    """
    n = column.size
    column_reduction(cost, v, column, row)
    augmenting_row_reduction(cost, v, column, row, work[3], work[4])
    predecessor, settled = np.empty(v.size, np.int64), np.empty(v.size, np.int64)
    for i in range(n):
        if column[i] < 0:
            augment_row(i, cost, v, column, row, work, predecessor, settled)
    for i in range(n):
        for o in range(0, v.size, 8):
            store(work[3], o, load(cost[i], o) - load(v, o))
        u[i] = smallest(work[3], work[4])
