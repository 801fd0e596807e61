"""Cells: every scheme trained from one start, on one stream of data and noise, and measured."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.accelerate import JIT_DISABLED
from mfsym.configurations.cells import Cell
from mfsym.configurations.names import ENGINES
from mfsym.dynamics import AUTO, DTYPES, NoisySGD, State
from mfsym.dynamics.own import NOTHING, Own
from mfsym.dynamics.together import step_together
from mfsym.experiments.cells import dynamics_of, problem_of, start_of
from mfsym.experiments.measures import metric_names, pairs, row_of_state
from mfsym.experiments.readings import readings_of
from mfsym.metrics.nulls import NULL_MEASURES, null_measures
from mfsym.problems import Problem


@dataclass(frozen=True)
class CellResult:
    """Results of training and measuring one cell: arrays over schemes, by the names of the data dictionary.

    status, diverged_step, drifted_step, precision and every metric (S,); rmd2_pair (S, S); particles (S, N, p);
    seconds, seconds_measured (); with read-outs also what ``readings.readings_of`` gives.
    loss : name of the problem's loss, in whose units the risks are.
    """

    cell: Cell
    arrays: dict[str, NDArray[Any]]
    loss: str


def run_cell(
    cell: Cell, problem: Problem | None = None, own: Own = NOTHING, readouts: tuple[str, ...] = ()
) -> CellResult:
    """Train every scheme of a cell from one start, on one stream of data and noise, and measure them all.

    problem : instead of the one that the cell names.  own : objects used instead of what the cell names.
    readouts : names in ``readings.READINGS`` through which every trained model is read as well.
    A pure function of its arguments, its times apart.
    A run that diverges has status "diverged", the step, and NaN for every metric. One that leaves E^G by rounding has
    status "drifted", the step, and its numbers.
    """
    return run_cells([cell], problem, own, readouts)[0]


def run_cells(
    cells: Sequence[Cell], problem: Problem | None = None, own: Own = NOTHING, readouts: tuple[str, ...] = ()
) -> list[CellResult]:
    """As ``run_cell`` for replicates of one cell, trained by one ``step_together`` and measured one after the other."""
    started = clock.perf_counter()
    stated = problem_of(cells[0]) if problem is None else problem
    dynamics = [[dynamics_of(cell, scheme, stated, own) for scheme in cell.schemes] for cell in cells]
    flat = [each for row in dynamics for each in row]
    starts = [start_of(cell, each, own) for cell, row in zip(cells, dynamics, strict=True) for each in row]
    ends = iter(step_together(flat, starts, cells[0].steps))
    share = (clock.perf_counter() - started) / len(cells)
    return [
        _measured(cell, row, [next(ends) for _ in row], stated, readouts, share)
        for cell, row in zip(cells, dynamics, strict=True)
    ]


def _measured(
    cell: Cell,
    dynamics: Sequence[NoisySGD],
    states: list[State],
    stated: Problem,
    readouts: tuple[str, ...],
    training: float,
) -> CellResult:
    """The results of a cell whose schemes ended in these states.  training : seconds that they took."""
    trained = clock.perf_counter()
    names = metric_names(stated)
    rows = [
        row_of_state(state, each.scheme, stated, names, engine=cell.engine)
        for state, each in zip(states, dynamics, strict=True)
    ]
    if cell.null:
        rows = [row | _null(state, cell, stated) for row, state in zip(rows, states, strict=True)]
    arrays: dict[str, NDArray[Any]] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    arrays["status"] = np.array([state.status for state in states], dtype="<U8")
    for name in ("diverged_step", "drifted_step"):
        steps = [getattr(state, name) for state in states]
        arrays[name] = np.array([-1 if step is None else step for step in steps], dtype=np.int64)
    arrays["precision"] = np.array([str(state.z.dtype) for state in states], dtype="<U7")
    if readouts:
        arrays |= readings_of(readouts, states, [each.scheme for each in dynamics], stated)
    arrays["rmd2_pair"] = pairs(states)
    arrays["particles"] = np.stack([state.z for state in states])
    measuring = clock.perf_counter() - trained
    arrays["seconds"], arrays["seconds_measured"] = np.array(training + measuring), np.array(measuring)
    return CellResult(cell, arrays, stated.loss)


def _null(state: State, cell: Cell, problem: Problem) -> dict[str, float]:
    """The null level of one trained scheme; NaN if it diverged."""
    if state.status != "ok":
        return dict.fromkeys(NULL_MEASURES, float("nan"))
    z = np.asarray(state.z, dtype=np.float64)
    return null_measures(z, problem.unit.action, draws=cell.null, seed=cell.seed, replicate=cell.replicate)


@cache
def _ready(unit: str, dtype: str, problem: str, problem_digest: str, engine: str) -> None:
    n = 8 if problem else 512
    horizon = 2.0 / n if engine == ENGINES[0] else 0.0
    run_cell(Cell(n=n, horizon=horizon, unit=unit, dtype=dtype, problem=problem, problem_digest=problem_digest))


def make_ready(cell: Cell) -> None:
    """Compile the kernels that a cell needs, or wait for another process that is already compiling them.

    It runs two steps of a small cell of the same kind, once per process and kind. Workers that start together on an
    empty cache thus compile once, not once each. Nothing is compiled with the JIT off. Where JAX makes the steps, which
    it compiles in each process, the small cell makes none: its measures remain.
    """
    if JIT_DISABLED:
        return
    for dtype in DTYPES if cell.dtype == AUTO else (cell.dtype,):
        _ready(cell.unit, dtype, cell.problem, cell.problem_digest, cell.engine)
