"""Squared W2 between two clouds: the choice of solver, and the certificate around it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.errors import MfsymError, TransportFailed
from mfsym.transport.approximations import sinkhorn, sliced
from mfsym.transport.clouds import Cloud, pair
from mfsym.transport.dense import cost_of, dual_value, padded_distances, solve_assignment, solve_network_simplex
from mfsym.transport.exact import solve_by_auction
from mfsym.transport.line import solve_on_line
from mfsym.transport.moments import rmd2_from
from mfsym.transport.results import FloatArray, Plan, W2Result, relative_gap

METHODS = ("auto", "sort", "auction", "dense", "emd", "sinkhorn", "sliced")
"""Names that ``method`` accepts; the last two are approximations."""

SMALL = 600
"""Atoms up to which an assignment over the whole cost matrix is the fastest exact method."""

SMALL_TIED = 1200
"""The same where atoms of a cloud coincide: ties are common then, and auctions are slow to settle them."""

SMALL_WEIGHTED = 10**5
"""Pairs of atoms up to which POT's network simplex is the fastest exact method for unequal counts or weights."""

DENSE = 10**8
"""Largest number of pairs of atoms for which a cost matrix is made."""

HIGH = 16
"""Largest dimension in which the own solver's search trees still pay."""

CERTIFIED = 1e-9
"""Largest relative gap that an exact method may return."""

ROUNDING = 1e-12
"""Largest gap relative to the squared size of the atoms, where W2^2 itself is of the order of rounding."""


def w2(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    method: str = "auto",
    start: FloatArray | None = None,
) -> W2Result:
    """Squared 2-Wasserstein distance between two clouds, with a certificate.

    W2^2(mu, nu) = min over couplings of E|z - z'|^2.

    a : (N, p) atoms.  b : (M, p) atoms.  weights : uniform where not given, otherwise non-negative.
    method : "auto" picks an exact one; "sort" (p = 1), "auction" (the own solver, O(N) memory), "dense" (N = M,
    uniform) and "emd" (any weights) force it; "sinkhorn" and "sliced" are approximations and say so in the result.
    start : potential v (M,) of a similar problem, from which the own solver may start.
    Raises MfsymError on empty or non-finite clouds and on different p; TransportFailed where no proof was reached.

    >>> w2([[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]).w2_squared
    1.0
    """
    if method not in METHODS:
        raise MfsymError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method in ("sinkhorn", "sliced"):
        approximate = sinkhorn if method == "sinkhorn" else sliced
        return approximate(a, b, weights_a=weights_a, weights_b=weights_b)
    first, second = pair(a, b, weights_a, weights_b)
    if method == "auction":
        return certified(_auction(first, second, start), scale_of(first, second))
    chosen = _choose(first, second) if method == "auto" else method
    if chosen != "auction":
        return certified(_SOLVERS[chosen](first, second), scale_of(first, second))
    try:
        return certified(_auction(first, second, start), scale_of(first, second))
    except TransportFailed:
        if first.z.shape[0] * second.z.shape[0] > DENSE:
            raise
        return certified(_emd(first, second), scale_of(first, second))


def rmd2(a: ArrayLike, b: ArrayLike) -> float:
    """Squared relative distance of two clouds: W2^2 / (2 E|z|^2 + 2 E|z'|^2), in [0, 1]. See ``rmd2_from``."""
    return rmd2_from(w2(a, b).w2_squared, a, b)


def certified(result: W2Result, scale: float) -> W2Result:
    """The result itself, where its two bounds agree; TransportFailed otherwise.

    scale : typical squared size of the atoms: potentials cannot be known better than ROUNDING times that.
    """
    gap = result.w2_squared - result.lower_bound
    if not (gap <= CERTIFIED * result.w2_squared or gap <= ROUNDING * scale):
        raise TransportFailed(
            f"the bounds on W2^2 must agree to {CERTIFIED:g}, got "
            f"[{result.lower_bound:.17g}, {result.w2_squared:.17g}] from {result.method}"
        )
    return result


def scale_of(a: Cloud, b: Cloud) -> float:
    """Squared size of the largest atoms."""
    return float(np.square(a.z).sum(axis=1).max() + np.square(b.z).sum(axis=1).max())


def _choose(a: Cloud, b: Cloud) -> str:
    """The fastest exact method for the clouds at hand."""
    p = a.z.shape[1]
    if p == 1:
        return "sort"
    pairs = a.z.shape[0] * b.z.shape[0]
    if p > HIGH and pairs <= DENSE:
        return "dense" if _is_assignment(a, b) else "emd"
    if _is_assignment(a, b):
        count = a.z.shape[0]
        small = count <= SMALL or (count <= SMALL_TIED and (_coincides(a.z) or _coincides(b.z)))
        return "dense" if small else "auction"
    return "emd" if pairs <= SMALL_WEIGHTED else "auction"


