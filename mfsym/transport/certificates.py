"""Certificates: rigorous bounds on W2^2 around a solver's coupling, for the weights as given, or an error.

Upper bound: the cost of the plan, plus the largest cost of correcting its marginals to the exact weights. Lower bound:
the dual value of potentials with u_i + v_j <= c_ij. Their difference is the sum of mass times slack c_ij - u_i - v_j
over the pairs of the plan, a sum without cancellation. Both bounds account for rounding errors.

If they do not agree, the masses are first corrected to exact ratios along the pairs of the plan (``repairs``). Then
potentials as near to 0 as possible are computed from the plan (``least_potentials``): their rounding errors are
relative to the costs of coupled pairs, however far other atoms are.
"""

from __future__ import annotations

from collections.abc import Callable
from math import fsum
from typing import NamedTuple

import numpy as np

from mfsym.errors import TransportFailed
from mfsym.transport.atoms import PointCloud
from mfsym.transport.rationals import NORMAL, TOO_SMALL
from mfsym.transport.repairs import exact_masses
from mfsym.transport.results import FloatArray, Plan, W2Result, relative_gap

CERTIFIED = 1e-9
"""Largest relative duality gap of a certified value."""

NEGLIGIBLE = 1e-12
"""Rounding errors up to this, relative to W2^2, are left out of the bounds."""

COINCIDE = 1e-24
"""Squared distance of two atoms, relative to their squared norms, that counts as 0."""

NEAR = 1e-11
"""Squared distance of two atoms, relative to the size of their cloud, of rounding in single precision: bounds on a W2^2
so small need not agree."""

WELL_SCALED = 1e6
"""Largest ratio of squared distances from the middle of a cloud that has a size: none has where some atoms are far."""

UNIT_ROUNDOFF = 2.0**-53
"""Unit roundoff of float64."""

UNDERFLOW = 2.0**-1074
"""Smallest positive float64: twice the absolute error of an underflow."""

PAIRS = 4 * 10**6
"""Largest number of pairs of atoms for which potentials are recomputed from the plan."""

WORK = 3 * 10**8
"""Number of entries of the cost matrix that this may read."""


class Candidate(NamedTuple):
    """A solver's primal and dual solution, in the units of the clouds."""

    method: str
    plan: Plan
    cost: FloatArray  # (E,) c_ij of the plan's pairs
    slack: FloatArray  # (E,) c_ij - u_i - v_j of the same
    potentials: tuple[FloatArray, FloatArray]
    rounding: float  # possible rounding error of the lower bound, see ``rounding_error``
    exact: bool  # whether each mass has the exact ratio up to its own rounding
    seconds: float = 0.0
    iterations: int = 0


def certified(
    found: Candidate, a: PointCloud, b: PointCloud, costs: Callable[[], FloatArray] | None = None
) -> W2Result:
    """The result with its bounds; TransportFailed if they do not agree to CERTIFIED of the value.

    Where all coupled atoms are NEAR each other, as in trainings that coincide but for rounding, the bounds may stand
    apart, and ``relative_gap`` says how far: potentials have rounding errors of the size of W2^2.
    costs : computes the cost matrix (N, M), or None. Called for small problems whose bounds do not agree.
    """
    bounds = bounds_of(found, a, b)
    if not agree(bounds) and not found.exact:
        masses = exact_masses(found.plan, a, b)
        found = found if masses is None else _with_masses(found, masses)
        bounds = bounds_of(found, a, b)
    if not agree(bounds) and costs is not None and a.z.shape[0] * b.z.shape[0] <= PAIRS:
        again = _with_least_potentials(found, costs(), a, b)
        found = found if again is None else again
        bounds = bounds_of(found, a, b)
    upper, lower = bounds
    refuse_underflow(upper, found.plan, a, b, found.cost)
    if not agree(bounds) and not coincide(found.plan, a, b, found.cost) and not are_near(found.plan, a, found.cost):
        raise TransportFailed(
            f"the bounds on W2^2 must agree to {CERTIFIED:g}, got [{lower:.17g}, {upper:.17g}] from {found.method}; "
            "look for rows that are far from all others, such as codes for missing values"
        )
    return W2Result(
        w2_squared=upper,
        lower_bound=lower,
        relative_gap=relative_gap(upper, lower),
        method=found.method,
        seconds=found.seconds,
        plan=found.plan,
        potentials=found.potentials,
        iterations=found.iterations,
    )


