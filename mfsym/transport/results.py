"""Results of transport solvers: a value, its certificate, the coupling and the potentials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """A sparse coupling: mass[e] goes from atom rows[e] of the first cloud to atom columns[e] of the second.

    rows, columns : (E,) indices.  mass : (E,) positive, summing to 1.
    """

    rows: IntArray
    columns: IntArray
    mass: FloatArray

    @cached_property
    def matching(self) -> IntArray | None:
        """(N,) column of every row if the plan is a permutation; None otherwise."""
        n = self.rows.size
        if n == 0 or np.unique(self.rows).size < n or np.unique(self.columns).size < n or self.rows.max() >= n:
            return None
        partner = np.empty(n, dtype=np.int64)
        partner[self.rows] = self.columns
        return partner


@dataclass(frozen=True)
class W2Result:
    """Squared W2 between two clouds, with its certificate.

    w2_squared : value in units of |z|^2; for the exact methods an upper bound, the cost of ``plan``.
    lower_bound : the value of feasible dual potentials, non-negative.
    relative_gap : (w2_squared - lower_bound) / w2_squared, 0 if both vanish; NaN if the method gives no certificate.
    method : "sort", "auction", "dense", "emd", "rational" (exact), "sinkhorn", "sliced" (named approximations).
    seconds : wall time of the solve, without loading or compiling code.
    iterations : number of elementary steps of the method (bids, pivots, projections).
    plan : a coupling that attains w2_squared, or None.
    potentials : (u (N,), v (M,)) with u_i + v_j <= c_ij up to rounding, or None.
    standard_error : of w2_squared if it was estimated by sampling, else 0.

    Guarantee of the exact methods. Let W be the distance in real arithmetic for the given float64 coordinates and
    the weights w_i / sum w of the float64 weights given. Then lower_bound - t <= W^2 <= w2_squared + t with
    t = 1e-12 w2_squared, and w2_squared - lower_bound <= 1e-9 w2_squared. The one exception is a distance that is 0 up
    to rounding: the atoms of every coupled pair differ by at most 1e-12 of their norm; the bounds on W^2 still hold.
    If the marginals of the plan are not exact, w2_squared includes the cost of correcting them.
    Positive values below 1e-289 and coordinates above 1e153 raise TransportFailed.
    """

    w2_squared: float
    lower_bound: float
    relative_gap: float
    method: str
    seconds: float
    plan: Plan | None = None
    potentials: tuple[FloatArray, FloatArray] | None = None
    iterations: int = 0
    standard_error: float = 0.0

    @property
    def value(self) -> float:
        """W2, the square root of ``w2_squared``."""
        return float(np.sqrt(max(self.w2_squared, 0.0)))

    @property
    def matching(self) -> IntArray | None:
        """(N,) partner of every atom of the first cloud if the plan is a permutation; None otherwise."""
        return None if self.plan is None else self.plan.matching


def relative_gap(upper: float, lower: float) -> float:
    """(upper - lower) / upper for 0 <= lower <= upper up to rounding; 0 if the bounds are equal."""
    if upper <= lower:
        return 0.0
    return (upper - lower) / upper if upper > 0.0 else float("inf")
