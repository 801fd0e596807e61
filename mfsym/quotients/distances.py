"""Distances between batches of points on a quotient: exact W2, coverage, and populations of templates.

``transport.quotient_w2`` takes the matrices of a finite group; ``orbit_w2`` takes any ``Quotient`` whose alignment is
exact, and delegates finite groups to the former. Both return a certified W2Result.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_number
from mfsym.errors import MfsymError
from mfsym.quotients.orbits import Quotient
from mfsym.transport import Plan, W2Result, quotient_w2
from mfsym.transport.atoms import PointCloud, pair
from mfsym.transport.certificates import Candidate, certified, rounding_error
from mfsym.transport.dense import solve_assignment, solve_network_simplex
from mfsym.transport.distances import DENSE
from mfsym.transport.exact import restricted, support
from mfsym.transport.loading import load_dense, load_simplex
from mfsym.transport.repairs import in_units

Floats = NDArray[np.float64]

LANES = 8
"""Columns of the cost matrix of an assignment come in multiples of this."""

WHOLE = 1e-9
"""How far weights may be from summing to 1."""


class Coverage(NamedTuple):
    """How well samples cover references, and the other way round.

    recall : share of the references within the radius of a sample.  precision : share of the samples within the radius
    of a reference.  recall_amr, precision_amr : averages of the least distances.
    Distances are root mean square over the n points where points are clouds (RMSD), plain otherwise.
    """

    recall: float
    precision: float
    recall_amr: float
    precision_amr: float


class Populations(NamedTuple):
    """Shares (J,) of samples nearest to each template, and their total variation from the weights.

    total_variation : half of sum_j |share_j - weight_j|.  error : its standard error, from the multinomial variance.
    expected : what it would be on average for samples of the weights themselves, which sampling alone leaves.
    """

    shares: Floats
    total_variation: float
    error: float
    expected: float


def orbit_w2(
    a: ArrayLike,
    b: ArrayLike,
    quotient: Quotient,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
) -> W2Result:
    """Squared W2 between two laws on a quotient: min over couplings of E min_g |z - rho(g) z'|^2, with a certificate.

    a : (N, p) or (N, n, d) points.  b : (M, p) or (M, n, d).  weights : uniform where not given, else non-negative.
    The bounds hold for the costs that alignment gives, see ``W2Result``; their rounding moves W2 by about p 2^-52 times
    the root mean square of the points. A cost matrix of N M numbers is made, at most DENSE of them.
    MfsymError where alignment is a search: its costs would prove nothing. TransportFailed where no proof was reached.

    >>> from mfsym.groups import so
    >>> orbit_w2([[1.0, 0.0]], [[0.0, 3.0]], Quotient(so(2).vector())).w2_squared
    4.0
    """
    if not quotient.is_exact:
        raise MfsymError(
            f"orbit_w2 needs exact alignment, and {quotient!r} is aligned by a search; bound it by w2(a, b)"
        )
    sides = [quotient.centre(_batch(x, name)).reshape(-1, quotient.dim) for x, name in ((a, "a"), (b, "b"))]
    first, second = pair(sides[0], sides[1], weights_a, weights_b)
    uniform = first.weights is None and second.weights is None
    if quotient.rep.group.order is not None and uniform:
        return quotient_w2(first.z, second.z, quotient.rep.matrices)
    if first.z.shape[0] * second.z.shape[0] > DENSE:
        raise MfsymError(
            f"orbit_w2 makes at most {DENSE} costs, got {first.z.shape[0]} x {second.z.shape[0]}; take fewer"
        )
    load_dense()
    started = time.perf_counter()
    costs = np.square(quotient.distances(first.z, second.z))
    solve = _assigned if uniform and first.z.shape == second.z.shape else _coupled
    return solve(costs, first, second, started)


def coverage(samples: ArrayLike, references: ArrayLike, quotient: Quotient, radius: float) -> Coverage:
    """Coverage and average minimum RMSD of samples (S, p) or (S, n, d) and references, for a radius > 0.

    Ganea et al. 2021 (GeoMol, arXiv:2106.07802), section 4. Blind to populations: every template once is as good as
    the right share of each. Report ``populations`` and ``orbit_w2`` as well.
    """
    radius = as_number(radius, "radius", above=0.0)
    table = quotient.distances(_batch(samples, "samples"), _batch(references, "references"))
    if quotient.point_dim is not None:
        table /= np.sqrt(quotient.dim / quotient.point_dim)
    nearest, found = table.min(axis=0), table.min(axis=1)
    shares = (float((nearest <= radius).mean()), float((found <= radius).mean()))
    return Coverage(*shares, float(nearest.mean()), float(found.mean()))


def populations(samples: ArrayLike, templates: ArrayLike, weights: ArrayLike, quotient: Quotient) -> Populations:
    """Shares of samples (S, p) or (S, n, d) nearest to each of J templates, against weights (J,) that sum to 1."""
    clouds, known = _batch(samples, "samples"), _batch(templates, "templates")
    return populations_of(np.argmin(quotient.distances(clouds, known), axis=1), as_weights(weights, len(known)))


def populations_of(chosen: NDArray[np.integer], expected: Floats) -> Populations:
    """Shares of the numbers (S,) of the shapes that samples are nearest to, against weights (J,)."""
    count = len(chosen)
    shares = np.bincount(chosen, minlength=len(expected)) / count
    signs = np.sign(shares - expected)
    variance = max(0.0, float((signs**2 * shares).sum() - (signs * shares).sum() ** 2))
    noise = np.sqrt(2.0 * expected * (1.0 - expected) / (np.pi * count))
    total = 0.5 * float(np.abs(shares - expected).sum())
    return Populations(shares, total, 0.5 * float(np.sqrt(variance / count)), 0.5 * float(noise.sum()))


def as_weights(weights: ArrayLike, count: int) -> Floats:
    """Weights (J,) of J = ``count`` templates; MfsymError unless they are non-negative and sum to 1."""
    given = as_floats(weights, "weights")
    if given.shape != (count,):
        raise MfsymError(f"weights must be one for each of {count} templates, got shape {given.shape}")
    if not np.isfinite(given).all() or (given < 0.0).any() or abs(given.sum() - 1.0) > WHOLE:
        raise MfsymError(
            f"weights must be non-negative and sum to 1, got a sum of {given.sum():.9g}; divide them by it"
        )
    return given


def _batch(x: ArrayLike, name: str) -> Floats:
    """Points as a batch of rows; a single point becomes a batch of one."""
    values = as_floats(x, name)
    if values.ndim < 2 or len(values) == 0:
        raise MfsymError(f"{name} must be a batch of one or more points, got shape {values.shape}")
    return values


def _assigned(costs: Floats, a: PointCloud, b: PointCloud, started: float) -> W2Result:
    """The best matching of as many points with uniform weights."""
    n = len(costs)
    padded = np.full((n, -(-n // LANES) * LANES), np.inf)
    padded[:, :n] = costs
    plan, (u, v), iterations = solve_assignment(padded)
    found = _coupling("dense", costs, plan, (u, v), True, (a, b))
    return certified(found._replace(seconds=time.perf_counter() - started, iterations=iterations), a, b, lambda: costs)


def _coupled(costs: Floats, a: PointCloud, b: PointCloud, started: float) -> W2Result:
    """The best coupling of weighted points; those without mass take no part."""
    load_simplex()
    kept = support(a), support(b)
    first, second = restricted(a, kept[0]), restricted(b, kept[1])
    inner = np.ascontiguousarray(costs[np.ix_(*kept)])
    plan, (u, v), iterations = solve_network_simplex(inner, first, second)
    plan, exact = in_units(plan, first, second)
    found = _coupling("emd", inner, plan, (u, v), exact, (first, second))
    found = found._replace(seconds=time.perf_counter() - started, iterations=iterations)
    result = certified(found, first, second, lambda: inner)
    return result if all(each.all() for each in kept) else _extended(result, costs, kept)


def _coupling(
    method: str,
    costs: Floats,
    plan: Plan,
    potentials: tuple[Floats, Floats],
    exact: bool,
    sides: tuple[PointCloud, PointCloud],
) -> Candidate:
    cost, (u, v) = costs[plan.rows, plan.columns], potentials
    slack = cost - v[plan.columns] - u[plan.rows]
    return Candidate(method, plan, cost, slack, potentials, rounding_error(u, v, *sides), exact)


def _extended(inner: W2Result, costs: Floats, kept: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> W2Result:
    """The result for all points from that for those with mass: potentials of the others follow by c-transform."""
    assert inner.plan is not None
    assert inner.potentials is not None
    rows, columns = np.flatnonzero(kept[0]), np.flatnonzero(kept[1])
    v = (costs[rows] - inner.potentials[0][:, None]).min(axis=0)
    v[columns] = inner.potentials[1]
    u = (costs - v).min(axis=1)
    u[rows] = inner.potentials[0]
    plan = Plan(rows[inner.plan.rows], columns[inner.plan.columns], inner.plan.mass)
    return replace(inner, plan=plan, potentials=(u, v))
