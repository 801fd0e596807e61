"""mfsym.kernels.rows: every row operation against its twin, at offsets, touching nothing else."""

import numpy as np
import pytest

from mfsym.accelerate import kernel
from mfsym.kernels import rows
from mfsym.streams import normals, stream_key
from tests import naive
from tests.tolerances import ROUNDOFF, ROUNDOFF32

KEY = stream_key(9, "init")
TOLERANCE = {"float32": ROUNDOFF32, "float64": ROUNDOFF}
LANES = [1, 5, 16, 48]


def _row(size, dtype, step=0):
    return normals(KEY, step, size, 1)[:, 0].astype(dtype)


def _close(got, exact, dtype):
    scale = max(1.0, np.abs(exact).max())
    return np.abs(np.asarray(got, np.float64) - exact).max() < TOLERANCE[dtype] * scale


@kernel
def _clear(a, o, n):
    rows.clear(a, o, n)


@kernel
def _axpy(a, o, factor, b, q, n):
    rows.axpy(a, o, factor, b, q, n)


@kernel
def _decay_axpy(a, o, keep, factor, b, q, n):
    rows.decay_axpy(a, o, keep, factor, b, q, n)


@kernel
def _multiply(a, o, b, q, n):
    rows.multiply(a, o, b, q, n)


@kernel
def _zero_or_nan(a, o, n):
    return rows.zero_or_nan(a, o, n)


@kernel
def _weighted_dot(a, o, b, q, weights, n):
    return rows.weighted_dot(a, o, b, q, weights, n)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n", LANES)
@pytest.mark.parametrize(
    ("function", "name", "factors"),
    [(_clear, "clear", 0), (_axpy, "axpy", 1), (_decay_axpy, "decay_axpy", 2), (_multiply, "multiply", 0)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_row_updates_equal_their_twins(function, name, factors, n, dtype):
    a, b = _row(100, dtype), _row(100, dtype, 1)
    twin = a.copy()
    o, q, count = np.uintp(3), np.uintp(7), np.uintp(n)
    scalars = [np.dtype(dtype).type(0.75), np.dtype(dtype).type(-1.5)][:factors]
    source = () if name == "clear" else (*scalars, b, q)
    function(a, o, *source, count)
    getattr(naive, name)(twin, 3, *(() if name == "clear" else (*scalars, b, 7)), n)
    assert _close(a, twin, dtype)
    assert np.array_equal(np.delete(a, np.s_[3 : 3 + n]), np.delete(_row(100, dtype), np.s_[3 : 3 + n]))
    assert not np.array_equal(a, _row(100, dtype))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n", LANES)
def test_weighted_sums_equal_their_twins(n, dtype):
    a, b, weights = (_row(100, dtype, step) for step in range(3))
    got = _weighted_dot(a, np.uintp(3), b, np.uintp(7), weights, np.uintp(n))
    assert abs(got - naive.weighted_dot(a, 3, b, 7, weights, n)) < TOLERANCE[dtype] * n


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 15, 16, 31])
def test_a_single_bad_number_is_seen(bad, at, dtype):
    a = _row(48, dtype)
    o, n = np.uintp(8), np.uintp(32)
    assert _zero_or_nan(a, o, n) == naive.zero_or_nan(a, 8, 32) == 0.0
    a[8 + at] = bad
    with np.errstate(invalid="ignore"):
        assert np.isnan(_zero_or_nan(a, o, n))
    a[8 + at], a[7], a[40] = np.finfo(dtype).max, bad, bad
    assert _zero_or_nan(a, o, n) == 0.0


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("L", [16, 48])
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
def test_preactivations_and_their_pullback_equal_their_twins(d, L, dtype):
    z, t, g = (_row(7 * L + 5, dtype, step) for step in range(3))
    x, r = normals(KEY, 3, 8, d).astype(dtype), normals(KEY, 4, 8, 3).astype(dtype)
    out, twin = np.full((2, 4 * L + 9), 5.0, dtype)
    rows.preactivations(z, np.uintp(2), np.uintp(L), x, 4, out, np.uintp(6))
    naive.preactivations(z, 2, L, x, 4, twin, 6)
    assert _close(out, twin, dtype)
    assert (out[:6] == 5.0).all()
    assert (out[6 + 4 * L :] == 5.0).all()
    twin = g.copy()
    rows.accumulate(g, np.uintp(1), np.uintp(L), t, np.uintp(3), x, r, 4, 2)
    naive.accumulate(twin, 1, L, t, 3, x, r, 4, 2)
    assert _close(g, twin, dtype)
    assert np.array_equal(g[1 + d * L :], _row(7 * L + 5, dtype, 2)[1 + d * L :])


@kernel
def _clear_table(a):
    rows.clear_table(a)


@pytest.mark.parametrize("shape", [(3, 2), (4, 1), (0, 2)])
def test_tables_are_cleared(shape):
    got, twin = np.full((2, *shape), 3.0)
    _clear_table(got)
    naive.clear_table(twin)
    assert np.array_equal(got, twin)
    assert not got.any()
