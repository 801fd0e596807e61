"""A balanced kd-tree with eight children a node: one vector instruction treats the children of a node or eight atoms.

The leaves split the atoms evenly: of L leaves and n atoms, leaf l holds those from l n // L on in the tree order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mfsym.accelerate import exact, exact_allocating
from mfsym.transport.kernels.packs import Floats, Ints, Numbers


class NodeRanges(NamedTuple):
    """The places below each node."""

    begin: Ints  # (nodes,) first place
    end: Ints  # (nodes,) one past the last place
    atoms: Numbers  # (nodes,) number of atoms among them


@exact
def index_of(t: int, axis: int, p: int) -> int:
    """Index of coordinate ``axis`` of atom or node t: octets one after another, and in each the axes in order."""
    return ((t >> 3) * p + axis) * 8 + (t & 7)


@exact_allocating
def tree_order(points: Floats, leaves: int, top: int) -> Ints:
    """Order of points (n, p) along a tree of ``leaves`` leaves, whose root has children of ``top`` leaves each.

    Every part is cut across its longest side.
    """
    n, p = points.shape
    order = np.arange(n)
    low, high = np.empty(p), np.empty(p)
    parts = np.empty((128, 2), np.int64)
    parts[0, 0], parts[0, 1] = 0, leaves
    pending = 1
    while pending > 0:
        pending -= 1
        first, last = parts[pending, 0], parts[pending, 1]
        size = last - first
        if size == 1:
            continue
        half = (size // top + 1) // 2 * top if size > top else size // 2
        start, stop, middle = first * n // leaves, last * n // leaves, (first + half) * n // leaves
        low[:], high[:] = np.inf, -np.inf
        for t in range(start, stop):
            for axis in range(p):
                low[axis] = min(low[axis], points[order[t], axis])
                high[axis] = max(high[axis], points[order[t], axis])
        if start < middle < stop:
            quickselect(points, order, widest_axis(low, high), start, stop, middle)
        parts[pending, 0], parts[pending, 1] = first + half, last
        parts[pending + 1, 0], parts[pending + 1, 1] = first, first + half
        pending += 2
    return order


@exact
def widest_axis(low: Floats, high: Floats) -> int:
    """Axis along which the box is longest."""
    axis = 0
    for a in range(1, low.size):
        if high[a] - low[a] > high[axis] - low[axis]:
            axis = a
    return axis


@exact
def quickselect(points: Floats, order: Ints, axis: int, start: int, stop: int, middle: int) -> None:
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


@exact
def fill_leaves(points: Floats, order: Ints, leaves: int, room: int, flat: Floats, owner: Numbers) -> None:
    """Copy points (n, p) to leaves of ``room`` places; owner : (places,) the point at each place, -1 for padding."""
    n, p = points.shape
    for leaf in range(leaves):
        start, stop = leaf * n // leaves, (leaf + 1) * n // leaves
        for s in range(room):
            t = order[start + s] if start + s < stop else order[start]
            owner[leaf * room + s] = t if start + s < stop else -1
            for axis in range(p):
                flat[index_of(leaf * room + s, axis, p)] = points[t, axis]


@exact
def bound_leaves(
    flat: Floats, owner: Numbers, leaf: int, room: int, span: NodeRanges, low: Floats, high: Floats
) -> None:
    """Places, atoms and bounding boxes of the leaves, the nodes from number ``leaf`` on."""
    p = low.size // span.atoms.size
    for base in range(0, owner.size, room):
        h = leaf + base // room
        span.begin[h - 1], span.end[h - 1] = base, base + room
        for axis in range(p):
            low[index_of(h - 1, axis, p)], high[index_of(h - 1, axis, p)] = np.inf, -np.inf
        for t in range(base, base + room):
            span.atoms[h - 1] += owner[t] >= 0
            for axis in range(p):
                here, y = index_of(h - 1, axis, p), flat[index_of(t, axis, p)]
                low[here], high[here] = min(low[here], y), max(high[here], y)


@exact
def bound_parents(leaf: int, span: NodeRanges, low: Floats, high: Floats) -> None:
    """The same for all other nodes, from their children; the box of a node without atoms is a point."""
    nodes = span.atoms.size
    p = low.size // nodes
    for h in range(leaf - 1, 0, -1):
        for child in range(8 * h, min(8 * h + 8, nodes)):
            if span.atoms[child] == 0:
                continue
            fresh = span.atoms[h - 1] == 0
            span.begin[h - 1] = span.begin[child] if fresh else span.begin[h - 1]
            span.end[h - 1] = span.end[child]
            span.atoms[h - 1] += span.atoms[child]
            for axis in range(p):
                here, there = index_of(h - 1, axis, p), index_of(child, axis, p)
                low[here] = low[there] if fresh else min(low[here], low[there])
                high[here] = high[there] if fresh else max(high[here], high[there])
