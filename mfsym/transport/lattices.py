"""Clouds on a lattice so coarse that costs tie everywhere: duals on a lattice too make the ties exact.

Between atoms with coordinates in q Z all c_ij - |x_i|^2 - |y_j|^2 are multiples of 2 q^2. Duals with |y_j|^2 - v_j on
that lattice keep every slack on it, through bids with epsilon = 0 and through forests: there are few lengths of paths,
and masses move at each of them until none can (``kernels/blocking_flows.py``).
"""

from __future__ import annotations

import numpy as np

from mfsym.transport.gaussians import FLAT
from mfsym.transport.kernels.packs import ColumnTree, SolverState
from mfsym.transport.results import FloatArray

COARSE = 0.01
"""Unit of the costs, in squared distances between neighbours, from which ties shape the problem."""

TIED_LIST_LENGTH = 64
"""Room on a row's list: all columns that tie should find it."""


def lattice_unit(x: FloatArray, columns: ColumnTree) -> float:
    """Unit 2 q^2 of the costs for coordinates in q Z, q a power of two as large as can be; 0 where q is too small."""
    least = COARSE * spacing(x) ** 2
    unit = 2.0
    while unit >= least and unit > 0.0:
        scale = np.sqrt(2.0 / unit)
        if all(bool((z * scale == np.rint(z * scale)).all()) for z in (x[:8], x, columns.points)):
            return unit
        unit /= 4.0
    return 0.0


def spacing(x: FloatArray) -> float:
    """Typical distance between neighbours of a cloud (N, p): the side of one atom's share of a Gaussian's volume."""
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(x.T, bias=True)))
    variances = variances[variances > FLAT * variances[-1]]
    if variances.size == 0:
        return 0.0
    side = np.exp(0.5 * np.log(2.0 * np.pi * np.e * variances).mean())
    return float(side * x.shape[0] ** (-1.0 / variances.size))


def round_duals(state: SolverState, y: FloatArray, unit: float) -> None:
    """Move the duals to where |y_j|^2 - v_j are the nearest multiples of the unit. y : (M, p)."""
    squares, v = np.square(y).sum(axis=1), state.columns.v
    v[:] = squares - unit * np.rint((squares - v) / unit)
