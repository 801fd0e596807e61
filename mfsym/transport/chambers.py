"""Folding clouds into one chamber of a finite reflection group: fewer group elements are then needed.

The mirrors of the reflections in a finite orthogonal group G divide space into chambers. Let W be the subgroup that the
reflections generate. For x and y in the same closed chamber no element of W brings y nearer to x (Humphreys 1990,
Reflection Groups and Coxeter Groups, section 1.12), so min_g |x - M_g y| is attained on the stabiliser of the chamber,
which has |G| / |W| elements. If W = G, as for signed permutations, a plain transport problem is left.
"""

from __future__ import annotations

import numpy as np

from mfsym.streams import bits, stream_key
from mfsym.transport.results import FloatArray

CLOSED = 1e-13
"""Largest relative error of closure for which atoms are folded; otherwise all matrices are used."""

SAMPLED = 64
"""Number of elements whose products are checked: if the set is no group, at least half of them show it."""

PASSES = 3
"""Passes over mirrors whose reflections round: an atom on such a mirror might be reflected for ever."""

SAME = 1e-9
"""Difference of entries below which two matrices count as equal."""


def in_general_position(p: int) -> tuple[FloatArray, FloatArray]:
    """Vectors c_b = sin b and d_a = cos (2 p + 1) a, a, b = 1 .. p: they separate matrices M with algebraic entries.

    <c, v> = 0 only for v = 0, and <d, M c> = 0 only for M = 0: sines of different algebraic numbers > 0 are linearly
    independent over the algebraic numbers (Lindemann & Weierstrass), and the numbers (2 p + 1) a +- b all differ.
    """
    numbers = np.arange(1.0, p + 1.0)
    return np.sin(numbers), np.cos((2.0 * p + 1.0) * numbers)


def is_closed(group: FloatArray) -> bool:
    """Whether orthogonal matrices (K, p, p) form a group up to rounding: <d, M_g M_h c> takes the values <d, M_h c>.

    The g that pass form a group, so at least half of them fail if one does. If K > SAMPLED, only a sample is checked.
    """
    c, d = in_general_position(group.shape[1])
    images = group @ c
    elements, size = np.sort(images @ d), float(np.linalg.norm(c) * np.linalg.norm(d))
    sampled = group if len(group) <= SAMPLED else group[bits(stream_key(0, "haar"), 0, SAMPLED, 1)[:, 0] % len(group)]
    return all(np.abs(np.sort(images @ form) - elements).max() <= CLOSED * size for form in d @ sampled)


def stabiliser(group: FloatArray) -> FloatArray:
    """The distinct elements (K', p, p) that map the chamber of c to itself, c as in ``folded``."""
    c = in_general_position(group.shape[1])[0]
    entries = np.round(group.reshape(len(group), -1) / SAME)
    distinct = group[np.sort(np.unique(entries, axis=0, return_index=True)[1])]
    normals = c - distinct[_is_reflection(distinct)] @ c
    inside = (distinct @ c) @ normals.T > 0.0
    chosen: FloatArray = distinct[inside.all(axis=1)]
    return chosen


def _is_reflection(group: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which orthogonal matrices are symmetric with one eigenvalue -1."""
    skew = np.abs(group - group.transpose(0, 2, 1)).max(axis=(1, 2))
    rank = group.shape[1] - np.trace(group, axis1=1, axis2=2)
    return (skew < SAME) & (np.abs(rank - 2.0) < SAME)


def folded(z: FloatArray, group: FloatArray) -> FloatArray:
    """Each atom of a cloud (N, p) replaced by its image nearest to c, a fixed vector in general position."""
    c = in_general_position(group.shape[1])[0]
    best, nearest = np.full(z.shape[0], -np.inf), np.zeros(z.shape[0], dtype=np.int64)
    for element, matrix in enumerate(group):
        product = z @ (c @ matrix)
        better = product > best
        best[better], nearest[better] = product[better], element
    moved = np.empty_like(z)
    for element in np.unique(nearest):
        chosen = nearest == element
        moved[chosen] = z[chosen] @ group[element].T
    _reflect_stragglers(moved, group)
    return moved


def _reflect_stragglers(z: FloatArray, group: FloatArray) -> None:
    """Reflect, in place, the atoms (N, p) that rounding of <c, z> left on the wrong side of a mirror.

    If the coordinates of an atom differ by many orders of magnitude, <c, z> says nothing about the small ones. The sign
    of <normal, z> for one mirror is exact for signed permutations, because its two products round alike.
    """
    c = in_general_position(group.shape[1])[0]
    mirrors = group[_is_reflection(group)]
    exact = bool(np.isin(group, (-1.0, 0.0, 1.0)).all())
    passes, moving = 0, True
    while moving and (exact or passes < PASSES):
        passes, moving = passes + 1, False
        for mirror in mirrors:
            normal = c - mirror @ c
            axes = np.flatnonzero(normal)
            behind = np.flatnonzero((z[:, axes] * normal[axes]).sum(axis=1) < 0.0)
            if behind.size:
                z[behind], moving = z[behind] @ mirror.T, True
