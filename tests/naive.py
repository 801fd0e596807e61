"""Slow, obvious twins of the training kernels, written from the equations: plain NumPy in float64.

A twin has its kernel's name and signature and writes to the same arguments.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from mfsym import streams
from mfsym.kernels.blocks import MatrixKind, unit_kind

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]

ACTIVATIONS: tuple[tuple[Function, Function], ...] = (
    (expit, lambda a: expit(a) * expit(-a)),
    (np.tanh, lambda a: 4.0 * expit(2.0 * a) * expit(-2.0 * a)),
    (lambda a: np.where(a < 0.0, 0.0, a), lambda a: np.where(a > 0.0, 1.0, 0.0)),
    (lambda a: np.logaddexp(0.0, a), expit),
    (erf, lambda a: 2.0 / np.sqrt(np.pi) * np.exp(-(np.minimum(np.abs(a), 30.0) ** 2))),
    (lambda a: a, np.ones_like),
)
"""s and s' by the code of the activation."""

# elementary and rows


def exp_parts(y):
    """(t, g) with e^y = t (1 + g) and t the nearest power of two."""
    t = 2.0 ** np.rint(y * np.log2(np.e))
    return t, np.exp(y) / t - 1.0


def exp2_parts(t):
    """(u, g) with 2^t = u (1 + g) and u the nearest power of two."""
    u = 2.0 ** np.rint(t)
    return u, 2.0**t / u - 1.0


def logistic2(t):
    return expit(-np.log(2.0) * t)


def exponent(k):
    """2^k as what is added to the bits of a number."""
    bits, kind = (23, np.int32) if k.dtype == np.float32 else (52, np.int64)
    return (k.astype(np.int64) * 2**bits).astype(kind)


def tame(z, o, n, x):
    reach = np.abs(z[o : o + 2 * n]).reshape(2, n).T @ np.abs(x).max(axis=0)
    return bool((reach * np.log2(np.e) < (126.0 if z.dtype == np.float32 else 1010.0)).all())


def clamp(t, bound):
    return np.clip(t, -bound, bound)


def log1p_unit(u):
    return np.log1p(u)


def erf_positive(x, e):
    return erf(x)


def value_slope(kind, a):
    s, slope = ACTIVATIONS[kind.code]
    return s(a), slope(a)


def sum_row(kind, a, o, weights, n):
    s, _ = ACTIVATIONS[kind.code]
    return np.sum(weights[:n] * s(np.float64(a[o : o + n])))


def sum_slopes_row(kind, a, o, weights, n):
    s, slope = ACTIVATIONS[kind.code]
    row = np.array(a[o : o + n], np.float64)
    a[o : o + n] = slope(row)
    return np.sum(weights[:n] * s(row))


def slopes_row(kind, a, o, n):
    a[o : o + n] = ACTIVATIONS[kind.code][1](np.array(a[o : o + n], np.float64))


def values_slopes_row(kind, a, o, values, n):
    s, slope = ACTIVATIONS[kind.code]
    row = np.array(a[o : o + n], np.float64)
    values[o : o + n] = s(row)
    a[o : o + n] = slope(row)


def values_slopes_by_code(code, a, o, values, n):
    s, slope = ACTIVATIONS[code]
    row = np.array(a[o : o + n], np.float64)
    values[o : o + n] = s(row)
    a[o : o + n] = slope(row)


def clear(a, o, n):
    a[o : o + n] = 0.0


def clear_table(a):
    a[:] = 0.0


def axpy(a, o, factor, b, q, n):
    a[o : o + n] += factor * b[q : q + n]


def decay_axpy(a, o, keep, factor, b, q, n):
    a[o : o + n] = keep * a[o : o + n] + factor * b[q : q + n]


def multiply(a, o, b, q, n):
    a[o : o + n] *= b[q : q + n]


def zero_or_nan(a, o, n):
    return 0.0 if np.isfinite(a[o : o + n]).all() else np.nan


