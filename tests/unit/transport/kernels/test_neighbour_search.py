"""Searches by branch and bound against sorting all columns."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.accelerate import exact
from mfsym.streams import normals
from mfsym.transport.kernels.augmenting_paths import hide_column, show_column
from mfsym.transport.kernels.dual_bounds import child_bounds
from mfsym.transport.kernels.lanes import store
from mfsym.transport.kernels.neighbour_search import c_transform, nearest
from mfsym.transport.kernels.packs import ColumnTree
from mfsym.transport.packs import column_tree, search_buffers
from tests.tolerances import ALGEBRA, ROUNDOFF
from tests.unit.transport.states import KEY, MANY, N, P, searched_state, squared_costs, unsearched_state


def test_the_c_transform_is_a_minimum_over_all_columns():
    x, y, state = unsearched_state()
    u = np.full(MANY, np.inf)
    c_transform(x, state.columns, search_buffers(1), u)
    expected = (squared_costs(x, y) - state.columns.v).min(axis=1)
    assert np.abs(u - expected).max() < ALGEBRA


@pytest.mark.parametrize("group", [None, np.array([np.eye(P), -np.eye(P)])])
def test_a_search_finds_the_smallest_values_in_order(group):
    state, costs = searched_state(group)
    found, values = search_buffers(12), costs - state.columns.v
    for i in range(0, N, 7):
        count = nearest(state.x[i], state.columns, 12, np.inf, found)
        assert count == 12
        assert np.abs(found.value - np.sort(values[i])[:12]).max() <= ROUNDOFF
        assert np.array_equal(found.column, np.argsort(values[i])[:12])
        cutoff = found.value[4]
        assert nearest(state.x[i], state.columns, 12, cutoff, found) == 5


@exact
def _bounds(x: np.ndarray, h: int, columns: ColumnTree, out: np.ndarray) -> None:
    store(out, 0, child_bounds(x, h, columns))


@pytest.mark.parametrize("count", [1, 5, 17, 130, 150])
def test_a_new_tree_is_ready_for_searches_with_duals_of_zero(count):
    """Without a fit, also where nodes are left over that hold no atom."""
    y, x, found, bounds = normals(KEY, 60, count, P), normals(KEY, 61, 9, P), search_buffers(4), np.empty(8)
    columns, order = column_tree(y, None)
    for i in range(len(x)):
        values = squared_costs(x[i : i + 1], y[order])[0]
        kept = nearest(x[i], columns, 4, np.inf, found)
        assert kept == min(4, count)
        assert np.abs(found.value[:kept] - np.sort(values)[:kept]).max() <= ROUNDOFF
        for h in range(columns.first):
            _bounds(x[i], h, columns, bounds)
            empty = columns.atoms[8 * h : 8 * h + 8] == 0
            assert np.isinf(bounds[: empty.size][empty]).all()
            assert np.isfinite(bounds[: empty.size][~empty]).all()


@pytest.mark.parametrize("group", [None, np.array([np.eye(P), -np.eye(P)])])
def test_searches_do_not_find_hidden_columns_until_they_are_shown(group):
    state, costs = searched_state(group)
    columns, found = state.columns, search_buffers(N)
    constant, visible = columns.constant.copy(), columns.visible.copy()
    closed = np.arange(0, N, 2)
    for j in closed:
        hide_column(j, columns)
    values = costs - columns.v
    values[:, closed] = np.inf
    for i in range(0, N, 9):
        count = nearest(state.x[i], columns, N, np.inf, found)
        assert count == N - closed.size
        assert np.array_equal(found.column[:count], np.argsort(values[i])[:count])
    for j in range(1, N, 2):
        hide_column(j, columns)
    assert nearest(state.x[0], columns, N, np.inf, found) == 0
    assert (columns.upper == -np.inf).all()
    for j in range(N):
        show_column(j, columns)
    assert np.array_equal(columns.upper, constant)
    assert np.array_equal(columns.visible, visible)
    assert nearest(state.x[0], columns, N, np.inf, found) == N
