"""The k smallest c_ij - v_j of a row over all columns that are not closed, by branch and bound on the columns' tree."""

from __future__ import annotations

import numpy as np
from numpy import uintp as U  # unsigned indices spare the compiled code the test for negative ones

from mfsym.accelerate import exact, exact_part
from mfsym.transport.kernels.bounds import child_bounds
from mfsym.transport.kernels.lanes import below, eight, keep, lowest, spread
from mfsym.transport.kernels.packs import Columns, Floats, Found

LARGEST = np.finfo(np.float64).max
"""No cutoff is larger: closed columns and empty nodes have the value inf."""


@exact
def nearest(x: Floats, columns: Columns, k: int, cutoff: float, found: Found) -> int:
    """Search the k smallest values c_ij - v_j that are <= cutoff into ``found``; returns how many there are.

    Nodes wait on a stack, each with the children of one node sorted so that the nearest comes next.
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
def stack_children(x: Floats, h: int, columns: Columns, cutoff: float, top: int, found: Found) -> int:
    """Put node h's children within the cutoff on the stack of height ``top``, the nearest last; returns its height."""
    node, bound, lane = found.node, found.bound, found.lane
    bounds = child_bounds(x, h, columns)
    near, base = below(bounds, cutoff), top
    keep(lane, 0, bounds)
    while near != 0:
        t = lowest(near)
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
    x: Floats, first: int, columns: Columns, k: int, cutoff: float, count: int, found: Found
) -> tuple[int, float]:
    """Enter the eight atoms from place ``first`` on among the ``count`` found; returns the new count and cutoff."""
    values, costs, numbers, lane = found.value, found.cost, found.column, found.lane
    cost = spread(0.0)
    for axis in range(x.size):
        difference = x[U(axis)] - eight(columns.points, first * x.size + 8 * axis)
        cost += difference * difference
    value = cost - eight(columns.worth, first)
    near = below(value, cutoff)
    if near == 0:
        return count, cutoff
    keep(lane, 0, value)
    keep(lane, 8, cost)
    while near != 0:
        t = lowest(near)
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
