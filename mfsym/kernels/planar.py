"""Passes of the matrix unit for inputs in the plane (d = 2): four samples at once, everything between in registers.

Each does in one loop over the lanes what the general passes of ``kernels.units`` do row by row, for row j of the
particles' matrices: z[o:] holds the row's two entries, n lanes each. x : (M, 2), M a multiple of 4. The type of the
activation chooses the code; a sigmoid is clamped where a preactivation may be large, and only there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mfsym.accelerate import by_type, class_of, inner, kernel
from mfsym.kernels.activations import SIGMOID, TAME_SIGMOID, Sigmoid, gain, of_scaled
from mfsym.kernels.elementary import largest_power, like, magnitude


@inner
def _scaled_inputs(kind: Any, x: Any, m: Any) -> Any:
    """The eight coordinates of the samples, times the gain of the activation."""
    by = gain(kind, x[m, 0])
    first, second = (by * x[m, 0], by * x[m, 1]), (by * x[m + 1, 0], by * x[m + 1, 1])
    third, fourth = (by * x[m + 2, 0], by * x[m + 2, 1]), (by * x[m + 3, 0], by * x[m + 3, 1])
    return first, second, third, fourth


@kernel
def tame(z: Any, o: Any, n: Any, x: Any) -> Any:
    """Whether no scaled preactivation of the sigmoid can exceed the largest power of two: |z_i| |x_m| is bounded.

    Compared as bits, which vectorises, and no NaN passes.
    """
    by, o1 = abs(gain(SIGMOID, z[o])), o + n
    first, second = like(by, 0.0), like(by, 0.0)
    for m in range(x.shape[0]):
        a, b = by * abs(x[m, 0]), by * abs(x[m, 1])
        first, second = (a if a > first else first), (b if b > second else second)
    top = magnitude(like(by, 0.0))
    for lane in range(n):
        i = np.uintp(lane)
        reach = magnitude(abs(z[o + i]) * first + abs(z[o1 + i]) * second)
        top = reach if reach > top else top
    return top < magnitude(largest_power(by))


@inner
def _add_four(phi: Any, m: Any, j: Any, t0: Any, t1: Any, t2: Any, t3: Any) -> None:
    phi[m, j] += t0
    phi[m + 1, j] += t1
    phi[m + 2, j] += t2
    phi[m + 3, j] += t3


@inner
def _pulled_inputs(x: Any, r: Any, m: Any, j: Any) -> Any:
    """r[m + s, j] x[m + s, k] for s = 0..3: those of k = 0, those of k = 1."""
    r0, r1, r2, r3 = r[m, j], r[m + 1, j], r[m + 2, j], r[m + 3, j]
    first = (r0 * x[m, 0], r1 * x[m + 1, 0], r2 * x[m + 2, 0], r3 * x[m + 3, 0])
    return first, (r0 * x[m, 1], r1 * x[m + 1, 1], r2 * x[m + 2, 1], r3 * x[m + 3, 1])


@inner
def _kept_of(kind: Any, z: Any, o: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any, j: Any) -> None:
    n = np.uintp(weights.shape[0])
    zero, o1 = like(z[o], 0.0), o + n
    for m in range(0, x.shape[0], 4):
        t0, t1, t2, t3 = zero, zero, zero, zero
        q1, q2, q3 = q + n, q + n + n, q + n + n + n
        (x00, x01), (x10, x11), (x20, x21), (x30, x31) = _scaled_inputs(kind, x, m)
        for lane in range(n):
            i = np.uintp(lane)
            w, z0, z1 = weights[i], z[o + i], z[o1 + i]
            s0, d0 = of_scaled(kind, z0 * x00 + z1 * x01)
            s1, d1 = of_scaled(kind, z0 * x10 + z1 * x11)
            s2, d2 = of_scaled(kind, z0 * x20 + z1 * x21)
            s3, d3 = of_scaled(kind, z0 * x30 + z1 * x31)
            t0 += w * s0
            t1 += w * s1
            t2 += w * s2
            t3 += w * s3
            tape[q + i], tape[q1 + i], tape[q2 + i], tape[q3 + i] = d0, d1, d2, d3
        _add_four(phi, m, j, t0, t1, t2, t3)
        q = q3 + n


@inner
def _sums_of(kind: Any, z: Any, o: Any, x: Any, weights: Any, phi: Any, j: Any) -> None:
    n = np.uintp(weights.shape[0])
    zero, o1 = like(z[o], 0.0), o + n
    for m in range(0, x.shape[0], 4):
        t0, t1, t2, t3 = zero, zero, zero, zero
        (x00, x01), (x10, x11), (x20, x21), (x30, x31) = _scaled_inputs(kind, x, m)
        for lane in range(n):
            i = np.uintp(lane)
            w, z0, z1 = weights[i], z[o + i], z[o1 + i]
            t0 += w * of_scaled(kind, z0 * x00 + z1 * x01)[0]
            t1 += w * of_scaled(kind, z0 * x10 + z1 * x11)[0]
            t2 += w * of_scaled(kind, z0 * x20 + z1 * x21)[0]
            t3 += w * of_scaled(kind, z0 * x30 + z1 * x31)[0]
        _add_four(phi, m, j, t0, t1, t2, t3)


@inner
def _pull_of(kind: Any, z: Any, o: Any, n: Any, x: Any, r: Any, j: Any, g: Any, q: Any) -> None:
    o1, q1 = o + n, q + n
    for m in range(0, x.shape[0], 4):
        (x00, x01), (x10, x11), (x20, x21), (x30, x31) = _scaled_inputs(kind, x, m)
        (a0, a1, a2, a3), (b0, b1, b2, b3) = _pulled_inputs(x, r, m, j)
        for lane in range(n):
            i = np.uintp(lane)
            z0, z1 = z[o + i], z[o1 + i]
            d0 = of_scaled(kind, z0 * x00 + z1 * x01)[1]
            d1 = of_scaled(kind, z0 * x10 + z1 * x11)[1]
            d2 = of_scaled(kind, z0 * x20 + z1 * x21)[1]
            d3 = of_scaled(kind, z0 * x30 + z1 * x31)[1]
            g[q + i] += d0 * a0 + d1 * a1 + d2 * a2 + d3 * a3
            g[q1 + i] += d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3


def _kept_tame(kind: Any, z: Any, o: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any, j: Any) -> None:
    if tame(z, o, np.uintp(weights.shape[0]), x):
        _kept_of(TAME_SIGMOID, z, o, x, weights, tape, q, phi, j)
    else:
        _kept_of(SIGMOID, z, o, x, weights, tape, q, phi, j)


def _sums_tame(kind: Any, z: Any, o: Any, x: Any, weights: Any, phi: Any, j: Any) -> None:
    if tame(z, o, np.uintp(weights.shape[0]), x):
        _sums_of(TAME_SIGMOID, z, o, x, weights, phi, j)
    else:
        _sums_of(SIGMOID, z, o, x, weights, phi, j)


def _pull_tame(kind: Any, z: Any, o: Any, n: Any, x: Any, r: Any, j: Any, g: Any, q: Any) -> None:
    if tame(z, o, n, x):
        _pull_of(TAME_SIGMOID, z, o, n, x, r, j, g, q)
    else:
        _pull_of(SIGMOID, z, o, n, x, r, j, g, q)


def _kept_other(kind: Any, z: Any, o: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any, j: Any) -> None:
    _kept_of(kind, z, o, x, weights, tape, q, phi, j)


def _sums_other(kind: Any, z: Any, o: Any, x: Any, weights: Any, phi: Any, j: Any) -> None:
    _sums_of(kind, z, o, x, weights, phi, j)


def _pull_other(kind: Any, z: Any, o: Any, n: Any, x: Any, r: Any, j: Any, g: Any, q: Any) -> None:
    _pull_of(kind, z, o, n, x, r, j, g, q)


def _choose_kept(kind: Any, *rest: Any) -> Callable[..., Any]:
    return _kept_tame if class_of(kind) is Sigmoid else _kept_other


def _choose_sums(kind: Any, *rest: Any) -> Callable[..., Any]:
    return _sums_tame if class_of(kind) is Sigmoid else _sums_other


def _choose_pull(kind: Any, *rest: Any) -> Callable[..., Any]:
    return _pull_tame if class_of(kind) is Sigmoid else _pull_other


@by_type(_choose_kept)
def _kept_by_kind(kind: Any, z: Any, o: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any, j: Any) -> None:
    _choose_kept(kind)(kind, z, o, x, weights, tape, q, phi, j)


@by_type(_choose_sums)
def _sums_by_kind(kind: Any, z: Any, o: Any, x: Any, weights: Any, phi: Any, j: Any) -> None:
    _choose_sums(kind)(kind, z, o, x, weights, phi, j)


@by_type(_choose_pull)
def _pull_by_kind(kind: Any, z: Any, o: Any, n: Any, x: Any, r: Any, j: Any, g: Any, q: Any) -> None:
    _choose_pull(kind)(kind, z, o, n, x, r, j, g, q)


@kernel
def planar_kept(kind: Any, z: Any, o: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any, j: Any) -> None:
    """As ``planar_sums``, and s'(a_mi) goes to tape[q + m n + i]."""
    _kept_by_kind(kind, z, o, x, weights, tape, q, phi, j)


