"""Where the duals of a transport problem start: the better they are, the fewer bids follow.

Small problems start from zero, larger ones from the duals between Gaussians of the same moments where costs tie or,
neither in the plane nor from MANY atoms on, a problem between few groups of atoms tells that these are good, otherwise
from those of a coarse problem between groups of neighbouring atoms, solved in the same way. The duals of an earlier
solution replace them where their dual value is above that of zero. Sparse Sinkhorn sweeps on pairs of atoms that are
near as seen from the rows or from the columns then bring the dual value close to the optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mfsym.transport.gaussians import gaussian_duals
from mfsym.transport.kernels.fits import fit_bounds
from mfsym.transport.kernels.lists import renew_all, spans
from mfsym.transport.kernels.packs import Columns, Problem
from mfsym.transport.kernels.search import c_transform
from mfsym.transport.kernels.sinkhorn import sweep
from mfsym.transport.packs import columns_of, found_of, order_of, problem_of
from mfsym.transport.pairs import joined, pairs_of
from mfsym.transport.results import FloatArray, IntArray

LISTED = 16
"""Columns on a row's list, once that is renewed."""

NEAR = 8
"""Columns on it at first, and neighbours of an atom that make pairs for the Sinkhorn sweeps."""

MIDDLE = 4
"""Entry of a list whose distance from the first is a row's local scale."""

TEMPERATURES = ((1.0, 0.3), (0.3, 0.1, 0.03))
"""Of the Sinkhorn sweeps, in local scales: on the pairs of the start, and on those found anew."""

FOUND_ONCE = (1.0, 0.3, 0.1, 0.03)
"""The same where one set of pairs will do."""

SWEEPS = 10
"""At each temperature."""

GROUP, SMALLEST = 4, 200
"""Atoms of a group of the coarse problem, and the size below which no coarse problem is made."""

PROBE, ALIKE = 250, 2.0
"""Groups that tell whether clouds are like Gaussians, and what those may lose in local scales for each group."""

MANY, PLANE = 8000, 2
"""Atoms from which, and dimensions up to which, large-scale differences between samples count more than a local scale,
Gaussians or not. In the plane all scales count alike (Ajtai, Komlós & Tusnády 1984, doi:10.1007/BF02579135)."""

NEARLY_ALL = 0.8
"""Share of the mass that finds room in its nearest column where clouds count as near."""

NOTHING = 1e-12
"""Change of the dual value, relative to the size of the duals, that may be rounding."""


class Transport(NamedTuple):
    """Rows (N, p), columns (M, p), their masses in units, and the group over which the smallest cost counts."""

    x: FloatArray
    y: FloatArray
    supply: IntArray
    demand: IntArray
    matrices: FloatArray | None = None


def laid_out(task: Transport) -> tuple[Transport, Problem, IntArray, IntArray]:
    """The task in tree order, the packs that solve it, and both orders."""
    order_x = order_of(task.x)
    columns, order_y = columns_of(task.y, task.matrices)
    ordered = Transport(
        np.ascontiguousarray(task.x[order_x]),
        np.ascontiguousarray(task.y[order_y]),
        task.supply[order_x],
        task.demand[order_y],
        task.matrices,
    )
    return ordered, problem_of(ordered.x, columns, ordered.supply, ordered.demand, LISTED), order_x, order_y


def turned(task: Transport, axes: FloatArray) -> Transport:
    """The task in other coordinates: atoms times an orthogonal matrix (p, p)."""
    matrices = None if task.matrices is None else axes.T @ task.matrices @ axes
    return task._replace(x=task.x @ axes, y=task.y @ axes, matrices=matrices)


def set_start(
    problem: Problem,
    task: Transport,
    start: FloatArray | None,
    descend: Callable[[Problem], int],
    tied: bool = False,
) -> None:
    """Set the duals of a problem and search its lists.

    start : duals of a similar problem in the task's order, or None.  descend : solves a coarse problem roughly.
    tied : whether costs tie everywhere, so that duals within a few ties of the optimum will do.
    """
    gaussian = start is None and _starts_gaussian(task, descend, tied)
    guess = _gaussian(task) if gaussian else _guess(problem, task, start, descend)
    problem.columns.v[:] = guess
    value = -np.inf
    if start is None:
        value = _sweep(problem, task, _ladder(gaussian or task.matrices is not None, tied))
    renew_lists(problem)
    rounding = NOTHING * float(np.abs(problem.columns.v).max()) * float(task.supply.sum())
    if _listed_dual_value(problem, task) <= value - rounding:
        problem.columns.v[:] = guess
        renew_lists(problem)


def _guess(
    problem: Problem, task: Transport, start: FloatArray | None, descend: Callable[[Problem], int]
) -> FloatArray:
    """Duals of a coarse problem where none are given; zero where that would be too small, or better than given ones."""
    zero = np.zeros(problem.columns.v.size)
    if start is not None:
        return max(zero, start, key=lambda each: _dual_value(task, problem.columns, each))
    return zero if min(task.supply.size, task.demand.size) < SMALLEST else _coarse_duals(task, descend)


def _ladder(once: bool, tied: bool) -> Sequence[Sequence[float]]:
    """Temperatures of the sweeps; pairs are found once where costs tie, after a start between Gaussians, and where
    finding them takes long because columns have several images."""
    if tied:
        return TEMPERATURES[:1]
    return (FOUND_ONCE,) if once else TEMPERATURES


def _starts_gaussian(task: Transport, descend: Callable[[Problem], int], tied: bool) -> bool:
    """Whether to start from the duals between Gaussians: ``_is_gaussian``, or no care is needed because costs tie."""
    if task.matrices is not None or min(task.supply.size, task.demand.size) < SMALLEST:
        return False
    return tied or _is_gaussian(task, descend)


