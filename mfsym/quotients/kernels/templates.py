"""Exact denoisers of mixtures of templates under uniform rotations, compiled: one cloud at a time.

x_t = (1 - t) noise + t g T_j with g uniform; D(x, t) = E[g T_j | x_t = x]. What becomes of a cloud does not depend on
the clouds beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import kernel
from mfsym.quotients.kernels.averages import i0e, i1e, rotation_averages

MEAN, ALIGNED, PROCRUSTES = 0, 1, 2
"""What takes the place of g T_j: itself, its alignment to x, its alignment to the denoised cloud."""

NEGLIGIBLE = 45.0
"""Templates whose log posterior is this far below the largest are left out: e^-45 of the answer."""

SWEEPS, ROUNDS = 30, 60
"""Most sweeps of the singular value decomposition, and rounds of the Procrustes mean."""

COLLINEAR = 1e-15
"""Relative size of a second singular value below which its direction is any."""


@kernel
def planar_denoised(x: Any, t: Any, clouds: Any, weights: Any, kind: Any, work: Any, out: Any, evidence: Any) -> None:
    """out[b] = D(x[b], t) in the plane, evidence[b] = log sum_j of template j's likelihood, up to one constant.

    x, out : (B, n, 2).  clouds : (J, n, 2).  weights : (J,) log w_j.  work : (J, 4) scratch.
    kind : MEAN or ALIGNED, which leaves I1 / I0 out.
    """
    for b in range(x.shape[0]):
        top = -np.inf
        for j in range(clouds.shape[0]):
            re, im, size = 0.0, 0.0, 0.0
            for n in range(x.shape[1]):
                re += clouds[j, n, 0] * x[b, n, 0] + clouds[j, n, 1] * x[b, n, 1]
                im += clouds[j, n, 0] * x[b, n, 1] - clouds[j, n, 1] * x[b, n, 0]
                size += clouds[j, n, 0] ** 2 + clouds[j, n, 1] ** 2
            modulus = np.hypot(re, im)
            kappa = t * modulus / (1.0 - t) ** 2
            scaled = i0e(kappa)
            work[j, 0] = weights[j] + np.log(scaled) + kappa - t * t * size / (2.0 * (1.0 - t) ** 2)
            shrink = i1e(kappa) / scaled if kind == MEAN else 1.0
            work[j, 1] = shrink * re / modulus if modulus > 0.0 else 0.0
            work[j, 2] = shrink * im / modulus if modulus > 0.0 else 0.0
            top = max(top, work[j, 0])
        total = 0.0
        for j in range(clouds.shape[0]):
            work[j, 3] = np.exp(work[j, 0] - top)
            total += work[j, 3]
        out[b] = 0.0
        for j in range(clouds.shape[0]):
            c, s = work[j, 3] * work[j, 1] / total, work[j, 3] * work[j, 2] / total
            for n in range(x.shape[1]):
                out[b, n, 0] += c * clouds[j, n, 0] - s * clouds[j, n, 1]
                out[b, n, 1] += s * clouds[j, n, 0] + c * clouds[j, n, 1]
        evidence[b] = top + np.log(total)


@kernel
def _rotate_columns(f: Any, v: Any, p: Any, q: Any) -> Any:
    """One rotation of the columns p and q of f and v that makes those of f orthogonal; whether there was one to do."""
    a = f[0, p] ** 2 + f[1, p] ** 2 + f[2, p] ** 2
    b = f[0, q] ** 2 + f[1, q] ** 2 + f[2, q] ** 2
    g = f[0, p] * f[0, q] + f[1, p] * f[1, q] + f[2, p] * f[2, q]
    if abs(g) <= 1e-16 * np.sqrt(a) * np.sqrt(b):
        return False
    zeta = (b - a) / (2.0 * g)
    tangent = (1.0 if zeta >= 0.0 else -1.0) / (abs(zeta) + np.hypot(1.0, zeta))
    c = 1.0 / np.sqrt(1.0 + tangent * tangent)
    s = c * tangent
    for i in range(3):
        f[i, p], f[i, q] = c * f[i, p] - s * f[i, q], s * f[i, p] + c * f[i, q]
        v[i, p], v[i, q] = c * v[i, p] - s * v[i, q], s * v[i, p] + c * v[i, q]
    return True


@kernel
def _order_columns(f: Any, v: Any, s: Any, p: Any, q: Any) -> None:
    """Exchange the columns p and q where the second is longer, with a sign that keeps det v."""
    if s[p] < s[q]:
        s[p], s[q] = s[q], s[p]
        for i in range(3):
            f[i, p], f[i, q] = f[i, q], -f[i, p]
            v[i, p], v[i, q] = v[i, q], -v[i, p]


@kernel
def _complete(f: Any, s: Any, u: Any) -> None:
    """The rotation u whose columns point along those of f, ordered by length s; free where these are zero."""
    if s[0] > 0.0:
        for i in range(3):
            u[i, 0] = f[i, 0] / s[0]
    else:
        u[0, 0], u[1, 0], u[2, 0] = 1.0, 0.0, 0.0
    if s[1] > COLLINEAR * s[0]:
        for i in range(3):
            u[i, 1] = f[i, 1]
    else:
        axis = 0
        for i in range(1, 3):
            axis = i if abs(u[i, 0]) < abs(u[axis, 0]) else axis
        for i in range(3):
            u[i, 1] = 1.0 if i == axis else 0.0
    along = u[0, 0] * u[0, 1] + u[1, 0] * u[1, 1] + u[2, 0] * u[2, 1]
    for i in range(3):
        u[i, 1] -= along * u[i, 0]
    length = np.sqrt(u[0, 1] ** 2 + u[1, 1] ** 2 + u[2, 1] ** 2)
    for i in range(3):
        u[i, 1] /= length
    u[0, 2] = u[1, 0] * u[2, 1] - u[2, 0] * u[1, 1]
    u[1, 2] = u[2, 0] * u[0, 1] - u[0, 0] * u[2, 1]
    u[2, 2] = u[0, 0] * u[1, 1] - u[1, 0] * u[0, 1]


@kernel
def proper_svd(f: Any, u: Any, s: Any, v: Any) -> None:
    """f = u diag(s) v^T with rotations u and v and s_1 >= s_2 >= |s_3|; one-sided Jacobi rotations. f is overwritten.

    f, u, v : (3, 3).  s : (3,).
    """
    for i in range(3):
        for k in range(3):
            v[i, k] = 1.0 if i == k else 0.0
    for _ in range(SWEEPS):
        first = _rotate_columns(f, v, 0, 1)
        second = _rotate_columns(f, v, 0, 2)
        third = _rotate_columns(f, v, 1, 2)
        if not (first or second or third):
            break
    for k in range(3):
        s[k] = np.sqrt(f[0, k] ** 2 + f[1, k] ** 2 + f[2, k] ** 2)
    _order_columns(f, v, s, 0, 1)
    _order_columns(f, v, s, 1, 2)
    _order_columns(f, v, s, 0, 1)
    _complete(f, s, u)
    s[2] = u[0, 2] * f[0, 2] + u[1, 2] * f[1, 2] + u[2, 2] * f[2, 2]


@kernel
def _correlate(x: Any, y: Any, f: Any) -> None:
    """f = sum_n x_n y_n^T for two clouds (n, 3)."""
    for i in range(3):
        for k in range(3):
            total = 0.0
            for n in range(x.shape[0]):
                total += x[n, i] * y[n, k]
            f[i, k] = total


@kernel
def _add_turned(u: Any, m: Any, v: Any, y: Any, share: Any, out: Any) -> None:
    """out += share u diag(m) v^T y for a cloud y (n, 3)."""
    for n in range(y.shape[0]):
        for k in range(3):
            along = share * m[k] * (v[0, k] * y[n, 0] + v[1, k] * y[n, 1] + v[2, k] * y[n, 2])
            for i in range(3):
                out[n, i] += u[i, k] * along


@kernel
def _weigh(x: Any, t: Any, clouds: Any, weights: Any, kind: Any, work: Any, posterior: Any) -> Any:
    """Alignments of one cloud to every template, E[R] in their frames, and the posterior; returns the evidence.

    work[j] : u, v, then s and m as rows, of template j.
    """
    scale, J = t / (1.0 - t) ** 2, clouds.shape[0]
    best, sums = 0, work[J + 1].reshape(-1)
    for j in range(J):
        _correlate(x, clouds[j], work[j, 3])
        proper_svd(work[j, 3], work[j, 0], work[j, 2, 0], work[j, 1])
        size = 0.0
        for n in range(x.shape[0]):
            size += clouds[j, n, 0] ** 2 + clouds[j, n, 1] ** 2 + clouds[j, n, 2] ** 2
        s = work[j, 2, 0]
        for k in range(3):
            s[k] *= scale
        posterior[j] = weights[j] + s[0] + s[1] + s[2] - 0.5 * t * scale * size
        best = j if posterior[j] > posterior[best] else best
    posterior[best] += rotation_averages(work[best, 2, 0], work[best, 2, 1], sums)
    top = posterior[best]
    for j in range(J):
        if j != best and posterior[j] > top - NEGLIGIBLE:
            posterior[j] += rotation_averages(work[j, 2, 0], work[j, 2, 1], sums)
    for j in range(J):
        top = max(top, posterior[j])
    total = 0.0
    for j in range(J):
        posterior[j] = np.exp(posterior[j] - top) if posterior[j] > top - NEGLIGIBLE else 0.0
        total += posterior[j]
        if kind != MEAN:
            work[j, 2, 1, 0], work[j, 2, 1, 1], work[j, 2, 1, 2] = 1.0, 1.0, 1.0
    for j in range(J):
        posterior[j] /= total
    return top + np.log(total)


@kernel
def _superpose(clouds: Any, posterior: Any, work: Any, out: Any) -> None:
    """out = sum_j of posterior_j times template j, turned and shrunk as ``work`` says."""
    out[:] = 0.0
    for j in range(clouds.shape[0]):
        if posterior[j] > 0.0:
            _add_turned(work[j, 0], work[j, 2, 1], work[j, 1], clouds[j], posterior[j], out)


@kernel
def _copy(source: Any, out: Any) -> None:
    for n in range(source.shape[0]):
        for i in range(3):
            out[n, i] = source[n, i]


@kernel
def spatial_denoised(x: Any, t: Any, clouds: Any, weights: Any, kind: Any, work: Any, out: Any, evidence: Any) -> None:
    """As ``planar_denoised``, in space: x, out (B, n, 3), clouds (J, n, 3).

    kind : also PROCRUSTES, the mean of the templates aligned to that mean, turned to x at the end.
    work : (J + 2, max(4, n, J), 3, 3) scratch.
    """
    J, points = clouds.shape[0], x.shape[1]
    posterior = work[J].reshape(-1)
    mean = work[J + 1].reshape(-1)[: 3 * points].reshape(points, 3)
    for b in range(x.shape[0]):
        evidence[b] = _weigh(x[b], t, clouds, weights, kind, work, posterior)
        _superpose(clouds, posterior, work, out[b])
        if kind == PROCRUSTES:
            for _ in range(ROUNDS):
                for j in range(J):
                    if posterior[j] > 0.0:
                        _correlate(out[b], clouds[j], work[j, 3])
                        proper_svd(work[j, 3], work[j, 0], work[j, 2, 0], work[j, 1])
                _copy(out[b], mean)
                _superpose(clouds, posterior, work, out[b])
                moved = 0.0
                for n in range(points):
                    for i in range(3):
                        moved = max(moved, abs(out[b, n, i] - mean[n, i]))
                if moved < 1e-12:
                    break
            _copy(out[b], mean)
            _correlate(x[b], mean, work[0, 3])
            proper_svd(work[0, 3], work[0, 0], work[0, 2, 0], work[0, 1])
            out[b] = 0.0
            work[0, 2, 1, 0], work[0, 2, 1, 1], work[0, 2, 1, 2] = 1.0, 1.0, 1.0
            _add_turned(work[0, 0], work[0, 2, 1], work[0, 1], mean, 1.0, out[b])
