"""The k smallest c_ij - v_j of a row over all columns that are not closed, by branch and bound on the columns' tree."""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact
from mfsym.kernels.ot_bounds import node_bound
from mfsym.kernels.ot_problem import Columns, Floats, Found


@exact
def nearest(x: Floats, columns: Columns, k: int, cutoff: float, found: Found) -> int:
    """Search the k smallest values c_ij - v_j that are <= cutoff into ``found``; returns how many there are."""
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
        if h >= 0:
            count = scan_leaf(x, columns, columns.start[h] >> 3, k, count, cutoff, found)
            if count == k:
                cutoff = min(cutoff, found.value[k - 1])
    return count


@exact
def scan_leaf(x: Floats, columns: Columns, leaf: int, k: int, count: int, cutoff: float, found: Found) -> int:
    """Enter the atoms of one leaf that are good enough; returns the new number of columns found."""
    for t in range(8):
        cost = 0.0
        for axis in range(x.size):
            difference = x[axis] - columns.points[leaf, axis, t]
            cost += difference * difference
        column = columns.column[leaf, t]
        value = cost - columns.v[column]
        if count == k:
            cutoff = min(cutoff, found.value[k - 1])
        if (value < cutoff or (value == cutoff and count < k)) and columns.closed[column] == 0 and cost < np.inf:
            if columns.place.shape[1] > 1:
                count = drop_dearer(value, column, count, found)
            if count >= 0:
                count = insert(value, cost, column, k, count, found)
            else:
                count = -1 - count
    return count


@exact
def drop_dearer(value: float, column: int, count: int, found: Found) -> int:
    """Take the same column out where another of its atoms is dearer; -1 - count where it is as cheap already."""
    for t in range(count):
        if found.column[t] == column:
            if found.value[t] <= value:
                return -1 - count
            for s in range(t, count - 1):
                found.value[s] = found.value[s + 1]
                found.cost[s] = found.cost[s + 1]
                found.column[s] = found.column[s + 1]
            return count - 1
    return count


@exact
def insert(value: float, cost: float, column: int, k: int, count: int, found: Found) -> int:
    """Put one column at its place among those found; returns their new number, at most k."""
    place = min(count, k - 1)
    while place > 0 and found.value[place - 1] > value:
        found.value[place] = found.value[place - 1]
        found.cost[place] = found.cost[place - 1]
        found.column[place] = found.column[place - 1]
        place -= 1
    found.value[place], found.cost[place], found.column[place] = value, cost, column
    return min(count + 1, k)


@exact
def c_transform(x: Floats, columns: Columns, found: Found, u: Floats) -> None:
    """u_i = min_j c_ij - v_j over all columns, for every row of x (N, p)."""
    for i in range(x.shape[0]):
        nearest(x[i], columns, 1, np.inf, found)
        u[i] = found.value[0]
