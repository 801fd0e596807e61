"""Clouds moved into one chamber of a finite group, where fewer of its elements count.

The reflections of a finite group G of orthogonal matrices cut space into chambers. For x and y in the same closed
chamber no element of the subgroup W that they generate brings y nearer to x (Humphreys 1990, Reflection Groups and
Coxeter Groups, section 1.12), so that min_g |x - M_g y| is attained among the elements that map the chamber to itself:
|G| / |W| of them. Where reflections generate all of G, as permutations of coordinates and changes of sign do, this
leaves a plain transport problem.
"""

from __future__ import annotations

import numpy as np

from mfsym.transport.results import FloatArray

CLOSED = 1e-13
"""Error of a group's table up to which moving atoms leaves no trace in a distance."""

SAME = 1e-9
"""Difference of entries below which two matrices are one element."""


def in_general_position(p: int) -> tuple[FloatArray, FloatArray]:
    """Two vectors (p,): the sines and cosines of 1 .. p, on no mirror whose normal is algebraic (Lindemann)."""
    numbers = np.arange(1.0, p + 1.0)
    return np.sin(numbers), np.cos(numbers)


def is_closed(group: FloatArray) -> bool:
    """Whether orthogonal matrices (K, p, p) form a group up to rounding: <d, M_g M_h c> takes the values <d, M_h c>."""
    c, d = in_general_position(group.shape[1])
    images = group @ c
    elements, size = np.sort(images @ d), float(np.linalg.norm(c) * np.linalg.norm(d))
    return all(np.abs(np.sort(images @ form) - elements).max() <= CLOSED * size for form in d @ group)


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
    nearest = np.argmax(z @ np.einsum("kab,a->bk", group, c), axis=1)
    moved = np.empty_like(z)
    for element, matrix in enumerate(group):
        chosen = nearest == element
        moved[chosen] = z[chosen] @ matrix.T
    return moved
