"""The solver's invariants and its smaller kernels against slow twins."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from scipy.optimize import linprog

from mfsym.accelerate import exact
from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import w2
from mfsym.transport.axes import principal_axes
from mfsym.transport.kernels.auction import auction, withdraw_violations
from mfsym.transport.kernels.augmenting_paths import (
    augment,
    augment_all,
    dijkstra,
    hide_column,
    record_sink,
    reset,
    set_roots,
    show_column,
)
from mfsym.transport.kernels.binary_heap import Heap, clear, pop, push
from mfsym.transport.kernels.blocking_flows import saturate
from mfsym.transport.kernels.candidate_lists import search_all_lists
from mfsym.transport.kernels.couplings import assign, assigned, evict, withdraw
from mfsym.transport.kernels.dual_bounds import child_bounds
from mfsym.transport.kernels.dual_fits import (
    centre_and_radius,
    copy_dual,
    feature,
    fit_bounds,
    normal_equations,
    residual_dual,
    solve_in_place,
)
from mfsym.transport.kernels.kd_tree import index_of
from mfsym.transport.kernels.lanes import store
from mfsym.transport.kernels.neighbour_search import nearest
from mfsym.transport.kernels.packs import ColumnTree, SolverState
from mfsym.transport.kernels.sinkhorn import NearPairs, sinkhorn_sweeps
from mfsym.transport.packs import column_tree, empty_paths, initial_state, kd_order, search_buffers
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF

N = sized(100, 20)
KEY = stream_key(13, "teacher")
P = 3


def _costs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.square(x[:, None, :] - y[None, :, :]).sum(axis=2)


def _state(matrices: np.ndarray | None = None, masses: tuple[int, ...] = (1,)) -> tuple[SolverState, np.ndarray]:
    """A problem with rough duals and all lists searched, and its costs (N, M)."""
    x, y = normals(KEY, 1, N, P), normals(KEY, 2, N, P)
    x = np.ascontiguousarray(x[kd_order(x)])
    columns, order = column_tree(y, matrices)
    columns.v[:] = -uniforms(KEY, 3, N, 1)[:, 0]
    fit_bounds(columns)
    units = np.resize(np.array(masses, dtype=np.int64), N)
    state = initial_state(x, columns, units, units[::-1].copy(), 10)
    search_all_lists(10, state)
    group = np.eye(P)[None] if matrices is None else matrices
    return state, np.min([_costs(x, y[order] @ m.T) for m in group], axis=0)


def _assert_lists_certify(state: SolverState, costs: np.ndarray) -> None:
    values, lists = costs - state.columns.v, state.lists
    for i in range(N):
        listed = lists.column[lists.start[i] : lists.start[i] + lists.size[i]]
        others = np.delete(values[i], listed)
        assert others.size == 0 or others.min() >= lists.tau[i] - ROUNDOFF


def _assert_masses_balance(state: SolverState, supply: np.ndarray, demand: np.ndarray) -> None:
    flows = np.array([[assigned(i, j, state.coupling) for j in range(N)] for i in range(N)])
    assert np.array_equal(flows.sum(axis=1) + state.coupling.excess, supply)
    assert np.array_equal(flows.sum(axis=0) + state.coupling.residual, demand)


@pytest.mark.parametrize("masses", [(1,), (3, 1, 2)])
def test_duals_only_decrease_and_lists_stay_certificates(masses):
    """The invariant of the whole solver, after every phase, for whole and for split masses."""
    state, costs = _state(masses=masses)
    supply, demand = state.coupling.excess.copy(), state.coupling.demand
    before = state.columns.v.copy()

    def check() -> None:
        assert (state.columns.v <= before).all()
        before[:] = state.columns.v
        _assert_lists_certify(state, costs)
        _assert_masses_balance(state, supply, demand)

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
    state, costs = _state()
    state.columns.v[0] += 100.0
    with pytest.raises(AssertionError):
        _assert_lists_certify(state, costs)


@pytest.mark.parametrize("group", [None, np.array([np.eye(P), -np.eye(P)])])
def test_a_search_finds_the_smallest_values_in_order(group):
    state, costs = _state(group)
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
        values = _costs(x[i : i + 1], y[order])[0]
        kept = nearest(x[i], columns, 4, np.inf, found)
        assert kept == min(4, count)
        assert np.abs(found.value[:kept] - np.sort(values)[:kept]).max() <= ROUNDOFF
        for h in range(columns.first):
            _bounds(x[i], h, columns, bounds)
            empty = columns.atoms[8 * h : 8 * h + 8] == 0
            assert np.isinf(bounds[: empty.size][empty]).all()
            assert np.isfinite(bounds[: empty.size][~empty]).all()


def test_bounds_of_children_hold_for_every_atom_also_after_duals_have_fallen():
    state, _ = _state()
    columns, bounds = state.columns, np.empty(8)
    atoms = columns.points.reshape(-1, P, 8).transpose(0, 2, 1).reshape(-1, P)
    for j in range(0, N, 5):
        columns.v[j] -= 0.1 * (j % 7)
        copy_dual(j, columns)
    for i in range(0, N, 11):
        for h in range(columns.first):
            _bounds(state.x[i], h, columns, bounds)
            for child in range(8 * h, min(8 * h + 8, columns.atoms.size)):
                if columns.atoms[child] == 0:
                    assert bounds[child - 8 * h] == np.inf
                    continue
                below = slice(columns.begin[child], columns.end[child])
                values = _costs(state.x[i : i + 1], atoms[below])[0] - columns.dual[below]
                assert bounds[child - 8 * h] <= values.min() + ROUNDOFF


@pytest.mark.parametrize("group", [None, np.array([np.eye(P), -np.eye(P)])])
def test_searches_pass_closed_columns_by_until_they_are_opened(group):
    state, costs = _state(group)
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


@pytest.mark.parametrize("epsilon", [0.2, 0.01])
def test_forests_place_every_row_and_let_no_cell_be_further_than_epsilon_from_its_best(epsilon):
    state, costs = _state()
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
    _assert_lists_certify(state, costs)


def test_a_row_that_ends_no_chain_stands_aside_and_the_others_are_still_placed():
    """Two places far apart with one row too many at the first: prices there would have to fall by the distance."""
    x = np.vstack([normals(KEY, 60, N // 2 + 1, P), 100.0 + normals(KEY, 61, N - N // 2 - 1, P)])
    y = np.vstack([normals(KEY, 62, N // 2, P), 100.0 + normals(KEY, 63, N - N // 2, P)])
    columns, _ = column_tree(y, None)
    fit_bounds(columns)
    ones = np.ones(N, dtype=np.int64)
    state = initial_state(np.ascontiguousarray(x[kd_order(x)]), columns, ones, ones.copy(), 10)
    withdraw_violations(0.3, 10, state)
    assert auction(0.3, 10, 20 * N, state) < 50 * N
    assert state.coupling.queued[0] == 1


def test_goals_are_the_smallest_distances_one_for_each_column():
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


def test_the_heap_gives_items_in_the_order_of_a_sorted_list():
    keys = np.round(uniforms(KEY, 20, 60, 1)[:, 0], 1)
    heap = Heap(np.zeros(60, np.int32), np.zeros(60), np.full(60, -1, np.int32), np.zeros(1, np.int64))
    for item, key in enumerate(keys):
        push(item, key + 1.0, heap)
    for item in range(0, 60, 2):
        push(item, keys[item], heap)
    slow = [(keys[item] + (item % 2), item) for item in range(60)]
    heapq.heapify(slow)
    for _ in range(40):
        assert pop(heap) == heapq.heappop(slow)[1]
    clear(heap)
    assert heap.size[0] == 0
    assert (heap.place == -1).all()


def test_linear_systems_are_solved():
    root = normals(KEY, 30, 5, 5)
    matrix, right = root @ root.T + np.eye(5), normals(KEY, 31, 1, 5)[0]
    expected = np.linalg.solve(matrix, right)
    solve_in_place(5, matrix, right)
    assert np.abs(right - expected).max() <= ALGEBRA


def test_curves_and_slopes_are_least_squares_fits():
    """On the largest node, whose fit looks at every second place or fewer: the same as a dense solution."""
    state, _ = _state()
    columns = state.columns
    h = 1 + int(np.argmax(columns.atoms))
    begin, end, here = columns.begin[h - 1], columns.end[h - 1], [index_of(h - 1, axis, P) for axis in range(P)]
    atoms = columns.points.reshape(-1, P, 8).transpose(0, 2, 1).reshape(-1, P)[begin:end]
    kept = columns.column[begin:end] >= 0
    middle, width = np.array([centre_and_radius(place, columns) for place in here]).T
    table = np.hstack([(atoms - middle) / width, ((atoms - middle) / width) ** 2])
    found = [[feature(t, a, h, columns) for a in range(2 * P)] for t in range(begin, end)]
    assert np.abs(found - table).max() <= ROUNDOFF
    duals = np.where(kept, columns.v[columns.column[begin:end]], 0.0)
    rest = np.array([residual_dual(t, P, h, columns) for t in range(begin, end)])
    quadratic = columns.quadratic[here]
    assert np.abs((rest - (duals - np.square(atoms) @ quadratic))[kept]).max() <= ROUNDOFF
    step = -(-(end - begin) // 64)
    chosen = np.flatnonzero(kept[::step]) * step
    for features, target in ((P, rest), (2 * P, duals)):
        matrix, right, centre = np.empty((2 * P, 2 * P)), np.empty(2 * P), np.empty(2 * P)
        normal_equations(h, columns, features, centre, matrix, right)
        centred = table[chosen, :features] - table[chosen, :features].mean(axis=0)
        expected = centred.T @ centred
        difference = np.tril(matrix[:features, :features] - expected, -1)
        assert np.abs(difference).max() <= ROUNDOFF * np.abs(expected).max()
        assert np.abs(right[:features] - centred.T @ (target[chosen] - target[chosen].mean())).max() <= ALGEBRA


def test_moves_on_the_market_keep_its_books():
    state, _ = _state(masses=(4, 2))
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
    _assert_masses_balance(state, supply, demand)
    withdraw(0, 5, 1, coupling)
    assert assigned(0, 5, coupling) == 0
    coupling.queued[0] = 0
    evict(5, int(demand[5]), -1, coupling)
    assert assigned(1, 5, coupling) == 0
    _assert_masses_balance(state, supply, demand)


def test_a_finish_alone_solves_from_any_feasible_duals():
    state, costs = _state()
    assert augment_all(0.5, 10, state, empty_paths(N, N)) > 0
    placed = np.array([[assigned(i, j, state.coupling) for j in range(N)] for i in range(N)])
    total = float((placed * costs).sum())
    values = (costs - state.columns.v).min(axis=1)
    assert abs(total - values.sum() - state.columns.v.sum()) <= ALGEBRA * total


def test_sweeps_are_sinkhorn_steps():
    rows, columns = np.divmod(np.arange(N * N, dtype=np.int32), N)
    costs = _costs(normals(KEY, 40, N, P), normals(KEY, 41, N, P))
    pairs = NearPairs(rows.astype(np.int32), columns.astype(np.int32), costs.ravel())
    v, ones = np.zeros(N), np.ones(N, dtype=np.int64)
    sinkhorn_sweeps(1.0, 3, pairs, ones, ones, v)
    scaling, weight = np.ones(N), np.exp(-(costs - costs.min(axis=1)[:, None]))
    for _ in range(3):
        scaling = np.clip(1.0 / (weight.T @ (1.0 / (weight @ scaling))), 1e-3, 1e3)
    assert np.abs(v - np.log(scaling)).max() <= ALGEBRA


def test_flat_clouds_are_turned_to_lie_along_the_axes():
    frame = np.linalg.qr(normals(KEY, 50, 4, 4))[0]
    flat = np.hstack([normals(KEY, 51, N, 2), np.zeros((N, 2))]) @ frame
    round_one = normals(KEY, 52, N, 4)
    axes = principal_axes(flat, round_one)
    assert axes is not None
    assert np.abs(axes @ axes.T - np.eye(4)).max() <= ROUNDOFF
    assert (np.sort((flat @ axes).std(axis=0))[:2] <= ALGEBRA**0.5).all()
    assert principal_axes(round_one, round_one) is None


def test_flat_clouds_askew_have_the_distance_of_those_along_the_axes():
    frame = np.linalg.qr(normals(KEY, 53, 4, 4))[0]
    n = sized(600, 210)
    a, b = normals(KEY, 54, n, 4) * [1.0, 1.0, 1e-3, 1e-3], normals(KEY, 55, n, 4) * [1.0, 0.5, 1e-3, 1e-3]
    assert abs(w2(a @ frame, b @ frame).w2_squared - w2(a, b).w2_squared) <= ALGEBRA


def _most_flow(tight: np.ndarray, supply: np.ndarray, demand: np.ndarray) -> int:
    """The most mass that fits along tight pairs, by a linear programme."""
    rows, columns = np.nonzero(tight)
    sums = np.zeros((supply.size + demand.size, rows.size))
    sums[rows, np.arange(rows.size)] = 1.0
    sums[supply.size + columns, np.arange(rows.size)] = 1.0
    found = linprog(-np.ones(rows.size), A_ub=sums, b_ub=np.concatenate([supply, demand]))
    return round(-found.fun)


def _tied_state(listed: int, masses: tuple[int, ...] = (3, 1, 2)) -> tuple[SolverState, np.ndarray]:
    """A problem on a grid, where many columns tie, and its costs."""
    x, y = np.round(normals(KEY, 70, N, 2)), np.round(normals(KEY, 71, N, 2))
    x = np.ascontiguousarray(x[kd_order(x)])
    columns, order = column_tree(y, None)
    fit_bounds(columns)
    units = np.resize(np.array(masses, dtype=np.int64), N)
    state = initial_state(x, columns, units, units[::-1].copy(), listed)
    search_all_lists(4, state)
    state.u[:] = _costs(x, y[order]).min(axis=1)
    return state, _costs(x, y[order])


def test_saturation_moves_all_mass_that_fits_along_tight_pairs():
    state, costs = _tied_state(listed=N)
    coupling = state.coupling
    supply, demand = coupling.excess.copy(), coupling.demand.copy()
    assert saturate(state, empty_paths(N, N).search)
    _assert_masses_balance(state, supply, demand)
    tight = costs <= costs.min(axis=1)[:, None]
    flows = np.array([[assigned(i, j, coupling) for j in range(N)] for i in range(N)])
    assert (flows[~tight] == 0).all()
    assert flows.sum() == _most_flow(tight, supply, demand)
    waiting = coupling.queue[: coupling.queued[0]]
    assert sorted(waiting) == list(np.flatnonzero(coupling.excess))
    _assert_lists_certify(state, costs)


def test_saturation_with_short_lists_keeps_to_tight_pairs_and_leaves_the_rest_waiting():
    state, costs = _tied_state(listed=1, masses=(2, 1))
    supply, demand = state.coupling.excess.copy(), state.coupling.demand.copy()
    assert saturate(state, empty_paths(N, N).search)
    _assert_masses_balance(state, supply, demand)
    flows = np.array([[assigned(i, j, state.coupling) for j in range(N)] for i in range(N)])
    assert (flows[costs > costs.min(axis=1)[:, None]] == 0).all()
    assert 0 < flows.sum() <= _most_flow(costs <= costs.min(axis=1)[:, None], supply, demand)


def test_saturation_tells_when_the_cells_run_out():
    state, _ = _tied_state(listed=N)
    state.coupling.spare[0] = -1
    assert not saturate(state, empty_paths(N, N).search)
