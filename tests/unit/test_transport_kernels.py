"""The solver's invariants and its smaller kernels against slow twins."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from mfsym.kernels.ot_auction import auction, release
from mfsym.kernels.ot_bounds import highest, node_bound, tighten
from mfsym.kernels.ot_forest import finish, forget, grow, harvest, plant
from mfsym.kernels.ot_heap import Heap, clear, pop, push
from mfsym.kernels.ot_lists import renew_all
from mfsym.kernels.ot_market import evict, give, held, take
from mfsym.kernels.ot_problem import Problem
from mfsym.kernels.ot_scaling import Pairs, sweep
from mfsym.kernels.ot_search import nearest
from mfsym.kernels.ot_slopes import feature, fit_bounds, frame_of_box, normal_equations, rest_of_dual, solve_in_place
from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import w2
from mfsym.transport.packs import columns_of, forest_of, found_of, order_of, problem_of
from mfsym.transport.turns import flat_axes
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF

N = sized(100, 20)
KEY = stream_key(13, "teacher")
P = 3


def _costs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.square(x[:, None, :] - y[None, :, :]).sum(axis=2)


def _problem(matrices: np.ndarray | None = None, masses: tuple[int, ...] = (1,)) -> tuple[Problem, np.ndarray]:
    """A problem with rough duals and all lists searched, and its costs (N, M)."""
    x, y = normals(KEY, 1, N, P), normals(KEY, 2, N, P)
    x = np.ascontiguousarray(x[order_of(x)])
    columns, order = columns_of(y, matrices)
    columns.v[:] = -uniforms(KEY, 3, N, 1)[:, 0]
    fit_bounds(columns)
    units = np.resize(np.array(masses, dtype=np.int64), N)
    problem = problem_of(x, columns, units, units[::-1].copy(), 10)
    renew_all(10, problem)
    group = np.eye(P)[None] if matrices is None else matrices
    return problem, np.min([_costs(x, y[order] @ m.T) for m in group], axis=0)


def _assert_lists_certify(problem: Problem, costs: np.ndarray) -> None:
    values, lists = costs - problem.columns.v, problem.lists
    for i in range(N):
        listed = lists.column[lists.start[i] : lists.start[i] + lists.size[i]]
        others = np.delete(values[i], listed)
        assert others.size == 0 or others.min() >= lists.tau[i] - ROUNDOFF


def _assert_masses_balance(problem: Problem, supply: np.ndarray, demand: np.ndarray) -> None:
    flows = np.array([[held(i, j, problem.market) for j in range(N)] for i in range(N)])
    assert np.array_equal(flows.sum(axis=1) + problem.market.deficit, supply)
    assert np.array_equal(flows.sum(axis=0) + problem.market.free, demand)


@pytest.mark.parametrize("masses", [(1,), (3, 1, 2)])
def test_duals_only_decrease_and_lists_stay_certificates(masses):
    """The invariant of the whole solver, after every phase, for whole and for split masses."""
    problem, costs = _problem(masses=masses)
    supply, demand = problem.market.deficit.copy(), problem.market.demand
    before = problem.columns.v.copy()

    def check() -> None:
        assert (problem.columns.v <= before).all()
        before[:] = problem.columns.v
        _assert_lists_certify(problem, costs)
        _assert_masses_balance(problem, supply, demand)

    for epsilon in (0.3, 0.05, 0.0):
        release(epsilon, 10, problem)
        check()
        auction(epsilon, 10, epsilon > 0.1, 20 * N, problem)
        check()
    release(0.0, 10, problem)
    forest = forest_of(N, N)
    while problem.market.top[0] > 0:
        plant(10, problem, forest)
        last = grow(1, problem, forest)
        assert harvest(last, problem, forest)
        forget(forest)
        assert (problem.columns.v <= before).all()
    check()
    values = costs - problem.columns.v
    rows, columns = np.nonzero(np.array([[held(i, j, problem.market) for j in range(N)] for i in range(N)]))
    assert (values[rows, columns] - values.min(axis=1)[rows]).max() <= ALGEBRA


def test_without_the_invariant_lists_certify_nothing():
    """Negative control: raise one dual, and some list misses its cheapest column."""
    problem, costs = _problem()
    problem.columns.v[0] += 100.0
    with pytest.raises(AssertionError):
        _assert_lists_certify(problem, costs)


@pytest.mark.parametrize("group", [None, np.array([np.eye(P), -np.eye(P)])])
def test_a_search_finds_the_smallest_values_in_order(group):
    problem, costs = _problem(group)
    found, values = found_of(12), costs - problem.columns.v
    for i in range(0, N, 7):
        count = nearest(problem.x[i], problem.columns, 12, np.inf, found)
        assert count == 12
        assert np.abs(found.value - np.sort(values[i])[:12]).max() <= ROUNDOFF
        assert np.array_equal(found.column, np.argsort(values[i])[:12])
        cutoff = found.value[4]
        assert nearest(problem.x[i], problem.columns, 12, cutoff, found) == 5


def test_bounds_of_nodes_hold_for_every_atom_and_tightening_keeps_them():
    problem, _ = _problem()
    columns = problem.columns
    atoms = columns.points.reshape(-1, P, 8).transpose(0, 2, 1).reshape(-1, P)
    for j in range(0, N, 5):
        columns.v[j] -= 0.1 * (j % 7)
        tighten(j, columns)
    for i in range(0, N, 11):
        for h in range(columns.start.size):
            inside = slice(columns.start[h], columns.stop[h])
            if columns.stop[h] > columns.start[h]:
                values = _costs(problem.x[i : i + 1], atoms[inside])[0] - columns.v[columns.column[inside]]
                assert node_bound(problem.x[i], columns, h) <= values.min() + ROUNDOFF


@pytest.mark.parametrize(("curve", "slope"), [(1.0, -2.0), (-1.0, 0.4), (-2.0, 9.0), (0.0, 1.0)])
def test_the_highest_value_of_a_quadratic_on_an_interval(curve, slope):
    y = np.linspace(-1.0, 2.0, 30001)
    assert highest(curve, slope, -1.0, 2.0) == pytest.approx(((curve * y + slope) * y).max(), abs=ALGEBRA**0.5)


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
    """On the root, whose fit looks at every second atom or fewer: the same as a dense solution."""
    problem, _ = _problem()
    columns = problem.columns
    atoms = columns.points.reshape(-1, P, 8).transpose(0, 2, 1).reshape(-1, P)[:N]
    duals = columns.v[columns.column[:N]]
    middle, width = np.array([frame_of_box(0, axis, columns) for axis in range(P)]).T
    scaled = (atoms - middle) / width
    table = np.hstack([scaled, scaled**2])
    assert np.abs([[feature(t, a, 0, columns) for a in range(2 * P)] for t in range(N)] - table).max() <= ROUNDOFF
    rest = [rest_of_dual(t, P, 0, columns) for t in range(N)]
    assert np.abs(rest - (duals - np.square(atoms) @ columns.curve[0])).max() <= ROUNDOFF
    step = -(-N // 64)
    features = 2 * P if N >= 4 * (2 * P + 1) else P
    matrix, right, centre = np.empty((2 * P, 2 * P)), np.empty(2 * P), np.empty(2 * P)
    normal_equations(0, columns, features, centre, matrix, right)
    chosen = table[::step, :features]
    target = duals[::step] if features > P else np.array(rest)[::step]
    centred = chosen - chosen.mean(axis=0)
    expected = centred.T @ centred
    assert np.abs(np.tril(matrix[:features, :features] - expected, -1)).max() <= ROUNDOFF * np.abs(expected).max()
    assert np.abs(right[:features] - centred.T @ (target - target.mean())).max() <= ALGEBRA


def test_moves_on_the_market_keep_its_books():
    problem, _ = _problem(masses=(4, 2))
    market = problem.market
    supply, demand = market.deficit.copy(), market.demand
    assert give(0, 5, 1, 0.0, market)
    assert give(1, 5, 1, 0.0, market)
    assert give(0, 6, 2, 0.0, market)
    assert [held(0, 5, market), held(1, 5, market), held(0, 6, market), held(1, 6, market)] == [1, 1, 2, 0]
    _assert_masses_balance(problem, supply, demand)
    take(0, 5, 1, market)
    assert held(0, 5, market) == 0
    market.top[0] = 0
    evict(5, int(demand[5]), -1, market)
    assert held(1, 5, market) == 0
    _assert_masses_balance(problem, supply, demand)


def test_a_finish_alone_solves_from_any_feasible_duals():
    problem, costs = _problem()
    assert finish(0.5, 10, problem, forest_of(N, N)) > 0
    placed = np.array([[held(i, j, problem.market) for j in range(N)] for i in range(N)])
    total = float((placed * costs).sum())
    values = (costs - problem.columns.v).min(axis=1)
    assert abs(total - values.sum() - problem.columns.v.sum()) <= ALGEBRA * total


def test_sweeps_are_sinkhorn_steps():
    rows, columns = np.divmod(np.arange(N * N, dtype=np.int32), N)
    costs = _costs(normals(KEY, 40, N, P), normals(KEY, 41, N, P))
    pairs = Pairs(rows.astype(np.int32), columns.astype(np.int32), costs.ravel())
    v, ones = np.zeros(N), np.ones(N, dtype=np.int64)
    sweep(1.0, 3, pairs, ones, ones, v)
    scaling, weight = np.ones(N), np.exp(-(costs - costs.min(axis=1)[:, None]))
    for _ in range(3):
        scaling = np.clip(1.0 / (weight.T @ (1.0 / (weight @ scaling))), 1e-3, 1e3)
    assert np.abs(v - np.log(scaling)).max() <= ALGEBRA


def test_flat_clouds_are_turned_to_lie_along_the_axes():
    frame = np.linalg.qr(normals(KEY, 50, 4, 4))[0]
    flat = np.hstack([normals(KEY, 51, N, 2), np.zeros((N, 2))]) @ frame
    round_one = normals(KEY, 52, N, 4)
    axes = flat_axes(flat, round_one)
    assert axes is not None
    assert np.abs(axes @ axes.T - np.eye(4)).max() <= ROUNDOFF
    assert (np.sort((flat @ axes).std(axis=0))[:2] <= ALGEBRA**0.5).all()
    assert flat_axes(round_one, round_one) is None


def test_flat_clouds_askew_have_the_distance_of_those_along_the_axes():
    frame = np.linalg.qr(normals(KEY, 53, 4, 4))[0]
    n = sized(600, 210)
    a, b = normals(KEY, 54, n, 4) * [1.0, 1.0, 1e-3, 1e-3], normals(KEY, 55, n, 4) * [1.0, 0.5, 1e-3, 1e-3]
    assert abs(w2(a @ frame, b @ frame).w2_squared - w2(a, b).w2_squared) <= ALGEBRA
