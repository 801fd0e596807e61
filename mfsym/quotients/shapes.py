"""Clouds of points under rotations: how to recognise them in a representation, and where their orbits are singular."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfsym.representations import Representation

Floats = NDArray[np.float64]

MATCH = 1e-12
"""Largest difference of an entry between a representation and copies of the vector representation."""


def copies_of_vector(rep: Representation) -> int | None:
    """n where the representation is n copies of the group's defining one, point by point; None otherwise.

    >>> from mfsym.groups import so
    >>> copies_of_vector(4 * so(3).vector()), copies_of_vector(so(2).charge(2))
    (4, None)
    """
    group, p = rep.group, rep.dim
    n, remainder = divmod(p, group.degree)
    if remainder:
        return None
    pairs = [(rep.generator_matrices, group.generator_defining), (rep.algebra_matrices, group.algebra)]
    for matrices, blocks in pairs:
        for matrix, block in zip(matrices, blocks, strict=True):
            if np.abs(matrix - np.kron(np.eye(n), block)).max(initial=0.0) > MATCH:
                return None
    return n


def without_centre(clouds: Floats, d: int) -> Floats:
    """Clouds (S, n d) of points of R^d moved so that the mean of their points is 0."""
    points = clouds.reshape(len(clouds), -1, d)
    return np.asarray((points - points.mean(axis=1, keepdims=True)).reshape(clouds.shape))


def centres(clouds: Floats, d: int) -> Floats:
    """The part of clouds (S, n d) that ``without_centre`` takes off: the mean, n times."""
    points = clouds.reshape(len(clouds), -1, d)
    return np.asarray(np.broadcast_to(points.mean(axis=1, keepdims=True), points.shape).reshape(clouds.shape))
