"""Squared W2 between two clouds: selects a solver. Every exact one returns a certified value, see ``certificates``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError, TransportFailed
from mfsym.transport.approximations import sinkhorn, sliced
from mfsym.transport.atoms import PointCloud, as_atoms, pair
from mfsym.transport.certificates import Candidate, certified, rounding_error
from mfsym.transport.dense import (
    padded_distances,
    padded_least_distances,
    solve_assignment,
    solve_network_simplex,
)
from mfsym.transport.exact import restricted, solve_by_auction, support, with_massless_atoms
from mfsym.transport.line import sort
from mfsym.transport.loading import load_dense, load_simplex
from mfsym.transport.moments import rmd2_from
from mfsym.transport.rationals import is_small, solve_rational
from mfsym.transport.repairs import in_units
from mfsym.transport.results import FloatArray, W2Result

METHODS = ("auto", "sort", "auction", "dense", "emd", "rational", "sinkhorn", "sliced")
"""Values of ``method``; the last two are approximations."""

SMALL = 600
"""Largest number of atoms for which dense assignment is the fastest exact method."""

SMALL_TIED = 1200
"""The same if atoms of a cloud coincide: ties are then common, and auctions resolve them slowly."""

SMALL_WEIGHTED = 10**5
"""Largest number of pairs for which POT's network simplex is the fastest exact method for unequal counts or weights."""

DENSE = 10**8
"""Largest number of pairs of atoms for which a cost matrix is stored."""

