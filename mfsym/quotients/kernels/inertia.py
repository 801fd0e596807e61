"""Horizontal vectors and orbit volumes of clouds in R^3 by their inertia tensors, WIDE clouds at a time.

K = sum_n |x_n|^2 I - x_n x_n^T is the Gram matrix of the three vertical vectors e_a x x_n. A table of K and of a torque
holds K_00, K_01, K_02, K_11, K_12, K_22, then the torque; layout as in ``rotations``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import kernel
from mfsym.quotients.kernels.rotations import WIDE


@kernel
def inertias(x: Any, v: Any, first: Any, count: Any, size: Any, k: Any) -> None:
    """k <- inertia tensors of the clouds first, ... of x, and torques sum_n x_n x v_n. Clouds of ``size`` numbers."""
    for c in range(count):
        o = (first + c) * size
        a, b, d, e, f, g = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        p, q, r = 0.0, 0.0, 0.0
        for i in range(o, o + size, 3):
            x0, x1, x2 = x[i], x[i + 1], x[i + 2]
            v0, v1, v2 = v[i], v[i + 1], v[i + 2]
            a += x1 * x1 + x2 * x2
            b -= x0 * x1
            d -= x0 * x2
            e += x0 * x0 + x2 * x2
            f -= x1 * x2
            g += x0 * x0 + x1 * x1
            p += x1 * v2 - x2 * v1
            q += x2 * v0 - x0 * v2
            r += x0 * v1 - x1 * v0
        k[c], k[WIDE + c], k[2 * WIDE + c] = a, b, d
        k[3 * WIDE + c], k[4 * WIDE + c], k[5 * WIDE + c] = e, f, g
        k[6 * WIDE + c], k[7 * WIDE + c], k[8 * WIDE + c] = p, q, r


@kernel
def invert(k: Any, inverse: Any, share: Any, volume: Any) -> None:
    """inverse <- K^-1 (six entries as K) and the turning rate K^-1 torque, for all WIDE clouds of a table k.

    share (WIDE,) <- 1 / (tr K tr K^-1): at most 1 / 9; 0 where the orbit loses a dimension, and the inverse is wrong.
    volume (WIDE,) <- log sqrt(det K).
    """
    for c in range(WIDE):
        i, w = np.uintp(c), np.uintp(WIDE)
        i1, i2, i3 = i + w, i + w + w, i + w + w + w
        i4, i5, i6 = i3 + w, i3 + w + w, i3 + w + w + w
        trace = k[i] + k[i3] + k[i5]
        known = trace > 1e-280
        by = 1.0 / (trace if known else 1.0)
        a, b, d = by * k[i], by * k[i1], by * k[i2]
        e, f, g = by * k[i3], by * k[i4], by * k[i5]
        ca, cb, cd = e * g - f * f, d * f - b * g, b * f - d * e
        ce, cf, cg = a * g - d * d, b * d - a * f, a * e - b * b
        det, second = a * ca + b * cb + d * cd, ca + ce + cg
        over = by / (det if det > 1e-300 else 1.0)
        ca, cb, cd, ce, cf, cg = over * ca, over * cb, over * cd, over * ce, over * cf, over * cg
        inverse[i], inverse[i1], inverse[i2] = ca, cb, cd
        inverse[i3], inverse[i4], inverse[i5] = ce, cf, cg
        p, q, r = k[i6], k[i6 + w], k[i6 + w + w]
        inverse[i6], inverse[i6 + w] = ca * p + cb * q + cd * r, cb * p + ce * q + cf * r
        inverse[i6 + w + w] = cd * p + cf * q + cg * r
        part = det / (second if second > 1e-300 else 1.0)
        part = part if det > 0.0 else 0.0
        share[i] = part if known else 0.0
        volume[i] = det if det > 1e-300 else 1.0
    for c in range(WIDE):
        trace = k[c] + k[3 * WIDE + c] + k[5 * WIDE + c]
        volume[c] = 0.5 * np.log(volume[c]) + 1.5 * np.log(trace if trace > 1e-280 else 1.0)


@kernel
def horizontal_clouds(x: Any, v: Any, size: Any, out: Any, share: Any, tables: Any) -> None:
    """out <- the horizontal parts of the clouds v at the clouds x: v_n - w x x_n, w the turning rate. Flat arrays.

    share : (clouds + WIDE,), see ``invert``.  tables : (3, 9 WIDE) to write on, zero at first.
    """
    clouds = x.size // size
    for first in range(0, clouds, WIDE):
        count = min(WIDE, clouds - first)
        inertias(x, v, first, count, size, tables[0])
        invert(tables[0], tables[1], share[first : first + WIDE], tables[2])
        for c in range(count):
            p, q, r = tables[1, 6 * WIDE + c], tables[1, 7 * WIDE + c], tables[1, 8 * WIDE + c]
            o = (first + c) * size
            for i in range(o, o + size, 3):
                x0, x1, x2 = x[i], x[i + 1], x[i + 2]
                out[i] = v[i] - (q * x2 - r * x1)
                out[i + 1] = v[i + 1] - (r * x0 - p * x2)
                out[i + 2] = v[i + 2] - (p * x1 - q * x0)


@kernel
def volume_clouds(x: Any, size: Any, out: Any, volume: Any, share: Any, tables: Any) -> None:
    """out <- grad log vol = tr(K^-1) x_n - K^-1 x_n of flat clouds x, volume and share (clouds + WIDE,): ``invert``."""
    clouds = x.size // size
    for first in range(0, clouds, WIDE):
        count = min(WIDE, clouds - first)
        inertias(x, x, first, count, size, tables[0])
        invert(tables[0], tables[1], share[first : first + WIDE], volume[first : first + WIDE])
        for c in range(count):
            a, b, d = tables[1, c], tables[1, WIDE + c], tables[1, 2 * WIDE + c]
            e, f, g = tables[1, 3 * WIDE + c], tables[1, 4 * WIDE + c], tables[1, 5 * WIDE + c]
            o, trace = (first + c) * size, a + e + g
            for i in range(o, o + size, 3):
                x0, x1, x2 = x[i], x[i + 1], x[i + 2]
                out[i] = trace * x0 - (a * x0 + b * x1 + d * x2)
                out[i + 1] = trace * x1 - (b * x0 + e * x1 + f * x2)
                out[i + 2] = trace * x2 - (d * x0 + f * x1 + g * x2)
