"""Slow, obvious twins of ``mfsym.quotients``, one point at a time: geometry, alignment, Langevin steps."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals

CUT = 1e-10
"""Eigenvalues of a Gram matrix below this, relative to the largest, count as zero."""


def gram(matrices, x):
    """The vertical vectors (m, p) and their Gram matrix (m, m)."""
    vectors = np.array([matrix @ x for matrix in matrices]).reshape(-1, x.size)
    return vectors, vectors @ vectors.T


def rank(matrices, x):
    values = np.linalg.eigvalsh(gram(matrices, x)[1])
    return int((values > CUT * values.max(initial=0.0)).sum()) if values.max(initial=0.0) > 0.0 else 0


def project(matrices, x, v):
    """v - sum (Gamma^+)_ab (A_a x) <A_b x, v>."""
    vectors, products = gram(matrices, x)
    return v - vectors.T @ (np.linalg.pinv(products, rcond=CUT, hermitian=True) @ (vectors @ v))


def log_volume(matrices, x):
    values = np.linalg.eigvalsh(gram(matrices, x)[1])
    return 0.5 * np.log(values[values > CUT * values.max()]).sum()


def grad_log_volume(matrices, x):
    """-sum (Gamma^+)_ab A_a A_b x."""
    inverse = np.linalg.pinv(gram(matrices, x)[1], rcond=CUT, hermitian=True)
    total = np.zeros_like(x)
    for a, first in enumerate(matrices):
        for b, second in enumerate(matrices):
            total -= inverse[a, b] * (first @ (second @ x))
    return total


def inertia(cloud):
    """The inertia tensor (3, 3) of a cloud (n, 3)."""
    return sum(np.dot(point, point) * np.eye(3) - np.outer(point, point) for point in cloud)


def align(cloud, to, proper=True):
    """R x_n (n, d) with the rotation R nearest to taking cloud to ``to``; a reflection too where not ``proper``."""
    left, _, right = np.linalg.svd(to.T @ cloud)
    signs = np.ones(cloud.shape[1])
    if proper:
        signs[-1] = np.sign(np.linalg.det(left @ right))
    return cloud @ (left @ np.diag(signs) @ right).T


def advance(x, noise, shrink, sigma, drift, key, steps, force=None, h=0.0):
    """Clouds (S, n, d) after Langevin steps; ``noise`` and the rest as in ``kernels.steps``, clouds not centred."""
    clouds = x.copy()
    count, n, d = clouds.shape
    matrices = rotation_matrices(n, d)
    for step in range(steps):
        kicks = sigma * normals(key, step, count, n * d)
        pushed = np.zeros_like(clouds) if force is None else force(clouds)
        for i in range(count):
            before, kick = clouds[i].ravel(), kicks[i]
            if noise == "horizontal":
                kick = project(matrices, before, kick) + drift * grad_log_volume(matrices, before)
            after = (1.0 - shrink) * before + h * pushed[i].ravel() + kick
            moved = after.reshape(n, d)
            clouds[i] = align(moved, before.reshape(n, d)) if noise == "quotient" else moved
    return clouds


def rotation_matrices(n, d):
    """Generators of rotations of n points of R^d: (m, n d, n d)."""
    turns = []
    for i in range(d):
        for j in range(i + 1, d):
            turn = np.zeros((d, d))
            turn[j, i], turn[i, j] = 1.0, -1.0
            turns.append(np.kron(np.eye(n), turn))
    return np.array(turns)
