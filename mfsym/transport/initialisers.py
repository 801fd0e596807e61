"""Initial duals of a transport problem: the better they are, the fewer bids follow.

* Small problems: zero.
* Tied costs, or clouds close to Gaussian (tested on a problem between few groups of atoms, not in the plane and not
  from LARGE atoms on): the duals between Gaussians of the same moments.
* Otherwise: the duals of a coarse problem between groups of neighbouring atoms, solved in the same way.
* Warm start: the duals of an earlier solution, if their dual value exceeds that of zero.

Without a warm start, sparse Sinkhorn iterations then bring the dual value close to the optimum. Their support are the
pairs on the candidate lists of rows and of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mfsym.transport.gaussians import gaussian_duals
from mfsym.transport.kernels.candidate_lists import search_all_lists, values_and_scales
from mfsym.transport.kernels.dual_fits import fit_bounds
from mfsym.transport.kernels.neighbour_search import c_transform
from mfsym.transport.kernels.packs import ColumnTree, SolverState
from mfsym.transport.kernels.sinkhorn import sinkhorn_sweeps
from mfsym.transport.packs import column_tree, concatenated, initial_state, kd_order, listed_pairs, search_buffers
from mfsym.transport.results import FloatArray, IntArray

LIST_LENGTH = 16
"""Length of a candidate list that is searched again during the solve."""

NEIGHBOURS = 8
"""Length of the first candidate lists, whose pairs support the Sinkhorn iterations."""

SCALE_ENTRY = 4
"""Entry of a candidate list whose difference to the first is a row's local scale."""

TEMPERATURES = ((1.0, 0.3), (0.3, 0.1, 0.03))
"""Sinkhorn temperatures in local scales: on the first pairs, and after new pairs were searched."""

ONE_PASS = (1.0, 0.3, 0.1, 0.03)
"""The same if pairs are searched only once."""

SWEEPS = 10
"""Sinkhorn iterations at each temperature."""

GROUP_SIZE, SMALLEST = 4, 200
"""Atoms per group of the coarse problem, and the smallest problem that is coarsened."""

PROBE_GROUPS, GAUSSIAN_LOSS = 250, 2.0
"""Groups used to test for Gaussian clouds, and the loss of dual value per group, in local scales, that passes."""

LARGE, PLANE = 8000, 2
"""With so many atoms, or in such dimensions, large-scale fluctuations between samples exceed a local scale even for
Gaussian clouds. In the plane all scales contribute alike (Ajtai, Komlós & Tusnády 1984, doi:10.1007/BF02579135)."""

NEARLY_ALL = 0.8
"""If this share of the mass fits into its nearest columns, zero duals are used."""

NEGLIGIBLE = 1e-12
"""Changes of the dual value up to this, relative to the duals, may be rounding."""


class TransportProblem(NamedTuple):
    """Rows x (N, p), columns y (M, p), integer masses, and the group (K, p, p) of a quotient distance, or None."""

    x: FloatArray
    y: FloatArray
    supply: IntArray
    demand: IntArray
    matrices: FloatArray | None = None


def prepare(problem: TransportProblem) -> tuple[TransportProblem, SolverState, IntArray, IntArray]:
    """The problem in tree order, the initial state of the solver, and the permutations of rows and columns."""
    order_x = kd_order(problem.x)
    columns, order_y = column_tree(problem.y, problem.matrices)
    ordered = TransportProblem(
        np.ascontiguousarray(problem.x[order_x]),
        np.ascontiguousarray(problem.y[order_y]),
        problem.supply[order_x],
        problem.demand[order_y],
        problem.matrices,
    )
    return ordered, initial_state(ordered.x, columns, ordered.supply, ordered.demand, LIST_LENGTH), order_x, order_y


def rotated(problem: TransportProblem, axes: FloatArray) -> TransportProblem:
    """The problem in rotated coordinates: atoms times an orthogonal matrix (p, p)."""
    matrices = None if problem.matrices is None else axes.T @ problem.matrices @ axes
    return problem._replace(x=problem.x @ axes, y=problem.y @ axes, matrices=matrices)


