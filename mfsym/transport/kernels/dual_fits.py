"""Least-squares fits of the duals v on the nodes of the columns' tree: any bound is valid, a good one prunes.

On a node, v is fitted by a constant, s_a = (y_a - centre_a) / width_a, and where atoms are many also by s_a^2. Smaller
nodes inherit the quadratic coefficients of their parent and fit the linear ones; the smallest inherit both.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact, exact_allocating
from mfsym.transport.kernels.dual_bounds import tighten_constants
from mfsym.transport.kernels.kd_tree import index_of
from mfsym.transport.kernels.packs import ColumnTree, Floats

RIDGE = 1e-6
"""Relative weight that keeps the fit of a flat cloud finite."""

TINY = 1e-300
"""Absolute weight that keeps the fit of coinciding atoms finite."""

SAMPLE = 64
"""Largest number of atoms of a node that a fit uses."""

QUADRATICS = (-4.0, 0.98)
"""Smallest and largest quadratic coefficient; at 1 the bound of a node would no longer be strictly convex."""


@exact_allocating
def fit_bounds(columns: ColumnTree) -> None:
    """New coefficients of every node's bound for the present duals. No column may be hidden."""
    nodes = columns.constant.size
    p = columns.low.size // nodes
    matrix, right, centre = np.empty((2 * p, 2 * p)), np.empty(2 * p), np.empty(2 * p)
    copy_duals(columns)
    for h in range(1, nodes + 1):
        above, count = (h - 1) >> 3, columns.atoms[h - 1]
        for axis in range(p):
            here, there = index_of(h - 1, axis, p), index_of(above - 1, axis, p)
            columns.quadratic[here] = columns.quadratic[there] if above > 0 else 0.0
            columns.linear[here] = columns.linear[there] if above > 0 else 0.0
        features = 2 * p if count >= 4 * (2 * p + 1) else p
        if count >= 2 * (p + 1):
            normal_equations(h, columns, features, centre, matrix, right)
            solve_in_place(features, matrix, right)
            for axis in range(p):
                here = index_of(h - 1, axis, p)
                middle, width = centre_and_radius(here, columns)
                if features > p:
                    quadratic = right[p + axis] / (width * width)
                    columns.quadratic[here] = min(max(quadratic, QUADRATICS[0]), QUADRATICS[1])
                    columns.linear[here] = right[axis] / width - 2.0 * columns.quadratic[here] * middle
                else:
                    columns.linear[here] = right[axis] / width
        for axis in range(p):
            here = index_of(h - 1, axis, p)
            columns.inverse[here] = 1.0 / (1.0 - columns.quadratic[here])
    tighten_constants(columns, np.empty(16))


@exact
def copy_duals(columns: ColumnTree) -> None:
    """Copy the duals to the leaves, in tree order."""
    for t in range(columns.column.size):
        columns.dual[t] = columns.v[columns.column[t]] if columns.column[t] >= 0 else -np.inf


@exact
def copy_dual(j: int, columns: ColumnTree) -> None:
    """As ``copy_duals`` for one column."""
    for t in range(columns.place.shape[1]):
        columns.dual[columns.place[j, t]] = columns.v[j]


@exact
def centre_and_radius(here: int, columns: ColumnTree) -> tuple[float, float]:
    """Middle and half width of a node's box along an axis; 1 for a width of zero. here : see ``index_of``."""
    low, high = columns.low[here], columns.high[here]
    return 0.5 * (low + high), 0.5 * (high - low) if high > low else 1.0


@exact
def feature(t: int, a: int, h: int, columns: ColumnTree) -> float:
    """Feature a of the atom at place t, in the coordinates of node h: s_a, or s_(a - p)^2 from a = p on."""
    p = columns.low.size // columns.constant.size
    axis = a if a < p else a - p
    middle, width = centre_and_radius(index_of(h - 1, axis, p), columns)
    scaled = (columns.points[index_of(t, axis, p)] - middle) / width
    return scaled if a < p else scaled * scaled


@exact
def residual_dual(t: int, features: int, h: int, columns: ColumnTree) -> float:
    """The dual of the atom at place t, minus the node's quadratic part where that is not fitted."""
    p = columns.low.size // columns.constant.size
    rest = columns.dual[t]
    if features == p:
        for axis in range(p):
            y = columns.points[index_of(t, axis, p)]
            rest -= columns.quadratic[index_of(h - 1, axis, p)] * y * y
    return rest


@exact_allocating
def normal_equations(h: int, columns: ColumnTree, features: int, centre: Floats, matrix: Floats, right: Floats) -> None:
    """Covariance of the features on node h (lower triangle, with the ridge), and their covariance with the duals."""
    begin, end = columns.begin[h - 1], columns.end[h - 1]
    step = (end - begin + SAMPLE - 1) // SAMPLE
    row, mean, count = np.empty(features), 0.0, 0
    centre[:features] = 0.0
    right[:features] = 0.0
    matrix[:features, :features] = 0.0
    for t in range(begin, end, step):
        if columns.column[t] >= 0:
            count += 1
            mean += residual_dual(t, features, h, columns)
            for a in range(features):
                centre[a] += feature(t, a, h, columns)
    mean /= count
    centre[:features] /= count
    for t in range(begin, end, step):
        if columns.column[t] >= 0:
            value = residual_dual(t, features, h, columns) - mean
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
