"""Images of atoms under a group of matrices: their distances, and what their rounding to float64 does to W2."""

from __future__ import annotations

import numpy as np

from mfsym.errors import TransportFailed
from mfsym.transport.certificates import COINCIDE, UNIT_ROUNDOFF
from mfsym.transport.rationals import NORMAL
from mfsym.transport.results import FloatArray, W2Result

IMAGES = 1e-6
"""What the rounding of images M_g z may change of W2^2, relative to it."""

FAR = 1e6
"""Root mean square of the sizes of atoms, relative to the smallest, from which rounding of the far ones may matter."""


def pair_costs(x: FloatArray, y: FloatArray, matrices: FloatArray | None) -> FloatArray:
    """Squared distances (E,) of x (E, p) and y (E, p), the smallest over the images of y under matrices (K, p, p)."""
    costs: FloatArray
    if matrices is None:
        costs = np.square(x - y).sum(axis=1)
    else:
        costs = np.min([np.square(x - y @ matrix.T).sum(axis=1) for matrix in matrices], axis=0)
    return costs


def check_images(result: W2Result, a: FloatArray, b: FloatArray, matrices: FloatArray) -> W2Result:
    """The result itself, unless rounding of the images M_g z of far atoms to float64 spoils it: TransportFailed.

    a : (N, p) and b : (M, p), the atoms of its plan or other points of their orbits.  matrices : (K, p, p).

    If atoms move by d(z), W2 moves by the root mean square of d over pairs at most, here (p + 2) 2^-51 times that of
    their sizes. This may be more than IMAGES of W2^2 only where all coupled atoms coincide up to rounding, or where
    that root mean square is less than FAR times the smallest size. Permutations and changes of sign do not round.
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
