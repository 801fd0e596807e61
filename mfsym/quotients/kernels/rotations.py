"""Best rotations of clouds in R^3, WIDE clouds at a time: cross-covariances, rotations, rotated clouds.

Clouds lie one behind the other in flat arrays, 3 n numbers each, point by point. A table of a block of clouds is flat
too: entry k of cloud c is table[k WIDE + c]. The loop over the clouds of a block always runs over all WIDE of them, so
that every cloud goes through the same instructions wherever it lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import inner, kernel

WIDE = 64
"""Clouds in a block."""

LEAST_GAP = 1e-5
"""(s_1 + s_2)(s_2 + s_3)(s_3 + s_1) / |M|^3 from which the closed form of the rotation is trusted; s signed."""

CLOSE = 1e-7
"""How far the closed form may be from a rotation, and that from the best one: one Newton step squares both."""

LEAST_SQUARE = 1e-280
"""|M|^2 below this is 0."""

ROOT_STEPS = 12
"""Newton steps for the largest root of the quartic, from above."""

SWEEPS = 12
"""Jacobi sweeps; 4 x 4 matrices need 4 or 5."""

NOTHING = 1e-40
"""Entries of a matrix of size one that count as zero."""


@inner
def _outer(a: Any, i: Any, b: Any) -> Any:
    """The nine products b_k a_l of the points at i of two flat arrays."""
    i1, i2 = i + np.uintp(1), i + np.uintp(2)
    a0, a1, a2 = a[i], a[i1], a[i2]
    b0, b1, b2 = b[i], b[i1], b[i2]
    return b0 * a0, b0 * a1, b0 * a2, b1 * a0, b1 * a1, b1 * a2, b2 * a0, b2 * a1, b2 * a2


@kernel
def cross_covariances(x: Any, to: Any, first: Any, count: Any, size: Any, m: Any) -> None:
    """m <- sum_n to_n x_n^T (row-major) of the clouds first, ..., first + count - 1, ``size`` numbers each.

    Two points at a time: loops over single ones vectorise, which is slower up to some thirty points.
    """
    for c in range(count):
        o = (first + c) * size
        a, b, d, e, f, g, h, k, q = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        here, last = o, o + size
        while here + 3 < last:
            u0, u1, u2, u3, u4, u5, u6, u7, u8 = _outer(x, np.uintp(here), to)
            v0, v1, v2, v3, v4, v5, v6, v7, v8 = _outer(x, np.uintp(here + 3), to)
            a, b, d = a + (u0 + v0), b + (u1 + v1), d + (u2 + v2)
            e, f, g = e + (u3 + v3), f + (u4 + v4), g + (u5 + v5)
            h, k, q = h + (u6 + v6), k + (u7 + v7), q + (u8 + v8)
            here += 6
        if here < last:
            u0, u1, u2, u3, u4, u5, u6, u7, u8 = _outer(x, np.uintp(here), to)
            a, b, d, e, f, g, h, k, q = a + u0, b + u1, d + u2, e + u3, f + u4, g + u5, h + u6, k + u7, q + u8
        m[c], m[WIDE + c], m[2 * WIDE + c] = a, b, d
        m[3 * WIDE + c], m[4 * WIDE + c], m[5 * WIDE + c] = e, f, g
        m[6 * WIDE + c], m[7 * WIDE + c], m[8 * WIDE + c] = h, k, q


@inner
def _cofactors(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, k: Any) -> Any:
    """Cofactors of a 3 x 3 matrix, row-major: its determinant times its inverse transpose."""
    first = (e * k - f * h, f * g - d * k, d * h - e * g)
    second = (c * h - b * k, a * k - c * g, b * g - a * h)
    return first, second, (b * f - c * e, c * d - a * f, a * e - b * d)


@kernel
def _largest_roots(m: Any, roots: Any) -> None:
    """roots <- 1 / |M|, det, |cof|^2 and s_1 + s_2 + s_3 of M / |M| for the matrices of a table m: 4 WIDE numbers.

    The last is the largest root of (t^2 - 1)^2 - 8 t det - 4 |cof|^2, by Newton's method from sqrt(3), which is never
    below it. All clouds make a step before any makes the next: steps of one wait for each other.
    """
    w = np.uintp(WIDE)
    for c in range(WIDE):
        i = np.uintp(c)
        j, k = i + w + w + w, i + w * np.uintp(6)
        a, b, d, e, f, g = m[i], m[i + w], m[i + w + w], m[j], m[j + w], m[j + w + w]
        h, p, q = m[k], m[k + w], m[k + w + w]
        norm2 = a * a + b * b + d * d + e * e + f * f + g * g + h * h + p * p + q * q
        by = 1.0 / np.sqrt(norm2 if norm2 > LEAST_SQUARE else 1.0)
        a, b, d, e, f, g, h, p, q = by * a, by * b, by * d, by * e, by * f, by * g, by * h, by * p, by * q
        (c0, c1, c2), (c3, c4, c5), (c6, c7, c8) = _cofactors(a, b, d, e, f, g, h, p, q)
        adj2 = c0 * c0 + c1 * c1 + c2 * c2 + c3 * c3 + c4 * c4 + c5 * c5 + c6 * c6 + c7 * c7 + c8 * c8
        roots[i] = by if norm2 > LEAST_SQUARE else 0.0
        roots[i + w], roots[i + w + w] = a * c0 + b * c1 + d * c2, adj2
        roots[i + w + w + w] = 1.7320508075688774
    for _ in range(ROOT_STEPS):
        for c in range(WIDE):
            i = np.uintp(c)
            t, det, adj2 = roots[i + w + w + w], roots[i + w], roots[i + w + w]
            q = t * t - 1.0
            slope = 4.0 * t * q - 8.0 * det
            value = q * q - 8.0 * t * det - 4.0 * adj2
            value = value if value > 0.0 else 0.0
            roots[i + w + w + w] = t - value / (slope if slope > 1e-12 else 1.0)


@inner
def _product(a: Any, b: Any) -> Any:
    """a b of matrices as tuples of rows."""
    (a0, a1, a2), (a3, a4, a5), (a6, a7, a8) = a
    (b0, b1, b2), (b3, b4, b5), (b6, b7, b8) = b
    return (
        (a0 * b0 + a1 * b3 + a2 * b6, a0 * b1 + a1 * b4 + a2 * b7, a0 * b2 + a1 * b5 + a2 * b8),
        (a3 * b0 + a4 * b3 + a5 * b6, a3 * b1 + a4 * b4 + a5 * b7, a3 * b2 + a4 * b5 + a5 * b8),
        (a6 * b0 + a7 * b3 + a8 * b6, a6 * b1 + a7 * b4 + a8 * b7, a6 * b2 + a7 * b5 + a8 * b8),
    )


@inner
def _transposed(a: Any) -> Any:
    (a0, a1, a2), (a3, a4, a5), (a6, a7, a8) = a
    return (a0, a3, a6), (a1, a4, a7), (a2, a5, a8)


@inner
def _combined(u: Any, a: Any, v: Any, b: Any) -> Any:
    """u a + v b of matrices a, b and numbers u, v."""
    (a0, a1, a2), (a3, a4, a5), (a6, a7, a8) = a
    (b0, b1, b2), (b3, b4, b5), (b6, b7, b8) = b
    return (
        (u * a0 + v * b0, u * a1 + v * b1, u * a2 + v * b2),
        (u * a3 + v * b3, u * a4 + v * b4, u * a5 + v * b5),
        (u * a6 + v * b6, u * a7 + v * b7, u * a8 + v * b8),
    )


@inner
def _closed_form(matrix: Any, det: Any, t: Any) -> Any:
    """The best rotation for a matrix of norm 1 with s_1 + s_2 + s_3 = t, and zeta = (s_1 + s_2)(s_2 + s_3)(s_3 + s_1).

    FOAM: F. L. Markley, J. Astronautical Sci. 41 (1993) 261: [(kappa + 1) M + t cof(M) - M M^T M] / zeta.
    """
    first, second, third = matrix
    kappa = 0.5 * (t * t - 1.0)
    zeta = kappa * t - det
    by = 1.0 / (zeta if zeta > 1e-12 else 1.0)
    cubic = _product(_product(matrix, _transposed(matrix)), matrix)
    found = _combined(by * (kappa + 1.0), matrix, by * t, _cofactors(*first, *second, *third))
    return _combined(1.0, found, -by, cubic), zeta


@inner
def _orthogonal(r: Any) -> Any:
    """R (3 I - R^T R) / 2, and the largest entry of R^T R - I before."""
    (g0, g1, g2), (_, g4, g5), (_, _, g8) = _product(_transposed(r), r)
    a, b, c = abs(g0 - 1.0), abs(g4 - 1.0), abs(g8 - 1.0)
    a, b, c = (a if a > abs(g1) else abs(g1)), (b if b > abs(g2) else abs(g2)), (c if c > abs(g5) else abs(g5))
    a = a if a > b else b
    correction = (
        (1.5 - 0.5 * g0, -0.5 * g1, -0.5 * g2),
        (-0.5 * g1, 1.5 - 0.5 * g4, -0.5 * g5),
        (-0.5 * g2, -0.5 * g5, 1.5 - 0.5 * g8),
    )
    return _product(r, correction), (a if a > c else c)


@inner
def _corrected(r: Any, matrix: Any) -> Any:
    """R after a Newton step on the rotations towards the best one, and the angle it turned by (largest component)."""
    (s0, s1, s2), (s3, s4, s5), (s6, s7, s8) = _product(_transposed(r), matrix)
    u, v, w = 0.5 * (s1 + s3), 0.5 * (s2 + s6), 0.5 * (s5 + s7)
    (a0, a1, a2), (_, a4, a5), (_, _, a8) = _cofactors(s4 + s8, -u, -v, -u, s0 + s8, -w, -v, -w, s0 + s4)
    det = (s4 + s8) * a0 - u * a1 - v * a2
    by = 1.0 / (det if det > 1e-12 else 1.0)
    p, q, t = s7 - s5, s2 - s6, s3 - s1
    x, y, z = by * (a0 * p + a1 * q + a2 * t), by * (a1 * p + a4 * q + a5 * t), by * (a2 * p + a5 * q + a8 * t)
    xx, yy, zz = 0.5 * x * x, 0.5 * y * y, 0.5 * z * z
    xy, xz, yz = 0.5 * x * y, 0.5 * x * z, 0.5 * y * z
    turn = ((1.0 - yy - zz, xy - z, xz + y), (xy + z, 1.0 - xx - zz, yz - x), (xz - y, yz + x, 1.0 - xx - yy))
    x, y, z = abs(x), abs(y), abs(z)
    x = x if x > y else y
    return _product(r, turn), (x if x > z else z)


@kernel
def rotations(m: Any, r: Any, sure: Any, roots: Any) -> None:
    """r <- the rotations R of largest tr(R^T M), for the WIDE matrices of a table m; tables of 9 WIDE numbers.

    sure (WIDE,) <- 1 where r is right to rounding; 0 where s_2 + s_3 is near 0 and ``turn_hard`` has to be asked.
    roots : (4 WIDE,) to write on.
    """
    _largest_roots(m, roots)
    w = np.uintp(WIDE)
    for c in range(WIDE):
        i = np.uintp(c)
        j, k = i + w + w + w, i + w * np.uintp(6)
        by, det, t = roots[i], roots[i + w], roots[j]
        matrix = (
            (by * m[i], by * m[i + w], by * m[i + w + w]),
            (by * m[j], by * m[j + w], by * m[j + w + w]),
            (by * m[k], by * m[k + w], by * m[k + w + w]),
        )
        found, zeta = _closed_form(matrix, det, t)
        found, skew = _orthogonal(found)
        ((r0, r1, r2), (r3, r4, r5), (r6, r7, r8)), missed = _corrected(found, matrix)
        r[i], r[i + w], r[i + w + w] = r0, r1, r2
        r[j], r[j + w], r[j + w + w] = r3, r4, r5
        r[k], r[k + w], r[k + w + w] = r6, r7, r8
        known = 1.0 if zeta > LEAST_GAP else 0.0
        known = known if by > 0.0 else 0.0
        known = known if skew < CLOSE else 0.0
        sure[i] = known if missed < CLOSE else 0.0


@kernel
def _jacobi(a: Any, q: Any) -> None:
    """Eigenvectors of a symmetric matrix a (4, 4), which becomes diagonal, as the columns of q: cyclic Jacobi."""
    for i in range(4):
        for j in range(4):
            q[i, j] = 1.0 if i == j else 0.0
    for _ in range(SWEEPS):
        for i in range(3):
            for j in range(i + 1, 4):
                if abs(a[i, j]) > NOTHING:
                    theta = 0.5 * (a[j, j] - a[i, i]) / a[i, j]
                    t = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1.0))
                    t = t if theta >= 0.0 else -t
                    c = 1.0 / np.sqrt(t * t + 1.0)
                    s = t * c
                    for k in range(4):
                        u, v = a[k, i], a[k, j]
                        a[k, i], a[k, j] = c * u - s * v, s * u + c * v
                    for k in range(4):
                        u, v = a[i, k], a[j, k]
                        a[i, k], a[j, k] = c * u - s * v, s * u + c * v
                    for k in range(4):
                        u, v = q[k, i], q[k, j]
                        q[k, i], q[k, j] = c * u - s * v, s * u + c * v


@kernel
def turn_hard(m: Any, r: Any, c: Any, a: Any, q: Any) -> None:
    """r <- the best rotation of cloud c of a table, whatever its singular values: the top unit quaternion.

    B. K. P. Horn, J. Opt. Soc. Am. A 4 (1987) 629.  a, q : (4, 4), to write on. Where several rotations are best, one.
    """
    scale = 0.0
    for k in range(9):
        scale = max(scale, abs(m[k * WIDE + c]))
    by = 1.0 / scale if scale > 0.0 else 0.0
    xx, xy, xz = by * m[c], by * m[3 * WIDE + c], by * m[6 * WIDE + c]
    yx, yy, yz = by * m[WIDE + c], by * m[4 * WIDE + c], by * m[7 * WIDE + c]
    zx, zy, zz = by * m[2 * WIDE + c], by * m[5 * WIDE + c], by * m[8 * WIDE + c]
    a[0, 0], a[1, 1], a[2, 2], a[3, 3] = xx + yy + zz, xx - yy - zz, yy - xx - zz, zz - xx - yy
    a[0, 1], a[0, 2], a[0, 3] = yz - zy, zx - xz, xy - yx
    a[1, 2], a[1, 3], a[2, 3] = xy + yx, zx + xz, yz + zy
    for i in range(4):
        for j in range(i):
            a[i, j] = a[j, i]
    _jacobi(a, q)
    best = 0
    for k in range(1, 4):
        best = k if a[k, k] > a[best, best] else best
    w, x, y, z = q[0, best], q[1, best], q[2, best], q[3, best]
    r[c], r[WIDE + c], r[2 * WIDE + c] = w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)
    r[3 * WIDE + c], r[4 * WIDE + c] = 2.0 * (x * y + w * z), w * w - x * x + y * y - z * z
    r[5 * WIDE + c], r[6 * WIDE + c] = 2.0 * (y * z - w * x), 2.0 * (x * z - w * y)
    r[7 * WIDE + c], r[8 * WIDE + c] = 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z


@kernel
def best_rotations(m: Any, r: Any, sure: Any, count: Any, a: Any, q: Any) -> None:
    """``rotations`` of a block, and ``turn_hard`` for those of its first ``count`` clouds that are not sure.

    sure : (5 WIDE,), of which the first WIDE are told; the others and a, q (4, 4) are to write on.
    """
    rotations(m, r, sure, sure[WIDE:])
    for c in range(count):
        if sure[c] == 0.0:
            turn_hard(m, r, c, a, q)


@kernel
def turn(x: Any, r: Any, first: Any, count: Any, size: Any, out: Any) -> None:
    """out <- R_c x_n for the points of the clouds first, ..., first + count - 1."""
    for c in range(count):
        o = (first + c) * size
        r0, r1, r2 = r[c], r[WIDE + c], r[2 * WIDE + c]
        r3, r4, r5 = r[3 * WIDE + c], r[4 * WIDE + c], r[5 * WIDE + c]
        r6, r7, r8 = r[6 * WIDE + c], r[7 * WIDE + c], r[8 * WIDE + c]
        for point in range(size // 3):
            i = np.uintp(o + 3 * point)
            i1, i2 = i + np.uintp(1), i + np.uintp(2)
            x0, x1, x2 = x[i], x[i1], x[i2]
            out[i] = r0 * x0 + r1 * x1 + r2 * x2
            out[i1] = r3 * x0 + r4 * x1 + r5 * x2
            out[i2] = r6 * x0 + r7 * x1 + r8 * x2


@kernel
def align_clouds(x: Any, to: Any, size: Any, out: Any, tables: Any, square: Any) -> None:
    """out <- every cloud of x turned to where it is nearest to the same one of ``to``; flat arrays.

    size : 3 n.  tables : (3, 9 WIDE) to write on, zero at first.  square : (2, 4, 4) to write on.
    """
    clouds = x.size // size
    for first in range(0, clouds, WIDE):
        count = min(WIDE, clouds - first)
        cross_covariances(x, to, first, count, size, tables[0])
        best_rotations(tables[0], tables[1], tables[2], count, square[0], square[1])
        turn(x, tables[1], first, count, size, out)


@kernel
def distance_table(a: Any, b: Any, size: Any, out: Any, tables: Any, sure: Any, square: Any) -> None:
    """out (S, T) <- least |a_s - R b_t| over rotations R, of flat clouds a and b.

    tables : (3, max(9, size) WIDE) to write on, zero at first.  sure : (5 WIDE,) and square : (2, 4, 4), to write on.
    """
    for s in range(out.shape[0]):
        target = tables[2]
        for c in range(WIDE):
            for i in range(size):
                target[c * size + i] = a[s * size + i]
        for first in range(0, out.shape[1], WIDE):
            count = min(WIDE, out.shape[1] - first)
            cross_covariances(b[first * size :], target, 0, count, size, tables[0])
            best_rotations(tables[0], tables[1], sure, count, square[0], square[1])
            _residuals(b[first * size :], target, tables[1], out[s, first:], count, size)


@kernel
def _residuals(x: Any, to: Any, r: Any, out: Any, count: Any, size: Any) -> None:
    """out[c] <- |R_c x_c - to_c|."""
    for c in range(count):
        r0, r1, r2 = r[c], r[WIDE + c], r[2 * WIDE + c]
        r3, r4, r5 = r[3 * WIDE + c], r[4 * WIDE + c], r[5 * WIDE + c]
        r6, r7, r8 = r[6 * WIDE + c], r[7 * WIDE + c], r[8 * WIDE + c]
        total = 0.0
        for i in range(c * size, (c + 1) * size, 3):
            x0, x1, x2 = x[i], x[i + 1], x[i + 2]
            u = r0 * x0 + r1 * x1 + r2 * x2 - to[i]
            v = r3 * x0 + r4 * x1 + r5 * x2 - to[i + 1]
            w = r6 * x0 + r7 * x1 + r8 * x2 - to[i + 2]
            total += u * u + v * v + w * w
        out[c] = np.sqrt(total)
