"""Axes along which flat clouds are flat, so that the boxes of search trees hug them.

Training draws clouds onto subspaces (E^G before all) that lie askew to the coordinates. An orthogonal change of
coordinates leaves all distances as they are, up to rounding.
"""

from __future__ import annotations

import numpy as np

from mfsym.transport.results import FloatArray

ASKEW = 2.0
"""Ratio of the product of variances along the coordinates to that along the principal axes, from which it pays."""

FLAT = 1e-9
"""Variance, relative to the whole, that counts as none."""


def principal_axes(x: FloatArray, y: FloatArray) -> FloatArray | None:
    """An orthogonal matrix Q (p, p): in x Q and y Q, what is flat lies along the axes. None where it is so already."""
    p = x.shape[1]
    spreads = []
    for cloud in (x, y):
        centred = cloud - cloud.mean(axis=0)
        covariance = centred.T @ centred / cloud.shape[0]
        spreads.append(covariance + (FLAT * float(np.trace(covariance)) + np.finfo(float).tiny) * np.eye(p))
    askew = max(float(np.log(np.diag(each)).sum() - np.linalg.slogdet(each)[1]) for each in spreads)
    if askew < np.log(ASKEW):
        return None
    axes: FloatArray = np.linalg.eigh(np.linalg.inv(spreads[0]) + np.linalg.inv(spreads[1]))[1]
    return axes


def rounding_of_rotation(near: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """How much less |x_i - y_j|^2 may be than it is between atoms turned in float64, where that is at most near_i.

    near : (N,).  x : (N, p).  y : (M, p). A turn moves an atom by 4 p^1.5 units of rounding of its size at most.
    """
    unit = 4.0 * x.shape[1] ** 1.5 * 2.0**-53
    size = np.sqrt(np.square(x).sum(axis=1)) + float(np.sqrt(np.square(y).sum(axis=1).max()))
    error: FloatArray = unit * (2.0 * near + 2.0 * np.sqrt(near) * size + unit * size**2)
    return error