def weighted_dot(a, o, b, q, weights, n):
    return np.sum(weights[:n] * a[o : o + n] * b[q : q + n])


def preactivations(z, o, L, x, m, out, q):
    d = x.shape[1]
    out[q : q + 4 * L] = (x[m : m + 4] @ z[o : o + d * L].reshape(d, L)).ravel()


def accumulate(g, o, L, t, q, x, r, m, j):
    d = x.shape[1]
    g[o : o + d * L] += ((x[m : m + 4] * r[m : m + 4, j, None]).T @ t[q : q + 4 * L].reshape(4, L)).ravel()


def planar_sums(kind, z, o, x, weights, phi, j):
    n = weights.size
    a = np.float64(x) @ np.float64(z[o : o + 2 * n]).reshape(2, n)
    phi[:, j] += ACTIVATIONS[kind.code][0](a) @ weights


def planar_kept(kind, z, o, x, weights, tape, q, phi, j):
    n = weights.size
    a = np.float64(x) @ np.float64(z[o : o + 2 * n]).reshape(2, n)
    tape[q : q + a.size] = ACTIVATIONS[kind.code][1](a).ravel()
    planar_sums(kind, z, o, x, weights, phi, j)


def planar_pull(kind, z, o, n, x, r, j, g, q):
    slopes = ACTIVATIONS[kind.code][1](np.float64(x) @ np.float64(z[o : o + 2 * n]).reshape(2, n))
    g[q : q + 2 * n] += ((x * r[:, j, None]).T @ slopes).ravel()


def planar_pull_kept(tape, q, n, x, r, j, g, at):
    slopes = np.float64(tape[q : q + len(x) * n]).reshape(len(x), n)
    g[at : at + 2 * n] += ((x * r[:, j, None]).T @ slopes).ravel()


# noise


def normal_pair(a, b, out):
    """Box-Muller: two normals from two 32-bit words."""
    radius = np.sqrt(-2.0 * np.log((np.float64(a) + 0.5) / 2.0**32))
    angle = 2.0 * np.pi * np.float64(b) / 2.0**32
    return radius * np.cos(angle), radius * np.sin(angle)


def normal_rows(key, step, group, pair, words, out, stride, rows):
    first = group * 2 * streams.LANES
    drawn = streams.normals(key, step, first + rows, 2 * pair + 2)[first:]
    for c in (2 * pair, 2 * pair + 1):
        out[c * stride : c * stride + rows] = drawn[:, c]


def draw_normals(key, step, first_group, out):
    first = 2 * streams.LANES * first_group
    out[:] = streams.normals(key, step, first + out.shape[1], out.shape[0])[first:].T


def sequence_normals(key, first, count, m):
    return streams.sequence_normals(key, first, count, m)


# images


def images_of(nodes, x, out):
    out[:] = np.einsum("kij,nj->nki", nodes, x)


def image_of_each(matrices, x, out):
    out[:] = np.einsum("nij,nj->ni", matrices, x)


# units


def outputs(unit, x, z, c):
    """sigma(x_m, z_i): (M, N, c), for the uv unit with x already divided by d."""
    code, activation = unit.code, unit.activation.code
    s, _ = ACTIVATIONS[activation]
    d = x.shape[1]
    if code == 0:
        return s(np.einsum("icd,md->mic", z.reshape(-1, c, d), x))
    return s(x @ z[:, :d].T)[:, :, None] * z[:, d:]


def pullback(unit, x, z, r):
    """sum_m D_z sigma(x_m, z_i)^T r_m: (N, p), for the uv unit with x already divided by d."""
    code, activation = unit.code, unit.activation.code
    s, slope = ACTIVATIONS[activation]
    d, c = x.shape[1], r.shape[1]
    if code == 0:
        slopes = slope(np.einsum("icd,md->mic", z.reshape(-1, c, d), x))
        return np.einsum("mic,mc,md->icd", slopes, r, x).reshape(len(z), -1)
    a = x @ z[:, :d].T
    to_u = np.einsum("mi,ic,mc,md->id", slope(a), z[:, d:], r, x)
    return np.hstack([to_u, np.einsum("mi,mc->ic", s(a), r)])