def initialise_duals(
    state: SolverState,
    problem: TransportProblem,
    start: FloatArray | None,
    epsilon_scaling: Callable[[SolverState], int],
    tied: bool = False,
) -> None:
    """Set the initial duals and search the candidate lists.

    start : duals of a similar problem in tree order, or None.  epsilon_scaling : solves a coarse problem approximately.
    tied : whether many costs tie, so that rough duals are enough.
    """
    gaussian = start is None and _starts_gaussian(problem, epsilon_scaling, tied)
    guess = _gaussian(problem) if gaussian else _initial_duals(state, problem, start, epsilon_scaling)
    state.columns.v[:] = guess
    value = -np.inf
    if start is None:
        value = _sweep(state, problem, _schedule(gaussian or problem.matrices is not None, tied))
    rebuild_lists(state)
    rounding = NEGLIGIBLE * float(np.abs(state.columns.v).max()) * float(problem.supply.sum())
    if _listed_dual_value(state, problem) <= value - rounding:
        state.columns.v[:] = guess
        rebuild_lists(state)


def _initial_duals(
    state: SolverState,
    problem: TransportProblem,
    start: FloatArray | None,
    epsilon_scaling: Callable[[SolverState], int],
) -> FloatArray:
    """Duals of a coarse problem, or zero for small problems; with a warm start, the better of its duals and zero."""
    zero = np.zeros(state.columns.v.size)
    if start is not None:
        return max(zero, start, key=lambda each: _dual_value(problem, state.columns, each))
    return zero if min(problem.supply.size, problem.demand.size) < SMALLEST else _coarse_duals(problem, epsilon_scaling)


def _schedule(once: bool, tied: bool) -> Sequence[Sequence[float]]:
    """Sinkhorn temperatures for each search of pairs. Pairs are searched once if costs tie, after a Gaussian start, and
    if searches are slow because columns have several images."""
    if tied:
        return TEMPERATURES[:1]
    return (ONE_PASS,) if once else TEMPERATURES


def _starts_gaussian(problem: TransportProblem, epsilon_scaling: Callable[[SolverState], int], tied: bool) -> bool:
    """Whether to start from the duals between Gaussians: costs tie, or ``_is_gaussian``."""
    if problem.matrices is not None or min(problem.supply.size, problem.demand.size) < SMALLEST:
        return False
    return tied or _is_gaussian(problem, epsilon_scaling)


def nearest_share(state: SolverState) -> float:
    """Share of the mass that fits into its nearest columns, for a state from ``prepare``.

    From NEARLY_ALL on, zero duals are a good start. If it is 1 they are optimal: every row is assigned to its nearest
    column. Each candidate list then holds that column.
    """
    search_all_lists(1, state)
    nearest = state.lists.column[state.lists.start[:-1]]
    coupling = state.coupling
    arriving = np.bincount(nearest, coupling.excess, coupling.demand.size)
    return float(np.minimum(arriving, coupling.demand).sum() / coupling.demand.sum())


def rebuild_lists(state: SolverState, k: int = NEIGHBOURS) -> None:
    """Recompute the bounds and search all lists, after duals may have risen; lists too short are extended later."""
    fit_bounds(state.columns)
    search_all_lists(k, state)


def local_scale(state: SolverState) -> float:
    """Median over the rows of the difference of c_ij - v_j between list entry SCALE_ENTRY and the best column."""
    span = _values_and_scales(state)[1]
    positive = span[span > 0.0]
    return float(np.median(positive)) if positive.size else 1.0


def _values_and_scales(state: SolverState) -> tuple[FloatArray, FloatArray]:
    u, span = np.empty(state.x.shape[0]), np.empty(state.x.shape[0])
    values_and_scales(SCALE_ENTRY, state, u, span)
    return u, span


def _dual_value(problem: TransportProblem, columns: ColumnTree, guess: FloatArray) -> float:
    """Dual value of a guess; sets the columns' duals to it."""
    columns.v[:] = guess
    fit_bounds(columns)
    u = np.full(problem.supply.size, np.inf)
    c_transform(problem.x, columns, search_buffers(1), u)
    return float(problem.supply @ u + problem.demand @ guess)


def _listed_dual_value(state: SolverState, problem: TransportProblem) -> float:
    """Dual value of the present duals, from lists searched at these duals."""
    return float(problem.supply @ _values_and_scales(state)[0] + problem.demand @ state.columns.v)


