"""W2 between laws of shapes, coverage, and populations of templates."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import mfsym as mf
from mfsym.errors import MfsymError
from mfsym.groups import cyclic, so
from mfsym.quotients import Quotient, as_weights
from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import quotient_w2
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(4, "init")
SHAPES = Quotient(4 * so(3).vector(), centred=True)


def clouds(step, count, n=4, d=3):
    return normals(KEY, step, count, n * d).reshape(count, n, d)


def turned(x):
    return np.einsum("sij,snj->sni", so(3).haar(KEY, 8, len(x)), x) + clouds(9, len(x), 1)


def test_w2_on_a_quotient_is_the_best_matching_of_shapes():
    a, b = clouds(1, 6), clouds(2, 6)
    costs = SHAPES.distances(a, b) ** 2
    best = min(costs[range(6), order].mean() for order in itertools.permutations(range(6)))
    found = mf.orbit_w2(a, b, SHAPES)
    assert found.w2_squared == pytest.approx(best, rel=ALGEBRA)
    assert found.lower_bound <= found.w2_squared
    assert found.relative_gap <= 1e-9
    assert mf.orbit_w2(a, turned(b), SHAPES).w2_squared == pytest.approx(best, rel=ALGEBRA)
    assert best < mf.w2(SHAPES.centre(a).reshape(6, 12), SHAPES.centre(b).reshape(6, 12)).w2_squared


def test_the_same_shapes_are_at_no_distance():
    a = clouds(1, 20)
    assert mf.orbit_w2(a, turned(a)[::-1], SHAPES).value <= ALGEBRA


def test_weights_stand_for_repeated_shapes():
    a, b = clouds(1, 3), clouds(2, 4)
    repeated = mf.orbit_w2(np.repeat(a, [2, 1, 1], axis=0), b, SHAPES)
    weighted = mf.orbit_w2(a, b, SHAPES, weights_a=[2.0, 1.0, 1.0])
    assert weighted.w2_squared == pytest.approx(repeated.w2_squared, rel=ALGEBRA)
    longer = np.concatenate([a, clouds(3, 2)])
    padded = mf.orbit_w2(longer, b, SHAPES, weights_a=[2.0, 1.0, 1.0, 0.0, 0.0])
    assert padded.w2_squared == pytest.approx(repeated.w2_squared, rel=ALGEBRA)
    u, v = padded.potentials
    assert (u[:, None] + v <= SHAPES.distances(longer, b) ** 2 + ALGEBRA).all()


def test_on_a_finite_quotient_it_is_the_distance_of_transport():
    rep = cyclic(3).vector() + cyclic(3).vector()
    a, b = normals(KEY, 1, 9, 4), normals(KEY, 2, 9, 4)
    expected = quotient_w2(a, b, rep.matrices).w2_squared
    assert mf.orbit_w2(a, b, Quotient(rep)).w2_squared == pytest.approx(expected, rel=ALGEBRA)
    weighted = mf.orbit_w2(a, b, Quotient(rep), weights_a=np.arange(1.0, 10.0))
    assert weighted.w2_squared != pytest.approx(expected, rel=1e-3)


def test_a_search_proves_nothing():
    with pytest.raises(MfsymError, match="orbit_w2 needs exact alignment"):
        mf.orbit_w2(normals(KEY, 1, 3, 5), normals(KEY, 2, 3, 5), Quotient(so(3).irrep(2)))


def test_coverage_counts_what_is_near_and_is_blind_to_populations():
    references = clouds(1, 3)
    samples = np.concatenate([references[:1]] * 8 + [references[1:2]])
    found = mf.coverage(turned(samples), references, SHAPES, 0.05)
    assert found.recall == pytest.approx(2.0 / 3.0)
    assert found.precision == 1.0
    assert found.precision_amr <= ALGEBRA
    gaps = SHAPES.distances(references[2:], references[:2]).min() / np.sqrt(4.0)
    assert found.recall_amr == pytest.approx(gaps / 3.0, rel=ALGEBRA)
    even = mf.coverage(references[:2], references, SHAPES, 0.05)
    assert even == pytest.approx(found, abs=ALGEBRA)
    shares = [mf.populations(each, references, [0.5, 0.5, 0.0], SHAPES) for each in (samples, references[:2])]
    assert shares[0].total_variation == pytest.approx(8.0 / 9.0 - 0.5)
    assert shares[1].total_variation == 0.0


@compiled
def test_populations_come_with_their_sampling_error():
    """Shares of samples of the weights: total variation near ``expected``; of other weights, near the difference."""
    templates, weights, count, rounds = clouds(1, 3), np.array([0.5, 0.3, 0.2]), 400, 60
    values, far = [], []
    for k in range(rounds):
        chosen = np.searchsorted(np.cumsum(weights), uniforms(KEY, k, count, 1)[:, 0])
        found = mf.populations(turned(templates[chosen]), templates, weights, SHAPES)
        assert np.abs(found.shares - np.bincount(chosen, minlength=3) / count).max() == 0.0
        values.append(found.total_variation)
        far.append(mf.populations(templates[chosen], templates, [0.2, 0.3, 0.5], SHAPES))
    assert abs(np.mean(values) - found.expected) < STAT * np.std(values) / np.sqrt(rounds)
    spread = np.std([each.total_variation for each in far])
    assert np.mean([each.total_variation for each in far]) == pytest.approx(0.3, abs=STAT * spread)
    assert 0.5 < np.mean([each.error for each in far]) / spread < 2.0


def test_one_line_for_each_bad_input():
    x = clouds(1, 3)
    broken = x.copy()
    broken[0, 0, 0] = np.nan
    cases = [
        (lambda: mf.orbit_w2(x, broken, SHAPES), "must be finite"),
        (lambda: mf.orbit_w2(x, x[:, :3], SHAPES), "must have shape"),
        (lambda: mf.orbit_w2(x, x[:0], SHAPES), "b must be a batch of one or more points"),
        (lambda: mf.orbit_w2(x, x, SHAPES, weights_a=[1.0, -1.0, 1.0]), "finite, non-negative"),
        (lambda: mf.coverage(x, x, SHAPES, 0.0), "radius must be a number > 0"),
        (lambda: mf.populations(x, x, [0.5, 0.5], SHAPES), "weights must be one for each of 3 templates"),
        (lambda: as_weights([0.5, 0.6], 2), "weights must be non-negative and sum to 1, got a sum of 1.1"),
    ]
    for call, line in cases:
        with pytest.raises(MfsymError, match=line) as error:
            call()
        assert "\n" not in str(error.value)
