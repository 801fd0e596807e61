"""mfsym.kernels.units: forward, backward and predictions against their twins, for all shapes, and their layout."""

import numpy as np
import pytest

from mfsym.kernels import blocks as passes
from mfsym.kernels import units
from mfsym.kernels.activations import KINDS as ACTIVATION_KINDS
from mfsym.kernels.units import MATRIX, UV, block_shape, tape_rows
from mfsym.streams import normals, stream_key
from mfsym.units import ACTIVATIONS
from tests import naive
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF, ROUNDOFF32, SPLIT

KEY = stream_key(9, "init")
TOLERANCE = {"float32": ROUNDOFF32, "float64": ROUNDOFF}
SHAPES = [(1, 1), (2, 2), (3, 1), (5, 3), (1, 3)]
KINDS = {"matrix": MATRIX, "uv": UV}
L = 32


def _parameters(code, d, c):
    return c * d if code == MATRIX else c + d


def _case(code, d, c, dtype, samples=8):
    """z with an offset of three rows, x, r, and weights that leave out the last lanes."""
    p = _parameters(code, d, c)
    z = normals(KEY, 0, (p + 3) * L, 1)[:, 0].astype(dtype)
    x, r = normals(KEY, 1, samples, d).astype(dtype), normals(KEY, 2, samples, c).astype(dtype)
    weights = np.ones(L, dtype)
    weights[-5:] = 0.0
    return p, z, np.uintp(3 * L), x, r, weights


def _close(got, exact, dtype):
    return np.abs(got - exact).max() < TOLERANCE[dtype] * max(1.0, np.abs(exact).max())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("d", "c"), SHAPES)
@pytest.mark.parametrize("activation", range(6), ids=list(ACTIVATIONS))
@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_forward_backward_and_recomputed_passes_equal_their_twins(code, activation, d, c, dtype):
    p, z, o, x, r, weights = _case(code, d, c, dtype)
    rows, q = tape_rows(code, c, len(x)), np.uintp(2 * L)
    tape, twin_tape = np.full((2, (rows + 3) * L), 7.0, dtype)
    phi, twin_phi, alone = np.ones((3, len(x), c), dtype)
    unit = passes.unit_kind((code, activation), d)
    passes.forward_block(unit, z, o, np.uintp(L), x, weights, tape, q, phi)
    naive.forward_block(unit, z, 3 * L, L, x, weights, twin_tape, 2 * L, twin_phi)
    assert _close(phi, twin_phi, dtype)
    assert _close(tape, twin_tape, dtype)
    passes.predict_block(unit, z, o, np.uintp(L), x, weights, np.empty(8 * L, dtype), alone)
    naive.predict_block(unit, z, 3 * L, L, x, weights, None, twin_phi := np.ones((len(x), c), dtype))
    assert _close(alone, twin_phi, dtype)
    g, again, twin_g = np.full((3, (p + 4) * L), 3.0, dtype)
    passes.backward_block(unit, z, o, np.uintp(L), x, r, tape, q, g)
    passes.recompute_block(unit, z, o, np.uintp(L), x, r, np.empty(8 * L, dtype), again)
    naive.backward_block(unit, z, 3 * L, L, x, r, twin_tape, 2 * L, twin_g)
    assert _close(g[: p * L], twin_g[: p * L], dtype)
    naive.recompute_block(unit, z, 3 * L, L, x, r, None, twin_g)
    assert _close(again[: p * L], twin_g[: p * L], dtype)


@pytest.mark.parametrize("activation", range(6), ids=list(ACTIVATIONS))
@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_the_backward_pass_is_the_derivative_of_the_forward_pass(code, activation):
    p, z, o, x, r, weights = _case(code, 3, 2, "float64", 4)
    weights[:] = 1.0
    unit, step = passes.unit_kind((code, activation), 3), 1e-6

    def paired(z):
        phi = np.zeros((len(x), 2))
        passes.predict_block(unit, z, o, np.uintp(L), x, weights, np.empty(8 * L), phi)
        return np.sum(phi * r)

    direction = np.zeros_like(z)
    direction[3 * L : (3 + p) * L] = normals(KEY, 5, p * L, 1)[:, 0]
    g = np.zeros((p + 4) * L)
    passes.recompute_block(unit, z, o, np.uintp(L), x, r, np.empty(8 * L), g)
    slope = (paired(z + step * direction) - paired(z - step * direction)) / (2.0 * step)
    given = g[: p * L] @ direction[3 * L : (3 + p) * L]
    assert abs(given - slope) < SPLIT * max(1.0, abs(slope))
    assert abs(1.001 * given - slope) > SPLIT * max(1.0, abs(slope))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n", [1, 5, 16, 17, 100, 513, 700, 1025])
