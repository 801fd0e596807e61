"""Operations on a partial coupling conserve mass."""

from __future__ import annotations

from mfsym.transport.kernels.couplings import assign, assigned, evict, withdraw
from tests.unit.transport.states import assert_masses_balance, searched_state


def test_assignments_withdrawals_and_evictions_conserve_mass():
    state, _ = searched_state(masses=(4, 2))
    coupling = state.coupling
    supply, demand = coupling.excess.copy(), coupling.demand
    assert assign(0, 5, 1, 0.0, coupling)
    assert assign(1, 5, 1, 0.0, coupling)
    assert assign(0, 6, 2, 0.0, coupling)
    assert [assigned(0, 5, coupling), assigned(1, 5, coupling), assigned(0, 6, coupling), assigned(1, 6, coupling)] == [
        1,
        1,
        2,
        0,
    ]
    assert_masses_balance(state, supply, demand)
    withdraw(0, 5, 1, coupling)
    assert assigned(0, 5, coupling) == 0
    coupling.queued[0] = 0
    evict(5, int(demand[5]), -1, coupling)
    assert assigned(1, 5, coupling) == 0
    assert_masses_balance(state, supply, demand)
