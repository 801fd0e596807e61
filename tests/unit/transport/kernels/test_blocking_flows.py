"""Blocking flows along tight pairs against a linear programme."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from mfsym.transport.kernels.blocking_flows import saturate
from mfsym.transport.kernels.couplings import assigned
from mfsym.transport.packs import empty_paths
from tests.unit.transport.states import N, assert_lists_certify, assert_masses_balance, tied_state


def _most_flow(tight: np.ndarray, supply: np.ndarray, demand: np.ndarray) -> int:
    """The maximum flow along tight pairs, by a linear programme."""
    rows, columns = np.nonzero(tight)
    sums = np.zeros((supply.size + demand.size, rows.size))
    sums[rows, np.arange(rows.size)] = 1.0
    sums[supply.size + columns, np.arange(rows.size)] = 1.0
    found = linprog(-np.ones(rows.size), A_ub=sums, b_ub=np.concatenate([supply, demand]))
    return round(-found.fun)


def test_saturation_augments_the_maximum_flow_along_tight_pairs():
    state, costs = tied_state(listed=N)
    coupling = state.coupling
    supply, demand = coupling.excess.copy(), coupling.demand.copy()
    assert saturate(state, empty_paths(N, N).search)
    assert_masses_balance(state, supply, demand)
    tight = costs <= costs.min(axis=1)[:, None]
    flows = np.array([[assigned(i, j, coupling) for j in range(N)] for i in range(N)])
    assert (flows[~tight] == 0).all()
    assert flows.sum() == _most_flow(tight, supply, demand)
    waiting = coupling.queue[: coupling.queued[0]]
    assert sorted(waiting) == list(np.flatnonzero(coupling.excess))
    assert_lists_certify(state, costs)


def test_saturation_with_short_lists_uses_tight_pairs_only():
    state, costs = tied_state(listed=1, masses=(2, 1))
    supply, demand = state.coupling.excess.copy(), state.coupling.demand.copy()
    assert saturate(state, empty_paths(N, N).search)
    assert_masses_balance(state, supply, demand)
    flows = np.array([[assigned(i, j, state.coupling) for j in range(N)] for i in range(N)])
    assert (flows[costs > costs.min(axis=1)[:, None]] == 0).all()
    assert 0 < flows.sum() <= _most_flow(costs <= costs.min(axis=1)[:, None], supply, demand)


def test_saturation_reports_when_spare_cells_run_out():
    state, _ = tied_state(listed=N)
    state.coupling.spare[0] = -1
    assert not saturate(state, empty_paths(N, N).search)
