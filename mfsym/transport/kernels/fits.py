"""Least-squares curves and slopes of the duals v on the nodes of the columns' tree: any are valid, good ones prune.

On a node, v is fitted by a constant, s_a = (y_a - centre_a) / width_a, and where atoms are many also by s_a^2. Smaller
nodes take the curve of their parent and fit slopes to the rest; the smallest take both.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact, exact_allocating
from mfsym.transport.kernels.bounds import refresh_levels
from mfsym.transport.kernels.packs import Columns, Floats
from mfsym.transport.kernels.tree import at

RIDGE = 1e-6
"""Relative weight that keeps the fit of a flat cloud finite."""

TINY = 1e-300
"""Absolute weight that keeps the fit of coinciding atoms finite."""

SAMPLE = 64
"""Atoms of a node that a fit looks at, at most."""

CURVES = (-4.0, 0.98)
"""Smallest and largest curve; 1 would make the search of a node a linear programme."""


@exact_allocating
def fit_bounds(columns: Columns) -> None:
    """New curves and slopes, and levels, for the present duals. All columns must be open."""
    nodes = columns.level.size
    p = columns.low.size // nodes
    matrix, right, centre = np.empty((2 * p, 2 * p)), np.empty(2 * p), np.empty(2 * p)
    show_duals(columns)
    for h in range(1, nodes + 1):
        above, count = (h - 1) >> 3, columns.atoms[h - 1]
        for axis in range(p):
            here, there = at(h - 1, axis, p), at(above - 1, axis, p)
            columns.curve[here] = columns.curve[there] if above > 0 else 0.0
            columns.slope[here] = columns.slope[there] if above > 0 else 0.0
        features = 2 * p if count >= 4 * (2 * p + 1) else p
        if count >= 2 * (p + 1):
            normal_equations(h, columns, features, centre, matrix, right)
            solve_in_place(features, matrix, right)
            for axis in range(p):
                here = at(h - 1, axis, p)
                middle, width = frame_of_box(here, columns)
                if features > p:
                    curve = right[p + axis] / (width * width)
                    columns.curve[here] = min(max(curve, CURVES[0]), CURVES[1])
                    columns.slope[here] = right[axis] / width - 2.0 * columns.curve[here] * middle
                else:
                    columns.slope[here] = right[axis] / width
        for axis in range(p):
            here = at(h - 1, axis, p)
            columns.stretch[here] = 1.0 / (1.0 - columns.curve[here])
    refresh_levels(columns, np.empty(16))


@exact
def show_duals(columns: Columns) -> None:
    """Copy the duals to where the leaves' searches read them."""
    for t in range(columns.column.size):
        columns.worth[t] = columns.v[columns.column[t]] if columns.column[t] >= 0 else -np.inf


@exact
def show_dual(j: int, columns: Columns) -> None:
    """As ``show_duals`` for one column."""
    for t in range(columns.place.shape[1]):
        columns.worth[columns.place[j, t]] = columns.v[j]


@exact
def frame_of_box(here: int, columns: Columns) -> tuple[float, float]:
    """Middle and half width of a node's box along an axis; 1 for a width of zero. here : as ``at`` tells."""
    low, high = columns.low[here], columns.high[here]
    return 0.5 * (low + high), 0.5 * (high - low) if high > low else 1.0


@exact
def feature(t: int, a: int, h: int, columns: Columns) -> float:
    """Feature number a of the atom at place t in the frame of node h: s_a, or s_(a - p)^2 from a = p on."""
    p = columns.low.size // columns.level.size
    axis = a if a < p else a - p
    middle, width = frame_of_box(at(h - 1, axis, p), columns)
    scaled = (columns.points[at(t, axis, p)] - middle) / width
    return scaled if a < p else scaled * scaled


@exact
def rest_of_dual(t: int, features: int, h: int, columns: Columns) -> float:
    """The dual of the atom at place t, less the node's curve where that is not fitted."""
    p = columns.low.size // columns.level.size
    rest = columns.worth[t]
    if features == p:
        for axis in range(p):
            y = columns.points[at(t, axis, p)]
            rest -= columns.curve[at(h - 1, axis, p)] * y * y
    return rest


@exact_allocating
def normal_equations(h: int, columns: Columns, features: int, centre: Floats, matrix: Floats, right: Floats) -> None:
    """Covariance of the features on node h (lower triangle, with its ridge), and their covariance with the duals."""
    begin, end = columns.begin[h - 1], columns.end[h - 1]
    step = (end - begin + SAMPLE - 1) // SAMPLE
    row, mean, count = np.empty(features), 0.0, 0
    centre[:features] = 0.0
    right[:features] = 0.0
    matrix[:features, :features] = 0.0
    for t in range(begin, end, step):
        if columns.column[t] >= 0:
            count += 1
            mean += rest_of_dual(t, features, h, columns)
            for a in range(features):
                centre[a] += feature(t, a, h, columns)
    mean /= count
    centre[:features] /= count
    for t in range(begin, end, step):
        if columns.column[t] >= 0:
            value = rest_of_dual(t, features, h, columns) - mean
            for a in range(features):
                row[a] = feature(t, a, h, columns) - centre[a]
                right[a] += row[a] * value
                for b in range(a + 1):
                    matrix[a, b] += row[a] * row[b]
    trace = 0.0
    for a in range(features):
        trace += matrix[a, a]
    for a in range(features):
        matrix[a, a] += RIDGE * trace + TINY


@exact
def solve_in_place(size: int, matrix: Floats, right: Floats) -> None:
    """Cholesky solution of a positive definite system given by its lower triangle; the answer replaces ``right``."""
    for a in range(size):
        for b in range(a + 1):
            total = matrix[a, b]
            for c in range(b):
                total -= matrix[a, c] * matrix[b, c]
            matrix[a, b] = np.sqrt(max(total, TINY)) if a == b else total / matrix[b, b]
    for a in range(size):
        for c in range(a):
            right[a] -= matrix[a, c] * right[c]
        right[a] /= matrix[a, a]
    for a in range(size - 1, -1, -1):
        for c in range(a + 1, size):
            right[a] -= matrix[c, a] * right[c]
        right[a] /= matrix[a, a]
