"""Images of atoms under a matrix group: distances between orbits, and the effect of rounding images on W2."""

from __future__ import annotations

import numpy as np

from mfsym.errors import TransportFailed
from mfsym.transport.certificates import COINCIDE, UNIT_ROUNDOFF
from mfsym.transport.rationals import NORMAL
from mfsym.transport.results import FloatArray, W2Result

IMAGES = 1e-6
"""Largest relative change of W2^2 by the rounding of images M_g z."""

FAR = 1e6
"""Ratio of the root mean square of the norms of atoms to the smallest norm, above which rounding may matter."""


def pair_costs(x: FloatArray, y: FloatArray, matrices: FloatArray | None) -> FloatArray:
    """Squared distances (E,) of x (E, p) and y (E, p), the smallest over the images of y under matrices (K, p, p)."""
    costs: FloatArray
    if matrices is None:
        costs = np.square(x - y).sum(axis=1)
    else:
        costs = np.min([np.square(x - y @ matrix.T).sum(axis=1) for matrix in matrices], axis=0)
    return costs


def check_images(result: W2Result, a: FloatArray, b: FloatArray, matrices: FloatArray) -> W2Result:
    """Return the result, or raise TransportFailed if float64 rounding of the images M_g z may invalidate it.

    a : (N, p) and b : (M, p), the atoms of its plan or other points of their orbits.  matrices : (K, p, p).

    If atoms move by d(z), W2 changes by at most the root mean square of d over coupled pairs, here (p + 2) 2^-51 times
    that of their norms. A result passes if this changes W2^2 by at most IMAGES, if all coupled atoms coincide up to
    rounding, or if that root mean square is at most FAR times the smallest norm. Signed permutations do not round.
    """
    plan, p = result.plan, a.shape[1]
    assert plan is not None
    if np.isin(matrices, (-1.0, 0.0, 1.0)).all():
        return result
    x, y = a[plan.rows], b[plan.columns]
    size = np.square(x).sum(axis=1) + np.square(y).sum(axis=1)
    square = float(plan.mass @ size)
    moved = (p + 2.0) * 4.0 * UNIT_ROUNDOFF * square**0.5
    least = size[size > 0.0].min(initial=np.inf)
    if 2.0 * moved * result.value + moved**2 <= IMAGES * result.w2_squared or square <= FAR**2 * least:
        return result
    if (np.maximum(pair_costs(x, y, matrices), NORMAL) <= COINCIDE * size).all():
        return result
    raise TransportFailed(
        f"images of atoms must be known to {IMAGES:g} of W2^2, got {result.w2_squared:.3g} with images rounded by up "
        f"to {moved:.3g}; look for rows that are far from all others, such as codes for missing values"
    )
