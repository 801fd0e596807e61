"""The k smallest c_ij - v_j of a row over all columns that are not closed, by branch and bound on the columns' tree."""

from __future__ import annotations

import numpy as np
from numpy import uintp as U  # unsigned indices spare the compiled code the test for negative ones

from mfsym.accelerate import exact
from mfsym.kernels.ot_bounds import node_bound
from mfsym.kernels.ot_problem import Columns, Floats, Found


@exact
def nearest(x: Floats, columns: Columns, k: int, cutoff: float, found: Found) -> int:
    """Search the k smallest values c_ij - v_j that are <= cutoff into ``found``; returns how many there are.

    Leaves are scanned here and not in a function of their own: a call that passes packs costs as much as a leaf. The
    eight costs of a leaf are written out, because that is what compiles to vector instructions in exact arithmetic.
    """
    points, number, v, p = columns.points, columns.column, columns.v, x.size
    values, costs, numbers, lane = found.value, found.cost, found.column, found.lane
    several = columns.place.shape[1] > 1
    inner = columns.start.size >> 1
    found.node[0], found.bound[0] = 0, -np.inf
    top, count = 1, 0
    while top > 0:
        top -= 1
        if found.bound[top] > cutoff:
            continue
        h = found.node[top]
        while 0 <= h < inner:
            h = 2 * h + 1
            other = h + 1
            near, far = node_bound(x, columns, h), node_bound(x, columns, other)
            if far < near:
                near, far = far, near
                h, other = other, h
            if far <= cutoff and far < np.inf:
                found.node[top], found.bound[top] = other, far
                top += 1
            if near > cutoff or near == np.inf:
                h = -1
        if h < 0:
            continue
        first = U(columns.start[h])
        o, c0, c1, c2, c3, c4, c5, c6, c7 = first * U(p), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for axis in range(p):
            z = x[U(axis)]
            c0 += (z - points[o]) ** 2
            c1 += (z - points[o + U(1)]) ** 2
            c2 += (z - points[o + U(2)]) ** 2
            c3 += (z - points[o + U(3)]) ** 2
            c4 += (z - points[o + U(4)]) ** 2
            c5 += (z - points[o + U(5)]) ** 2
            c6 += (z - points[o + U(6)]) ** 2
            c7 += (z - points[o + U(7)]) ** 2
            o += U(8)
        lane[0], lane[1], lane[2], lane[3], lane[4], lane[5], lane[6], lane[7] = c0, c1, c2, c3, c4, c5, c6, c7
        for t in range(8):
            cost = lane[U(t)]
            column = number[first + U(t)]
            value = cost - v[U(column)]
            if value > cutoff or (value == cutoff and count == k) or cost == np.inf or columns.closed[column] == 1:
                continue
            place = place_of(column, value, count, k, found) if several else min(count, k - 1)
            if place < 0:
                continue
            if place == count:
                count += 1
            while place > 0 and values[place - 1] > value:
                values[place], costs[place], numbers[place] = values[place - 1], costs[place - 1], numbers[place - 1]
                place -= 1
            values[place], costs[place], numbers[place] = value, cost, column
            if count == k:
                cutoff = min(cutoff, values[k - 1])
    return count


@exact
def place_of(column: int, value: float, count: int, k: int, found: Found) -> int:
    """Entry that a further atom of a column may overwrite: the column's own, else the last; -1 where it is no gain."""
    for t in range(count):
        if found.column[t] == column:
            return t if value < found.value[t] else -1
    return min(count, k - 1)


@exact
def c_transform(x: Floats, columns: Columns, found: Found, u: Floats) -> None:
    """u_i = min_j c_ij - v_j over all columns, for every row of x (N, p).

    u : holds upper bounds on the answer, attained by some column or inf; the answer replaces them.
    """
    for i in range(x.shape[0]):
        nearest(x[i], columns, 1, u[i], found)
        u[i] = found.value[0]
