"""Exact W2 against POT's network simplex on hundreds of small problems, and on the edges of what may be given."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfsym.errors import MfsymError
from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import W2Result, quotient_w2, rmd2, w2
from mfsym.transport.atoms import as_cloud
from mfsym.transport.certificates import Candidate, certified
from mfsym.transport.dense import squared_distances
from mfsym.transport.results import Plan
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF

KEY = stream_key(11, "teacher")
EXAMPLES = sized(300, 20)
MOST = sized(40, 6)
SHAPES = ("plain", "duplicates", "equal", "collinear", "far", "grid")


def _cloud(step: int, n: int, p: int, shape: str, scale: float) -> np.ndarray:
    z = normals(KEY, step, n, p)
    if shape == "duplicates":
        z = z[: max(1, n // 3)][np.arange(n) % max(1, n // 3)]
    elif shape == "equal":
        z = np.ones((n, p))
    elif shape == "collinear":
        z = z[:, :1] * np.ones(p)
    elif shape == "far":
        z = z + 1e3 * (step % 2)
    elif shape == "grid":
        z = np.round(z)
    return scale * z


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Two clouds of one dimension from 1 to 16, with or without weights, on a scale from 1e-8 to 1e8."""
    step, p = draw(st.integers(0, 10**6)), draw(st.integers(1, 16))
    n, m = draw(st.integers(1, MOST)), draw(st.integers(1, MOST))
    m = n if draw(st.booleans()) else m
    scale = 10.0 ** draw(st.integers(-8, 8))
    a = _cloud(2 * step, n, p, draw(st.sampled_from(SHAPES)), scale)
    b = _cloud(2 * step + 1, m, p, draw(st.sampled_from(SHAPES)), scale)
    if not draw(st.booleans()):
        return a, b, None, None
    weights = uniforms(KEY, step, n, 1)[:, 0] + 0.01, uniforms(KEY, step + 1, m, 1)[:, 0]
    weights[1][draw(st.integers(0, m - 1))] += 0.5
    return a, b, weights[0], weights[1]


def _reference(a: np.ndarray, b: np.ndarray, weights_a: np.ndarray | None, weights_b: np.ndarray | None) -> float:
    masses = [np.full(len(z), 1 / len(z)) if w is None else w / w.sum() for z, w in ((a, weights_a), (b, weights_b))]
    cost = np.square(a[:, None, :] - b[None, :, :]).sum(axis=2)
    scale = cost.max() or 1.0
    return float(scale * ot.emd2(masses[0], masses[1], cost / scale, numItermax=10**7))


def _assert_optimal(result: W2Result, expected: float, a: np.ndarray, b: np.ndarray) -> None:
    scale = np.square(a).sum(axis=1).max() + np.square(b).sum(axis=1).max()
    assert abs(result.w2_squared - expected) <= ALGEBRA * expected + ROUNDOFF * scale
    assert result.lower_bound <= result.w2_squared
    assert result.w2_squared - result.lower_bound <= ROUNDOFF * (result.w2_squared + scale)
    assert result.plan is not None
    assert result.plan.mass.sum() == pytest.approx(1.0, abs=ROUNDOFF)
    assert result.potentials is not None
    cost = np.square(a[:, None, :] - b[None, :, :]).sum(axis=2)
    u, v = result.potentials
    assert (cost - u[:, None] - v).min() >= -ROUNDOFF * scale


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(problems())
def test_the_chosen_method_agrees_with_pot_and_proves_it(problem):
    a, b, weights_a, weights_b = problem
    _assert_optimal(w2(a, b, weights_a=weights_a, weights_b=weights_b), _reference(*problem), a, b)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@given(problems())
def test_our_solver_agrees_with_pot_and_proves_it(problem):
    a, b, weights_a, weights_b = problem
    result = w2(a, b, weights_a=weights_a, weights_b=weights_b, method="auction")
    assert result.method == "auction"
    _assert_optimal(result, _reference(*problem), a, b)


@settings(max_examples=sized(60, 5), derandomize=True, deadline=None)
@given(problems())
def test_marginals_of_the_plan_are_the_weights(problem):
    a, b, weights_a, weights_b = problem
    plan = w2(a, b, weights_a=weights_a, weights_b=weights_b, method="auction").plan
    assert plan is not None
    for z, weights, atoms in ((a, weights_a, plan.rows), (b, weights_b, plan.columns)):
        expected = np.full(len(z), 1 / len(z)) if weights is None else weights / weights.sum()
        assert np.abs(np.bincount(atoms, plan.mass, len(z)) - expected).max() <= ALGEBRA


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("method", ["auto", "auction", "dense", "emd"])
def test_one_atom_and_few_atoms(n, method):
    a, b = normals(KEY, 1, n, 3), normals(KEY, 2, n, 3)
    _assert_optimal(w2(a, b, method=method), _reference(a, b, None, None), a, b)


