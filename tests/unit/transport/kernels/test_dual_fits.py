"""Least-squares fits of the duals against dense solutions."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals
from mfsym.transport.kernels.dual_fits import (
    centre_and_radius,
    feature,
    normal_equations,
    residual_dual,
    solve_in_place,
)
from mfsym.transport.kernels.kd_tree import index_of
from tests.tolerances import ALGEBRA, ROUNDOFF
from tests.unit.transport.states import KEY, P, searched_state


def test_linear_systems_are_solved():
    root = normals(KEY, 30, 5, 5)
    matrix, right = root @ root.T + np.eye(5), normals(KEY, 31, 1, 5)[0]
    expected = np.linalg.solve(matrix, right)
    solve_in_place(5, matrix, right)
    assert np.abs(right - expected).max() <= ALGEBRA


def test_coefficients_are_least_squares_fits():
    """On the largest node, whose fit looks at every second place or fewer: the same as a dense solution."""
    state, _ = searched_state()
    columns = state.columns
    h = 1 + int(np.argmax(columns.atoms))
    begin, end, here = columns.begin[h - 1], columns.end[h - 1], [index_of(h - 1, axis, P) for axis in range(P)]
    atoms = columns.points.reshape(-1, P, 8).transpose(0, 2, 1).reshape(-1, P)[begin:end]
    kept = columns.column[begin:end] >= 0
    middle, width = np.array([centre_and_radius(place, columns) for place in here]).T
    table = np.hstack([(atoms - middle) / width, ((atoms - middle) / width) ** 2])
    found = [[feature(t, a, h, columns) for a in range(2 * P)] for t in range(begin, end)]
    assert np.abs(found - table).max() <= ROUNDOFF
    duals = np.where(kept, columns.v[columns.column[begin:end]], 0.0)
    rest = np.array([residual_dual(t, P, h, columns) for t in range(begin, end)])
    quadratic = columns.quadratic[here]
    assert np.abs((rest - (duals - np.square(atoms) @ quadratic))[kept]).max() <= ROUNDOFF
    step = -(-(end - begin) // 64)
    chosen = np.flatnonzero(kept[::step]) * step
    for features, target in ((P, rest), (2 * P, duals)):
        matrix, right, centre = np.empty((2 * P, 2 * P)), np.empty(2 * P), np.empty(2 * P)
        normal_equations(h, columns, features, centre, matrix, right)
        centred = table[chosen, :features] - table[chosen, :features].mean(axis=0)
        expected = centred.T @ centred
        difference = np.tril(matrix[:features, :features] - expected, -1)
        assert np.abs(difference).max() <= ROUNDOFF * np.abs(expected).max()
        assert np.abs(right[:features] - centred.T @ (target[chosen] - target[chosen].mean())).max() <= ALGEBRA