@kernel
def planar_sums(kind: Any, z: Any, o: Any, x: Any, weights: Any, phi: Any, j: Any) -> None:
    """phi[m, j] += sum_i weights_i s(a_mi) for every sample m, over the n = weights.size lanes. phi : (M, c)."""
    _sums_by_kind(kind, z, o, x, weights, phi, j)


@kernel
def planar_pull(kind: Any, z: Any, o: Any, n: Any, x: Any, r: Any, j: Any, g: Any, q: Any) -> None:
    """g[q + k n + i] += sum_m s'(a_mi) r[m, j] x[m, k] for k = 0, 1, i < n. r : (M, c)."""
    _pull_by_kind(kind, z, o, n, x, r, j, g, q)


@kernel
def planar_pull_kept(tape: Any, q: Any, n: Any, x: Any, r: Any, j: Any, g: Any, at: Any) -> None:
    """As ``planar_pull`` to g[at:], from the slopes tape[q + m n + i] that ``planar_kept`` left."""
    at1 = at + n
    for m in range(0, x.shape[0], 4):
        q1, q2, q3 = q + n, q + n + n, q + n + n + n
        (a0, a1, a2, a3), (b0, b1, b2, b3) = _pulled_inputs(x, r, m, j)
        for lane in range(n):
            i = np.uintp(lane)
            d0, d1, d2, d3 = tape[q + i], tape[q1 + i], tape[q2 + i], tape[q3 + i]
            g[at + i] += d0 * a0 + d1 * a1 + d2 * a2 + d3 * a3
            g[at1 + i] += d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3
        q = q3 + n
