"""Clouds on the line: the increasing coupling is optimal, so sorting solves the problem.

The increasing coupling of two laws on R is optimal for every convex cost of x - y (Santambrogio, Optimal Transport for
Applied Mathematicians, 2015, theorem 2.9); no numerical certificate is needed beyond it.
"""

from __future__ import annotations

import numpy as np

from mfsym.transport.clouds import Cloud
from mfsym.transport.results import FloatArray, IntArray, Plan


def solve_on_line(a: Cloud, b: Cloud) -> tuple[Plan, tuple[FloatArray, FloatArray]]:
    """The increasing coupling of clouds (N, 1) and (M, 1), and potentials that prove it."""
    order_a, order_b = np.argsort(a.z[:, 0], kind="stable"), np.argsort(b.z[:, 0], kind="stable")
    if a.weights is None and b.weights is None and order_a.size == order_b.size:
        steps_a = steps_b = np.arange(order_a.size)
        mass = a.mass()
    else:
        steps_a, steps_b, mass = _staircase(a.mass()[order_a], b.mass()[order_b])
    plan = Plan(order_a[steps_a], order_b[steps_b], mass)
    return plan, _staircase_potentials(a.z[:, 0], b.z[:, 0], order_a, order_b, steps_a, steps_b)


def _staircase(mass_a: FloatArray, mass_b: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Cells (i, j) that the increasing coupling of sorted masses fills, and the mass of each."""
    ends_a, ends_b = np.cumsum(mass_a), np.cumsum(mass_b)
    ends_a[-1] = ends_b[-1] = 1.0
    ends = np.unique(np.concatenate([ends_a, ends_b]))
    mass = np.diff(ends, prepend=0.0)
    ends = ends[mass > 0.0]
    last_a, last_b = mass_a.size - 1, mass_b.size - 1
    i = np.minimum(np.searchsorted(ends_a, ends, side="left"), last_a)
    j = np.minimum(np.searchsorted(ends_b, ends, side="left"), last_b)
    return i, j, mass[mass > 0.0]


def _staircase_potentials(
    x: FloatArray, y: FloatArray, order_a: IntArray, order_b: IntArray, steps_a: IntArray, steps_b: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Duals tight along the staircase: v rises by c(i, j') - c(i, j) where the path moves on from column j to j'."""
    xs, ys = x[order_a], y[order_b]
    row_of_column = np.zeros(ys.size, dtype=np.int64)
    np.maximum.at(row_of_column, steps_b, steps_a)
    np.maximum.accumulate(row_of_column, out=row_of_column)
    tail = row_of_column[:-1]
    v = np.concatenate([[0.0], np.cumsum((ys[1:] - ys[:-1]) * (ys[1:] + ys[:-1] - 2.0 * xs[tail]))])
    column_of_row = np.full(xs.size, -1)
    column_of_row[steps_a[::-1]] = steps_b[::-1]
    u = (xs - ys[column_of_row]) ** 2 - v[column_of_row]
    potentials = np.empty(xs.size), np.empty(ys.size)
    potentials[0][order_a], potentials[1][order_b] = u, v
    return potentials
