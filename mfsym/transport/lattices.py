"""Clouds on a coarse lattice, where many costs tie: duals rounded to the lattice of the costs make ties exact.

For atoms with coordinates in q Z all c_ij - |x_i|^2 - |y_j|^2 are multiples of 2 q^2. If all |y_j|^2 - v_j are too, so
are all slacks, and bids with epsilon = 0 and augmenting paths preserve this. Paths then have few distinct lengths, and
blocking flows augment all paths of one length together (``kernels/blocking_flows.py``).
"""

from __future__ import annotations

import numpy as np

from mfsym.transport.gaussians import FLAT
from mfsym.transport.kernels.packs import ColumnTree, SolverState
from mfsym.transport.results import FloatArray

COARSE = 0.01
"""Smallest unit of the costs, relative to the squared distance of neighbours, for which ties dominate."""

TIED_LIST_LENGTH = 64
"""Length of a candidate list: it should hold all tied columns."""


def lattice_unit(x: FloatArray, columns: ColumnTree) -> float:
    """Unit 2 q^2 of the costs for coordinates in q Z, with q the largest power of two; 0 if q is too small."""
    least = COARSE * spacing(x) ** 2
    unit = 2.0
    while unit >= least and unit > 0.0:
        scale = np.sqrt(2.0 / unit)
        if all(bool((z * scale == np.rint(z * scale)).all()) for z in (x[:8], x, columns.points)):
            return unit
        unit /= 4.0
    return 0.0


def spacing(x: FloatArray) -> float:
    """Typical distance of neighbours in a cloud (N, p): (volume of a Gaussian of the same covariance / N)^(1/p)."""
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(x.T, bias=True)))
    variances = variances[variances > FLAT * variances[-1]]
    if variances.size == 0:
        return 0.0
    side = np.exp(0.5 * np.log(2.0 * np.pi * np.e * variances).mean())
    return float(side * x.shape[0] ** (-1.0 / variances.size))


def round_duals(state: SolverState, y: FloatArray, unit: float) -> None:
    """Round the duals so that every |y_j|^2 - v_j is a multiple of the unit. y : (M, p)."""
    squares, v = np.square(y).sum(axis=1), state.columns.v
    v[:] = squares - unit * np.rint((squares - v) / unit)
