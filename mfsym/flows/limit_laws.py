"""The mean-field limit law of a cell at several times, with error estimates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from mfsym.configurations.cells import Cell
from mfsym.data.teachers import Data
from mfsym.dynamics.own import NOTHING, Own
from mfsym.dynamics.states import FlowState
from mfsym.errors import MfsymError
from mfsym.flows.mean_field import Accuracy, MeanFieldFlow
from mfsym.flows.starts import StartCloud, start_cloud
from mfsym.transport import second_moment, w2
from mfsym.typing import Floats
from mfsym.units import Unit

LARGEST = 8192
"""Largest number of particles that refinement to a tolerance uses."""


PATHS, SMALLER = 4, 8
"""Number of small clouds that estimate the scatter due to noise, and the factor by which they are smaller."""


@dataclass(frozen=True)
class Limit:
    """The limit law of one scheme at several times, from two clouds whose difference estimates the error.

    states, coarse : FlowStates at ``times``, with N and about N / 2 particles.  accuracy : of them.
    own : objects used instead of what the cell names.
    paths : with noise, PATHS clouds of about N / SMALLER particles on Brownian paths of their own: they tell how much
    numbers scatter, where a difference of two clouds may vanish by luck.
    """

    cell: Cell
    times: Floats
    states: tuple[FlowState, ...]
    coarse: tuple[FlowState, ...]
    accuracy: Accuracy
    paths: tuple[tuple[FlowState, ...], ...] = ()
    own: Own = NOTHING

    @property
    def time_error(self) -> float:
        """Largest relative change of E|z|^2 and F at the last halving of the steps; NaN without noise."""
        return self.states[-1].time_error

    @property
    def particles(self) -> Floats:
        """(T, N, p)."""
        return np.stack([state.z for state in self.states])

    def errors_particles(self) -> Floats:
        """(T,) W2 distances between the two clouds."""
        return np.array([w2(a.z, b.z).value for a, b in zip(self.coarse, self.states, strict=True)])

    def errors_time(self) -> Floats:
        """(T,) W2 distances between the clouds of the last two time steps; NaN without noise."""
        return self._between_steps(lambda z, twin: w2(z, twin).value)

    def errors_w2(self) -> Floats:
        """(T,) estimated W2 errors from the number of particles and, with noise, from the time step."""
        return self.errors_particles() + np.nan_to_num(self.errors_time())

    def errors_risk(self, risk: Callable[[Floats], float]) -> Floats:
        """(T,) estimated errors of a functional of the cloud, from the same two sources and, with noise, its scatter.

        The scatter is the standard deviation over ``paths``, scaled to N particles at the rate N^{-1/2}.
        """
        fine, coarse, *rest = (
            np.array([risk(state.z) for state in states]) for states in (self.states, self.coarse, *self.paths)
        )
        between = np.abs(coarse - fine)
        if rest:
            shrink = np.sqrt(len(self.paths[0][0].z) / len(self.states[0].z))
            between += shrink * np.std(rest, axis=0, ddof=1)
        return between + np.nan_to_num(self._between_steps(lambda z, twin: abs(risk(z) - risk(twin))))

    def _between_steps(self, measure: Callable[[Floats, Floats], float]) -> Floats:
        """(T,) the larger measure of the two pairs of ``twins`` around each time; each pair is measured once."""
        if np.isnan(self.time_error):
            return np.full(len(self.states), np.nan)
        known: dict[int, float] = {}
        for z, twin in (pair for state in self.states for pair in state.twins):
            if id(z) not in known:
                known[id(z)] = measure(z, twin)
        return np.array([max((known[id(z)] for z, _ in state.twins), default=0.0) for state in self.states])


def time_attributes(states: Sequence[FlowState], accuracy: Accuracy) -> dict[str, float]:
    """Dataset attributes time_error and time_tolerance of a flow with noise; empty without noise."""
    errors = [state.time_error for state in states if not np.isnan(state.time_error)]
    return {"time_error": max(errors), "time_tolerance": accuracy.time_tolerance} if errors else {}


def limit_of(
    cell: Cell, times: Floats, data: Data, unit: Unit, accuracy: Accuracy | None = None, own: Own = NOTHING
) -> Limit:
    """The limit law of the first scheme of a cell, by ``cell.n`` particles.

    own : objects used instead of what the cell names. Start particles are the law's own cloud; the coarse one is every
    second of them.
    """
    accuracy = Accuracy() if accuracy is None else accuracy
    flow = partial(_states, cell, times, data, unit, accuracy, own)
    coarse, fine = flow(max(1, cell.n // 2)), flow(cell.n)
    return Limit(cell, times, fine, coarse, accuracy, _paths(cell, cell.n, flow), own)


def refined_limit(
    cell: Cell,
    times: Floats,
    data: Data,
    unit: Unit,
    accuracy: Accuracy | None,
    tolerance: float,
    own: Own = NOTHING,
) -> Limit:
    """As ``limit_of``, refined until its W2 error is below tolerance times (E|z|^2)^(1/2).

    Doubles N where the particles' part of the error is the larger, and shortens the time step where the step's is.
    Raises MfsymError, with what was reached, if that takes more than LARGEST particles or ``accuracy.halvings``, and
    for start particles of one's own, of which there are no more.
    """
    if own.start is not None:
        raise MfsymError(
            "a tolerance needs a start law, of which there are clouds of any size: leave out one of the two"
        )
    n, accuracy = cell.n, Accuracy() if accuracy is None else accuracy
    flow = partial(_states, cell, times, data, unit, accuracy, own)
    coarse, fine = flow(max(1, n // 2)), flow(n)
    while True:
        limit = Limit(cell, times, fine, coarse, accuracy, own=own)
        sizes = np.maximum([np.sqrt(second_moment(state.z)) for state in fine], 1e-300)
        particles, steps = limit.errors_particles() / sizes, np.nan_to_num(limit.errors_time()) / sizes
        reached, doubles = float((particles + steps).max()), particles.max() >= steps.max()
        if reached <= tolerance:
            return replace(limit, paths=_paths(cell, n, flow))
        if 2 * n > LARGEST if doubles else limit.time_error > accuracy.time_tolerance:
            raise MfsymError(
                f"the law's relative W2 error must reach {tolerance:g}, got {reached:.1e} with {n} particles, of which "
                f"{steps.max():.1e} comes from the time step; use a larger tolerance, or more halvings"
            )
        if doubles:
            n, coarse = 2 * n, fine
        else:
            accuracy = replace(accuracy, time_tolerance=limit.time_error / 4.0)
            flow = partial(_states, cell, times, data, unit, accuracy, own)
        fine = flow(n)


def _paths(cell: Cell, n: int, flow: Callable[..., tuple[FlowState, ...]]) -> tuple[tuple[FlowState, ...], ...]:
    """Small clouds on Brownian paths of their own; none without noise, where all would be the same."""
    others = range(cell.replicate + 1, cell.replicate + 1 + (PATHS if cell.beta > 0 else 0))
    return tuple(flow(max(1, n // SMALLER), replicate=r) for r in others)


def flow_of(cell: Cell, data: Data, unit: Unit, accuracy: Accuracy | None = None, own: Own = NOTHING) -> MeanFieldFlow:
    """The flow of the first scheme of a cell; noise is projected where the start lies in E^G."""
    options = {**cell.options(limit=True), "seed": cell.seed, "replicate": cell.replicate}
    scheme = own.scheme(cell.schemes[0])
    return MeanFieldFlow(unit, scheme, data, schedule=own.schedule, accuracy=accuracy, **options)


def cloud_of(cell: Cell, n: int, unit: Unit, own: Own = NOTHING) -> StartCloud:
    """The start of a flow: about n particles of the cell's law, or n of one's own particles, evenly picked."""
    if own.start is None:
        return start_cloud(unit, cell.init, n)
    picked = np.arange(n) * len(own.start) // n
    return StartCloud(own.start[picked], np.eye(unit.p)[None])


def _states(
    cell: Cell,
    times: Floats,
    data: Data,
    unit: Unit,
    accuracy: Accuracy,
    own: Own,
    n: int,
    replicate: int | None = None,
) -> tuple[FlowState, ...]:
    """The states of the flow of n particles; replicate : of its noise, the cell's by default."""
    cell = cell if replicate is None else replace(cell, replicate=replicate)
    flow = flow_of(cell, data, unit, accuracy, own)
    return tuple(flow.flow(flow.init(cloud_of(cell, n, unit, own)), times))
