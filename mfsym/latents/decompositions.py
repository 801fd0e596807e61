"""Orthonormal bases in which a representation is a sum of planes with charges, or of irreducibles of SO(3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.representations import Representation, hom
from mfsym.representations.harmonics import MAX_DEGREE
from mfsym.typing import Floats

WHOLE_TOLERANCE = 1e-7
"""Entries and rates below this count as zero: charges are whole numbers."""


@dataclass(frozen=True)
class Planes:
    """A sum of planes and of single coordinates: coordinate i of plane (i, partner[i]) turns by charges[:, i] . angles.

    basis : (dim, dim), columns are the new axes; None where they are the coordinates themselves.
    charges : (t, dim) whole, one row for each angle; 0 where nothing moves.
    partner : (dim,), the other axis of the plane; the same axis where there is none.
    sign : (dim,), -1 on the first axis of a plane, 1 on the second, 0 on a single coordinate.
    """

    basis: Floats | None
    charges: NDArray[np.int64]
    partner: NDArray[np.intp]
    sign: Floats


@dataclass(frozen=True)
class Harmonics:
    """A sum of irreducibles of SO(3), by increasing degree.

    basis : (dim, dim), columns are the new axes; None where they are the coordinates themselves.
    copies : copies[l] of the irreducible of degree l, on R^(2l+1) each.
    """

    basis: Floats | None
    copies: tuple[int, ...]


def torus_planes(rep: Representation) -> Planes:
    """The planes of a representation of SO(2), of the rotations of O(2), or of U(1)^t."""
    algebra = rep.algebra_matrices
    weights = np.sqrt(1.0 + np.arange(len(algebra)))
    return _planes(np.tensordot(weights, algebra, axes=1), algebra)


def cyclic_planes(rep: Representation) -> Planes:
    """The planes of a representation of C_k: element j turns a plane by 2 pi j m / k, 0 <= m <= k / 2.

    The antisymmetric (2/k) sum_j sin(2 pi m j / k) rho(j) is the quarter turn of the planes of charge m, and 0
    elsewhere; on a single coordinate rho is 1 (m = 0) or (-1)^j (m = k / 2).
    """
    order = rep.group.order or 1
    steps = np.arange(order)
    matrices = rep(steps)
    charges = np.arange(1, (order + 1) // 2)
    waves = np.sin(2.0 * np.pi * (np.outer(charges, steps) % order) / order)
    generator = (2.0 / order) * np.tensordot(charges @ waves, matrices, axes=1)
    found = _planes(generator, generator[None])
    still = np.flatnonzero(found.sign == 0.0)
    if order % 2 or not still.size:
        return found
    return _with_signs(found, still, matrices[1], order // 2)


def harmonics(rep: Representation) -> Harmonics:
    """The irreducibles of a representation of SO(3): by Schur's lemma, orthonormal maps that commute with the group.

    MfsymError if one has a degree above MAX_DEGREE.
    """
    casimir = -np.einsum("aij,ajk->ik", rep.algebra_matrices, rep.algebra_matrices)
    degrees = (np.sqrt(1.0 + 4.0 * np.clip(np.linalg.eigvalsh(casimir), 0.0, None)) - 1.0) / 2.0
    whole = np.rint(degrees).astype(np.int64)
    if np.abs(degrees - whole).max(initial=0.0) > 1e-5 or whole.max(initial=0) > MAX_DEGREE:
        raise MfsymError(f"latents of SO(3) are sums of irrep(l), l from 0 to {MAX_DEGREE}; {rep.name[:60]} is not")
    copies, columns = [], []
    for degree in range(int(whole.max(initial=0)) + 1):
        size = 2 * degree + 1
        copies.append(int((whole == degree).sum()) // size)
        maps = hom(rep.group.irrep(degree), rep).fixed_subspace().basis if copies[-1] else np.zeros((rep.dim * size, 0))
        columns += [np.sqrt(size) * part.reshape(rep.dim, size) for part in maps.T]
    return Harmonics(_unless_identity(np.hstack(columns)), tuple(copies))


def _planes(generator: Floats, algebra: Floats) -> Planes:
    """The planes of commuting antisymmetric matrices (t, dim, dim), told apart by one generic combination of them."""
    dim = generator.shape[-1]
    moved = np.abs(generator) > WHOLE_TOLERANCE
    if (moved.sum(axis=1) <= 1).all():
        pairs = [(int(column), int(row)) for row, column in np.argwhere(moved) if generator[row, column] > 0.0]
        basis = None
    else:
        basis, pairs = _turned_axes(generator)
        algebra = basis.T @ algebra @ basis
    partner, sign = np.arange(dim), np.zeros(dim)
    charges = np.zeros((len(algebra), dim), dtype=np.int64)
    for first, second in pairs:
        partner[first], partner[second] = second, first
        sign[first], sign[second] = -1.0, 1.0
        charges[:, [first, second]] = np.rint(algebra[:, second, first]).astype(np.int64)[:, None]
    return Planes(basis, charges, partner, sign)


def _turned_axes(generator: Floats) -> tuple[Floats, list[tuple[int, int]]]:
    """Axes (dim, dim) in which an antisymmetric A is a sum of planes, and their pairs: A e_first = rate e_second.

    An eigenvector a + i b of i A with eigenvalue r > 0 has A a = r b, A b = -r a.
    """
    rates, vectors = np.linalg.eigh(1j * generator)
    large = rates > WHOLE_TOLERANCE
    firsts, seconds = np.sqrt(2.0) * vectors.real[:, large], np.sqrt(2.0) * vectors.imag[:, large]
    count = firsts.shape[1]
    moving = np.stack([firsts, seconds], axis=2).reshape(len(generator), 2 * count)
    left, values, _ = np.linalg.svd(np.eye(len(generator)) - moving @ moving.T)
    basis = np.hstack([moving, left[:, values > 0.5]])
    return basis, [(2 * k, 2 * k + 1) for k in range(count)]


def _with_signs(found: Planes, still: NDArray[np.intp], generator: Floats, half: int) -> Planes:
    """Planes of C_k with the single coordinates on which the generator is -1, which have the charge k / 2."""
    frame = np.eye(len(generator)) if found.basis is None else found.basis
    block = frame[:, still].T @ generator @ frame[:, still]
    diagonal = np.abs(block - np.diag(np.diag(block))).max() <= WHOLE_TOLERANCE
    values, turn = (np.diag(block), np.eye(len(block))) if diagonal else np.linalg.eigh((block + block.T) / 2.0)
    frame = frame.copy()
    frame[:, still] = frame[:, still] @ turn
    charges = found.charges.copy()
    charges[:, still] = np.where(values < 0.0, half, 0)
    return Planes(_unless_identity(frame), charges, found.partner, found.sign)


def _unless_identity(basis: Floats) -> Floats | None:
    return None if np.array_equal(basis, np.eye(len(basis))) else basis
