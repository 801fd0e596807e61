"""Distances under a finite group of orthogonal matrices: on the quotient, and to the invariant laws.

A law is weakly invariant (WI) if every element maps it to itself, strongly invariant (SI) if its support lies in the
fixed subspace. Maass Martínez & Fontbona 2024 (arXiv:2405.19995), section 2.3. ``matrices`` (K, p, p) contains all
elements of the group.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError, TransportFailed
from mfsym.transport.atoms import PointCloud, as_atoms, pair
from mfsym.transport.chambers import folded, is_closed, stabiliser
from mfsym.transport.distances import first_certified, quotient_methods, w2
from mfsym.transport.images import check_images
from mfsym.transport.rationals import is_small, solve_rational
from mfsym.transport.results import FloatArray, W2Result

ORTHOGONAL = 1e-9
"""Largest entry of |M M^T - I| for a matrix of a group."""


class WIDistance(NamedTuple):
    """Bounds on the W2 distance (not squared) to the WI laws, and a WI law that attains the upper one.

    exact : whether both bounds equal the distance up to rounding or the tolerance.
    base : (N, p) atoms whose orbits are the atoms of that WI law.  rounds : number of barycentre iterations.
    """

    lower: float
    upper: float
    exact: bool
    base: FloatArray
    rounds: int


def group_matrices(matrices: ArrayLike, p: int) -> FloatArray:
    """The matrices (K, p, p), checked to be orthogonal."""
    group = as_floats(matrices, "matrices")
    if group.ndim != 3 or group.shape[0] == 0 or group.shape[1:] != (p, p):
        raise MfsymError(f"matrices must have shape (K, {p}, {p}) with K >= 1, got {group.shape}")
    error = np.abs(np.einsum("kab,kcb->kac", group, group) - np.eye(p)).max(axis=(1, 2))
    if not error.max() <= ORTHOGONAL:
        worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
        raise MfsymError(f"matrices must be orthogonal, got max|M M^T - I| = {error[worst]:.1e} for matrix {worst}")
    return group


def symmetrised_atoms(z: ArrayLike, matrices: ArrayLike) -> FloatArray:
    """The K N atoms M_g z_i of the symmetrised law, ordered by group element."""
    atoms = as_atoms(z)
    group = group_matrices(matrices, atoms.shape[1])
    return np.ascontiguousarray(np.einsum("kab,ib->kia", group, atoms).reshape(-1, atoms.shape[1]))


def quotient_w2(a: ArrayLike, b: ArrayLike, matrices: ArrayLike) -> W2Result:
    """Squared W2 between two clouds on the quotient by a finite group: cost min_g |z - M_g z'|^2.

    a : (N, p).  b : (M, p).  Equals W2^2 between the symmetrised clouds, with K times fewer atoms. If reflections
    generate the group, it equals W2^2 between the clouds folded into one chamber; see ``chambers``.

    The images M_g z are rounded to float64 (not by method "rational"), and the bounds hold for the rounded images: W2
    changes by at most (p + 2) 2^-51 times the root mean square of the norms of the atoms. TransportFailed if this may
    change the value by more than 1e-6, see ``images.check_images``.

    >>> swap = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]
    >>> quotient_w2([[0.0, 1.0]], [[1.0, 0.0]], swap).w2_squared
    0.0
    """
    first, second = pair(a, b, None, None)
    group = group_matrices(matrices, first.z.shape[1])
    try:
        return _on_quotient(first, second, group)
    except TransportFailed:
        if not is_small(first, second, group):
            raise
        return solve_rational(first, second, group)


def _on_quotient(first: PointCloud, second: PointCloud, group: FloatArray) -> W2Result:
    """The quotient distance by float64 solvers, which round the images of atoms."""
    started = time.perf_counter()
    a, b, stabilising = first, second, group
    closed = is_closed(group)
    if closed:
        a, b = PointCloud(folded(first.z, group), None), PointCloud(folded(second.z, group), None)
        stabilising = stabiliser(group)
    seconds = time.perf_counter() - started
    if closed and len(stabilising) == 1:
        result = w2(a.z, b.z)
    else:
        result = first_certified(quotient_methods(a, b), a, b, stabilising)
    return check_images(replace(result, seconds=result.seconds + seconds), first.z, second.z, group)


def w2_to_si(z: ArrayLike, matrices: ArrayLike) -> float:
    """Squared W2 distance from a cloud (N, p) to the SI laws: E|z - P z|^2 with P the mean of the matrices. O(N p^2).

    The nearest SI law is the projected one. Units of |z|^2; 0 iff the law is SI.
    """
    atoms = as_atoms(z)
    projector = group_matrices(matrices, atoms.shape[1]).mean(axis=0)
    return float(np.square(atoms - atoms @ projector.T).sum(axis=1).mean())


def w2_to_symmetrised(z: ArrayLike, matrices: ArrayLike) -> W2Result:
    """Squared W2 between a cloud (N, p) and its symmetrised law (K N atoms).

    The images M_g z_i are rounded to float64; TransportFailed if this may change the value by more than 1e-6.
    """
    atoms = as_atoms(z)
    images = symmetrised_atoms(atoms, matrices)
    return check_images(w2(atoms, images), atoms, images, group_matrices(matrices, atoms.shape[1]))


def distance_to_wi(z: ArrayLike, matrices: ArrayLike, *, rounds: int = 10, tolerance: float = 1e-6) -> WIDistance:
    """W2 distance (not squared) from a cloud (N, p) to the WI laws, between certified bounds.

    The nearest WI law is the Wasserstein barycentre of the images M_g # mu. For K = 2 it is their midpoint, and the
    distance is W2(mu, M # mu) / 2 exactly. In general, gluing optimal couplings of a WI law with every image gives

        distance^2 >= (1 / 2K) sum_g W2^2(mu, M_g # mu),

    and any WI law gives an upper bound: here orbits of N atoms, moved by the fixed-point iteration of Álvarez-Esteban,
    del Barrio, Cuesta-Albertos & Matrán 2016 (arXiv:1511.05355) until it gains less than ``tolerance`` of the upper
    bound, or for ``rounds`` rounds. Costs K - 1 solves of N against N atoms, and one of N against K N a round.
    """
    atoms = as_atoms(z)
    group = group_matrices(matrices, atoms.shape[1])
    count = group.shape[0]
    images, lowers, squares = np.zeros_like(atoms), [], []
    for matrix in group:
        image = atoms @ matrix.T
        if np.array_equal(matrix, np.eye(atoms.shape[1])):
            images += atoms / count
            continue
        result = check_images(w2(atoms, image), atoms, image, group)
        images += _barycentric_projection(result, image) / count
        lowers.append(result.lower_bound)
        squares.append(result.w2_squared)
    lower = max(float(np.sum(lowers)) / (2.0 * count), max(lowers, default=0.0) / 4.0, 0.0) ** 0.5
    if count <= 2:
        return WIDistance(lower, (max(squares, default=0.0) / 4.0) ** 0.5, True, images, 0)
    upper, base, used = _barycentre(atoms, group, images, rounds, tolerance)
    return WIDistance(min(lower, upper), upper, upper <= lower * (1.0 + tolerance), base, used)


def _barycentric_projection(result: W2Result, image: FloatArray) -> FloatArray:
    """The barycentric projection of the plan: mean target of each atom of the first cloud."""
    plan = result.plan
    assert plan is not None
    moved = np.zeros((int(plan.rows.max()) + 1, image.shape[1]))
    np.add.at(moved, plan.rows, plan.mass[:, None] * image[plan.columns])
    return moved / np.bincount(plan.rows, plan.mass)[:, None]


def _barycentre(
    atoms: FloatArray, group: FloatArray, base: FloatArray, rounds: int, tolerance: float
) -> tuple[float, FloatArray, int]:
    """Best upper bound and its base, iterating from the given base; the number of iterations."""
    best, kept = np.inf, base
    for done in range(rounds + 1):
        orbit = symmetrised_atoms(base, group)
        result = w2(orbit, atoms)
        gained = best - result.w2_squared
        if gained > 0.0:
            best, kept = result.w2_squared, base
        if gained <= tolerance * best or done == rounds:
            break
        moved = _barycentric_projection(result, atoms).reshape(group.shape[0], -1, atoms.shape[1])
        base = np.einsum("kab,kia->ib", group, moved) / group.shape[0]
    return float(best) ** 0.5, kept, done
