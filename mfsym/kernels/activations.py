"""The pointwise activations s and their slopes s', one row of preactivations at a time.

Codes are integers, so that one compiled kernel serves every activation and its cache is hit. ``value_slope`` is written
once per activation and chosen by the *type* of ``kind`` when a row loop is compiled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import by_type, inner, kernel
from mfsym.kernels.elementary import erf_positive, exp_parts, like, log1p_unit


class Sigmoid(NamedTuple):
    """s(a) = 1 / (1 + e^-a)."""

    code: int = 0


class Tanh(NamedTuple):
    """s(a) = tanh(a)."""

    code: int = 1


class Relu(NamedTuple):
    """s(a) = max(a, 0), with s'(0) = 0."""

    code: int = 2


class Softplus(NamedTuple):
    """s(a) = log(1 + e^a)."""

    code: int = 3


class Erf(NamedTuple):
    """s(a) = erf(a)."""

    code: int = 4


class Identity(NamedTuple):
    """s(a) = a."""

    code: int = 5


SIGMOID, TANH, RELU, SOFTPLUS, ERF, IDENTITY = Sigmoid(), Tanh(), Relu(), Softplus(), Erf(), Identity()


FROM_VALUES = (0, 1, 2, 5)
"""Codes of the activations whose slope is a function of the value that costs nothing."""


def _sigmoid(kind: Any, a: Any) -> Any:
    one = like(a, 1.0)
    t, g = exp_parts(-a)
    s = one / (one + t + t * g)
    return s, s * (one - s)


def _tanh(kind: Any, a: Any) -> Any:
    one, two = like(a, 1.0), like(a, 2.0)
    t, g = exp_parts(two * (like(a, 20.0) if a > like(a, 20.0) else (like(a, -20.0) if a < like(a, -20.0) else a)))
    e = t * g + (t - one)
    s = e / (e + two)
    return s, one - s * s


def _relu(kind: Any, a: Any) -> Any:
    zero, one = like(a, 0.0), like(a, 1.0)
    return (zero if a < zero else a), (one if a > zero else zero)


def _softplus(kind: Any, a: Any) -> Any:
    zero, one = like(a, 0.0), like(a, 1.0)
    t, g = exp_parts(-abs(a))
    u = t + t * g
    slope = (u if a < zero else one) / (one + u)
    return (zero if a < zero else a) + log1p_unit(u), slope


def _erf(kind: Any, a: Any) -> Any:
    zero, top = like(a, 0.0), like(a, 9.0)
    x = abs(a)
    x = top if x > top else x
    t, g = exp_parts(-x * x)
    e = t + t * g
    s = erf_positive(x, e)
    return (-s if a < zero else s), like(a, 1.1283791670955126) * e


def _identity(kind: Any, a: Any) -> Any:
    return a, like(a, 1.0)


_BY_NAME = {
    "Sigmoid": _sigmoid,
    "Tanh": _tanh,
    "Relu": _relu,
    "Softplus": _softplus,
    "Erf": _erf,
    "Identity": _identity,
}


@by_type(lambda kind, a: _BY_NAME[kind.instance_class.__name__])
def value_slope(kind: Any, a: Any) -> Any:
    """The pair (s(a), s'(a)) of one activation."""
    return _BY_NAME[type(kind).__name__](kind, a)


@inner
def _sum_of(kind: Any, a: Any, o: Any, weights: Any, n: Any) -> Any:
    total = like(a[o], 0.0)
    for lane in range(n):
        i = np.uintp(lane)
        total += weights[i] * value_slope(kind, a[o + i])[0]
    return total


@inner
def _sum_slopes_of(kind: Any, a: Any, o: Any, weights: Any, n: Any) -> Any:
    total = like(a[o], 0.0)
    for lane in range(n):
        i = np.uintp(lane)
        s, slope = value_slope(kind, a[o + i])
        total += weights[i] * s
        a[o + i] = slope
    return total


@inner
def _slopes_of(kind: Any, a: Any, o: Any, n: Any) -> None:
    for lane in range(n):
        i = np.uintp(lane)
        a[o + i] = value_slope(kind, a[o + i])[1]


@inner
def _values_slopes_of(kind: Any, a: Any, o: Any, values: Any, n: Any) -> None:
    for lane in range(n):
        i = np.uintp(lane)
        s, slope = value_slope(kind, a[o + i])
        values[o + i] = s
        a[o + i] = slope


@inner
def _values_of(kind: Any, a: Any, o: Any, n: Any) -> None:
    for lane in range(n):
        i = np.uintp(lane)
        a[o + i] = value_slope(kind, a[o + i])[0]


@kernel
def sum_row(code: Any, a: Any, o: Any, weights: Any, n: Any) -> Any:
    """sum_i weights_i s(a_i) over the preactivations a[o:o+n], which are left as they are."""
    if code == 0:
        return _sum_of(SIGMOID, a, o, weights, n)
    if code == 1:
        return _sum_of(TANH, a, o, weights, n)
    if code == 2:
        return _sum_of(RELU, a, o, weights, n)
    if code == 3:
        return _sum_of(SOFTPLUS, a, o, weights, n)
    if code == 4:
        return _sum_of(ERF, a, o, weights, n)
    return _sum_of(IDENTITY, a, o, weights, n)