def agree(bounds: tuple[float, float]) -> bool:
    """Whether an upper and a lower bound on W2^2 differ by at most CERTIFIED of the value."""
    upper, lower = bounds
    return upper - lower <= CERTIFIED * upper


def bounds_of(found: Candidate, a: PointCloud, b: PointCloud) -> tuple[float, float]:
    """Upper and lower bound on W2^2; rounding errors count if they exceed NEGLIGIBLE of the value."""
    mass = found.plan.mass
    value = float(mass @ found.cost)
    gap, noise, excess = float(mass @ np.maximum(found.slack, 0.0)), found.rounding, 0.0
    if not found.exact:
        excess, loss = marginal_errors(found, a, b)
        noise += loss
    upper = value + excess if excess > NEGLIGIBLE * value else value
    lower = value - gap - (noise if noise > NEGLIGIBLE * value else 0.0)
    return upper, min(max(lower, 0.0), upper)


def rounding_error(u: FloatArray, v: FloatArray, a: PointCloud, b: PointCloud) -> float:
    """Largest rounding error of a lower bound whose u_i = min_j c_ij - v_j was computed in float64.

    A column j that could make u_i smaller has c_ij = u_i + v_j up to rounding, so c_ij <= u_i + max v; costs have a
    relative error of p + 2 unit roundoffs, and differences of one each; underflow adds an absolute error.
    """
    if b.weights is not None:
        v = v[b.weights > 0.0]
    largest, mass = float(v.max()), a.mass() if a.weights is not None else None
    near, size = np.maximum(u + largest, 0.0), np.abs(u)
    total = (a.z.shape[1] + 4.0) * near + 3.0 * size
    underflow = a.z.shape[1] * UNDERFLOW
    return 2.0 * UNIT_ROUNDOFF * float(total.mean() if mass is None else mass @ total) + underflow


def marginal_errors(found: Candidate, a: PointCloud, b: PointCloud) -> tuple[float, float]:
    """How much wrong marginals of a plan can add to the upper bound and take from the lower bound.

    With residuals r, s of the rows and columns, route the surplus and the missing mass through one point m. This costs
    3 (sum |r| |x - m|^2 + sum |s| |y - m|^2 + sum pi c (|r| / rows + |s| / columns)), because (a + b + c)^2
    <= 3 (a^2 + b^2 + c^2). The dual value changes by sum r u + sum s v.
    """
    plan, (u, v) = found.plan, found.potentials
    middle = a.z.mean(axis=0)
    excess, loss, rates = 0.0, 0.0, np.zeros(plan.mass.size)
    for cloud, atoms, potential in ((a, plan.rows, u), (b, plan.columns, v)):
        count = cloud.z.shape[0]
        carried, mass = np.bincount(atoms, plan.mass, count), exact_mass(cloud)
        residual = np.abs(carried - mass) + (4 + np.bincount(atoms, minlength=count)) * UNIT_ROUNDOFF * np.maximum(
            carried, mass
        )
        excess += float(residual @ np.square(cloud.z - middle).sum(axis=1))
        loss += float(residual @ np.abs(potential))
        rates += residual[atoms] / carried[atoms]
    return 3.0 * (excess + float((plan.mass * rates) @ found.cost)), loss


