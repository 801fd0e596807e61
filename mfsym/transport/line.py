"""Clouds on the line: the increasing coupling is optimal, so sorting solves the problem.

The increasing coupling of two laws on R is optimal for every convex cost of x - y (Santambrogio, Optimal Transport for
Applied Mathematicians, 2015, theorem 2.9). The value needs no other proof than that its masses are the weights.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from mfsym.transport.certificates import CERTIFIED, RULE, exact_mass, refuse_underflow
from mfsym.transport.clouds import Cloud
from mfsym.transport.masses import units_of
from mfsym.transport.rationals import whole_masses
from mfsym.transport.results import FloatArray, IntArray, Plan, W2Result, relative_gap


def sort(a: Cloud, b: Cloud) -> W2Result:
    """Squared W2 of clouds (N, 1) and (M, 1), whose weights are counted in units where these are fine enough."""
    started = time.perf_counter()
    orders = np.argsort(a.z[:, 0], kind="stable"), np.argsort(b.z[:, 0], kind="stable")
    steps, error = _increasing(a, b, orders), 0.0
    value = _cost(a, b, orders, steps)
    if a.weights is not None or b.weights is not None:
        error = _rounding_of_units(a, b)
        if error > CERTIFIED / 2.0 * value:
            steps, error = _increasing(a, b, orders, exact=True), 0.0
            value = _cost(a, b, orders, steps)
    error = error if error > RULE * value else 0.0
    plan = Plan(orders[0][steps[0]], orders[1][steps[1]], steps[2])
    refuse_underflow(value, plan, a, b, np.square(a.z[plan.rows, 0] - b.z[plan.columns, 0]))
    return W2Result(
        w2_squared=value + error,
        lower_bound=max(value - error, 0.0),
        relative_gap=relative_gap(value + error, max(value - error, 0.0)),
        method="sort",
        seconds=time.perf_counter() - started,
        plan=plan,
        potentials=_staircase_potentials(a.z[:, 0], b.z[:, 0], orders, steps),
        iterations=plan.rows.size,
    )


Steps = tuple[IntArray, IntArray, FloatArray]
"""Places of the rows and columns, in order, that share mass, and how much."""


def _increasing(a: Cloud, b: Cloud, orders: tuple[IntArray, IntArray], exact: bool = False) -> Steps:
    """The increasing coupling, with masses in units or, for ``exact``, in Python's integers."""
    if a.weights is None and b.weights is None and a.z.shape == b.z.shape:
        steps = np.arange(a.z.shape[0])
        return steps, steps, a.mass()
    if exact:
        masses = [np.array(each, dtype=object) for each in whole_masses(a, b)]
    else:
        masses = list(units_of(a, b))
    i, j, mass = _staircase(masses[0][orders[0]], masses[1][orders[1]])
    total = masses[0].sum()
    return i, j, (mass / total).astype(np.float64)


def _cost(a: Cloud, b: Cloud, orders: tuple[IntArray, IntArray], steps: Steps) -> float:
    return float(steps[2] @ np.square(a.z[orders[0][steps[0]], 0] - b.z[orders[1][steps[1]], 0]))


def _staircase(mass_a: NDArray[np.generic], mass_b: NDArray[np.generic]) -> tuple[IntArray, IntArray, IntArray]:
    """Cells (i, j) that the increasing coupling of sorted whole masses fills, and the mass of each."""
    ends_a, ends_b = np.cumsum(mass_a), np.cumsum(mass_b)
    ends = np.unique(np.concatenate([ends_a, ends_b]))
    mass = np.diff(ends, prepend=0)
    ends, mass = ends[mass > 0], mass[mass > 0]
    return np.searchsorted(ends_a, ends, side="left"), np.searchsorted(ends_b, ends, side="left"), mass


def _rounding_of_units(a: Cloud, b: Cloud) -> float:
    """What the rounding of weights to units may change of W2^2, up or down.

    Mass that is too much or too little goes by way of one point m, as in ``certificates.marginal_errors``; the pair
    that it leaves is at most as long as the distances of its ends from m, one of them perhaps that of the furthest.
    """
    units, middle = units_of(a, b), float(a.z.mean())
    moment, moved, furthest = 0.0, 0.0, 0.0
    for cloud, counted in zip((a, b), units, strict=True):
        mass, squares = exact_mass(cloud), np.square(cloud.z[:, 0] - middle)
        held = counted / counted.sum()
        residual = np.abs(held - mass) + 2.0**-50 * np.maximum(held, mass)
        moment, moved = moment + float(residual @ squares), moved + float(residual.sum())
        furthest += float(squares.max())
    return 3.0 * moment + 6.0 * moved * furthest


def _staircase_potentials(
    x: FloatArray, y: FloatArray, orders: tuple[IntArray, IntArray], steps: Steps
) -> tuple[FloatArray, FloatArray]:
    """Duals tight along the staircase: v rises by c(i, j') - c(i, j) where the path moves on from column j to j'."""
    (order_a, order_b), (steps_a, steps_b, _) = orders, steps
    xs, ys = x[order_a], y[order_b]
    row_of_column = np.zeros(ys.size, dtype=np.int64)
    np.maximum.at(row_of_column, steps_b, steps_a)
    np.maximum.accumulate(row_of_column, out=row_of_column)
    tail = row_of_column[:-1]
    v = np.concatenate([[0.0], np.cumsum((ys[1:] - ys[:-1]) * (ys[1:] + ys[:-1] - 2.0 * xs[tail]))])
    column_of_row = np.zeros(xs.size, dtype=np.int64)
    np.maximum.at(column_of_row, steps_a, steps_b)
    np.maximum.accumulate(column_of_row, out=column_of_row)
    u = (xs - ys[column_of_row]) ** 2 - v[column_of_row]
    potentials = np.empty(xs.size), np.empty(ys.size)
    potentials[0][order_a], potentials[1][order_b] = u, v
    return potentials