def block(z, o, L, p):
    """Particles (L, p) of the block at z[o:]."""
    return np.float64(z[o : o + p * L].reshape(p, L).T)


def forward_block(unit, z, o, L, x, weights, tape, q, phi):
    code, activation = unit.code, unit.activation.code
    (M, d), c = x.shape, phi.shape[1]
    s, slope = ACTIVATIONS[activation]
    particles = block(z, o, L, c * d if code == 0 else c + d)
    x = np.float64(x)
    if code == 0:
        a = np.einsum("ijd,md->jmi", particles.reshape(L, c, d), x)
        tape[q : q + c * M * L] = slope(a).ravel()
    else:
        a = x @ particles[:, :d].T
        tape[q : q + 2 * M * L] = np.concatenate([s(a), slope(a)]).ravel()
    phi += np.einsum("i,mic->mc", weights[:L], outputs(unit, x, particles, c))


def predict_block(unit, z, o, L, x, weights, scratch, phi):
    d, c = x.shape[1], phi.shape[1]
    particles = block(z, o, L, c * d if unit.code == 0 else c + d)
    phi += np.einsum("i,mic->mc", weights[:L], outputs(unit, np.float64(x), particles, c))


def recompute_block(unit, z, o, L, x, r, scratch, g):
    d, c = x.shape[1], r.shape[1]
    p = c * d if unit.code == 0 else c + d
    g[: p * L] = pullback(unit, np.float64(x), block(z, o, L, p), np.float64(r)).T.ravel()


def backward_block(unit, z, o, L, x, r, tape, q, g):
    (M, d), c = x.shape, r.shape[1]
    if unit.code == 0:
        slopes = tape[q : q + c * M * L].reshape(c, M, L)
        g[: c * d * L] = np.einsum("jmi,mj,md->jdi", slopes, r, x).ravel()
    else:
        values, slopes = tape[q : q + 2 * M * L].reshape(2, M, L)
        v = z[o + d * L : o + (d + c) * L].reshape(c, L)
        to_u = np.einsum("mi,ci,mc,md->di", slopes, v, r, x)
        g[: (c + d) * L] = np.concatenate([to_u, np.einsum("mi,mc->ci", values, r)]).ravel()