def _coincides(atoms: FloatArray) -> bool:
    """Whether two atoms are equal in all coordinates."""
    return np.unique(atoms @ np.sqrt(np.arange(2.0, atoms.shape[1] + 2.0))).size < atoms.shape[0]


def _is_assignment(a: Cloud, b: Cloud) -> bool:
    return a.weights is None and b.weights is None and a.z.shape == b.z.shape


def _auction(a: Cloud, b: Cloud, start: FloatArray | None) -> W2Result:
    """The own solver on the atoms that have mass; potentials of the others follow by c-transform."""
    kept_a, kept_b = _support(a), _support(b)
    if kept_a.all() and kept_b.all():
        return solve_by_auction(a, b, start=start)
    inner = solve_by_auction(
        _restricted(a, kept_a), _restricted(b, kept_b), start=None if start is None else start[kept_b]
    )
    plan, potentials = inner.plan, inner.potentials
    assert plan is not None
    assert potentials is not None
    v = np.empty(kept_b.size)
    v[kept_b] = potentials[1]
    v[~kept_b] = _c_transform(b.z[~kept_b], a.z[kept_a], potentials[0])
    u = np.empty(kept_a.size)
    u[kept_a] = potentials[0]
    u[~kept_a] = _c_transform(a.z[~kept_a], b.z, v)
    plan = Plan(np.flatnonzero(kept_a)[plan.rows], np.flatnonzero(kept_b)[plan.columns], plan.mass)
    return replace(inner, plan=plan, potentials=(u, v))


def _support(cloud: Cloud) -> NDArray[np.bool_]:
    return np.ones(cloud.z.shape[0], dtype=bool) if cloud.weights is None else cloud.weights > 0.0


def _restricted(cloud: Cloud, kept: NDArray[np.bool_]) -> Cloud:
    return Cloud(cloud.z[kept], None if cloud.weights is None else cloud.weights[kept])


def _c_transform(z: FloatArray, atoms: FloatArray, potential: FloatArray) -> FloatArray:
    """min over the atoms of |z_i - atom|^2 - potential, for every z_i."""
    return np.array([float((np.square(atoms - point).sum(axis=1) - potential).min()) for point in z])


def _sort(a: Cloud, b: Cloud) -> W2Result:
    if a.z.shape[1] != 1:
        raise MfsymError(f"method 'sort' needs clouds on the line (p = 1), got p = {a.z.shape[1]}")
    started = time.perf_counter()
    plan, potentials = solve_on_line(a, b)
    value = float(plan.mass @ (a.z[plan.rows, 0] - b.z[plan.columns, 0]) ** 2)
    seconds = time.perf_counter() - started
    return W2Result(value, value, 0.0, "sort", seconds, plan, potentials, iterations=plan.rows.size)


def _dense(a: Cloud, b: Cloud) -> W2Result:
    if not _is_assignment(a, b):
        raise MfsymError("method 'dense' needs two clouds of as many atoms with uniform weights; use 'emd'")
    started = time.perf_counter()
    return from_matrix(padded_distances(a.z, b.z), a, b, started)


def _emd(a: Cloud, b: Cloud) -> W2Result:
    started = time.perf_counter()
    return from_matrix(padded_distances(a.z, b.z), a, b, started, method="emd")


def from_matrix(cost: FloatArray, a: Cloud, b: Cloud, started: float, method: str = "auto") -> W2Result:
    """The result for a cost matrix, by assignment where it is one and not told otherwise, else by "emd".

    cost : (N, width), M filled up to a multiple of eight by columns that cost inf; see ``padded_distances``.
    """
    whole = cost[:, : b.z.shape[0]]
    by_assignment = method != "emd" and _is_assignment(a, b)
    plan, (u, v), iterations = solve_assignment(cost) if by_assignment else solve_network_simplex(whole, a, b)
    upper, lower = cost_of(plan, cost), dual_value(u, v, a, b)
    return W2Result(
        w2_squared=upper,
        lower_bound=min(lower, upper),
        relative_gap=relative_gap(upper, lower),
        method="dense" if by_assignment else "emd",
        seconds=time.perf_counter() - started,
        plan=plan,
        potentials=(u, v),
        iterations=iterations,
    )


_SOLVERS: dict[str, Callable[[Cloud, Cloud], W2Result]] = {"sort": _sort, "dense": _dense, "emd": _emd}
