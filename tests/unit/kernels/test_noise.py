"""mfsym.kernels.noise: the compiled draws equal their definition, and 1e7 of them look normal."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kstwobign, norm

from mfsym import streams
from mfsym.kernels import noise
from mfsym.kernels.noise import AT_ONCE, GROUP, draw_normals, normal_rows, sequence_normals
from mfsym.streams import stream_key
from tests import naive
from tests.sizes import compiled, sized
from tests.tolerances import NORMAL, NORMAL32, P_VALUE, STAT
from tests.unit.test_streams import correlation_score, moment_scores

KEY = stream_key(11, "noise")
TOLERANCE = {"float32": NORMAL32, "float64": NORMAL}
ROWS = 5000 * GROUP
"""Rows of the large samples: 16 of them make 1e7 draws."""


def _draws(step=0, pairs=8, rows=ROWS, key=KEY, first_group=0, dtype="float32"):
    out = np.empty((2 * pairs, rows), dtype)
    draw_normals(key, step, first_group, out)
    return out


@pytest.fixture(scope="module")
def many():
    """1e7 float32 draws (16, ROWS)."""
    return _draws()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("step", [0, 7, 2**32 - 1, 2**32 + 1, 2**40])
@pytest.mark.parametrize(("pairs", "groups", "first"), [(1, 1, 0), (2, 3, 0), (3, 1, 5)])
def test_draws_equal_their_definition(dtype, step, pairs, groups, first):
    out, twin = np.empty((2, 2 * pairs, groups * GROUP), dtype)
    draw_normals(KEY, step, first, out)
    naive.draw_normals(KEY, step, first, twin)
    assert _error(out, twin) < TOLERANCE[dtype]
    naive.draw_normals(KEY, step + 1, first, twin)
    assert _error(out, twin) > TOLERANCE[dtype]


def _error(out, twin):
    """Largest error of draws (2 pairs, .), times the radius of their pair where that is below 1.

    u = exp(-radius^2 / 2) is rounded in single precision, so that a small radius moves by about 1e-7 / radius.
    """
    pairs, exact = (np.asarray(part, np.float64).reshape(-1, 2, out[0].size) for part in (out, twin))
    radius = np.minimum(1.0, np.hypot(exact[:, 0], exact[:, 1]))
    return (np.abs(pairs - exact) * radius[:, None]).max()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", [16, 48, 64, 80, 112, 128, 144, 640])
def test_rows_of_one_pair_are_drawn_and_nothing_else_is_touched(dtype, rows):
    words, stride = np.zeros((2, 640), np.uint32), 656
    out, longer, twin, later = np.full((4, 6, stride), 99.0, dtype)
    normal_rows(KEY, 4, 2, 1, words, out.reshape(-1), stride, rows)
    normal_rows(KEY, 4, 2, 1, words, longer.reshape(-1), stride, 640)
    naive.normal_rows(KEY, 4, 2, 1, words, twin.reshape(-1), stride, rows)
    assert _error(out[2:4, :rows], twin[2:4, :rows]) < TOLERANCE[dtype]
    assert np.array_equal(out[2:4, :rows], longer[2:4, :rows])
    assert (out == 99.0).sum() == out.size - 2 * rows
    naive.normal_rows(KEY, 4, 3, 1, words, later.reshape(-1), stride, rows)
    assert _error(out[2:4, :rows], later[2:4, :rows]) > TOLERANCE[dtype]


def test_many_rows_are_drawn_some_at_once():
    whole, parts = _draws(rows=AT_ONCE + 3 * GROUP, pairs=2), _draws(rows=3 * GROUP, pairs=2, first_group=8)
    assert np.array_equal(whole[:, AT_ONCE:], parts)
    assert not np.array_equal(whole[:, GROUP : 4 * GROUP], parts)


@pytest.mark.parametrize(("first", "count", "m"), [(0, 1, 1), (0, 300, 2), (100, 60, 3), (127, 2, 5), (3, 0, 2)])
def test_sequences_equal_their_definition(first, count, m):
    drawn = sequence_normals(KEY, first, count, m)
    assert drawn.shape == (count, m)
    assert np.abs(drawn - naive.sequence_normals(KEY, first, count, m)).max(initial=0.0) < NORMAL


def test_sequences_go_on_in_the_next_step(monkeypatch):
    for module in (noise, streams):
        monkeypatch.setattr(module, "SEQUENCE_ROWS", 2 * GROUP)
    drawn = sequence_normals(KEY, 200, 400, 2)
    assert np.abs(drawn - streams.sequence_normals(KEY, 200, 400, 2)).max() < NORMAL


def test_extreme_words_give_finite_draws():
    words = np.array([0, 1, 2**31, 2**32 - 1], np.uint32)
    for dtype, tolerance in TOLERANCE.items():
        out = np.empty(0, dtype)
        for a in words:
            for b in (*words, np.uint32(2**29), np.uint32(2**30 - 1), np.uint32(3 * 2**30)):
                drawn = np.array(_pair(a, b, out))
                assert np.isfinite(drawn).all()
                assert _error(drawn[:, None], np.array(naive.normal_pair(a, b, out))[:, None]) < tolerance


def _pair(a, b, out):
    return (noise._pair_single if out.dtype == np.float32 else noise._pair_double)(a, b, out)


@compiled
def test_moments_to_order_eight_are_those_of_a_normal(many):
    z = many.astype(np.float64).ravel()
    assert np.abs(moment_scores(z)).max() < STAT
    part = z[: z.size // 8]
    assert np.abs(moment_scores(1.01 * part)).max() > STAT
    assert np.abs(moment_scores(np.clip(part, -3.5, 3.5))).max() > STAT


@compiled
def test_ten_million_draws_pass_kolmogorov_smirnov(many):
    assert many.size > 1e7
    assert _kolmogorov(many.ravel()) > P_VALUE
    assert _kolmogorov(many.ravel() + np.float32(2e-3)) < P_VALUE


def _kolmogorov(z):
    """p-value of the Kolmogorov-Smirnov distance to N(0, 1)."""
    levels = ndtr(np.sort(z).astype(np.float64))
    grid = np.arange(z.size + 1) / z.size
    distance = max((grid[1:] - levels).max(), (levels - grid[:-1]).max())
    return kstwobign.sf(distance * np.sqrt(z.size))


@compiled
@pytest.mark.parametrize("lag", [1, 2, 63, 64, 65, 127, 128, 129, 512])
def test_neighbouring_rows_are_uncorrelated(many, lag):
    a, b = many[:4, :-lag], many[:4, lag:]
    assert correlation_score(a, b) < STAT
    assert correlation_score(a**2, b**2) < STAT
    assert correlation_score(a, b + np.float32(0.01) * a) > STAT


@compiled
@pytest.mark.parametrize("power", [1, 2, 3])
def test_coordinates_are_uncorrelated(many, power):
    rows = many.astype(np.float64) ** power
    scores = np.corrcoef(rows)[np.triu_indices(len(rows), 1)] * np.sqrt(rows.shape[1])
    assert np.abs(scores).max() < STAT
    assert abs((scores**2).mean() - 1.0) < STAT * np.sqrt(2.0 / scores.size)


@compiled
@pytest.mark.parametrize(
    "other",
    [
        {"step": 1},
        {"step": 2**32},
        {"key": stream_key(11, "data")},
        {"key": stream_key(12, "noise")},
        {"first_group": 1},
    ],
    ids=["step", "high step", "stream", "seed", "group"],
)
def test_steps_streams_seeds_and_groups_are_uncorrelated(many, other):
    a, b = many[:4], _draws(pairs=2, **other)
    assert correlation_score(a, b) < STAT
    assert correlation_score(a**2, b**2) < STAT
    assert correlation_score(a, b + np.float32(0.01) * a) > STAT


@compiled
def test_tails_beyond_five_sigma_have_their_mass():
    levels = np.array([3.0, 4.0, 4.5, 5.0, 5.5])
    counts, total = np.zeros((2, levels.size)), 0
    for step in range(10):
        z = np.abs(_draws(step))
        total += z.size
        counts[0] += [(z > level).sum() for level in levels]
        counts[1] += [(z > 0.95 * level).sum() for level in levels]
    expected = 2.0 * norm.sf(levels) * total
    scores = (counts - expected) / np.sqrt(expected)
    assert expected[3] > sized(50.0, 0.0)
    assert np.abs(scores[0]).max() < STAT
    assert np.abs(scores[1, :-1]).min() > STAT


@compiled
def test_single_and_double_precision_draw_the_same_numbers(many):
    double = _draws(pairs=1, dtype="float64")
    assert _error(many[:2], double) < NORMAL32
