"""Clouds moved into one chamber of a finite group, where fewer of its elements count.

The reflections of a finite group G of orthogonal matrices cut space into chambers. For x and y in the same closed
chamber no element of the subgroup W that they generate brings y nearer to x (Humphreys 1990, Reflection Groups and
Coxeter Groups, section 1.12), so that min_g |x - M_g y| is attained among the elements that map the chamber to itself:
|G| / |W| of them. Where reflections generate all of G, as permutations of coordinates and changes of sign do, this
leaves a plain transport problem.
"""

from __future__ import annotations

import numpy as np

from mfsym.streams import bits, stream_key
from mfsym.transport.results import FloatArray

CLOSED = 1e-13
"""Error of a group's table up to which moving atoms leaves no trace in a distance. Others are taken as they are."""

SAMPLED = 64
"""Elements at most that are multiplied with all others: where these are no group, half of them or more would tell."""

ROUNDS = 3
"""Times that mirrors are looked at which round the atoms they reflect: such an atom on one may never come to rest."""

SAME = 1e-9
"""Difference of entries below which two matrices are one element."""


def in_general_position(p: int) -> tuple[FloatArray, FloatArray]:
    """Vectors c_b = sin b and d_a = cos (2 p + 1) a, a, b = 1 .. p, that know matrices M with algebraic entries.

    <c, v> = 0 only for v = 0, and <d, M c> = 0 only for M = 0: sines of different algebraic numbers > 0 are linearly
    independent over the algebraic numbers (Lindemann & Weierstrass), and the numbers (2 p + 1) a +- b all differ.
    """
    numbers = np.arange(1.0, p + 1.0)
    return np.sin(numbers), np.cos((2.0 * p + 1.0) * numbers)


def is_closed(group: FloatArray) -> bool:
    """Whether orthogonal matrices (K, p, p) form a group up to rounding: <d, M_g M_h c> takes the values <d, M_h c>.

    The g for which it does form a group, so that most fail if one does. Where K > ASKED, so many at random are asked.
    """
    c, d = in_general_position(group.shape[1])
    images = group @ c
    elements, size = np.sort(images @ d), float(np.linalg.norm(c) * np.linalg.norm(d))
    sampled = group if len(group) <= SAMPLED else group[bits(stream_key(0, "haar"), 0, SAMPLED, 1)[:, 0] % len(group)]
    return all(np.abs(np.sort(images @ form) - elements).max() <= CLOSED * size for form in d @ sampled)


def stabiliser(group: FloatArray) -> FloatArray:
    """The distinct elements (K', p, p) of a group that map the chamber of c to itself, c as in ``folded``."""
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
    """Each atom of a cloud (N, p) moved to its image nearest to c, a fixed vector in general position."""
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
    """Reflect atoms (N, p), in place, at mirrors that they stand behind by less than the rounding of <c, z>.

    Of an atom with coordinates of very different size that sum tells nothing about the small ones. The sign of what one
    mirror sees is right for permutations and changes of sign: its two products round alike.
    """
    c = in_general_position(group.shape[1])[0]
    mirrors = group[_is_reflection(group)]
    exact = bool(np.isin(group, (-1.0, 0.0, 1.0)).all())
    rounds, moving = 0, True
    while moving and (exact or rounds < ROUNDS):
        rounds, moving = rounds + 1, False
        for mirror in mirrors:
            normal = c - mirror @ c
            axes = np.flatnonzero(normal)
            behind = np.flatnonzero((z[:, axes] * normal[axes]).sum(axis=1) < 0.0)
            if behind.size:
                z[behind], moving = z[behind] @ mirror.T, True
