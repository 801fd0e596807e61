"""mfsym.kernels.planar: the fused passes against their twins, and against each other."""

import numpy as np
import pytest

from mfsym.kernels.activations import IDENTITY, KINDS, SIGMOID
from mfsym.kernels.planar import planar_kept, planar_pull, planar_pull_kept, planar_sums, tame
from mfsym.streams import normals, stream_key
from mfsym.units import ACTIVATIONS
from tests import naive
from tests.tolerances import ROUNDOFF, ROUNDOFF32

KEY = stream_key(10, "init")
TOLERANCE = {"float32": ROUNDOFF32, "float64": ROUNDOFF}
CODES = pytest.mark.parametrize("kind", KINDS, ids=list(ACTIVATIONS))
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)
LANES = pytest.mark.parametrize("n", [1, 16, 33, 112])
BEFORE, C = 7, 3
"""Numbers before the row in every array, and outputs."""


def _case(n, dtype, samples=8):
    """z with a row at BEFORE, x, r, and weights that leave out the last lane."""
    z = normals(KEY, 0, 2 * n + 2 * BEFORE, 1)[:, 0].astype(dtype)
    x, r = 3.0 * normals(KEY, 1, samples, 2), normals(KEY, 2, samples, C)
    weights = np.ones(n, dtype)
    weights[1:][-1:] = 0.0
    return z, x.astype(dtype), r.astype(dtype), weights


def _close(got, exact, dtype):
    return np.abs(got - exact).max() < TOLERANCE[dtype] * max(1.0, np.abs(exact).max())


@LANES
@DTYPES
@CODES
def test_sums_and_slopes_equal_their_twins(kind, dtype, n):
    z, x, _, weights = _case(n, dtype)
    phi, twin_phi, alone = np.ones((3, len(x), C), dtype)
    tape, twin_tape = np.full((2, 8 * n + 2 * BEFORE), 7.0, dtype)
    planar_kept(kind, z, np.uintp(BEFORE), x, weights, tape, np.uintp(BEFORE), phi, 1)
    naive.planar_kept(kind, z, BEFORE, x, weights, twin_tape, BEFORE, twin_phi, 1)
    assert _close(phi, twin_phi, dtype)
    assert _close(tape, twin_tape, dtype)
    assert (phi[:, [0, 2]] == 1.0).all()
    assert (tape[:BEFORE] == 7.0).all()
    assert (tape[-BEFORE:] == 7.0).all()
    planar_sums(kind, z, np.uintp(BEFORE), x, weights, alone, 1)
    assert _close(alone, twin_phi, dtype)
    naive.planar_sums(kind, z, BEFORE + 1, x, weights, again := np.ones((len(x), C), dtype), 1)
    assert not _close(alone, again, dtype)


@LANES
@DTYPES
@CODES
def test_pulls_equal_their_twin_and_add_up(kind, dtype, n):
    z, x, r, _ = _case(n, dtype)
    g, twin = np.full((2, 2 * n + 2 * BEFORE), 5.0, dtype)
    for j in (2, 0):
        planar_pull(kind, z, np.uintp(BEFORE), np.uintp(n), x, r, j, g, np.uintp(BEFORE))
        naive.planar_pull(kind, z, BEFORE, n, x, r, j, twin, BEFORE)
    assert _close(g, twin, dtype)
    assert (g[:BEFORE] == 5.0).all()
    assert (g[-BEFORE:] == 5.0).all()
    naive.planar_pull(kind, z, BEFORE, n, x, r, 1, twin, BEFORE)
    assert not _close(g, twin, dtype)


@LANES
@DTYPES
def test_pulls_of_kept_slopes_equal_their_twin(dtype, n):
    _, x, r, _ = _case(n, dtype)
    tape = normals(KEY, 3, len(x) * n + BEFORE, 1)[:, 0].astype(dtype)
    g, twin = np.full((2, 2 * n + 2 * BEFORE), 5.0, dtype)
    for j in (2, 0):
        planar_pull_kept(tape, np.uintp(BEFORE), np.uintp(n), x, r, j, g, np.uintp(BEFORE))
        naive.planar_pull_kept(tape, BEFORE, n, x, r, j, twin, BEFORE)
    assert _close(g, twin, dtype)
    assert (g[:BEFORE] == 5.0).all()
    assert (g[-BEFORE:] == 5.0).all()
    naive.planar_pull_kept(tape, 0, n, x, r, 1, twin, BEFORE)
    assert not _close(g, twin, dtype)


@DTYPES
@CODES
def test_infinite_particles_saturate_their_own_lane_and_nan_is_seen(kind, dtype):
    z, x, r, weights = _case(32, dtype)
    clean, spoilt = np.zeros((2, 64), dtype)
    planar_pull(kind, z, np.uintp(0), np.uintp(32), x, r, 0, clean, np.uintp(0))
    z[5] = np.inf
    with np.errstate(invalid="ignore"):
        planar_pull(kind, z, np.uintp(0), np.uintp(32), x, r, 0, spoilt, np.uintp(0))
    others = np.delete(np.arange(64), [5, 37])
    assert np.array_equal(spoilt[others], clean[others])
    assert np.isfinite(spoilt).all()
    assert (spoilt[5] == clean[5]) == (kind is IDENTITY)
    z[6] = np.nan
    phi = np.zeros((len(x), C), dtype)
    with np.errstate(invalid="ignore"):
        planar_sums(kind, z, np.uintp(0), x, weights, phi, 0)
    assert np.isnan(phi[:, 0]).all()


@DTYPES
def test_a_row_of_sums_does_not_depend_on_the_samples_beside_it(dtype):
    z, x, _, weights = _case(112, dtype, 12)
    together, alone = np.zeros((12, C), dtype), np.zeros((4, C), dtype)
    planar_sums(SIGMOID, z, np.uintp(0), x, weights, together, 0)
    planar_sums(SIGMOID, z, np.uintp(0), x[4:8], weights, alone, 0)
    assert np.array_equal(alone, together[4:8])
    assert not np.array_equal(alone, together[:4])


@DTYPES
def test_particles_are_tame_up_to_the_largest_power_and_the_passes_do_not_show_it(dtype):
    """The sigmoid is clamped where a preactivation is large, infinite or NaN, and only there."""
    z, x, r, weights = _case(33, dtype)
    largest = {"float32": 126.0, "float64": 1010.0}[dtype]
    reach = np.log2(np.e) * (np.abs(z[BEFORE:-BEFORE]).reshape(2, 33).T @ np.abs(x).max(axis=0)).max()
    for factor, expected in ((0.999, True), (1.001, False)):
        scaled = (z * (factor * largest / reach)).astype(dtype)
        assert tame(scaled, np.uintp(BEFORE), np.uintp(33), x) == expected
        assert naive.tame(scaled, BEFORE, 33, x) == expected
        phi, twin_phi = np.ones((2, len(x), C), dtype)
        planar_sums(SIGMOID, scaled, np.uintp(BEFORE), x, weights, phi, 1)
        naive.planar_sums(SIGMOID, scaled, BEFORE, x, weights, twin_phi, 1)
        g, twin = np.zeros((2, 66), dtype)
        planar_pull(SIGMOID, scaled, np.uintp(BEFORE), np.uintp(33), x, r, 0, g, np.uintp(0))
        naive.planar_pull(SIGMOID, scaled, BEFORE, 33, x, r, 0, twin, 0)
        assert _close(phi, twin_phi, dtype)
        assert _close(g, twin, dtype)
    for value in (np.inf, -np.inf, np.nan):
        z[BEFORE + 40] = value
        assert not tame(z, np.uintp(BEFORE), np.uintp(33), x)
