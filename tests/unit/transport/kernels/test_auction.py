"""Auctions keep epsilon-complementary slackness, and suspend rows whose prices would fall far."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals
from mfsym.transport.kernels.auction import auction, withdraw_violations
from mfsym.transport.kernels.candidate_lists import search_all_lists
from mfsym.transport.kernels.couplings import assigned
from mfsym.transport.kernels.dual_fits import fit_bounds
from mfsym.transport.packs import column_tree, initial_state, kd_order
from tests.tolerances import ALGEBRA
from tests.unit.transport.states import KEY, MANY, N, P, squared_costs, unsearched_state


def test_an_auction_lowers_duals_and_assigns_rows_within_epsilon_of_their_best():
    x, y, state = unsearched_state()
    search_all_lists(20, state)
    before = state.columns.v.copy()
    epsilon = 0.05
    bids = auction(epsilon, 20, 50 * MANY, state)
    assert bids >= MANY
    assert (state.columns.v <= before).all()
    values = squared_costs(x, y) - state.columns.v
    placed = 0
    for i in range(MANY):
        for j in range(MANY):
            if assigned(i, j, state.coupling):
                placed += 1
                assert values[i, j] <= values[i].min() + epsilon + ALGEBRA
    assert placed + int(state.coupling.queued[0]) == MANY


def test_flows_beyond_epsilon_are_withdrawn_and_the_others_stay():
    x, y, state = unsearched_state()
    search_all_lists(20, state)
    auction(0.5, 20, 50 * MANY, state)
    values = squared_costs(x, y) - state.columns.v
    before = [(i, j) for i in range(MANY) for j in range(MANY) if assigned(i, j, state.coupling)]
    withdraw_violations(0.05, 20, state)
    after = {(i, j) for i, j in before if assigned(i, j, state.coupling)}
    dear = {(i, j) for i, j in before if values[i, j] > values[i].min() + 0.05 + ALGEBRA}
    assert dear
    assert not after & dear
    assert all((i, j) in after for i, j in before if values[i, j] < values[i].min() + 0.05 - ALGEBRA)


def test_a_row_that_ends_no_chain_is_suspended_and_the_others_are_still_assigned():
    """Two clusters far apart with one row too many at the first: duals there would have to fall by the distance."""
    x = np.vstack([normals(KEY, 60, N // 2 + 1, P), 100.0 + normals(KEY, 61, N - N // 2 - 1, P)])
    y = np.vstack([normals(KEY, 62, N // 2, P), 100.0 + normals(KEY, 63, N - N // 2, P)])
    columns, _ = column_tree(y, None)
    fit_bounds(columns)
    ones = np.ones(N, dtype=np.int64)
    state = initial_state(np.ascontiguousarray(x[kd_order(x)]), columns, ones, ones.copy(), 10)
    withdraw_violations(0.3, 10, state)
    assert auction(0.3, 10, 20 * N, state) < 50 * N
    assert state.coupling.queued[0] == 1
