"""Stacks of matrices: block sums, Kronecker products, bases of tensor squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def square_basis(n: int, sign: float) -> Floats:
    """Orthonormal basis (n^2, m) of the symmetric (sign 1) or antisymmetric (sign -1) row-major matrices."""
    columns = [np.eye(n * n)[i * n + i] for i in range(n)] if sign > 0 else []
    pairs = [(i * n + j, j * n + i) for i in range(n) for j in range(i + 1, n)]
    columns += [(np.eye(n * n)[a] + sign * np.eye(n * n)[b]) / np.sqrt(2.0) for a, b in pairs]
    return np.array(columns).reshape(-1, n * n).T


def direct_sum(a: Floats, b: Floats) -> Floats:
    """Block diagonal matrices (..., p + q, p + q)."""
    p, q = a.shape[-1], b.shape[-1]
    result = np.zeros((*a.shape[:-2], p + q, p + q))
    result[..., :p, :p] = a
    result[..., p:, p:] = b
    return result


def kronecker(a: Floats, b: Floats) -> Floats:
    """Kronecker products (..., p q, p q), row-major: (a x b) acts on z (p, q) as a z b^T."""
    p, q = a.shape[-1], b.shape[-1]
    products = a[..., :, None, :, None] * b[..., None, :, None, :]
    return products.reshape(*a.shape[:-2], p * q, p * q)


def eyes(matrices: Floats) -> Floats:
    """Identities of the shape of ``matrices``."""
    return np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
