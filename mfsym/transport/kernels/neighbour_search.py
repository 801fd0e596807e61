"""The k smallest c_ij - v_j of a row over all columns that are not hidden, by branch and bound on the columns' tree."""

from __future__ import annotations

import numpy as np
from numpy import uintp as U  # unsigned indices spare the compiled code the test for negative ones

from mfsym.accelerate import exact, exact_part
from mfsym.transport.kernels.dual_bounds import child_bounds
from mfsym.transport.kernels.lanes import at_most, broadcast, load, lowest_bit, store
from mfsym.transport.kernels.packs import ColumnTree, Floats, SearchBuffers

LARGEST = np.finfo(np.float64).max
"""The largest cutoff: hidden columns and empty nodes have the value inf."""


@exact
def nearest(x: Floats, columns: ColumnTree, k: int, cutoff: float, found: SearchBuffers) -> int:
    """Find the k smallest values c_ij - v_j that are <= cutoff, write them to ``found``, and return their number.

    Depth first, with a stack of nodes; the children of a node are sorted so that the one of least bound comes first.
    """
    node, bound = found.node, found.bound
    cutoff = min(cutoff, LARGEST)
    node[0], bound[0] = 0, -np.inf
    top, count = 1, 0
    while top > 0:
        top -= 1
        h = node[U(top)]
        if bound[U(top)] > cutoff:
            continue
        if h < columns.first:
            top = stack_children(x, h, columns, cutoff, top, found)
            continue
        leaf = 8 * columns.octets * (h - columns.first)
        for first in range(leaf, leaf + 8 * columns.octets, 8):
            count, cutoff = scan_octet(x, first, columns, k, cutoff, count, found)
    return count


@exact_part
def stack_children(x: Floats, h: int, columns: ColumnTree, cutoff: float, top: int, found: SearchBuffers) -> int:
    """Push node h's children within the cutoff on the stack of height ``top``, the best last; returns its height."""
    node, bound, lane = found.node, found.bound, found.lane
    bounds = child_bounds(x, h, columns)
    near, base = at_most(bounds, cutoff), top
    store(lane, 0, bounds)
    while near != 0:
        t = lowest_bit(near)
        near &= near - 1
        place, least = top, lane[U(t)]
        while place > base and bound[U(place - 1)] < least:
            bound[U(place)], node[U(place)] = bound[U(place - 1)], node[U(place - 1)]
            place -= 1
        bound[U(place)], node[U(place)] = least, 8 * h + 1 + t
        top += 1
    return top


@exact_part
def scan_octet(
    x: Floats, first: int, columns: ColumnTree, k: int, cutoff: float, count: int, found: SearchBuffers
) -> tuple[int, float]:
    """Insert the eight atoms from place ``first`` on into the ``count`` results; returns the new count and cutoff."""
    values, costs, numbers, lane = found.value, found.cost, found.column, found.lane
    cost = broadcast(0.0)
    for axis in range(x.size):
        difference = x[U(axis)] - load(columns.points, first * x.size + 8 * axis)
        cost += difference * difference
    value = cost - load(columns.dual, first)
    near = at_most(value, cutoff)
    if near == 0:
        return count, cutoff
    store(lane, 0, value)
    store(lane, 8, cost)
    while near != 0:
        t = lowest_bit(near)
        near &= near - 1
        least = lane[U(t)]
        if least > cutoff or (least == cutoff and count == k):
            continue
        column = columns.column[U(first + t)]
        place = min(count, k - 1)
        if columns.place.shape[1] > 1:
            place = place_of(column, least, count, k, found)
        if place < 0:
            continue
        if place == count:
            count += 1
        while place > 0 and values[U(place - 1)] > least:
            values[U(place)], costs[U(place)], numbers[U(place)] = (
                values[U(place - 1)],
                costs[U(place - 1)],
                numbers[U(place - 1)],
            )
            place -= 1
        values[U(place)], costs[U(place)], numbers[U(place)] = least, lane[U(8 + t)], column
        if count == k:
            cutoff = min(cutoff, values[U(k - 1)])
    return count, cutoff


@exact
def place_of(column: int, value: float, count: int, k: int, found: SearchBuffers) -> int:
    """Entry that another image of a column may replace: the column's own, else the last; -1 if it is no better."""
    for t in range(count):
        if found.column[t] == column:
            return t if value < found.value[t] else -1
    return min(count, k - 1)


@exact
def c_transform(x: Floats, columns: ColumnTree, found: SearchBuffers, u: Floats) -> None:
    """The c-transform u_i = min_j c_ij - v_j over all columns, for every row of x (N, p).

    u : upper bounds on the result, attained by some column, or inf; overwritten by the result.
    """
    for i in range(x.shape[0]):
        nearest(x[i], columns, 1, u[i], found)
        u[i] = found.value[0]
