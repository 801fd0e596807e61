"""Our exact solver for point clouds: scale them, merge duplicates, solve, certify in the original units."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mfsym.transport.atoms import PointCloud
from mfsym.transport.axes import rounding_of_rotation
from mfsym.transport.certificates import CERTIFIED, Candidate, certified, rounding_error
from mfsym.transport.dense import least_distances
from mfsym.transport.images import pair_costs
from mfsym.transport.initialisers import LIST_LENGTH, NEIGHBOURS, TransportProblem
from mfsym.transport.loading import load_auction
from mfsym.transport.masses import MergedCloud, expanded, masses_in_units, merged, normalisation_of
from mfsym.transport.results import FloatArray, Plan, W2Result
from mfsym.transport.solver import solve, unrotated_row_duals


def solve_by_auction(
    a: PointCloud, b: PointCloud, matrices: FloatArray | None = None, start: FloatArray | None = None
) -> W2Result:
    """Squared W2 of two clouds, or of their orbits under a finite group, by our exact solver.

    matrices : (K, p, p), all elements of the group, or None.  start : potential v (M,) of a similar problem, or None.
    Raises TransportFailed if the bounds do not agree. Atoms without mass only get potentials, by c-transform.
    """
    load_auction()
    kept_a, kept_b = support(a), support(b)
    if kept_a.all() and kept_b.all():
        return _solved(a, b, matrices, start)
    inner = _solved(restricted(a, kept_a), restricted(b, kept_b), matrices, None if start is None else start[kept_b])
    return with_massless_atoms(inner, (a, b), (kept_a, kept_b), matrices)


def _solved(a: PointCloud, b: PointCloud, matrices: FloatArray | None, start: FloatArray | None) -> W2Result:
    """The certified result for clouds with positive weights."""
    started = time.perf_counter()
    normalisation = normalisation_of(a.z, b.z, movable=matrices is None)
    units = masses_in_units(a, b)
    rows = merged(a.z / normalisation.scale - normalisation.shift_a, units[0])
    columns = merged(b.z / normalisation.scale - normalisation.shift_b, units[1])
    guess = None
    if start is not None:
        shift = normalisation.shift_a - normalisation.shift_b
        guess = start[columns.representatives] / normalisation.scale**2 + 2.0 * (columns.atoms @ shift)
    problem = TransportProblem(rows.atoms, columns.atoms, rows.units, columns.units, matrices)
    solution = solve(problem, guess)
    plan = expanded((solution.rows, solution.columns, solution.flow), units, [rows, columns])
    square = normalisation.scale**2
    cost, (v, y) = pair_costs(a.z[plan.rows], b.z[plan.columns], matrices), _per_atom(solution.v, columns)
    u, x = _per_atom(solution.u, rows)
    rounding = rounding_error(u, v, a, b)
    if solution.rotated:
        error = float(a.mass() @ rounding_of_rotation(np.maximum(u + v.max(), 0.0), x, y))
        if square * error > 0.1 * CERTIFIED * float(plan.mass @ cost):
            u, error = _per_atom(unrotated_row_duals(problem, solution.v), rows)[0], 0.0
            rounding = rounding_error(u, v, a, b)
        rounding += error
    shifted = (normalisation.shift_a != normalisation.shift_b).any()
    between = pair_costs(x[plan.rows], y[plan.columns], matrices) if shifted else cost / square
    slack = between - v[plan.columns] - u[plan.rows]
    found = Candidate(
        method="auction",
        plan=plan,
        cost=cost,
        slack=square * slack,
        potentials=normalisation.potentials(u, x, v, y),
        rounding=square * rounding,
        exact=a.weights is None and b.weights is None,
        seconds=time.perf_counter() - started,
        iterations=solution.iterations,
    )
    return certified(found, a, b, lambda: least_distances(a.z, b.z, matrices))


def _per_atom(potential: FloatArray, side: MergedCloud) -> tuple[FloatArray, FloatArray]:
    """Potential and coordinates of every original atom, from those of the merged ones."""
    if side.inverse is None:
        return potential, side.atoms
    return potential[side.inverse], side.atoms[side.inverse]


def support(cloud: PointCloud) -> NDArray[np.bool_]:
    """Mask (N,) of the atoms with positive weight."""
    return np.ones(cloud.z.shape[0], dtype=bool) if cloud.weights is None else cloud.weights > 0.0


def restricted(cloud: PointCloud, kept: NDArray[np.bool_]) -> PointCloud:
    """The cloud of the masked atoms; their weights need not sum to 1."""
    if cloud.weights is None:
        return PointCloud(cloud.z[kept], None)
    given = cloud.weights if cloud.given is None else cloud.given
    return PointCloud(cloud.z[kept], cloud.weights[kept], given[kept])


def with_massless_atoms(
    inner: W2Result,
    clouds: tuple[PointCloud, PointCloud],
    kept: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    matrices: FloatArray | None = None,
) -> W2Result:
    """The result for the whole clouds from that for the atoms with mass; other potentials by c-transform."""
    (a, b), (kept_a, kept_b), plan, potentials = clouds, kept, inner.plan, inner.potentials
    assert plan is not None
    assert potentials is not None
    v = np.empty(kept_b.size)
    v[kept_b] = potentials[1]
    for j in np.flatnonzero(~kept_b):
        v[j] = (least_distances(a.z[kept_a], b.z[j : j + 1], matrices)[:, 0] - potentials[0]).min()
    u = np.empty(kept_a.size)
    u[kept_a] = potentials[0]
    for i in np.flatnonzero(~kept_a):
        u[i] = (least_distances(a.z[i : i + 1], b.z, matrices)[0] - v).min()
    plan = Plan(np.flatnonzero(kept_a)[plan.rows], np.flatnonzero(kept_b)[plan.columns], plan.mass)
    return replace(inner, plan=plan, potentials=(u, v))


def memory_estimate(n: int, m: int, p: int, images: int = 1) -> int:
    """Peak memory of our solver in bytes, besides the clouds, for N and M atoms of dimension p.

    images : order of the group of a quotient distance. Sorting (p = 1) takes less.
    """
    atoms = m * images
    both = atoms + n * images
    lists = (8 + 4) * ((LIST_LENGTH + 1) * n + (NEIGHBOURS + 1) * m)
    sweeps = 56 * NEIGHBOURS * (n + m)
    tree = both * (8 * p + 8) + both / 3.0 * (5 * 8 * p + 8 * 3 + 4)
    state = n * 70 + m * 90
    copies = 4 * 8 * p * (n + atoms)
    return int(lists + sweeps + tree + state + copies)


def dense_estimate(n: int, m: int) -> int:
    """Peak memory of the methods on a dense cost matrix in bytes, for N and M atoms: five matrices, as in POT."""
    return 5 * 8 * n * m