def _sweep(state: SolverState, problem: TransportProblem, schedule: Sequence[Sequence[float]] = TEMPERATURES) -> float:
    """Sinkhorn iterations from the present duals; returns the best dual value before them.

    Each search of pairs begins with the c-transform v_j = min_i c_ij - u_i, which raises the duals as far as possible.
    """
    rows, _ = column_tree(problem.x, problem.matrices, ordered=True)
    back = initial_state(problem.y, rows, problem.demand, problem.supply, NEIGHBOURS)
    value = -np.inf
    for temperatures in schedule:
        rebuild_lists(state)
        value = max(value, _listed_dual_value(state, problem))
        scale = local_scale(state)
        rows.v[:] = _values_and_scales(state)[0]
        rebuild_lists(back)
        state.columns.v[:] = _values_and_scales(back)[0]
        pairs = concatenated(listed_pairs(state), listed_pairs(back))
        for temperature in temperatures:
            sinkhorn_sweeps(temperature * scale, SWEEPS, pairs, problem.supply, problem.demand, state.columns.v)
    return value


def _coarse_duals(problem: TransportProblem, epsilon_scaling: Callable[[SolverState], int]) -> FloatArray:
    """Duals of the problem between groups of GROUP_SIZE neighbouring atoms, extended by c-transform."""
    count = min(problem.supply.size, problem.demand.size) // GROUP_SIZE
    ordered, state = _solved_groups(problem, count, epsilon_scaling)
    u = np.full(count, np.inf)
    fit_bounds(state.columns)
    c_transform(ordered.x, state.columns, state.found, u)
    rows, _ = column_tree(ordered.x, problem.matrices, ordered=True)
    rows.v[:] = u
    fit_bounds(rows)
    v = np.full(problem.demand.size, np.inf)
    c_transform(problem.y, rows, search_buffers(1), v)
    return v


def _gaussian(problem: TransportProblem) -> FloatArray:
    return gaussian_duals(problem.x, problem.y, problem.supply, problem.demand)


def _is_gaussian(problem: TransportProblem, epsilon_scaling: Callable[[SolverState], int]) -> bool:
    """Whether the clouds are so close to Gaussian that the duals between Gaussians are as good as any, see PLANE.

    Tested on a problem between few groups of atoms, which is solved quickly.
    """
    count = min(problem.supply.size, problem.demand.size)
    if problem.x.shape[1] <= PLANE or not GROUP_SIZE * 2 * PROBE_GROUPS <= count < LARGE:
        return False
    small, state = _solved_groups(problem, PROBE_GROUPS, epsilon_scaling)
    rebuild_lists(state)
    scale = local_scale(state)
    best = _dual_value(small, state.columns, state.columns.v.copy())
    return best - _dual_value(small, state.columns, _gaussian(small)) <= GAUSSIAN_LOSS * scale * PROBE_GROUPS


def _solved_groups(
    problem: TransportProblem, count: int, epsilon_scaling: Callable[[SolverState], int]
) -> tuple[TransportProblem, SolverState]:
    """The problem between ``count`` groups of neighbouring atoms, in tree order, solved approximately."""
    ones = np.ones(count, dtype=np.int64)
    x, y = _grouped(problem.x, problem.supply, count), _grouped(problem.y, problem.demand, count)
    ordered, state, _, _ = prepare(TransportProblem(x, y, ones, ones, problem.matrices))
    initialise_duals(state, ordered, None, epsilon_scaling)
    epsilon_scaling(state)
    return ordered, state


def _grouped(atoms: FloatArray, units: IntArray, count: int) -> FloatArray:
    """``count`` representatives of groups of equal mass: means if masses are equal, otherwise quantiles."""
    if (units == units[0]).all():
        edges = np.arange(count + 1) * atoms.shape[0] // count
        means: FloatArray = np.add.reduceat(atoms, edges[:-1], axis=0) / np.diff(edges)[:, None]
        return means
    ends = np.cumsum(units, dtype=np.float64)
    middle = (np.arange(count) + 0.5) * ends[-1] / count
    return np.ascontiguousarray(atoms[np.minimum(np.searchsorted(ends, middle), atoms.shape[0] - 1)])
