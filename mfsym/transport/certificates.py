"""The proof around a coupling that a solver found: bounds on W2^2 for the weights as given, or a refusal.

Upper bound: the cost of the plan, and what it costs at most to give its masses the weights' exact ratios. Lower bound:
potentials with u_i + v_j <= c_ij under the same weights; value minus lower bound is the mass of the plan times the
slacks c_ij - u_i - v_j of its pairs, a sum without cancellation. Both take in what rounding can do to them.

Where they do not agree, masses are set to their exact ratios along the pairs of the plan (``repairs``), then the
potentials are taken anew from the plan, as near to 0 as can be (``least_potentials``): rounding of those is relative to
the costs of coupled pairs, however far other atoms lie.
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
"""Largest relative gap that an exact method may return."""

NEGLIGIBLE = 1e-12
"""Rounding of the bounds, relative to W2^2, that they need not take in."""

COINCIDE = 1e-24
"""Squared distance of two atoms, relative to their squared sizes, that is 0 up to rounding."""

UNIT_ROUNDOFF = 2.0**-53
"""Relative error of one rounding."""

UNDERFLOW = 2.0**-1074
"""Twice the absolute error of one that underflows."""

PAIRS = 4 * 10**6
"""Pairs of atoms up to which potentials are taken anew from the plan."""

WORK = 3 * 10**8
"""Entries of the cost matrix that this may read."""


class Candidate(NamedTuple):
    """What a solver found, in the clouds' own units."""

    method: str
    plan: Plan
    cost: FloatArray  # (E,) of the plan's pairs
    slack: FloatArray  # (E,) c_ij - u_i - v_j of the same
    potentials: tuple[FloatArray, FloatArray]
    rounding: float  # what rounding may take from the lower bound, see ``rounding_error``
    exact: bool  # whether the masses have the ratios of the weights, up to rounding of each
    seconds: float = 0.0
    iterations: int = 0


def certified(
    found: Candidate, a: PointCloud, b: PointCloud, costs: Callable[[], FloatArray] | None = None
) -> W2Result:
    """The result with its bounds; TransportFailed where they do not agree to CERTIFIED of the value.

    costs : makes the cost matrix (N, M), if it can be had. Small problems are asked for it whose bounds do not agree.
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
    if not agree(bounds) and not coincide(found.plan, a, b, found.cost):
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
    """Whether an upper and a lower bound on W2^2 are as close as is promised."""
    upper, lower = bounds
    return upper - lower <= CERTIFIED * upper


def bounds_of(found: Candidate, a: PointCloud, b: PointCloud) -> tuple[float, float]:
    """Upper and lower bound on W2^2; rounding counts where it is more than RULE of the value."""
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
    """What rounding may take from a lower bound whose u_i = min_j c_ij - v_j was computed in float64.

    A column j that could make u_i smaller has c_ij = u_i + v_j up to rounding, so c_ij <= u_i + max v; costs have a
    relative error of p + 2 units, and differences one each. Squares that underflow are off by half of the least number.
    """
    if b.weights is not None:
        v = v[b.weights > 0.0]
    largest, mass = float(v.max()), a.mass() if a.weights is not None else None
    near, size = np.maximum(u + largest, 0.0), np.abs(u)
    total = (a.z.shape[1] + 4.0) * near + 3.0 * size
    underflow = a.z.shape[1] * UNDERFLOW
    return 2.0 * UNIT_ROUNDOFF * float(total.mean() if mass is None else mass @ total) + underflow


def marginal_errors(found: Candidate, a: PointCloud, b: PointCloud) -> tuple[float, float]:
    """What the difference between a plan's marginals and the weights may add to the cost, and take from the bound.

    With residuals r, s of the rows and columns, mass that is too much or too little goes by way of one point m:
    3 (sum |r| |x - m|^2 + sum |s| |y - m|^2 + sum pi c (|r| / rows + |s| / columns)), because the squared length of
    three steps is at most 3 times the sum of their squares. The dual value changes by sum r u + sum s v.
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
    """Weights that sum to 1, each with a relative error of no more than 2 ROUNDING."""
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
    """Potentials v <= 0 as large as can be that make every pair of the plan tight; None where it is not optimal.

    Bellman and Ford's algorithm: v_j is the length of a shortest way to j, over rows i that hold a column k, of steps
    c_ij - c_ik, at most M of them. No |v_j| is more than the costs of the coupled pairs on its way.  cost : (N, M).
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
    """Whether the atoms of every coupled pair coincide up to their own rounding, so that W2^2 is 0 up to that.

    cost : (E,) squared distances of the pairs.
    """
    x, y = a.z[plan.rows], b.z[plan.columns]
    size = np.square(x).sum(axis=1) + np.square(y).sum(axis=1)
    near = np.maximum(cost, NORMAL) <= COINCIDE * size
    return bool((near | (x == y).all(axis=1)).all())


def refuse_underflow(value: float, plan: Plan, a: PointCloud, b: PointCloud, cost: FloatArray) -> None:
    """TransportFailed where a value is so small that digits are lost, unless it is 0; cost as in ``coincide``."""
    if value < NORMAL and not coincide(plan, a, b, cost):
        raise TransportFailed(TOO_SMALL.format(value))
