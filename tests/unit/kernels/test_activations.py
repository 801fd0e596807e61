"""mfsym.kernels.activations: errors over the whole range of both precisions, NaN and infinities."""

import numpy as np
import pytest

from mfsym.accelerate import kernel
from mfsym.kernels import activations as kernels
from mfsym.kernels import elementary
from mfsym.streams import normals, stream_key
from mfsym.units import ACTIVATIONS
from tests import naive
from tests.sizes import sized
from tests.tolerances import ACTIVATION, ACTIVATION32, SLOPE32

KEY = stream_key(1, "init")
TOLERANCE = {"float32": ACTIVATION32, "float64": ACTIVATION}
SLOPE_TOLERANCE = {"float32": SLOPE32, "float64": ACTIVATION}
NAMES = list(ACTIVATIONS)
KINDS = kernels.KINDS
POINTS = sized(400_001, 401)


def _row(code, a):
    """s and s' of the kernel at the points a."""
    slopes, values = a.copy(), np.empty_like(a)
    kernels.values_slopes_row(kernels.KINDS[code], slopes, np.uintp(0), values, np.uintp(a.size))
    return values, slopes


def _grid(dtype):
    """Points over all magnitudes: dense where the functions bend, then by powers up to the largest number."""
    largest = np.log10(np.finfo(dtype).max)
    powers = 10.0 ** np.linspace(-0.99 * largest, 0.99 * largest, POINTS // 4)
    bends = np.array([0.0, 1.0, 4.2, 6.2, 9.0, 10.0, 20.0, 87.0, 88.8, 700.0, 710.0])
    near = (bends[:, None] * (1.0 + 1e-7 * np.arange(-3, 4))).ravel()
    dense = np.concatenate([np.linspace(0.0, 12.0, POINTS // 2), np.linspace(12.0, 120.0, POINTS // 4)])
    positive = np.concatenate([dense, powers, near])
    return np.concatenate([-positive, positive]).astype(dtype)


def _errors(got, exact):
    return np.abs(got - exact) / np.maximum(1.0, np.abs(exact))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", range(6), ids=NAMES)
def test_values_and_slopes_are_accurate_over_the_whole_range(code, dtype):
    a = _grid(dtype)
    s, slope = (function(a.astype(np.float64)) for function in naive.ACTIVATIONS[code])
    values, slopes = _row(code, a)
    assert values.dtype == slopes.dtype == dtype
    assert _errors(values, s).max() <= TOLERANCE[dtype]
    assert _errors(slopes, slope).max() <= SLOPE_TOLERANCE[dtype]
    assert _errors(values * (1.0 + 4.0 * TOLERANCE[dtype]), s).max() > TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", range(6), ids=NAMES)
def test_infinities_saturate_and_nan_propagates(code, dtype):
    a = np.array([-np.inf, np.inf, np.nan] + [0.5] * 13, dtype)
    with np.errstate(invalid="ignore"):
        values, slopes = _row(code, a)
    limits = {
        "sigmoid": ([0, 1], [0, 0]),
        "tanh": ([-1, 1], [0, 0]),
        "relu": ([0, np.inf], [0, 1]),
        "softplus": ([0, np.inf], [0, 1]),
        "erf": ([-1, 1], [0, 0]),
        "identity": ([-np.inf, np.inf], [1, 1]),
    }[NAMES[code]]
    for got, expected in zip((values, slopes), limits, strict=True):
        finite = np.isfinite(expected)
        assert np.array_equal(got[:2][~finite], np.array(expected)[~finite])
        assert np.abs(got[:2][finite] - np.array(expected)[finite]).max(initial=0.0) <= TOLERANCE[dtype]
    assert np.isnan(values[2])
    assert np.isfinite(values[3:]).all()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", range(6), ids=NAMES)
@pytest.mark.parametrize("size", [1, 7, 16, 100])
def test_rows_write_only_their_lanes(code, dtype, size):
    o = 5
    start = (3.0 * normals(KEY, 0, size + 2 * o, 1)[:, 0]).astype(dtype)
    a, twin = start.copy(), start.copy()
    values, twin_values = np.full((2, start.size), 9.0, dtype)
    kernels.values_slopes_row(KINDS[code], a, np.uintp(o), values, np.uintp(size))
    naive.values_slopes_row(KINDS[code], twin, o, twin_values, size)
    assert np.abs(a - twin).max() <= SLOPE_TOLERANCE[dtype]
    assert _errors(values, twin_values.astype(np.float64)).max() <= TOLERANCE[dtype]
    untouched = np.r_[:o, o + size : start.size]
    assert np.array_equal(a[untouched], start[untouched])
    assert (values[untouched] == 9.0).all()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", range(6), ids=NAMES)
def test_a_code_names_its_activation(code, dtype):
    start = (3.0 * normals(KEY, 5, 64, 1)[:, 0]).astype(dtype)
    a, twin = start.copy(), start.copy()
    values, twin_values = np.zeros((2, 64), dtype)
    kernels.values_slopes_by_code(code, a, np.uintp(0), values, np.uintp(64))
    naive.values_slopes_by_code(code, twin, 0, twin_values, 64)
    assert KINDS[code].code == code
    assert np.abs(a - twin).max() <= SLOPE_TOLERANCE[dtype]
    assert _errors(values, twin_values.astype(np.float64)).max() <= TOLERANCE[dtype]
    naive.values_slopes_by_code((code + 1) % 6, start, 0, twin_values, 64)
    assert _errors(values, twin_values.astype(np.float64)).max() > TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", range(6), ids=NAMES)
def test_slopes_alone_are_the_slopes_of_the_pair(code, dtype):
    start = (3.0 * normals(KEY, 2, 40, 1)[:, 0]).astype(dtype)
    a, twin = start.copy(), start.copy()
    kernels.slopes_row(KINDS[code], a, np.uintp(4), np.uintp(32))
    naive.slopes_row(KINDS[code], twin, 4, 32)
    assert np.abs(a - twin).max() <= SLOPE_TOLERANCE[dtype]
    assert np.array_equal(a[:4], start[:4])
    assert np.array_equal(a[36:], start[36:])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", range(6), ids=NAMES)
def test_weighted_sums_skip_lanes_of_no_weight(code, dtype):
    start = (3.0 * normals(KEY, 1, 48, 1)[:, 0]).astype(dtype)
    weights = np.ones(32, dtype)
    weights[20:] = 0.0
    a, twin = start.copy(), start.copy()
    total = kernels.sum_slopes_row(KINDS[code], a, np.uintp(16), weights, np.uintp(32))
    exact = naive.sum_slopes_row(KINDS[code], twin, 16, weights, 32)
    assert abs(total - exact) <= 20 * TOLERANCE[dtype] * max(1.0, abs(exact))
    assert np.abs(a - twin).max() <= SLOPE_TOLERANCE[dtype]
    again = kernels.sum_row(KINDS[code], start.copy(), np.uintp(16), weights, np.uintp(32))
    assert abs(again - exact) <= 20 * TOLERANCE[dtype] * max(1.0, abs(exact))
    weights[20:] = 1.0
    assert kernels.sum_row(KINDS[code], start, np.uintp(16), weights, np.uintp(32)) != total


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_pointwise_activations_equal_their_twins_without_a_compiler(kind):
    for dtype, tolerance in TOLERANCE.items():
        for a in np.array([-30.0, -2.0, -0.5, 0.0, 0.7, 3.0, 25.0], dtype):
            got = kernels.value_slope(kind, a)
            exact = naive.value_slope(kind, np.float64(a))
            assert [type(part) for part in got] == [type(a)] * 2
            errors = _errors(np.float64(got), np.float64(exact))
            assert errors[0] <= tolerance
            assert errors[1] <= SLOPE_TOLERANCE[dtype]


def test_elementary_pieces_equal_their_twins_without_a_compiler():
    for dtype, tolerance in TOLERANCE.items():
        for y in np.array([-80.0, -1.0, -0.3, 0.0, 0.34, 0.35, 5.0, 80.0], dtype):
            t, g = elementary.exp_parts(y)
            exact_t, exact_g = naive.exp_parts(np.float64(y))
            assert np.float64(t) == exact_t
            assert abs(np.float64(g) - exact_g) <= 80.0 * tolerance
        for u in np.linspace(0.0, 1.0, 9).astype(dtype):
            e = np.exp(-(np.float64(u) ** 2)).astype(dtype)
            assert abs(elementary.log1p_unit(u) - naive.log1p_unit(np.float64(u))) <= tolerance
            assert abs(elementary.erf_positive(u, e) - naive.erf_positive(np.float64(u), e)) <= tolerance
        assert elementary.like(np.ones(1, dtype)[0], 2).dtype == dtype


@kernel
def _clamped(a, bound, out):
    for i in range(a.size):
        out[i] = elementary.clamp(a[i], bound)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_clamping_bounds_infinities_and_keeps_nan(dtype):
    a = np.array([-np.inf, -126.5, -126.0, -0.0, 3.0, 126.0, 1e30, np.inf, np.nan] * 3, dtype)
    bound = a.dtype.type(126.0)
    out = np.empty_like(a)
    _clamped(a, bound, out)
    assert np.array_equal(out, naive.clamp(a, bound), equal_nan=True)
    assert np.array_equal([elementary.clamp(value, bound) for value in a], out, equal_nan=True)
    assert not np.array_equal(out, a, equal_nan=True)


@kernel
def _powers(t, u, g):
    for i in range(t.size):
        u[i], g[i] = elementary.exp2_parts(t[i])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_powers_of_two_are_accurate_and_saturate(dtype):
    largest = {"float32": 126.0, "float64": 1010.0}[dtype]
    t = np.concatenate([np.linspace(-largest, largest, POINTS), np.linspace(-0.5, 0.5, POINTS // 4)]).astype(dtype)
    u, g = np.empty((2, t.size), dtype)
    _powers(t, u, g)
    exact_u, exact_g = naive.exp2_parts(t.astype(np.float64))
    assert np.array_equal(u, exact_u)
    assert np.abs(g - exact_g).max() <= TOLERANCE[dtype]
    assert np.abs(g + 2.0 * TOLERANCE[dtype] - exact_g).max() > TOLERANCE[dtype]
    ends = np.array([-np.inf, np.inf, np.nan], dtype)
    u, g = np.empty((2, 3), dtype)
    with np.errstate(invalid="ignore"):
        _powers(ends, u, g)
    assert np.array_equal(u[:2], 2.0 ** np.array([-largest, largest]))
    assert np.array_equal(g[:2], [0.0, 0.0])
    assert np.isnan(g[2])


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_formulas_take_scaled_preactivations(kind):
    for dtype, tolerance in TOLERANCE.items():
        for a in np.array([-3.0, 0.0, 0.7], dtype):
            by = kernels.gain(kind, a)
            assert type(by) is type(a)
            s, slope = kernels.of_scaled(kind, by * a)
            exact = naive.value_slope(kind, np.float64(a))
            assert _errors(np.float64([s, slope]), np.float64(exact)).max() <= max(tolerance, SLOPE_TOLERANCE[dtype])


@kernel
def _logistic(t, s, e):
    for i in range(t.size):
        s[i] = elementary.logistic2(t[i])
        e[i] = elementary.exponent(np.rint(t[i]))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_logistic_values_are_accurate_up_to_the_largest_power(dtype):
    largest = {"float32": 126.0, "float64": 1010.0}[dtype]
    t = np.concatenate([np.linspace(-largest, largest, POINTS), np.linspace(-2.0, 2.0, POINTS // 4)]).astype(dtype)
    s, e = np.empty_like(t), np.empty(t.size, {"float32": np.int32, "float64": np.int64}[dtype])
    _logistic(t, s, e)
    exact = naive.logistic2(t.astype(np.float64))
    assert np.abs(s - exact).max() <= 0.6 * TOLERANCE[dtype]
    assert (
        np.abs(s - naive.logistic2(t.astype(np.float64) * (1.0 + 8.0 * TOLERANCE[dtype]))).max()
        > 0.6 * TOLERANCE[dtype]
    )
    assert np.array_equal(e, naive.exponent(np.rint(t)))
    assert [elementary.logistic2(value) for value in t[::POINTS]] == list(s[::POINTS])
    assert [elementary.exponent(np.rint(value)) for value in t[::POINTS]] == list(e[::POINTS])
    assert elementary.largest_power(t[0]) == largest
    assert np.isnan(elementary.logistic2(t.dtype.type(np.nan)))


@kernel
def _sigmoids(t, tame, clamped):
    for i in range(t.size):
        tame[i] = kernels.of_scaled(kernels.TAME_SIGMOID, t[i])[1]
        clamped[i] = kernels.of_scaled(kernels.SIGMOID, t[i])[1]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_sigmoid_without_a_clamp_is_the_same_where_the_clamp_does_nothing(dtype):
    t = np.linspace(-125.9, 125.9, POINTS).astype(dtype)
    tame, clamped = np.empty((2, t.size), dtype)
    _sigmoids(t, tame, clamped)
    assert np.array_equal(tame, clamped)
    far = np.array([1200.0, -1200.0], dtype)
    with np.errstate(all="ignore"):
        _sigmoids(far, tame[:2], clamped[:2])
    assert not np.array_equal(tame[:2], clamped[:2])
    assert kernels.gain(kernels.TAME_SIGMOID, t[0]) == kernels.gain(kernels.SIGMOID, t[0])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_magnitudes_are_ordered_with_nan_on_top(dtype):
    a = np.array([0.0, -1e-30, 0.5, -1.0, 3.0, -1e30, -np.inf, np.nan], dtype)
    bits = [int(elementary.magnitude(value)) for value in a]
    assert bits == sorted(set(bits))
    assert elementary.magnitude(a[3]) == elementary.magnitude(-a[3])
