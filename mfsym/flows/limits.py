"""The limit law of a cell at several times, with an estimate of its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.configurations.cells import Cell
from mfsym.errors import MfsymError
from mfsym.flows.dynamics import Accuracy, FlowState, MeanFieldFlow
from mfsym.flows.starts import start_cloud
from mfsym.teachers import Data
from mfsym.transport import second_moment, w2
from mfsym.units import Unit

Floats = NDArray[np.float64]

LARGEST = 8192
"""Most particles that refinement to a tolerance uses."""


@dataclass(frozen=True)
class Limit:
    """The limit law of one scheme at several times, by two clouds: the coarse one tells the error of the fine one.

    states, coarse : FlowStates at ``times``, with N and about N / 2 particles.
    """

    cell: Cell
    times: Floats
    states: tuple[FlowState, ...]
    coarse: tuple[FlowState, ...]

    @property
    def particles(self) -> Floats:
        """(T, N, p)."""
        return np.stack([state.z for state in self.states])

    def errors_w2(self) -> Floats:
        """(T,) W2 distances between the two clouds."""
        return np.array([w2(a.z, b.z).value for a, b in zip(self.coarse, self.states, strict=True)])


def limit_of(cell: Cell, times: Floats, data: Data, unit: Unit, accuracy: Accuracy | None = None) -> Limit:
    """The limit law of the first scheme of a cell, by ``cell.n`` particles."""
    fine = _states(cell, cell.n, times, data, unit, accuracy)
    return Limit(cell, times, fine, _states(cell, max(1, cell.n // 2), times, data, unit, accuracy))


def refined_limit(
    cell: Cell, times: Floats, data: Data, unit: Unit, accuracy: Accuracy | None, tolerance: float
) -> Limit:
    """As ``limit_of``, doubling N until W2 between successive clouds is below tolerance times (E|z|^2)^(1/2).

    Raises MfsymError, with what was reached, if that takes more than LARGEST particles.
    """
    n = cell.n
    coarse = _states(cell, max(1, n // 2), times, data, unit, accuracy)
    while n <= LARGEST:
        fine = _states(cell, n, times, data, unit, accuracy)
        limit = Limit(cell, times, fine, coarse)
        relative = max(
            error / max(np.sqrt(second_moment(state.z)), 1e-300)
            for error, state in zip(limit.errors_w2(), fine, strict=True)
        )
        if relative <= tolerance:
            return limit
        n, coarse = 2 * n, fine
    raise MfsymError(
        f"W2 between successive clouds must reach {tolerance:g} of the law's size: {relative:.1e} with {n // 2} "
        "particles; allow a larger --tolerance"
    )


def flow_of(cell: Cell, data: Data, unit: Unit, accuracy: Accuracy | None = None) -> MeanFieldFlow:
    """The flow of the first scheme of a cell; noise is projected where the start lies in E^G."""
    return MeanFieldFlow(
        unit,
        cell.schemes[0],
        data,
        alpha=cell.alpha,
        tau=cell.tau,
        beta=cell.beta,
        accuracy=accuracy,
        seed=cell.seed,
    )


def _states(
    cell: Cell, n: int, times: Floats, data: Data, unit: Unit, accuracy: Accuracy | None
) -> tuple[FlowState, ...]:
    flow = flow_of(cell, data, unit, accuracy)
    return tuple(flow.flow(flow.init(start_cloud(unit, cell.init, n)), times))
