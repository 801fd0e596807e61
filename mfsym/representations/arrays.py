"""Stacks of matrices: block sums, Kronecker products, bases of tensor squares."""

from __future__ import annotations

import numpy as np

from mfsym.errors import MfsymError
from mfsym.typing import Floats

MAX_NUMBERS = 1 << 27
"""Largest number of entries in one array of matrices: 1 GiB."""


def check_numbers(count: int, size: int, what: str) -> None:
    """MfsymError if ``what`` needs ``count`` matrices of size x size with more than MAX_NUMBERS entries in all."""
    if count * size**2 > MAX_NUMBERS:
        raise MfsymError(
            f"{what} needs {count} matrices of {size} x {size}, {count * size**2 / 2**27:.3g} GiB; "
            "an array of matrices may take at most 1 GiB"
        )


def square_basis(n: int, sign: float) -> Floats:
    """Orthonormal basis (n^2, m) of the symmetric (sign 1) or antisymmetric (sign -1) row-major matrices."""
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)], dtype=np.intp).reshape(-1, 2)
    squares = np.arange(n) if sign > 0 else np.arange(0)
    basis = np.zeros((n * n, squares.size + len(pairs)))
    basis[squares * (n + 1), np.arange(squares.size)] = 1.0
    columns = squares.size + np.arange(len(pairs))
    basis[pairs[:, 0] * n + pairs[:, 1], columns] = 1.0 / np.sqrt(2.0)
    basis[pairs[:, 1] * n + pairs[:, 0], columns] = sign / np.sqrt(2.0)
    return basis


def direct_sum(a: Floats, b: Floats) -> Floats:
    """Block diagonal matrices (..., p + q, p + q)."""
    p, q = a.shape[-1], b.shape[-1]
    result = np.zeros((*a.shape[:-2], p + q, p + q))
    result[..., :p, :p] = a
    result[..., p:, p:] = b
    return result


def copied(a: Floats, count: int) -> Floats:
    """Block diagonal matrices (..., count p, count p): ``count`` copies of one block (..., p, p)."""
    p = a.shape[-1]
    result = np.zeros((*a.shape[:-2], count * p, count * p))
    for start in range(0, count * p, p):
        result[..., start : start + p, start : start + p] = a
    return result


def kronecker(a: Floats, b: Floats) -> Floats:
    """Kronecker products (..., p q, p q), row-major: (a x b) acts on z (p, q) as a z b^T."""
    p, q = a.shape[-1], b.shape[-1]
    products = a[..., :, None, :, None] * b[..., None, :, None, :]
    return products.reshape(*a.shape[:-2], p * q, p * q)


def eyes(matrices: Floats) -> Floats:
    """Identity matrices, in an array shaped like ``matrices``."""
    return np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
