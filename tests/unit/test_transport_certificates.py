"""The proof around a plan: weights as given, far atoms, ranges of squares, and the parts that it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mfsym.errors import MfsymError, TransportFailed
from mfsym.groups import cyclic, signed_permutations
from mfsym.metrics import rmd2_symmetrised
from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import Plan, W2Result, distance_to_wi, quotient_w2, symmetrised_atoms, w2, w2_to_symmetrised
from mfsym.transport.atoms import as_cloud
from mfsym.transport.axes import principal_axes, rounding_of_rotation
from mfsym.transport.certificates import COINCIDE, Candidate, certified, least_potentials, marginal_errors
from mfsym.transport.chambers import folded
from mfsym.transport.dense import squared_distances
from mfsym.transport.exact import solve_by_auction
from mfsym.transport.initialisers import rebuild_lists
from mfsym.transport.kernels.augmenting_paths import augment_all
from mfsym.transport.packs import column_tree, empty_paths, initial_state
from mfsym.transport.rationals import PAIRS, as_integers, integer_costs, integer_masses, scaled
from mfsym.transport.repairs import exact_masses, in_units
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


def test_the_own_solver_bounds_what_its_units_round():
    """Units of 2^-62 know 1e-15 of 1 well enough for the masses to be mended, and 1e-18 as a fifth too much."""
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


def test_least_potentials_are_shortest_ways_and_know_a_plan_that_is_not_optimal():
    """Twin: Bellman and Ford's equations hold, and are tight along some step for every dual below 0."""
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


def test_what_marginals_miss_is_no_less_than_what_their_repair_costs():
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


def test_masses_are_given_the_ratios_of_the_weights_along_a_forest():
    a, b = as_cloud(normals(KEY, 11, 3, 2), [1.0, 2.0, 4.0]), as_cloud(normals(KEY, 12, 2, 2), [3.0, 4.0])
    rows, columns = np.array([0, 1, 2]), np.array([0, 0, 1])
    near = Plan(rows, columns, np.array([0.14, 0.29, 0.57]))
    assert np.array_equal(exact_masses(near, a, b), np.array([1.0, 2.0, 4.0]) / 7.0)
    assert exact_masses(Plan(rows, np.array([0, 1, 1]), near.mass), a, b) is None


def test_plans_between_uniform_clouds_are_whole_units():
    a, b = as_cloud(normals(KEY, 13, 2, 2)), as_cloud(normals(KEY, 14, 3, 2))
    rows, columns = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    rough = Plan(rows, columns, np.array([2.0, 1.0, 1.0, 2.0]) / 6.0 + 1e-15)
    plan, exact = in_units(rough, a, b)
    assert exact
    assert np.array_equal(plan.mass, np.array([2.0, 1.0, 1.0, 2.0]) / 6.0)
    assert not in_units(Plan(rows, columns, np.array([3.0, 1.0, 1.0, 1.0]) / 6.0), a, b)[1]


def test_whole_numbers_are_the_numbers_themselves():
    values = np.append(normals(KEY, 15, 20, 1)[:, 0] * 10.0 ** np.arange(-10, 10), [0.0, -0.0, 5e-324, 1e300])
    found = as_integers(values.tolist())
    assert [Fraction(number) * Fraction(2) ** found.exponent for number in found.numbers] == [*map(Fraction, values)]
    x, y = normals(KEY, 16, 3, 2), normals(KEY, 17, 4, 2)
    for matrices in (None, cyclic(3).vector().matrices):
        costs, exponent = integer_costs(x, y, matrices)
        twin = [[float(cost) for cost in line] for line in exact_costs(x, y, matrices)]
        assert [[scaled(cost, 1, exponent) for cost in line] for line in costs] == twin
    supply, demand = integer_masses(as_cloud(x, [0.1, 0.2, 0.3]), as_cloud(y))
    assert sum(supply) == sum(demand)
    assert len(set(demand)) == 1


def test_whole_numbers_are_for_small_problems():
    many = np.zeros((PAIRS, 2))
    with pytest.raises(MfsymError, match="at most"):
        w2(many, np.zeros((2, 2)), method="rational")


