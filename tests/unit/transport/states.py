"""Solver states that the tests on the kernels start from, and the invariants of a solve."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport.kernels.candidate_lists import search_all_lists
from mfsym.transport.kernels.couplings import assigned
from mfsym.transport.kernels.dual_fits import fit_bounds
from mfsym.transport.kernels.packs import SolverState
from mfsym.transport.packs import column_tree, initial_state, kd_order
from tests.sizes import sized
from tests.tolerances import ROUNDOFF

N, MANY, P = sized(100, 20), sized(300, 24), 3

KEY = stream_key(13, "teacher")


def squared_costs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """|x_i - y_j|^2 as a matrix (N, M)."""
    return np.square(x[:, None, :] - y[None, :, :]).sum(axis=2)


def unsearched_state() -> tuple[np.ndarray, np.ndarray, SolverState]:
    """A state with rough duals and empty lists, and its rows and columns (MANY, P)."""
    key = stream_key(7, "teacher")
    x, y = normals(key, 1, MANY, P), normals(key, 2, MANY, P)
    x = np.ascontiguousarray(x[kd_order(x)])
    columns, order = column_tree(y, None)
    columns.v[:] = -uniforms(key, 3, MANY, 1)[:, 0]
    fit_bounds(columns)
    ones = np.ones(MANY, dtype=np.int64)
    return x, y[order], initial_state(x, columns, ones, ones.copy(), 20)


def searched_state(
    matrices: np.ndarray | None = None, masses: tuple[int, ...] = (1,)
) -> tuple[SolverState, np.ndarray]:
    """A state with rough duals and all lists searched, and its costs (N, M)."""
    x, y = normals(KEY, 1, N, P), normals(KEY, 2, N, P)
    x = np.ascontiguousarray(x[kd_order(x)])
    columns, order = column_tree(y, matrices)
    columns.v[:] = -uniforms(KEY, 3, N, 1)[:, 0]
    fit_bounds(columns)
    units = np.resize(np.array(masses, dtype=np.int64), N)
    state = initial_state(x, columns, units, units[::-1].copy(), 10)
    search_all_lists(10, state)
    group = np.eye(P)[None] if matrices is None else matrices
    return state, np.min([squared_costs(x, y[order] @ m.T) for m in group], axis=0)


def tied_state(listed: int, masses: tuple[int, ...] = (3, 1, 2)) -> tuple[SolverState, np.ndarray]:
    """A state on a grid, where many columns tie, and its costs."""
    x, y = np.round(normals(KEY, 70, N, 2)), np.round(normals(KEY, 71, N, 2))
    x = np.ascontiguousarray(x[kd_order(x)])
    columns, order = column_tree(y, None)
    fit_bounds(columns)
    units = np.resize(np.array(masses, dtype=np.int64), N)
    state = initial_state(x, columns, units, units[::-1].copy(), listed)
    search_all_lists(4, state)
    state.u[:] = squared_costs(x, y[order]).min(axis=1)
    return state, squared_costs(x, y[order])


def assert_lists_certify(state: SolverState, costs: np.ndarray) -> None:
    """No column outside a list is below its tau."""
    values, lists = costs - state.columns.v, state.lists
    for i in range(N):
        listed = lists.column[lists.start[i] : lists.start[i] + lists.size[i]]
        others = np.delete(values[i], listed)
        assert others.size == 0 or others.min() >= lists.tau[i] - ROUNDOFF


def assert_masses_balance(state: SolverState, supply: np.ndarray, demand: np.ndarray) -> None:
    """Flows, excess and residual demand add up to supply and demand."""
    flows = np.array([[assigned(i, j, state.coupling) for j in range(N)] for i in range(N)])
    assert np.array_equal(flows.sum(axis=1) + state.coupling.excess, supply)
    assert np.array_equal(flows.sum(axis=0) + state.coupling.residual, demand)