def _with_masses(found: Candidate, masses: FloatArray) -> Candidate:
    carried = masses > 0.0
    plan = Plan(found.plan.rows[carried], found.plan.columns[carried], masses[carried])
    return found._replace(plan=plan, cost=found.cost[carried], slack=found.slack[carried], exact=True)


def exact_mass(cloud: PointCloud) -> FloatArray:
    """Weights that sum to 1, each with a relative error of at most 2 UNIT_ROUNDOFF."""
    if cloud.weights is None:
        return cloud.mass()
    given = cloud.weights if cloud.given is None else cloud.given
    mass: FloatArray = given / fsum(given)
    return mass


def _with_least_potentials(found: Candidate, cost: FloatArray, a: PointCloud, b: PointCloud) -> Candidate | None:
    plan = found.plan
    potentials = least_potentials(cost, plan)
    if potentials is None:
        return None
    u, v = potentials
    pairs = cost[plan.rows, plan.columns]
    slack = pairs - v[plan.columns] - u[plan.rows]
    return found._replace(cost=pairs, slack=slack, potentials=(u, v), rounding=rounding_error(u, v, a, b))


def least_potentials(cost: FloatArray, plan: Plan) -> tuple[FloatArray, FloatArray] | None:
    """The largest potentials v <= 0 that make every pair of the plan tight; None if the plan is not optimal.

    The Bellman-Ford algorithm: v_j is the length of a shortest path to j of at most M steps c_ij - c_ik, where row i is
    coupled with column k. No |v_j| exceeds the costs of the coupled pairs on its path.  cost : (N, M).
    """
    n, m = cost.shape
    rows, columns, pairs = plan.rows, plan.columns, cost[plan.rows, plan.columns]
    v, u = np.zeros(m), np.full(n, -np.inf)
    np.maximum.at(u, rows, pairs)
    changed, work, rounds = np.flatnonzero(u > -np.inf), 0, 0
    while changed.size:
        work, rounds = work + changed.size * m, rounds + 1
        if work > WORK or rounds > m + 1:
            return None
        steps = cost[changed] - u[changed, None]
        nearest = np.argmin(steps, axis=0)
        length = steps[nearest, np.arange(m)]
        shorter = length < v - 4.0 * UNIT_ROUNDOFF * (np.abs(length) + np.abs(u[changed][nearest]))
        v[shorter] = length[shorter]
        raised = u.copy()
        np.maximum.at(raised, rows, pairs - v[columns])
        changed, u = np.flatnonzero(raised > u), raised
    return (cost - v).min(axis=1), v


def coincide(plan: Plan, a: PointCloud, b: PointCloud, cost: FloatArray) -> bool:
    """Whether the atoms of every coupled pair coincide up to rounding, so that W2^2 is 0 up to rounding.

    cost : (E,) squared distances of the pairs.
    """
    x, y = a.z[plan.rows], b.z[plan.columns]
    size = np.square(x).sum(axis=1) + np.square(y).sum(axis=1)
    near = np.maximum(cost, NORMAL) <= COINCIDE * size
    return bool((near | (x == y).all(axis=1)).all())


def are_near(plan: Plan, a: PointCloud, cost: FloatArray) -> bool:
    """Whether the atoms of every coupled pair are NEAR each other; cost as in ``coincide``.

    The size of a cloud is the tenth part of its atoms' squared distances from the atom nearest to their median.
    """
    middle = a.z[np.square(a.z - np.median(a.z, axis=0)).sum(axis=1).argmin()]
    distances = np.square(a.z - middle).sum(axis=1)
    size = np.quantile(distances, 0.1)
    return bool(cost.max() <= NEAR * size and distances.max() <= WELL_SCALED * size)


def refuse_underflow(value: float, plan: Plan, a: PointCloud, b: PointCloud, cost: FloatArray) -> None:
    """TransportFailed if a value has lost digits to underflow, unless it is 0; cost as in ``coincide``."""
    if value < NORMAL and not coincide(plan, a, b, cost):
        raise TransportFailed(TOO_SMALL.format(value))
