"""The own solver behind clouds: frame, masses, solution, certificate in the clouds' own units."""

from __future__ import annotations

import time

import numpy as np

from mfsym.transport.clouds import Cloud
from mfsym.transport.masses import Masses, expanded, frame_of, merged, units_of
from mfsym.transport.results import FloatArray, Plan, W2Result
from mfsym.transport.solver import solve
from mfsym.transport.starts import Transport


def solve_by_auction(
    a: Cloud, b: Cloud, matrices: FloatArray | None = None, start: FloatArray | None = None
) -> W2Result:
    """Squared W2 of two clouds, or of their classes under a finite group, by the own exact solver.

    matrices : (K, p, p), all elements of the group, or None.  start : potential v (M,) of a similar problem, or None.
    """
    started = time.perf_counter()
    frame = frame_of(a.z, b.z, movable=matrices is None)
    units = units_of(a, b)
    rows = merged(a.z / frame.scale - frame.shift_a, units[0])
    columns = merged(b.z / frame.scale - frame.shift_b, units[1])
    guess = None
    if start is not None:
        shift = frame.shift_a - frame.shift_b
        guess = start[columns.single] / frame.scale**2 + 2.0 * (columns.atoms @ shift)
    solution = solve(Transport(rows.atoms, columns.atoms, rows.units, columns.units, matrices), guess)
    plan = expanded((solution.rows, solution.columns, solution.flow), units, [rows, columns])
    square = frame.scale**2
    value = square * _cost(a.z / frame.scale, b.z / frame.scale, plan, matrices)
    gap = min(square * solution.gap / float(units[0].sum()), value)
    return W2Result(
        w2_squared=value,
        lower_bound=value - gap,
        relative_gap=gap / value if value > 0.0 else 0.0,
        method="auction",
        seconds=time.perf_counter() - started,
        plan=plan,
        potentials=frame.potentials(*_spread(solution.u, rows), *_spread(solution.v, columns)),
        iterations=solution.iterations,
    )


def _spread(potential: FloatArray, side: Masses) -> tuple[FloatArray, FloatArray]:
    """Potential and coordinates of every original atom."""
    if side.group is None:
        return potential, side.atoms
    return potential[side.group], side.atoms[side.group]


def _cost(a: FloatArray, b: FloatArray, plan: Plan, matrices: FloatArray | None) -> float:
    """Cost of a plan, from the coordinates as given."""
    x, y = a[plan.rows], b[plan.columns]
    if matrices is None:
        costs = np.square(x - y).sum(axis=1)
    else:
        costs = np.min([np.square(x - y @ matrix.T).sum(axis=1) for matrix in matrices], axis=0)
    return float(plan.mass @ costs)