@pytest.mark.parametrize("method", ["auto", "auction", "sort", "dense", "emd", "sinkhorn", "sliced"])
@pytest.mark.parametrize(
    ("a", "words"),
    [
        (np.zeros((0, 2)), "at least one atom"),
        (np.zeros((2, 0)), "at least one atom"),
        ([[np.nan, 0.0]], "1 of 1 atoms with NaN or inf"),
        ([[0.0, 0.0], [np.inf, 0.0]], "first: atom 1"),
        (np.zeros((2, 2, 2)), "two axes"),
        ("text", "must be numbers, got an array of dtype"),
        ([[0.0, 0.0, 0.0]], "same number of coordinates"),
    ],
)
def test_what_is_no_cloud_is_refused_by_every_method(method, a, words):
    with pytest.raises(MfsymError, match=words):
        w2(a, [[0.0, 1.0]], method=method)


@pytest.mark.parametrize(
    ("weights", "words"),
    [([1.0], "shape"), ([1.0, np.nan], "finite"), ([1.0, -1.0], "non-negative"), ([0.0, 0.0], "not all zero")],
)
def test_weights_that_are_none_are_refused(weights, words):
    with pytest.raises(MfsymError, match=words):
        w2([[0.0], [1.0]], [[0.0]], weights_a=weights)


def test_an_unknown_method_is_refused():
    with pytest.raises(MfsymError, match="method must be one of auto, sort"):
        w2([[0.0]], [[0.0]], method="magic")


def _coupling(columns: np.ndarray, cost: np.ndarray, u: np.ndarray, v: np.ndarray) -> Candidate:
    n = len(columns)
    plan, pairs = Plan(np.arange(n), columns, np.full(n, 1.0 / n)), cost[np.arange(n), columns]
    return Candidate("by hand", plan, pairs, pairs - v[columns] - u, (u, v), 0.0, True)


def test_a_value_without_a_proof_is_refused():
    """The negative control of the certificate: a matching that is not optimal is refused, whatever its potentials."""
    a, b = normals(KEY, 3, 30, 2), normals(KEY, 4, 30, 2)
    cost, best = squared_distances(a, b), w2(a, b)
    assert best.potentials is not None
    clouds, worse = (as_cloud(a), as_cloud(b)), np.roll(best.matching, 1)
    for potentials in (best.potentials, (np.zeros(30), np.zeros(30))):
        with pytest.raises(MfsymError, match="must agree"):
            certified(_coupling(worse, cost, *potentials), *clouds, lambda: cost)


def test_potentials_that_prove_too_little_are_recomputed_from_the_plan():
    a, b = normals(KEY, 3, 30, 2), normals(KEY, 4, 30, 2)
    cost, best = squared_distances(a, b), w2(a, b)
    found = _coupling(best.matching, cost, np.zeros(30), np.zeros(30))
    result = certified(found, as_cloud(a), as_cloud(b), lambda: cost)
    assert result.relative_gap <= ROUNDOFF
    assert result.potentials is not None
    assert (cost - result.potentials[0][:, None] - result.potentials[1]).min() >= -ROUNDOFF


@pytest.mark.parametrize("p", [2, 4])
def test_a_solve_is_deterministic_and_symmetric_in_its_clouds(p):
    a, b = normals(KEY, 5, 300, p), normals(KEY, 6, 300, p)
    first, again, swapped = w2(a, b), w2(a, b), w2(b, a)
    assert first.w2_squared == again.w2_squared
    assert np.array_equal(first.matching, again.matching)
    assert np.array_equal(first.potentials[1], again.potentials[1])
    assert abs(first.w2_squared - swapped.w2_squared) <= ALGEBRA * first.w2_squared
    assert rmd2(a, b) <= 1.0


def test_far_scales_change_the_value_by_their_square_only():
    a, b = normals(KEY, 7, 250, 3), normals(KEY, 8, 250, 3)
    one = w2(a, b).w2_squared
    for exponent in (-26, 26):
        factor = 2.0**exponent
        assert w2(factor * a, factor * b).w2_squared == one * factor**2


def test_the_quotient_by_the_trivial_group_is_w2():
    a, b = normals(KEY, 9, 250, 3), normals(KEY, 10, 250, 3)
    exact = ot.emd2([], [], ot.dist(a, b))
    assert abs(quotient_w2(a, b, np.eye(3)[None]).w2_squared - exact) <= ALGEBRA
