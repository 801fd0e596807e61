"""Linear subspaces with a canonical basis, and null spaces as subspaces."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError

Floats = NDArray[np.float64]

NULL_TOLERANCE = 1e-9
"""Singular values below this, relative to the largest (at least 1), count as zero."""

GAP_TOLERANCE = 1e-6
"""Relative singular values between NULL_TOLERANCE and this are neither zero nor not: the caller is told."""

_PIVOT_TIE = 1e-9
_DUST = 1e-14


class Subspace:
    """A linear subspace of R^p, from any matrix (p, m) whose columns span it.

    The basis depends on the subspace alone: Gram-Schmidt on the columns of the orthogonal projector, each time the
    column with the largest remainder (the first of equals), signed so that its first nonzero entry is positive.
    """

    def __init__(self, span: ArrayLike) -> None:
        columns = np.asarray(span, dtype=np.float64)
        if columns.ndim != 2 or not np.isfinite(columns).all():
            raise MfsymError(f"a span must be a finite matrix (p, m) of columns, got shape {columns.shape}")
        left, values, _ = np.linalg.svd(columns, full_matrices=False)
        kept = left[:, values > NULL_TOLERANCE * max(1.0, float(values.max(initial=0.0)))]
        self.basis: Floats = canonical_basis(kept @ kept.T, kept.shape[1])

    @property
    def ambient(self) -> int:
        """p, the dimension of the space around."""
        return int(self.basis.shape[0])

    @property
    def dimension(self) -> int:
        """r, between 0 and p."""
        return int(self.basis.shape[1])

    @cached_property
    def projector(self) -> Floats:
        """(p, p) orthogonal projector Q Q^T."""
        return self.basis @ self.basis.T

    @cached_property
    def frame(self) -> Floats:
        """(p, p) orthogonal matrix: the basis, then the basis of the complement."""
        return np.hstack([self.basis, self.complement().basis])

    def project(self, z: ArrayLike) -> Floats:
        """Orthogonal projections (N, p) of the rows of z (N, p)."""
        return self.coordinates(z) @ self.basis.T

    def coordinates(self, z: ArrayLike) -> Floats:
        """Coordinates (N, r) of the projections of z (N, p) in the basis."""
        return np.asarray(as_floats(z, "z") @ self.basis)

    def contains(self, z: ArrayLike, tolerance: float = NULL_TOLERANCE) -> bool:
        """Whether every row of z (N, p) lies in the subspace, within ``tolerance`` times max(1, max|z|)."""
        points = as_floats(z, "z")
        scale = max(1.0, float(np.abs(points).max(initial=0.0)))
        return bool(np.abs(points - self.project(points)).max(initial=0.0) <= tolerance * scale)

    def complement(self) -> Subspace:
        """The orthogonal complement."""
        return Subspace(np.eye(self.ambient) - self.projector)

    def __repr__(self) -> str:
        return f"<Subspace of dimension {self.dimension} in R^{self.ambient}>"


def whole(p: int) -> Subspace:
    """All of R^p."""
    return Subspace(np.eye(p))


def null_space(constraints: Floats) -> Subspace:
    """The subspace {z : C z = 0} of constraints C (m, p), by singular values.

    MfsymError if some singular value is neither clearly zero nor clearly not.
    """
    p = constraints.shape[1]
    if constraints.shape[0] < p:
        constraints = np.vstack([constraints, np.zeros((p - constraints.shape[0], p))])
    _, values, right = np.linalg.svd(constraints, full_matrices=False)
    relative = values / max(1.0, float(values.max(initial=0.0)))
    doubtful = relative[(relative > NULL_TOLERANCE) & (relative < GAP_TOLERANCE)]
    if doubtful.size:
        raise MfsymError(
            f"constraints must hold or fail clearly: relative singular value {doubtful[0]:.1e} lies between "
            f"{NULL_TOLERANCE:.0e} and {GAP_TOLERANCE:.0e}; give the matrices to more digits"
        )
    return Subspace(right[relative <= NULL_TOLERANCE].T)


def canonical_basis(projector: Floats, rank: int) -> Floats:
    """The canonical orthonormal basis (p, rank) of the range of an orthogonal projector (p, p)."""
    remainder = projector.copy()
    basis = np.zeros((projector.shape[0], rank))
    for k in range(rank):
        norms = np.einsum("ij,ij->j", remainder, remainder)
        pivot = int(np.argmax(norms >= norms.max() - _PIVOT_TIE))
        column = remainder[:, pivot] - basis[:, :k] @ (basis[:, :k].T @ remainder[:, pivot])
        column /= np.linalg.norm(column)
        column[np.abs(column) < _DUST] = 0.0
        first = int(np.argmax(np.abs(column) > _PIVOT_TIE))
        basis[:, k] = column * np.sign(column[first])
        remainder -= np.outer(basis[:, k], basis[:, k] @ remainder)
    return basis
