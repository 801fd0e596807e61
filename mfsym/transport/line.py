"""Clouds on the line: the monotone coupling is optimal, so sorting solves the problem.

The monotone coupling of two laws on R is optimal for every convex cost of x - y (Santambrogio, Optimal Transport for
Applied Mathematicians, 2015, theorem 2.9). The value needs no dual certificate, only exact marginals.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import TransportFailed
from mfsym.transport.atoms import PointCloud
from mfsym.transport.certificates import Candidate, certified
from mfsym.transport.masses import masses_in_units
from mfsym.transport.rationals import integer_masses
from mfsym.transport.results import FloatArray, IntArray, Plan, W2Result


def sort(a: PointCloud, b: PointCloud) -> W2Result:
    """Squared W2 of clouds (N, 1) and (M, 1): masses in units of 2^-62, or exact integers if these are too coarse."""
    started = time.perf_counter()
    orders = np.argsort(a.z[:, 0], kind="stable"), np.argsort(b.z[:, 0], kind="stable")
    try:
        result = certified(_monotone(a, b, orders), a, b)
    except TransportFailed:
        result = certified(_monotone(a, b, orders, exact=True), a, b)
    return replace(result, seconds=time.perf_counter() - started)


def _monotone(a: PointCloud, b: PointCloud, orders: tuple[IntArray, IntArray], exact: bool = False) -> Candidate:
    """The monotone coupling, with masses in units or, if ``exact``, in Python's integers."""
    uniform = a.weights is None and b.weights is None
    if uniform and a.z.shape == b.z.shape:
        i = j = np.arange(a.z.shape[0])
        mass = a.mass()
    else:
        masses = (
            [np.array(each, dtype=object) for each in integer_masses(a, b)] if exact else list(masses_in_units(a, b))
        )
        i, j, units = _monotone_cells(masses[0][orders[0]], masses[1][orders[1]])
        mass = (units / masses[0].sum()).astype(np.float64)
    plan = Plan(orders[0][i], orders[1][j], mass)
    return Candidate(
        method="sort",
        plan=plan,
        cost=np.square(a.z[plan.rows, 0] - b.z[plan.columns, 0]),
        slack=np.zeros(mass.size),
        potentials=_monotone_potentials(a.z[:, 0], b.z[:, 0], orders, (i, j)),
        rounding=0.0,
        exact=exact or uniform,
        iterations=mass.size,
    )


def _monotone_cells(mass_a: NDArray[np.generic], mass_b: NDArray[np.generic]) -> tuple[IntArray, IntArray, IntArray]:
    """Pairs (i, j) of the monotone coupling of sorted integer masses, and the mass of each."""
    ends_a, ends_b = np.cumsum(mass_a), np.cumsum(mass_b)
    ends = np.sort(np.concatenate([ends_a, ends_b]), kind="stable")
    mass = np.diff(ends, prepend=0)
    ends, mass = ends[mass > 0], mass[mass > 0]
    return np.searchsorted(ends_a, ends, side="left"), np.searchsorted(ends_b, ends, side="left"), mass


def _monotone_potentials(
    x: FloatArray, y: FloatArray, orders: tuple[IntArray, IntArray], steps: tuple[IntArray, IntArray]
) -> tuple[FloatArray, FloatArray]:
    """Duals tight on the monotone coupling: v_j' - v_j = c(i, j') - c(i, j) if row i is coupled with j and j'."""
    (order_a, order_b), (steps_a, steps_b) = orders, steps
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
