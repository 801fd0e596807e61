"""A balanced kd-tree whose leaves hold eight atoms side by side, so that one vector instruction serves a leaf.

Node h has children 2h + 1 and 2h + 2; all leaves lie on the last level and hold atoms 8 l .. 8 l + 7 of the tree order.
Nodes without atoms have an empty box (low = inf, high = -inf), which no search enters.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact
from mfsym.kernels.ot_problem import Floats, Ints

LEAF = 8
"""Atoms in a leaf."""


@exact
def tree_order(points: Floats, depth: int) -> tuple[Ints, Ints, Ints, Floats, Floats]:
    """Order of points (A, p) along the tree, first and last atom of each node, and the boxes (H, p) of the nodes."""
    n, p = points.shape
    nodes = 2 ** (depth + 1) - 1
    inner = 2**depth - 1
    order = np.arange(n)
    start, stop = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    low, high = np.full((nodes, p), np.inf), np.full((nodes, p), -np.inf)
    stop[0] = n
    for h in range(nodes):
        for t in range(start[h], stop[h]):
            for axis in range(p):
                low[h, axis] = min(low[h, axis], points[order[t], axis])
                high[h, axis] = max(high[h, axis], points[order[t], axis])
        if h < inner:
            leaves = (stop[h] - start[h] + LEAF - 1) // LEAF
            middle = min(start[h] + LEAF * ((leaves + 1) // 2), stop[h])
            if middle < stop[h]:
                select(points, order, widest_axis(low[h], high[h]), start[h], stop[h], middle)
            start[2 * h + 1], stop[2 * h + 1] = start[h], middle
            start[2 * h + 2], stop[2 * h + 2] = middle, stop[h]
    return order, start, stop, low, high


@exact
def widest_axis(low: Floats, high: Floats) -> int:
    """Axis along which the box is longest."""
    axis = 0
    for a in range(1, low.size):
        if high[a] - low[a] > high[axis] - low[axis]:
            axis = a
    return axis


@exact
def select(points: Floats, order: Ints, axis: int, start: int, stop: int, middle: int) -> None:
    """Reorder order[start:stop] so that entry ``middle`` stands where sorting along the axis would put it."""
    left, right = start, stop - 1
    while left < right:
        pivot = points[order[(left + right) // 2], axis]
        i, j = left, right
        while i <= j:
            while points[order[i], axis] < pivot:
                i += 1
            while points[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            return
