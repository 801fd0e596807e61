"""Candidate lists certify all other columns, in every phase of a solve."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.transport.kernels.auction import auction, withdraw_violations
from mfsym.transport.kernels.augmenting_paths import augment, dijkstra, reset, set_roots
from mfsym.transport.kernels.candidate_lists import search_all_lists, values_and_scales
from mfsym.transport.kernels.couplings import assigned
from mfsym.transport.packs import empty_paths
from tests.tolerances import ALGEBRA, ROUNDOFF
from tests.unit.transport.states import (
    MANY,
    N,
    assert_lists_certify,
    assert_masses_balance,
    searched_state,
    squared_costs,
    unsearched_state,
)


def test_lists_hold_the_best_columns_and_certify_the_others():
    x, y, state = unsearched_state()
    search_all_lists(5, state)
    values = squared_costs(x, y) - state.columns.v
    lists = state.lists
    for i in range(MANY):
        listed = lists.column[lists.start[i] : lists.start[i] + lists.size[i]]
        assert set(listed) == set(np.argsort(values[i])[:5])
        others = np.delete(values[i], listed)
        assert (others >= lists.tau[i] - ROUNDOFF).all()


def test_local_scales_are_differences_to_the_best_value():
    x, y, state = unsearched_state()
    search_all_lists(20, state)
    u, span = np.empty(MANY), np.empty(MANY)
    values_and_scales(4, state, u, span)
    values = np.sort(squared_costs(x, y) - state.columns.v, axis=1)
    assert np.abs(u - values[:, 0]).max() < ALGEBRA
    assert np.abs(span - (values[:, 4] - values[:, 0])).max() < ALGEBRA


@pytest.mark.parametrize("masses", [(1,), (3, 1, 2)])
def test_duals_only_decrease_and_lists_stay_certificates(masses):
    """The invariant of the whole solver, after every phase, for whole and for split masses."""
    state, costs = searched_state(masses=masses)
    supply, demand = state.coupling.excess.copy(), state.coupling.demand
    before = state.columns.v.copy()

    def check() -> None:
        assert (state.columns.v <= before).all()
        before[:] = state.columns.v
        assert_lists_certify(state, costs)
        assert_masses_balance(state, supply, demand)

    for epsilon in (0.3, 0.05, 0.0):
        withdraw_violations(epsilon, 10, state)
        check()
        auction(epsilon, 10, 20 * N, state)
        check()
    withdraw_violations(0.0, 10, state)
    paths = empty_paths(N, N)
    while state.coupling.queued[0] > 0:
        set_roots(1, 10, state, paths)
        last = dijkstra(1, state, paths)
        assert augment(last, state, paths)
        reset(paths)
        assert (state.columns.v <= before).all()
    check()
    values = costs - state.columns.v
    rows, columns = np.nonzero(np.array([[assigned(i, j, state.coupling) for j in range(N)] for i in range(N)]))
    assert (values[rows, columns] - values.min(axis=1)[rows]).max() <= ALGEBRA


def test_without_the_invariant_lists_certify_nothing():
    """Negative control: raise one dual, and some list misses its cheapest column."""
    state, costs = searched_state()
    state.columns.v[0] += 100.0
    with pytest.raises(AssertionError):
        assert_lists_certify(state, costs)
