"""Certificates: weights as given, far atoms, ranges of squares, and a plan for other weights."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mfsym.errors import MfsymError, TransportFailed
from mfsym.groups import cyclic
from mfsym.metrics import rmd2_symmetrised
from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import Plan, W2Result, distance_to_wi, quotient_w2, symmetrised_atoms, w2, w2_to_symmetrised
from mfsym.transport.atoms import as_cloud
from mfsym.transport.certificates import COINCIDE, NEAR, Candidate, certified, least_potentials, marginal_errors
from mfsym.transport.dense import squared_distances
from tests.rational_transport import exact_costs, exact_w2
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA, ROUNDOFF

KEY = stream_key(41, "teacher")

EXACT = ("auto", "auction", "emd", "rational")

FAR = (1e3, 1e7, 1e8, 1e16, 9.97e36)


def _two_clusters(far: float) -> tuple[np.ndarray, np.ndarray]:
    """4 and 6 atoms, half of each at one far point."""
    a = np.array([[far, 0.0], [far, 0.0], [-0.5, 0.4], [1.3, 0.9]])
    b = np.array([[far, 0.0], [far, 0.0], [far, 0.0], [-1.2, -0.7], [-0.5, -0.3], [0.4, 1.0]])
    return a, b


def _assert_proved(result: W2Result, expected: float) -> None:
    assert abs(result.w2_squared - expected) <= ROUNDOFF * expected
    assert 0.0 <= result.lower_bound <= result.w2_squared
    assert result.relative_gap <= 1e-9


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("far", FAR)
def test_far_atoms_of_both_clouds_hide_nothing(far, method):
    a, b = _two_clusters(far)
    expected = float(exact_w2(exact_costs(a, b), None, None))
    assert abs(expected - 0.850833333333333) <= ALGEBRA
    for first, second in ((a, b), (b, a)):
        _assert_proved(w2(first, second, method=method), expected)
    _assert_proved(w2(np.repeat(a, 3, axis=0), np.repeat(b, 2, axis=0)), expected)


@pytest.mark.parametrize("far", FAR)
def test_far_atoms_of_hundreds_hide_nothing(far):
    n, m = sized((120, 180), (8, 12))
    a, b = normals(KEY, 1, n, 2), normals(KEY, 2, m, 2)
    near = w2(a[n // 4 :], b[m // 4 :]).w2_squared
    a[: n // 4], b[: m // 4] = far, far
    _assert_proved(w2(a, b), 0.75 * near)


@pytest.mark.parametrize("light", [1e-12, 1e-13, 1e-15, 1e-18])
@pytest.mark.parametrize("method", ["auto", "emd"])
def test_light_weights_count_for_what_they_are(light, method):
    n, m = sized((400, 300), (8, 6))
    a, weights = np.zeros((n, 2)), np.full(n, (1.0 - light) / (n - 1))
    a[0, 0], weights[0] = 1e6, light
    _assert_proved(w2(a, np.zeros((m, 2)), weights_a=weights, method=method), light * 1e12)


def test_our_solver_bounds_the_rounding_of_its_units():
    """In units of 2^-62 a weight of 1e-15 is accurate enough for the masses to be corrected."""
    a, b, light = np.zeros((40, 2)), np.zeros((30, 2)), 1e-15
    a[0, 0] = 1e6
    weights = np.append(light, np.full(39, (1.0 - light) / 39))
    _assert_proved(w2(a, b, weights_a=weights, method="auction"), light * 1e12)


def test_light_and_far_atoms_on_the_line():
    """Sums of weights in float64 would lose 1e-18 beside 1."""
    a, b = np.array([0.0, 1.0, 1e37]), np.array([0.5, 1.0])
    weights = np.array([1.0, 2.0, 1e-18])
    result = w2(a, b, weights_a=weights, weights_b=[1.0, 2.0])
    assert result.method == "sort"
    _assert_proved(result, float(exact_w2(exact_costs(a[:, None], b[:, None]), weights, np.array([1.0, 2.0]))))


def test_atoms_without_weight_change_nothing_however_far():
    a, b = normals(KEY, 3, 20, 2), normals(KEY, 4, 30, 2)
    weights = uniforms(KEY, 5, 20, 1)[:, 0] + 0.1
    far = np.vstack([a, [[-1e30, 9.97e36]]])
    for method in ("auto", "auction", "emd"):
        _assert_proved(
            w2(far, b, weights_a=np.append(weights, 0.0), method=method), w2(a, b, weights_a=weights).w2_squared
        )


@pytest.mark.parametrize("n", [2, 400, 700])
@pytest.mark.parametrize("method", ["auto", "auction", "emd", "sinkhorn"])
def test_squares_that_overflow_or_vanish_are_refused_at_once(n, method):
    z = normals(KEY, 6, n, 2)
    for scale, words in ((1e160, "scale the clouds down"), (1e-170, "scale the clouds up")):
        started = time.perf_counter()
        with pytest.raises(TransportFailed, match=words):
            w2(scale * z, scale * (z[:, ::-1] + 0.1), method=method)
        assert time.perf_counter() - started <= 2.0
    with pytest.raises(TransportFailed, match="scale the clouds down"):
        quotient_w2(1e160 * z, z, cyclic(2).permutation().matrices)


def test_differences_that_vanish_beside_far_atoms_are_refused():
    a, b = np.array([[1.0, 0.0], [1e-170, 0.0]]), np.array([[1.0, 0.0], [0.0, 1e-170]])
    with pytest.raises(TransportFailed, match="scale the clouds up"):
        w2(a, b)
    assert w2(a, a[::-1]).w2_squared == 0.0


def test_clouds_that_differ_by_rounding_are_proved_or_zero():
    """The one exception to the relative gap: all coupled atoms coincide."""
    z = normals(KEY, 7, sized(300, 12), 4)
    for noise in (1e-7, 1e-10, 1e-16):
        b = (z + noise * normals(KEY, 8, len(z), 4))[::-1]
        result = w2(z, b)
        gap = result.w2_squared - result.lower_bound
        x, y = z[result.plan.rows], b[result.plan.columns]
        zero = (np.square(x - y).sum(axis=1) <= COINCIDE * np.square(x).sum(axis=1)).all()
        assert gap <= 1e-9 * result.w2_squared or (noise == 1e-16 and zero)


def test_least_potentials_are_shortest_paths_and_refuse_a_plan_that_is_not_optimal():
    """Twin: the Bellman-Ford equations hold, and are tight along some step for every dual below 0."""
    n = 12
    a, b = normals(KEY, 9, n, 2), normals(KEY, 10, n, 2)
    cost = squared_distances(a, b)
    plan = w2(a, b).plan
    u, v = least_potentials(cost, plan)
    partner = plan.matching
    steps = cost - cost[np.arange(n), partner][:, None] + v[partner][:, None]
    steps[np.arange(n), partner] = np.inf
    assert np.abs(np.minimum(steps.min(axis=0), 0.0) - v).max() <= ROUNDOFF
    assert np.abs((cost - v).min(axis=1) - u).max() <= ROUNDOFF
    assert least_potentials(cost, Plan(plan.rows, np.roll(plan.columns, 1), plan.mass)) is None


def test_marginal_errors_bound_the_cost_of_their_correction():
    """For plans of other weights: the value for the right ones lies within the bounds on both sides."""
    for step in range(sized(20, 3)):
        n, m = 7, 9
        a, b = normals(KEY, 100 + step, n, 2), normals(KEY, 200 + step, m, 2)
        right = uniforms(KEY, 300 + step, n, 1)[:, 0] + 0.2
        wrong = right * (1.0 + 0.05 * normals(KEY, 400 + step, n, 1)[:, 0])
        found, truth = w2(a, b, weights_a=wrong), w2(a, b, weights_a=right).w2_squared
        pairs = np.square(a[found.plan.rows] - b[found.plan.columns]).sum(axis=1)
        coupling = Candidate("by hand", found.plan, pairs, 0.0 * pairs, found.potentials, 0.0, False)
        excess, loss = marginal_errors(coupling, as_cloud(a, right), as_cloud(b))
        assert found.w2_squared - loss <= truth <= found.w2_squared + excess


@compiled
def test_images_of_far_atoms_that_rounding_moves_are_refused():
    """Rotated by 72 degrees, 1e30 is accurate to 1e14 only; integer arithmetic is exact, for small problems."""
    rotations = cyclic(5).vector()
    turns, n = rotations.matrices, 400
    a, b = normals(KEY, 19, n, 2), normals(KEY, 20, n, 2)
    a[: n // 4], b[: n // 4] = [[1e30, 0.0]], [[1e30, 0.0]] @ turns[1].T
    closed = np.vstack([symmetrised_atoms([[1e30, 1e29]], turns), a[n // 4 :]])
    for call in (
        lambda: quotient_w2(a, b, turns),
        lambda: w2_to_symmetrised(closed, turns),
        lambda: distance_to_wi(closed, turns),
        lambda: rmd2_symmetrised(closed, rotations),
    ):
        with pytest.raises(TransportFailed, match="far from all others"):
            call()
    some = slice(n // 4 - 10, n // 4 + 10)
    few = quotient_w2(a[some], b[some], turns)
    assert few.method == "rational"
    _assert_proved(few, float(exact_w2(exact_costs(a[some], b[some], turns), None, None)))
    near = normals(KEY, 21, n, 2)
    assert quotient_w2(near, near @ turns[2].T, turns).w2_squared <= ROUNDOFF**2


def test_clouds_that_differ_by_rounding_in_single_precision_have_bounds_that_may_stand_apart():
    """Such as trainings that coincide: their potentials have rounding errors as large as W2^2."""
    n = sized(1500, 40)
    a = normals(KEY, 25, n, 4).astype(np.float32).astype(float)
    a[:, 2:] = a[:, 1::-1] * (1.0 + 1e-8 * normals(KEY, 26, n, 2))
    images = symmetrised_atoms(a, np.stack([np.eye(4), np.eye(4)[[3, 2, 1, 0]]]))
    found = w2(a, images)
    assert 0.0 <= found.lower_bound <= found.w2_squared <= NEAR * np.square(a).sum(axis=1).mean()
    far = np.concatenate([a, a[: n // 8] + 1e18])
    with pytest.raises(TransportFailed, match="must agree"):
        certified(_apart(far), as_cloud(far), as_cloud(far))


def _apart(z):
    """A coupling of z with itself, shifted by one row, and potentials whose bound is far from its cost."""
    pairs = np.arange(len(z)), np.roll(np.arange(len(z)), 1)
    cost = np.square(z[pairs[0]] - z[pairs[1]]).sum(axis=1)
    plan = Plan(*pairs, np.full(len(z), 1.0 / len(z)))
    return Candidate("by hand", plan, cost, cost, (0.0 * cost, 0.0 * cost), 0.0, True)


def test_our_solver_ends_where_hundreds_of_columns_tie_in_rounding():
    """Far atoms see all near ones at one distance; a search that found as many as it can used to find them again."""
    n = sized(400, 12)
    a = normals(KEY, 19, n, 2)
    a[: n // 4] = [[1e30, 0.0]]
    images = symmetrised_atoms(a, cyclic(5).vector().matrices)
    rotated, by_way_of_the_middle = 2.0 - 2.0 * np.cos(2.0 * np.pi / 5.0), 2.0
    _assert_proved(w2(a, images), 1e60 * 0.25 * (2.0 * rotated + 2.0 * by_way_of_the_middle) / 5.0)


def test_a_plan_for_other_weights_is_not_accepted():
    """The negative control: the same plan and potentials, other weights, and masses that cannot be corrected."""
    a, b = normals(KEY, 22, 20, 2), normals(KEY, 23, 20, 2)
    found = w2(a, b)
    cost = squared_distances(a, b)
    pairs = cost[found.plan.rows, found.plan.columns]
    coupling = Candidate("by hand", found.plan, pairs, 0.0 * pairs, found.potentials, 0.0, False)
    assert certified(coupling, as_cloud(a), as_cloud(b)).relative_gap <= 1e-9
    with pytest.raises(MfsymError, match="must agree"):
        certified(coupling, as_cloud(a, uniforms(KEY, 24, 20, 1)[:, 0] + 1.0), as_cloud(b), lambda: cost)
