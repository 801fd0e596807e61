"""Shortest augmenting paths assign every row and keep the slack of assigned pairs."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.streams import normals, uniforms
from mfsym.transport.initialisers import rebuild_lists
from mfsym.transport.kernels.auction import auction, withdraw_violations
from mfsym.transport.kernels.augmenting_paths import augment_all, dijkstra, record_sink, set_roots
from mfsym.transport.kernels.candidate_lists import search_all_lists
from mfsym.transport.kernels.couplings import assigned
from mfsym.transport.packs import column_tree, empty_paths, initial_state
from tests.sizes import compiled
from tests.tolerances import ALGEBRA
from tests.unit.transport.states import (
    KEY,
    MANY,
    N,
    assert_lists_certify,
    searched_state,
    squared_costs,
    unsearched_state,
)


def test_the_first_augmenting_path_is_no_longer_than_the_largest_row_minimum():
    x, y, state = unsearched_state()
    search_all_lists(20, state)
    paths = empty_paths(MANY, MANY)
    set_roots(1, 4, state, paths)
    met = dijkstra(1, state, paths)
    assert met <= (squared_costs(x, y) - state.columns.v).min(axis=1).max() + ALGEBRA


@pytest.mark.parametrize("epsilon", [0.2, 0.01])
def test_augmenting_paths_assign_every_row_within_epsilon_of_its_best_column(epsilon):
    state, costs = searched_state()
    withdraw_violations(epsilon, 10, state)
    auction(epsilon, 10, 3, state)
    assert state.coupling.queued[0] > 0
    assert augment_all(0.5, 10, state, empty_paths(N, N)) > 0
    values = costs - state.columns.v
    best = values.min(axis=1)
    assert (state.u <= best + ALGEBRA).all()
    placed = [(i, j) for i in range(N) for j in range(N) if assigned(i, j, state.coupling)]
    assert len(placed) == N
    assert max(values[i, j] - best[i] for i, j in placed) <= epsilon + ALGEBRA
    assert_lists_certify(state, costs)


def test_sinks_are_the_smallest_distances_one_for_each_column():
    sinks, distances = np.full(4, np.inf), {}
    for step in range(200):
        column = int(uniforms(KEY, 50 + step, 1, 1)[0, 0] * 9)
        distance = distances.get(column, 10.0) * (1.0 - 0.1 * uniforms(KEY, 400 + step, 1, 1)[0, 0])
        before = distances.get(column, np.inf)
        distances[column] = distance
        if distance <= sinks[-1]:
            record_sink(before, distance, sinks)
        smallest = np.sort(list(distances.values()))[:4]
        assert sinks[-1] >= smallest[-1]
        assert len(set(sinks[np.isfinite(sinks)])) == np.isfinite(sinks).sum()
    assert np.array_equal(sinks, smallest)


def test_augmenting_paths_alone_solve_from_any_feasible_duals():
    state, costs = searched_state()
    assert augment_all(0.5, 10, state, empty_paths(N, N)) > 0
    placed = np.array([[assigned(i, j, state.coupling) for j in range(N)] for i in range(N)])
    total = float((placed * costs).sum())
    values = (costs - state.columns.v).min(axis=1)
    assert abs(total - values.sum() - state.columns.v.sum()) <= ALGEBRA * total


@compiled
def test_mass_that_exceeds_the_demand_ends_the_phases():
    """More supply than demand: in the end no phase augments anything."""
    x, y = normals(KEY, 25, 3, 2), normals(KEY, 26, 2, 2)
    columns, _ = column_tree(y, None)
    state = initial_state(x, columns, np.full(3, 1), np.full(2, 1), 4)
    rebuild_lists(state)
    assert augment_all(0.5, 4, state, empty_paths(3, 2)) == -1