@pytest.mark.parametrize("p", [1, 4])
def test_packing_is_undone_by_unpacking_and_pads_with_zeros(n, p, dtype):
    z = normals(KEY, 6, n, p).astype(dtype)
    blocks, lanes = block_shape(n)
    blocked, twin = np.full((2, blocks * p * lanes), 9.0, dtype)
    units.pack(z, n, p, lanes, blocked)
    naive.pack(z, n, p, lanes, twin)
    assert np.array_equal(blocked, twin)
    assert np.count_nonzero(blocked) == np.count_nonzero(z)
    back, twin_back = np.empty((2, n, p), dtype)
    units.unpack(blocked, lanes, back)
    naive.unpack(blocked, lanes, twin_back)
    assert np.array_equal(back, z)
    assert np.array_equal(twin_back, z)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100, 512, 513, 1024, 1025, 3000, 5000, 12_345, 100_000])
def test_blocks_hold_all_particles_in_whole_vectors_with_little_padding(n):
    blocks, lanes = block_shape(n)
    assert (blocks - 1) * lanes < n <= blocks * lanes
    assert lanes % 16 == 0
    assert lanes <= units.MAX_LANES
    assert lanes % 128 == 0 or blocks == 1
    assert blocks * lanes - n < 16 + 128 * blocks


@pytest.mark.parametrize("n", sized([1, 5, 16, 17, 100, 513, 700, 1030, 2500], [1, 17]))
@pytest.mark.parametrize("rows", [0, 1, 4, 7])
@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_predictions_are_means_over_particles(code, rows, n):
    d, c = 3, 2
    z, x = normals(KEY, 7, n, _parameters(code, d, c)), normals(KEY, 8, rows, d)
    for activation in sized(range(6), [0]):
        got = units.predict(code, activation, x, z, c)
        assert got.shape == (rows, c)
        assert np.abs(got - naive.predict(code, activation, x, z, c)).max(initial=0.0) < ALGEBRA
    if n > 1 and rows:
        assert np.abs(units.predict(code, 0, x, z[:-1], c) - naive.predict(code, 0, x, z, c)).max() > ALGEBRA


@pytest.mark.parametrize(("d", "c"), SHAPES)
@pytest.mark.parametrize("n", [1, 3, 10])
def test_means_over_few_particles_equal_their_twin(n, d, c):
    x, z = normals(KEY, 10, 300, d), np.full((-(-n * c // 4) * 4, d), 7.0)
    z[: n * c] = normals(KEY, 11, n * c, d)
    for activation in sized(range(6), [0]):
        got, twin = np.ones((2, 300, c))
        units.predict_few(ACTIVATION_KINDS[activation], z, c, n, x, units.few_work(d, c), got)
        naive.predict_few(ACTIVATION_KINDS[activation], z, c, n, x, None, twin)
        assert np.abs(got - twin).max() < ALGEBRA
        assert np.abs(got[::-1] - twin).max() > ALGEBRA


@pytest.mark.parametrize("n", [10, 100])
def test_predictions_do_not_depend_on_what_is_predicted_beside_them(n):
    x, z = normals(KEY, 12, 300, 2), normals(KEY, 13, n, 4)
    together = units.predict(MATRIX, 0, x, z, 2)
    for rows in (1, 20, 129):
        assert np.array_equal(units.predict(MATRIX, 0, x[:rows], z, 2), together[:rows])
    assert not np.array_equal(units.predict(MATRIX, 0, x[1:], z, 2), together[:-1])


def test_padded_particles_do_not_predict():
    """sigmoid(0) = 1/2: a padded particle that counted would move the mean towards it."""
    x, z = 50.0 * np.ones((4, 1)), np.ones((3, 1))
    assert np.abs(units.predict(MATRIX, 0, x, z, 1) - 1.0).max() < ALGEBRA
    blocks, lanes = block_shape(3)
    blocked, out, twin = np.zeros(blocks * lanes), np.empty((4, 1)), np.empty((4, 1))
    units.pack(z, 3, 1, lanes, blocked)
    unit = passes.unit_kind((MATRIX, 0), 1)
    units.predict_blocked(unit, blocked, 3, 1, lanes, x, np.empty(9 * lanes), out)
    naive.predict_blocked(unit, blocked, 3, 1, lanes, x, None, twin)
    assert np.abs(out - twin).max() < ALGEBRA


@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_a_particle_that_is_not_a_number_is_seen_in_the_prediction(code):
    z = np.zeros((20, _parameters(code, 2, 2)))
    z[19, 0] = np.nan
    with np.errstate(invalid="ignore"):
        assert np.isnan(units.predict(code, 1, np.ones((2, 2)), z, 2)[:, 0]).all()
