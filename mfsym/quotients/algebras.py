"""The geometry of orbits from the matrices of the Lie algebra alone: any group, by singular values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]

RANK_TOLERANCE = 1e-6
"""Singular values of the vertical vectors below this, relative to the largest, count as zero."""

FIXED_TOLERANCE = 1e-14
"""A point that the algebra moves by less than this, relative to its size, is fixed: its rank is 0."""

NUMBERS = 1 << 22
"""Most numbers in the matrices of vertical vectors made at once (32 MiB)."""


class Geometry(Protocol):
    """The geometry of the orbits through a batch of points, rows (S, p)."""

    def project(self, x: Floats, v: Floats) -> Floats:
        """Horizontal parts of the rows v (S, p)."""
        ...

    def log_volume(self, x: Floats) -> Floats:
        """log sqrt(pdet Gamma) (S,)."""
        ...

    def grad_log_volume(self, x: Floats) -> Floats:
        """The gradients (S, p) of the same."""
        ...

    def rank(self, x: Floats) -> Ranks:
        """Dimensions (S,) of the orbits."""
        ...


class Vertical(NamedTuple):
    """Singular value decompositions of the vertical vectors (A_1 x, ..., A_m x) = U diag(s) W^T of a batch of points.

    left : (S, p, q) U, zero in the columns that count for nothing.  values : (S, q) s, and 1 there.
    right : (S, q, m) W^T.  rank : (S,).
    """

    left: Floats
    values: Floats
    right: Floats
    rank: Ranks


class AlgebraGeometry:
    """Orbits of a group acting on R^p through skew matrices A_1, ..., A_m: (m, p, p). Points are rows (S, p).

    Vertical vectors are taken by their singular values, so that digits are lost as 1 / s, not as 1 / s^2 as through
    the Gram matrix. Those below RANK_TOLERANCE of the largest are left out: the pseudo-inverse.
    """

    def __init__(self, matrices: Floats) -> None:
        self.matrices = matrices
        self.size = float(np.abs(np.linalg.eigvals(matrices)).max(initial=0.0))

    def vertical(self, x: Floats) -> Vertical:
        """The vertical vectors of points (S, p), decomposed."""
        vectors = np.moveaxis(np.tensordot(x, self.matrices, axes=([1], [2])), 1, 2)
        left, values, right = np.linalg.svd(vectors, full_matrices=False)
        largest = values.max(axis=1, initial=0.0)
        floor = np.maximum(RANK_TOLERANCE * largest, FIXED_TOLERANCE * self.size * np.linalg.norm(x, axis=1))
        kept = values > floor[:, None]
        return Vertical(left * kept[:, None, :], np.where(kept, values, 1.0), right, kept.sum(axis=1))

    def project(self, x: Floats, v: Floats) -> Floats:
        """P_x v for rows x, v (S, p)."""
        moved = np.empty_like(v)
        for part in self._parts(x):
            left = self.vertical(x[part]).left
            moved[part] = v[part] - np.einsum("sir,sjr,sj->si", left, left, v[part], optimize=True)
        return moved

    def log_volume(self, x: Floats) -> Floats:
        """log sqrt(pdet Gamma) (S,): the sum of log s over the singular values that count."""
        return self._joined(x, lambda vertical: np.log(vertical.values).sum(axis=1), ())

    def grad_log_volume(self, x: Floats) -> Floats:
        """-sum_ab (Gamma^+)_ab A_a A_b x (S, p), as -sum_r A(w_r) u_r / s_r."""
        return self._joined(x, self._gradient, (x.shape[1],))

    def rank(self, x: Floats) -> Ranks:
        """Dimensions (S,) of the orbits."""
        return self._joined(x, lambda vertical: vertical.rank.astype(np.float64), ()).astype(np.int64)

    def _gradient(self, vertical: Vertical) -> Floats:
        weights = np.einsum("sjr,sra->sja", vertical.left / vertical.values[:, None, :], vertical.right)
        return -np.asarray(np.tensordot(weights, self.matrices, axes=([1, 2], [2, 0])))

    def _joined(self, x: Floats, measure: Callable[[Vertical], Floats], shape: tuple[int, ...]) -> Floats:
        result = np.empty((len(x), *shape))
        for part in self._parts(x):
            result[part] = measure(self.vertical(x[part]))
        return result

    def _parts(self, x: Floats) -> Iterator[slice]:
        step = max(1, NUMBERS // max(1, 4 * x.shape[1] * len(self.matrices)))
        return (slice(start, start + step) for start in range(0, len(x), step))
