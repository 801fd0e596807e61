"""Squared W2 between two clouds: the choice of solvers. Each certifies what it returns, see ``certificates``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from mfsym.errors import MfsymError, TransportFailed
from mfsym.transport.approximations import sinkhorn, sliced
from mfsym.transport.atoms import Cloud, pair
from mfsym.transport.certificates import Coupling, certified, rounding_of
from mfsym.transport.dense import (
    padded_distances,
    padded_least_distances,
    solve_assignment,
    solve_network_simplex,
)
from mfsym.transport.exact import extended, restricted, solve_by_auction, support
from mfsym.transport.line import sort
from mfsym.transport.loading import load_dense, load_simplex
from mfsym.transport.moments import rmd2_from
from mfsym.transport.rationals import is_small, solve_rational
from mfsym.transport.repairs import in_whole_units
from mfsym.transport.results import FloatArray, W2Result

METHODS = ("auto", "sort", "auction", "dense", "emd", "rational", "sinkhorn", "sliced")
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
    uniform), "emd" (any weights) and "rational" (whole numbers, few atoms) are tried first where named, and the next
    one where it cannot prove its value: the result names the one that did. "sinkhorn" and "sliced" are approximations.
    start : potential v (M,) of a similar problem, from which the own solver may start.
    Raises MfsymError on empty or non-finite clouds and on different p; TransportFailed where no proof was reached, and
    where squares of coordinates overflow or underflow. ``W2Result`` states what is proved.

    >>> w2([[0.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]).w2_squared
    1.0
    """
    if method not in METHODS:
        raise MfsymError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method in ("sinkhorn", "sliced"):
        approximate = sinkhorn if method == "sinkhorn" else sliced
        return approximate(a, b, weights_a=weights_a, weights_b=weights_b)
    first, second = pair(a, b, weights_a, weights_b)
    return first_proved(candidates(method, first, second), first, second, None, start)


def rmd2(a: ArrayLike, b: ArrayLike) -> float:
    """Squared relative distance of two clouds: W2^2 / (2 E|z|^2 + 2 E|z'|^2), in [0, 1]. See ``rmd2_from``."""
    return rmd2_from(w2(a, b).w2_squared, a, b)


def first_proved(
    methods: Iterable[str], a: Cloud, b: Cloud, matrices: FloatArray | None, start: FloatArray | None = None
) -> W2Result:
    """The result of the first method whose value is proved; TransportFailed where none is.

    methods : at least one.  matrices : (K, p, p), the group of a quotient distance, or None.
    """
    refusals = []
    for method in methods:
        try:
            return solve_by(method, a, b, matrices, start)
        except TransportFailed as refusal:
            refusals.append(refusal)
    raise refusals[0]


def candidates(method: str, a: Cloud, b: Cloud) -> Iterator[str]:
    """The exact method asked for, or the fastest, and then the others that may prove what it could not."""
    chosen = _choose(a, b) if method == "auto" else method
    yield chosen
    if chosen in ("sort", "rational"):
        return
    pairs = a.z.shape[0] * b.z.shape[0]
    able = {"auction": True, "rational": is_small(a, b), "dense": _is_assignment(a, b) and pairs <= DENSE}
    able["emd"] = pairs <= DENSE
    yield from (each for each, can in able.items() if can and each != chosen)


def quotient_candidates(a: Cloud, b: Cloud) -> Iterator[str]:
    """The same on a quotient, for uniform weights: cost matrices of small problems only."""
    pairs = a.z.shape[0] * b.z.shape[0]
    small = pairs <= SMALL**2
    matrix = "dense" if _is_assignment(a, b) else "emd"
    if small:
        yield matrix
    yield "auction"
    if small and matrix == "dense":
        yield "emd"


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


def solve_by(
    method: str, a: Cloud, b: Cloud, matrices: FloatArray | None = None, start: FloatArray | None = None
) -> W2Result:
    """The certified result of one exact method, on the quotient where matrices (K, p, p) are given."""
    if method == "sort":
        return _sort(a, b)
    if method == "auction":
        return solve_by_auction(a, b, matrices, start)
    if method == "rational":
        return solve_rational(a, b, matrices)
    return _dense(a, b, matrices) if method == "dense" else _emd(a, b, matrices)


def _sort(a: Cloud, b: Cloud) -> W2Result:
    if a.z.shape[1] != 1:
        raise MfsymError(f"method 'sort' needs clouds on the line (p = 1), got p = {a.z.shape[1]}")
    return sort(a, b)


def _costs(a: Cloud, b: Cloud, matrices: FloatArray | None) -> FloatArray:
    """Costs (N, width), M filled up to a multiple of eight by columns that cost inf."""
    return padded_distances(a.z, b.z) if matrices is None else padded_least_distances(a.z, b.z, matrices)


def _dense(a: Cloud, b: Cloud, matrices: FloatArray | None = None) -> W2Result:
    if not _is_assignment(a, b):
        raise MfsymError("method 'dense' needs two clouds of as many atoms with uniform weights; use 'emd'")
    load_dense()
    started = time.perf_counter()
    padded = _costs(a, b, matrices)
    plan, (u, v), iterations = solve_assignment(padded)
    cost = padded[plan.rows, plan.columns]
    found = Coupling(
        method="dense",
        plan=plan,
        cost=cost,
        slack=cost - v[plan.columns] - u,
        potentials=(u, v),
        rounding=rounding_of(u, v, a, b),
        exact=True,
        seconds=time.perf_counter() - started,
        iterations=iterations,
    )
    return certified(found, a, b, lambda: padded[:, : b.z.shape[0]])


def _emd(a: Cloud, b: Cloud, matrices: FloatArray | None = None) -> W2Result:
    load_simplex()
    kept_a, kept_b = support(a), support(b)
    if not (kept_a.all() and kept_b.all()):
        inner = _emd(restricted(a, kept_a), restricted(b, kept_b), matrices)
        return extended(inner, (a, b), (kept_a, kept_b), matrices)
    started = time.perf_counter()
    whole = _costs(a, b, matrices)[:, : b.z.shape[0]]
    plan, (u, v), iterations = solve_network_simplex(whole, a, b)
    plan, exact = in_whole_units(plan, a, b)
    cost = whole[plan.rows, plan.columns]
    found = Coupling(
        method="emd",
        plan=plan,
        cost=cost,
        slack=cost - v[plan.columns] - u[plan.rows],
        potentials=(u, v),
        rounding=rounding_of(u, v, a, b),
        exact=exact,
        seconds=time.perf_counter() - started,
        iterations=iterations,
    )
    return certified(found, a, b, lambda: whole)
