"""The exact solver: its kernels against brute force, its values against a dense solver, its certificate always."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import symmetrised_atoms, w2
from mfsym.transport.atoms import as_cloud
from mfsym.transport.exact import solve_by_auction
from mfsym.transport.kernels.auction import auction, withdraw_violations
from mfsym.transport.kernels.augmenting_paths import dijkstra, set_roots
from mfsym.transport.kernels.candidate_lists import search_all_lists, values_and_scales
from mfsym.transport.kernels.couplings import assigned
from mfsym.transport.kernels.dual_fits import fit_bounds
from mfsym.transport.kernels.kd_tree import NodeRanges, bound_leaves, bound_parents, fill_leaves, index_of, tree_order
from mfsym.transport.kernels.neighbour_search import c_transform
from mfsym.transport.packs import (
    LEAF_SIZE,
    column_tree,
    empty_paths,
    initial_state,
    kd_order,
    leaf_counts,
    search_buffers,
)
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF

N = sized(300, 24)
KEY = stream_key(7, "teacher")


def _costs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.square(x[:, None, :] - y[None, :, :]).sum(axis=2)


def _state(p: int = 3):
    x, y = normals(KEY, 1, N, p), normals(KEY, 2, N, p)
    x = np.ascontiguousarray(x[kd_order(x)])
    columns, order = column_tree(y, None)
    columns.v[:] = -uniforms(KEY, 3, N, 1)[:, 0]
    fit_bounds(columns)
    ones = np.ones(N, dtype=np.int64)
    return x, y[order], initial_state(x, columns, ones, ones.copy(), 20)


@pytest.mark.parametrize("p", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 15, 17, 130, N, 1100])
def test_a_tree_holds_every_atom_once_in_leaves_of_even_size_and_boxes_hold_their_atoms(n, p):
    columns, order = column_tree(normals(KEY, 4, n, p), None)
    assert sorted(order) == list(range(n))
    points = normals(KEY, 4, n, p)[order]
    flat = columns.points.reshape(-1, p, 8).transpose(0, 2, 1).reshape(-1, p)
    assigned = columns.column >= 0
    assert sorted(columns.column[assigned]) == list(range(n))
    assert np.array_equal(flat[assigned], points[columns.column[assigned]])
    assert np.array_equal(columns.column[columns.place[:, 0]], np.arange(n))
    low, high = (box.reshape(-1, p, 8).transpose(0, 2, 1).reshape(-1, p) for box in (columns.low, columns.high))
    leaves = columns.atoms[columns.first - 1 :]
    assert leaves[leaves > 0].max() <= leaves[leaves > 0].min() + 1 <= LEAF_SIZE + 1
    for h in np.flatnonzero(columns.atoms):
        below = slice(columns.begin[h], columns.end[h])
        assert assigned[below].sum() == columns.atoms[h]
        assert (flat[below] >= low[h]).all()
        assert (flat[below] <= high[h]).all()


def test_a_tree_is_cut_as_often_as_it_has_leaves_each_time_at_the_middle_of_its_longest_side():
    """Slow twin: the same cuts by sorting."""
    points = normals(KEY, 5, 200, 3)
    leaves, top = leaf_counts(200)

    def cut(atoms: np.ndarray, first: int, last: int) -> list[set[int]]:
        if last - first == 1:
            return [set(atoms)]
        half = (last - first + top) // top // 2 * top if last - first > top else (last - first) // 2
        count = (first + half) * 200 // leaves - first * 200 // leaves
        axis = np.argmax(np.ptp(points[atoms], axis=0))
        atoms = atoms[np.argsort(points[atoms, axis])]
        return cut(atoms[:count], first, first + half) + cut(atoms[count:], first + half, last)

    order = tree_order(points, leaves, top)
    edges = np.arange(leaves + 1) * 200 // leaves
    assert [set(order[a:b]) for a, b in itertools.pairwise(edges)] == cut(np.arange(200), 0, leaves)


def test_leaves_are_filled_up_with_copies_and_boxes_are_those_of_their_atoms():
    points, room, leaves = normals(KEY, 6, 20, 2), 8, 3
    flat, owner = np.zeros(leaves * room * 2), np.zeros(leaves * room, dtype=np.int32)
    fill_leaves(points, np.arange(20)[::-1].copy(), leaves, room, flat, owner)
    assert list(owner[:8]) == [19, 18, 17, 16, 15, 14, -1, -1]
    places = flat.reshape(-1, 2, 8).transpose(0, 2, 1).reshape(-1, 2)
    assert np.array_equal(places[6:8], points[[19, 19]])
    span = NodeRanges(np.zeros(16, dtype=np.int64), np.zeros(16, dtype=np.int64), np.zeros(16, dtype=np.int32))
    low, high = np.zeros(32), np.zeros(32)
    bound_leaves(flat, owner, 9, room, span, low, high)
    bound_parents(9, span, low, high)
    assert list(span.atoms) == [20, *[0] * 7, 6, 7, 7, *[0] * 5]
    assert (span.begin[0], span.end[0]) == (0, 24)
    for h, inside in ((0, points), (8, points[14:]), (10, points[:7])):
        assert [low[index_of(h, axis, 2)] for axis in range(2)] == list(inside.min(axis=0))
        assert [high[index_of(h, axis, 2)] for axis in range(2)] == list(inside.max(axis=0))


def test_the_children_of_a_node_share_its_atoms():
    columns, _ = column_tree(normals(KEY, 4, 1100, 3), None)
    for h in range(1, columns.first):
        children = slice(8 * h, 8 * h + 8)
        assert columns.atoms[h - 1] == columns.atoms[children].sum()
        assert columns.visible[h - 1] == (columns.atoms[children] > 0).sum()
        if columns.atoms[h - 1] > 0:
            assert columns.end[h - 1] == columns.end[children].max()


def test_bounds_on_the_duals_hold_for_every_atom_of_every_node():
    _, _, state = _state()
    columns, p = state.columns, 3
    flat = columns.points.reshape(-1, p, 8).transpose(0, 2, 1).reshape(-1, p)
    for h in np.flatnonzero(columns.atoms):
        quadratic, linear = (
            [each[index_of(h, axis, p)] for axis in range(p)] for each in (columns.quadratic, columns.linear)
        )
        for t in range(columns.begin[h], columns.end[h]):
            if columns.column[t] >= 0:
                v = columns.v[columns.column[t]]
                assert columns.dual[t] == v
                assert v <= (np.array(quadratic) * flat[t] + linear) @ flat[t] + columns.constant[h] + ROUNDOFF


def test_the_c_transform_is_a_minimum_over_all_columns():
    x, y, state = _state()
    u = np.full(N, np.inf)
    c_transform(x, state.columns, search_buffers(1), u)
    expected = (_costs(x, y) - state.columns.v).min(axis=1)
    assert np.abs(u - expected).max() < ALGEBRA


def test_lists_hold_the_cheapest_columns_and_certify_the_others():
    x, y, state = _state()
    search_all_lists(5, state)
    values = _costs(x, y) - state.columns.v
    lists = state.lists
    for i in range(N):
        listed = lists.column[lists.start[i] : lists.start[i] + lists.size[i]]
        assert set(listed) == set(np.argsort(values[i])[:5])
        others = np.delete(values[i], listed)
        assert (others >= lists.tau[i] - ROUNDOFF).all()


def test_an_auction_lowers_duals_and_places_rows_within_epsilon_of_their_best():
    x, y, state = _state()
    search_all_lists(20, state)
    before = state.columns.v.copy()
    epsilon = 0.05
    bids = auction(epsilon, 20, 50 * N, state)
    assert bids >= N
    assert (state.columns.v <= before).all()
    values = _costs(x, y) - state.columns.v
    placed = 0
    for i in range(N):
        for j in range(N):
            if assigned(i, j, state.coupling):
                placed += 1
                assert values[i, j] <= values[i].min() + epsilon + ALGEBRA
    assert placed + int(state.coupling.queued[0]) == N


def test_rows_dearer_than_epsilon_are_released_and_the_others_stay():
    x, y, state = _state()
    search_all_lists(20, state)
    auction(0.5, 20, 50 * N, state)
    values = _costs(x, y) - state.columns.v
    before = [(i, j) for i in range(N) for j in range(N) if assigned(i, j, state.coupling)]
    withdraw_violations(0.05, 20, state)
    after = {(i, j) for i, j in before if assigned(i, j, state.coupling)}
    dear = {(i, j) for i, j in before if values[i, j] > values[i].min() + 0.05 + ALGEBRA}
    assert dear
    assert not after & dear
    assert all((i, j) in after for i, j in before if values[i, j] < values[i].min() + 0.05 - ALGEBRA)


def test_spans_are_the_best_value_and_the_distance_to_a_later_one():
    x, y, state = _state()
    search_all_lists(20, state)
    u, span = np.empty(N), np.empty(N)
    values_and_scales(4, state, u, span)
    values = np.sort(_costs(x, y) - state.columns.v, axis=1)
    assert np.abs(u - values[:, 0]).max() < ALGEBRA
    assert np.abs(span - (values[:, 4] - values[:, 0])).max() < ALGEBRA


def test_a_forest_meets_free_mass_no_later_than_the_dearest_row_does():
    x, y, state = _state()
    search_all_lists(20, state)
    paths = empty_paths(N, N)
    set_roots(1, 4, state, paths)
    met = dijkstra(1, state, paths)
    assert met <= (_costs(x, y) - state.columns.v).min(axis=1).max() + ALGEBRA


FAMILIES = {
    "independent": lambda p: (normals(KEY, 10, N, p), normals(KEY, 11, N, p)),
    "ties": lambda p: (np.round(normals(KEY, 12, N, p)), np.round(normals(KEY, 13, N, p))),
    "equal": lambda p: (np.ones((N, p)), np.ones((N, p))),
    "collinear": lambda p: (normals(KEY, 14, N, 1) * np.ones(p), normals(KEY, 15, N, 1) * np.ones(p)),
    "far apart": lambda p: (normals(KEY, 16, N, p), normals(KEY, 17, N, p) + 1e4),
    "tiny": lambda p: (1e-8 * normals(KEY, 18, N, p), 1e-8 * normals(KEY, 19, N, p)),
    "huge": lambda p: (1e8 * normals(KEY, 20, N, p), 1e8 * normals(KEY, 21, N, p)),
    "concentrated": lambda p: (
        np.hstack([normals(KEY, 22, N, 2), 1e-4 * normals(KEY, 23, N, p - 2)]),
        np.hstack([normals(KEY, 24, N, 2), 1e-4 * normals(KEY, 25, N, p - 2)]),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("p", [4])
def test_the_solver_agrees_with_a_dense_assignment(family, p):
    a, b = FAMILIES[family](p)
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    cost = _costs(a, b)
    rows, columns = linear_sum_assignment(cost)
    optimum = cost[rows, columns].mean()
    scale = np.square(a).sum(axis=1).max() + np.square(b).sum(axis=1).max()
    assert abs(result.w2_squared - optimum) <= ALGEBRA * optimum + ROUNDOFF * scale
    assert result.lower_bound <= result.w2_squared


def test_a_worse_matching_is_seen():
    a, b = FAMILIES["independent"](4)
    worse = _costs(a, b)[np.arange(N), np.arange(N)].mean()
    assert worse > solve_by_auction(as_cloud(a), as_cloud(b)).w2_squared * (1 + ALGEBRA)


@pytest.mark.parametrize("counts", [(1, 1), (1, 7), (12, 18), (40, 25)])
def test_unequal_counts_agree_with_the_network_simplex(counts):
    a, b = normals(KEY, 30, counts[0], 3), normals(KEY, 31, counts[1], 3)
    ours = solve_by_auction(as_cloud(a), as_cloud(b)).w2_squared
    assert abs(ours - w2(a, b, method="emd").w2_squared) <= ALGEBRA * ours


def _symmetric_but_for_rounding(seed, scale):
    """A cloud near the fixed space of x -> x reversed, as single precision leaves it, and its symmetrised atoms."""
    n = sized(500, 20)
    z = scale * normals(stream_key(seed, "data"), 0, n, 4)
    z = (z + z[:, ::-1]) / 2 + 2.0**-23 * np.round(0.6 * normals(stream_key(seed, "data"), 1, n, 4))
    return z, symmetrised_atoms(z, np.array([np.eye(4), np.eye(4)[::-1]]))


@pytest.mark.parametrize(("seed", "scale"), [(14, 3.0), (27, 1.0)])
def test_clouds_that_differ_by_rounding_are_matched_wholly(seed, scale):
    """Their distance is about as large as the rounding of its proof: no gap is small enough for it."""
    a, b = _symmetric_but_for_rounding(seed, scale)
    result = w2(a, b, method="auction")
    assert result.plan.mass.sum() == pytest.approx(1.0, abs=ROUNDOFF)
    assert abs(result.w2_squared - w2(a, b, method="emd").w2_squared) <= ROUNDOFF * np.square(a).sum(axis=1).mean()


def test_clouds_whose_nearest_atoms_pair_up_are_solved_by_zero_duals():
    """And not where two rows share their nearest column: then duals must fall."""
    a = normals(KEY, 90, N, 3)
    b = a[::-1] + 1e-9 * normals(KEY, 91, N, 3)
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    assert np.array_equal(result.plan.columns[np.argsort(result.plan.rows)], np.arange(N)[::-1])
    assert (result.potentials[1] == 0.0).all()
    assert result.relative_gap == 0.0
    assert result.iterations == N
    b[0] = a[0] + 1e-9
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    assert (result.potentials[1] < 0.0).any()
    assert result.relative_gap <= ROUNDOFF
