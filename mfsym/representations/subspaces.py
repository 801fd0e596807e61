"""Linear subspaces with a canonical basis, and null spaces as subspaces."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mfsym.arguments import as_floats, as_whole
from mfsym.errors import MfsymError
from mfsym.typing import Floats

Indices = NDArray[np.intp]

NULL_TOLERANCE = 1e-9
"""Singular values below this, relative to the largest (at least 1), count as zero."""

GAP_TOLERANCE = 1e-6
"""Relative singular values between NULL_TOLERANCE and this are ambiguous: ``null_space`` raises an error."""

_PIVOT_TIE = 1e-9
_DENSE = 256
_ZERO_ENTRY = 1e-14


class Subspace:
    """A linear subspace of R^p, from any matrix (p, m) whose columns span it.

    The basis depends only on the subspace. It comes from Gram-Schmidt on the columns of the orthogonal projector: at
    each step the column with the largest remainder (the first, if tied), signed so that its first nonzero entry is
    positive.
    """

    def __init__(self, span: ArrayLike) -> None:
        columns = as_floats(span, "a span")
        if columns.ndim != 2 or not np.isfinite(columns).all():
            raise MfsymError(f"a span must be a finite matrix (p, m) of columns, got shape {columns.shape}")
        pieces = []
        for rows, columns_here in coupled(columns, len(columns)):
            left, values, _ = np.linalg.svd(columns[np.ix_(rows, columns_here)], full_matrices=False)
            pieces.append((rows, left, values))
        least = NULL_TOLERANCE * max([1.0, *(float(values.max(initial=0.0)) for _, _, values in pieces)])
        kept = [(rows, left[:, values > least]) for rows, left, values in pieces]
        self.basis: Floats = _joined([(rows, span @ span.T, span.shape[1]) for rows, span in kept], len(columns))

    @property
    def ambient(self) -> int:
        """p, the dimension of the ambient space."""
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
        """(p, p) orthogonal matrix: the basis, followed by the basis of the complement."""
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
    return Subspace(np.eye(as_whole(p, "p", 0)))


def null_space(constraints: Floats) -> Subspace:
    """The null space {z : C z = 0} of constraints C (m, p), from the singular value decomposition.

    MfsymError if some singular value is neither clearly zero nor clearly nonzero.
    """
    p = constraints.shape[1]
    pieces = []
    for rows, columns in coupled(constraints, p):
        block = constraints[np.ix_(rows, columns)]
        block = np.vstack([block, np.zeros((max(0, columns.size - rows.size), columns.size))])
        _, values, right = np.linalg.svd(block, full_matrices=False)
        pieces.append((columns, values, right))
    scale = max([1.0, *(float(values.max(initial=0.0)) for _, values, _ in pieces)])
    relative = np.concatenate([np.zeros(0), *(values / scale for _, values, _ in pieces)])
    doubtful = relative[(relative > NULL_TOLERANCE) & (relative < GAP_TOLERANCE)]
    if doubtful.size:
        raise MfsymError(
            f"the rank of the constraints must be clear: relative singular value {doubtful[0]:.1e} lies between "
            f"{NULL_TOLERANCE:.0e} and {GAP_TOLERANCE:.0e}; give the matrices to more digits"
        )
    span = np.zeros((p, int((relative <= NULL_TOLERANCE).sum())))
    start = 0
    for columns, values, right in pieces:
        null = right[values / scale <= NULL_TOLERANCE].T
        span[columns, start : start + null.shape[1]] = null
        start += null.shape[1]
    return Subspace(span)


def coupled(matrix: Floats, p: int) -> list[tuple[Indices, Indices]]:
    """Rows and columns of the blocks of a matrix that is block diagonal up to permutations, in order of first index.

    For small p the matrix is treated as one block. Otherwise the blocks are the connected components of the bipartite
    graph of nonzero entries, such as the orbits of a permutation or the summands of a direct sum. A zero row or column
    forms a separate block.
    """
    height, width = matrix.shape
    if p <= _DENSE:
        return [(np.arange(height), np.arange(width))]
    rows, columns = np.nonzero(matrix)
    graph = coo_array((np.ones(rows.size, dtype=np.int8), (rows, height + columns)), shape=(height + width,) * 2)
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return [(group[group < height], group[group >= height] - height) for group in groups]


def canonical_basis(projector: Floats, rank: int) -> Floats:
    """The canonical orthonormal basis (p, rank) of the range of an orthogonal projector (p, p)."""
    return _pivoted(projector, rank)[0]


def _joined(blocks: list[tuple[Indices, Floats, int]], p: int) -> Floats:
    """The canonical basis (p, r) of the sum of the ranges of projectors on disjoint coordinates.

    blocks : triples (coordinates, projector, rank).
    """
    if len(blocks) == 1:
        return canonical_basis(*blocks[0][1:])
    basis = np.zeros((p, sum(rank for _, _, rank in blocks)))
    keys, start = [], 0
    for rows, projector, rank in blocks:
        part, pivots, norms = _pivoted(projector, rank)
        basis[rows, start : start + rank] = part
        keys += [(-round(norm / _PIVOT_TIE), int(rows[pivot])) for norm, pivot in zip(norms, pivots, strict=True)]
        start += rank
    return basis[:, sorted(range(len(keys)), key=keys.__getitem__)]


def _pivoted(projector: Floats, rank: int) -> tuple[Floats, list[int], list[float]]:
    """The canonical basis, with the pivot column and the norm of the remainder for each of its vectors."""
    remainder = projector.copy()
    basis = np.zeros((projector.shape[0], rank))
    pivots, remainders = [], []
    for k in range(rank):
        norms = np.einsum("ij,ij->j", remainder, remainder)
        pivot = int(np.argmax(norms >= norms.max() - _PIVOT_TIE))
        pivots.append(pivot)
        remainders.append(float(norms[pivot]))
        column = remainder[:, pivot] - basis[:, :k] @ (basis[:, :k].T @ remainder[:, pivot])
        column /= np.linalg.norm(column)
        column[np.abs(column) < _ZERO_ENTRY] = 0.0
        first = int(np.argmax(np.abs(column) > _PIVOT_TIE))
        basis[:, k] = column * np.sign(column[first])
        remainder -= np.outer(basis[:, k], basis[:, k] @ remainder)
    return basis, pivots, remainders