def pack(z, n, p, L, blocked):
    padded = np.zeros((blocked.size // p, p), z.dtype)
    padded[:n] = z
    blocked[:] = padded.reshape(-1, L, p).transpose(0, 2, 1).ravel()


def unpack(blocked, L, z):
    n, p = z.shape
    z[:] = blocked.reshape(-1, p, L).transpose(0, 2, 1).reshape(-1, p)[:n]


def predict_blocked(unit, blocked, n, p, L, x, work, out):
    z = np.empty((n, p))
    unpack(blocked, L, z)
    out[:] = outputs(unit, x, z, out.shape[1]).mean(axis=1)


def predict_few(activation, z, c, n, x, work, out):
    out[:] = outputs(MatrixKind(activation), x, z[: n * c].reshape(n, c * x.shape[1]), c).mean(axis=1)


def predict(unit, activation, x, z, c):
    return outputs(unit_kind((unit, activation), x.shape[1]), x if unit == 0 else x / x.shape[1], z, c).mean(axis=1)


# the time loop


def cotangents(phi, y, rho, node_weights, sample_weights):
    """r_bk = 2 q_b w_k rho_k (sum_k w_k rho_k^T Phi(x_bk) - y_b): (B, K, c) from phi (B, K, c)."""
    error = np.einsum("k,kij,bki->bj", node_weights, rho, phi) - y
    return 2.0 * np.einsum("b,k,kij,bj->bki", sample_weights, node_weights, rho, error)


def advance(shape, z, batches, parameters, work, thread):
    n, p = shape.n, shape.p
    particles = np.empty((n, p))
    unpack(np.float64(z), shape.lanes, particles)
    x, y, rho, node_weights, sample_weights, rates, projector, noise_map = (
        np.float64(array) for array in (*batches, parameters.rates, parameters.projector, parameters.noise_map)
    )
    B, K, c = y.shape[1], rho.shape[1], y.shape[2]
    done = 0
    for s in range(len(x)):
        points = x[s, : B * K]
        phi = outputs(shape.unit, points, particles, c).mean(axis=1).reshape(B, K, c)
        if not np.isfinite(phi).all():
            break
        nodes = rho[s % len(rho)], node_weights[s % len(node_weights)]
        r = cotangents(phi, y[s], *nodes, sample_weights).reshape(B * K, c)
        force = pullback(shape.unit, points, particles, r)
        if projector.size:
            force = force @ projector.T
        xi = streams.normals(parameters.key, parameters.step + s, n, noise_map.shape[1]) @ noise_map.T
        rate, amplitude = rates[s]
        particles = particles - rate * (force + float(parameters.penalty[0]) * particles) + amplitude * xi
        done = s + 1
        if not np.isfinite(particles).all():
            break
    pack(particles, n, p, shape.lanes, z)
    return done


# whole trainings, from the equations of the schemes


def gradient(unit, scheme, x, y, z, draws):
    """The scheme's stochastic gradient (N, p) on one batch x (B, d), y (B, c); draws (B,) are its Haar elements."""
    rule = unit.rho_x.group.quadrature()
    nodes = list(zip(unit.rho_x(rule.elements), unit.rho_y(rule.elements), rule.weights, strict=True))
    batch = len(x)

    def model(points):
        return unit.sigma(points, z).mean(axis=1)

    def plain(points, targets):
        return unit.pullback(points, z, 2.0 * (model(points) - targets) / batch)

    if scheme == "da":
        return sum(weight * plain(x @ g.T, y @ h.T) for g, h, weight in nodes)
    if scheme == "da-sampled":
        return plain(np.einsum("bij,bj->bi", unit.rho_x(draws), x), np.einsum("bij,bj->bi", unit.rho_y(draws), y))
    if scheme == "fa":
        error = sum(weight * model(x @ g.T) @ h for g, h, weight in nodes) - y
        return sum(weight * unit.pullback(x @ g.T, z, 2.0 * error @ h.T / batch) for g, h, weight in nodes)
    force = plain(x, y)
    return force @ unit.fixed_subspace.projector if scheme == "ea" else force


def noisy_sgd(dynamics, state, steps, projected=False):
    """Particles (N, p) after the given number of noisy SGD steps: a twin of the whole of ``NoisySGD.step``."""
    unit, scheme, batch = dynamics.unit, dynamics.scheme.name, dynamics.batch_size
    keys = {name: streams.stream_key(state.seed, name, state.replicate) for name in ("data", "noise", "haar")}
    z = np.float64(state.z)
    n, p = z.shape
    frame, projector = unit.fixed_subspace.frame, unit.fixed_subspace.projector
    for k in range(state.step, state.step + steps):
        x, y = dynamics.data.draw(keys["data"], k * batch, batch)
        draws = unit.rho_x.group.haar(keys["haar"], k // 1024, (k % 1024 + 1) * batch)[-batch:]
        rate = dynamics.alpha * (1.0 if dynamics.schedule is None else float(dynamics.schedule(np.array([k / n]))[0]))
        xi = streams.normals(keys["noise"], k, n, p) @ frame.T
        if projected or scheme == "ea":
            xi = xi @ projector
        force = gradient(unit, scheme, x, y, z, draws) + 2.0 * dynamics.tau * z
        z = z - rate / n * force + np.sqrt(2.0 * rate * dynamics.beta / n) * xi
    return z