@kernel
def sum_slopes_row(code: Any, a: Any, o: Any, weights: Any, n: Any) -> Any:
    """As ``sum_row``, and replace the preactivations a[o:o+n] by s'(a)."""
    if code == 0:
        return _sum_slopes_of(SIGMOID, a, o, weights, n)
    if code == 1:
        return _sum_slopes_of(TANH, a, o, weights, n)
    if code == 2:
        return _sum_slopes_of(RELU, a, o, weights, n)
    if code == 3:
        return _sum_slopes_of(SOFTPLUS, a, o, weights, n)
    if code == 4:
        return _sum_slopes_of(ERF, a, o, weights, n)
    return _sum_slopes_of(IDENTITY, a, o, weights, n)


@inner
def _planar_rows_of(kind: Any, z: Any, o: Any, x: Any, m: Any, tape: Any, q: Any, weights: Any) -> Any:
    n = np.uintp(weights.shape[0])
    zero = like(z[o], 0.0)
    t0, t1, t2, t3 = zero, zero, zero, zero
    o1, q1, q2, q3 = o + n, q + n, q + n + n, q + n + n + n
    x00, x01, x10, x11 = x[m, 0], x[m, 1], x[m + 1, 0], x[m + 1, 1]
    x20, x21, x30, x31 = x[m + 2, 0], x[m + 2, 1], x[m + 3, 0], x[m + 3, 1]
    for lane in range(n):
        i = np.uintp(lane)
        w, z0, z1 = weights[i], z[o + i], z[o1 + i]
        s0, d0 = value_slope(kind, z0 * x00 + z1 * x01)
        s1, d1 = value_slope(kind, z0 * x10 + z1 * x11)
        s2, d2 = value_slope(kind, z0 * x20 + z1 * x21)
        s3, d3 = value_slope(kind, z0 * x30 + z1 * x31)
        t0 += w * s0
        t1 += w * s1
        t2 += w * s2
        t3 += w * s3
        tape[q + i], tape[q1 + i], tape[q2 + i], tape[q3 + i] = d0, d1, d2, d3
    return t0, t1, t2, t3


@kernel
def planar_rows(code: Any, z: Any, o: Any, x: Any, m: Any, tape: Any, q: Any, weights: Any) -> Any:
    """``preactivations`` and ``sum_slopes_row`` of four samples in one pass, for inputs in the plane (d = 2).

    The four sums over the n = weights.size lanes are returned, the slopes are written to tape[q : q + 4 n].
    """
    if code == 0:
        return _planar_rows_of(SIGMOID, z, o, x, m, tape, q, weights)
    if code == 1:
        return _planar_rows_of(TANH, z, o, x, m, tape, q, weights)
    if code == 2:
        return _planar_rows_of(RELU, z, o, x, m, tape, q, weights)
    if code == 3:
        return _planar_rows_of(SOFTPLUS, z, o, x, m, tape, q, weights)
    if code == 4:
        return _planar_rows_of(ERF, z, o, x, m, tape, q, weights)
    return _planar_rows_of(IDENTITY, z, o, x, m, tape, q, weights)


@kernel
def slopes_row(code: Any, a: Any, o: Any, n: Any) -> None:
    """Replace the preactivations a[o:o+n] by s'(a)."""
    if code == 0:
        _slopes_of(SIGMOID, a, o, n)
    elif code == 1:
        _slopes_of(TANH, a, o, n)
    elif code == 2:
        _slopes_of(RELU, a, o, n)
    elif code == 3:
        _slopes_of(SOFTPLUS, a, o, n)
    elif code == 4:
        _slopes_of(ERF, a, o, n)
    else:
        _slopes_of(IDENTITY, a, o, n)


@kernel
def values_slopes_row(code: Any, a: Any, o: Any, values: Any, n: Any) -> None:
    """Write s(a) to values[o:o+n] and replace the preactivations a[o:o+n] by s'(a)."""
    if code == 0:
        _values_slopes_of(SIGMOID, a, o, values, n)
    elif code == 1:
        _values_slopes_of(TANH, a, o, values, n)
    elif code == 2:
        _values_slopes_of(RELU, a, o, values, n)
    elif code == 3:
        _values_slopes_of(SOFTPLUS, a, o, values, n)
    elif code == 4:
        _values_slopes_of(ERF, a, o, values, n)
    else:
        _values_slopes_of(IDENTITY, a, o, values, n)


@kernel
def values_row(code: Any, a: Any, o: Any, n: Any) -> None:
    """Replace the preactivations a[o:o+n] by s(a); for activations in FROM_VALUES."""
    if code == 0:
        _values_of(SIGMOID, a, o, n)
    elif code == 1:
        _values_of(TANH, a, o, n)
    elif code == 2:
        _values_of(RELU, a, o, n)


@kernel
def pull_values_row(code: Any, e: Any, o: Any, values: Any, q: Any, n: Any) -> None:
    """e[o:o+n] *= s'(a), given s(a) in values[q:q+n]; for activations in FROM_VALUES."""
    zero, one = like(e[o], 0.0), like(e[o], 1.0)
    if code == 0:
        for lane in range(n):
            i = np.uintp(lane)
            e[o + i] *= values[q + i] * (one - values[q + i])
    elif code == 1:
        for lane in range(n):
            i = np.uintp(lane)
            e[o + i] *= one - values[q + i] * values[q + i]
    elif code == 2:
        for lane in range(n):
            i = np.uintp(lane)
            e[o + i] *= one if values[q + i] > zero else zero
