"""The pointwise activations s and their slopes s', one row of preactivations at a time.

``value_slope`` is written once per activation and chosen by the *type* of ``kind`` when a row loop is compiled: a
kernel compiles the one activation that it is called with. Networks hold codes in their tables, and choose as they run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import by_type, inner, kernel
from mfsym.kernels.elementary import (
    LOG2_E,
    clamp,
    erf_positive,
    exp2_parts,
    exp_parts,
    largest_power,
    like,
    log1p_unit,
    logistic2,
)


class Sigmoid(NamedTuple):
    """s(a) = 1 / (1 + e^-a)."""

    code: int = 0


class TameSigmoid(NamedTuple):
    """SIGMOID where no |gain a| exceeds the largest power: the same numbers without a clamp."""

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
TAME_SIGMOID = TameSigmoid()

KINDS = (SIGMOID, TANH, RELU, SOFTPLUS, ERF, IDENTITY)
"""The activations by their codes."""


FROM_VALUES = (0, 1, 2, 5)
"""Codes of the activations whose slope is a function of the value that costs nothing."""


def _sigmoid(kind: Any, t: Any) -> Any:
    s = logistic2(clamp(t, largest_power(t)))
    return s, s - s * s


def _tame_sigmoid(kind: Any, t: Any) -> Any:
    s = logistic2(t)
    return s, s - s * s


def _tanh(kind: Any, t: Any) -> Any:
    one, two = like(t, 1.0), like(t, 2.0)
    u, g = exp2_parts(t)
    e = u * g + (u - one)
    s = e / (e + two)
    return s, one - s * s


def _relu(kind: Any, t: Any) -> Any:
    zero, one = like(t, 0.0), like(t, 1.0)
    return (zero if t < zero else t), (one if t > zero else zero)


def _softplus(kind: Any, t: Any) -> Any:
    zero, one = like(t, 0.0), like(t, 1.0)
    v, g = exp_parts(-abs(t))
    u = v + v * g
    slope = (u if t < zero else one) / (one + u)
    return (zero if t < zero else t) + log1p_unit(u), slope


def _erf(kind: Any, t: Any) -> Any:
    zero, top = like(t, 0.0), like(t, 9.0)
    x = abs(t)
    x = top if x > top else x
    v, g = exp_parts(-x * x)
    e = v + v * g
    s = erf_positive(x, e)
    return (-s if t < zero else s), like(t, 1.1283791670955126) * e


def _identity(kind: Any, t: Any) -> Any:
    return t, like(t, 1.0)


_BY_NAME = {
    "Sigmoid": _sigmoid,
    "TameSigmoid": _tame_sigmoid,
    "Tanh": _tanh,
    "Relu": _relu,
    "Softplus": _softplus,
    "Erf": _erf,
    "Identity": _identity,
}


def _sigmoid_gain(kind: Any, a: Any) -> Any:
    return like(a, -LOG2_E)


def _tanh_gain(kind: Any, a: Any) -> Any:
    return like(a, 2.0 * LOG2_E)


def _no_gain(kind: Any, a: Any) -> Any:
    return like(a, 1.0)


_GAINS = {"Sigmoid": _sigmoid_gain, "TameSigmoid": _sigmoid_gain, "Tanh": _tanh_gain}


@by_type(lambda kind, a: _GAINS.get(kind.instance_class.__name__, _no_gain))
def gain(kind: Any, a: Any) -> Any:
    """The number, in the precision of a, by which the formula of an activation wants its argument multiplied."""
    return _GAINS.get(type(kind).__name__, _no_gain)(kind, a)


@by_type(lambda kind, t: _BY_NAME[kind.instance_class.__name__])
def of_scaled(kind: Any, t: Any) -> Any:
    """The pair (s(a), s'(a)) of one activation, given t = gain a."""
    return _BY_NAME[type(kind).__name__](kind, t)


def _value_slope(kind: Any, a: Any) -> Any:
    return of_scaled(kind, a * gain(kind, a))


@by_type(lambda kind, a: _value_slope)
def value_slope(kind: Any, a: Any) -> Any:
    """The pair (s(a), s'(a)) of one activation; gain a may overflow, and saturates then."""
    with np.errstate(over="ignore"):
        return _value_slope(kind, a)


@kernel
def sum_row(kind: Any, a: Any, o: Any, weights: Any, n: Any) -> Any:
    """sum_i weights_i s(a_i) over the preactivations a[o:o+n], which are left as they are."""
    total = like(a[o], 0.0)
    for lane in range(n):
        i = np.uintp(lane)
        total += weights[i] * value_slope(kind, a[o + i])[0]
    return total


@kernel
def sum_slopes_row(kind: Any, a: Any, o: Any, weights: Any, n: Any) -> Any:
    """As ``sum_row``, and replace the preactivations a[o:o+n] by s'(a)."""
    total = like(a[o], 0.0)
    for lane in range(n):
        i = np.uintp(lane)
        s, slope = value_slope(kind, a[o + i])
        total += weights[i] * s
        a[o + i] = slope
    return total


@kernel
def slopes_row(kind: Any, a: Any, o: Any, n: Any) -> None:
    """Replace the preactivations a[o:o+n] by s'(a)."""
    for lane in range(n):
        i = np.uintp(lane)
        a[o + i] = value_slope(kind, a[o + i])[1]


@kernel
def values_slopes_row(kind: Any, a: Any, o: Any, values: Any, n: Any) -> None:
    """Write s(a) to values[o:o+n] and replace the preactivations a[o:o+n] by s'(a)."""
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
def values_slopes_by_code(code: Any, a: Any, o: Any, values: Any, n: Any) -> None:
    """As ``values_slopes_row`` for the activation of a code."""
    if code == 0:
        values_slopes_row(SIGMOID, a, o, values, n)
    elif code == 1:
        values_slopes_row(TANH, a, o, values, n)
    elif code == 2:
        values_slopes_row(RELU, a, o, values, n)
    elif code == 3:
        values_slopes_row(SOFTPLUS, a, o, values, n)
    elif code == 4:
        values_slopes_row(ERF, a, o, values, n)
    else:
        values_slopes_row(IDENTITY, a, o, values, n)


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
