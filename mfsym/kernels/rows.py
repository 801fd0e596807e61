"""Row operations: one pass over L lanes (particles) of flat arrays, at unsigned offsets so that LLVM vectorises."""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import inner, kernel
from mfsym.kernels.elementary import like


@inner
def clear(a: Any, o: Any, n: Any) -> None:
    """a[o:o+n] = 0."""
    zero = like(a[o], 0.0)
    for lane in range(n):
        a[o + np.uintp(lane)] = zero


@inner
def clear_table(a: Any) -> None:
    """a[:, :] = 0: a loop compiles faster than the assignment of an array."""
    for m in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[m, j] = like(a[m, j], 0.0)


@inner
def axpy(a: Any, o: Any, factor: Any, b: Any, q: Any, n: Any) -> None:
    """a[o:o+n] += factor b[q:q+n]."""
    for lane in range(n):
        i = np.uintp(lane)
        a[o + i] += factor * b[q + i]


@inner
def decay_axpy(a: Any, o: Any, keep: Any, factor: Any, b: Any, q: Any, n: Any) -> None:
    """a[o:o+n] = keep a[o:o+n] + factor b[q:q+n]."""
    for lane in range(n):
        i = np.uintp(lane)
        a[o + i] = keep * a[o + i] + factor * b[q + i]


@inner
def multiply(a: Any, o: Any, b: Any, q: Any, n: Any) -> None:
    """a[o:o+n] *= b[q:q+n]."""
    for lane in range(n):
        i = np.uintp(lane)
        a[o + i] *= b[q + i]


@inner
def zero_or_nan(a: Any, o: Any, n: Any) -> Any:
    """0 if a[o:o+n] is finite, NaN otherwise."""
    zero = like(a[o], 0.0)
    total = zero
    for lane in range(n):
        total += a[o + np.uintp(lane)] * zero
    return total


@inner
def weighted_dot(a: Any, o: Any, b: Any, q: Any, weights: Any, n: Any) -> Any:
    """sum_i weights_i a[o + i] b[q + i]."""
    total = like(a[o], 0.0)
    for lane in range(n):
        i = np.uintp(lane)
        total += weights[i] * a[o + i] * b[q + i]
    return total


@kernel
def preactivations(z: Any, o: Any, L: Any, x: Any, m: Any, out: Any, q: Any) -> None:
    """Rows m .. m+3 of z x: out[q + s L :][:L] = sum_k z[o + k L :][:L] x[m + s, k] for s = 0..3."""
    q1, q2, q3, o1 = q + L, q + L + L, q + L + L + L, o + L
    d = x.shape[1]
    if d == 1:
        for lane in range(L):
            i = np.uintp(lane)
            z0 = z[o + i]
            out[q + i], out[q1 + i] = z0 * x[m, 0], z0 * x[m + 1, 0]
            out[q2 + i], out[q3 + i] = z0 * x[m + 2, 0], z0 * x[m + 3, 0]
        return
    x00, x01, x10, x11 = x[m, 0], x[m, 1], x[m + 1, 0], x[m + 1, 1]
    x20, x21, x30, x31 = x[m + 2, 0], x[m + 2, 1], x[m + 3, 0], x[m + 3, 1]
    for lane in range(L):
        i = np.uintp(lane)
        z0, z1 = z[o + i], z[o1 + i]
        out[q + i], out[q1 + i] = z0 * x00 + z1 * x01, z0 * x10 + z1 * x11
        out[q2 + i], out[q3 + i] = z0 * x20 + z1 * x21, z0 * x30 + z1 * x31
    for k in range(2, d):
        o += L + L if k == 2 else L
        for lane in range(L):
            i = np.uintp(lane)
            zk = z[o + i]
            out[q + i] += zk * x[m, k]
            out[q1 + i] += zk * x[m + 1, k]
            out[q2 + i] += zk * x[m + 2, k]
            out[q3 + i] += zk * x[m + 3, k]


@kernel
def accumulate(g: Any, o: Any, L: Any, t: Any, q: Any, x: Any, r: Any, m: Any, j: Any) -> None:
    """Rows m .. m+3 pulled back: g[o + k L :][:L] += sum_s t[q + s L :][:L] x[m + s, k] r[m + s, j] for every k."""
    q1, q2, q3 = q + L, q + L + L, q + L + L + L
    r0, r1, r2, r3 = r[m, j], r[m + 1, j], r[m + 2, j], r[m + 3, j]
    d = x.shape[1]
    for k in range(0, d - 1, 2):
        a0, a1, a2, a3 = r0 * x[m, k], r1 * x[m + 1, k], r2 * x[m + 2, k], r3 * x[m + 3, k]
        b0, b1, b2, b3 = r0 * x[m, k + 1], r1 * x[m + 1, k + 1], r2 * x[m + 2, k + 1], r3 * x[m + 3, k + 1]
        o1 = o + L
        for lane in range(L):
            i = np.uintp(lane)
            t0, t1, t2, t3 = t[q + i], t[q1 + i], t[q2 + i], t[q3 + i]
            g[o + i] += t0 * a0 + t1 * a1 + t2 * a2 + t3 * a3
            g[o1 + i] += t0 * b0 + t1 * b1 + t2 * b2 + t3 * b3
        o = o1 + L
    if d % 2:
        k = d - 1
        a0, a1, a2, a3 = r0 * x[m, k], r1 * x[m + 1, k], r2 * x[m + 2, k], r3 * x[m + 3, k]
        for lane in range(L):
            i = np.uintp(lane)
            g[o + i] += t[q + i] * a0 + t[q1 + i] * a1 + t[q2 + i] * a2 + t[q3 + i] * a3