HIGH_DIMENSION = 16
"""Largest dimension in which the search trees of our solver pay."""


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
    method : "auto" picks an exact one; "sort" (p = 1), "auction" (our solver, O(N) memory), "dense" (N = M,
    uniform), "emd" (POT, any weights) and "rational" (integer arithmetic, few atoms) are tried first if named; if one
    cannot certify its value, the next is tried. The result names the method that succeeded. "sinkhorn" and "sliced" are
    approximations.
    start : potential v (M,) of a similar problem, to warm-start our solver.
    Raises MfsymError on empty or non-finite clouds and on different p; TransportFailed if no method
    certifies its value, or if squared coordinates overflow or underflow. ``W2Result`` states the guarantees.

    >>> w2([[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]).w2_squared
    1.0
    """
    if method not in METHODS:
        raise MfsymError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method in ("sinkhorn", "sliced"):
        approximate = sinkhorn if method == "sinkhorn" else sliced
        return approximate(a, b, weights_a=weights_a, weights_b=weights_b)
    first, second = pair(a, b, weights_a, weights_b)
    return first_certified(methods_for(method, first, second), first, second, None, start)


def w2_along(snapshots: ArrayLike, reference: ArrayLike | None = None) -> Iterator[W2Result]:
    """Squared W2 from every snapshot to a reference, or to the next snapshot; each solve is warm-started by the last.

    snapshots : (T, N, p).  reference : (M, p) or None.  Yields T results, or T - 1, each certified.
    """
    clouds = as_floats(snapshots, "snapshots")
    if clouds.ndim != 3:
        raise MfsymError(f"snapshots must have axes (time, particle, param), got shape {clouds.shape}")
    start: FloatArray | None = None
    fixed = None if reference is None else as_atoms(reference, "the reference")
    for step in range(clouds.shape[0] if fixed is not None else clouds.shape[0] - 1):
        result = w2(clouds[step], clouds[step + 1] if fixed is None else fixed, start=start)
        start = result.potentials[1] if result.potentials is not None and result.method == "auction" else None
        yield result


def rmd2(a: ArrayLike, b: ArrayLike) -> float:
    """Squared relative distance of two clouds: W2^2 / (2 E|z|^2 + 2 E|z'|^2), in [0, 1]. See ``rmd2_from``."""
    return rmd2_from(w2(a, b).w2_squared, a, b)


def first_certified(
    methods: Iterable[str], a: PointCloud, b: PointCloud, matrices: FloatArray | None, start: FloatArray | None = None
) -> W2Result:
    """The result of the first method that certifies its value; the first TransportFailed if none does.

    methods : at least one.  matrices : (K, p, p), the group of a quotient distance, or None.
    """
    refusals = []
    for method in methods:
        try:
            return solve_by(method, a, b, matrices, start)
        except TransportFailed as refusal:
            refusals.append(refusal)
    raise refusals[0]


def methods_for(method: str, a: PointCloud, b: PointCloud) -> Iterator[str]:
    """The requested exact method, or the fastest, then the other applicable ones."""
    chosen = _choose(a, b) if method == "auto" else method
    yield chosen
    if chosen in ("sort", "rational"):
        return
    pairs = a.z.shape[0] * b.z.shape[0]
    able = {"auction": True, "rational": is_small(a, b), "dense": _is_assignment(a, b) and pairs <= DENSE}
    able["emd"] = pairs <= DENSE
    yield from (each for each, can in able.items() if can and each != chosen)


def quotient_methods(a: PointCloud, b: PointCloud) -> Iterator[str]:
    """Exact methods on a quotient, for uniform weights; cost matrices for small problems only."""
    pairs = a.z.shape[0] * b.z.shape[0]
    small = pairs <= SMALL**2
    matrix = "dense" if _is_assignment(a, b) else "emd"
    if small:
        yield matrix
    yield "auction"
    if small and matrix == "dense":
        yield "emd"


def _choose(a: PointCloud, b: PointCloud) -> str:
    """The fastest exact method for two clouds."""
    p = a.z.shape[1]
    if p == 1:
        return "sort"
    pairs = a.z.shape[0] * b.z.shape[0]
    if p > HIGH_DIMENSION and pairs <= DENSE:
        return "dense" if _is_assignment(a, b) else "emd"
    if _is_assignment(a, b):
        count = a.z.shape[0]
        small = count <= SMALL or (count <= SMALL_TIED and (_coincides(a.z) or _coincides(b.z)))
        return "dense" if small else "auction"
    return "emd" if pairs <= SMALL_WEIGHTED else "auction"


def _coincides(atoms: FloatArray) -> bool:
    """Whether two atoms of the cloud are equal."""
    return np.unique(atoms @ np.sqrt(np.arange(2.0, atoms.shape[1] + 2.0))).size < atoms.shape[0]


def _is_assignment(a: PointCloud, b: PointCloud) -> bool:
    return a.weights is None and b.weights is None and a.z.shape == b.z.shape


def solve_by(
    method: str, a: PointCloud, b: PointCloud, matrices: FloatArray | None = None, start: FloatArray | None = None
) -> W2Result:
    """The certified result of one exact method, on the quotient if matrices (K, p, p) are given."""
    if method == "sort":
        return _sort(a, b)
    if method == "auction":
        return solve_by_auction(a, b, matrices, start)
    if method == "rational":
        return solve_rational(a, b, matrices)
    return _dense(a, b, matrices) if method == "dense" else _emd(a, b, matrices)


def _sort(a: PointCloud, b: PointCloud) -> W2Result:
    if a.z.shape[1] != 1:
        raise MfsymError(f"method 'sort' needs clouds on the line (p = 1), got p = {a.z.shape[1]}")
    return sort(a, b)


def _costs(a: PointCloud, b: PointCloud, matrices: FloatArray | None) -> FloatArray:
    """Costs (N, width), M padded to a multiple of eight by columns of cost inf."""
    return padded_distances(a.z, b.z) if matrices is None else padded_least_distances(a.z, b.z, matrices)


def _dense(a: PointCloud, b: PointCloud, matrices: FloatArray | None = None) -> W2Result:
    if not _is_assignment(a, b):
        raise MfsymError("method 'dense' needs two clouds of as many atoms with uniform weights; use 'emd'")
    load_dense()
    started = time.perf_counter()
    padded = _costs(a, b, matrices)
    plan, (u, v), iterations = solve_assignment(padded)
    cost = padded[plan.rows, plan.columns]
    found = Candidate(
        method="dense",
        plan=plan,
        cost=cost,
        slack=cost - v[plan.columns] - u,
        potentials=(u, v),
        rounding=rounding_error(u, v, a, b),
        exact=True,
        seconds=time.perf_counter() - started,
        iterations=iterations,
    )
    return certified(found, a, b, lambda: padded[:, : b.z.shape[0]])


def _emd(a: PointCloud, b: PointCloud, matrices: FloatArray | None = None) -> W2Result:
    load_simplex()
    kept_a, kept_b = support(a), support(b)
    if not (kept_a.all() and kept_b.all()):
        inner = _emd(restricted(a, kept_a), restricted(b, kept_b), matrices)
        return with_massless_atoms(inner, (a, b), (kept_a, kept_b), matrices)
    started = time.perf_counter()
    costs = _costs(a, b, matrices)[:, : b.z.shape[0]]
    plan, (u, v), iterations = solve_network_simplex(costs, a, b)
    plan, exact = in_units(plan, a, b)
    cost = costs[plan.rows, plan.columns]
    found = Candidate(
        method="emd",
        plan=plan,
        cost=cost,
        slack=cost - v[plan.columns] - u[plan.rows],
        potentials=(u, v),
        rounding=rounding_error(u, v, a, b),
        exact=exact,
        seconds=time.perf_counter() - started,
        iterations=iterations,
    )
    return certified(found, a, b, lambda: costs)