def share_of_nearest(problem: Problem) -> float:
    """Share of the mass that finds room in its nearest column. The problem must be as ``laid_out`` made it.

    From NEARLY_ALL on duals of zero are a good start. Where it is 1, they are optimal: every row takes its nearest
    column. Leaves that column on each row's list.
    """
    renew_all(1, problem)
    nearest = problem.lists.column[problem.lists.start[:-1]]
    market = problem.market
    arriving = np.bincount(nearest, market.deficit, market.demand.size)
    return float(np.minimum(arriving, market.demand).sum() / market.demand.sum())


def renew_lists(problem: Problem, k: int = NEAR) -> None:
    """Search all lists anew after duals may have risen; those that prove too short are searched longer later."""
    fit_bounds(problem.columns)
    renew_all(k, problem)


def local_scale(problem: Problem) -> float:
    """Median over the rows of how much dearer the MIDDLE-th column is than the best, in the present duals."""
    span = _spans(problem)[1]
    positive = span[span > 0.0]
    return float(np.median(positive)) if positive.size else 1.0


def _spans(problem: Problem) -> tuple[FloatArray, FloatArray]:
    u, span = np.empty(problem.x.shape[0]), np.empty(problem.x.shape[0])
    spans(MIDDLE, problem, u, span)
    return u, span


def _dual_value(task: Transport, columns: Columns, guess: FloatArray) -> float:
    """Dual value of a guess, which is left as the columns' duals."""
    columns.v[:] = guess
    fit_bounds(columns)
    u = np.full(task.supply.size, np.inf)
    c_transform(task.x, columns, found_of(1), u)
    return float(task.supply @ u + task.demand @ guess)


def _listed_dual_value(problem: Problem, task: Transport) -> float:
    """Dual value of the present duals, from lists that are fresh."""
    return float(task.supply @ _spans(problem)[0] + task.demand @ problem.columns.v)


def _sweep(problem: Problem, task: Transport, ladder: Sequence[Sequence[float]] = TEMPERATURES) -> float:
    """Sinkhorn sweeps from the present duals, whose dual value is returned.

    Before each set of temperatures every dual is raised until its column is some row's best: v_j = min_i c_ij - u_i.
    """
    rows, _ = columns_of(task.x, task.matrices, ordered=True)
    back = problem_of(task.y, rows, task.demand, task.supply, NEAR)
    value = -np.inf
    for temperatures in ladder:
        renew_lists(problem)
        value = max(value, _listed_dual_value(problem, task))
        scale = local_scale(problem)
        rows.v[:] = _spans(problem)[0]
        renew_lists(back)
        problem.columns.v[:] = _spans(back)[0]
        pairs = joined(pairs_of(problem), pairs_of(back))
        for temperature in temperatures:
            sweep(temperature * scale, SWEEPS, pairs, task.supply, task.demand, problem.columns.v)
    return value


def _coarse_duals(task: Transport, descend: Callable[[Problem], int]) -> FloatArray:
    """Duals of the problem between groups of GROUP neighbouring atoms, extended by c-transform."""
    count = min(task.supply.size, task.demand.size) // GROUP
    ordered, problem = _solved_groups(task, count, descend)
    u = np.full(count, np.inf)
    fit_bounds(problem.columns)
    c_transform(ordered.x, problem.columns, problem.found, u)
    rows, _ = columns_of(ordered.x, task.matrices, ordered=True)
    rows.v[:] = u
    fit_bounds(rows)
    v = np.full(task.demand.size, np.inf)
    c_transform(task.y, rows, found_of(1), v)
    return v


def _gaussian(task: Transport) -> FloatArray:
    return gaussian_duals(task.x, task.y, task.supply, task.demand)


def _is_gaussian(task: Transport, descend: Callable[[Problem], int]) -> bool:
    """Whether the clouds are so like Gaussians that the duals between those are a start as good as any, see PLANE.

    Asked of a problem between few groups of atoms, whose solution takes little time.
    """
    count = min(task.supply.size, task.demand.size)
    if task.x.shape[1] <= PLANE or not GROUP * 2 * PROBE <= count < MANY:
        return False
    small, problem = _solved_groups(task, PROBE, descend)
    renew_lists(problem)
    scale = local_scale(problem)
    best = _dual_value(small, problem.columns, problem.columns.v.copy())
    return best - _dual_value(small, problem.columns, _gaussian(small)) <= ALIKE * scale * PROBE


def _solved_groups(task: Transport, count: int, descend: Callable[[Problem], int]) -> tuple[Transport, Problem]:
    """The problem between so many groups of neighbouring atoms, in tree order, roughly solved."""
    ones = np.ones(count, dtype=np.int64)
    x, y = _grouped(task.x, task.supply, count), _grouped(task.y, task.demand, count)
    ordered, problem, _, _ = laid_out(Transport(x, y, ones, ones, task.matrices))
    set_start(problem, ordered, None, descend)
    descend(problem)
    return ordered, problem


def _grouped(atoms: FloatArray, units: IntArray, count: int) -> FloatArray:
    """``count`` points for groups of neighbours of equal mass: means where masses are equal, otherwise quantiles."""
    if (units == units[0]).all():
        edges = np.arange(count + 1) * atoms.shape[0] // count
        means: FloatArray = np.add.reduceat(atoms, edges[:-1], axis=0) / np.diff(edges)[:, None]
        return means
    ends = np.cumsum(units, dtype=np.float64)
    middle = (np.arange(count) + 0.5) * ends[-1] / count
    return np.ascontiguousarray(atoms[np.minimum(np.searchsorted(ends, middle), atoms.shape[0] - 1)])
