"""Clouds on a lattice, where many costs tie."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mfsym.streams import normals, stream_key
from mfsym.transport import w2
from mfsym.transport.atoms import as_cloud
from mfsym.transport.exact import solve_by_auction
from mfsym.transport.lattices import lattice_unit, round_duals, spacing
from mfsym.transport.packs import column_tree, initial_state
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF

KEY = stream_key(23, "teacher")

N = sized(400, 24)


def _unit(x: np.ndarray, y: np.ndarray) -> float:
    return lattice_unit(x, column_tree(y, None)[0])


@pytest.mark.parametrize("step", [1.0, 0.5, 0.125])
def test_the_unit_of_a_lattice_is_twice_its_squared_step(step):
    x, y = (step * np.round(3.0 * normals(KEY, s, N, 3)) for s in (1, 2))
    assert _unit(x, y) == 2.0 * step**2
    products = -2.0 * x @ y.T / (2.0 * step**2)
    assert np.array_equal(products, np.round(products))


def test_other_clouds_are_on_no_lattice_nor_are_those_on_a_fine_one():
    x, y = normals(KEY, 3, N, 3), normals(KEY, 4, N, 3)
    assert _unit(x, y) == 0.0
    assert _unit(np.round(x), y) == _unit(x, np.round(y)) == 0.0
    assert _unit(np.round(2.0**20 * x) / 2.0**20, np.round(2.0**20 * y) / 2.0**20) == 0.0


def test_the_spacing_is_the_side_of_a_share_of_the_volume_and_knows_flat_clouds():
    square = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2)
    assert 1.0 <= spacing(square) <= 1.3
    flat = np.hstack([square, np.zeros((400, 2))]) @ np.linalg.qr(normals(KEY, 5, 4, 4))[0]
    assert abs(spacing(flat) - spacing(square)) <= ALGEBRA
    assert spacing(np.ones((5, 3))) == 0.0
    assert spacing(np.arange(5.0)[:, None]) > 0.0


def test_rounded_duals_lie_on_the_lattice_no_further_than_half_a_unit_away():
    x, y = np.round(2.0 * normals(KEY, 6, N, 3)), np.round(2.0 * normals(KEY, 7, N, 3))
    columns, order = column_tree(y, None)
    ones = np.ones(N, dtype=np.int64)
    state = initial_state(x, columns, ones, ones.copy(), 8)
    before = normals(KEY, 8, N, 1)[:, 0]
    columns.v[:] = before
    round_duals(state, y[order], 2.0)
    levels = (np.square(y[order]).sum(axis=1) - columns.v) / 2.0
    assert np.array_equal(levels, np.round(levels))
    assert np.abs(columns.v - before).max() <= 1.0


@pytest.mark.parametrize("p", [2, 4])
@pytest.mark.parametrize("shift", [0, 3, 1000])
@pytest.mark.parametrize("step", [1.0, 0.1])
def test_clouds_on_a_lattice_are_solved_exactly(p, shift, step):
    a = step * np.round(2.0 * normals(KEY, 9, N, p))
    b = step * (np.round(1.5 * normals(KEY, 10, N, p)) + shift)
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    cost = np.square(a[:, None] - b).sum(axis=2)
    expected = cost[linear_sum_assignment(cost)].mean()
    assert abs(result.w2_squared - expected) <= ALGEBRA * expected
    assert result.relative_gap <= ROUNDOFF


def test_unequal_counts_on_a_lattice_agree_with_the_network_simplex():
    a, b = np.round(2.0 * normals(KEY, 11, N, 3)), np.round(2.0 * normals(KEY, 12, 3 * N // 4, 3))
    result = w2(a, b, method="auction")
    assert abs(result.w2_squared - w2(a, b, method="emd").w2_squared) <= ALGEBRA * result.w2_squared
    assert result.relative_gap <= ROUNDOFF
