"""Exact solvers on the dense cost matrix: our linear assignment and POT's network simplex."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import TransportFailed
from mfsym.transport.atoms import PointCloud
from mfsym.transport.kernels.dense import jonker_volgenant, pair_costs
from mfsym.transport.kernels.lanes import WIDTH
from mfsym.transport.results import FloatArray, Plan

Potentials = tuple[FloatArray, FloatArray]

PIVOTS = 10**9
"""Largest number of network simplex pivots; POT's default of 1e5 stops 1.6-7 % above the optimum at N = 3000-5000."""


def squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """|a_i - b_j|^2 as a matrix (N, M), by differences: no cancellation between nearby atoms."""
    return np.ascontiguousarray(padded_distances(a, b)[:, : b.shape[0]])


def padded_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """As ``squared_distances``, with M padded to a multiple of eight by columns of cost inf."""
    m, p = b.shape
    transposed = np.full((p, -(-m // WIDTH) * WIDTH), np.inf)
    transposed[:, :m] = b.T
    costs = np.empty((a.shape[0], transposed.shape[1]))
    pair_costs(np.ascontiguousarray(a), transposed, costs)
    return costs


def least_distances(a: FloatArray, b: FloatArray, matrices: FloatArray | None) -> FloatArray:
    """min over g of |a_i - M_g b_j|^2 as a matrix (N, M); matrices : (K, p, p), or None for the identity alone."""
    if matrices is None:
        return squared_distances(a, b)
    return np.ascontiguousarray(padded_least_distances(a, b, matrices)[:, : b.shape[0]])


def padded_least_distances(a: FloatArray, b: FloatArray, matrices: FloatArray) -> FloatArray:
    """As ``least_distances``, with M padded to a multiple of eight by columns of cost inf."""
    least = padded_distances(a, b @ matrices[0].T)
    for matrix in matrices[1:]:
        np.minimum(least, padded_distances(a, b @ matrix.T), out=least)
    return least


def solve_assignment(cost: FloatArray) -> tuple[Plan, Potentials, int]:
    """The optimal assignment by the Jonker-Volgenant algorithm, its potentials (u, v), and N.

    cost : (N, width), N padded to a multiple of eight by columns of cost inf; see ``padded_distances``.
    """
    n, width = cost.shape
    if not np.isfinite(cost[:, :n].max()):
        raise TransportFailed("squared distances must be finite; scale the clouds down")
    u, v, columns = np.empty(n), np.empty(width), np.full(n, -1)
    jonker_volgenant(cost, v, u, columns, np.full(n, -1), np.empty((5, width)))
    return Plan(np.arange(n), columns, np.full(n, 1.0 / n)), (u, v[:n].copy()), n


def solve_network_simplex(cost: FloatArray, a: PointCloud, b: PointCloud) -> tuple[Plan, Potentials, int]:
    """The optimal coupling for a cost matrix (N, M) by POT, with dual potentials (u, v) and the number of pivots."""
    import ot

    scale = float(cost.max()) or 1.0
    if not np.isfinite(scale):
        raise TransportFailed("squared distances must be finite; scale the clouds down")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        coupling, log = ot.emd(a.mass(), b.mass(), cost / scale, numItermax=PIVOTS, log=True)
    if log["result_code"] != 1:
        raise TransportFailed(f"ot.emd must end optimal, got status {log['result_code']}: {log['warning']}")
    rows, columns = np.nonzero(coupling)
    v = scale * np.asarray(log["v"], dtype=np.float64)
    return Plan(rows, columns, coupling[rows, columns]), ((cost - v).min(axis=1), v), int(log.get("n_iter", 0))


def dual_value(u: NDArray[np.float64], v: NDArray[np.float64], a: PointCloud, b: PointCloud) -> float:
    """Sum of the potentials under the masses: a lower bound on the transport cost where u_i + v_j <= c_ij."""
    return float(a.mass() @ u + b.mass() @ v)
