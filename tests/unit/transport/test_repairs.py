"""Masses of a plan are corrected to the exact ratios of the weights."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals, stream_key
from mfsym.transport import Plan
from mfsym.transport.atoms import as_cloud
from mfsym.transport.repairs import exact_masses, in_units

KEY = stream_key(41, "teacher")


def test_masses_get_the_ratios_of_the_weights_along_a_spanning_forest():
    a, b = as_cloud(normals(KEY, 11, 3, 2), [1.0, 2.0, 4.0]), as_cloud(normals(KEY, 12, 2, 2), [3.0, 4.0])
    rows, columns = np.array([0, 1, 2]), np.array([0, 0, 1])
    near = Plan(rows, columns, np.array([0.14, 0.29, 0.57]))
    assert np.array_equal(exact_masses(near, a, b), np.array([1.0, 2.0, 4.0]) / 7.0)
    assert exact_masses(Plan(rows, np.array([0, 1, 1]), near.mass), a, b) is None


def test_plans_between_uniform_clouds_are_rounded_to_units():
    a, b = as_cloud(normals(KEY, 13, 2, 2)), as_cloud(normals(KEY, 14, 3, 2))
    rows, columns = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    rough = Plan(rows, columns, np.array([2.0, 1.0, 1.0, 2.0]) / 6.0 + 1e-15)
    plan, exact = in_units(rough, a, b)
    assert exact
    assert np.array_equal(plan.mass, np.array([2.0, 1.0, 1.0, 2.0]) / 6.0)
    assert not in_units(Plan(rows, columns, np.array([3.0, 1.0, 1.0, 1.0]) / 6.0), a, b)[1]
