"""Dense cost matrices and the linear assignment against another solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mfsym.errors import TransportFailed
from mfsym.streams import normals, stream_key
from mfsym.transport.dense import padded_distances, solve_assignment, squared_distances
from mfsym.transport.kernels.dense import jonker_volgenant, pair_costs
from tests.tolerances import ALGEBRA, ROUNDOFF

KEY = stream_key(19, "teacher")

CLOUDS = {
    "independent": lambda n: (normals(KEY, 2, n, 3), normals(KEY, 3, n, 3)),
    "near": lambda n: (normals(KEY, 2, n, 3), normals(KEY, 2, n, 3) + 0.05 * normals(KEY, 3, n, 3)),
    "ties": lambda n: (np.round(normals(KEY, 2, n, 2)), np.round(normals(KEY, 3, n, 2))),
    "equal": lambda n: (np.ones((n, 2)), np.zeros((n, 2))),
    "coinciding": lambda n: (normals(KEY, 2, n, 2), normals(KEY, 2, n, 2)[::-1]),
}


@pytest.mark.parametrize("counts", [(1, 1), (3, 8), (9, 5)])
def test_squared_distances_are_sums_over_the_axes(counts):
    a, b = normals(KEY, 4, counts[0], 3), normals(KEY, 5, counts[1], 3)
    expected, found = np.square(a[:, None] - b).sum(axis=2), squared_distances(a, b)
    assert found.shape == counts
    assert np.abs(found - expected).max() <= ROUNDOFF
    inner = np.empty((counts[0], 16))
    pair_costs(a, np.hstack([b.T, np.zeros((3, 16 - counts[1]))]), inner)
    assert np.array_equal(inner[:, : counts[1]], found)


@pytest.mark.parametrize("family", CLOUDS)
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 33, 120])
def test_assignments_are_optimal_and_their_potentials_prove_it(family, n):
    padded = padded_distances(*CLOUDS[family](n))
    assert np.isinf(padded[:, n:]).all()
    plan, (u, v), _ = solve_assignment(padded)
    cost = padded[:, :n]
    assert sorted(plan.columns) == list(range(n))
    rows, columns = linear_sum_assignment(cost)
    best = cost[rows, columns].sum()
    assert cost[plan.rows, plan.columns].sum() == pytest.approx(best, rel=ALGEBRA, abs=ALGEBRA)
    assert (u[:, None] + v <= cost + ALGEBRA).all()
    assert u.sum() + v.sum() == pytest.approx(best, rel=ALGEBRA, abs=ALGEBRA)


def test_a_matching_of_whole_costs_that_only_long_paths_improve():
    """c_ij = (i + 1)(j + 1): rows and columns pair in opposite order, against what every row would take by itself."""
    grid = np.arange(1.0, 41.0)
    plan, _, _ = solve_assignment(grid[:, None] * grid)  # 40 columns, a multiple of eight
    assert np.array_equal(plan.columns, np.arange(40)[::-1])


def test_columns_past_the_last_row_stay_free():
    """The kernel itself, on a matrix padded to a multiple of eight."""
    cost = np.full((3, 8), np.inf)
    cost[:, :3] = [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]]
    u, v, column, row = np.empty(3), np.empty(8), np.full(3, -1), np.full(3, -1)
    jonker_volgenant(cost, v, u, column, row, np.empty((5, 8)))
    assert list(column) == list(row) == [2, 1, 0]
    assert (cost[:, :3] - v[:3] >= u[:, None] - ALGEBRA).all()
    assert u.sum() + v[:3].sum() == pytest.approx(10.0, rel=ALGEBRA)


def test_infinite_costs_are_refused():
    with pytest.raises(TransportFailed, match="finite"):
        solve_assignment(np.full((2, 8), np.inf))