@pytest.mark.parametrize("far", [1e8, 1e20, -9.97e36])
def test_far_atoms_are_folded_into_the_chamber_of_their_small_coordinates(far):
    matrices = signed_permutations(3).vector().matrices
    z = normals(KEY, 18, 40, 3)
    z[:20, 0] = far
    assert np.array_equal(folded(z, matrices), np.sort(np.abs(folded(z, matrices)), axis=1)[:, _order(3)])
    a, b = z[::2], z[1::2]
    _assert_proved(quotient_w2(a, b, matrices), float(exact_w2(exact_costs(a, b, matrices), None, None)))


def _order(p: int) -> np.ndarray:
    """Places of |z| in increasing order along the chamber of c = sin 1, sin 2, ..., which is where z . c is largest."""
    return np.argsort(np.argsort(np.sin(np.arange(1.0, p + 1.0))))


@compiled
def test_images_of_far_atoms_that_rounding_moves_are_refused():
    """Turned by 72 degrees, 1e30 is known to 1e14 only; whole numbers know better, where they can be had."""
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


def test_the_own_solver_ends_where_hundreds_of_columns_tie_in_rounding():
    """Far atoms see all near ones at one distance; a search that found as many as it can used to find them again."""
    n = sized(400, 12)
    a = normals(KEY, 19, n, 2)
    a[: n // 4] = [[1e30, 0.0]]
    images = symmetrised_atoms(a, cyclic(5).vector().matrices)
    rotated, by_way_of_the_middle = 2.0 - 2.0 * np.cos(2.0 * np.pi / 5.0), 2.0
    _assert_proved(w2(a, images), 1e60 * 0.25 * (2.0 * rotated + 2.0 * by_way_of_the_middle) / 5.0)


@compiled
def test_mass_that_finds_no_place_ends_the_finish():
    """More units wait than there is room for: no round moves any."""
    x, y = normals(KEY, 25, 3, 2), normals(KEY, 26, 2, 2)
    columns, _ = column_tree(y, None)
    state = initial_state(x, columns, np.full(3, 1), np.full(2, 1), 4)
    rebuild_lists(state)
    assert augment_all(0.5, 4, state, empty_paths(3, 2)) == -1


def test_a_plan_for_other_weights_is_not_accepted():
    """The negative control: the same plan and potentials, other weights, and no way to mend the masses."""
    a, b = normals(KEY, 22, 20, 2), normals(KEY, 23, 20, 2)
    found = w2(a, b)
    cost = squared_distances(a, b)
    pairs = cost[found.plan.rows, found.plan.columns]
    coupling = Candidate("by hand", found.plan, pairs, 0.0 * pairs, found.potentials, 0.0, False)
    assert certified(coupling, as_cloud(a), as_cloud(b)).relative_gap <= 1e-9
    with pytest.raises(MfsymError, match="must agree"):
        certified(coupling, as_cloud(a, uniforms(KEY, 24, 20, 1)[:, 0] + 1.0), as_cloud(b), lambda: cost)


def _flat(step: int, n: int, far: float) -> np.ndarray:
    """Atoms near a plane askew to the coordinates, some of them far."""
    z = normals(KEY, step, n, 4) * [1.0, 1.0, 1e-4, 1e-4]
    z[: n // 10] *= far
    return z @ np.linalg.qr(normals(KEY, 30, 4, 4))[0]


@compiled
@pytest.mark.parametrize("far", [1.0, 1e6])
def test_the_rounding_of_turned_coordinates_is_taken_in(far):
    a, b = _flat(31, 300, far), _flat(32, 300, far)
    assert principal_axes(a, b) is not None
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    _assert_proved(result, w2(a, b, method="dense").w2_squared)
    turn = np.linalg.qr(normals(KEY, 33, 4, 4))[0]
    near, rotated = squared_distances(a, b), squared_distances(a @ turn, b @ turn)
    assert (np.abs(near - rotated) <= np.array([rounding_of_rotation(line, a, b) for line in rotated.T]).T).all()


FIRST_CALL = """
import time
import numpy as np
from mfsym.transport import w2
z = np.arange(2000.0).reshape(500, 4) % 37
started = time.perf_counter()
result = w2(z, z[:, ::-1] + 0.5, method={method!r})
print(result.seconds / (time.perf_counter() - started))
"""


@compiled
@pytest.mark.parametrize("method", ["dense", "auction"])
def test_seconds_count_the_solve_and_not_the_loading_of_code(method):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", FIRST_CALL.format(method=method)]
    share = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert float(share) < 0.6
