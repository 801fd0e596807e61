"""Assignment over a whole cost matrix, for clouds so small that trees and lists would cost more than they spare.

Columns take the cheapest row that is free, rows left over bid with epsilon = 0 for a while, and shortest augmenting
paths place the rest (Jonker & Volgenant 1987, doi:10.1007/BF02278710). Rows of the matrix are read eight columns at a
time. Every step keeps c_ij - v_j smallest, over row i, at the column that row i holds: v proves the answer.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact, exact_allocating, exact_part
from mfsym.transport.kernels.lanes import below, eight, keep, least, lowest, spread
from mfsym.transport.kernels.packs import Floats, Ints

BIDS = 4
"""Bids per row after which the rows left are placed along shortest paths."""


@exact
def pair_costs(x: Floats, y: Floats, costs: Floats) -> None:
    """costs_ij = |x_i - y_j|^2 by differences, axis by axis. x : (n, p).  y : (p, width).  costs : (n, width)."""
    for i in range(x.shape[0]):
        for o in range(0, y.shape[1], 8):
            cost = spread(0.0)
            for axis in range(x.shape[1]):
                difference = x[i, axis] - eight(y[axis], o)
                cost += difference * difference
            keep(costs[i], o, cost)


@exact_part
def smallest(values: Floats, lane: Floats) -> float:
    """The smallest of values (a multiple of eight of them)."""
    best = eight(values, 0)
    for o in range(8, values.size, 8):
        best = least(best, eight(values, o))
    keep(lane, 0, best)
    answer = lane[0]
    for t in range(1, 8):
        answer = min(answer, lane[t])
    return answer


@exact_part
def place_of_value(values: Floats, bound: float) -> int:
    """The first place whose value is <= bound; there must be one."""
    o = 0
    while below(eight(values, o), bound) == 0:
        o += 8
    return o + lowest(below(eight(values, o), bound))


@exact_part
def free_place(values: Floats, bound: float, row: Ints) -> int:
    """The first column of a value <= bound that no row holds; -1 where there is none."""
    for o in range(0, values.size, 8):
        marks = below(eight(values, o), bound)
        while marks != 0:
            j = o + lowest(marks)
            marks &= marks - 1
            if row[j] < 0:
                return j
    return -1


@exact
def take_free(cost: Floats, v: Floats, column: Ints, row: Ints) -> None:
    """v_j = min_i c_ij, and row i takes the first column whose cheapest row it is, if that is free."""
    width = v.size
    v[:] = np.inf
    for i in range(column.size):
        for o in range(0, width, 8):
            keep(v, o, least(eight(v, o), eight(cost[i], o)))
    v[row.size :] = 0.0
    for i in range(column.size):
        for o in range(0, width, 8):
            cheapest = below(eight(cost[i], o) - eight(v, o), 0.0)
            while cheapest != 0 and column[i] < 0:
                j = o + lowest(cheapest)
                cheapest &= cheapest - 1
                if row[j] < 0:
                    column[i], row[j] = j, i


@exact
def bid(cost: Floats, v: Floats, column: Ints, row: Ints, values: Floats, lane: Floats) -> None:
    """Rows left over bid for their best columns, whose duals fall to what makes the second best as good.

    A row whose best columns tie takes a free one of them, or is left.
    """
    n, width, bids = column.size, v.size, 0
    for start in range(n):
        i = start if column[start] < 0 else -1
        while i >= 0 and bids < BIDS * n:
            bids += 1
            for o in range(0, width, 8):
                keep(values, o, eight(cost[i], o) - eight(v, o))
            first = smallest(values, lane)
            j = place_of_value(values, first)
            values[j] = np.inf
            second = smallest(values, lane)
            if second < np.inf:
                v[j] -= second - first
            other = row[j]
            if other >= 0 and not first < second:
                j, other = free_place(values, first, row), -1
                if j < 0:
                    break
            row[j], column[i] = i, j
            if other >= 0:
                column[other] = -1
            i = other


@exact
def path(i: int, cost: Floats, v: Floats, column: Ints, row: Ints, work: Floats, via: Ints, passed: Ints) -> None:
    """Place row i along a shortest augmenting path. work : (5, width); via, passed : (width,) to work in."""
    distance, floor, final, values, lane = work[0], work[1], work[2], work[3], work[4]
    width, count, last, root = v.size, 0, 0.0, i
    distance[:], floor[:] = np.inf, np.inf
    height = 0.0
    while True:
        for o in range(0, width, 8):
            fresh = eight(cost[i], o) - eight(v, o) + height
            nearer = below(fresh, eight(floor, o))
            if nearer != 0:
                keep(values, 0, fresh)
            while nearer != 0:
                t = lowest(nearer)
                nearer &= nearer - 1
                distance[o + t] = floor[o + t] = max(values[t], last)
                via[o + t] = i
        last = smallest(distance, lane)
        j = free_place(distance, last, row)
        if j < 0:
            j = place_of_value(distance, last)
        passed[count], final[count] = j, last
        count += 1
        if row[j] < 0:
            break
        distance[j], floor[j] = np.inf, -np.inf
        i = row[j]
        height = last - (cost[i, j] - v[j])
    for t in range(count):
        v[passed[t]] += final[t] - last
    while True:
        i = via[j]
        row[j] = i
        column[i], j = j, column[i]
        if i == root:
            break


@exact_allocating
def assign(cost: Floats, v: Floats, u: Floats, column: Ints, row: Ints, work: Floats) -> None:
    """The best assignment of n rows to n columns: column (n,) and row (n,) start at -1; duals u (n,), v (width,).

    cost : (n, width), width a multiple of eight; columns past n cost inf.  work : (5, width).
    """
    n = column.size
    take_free(cost, v, column, row)
    bid(cost, v, column, row, work[3], work[4])
    via, passed = np.empty(v.size, np.int64), np.empty(v.size, np.int64)
    for i in range(n):
        if column[i] < 0:
            path(i, cost, v, column, row, work, via, passed)
    for i in range(n):
        for o in range(0, v.size, 8):
            keep(work[3], o, eight(cost[i], o) - eight(v, o))
        u[i] = smallest(work[3], work[4])
