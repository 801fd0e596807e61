"""Principal axes of nearly degenerate clouds, along which the bounding boxes of search trees are tight.

Training concentrates clouds near subspaces (above all E^G) that are oblique to the coordinate axes. A rotation leaves
all distances unchanged up to rounding.
"""

from __future__ import annotations

import numpy as np

from mfsym.transport.results import FloatArray

OBLIQUE = 2.0
"""Rotate if the product of the variances along the coordinate axes exceeds that along the principal axes so often."""

FLAT = 1e-9
"""Relative variance that counts as zero."""


def principal_axes(x: FloatArray, y: FloatArray) -> FloatArray | None:
    """Orthogonal Q (p, p) that rotates degenerate directions of x and y onto the axes; None if they nearly are."""
    p = x.shape[1]
    spreads = []
    for cloud in (x, y):
        centred = cloud - cloud.mean(axis=0)
        covariance = centred.T @ centred / cloud.shape[0]
        spreads.append(covariance + (FLAT * float(np.trace(covariance)) + np.finfo(float).tiny) * np.eye(p))
    oblique = max(float(np.log(np.diag(each)).sum() - np.linalg.slogdet(each)[1]) for each in spreads)
    if oblique < np.log(OBLIQUE):
        return None
    axes: FloatArray = np.linalg.eigh(np.linalg.inv(spreads[0]) + np.linalg.inv(spreads[1]))[1]
    return axes


def rounding_of_rotation(near: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Upper bound (N,) on how far float64 rotation raises |x_i - y_j|^2, for pairs of at most near_i when rotated.

    near : (N,).  x : (N, p).  y : (M, p). A rotation moves an atom by at most 4 p^1.5 unit roundoffs times its norm.
    """
    unit = 4.0 * x.shape[1] ** 1.5 * 2.0**-53
    size = np.sqrt(np.square(x).sum(axis=1)) + float(np.sqrt(np.square(y).sum(axis=1).max()))
    error: FloatArray = unit * (2.0 * near + 2.0 * np.sqrt(near) * size + unit * size**2)
    return error
