"""Least-squares slopes of the duals v on the nodes of the columns' tree: any slope is valid, a good one prunes."""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact
from mfsym.kernels.ot_bounds import coordinate, refresh_levels
from mfsym.kernels.ot_problem import Columns, Floats

RIDGE = 1e-9
"""Relative weight that keeps the slope of a flat cloud finite."""

TINY = 1e-300
"""Absolute weight that keeps the slope of coinciding atoms finite."""


@exact
def fit_bounds(columns: Columns) -> None:
    """New slopes, fitted on every node of at least 2 (p + 1) atoms and taken from the parent elsewhere, and levels."""
    p = columns.low.shape[1]
    matrix, right, centre = np.empty((p, p)), np.empty(p), np.empty(p)
    for h in range(columns.start.size):
        large = columns.stop[h] - columns.start[h] >= 2 * (p + 1)
        if large:
            normal_equations(h, columns, centre, matrix, right)
            solve_in_place(matrix, right)
        for axis in range(p):
            inherited = columns.slope[(h - 1) >> 1, axis] if h > 0 else 0.0
            columns.slope[h, axis] = right[axis] if large else inherited
    refresh_levels(columns)


@exact
def normal_equations(h: int, columns: Columns, centre: Floats, matrix: Floats, right: Floats) -> None:
    """Covariance of the atoms of node h (lower triangle, with its ridge), and their covariance with v."""
    p = centre.size
    for a in range(p):
        centre[a], right[a] = 0.0, 0.0
        for b in range(p):
            matrix[a, b] = 0.0
    mean = 0.0
    count = columns.stop[h] - columns.start[h]
    for t in range(columns.start[h], columns.stop[h]):
        mean += columns.v[columns.column[t]] / count
        for a in range(p):
            centre[a] += columns.points[coordinate(t, a, p)] / count
    for t in range(columns.start[h], columns.stop[h]):
        value = columns.v[columns.column[t]] - mean
        for a in range(p):
            difference = columns.points[coordinate(t, a, p)] - centre[a]
            right[a] += difference * value
            for b in range(a + 1):
                matrix[a, b] += difference * (columns.points[coordinate(t, b, p)] - centre[b])
    trace = 0.0
    for a in range(p):
        trace += matrix[a, a]
    for a in range(p):
        matrix[a, a] += RIDGE * trace + TINY


@exact
def solve_in_place(matrix: Floats, right: Floats) -> None:
    """Cholesky solution of a positive definite system given by its lower triangle; the answer replaces ``right``."""
    p = right.size
    for a in range(p):
        for b in range(a + 1):
            total = matrix[a, b]
            for c in range(b):
                total -= matrix[a, c] * matrix[b, c]
            matrix[a, b] = np.sqrt(max(total, TINY)) if a == b else total / matrix[b, b]
    for a in range(p):
        for c in range(a):
            right[a] -= matrix[a, c] * right[c]
        right[a] /= matrix[a, a]
    for a in range(p - 1, -1, -1):
        for c in range(a + 1, p):
            right[a] -= matrix[c, a] * right[c]
        right[a] /= matrix[a, a]
