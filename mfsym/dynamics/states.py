"""What every dynamics has: ``init`` makes a state of a start, ``flow`` yields the states at the times asked for.

A state is the law at one mean-field time and all that is needed to go on from there exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mfsym.typing import Floats


@runtime_checkable
class LawState(Protocol):
    """The law at one time: particles of equal weight and how the run fared so far."""

    @property
    def z(self) -> NDArray[np.floating]:
        """(..., N, p) particles."""

    @property
    def time(self) -> float:
        """Mean-field time t."""

    @property
    def status(self) -> str:
        """ "ok", or why the run cannot be trusted from here on."""


S = TypeVar("S", bound=LawState)


@runtime_checkable
class Dynamics(Protocol[S]):
    """How a law moves: ``for state in dynamics.flow(dynamics.init(start), times)``."""

    def init(self, start: Any, /) -> S:
        """The state at time 0 from particles (N, p); MfsymError for anything else."""

    def flow(self, start: S, times: Iterable[float]) -> Iterator[S]:
        """The states at increasing times; MfsymError for times that go back."""


@dataclass(frozen=True)
class State:
    """All that is needed to go on exactly: particles, the number of steps done, and the names of the streams.

    z : (N, p) in the precision of the run; (L, N, p) for a residual network of L layers.
    status : "ok"; "diverged" since ``diverged_step`` steps were done; or "drifted": since ``drifted_step`` steps the
    particles are off E^G, which the scheme preserves, by the growth of rounding (``precision.LEFT``); or "singular":
    at step ``singular_step`` noise was projected at a particle whose orbit had lost a dimension (``dynamics.orbits``).
    projected : whether the start lies in E^G, so that noise is projected on it where the dynamics does not say.
    watched : whether the run ought to stay in E^G: it began there, under a scheme and noise that preserve it.
    """

    z: NDArray[np.floating]
    step: int = 0
    seed: int = 0
    replicate: int = 0
    status: str = "ok"
    diverged_step: int | None = None
    drifted_step: int | None = None
    singular_step: int | None = None
    projected: bool = False
    watched: bool = False

    @property
    def time(self) -> float:
        """Mean-field time t = step / N."""
        return self.step / self.z.shape[-2]


@dataclass(frozen=True)
class FlowState:
    """The law at one mean-field time.

    z : (N, p) particles of equal weight.  time : t.  energy : F = R + tau E|z|^2 of the scheme.
    dissipated : integral of alpha s E|D_z dF/dmu|^2 from 0 to t (without noise; NaN with it).
    force_error : relative change of the gradient at the next finer quadrature of the data.  order : of the quadrature.
    time_error : largest relative change of E|z|^2 and F when the steps were halved last; NaN without noise.
    twins : clouds of these steps and of those twice as long, at both ends of the interval of the grid that holds t.
    """

    z: Floats
    time: float = 0.0
    energy: float = float("nan")
    dissipated: float = 0.0
    force_error: float = 0.0
    order: int = 0
    time_error: float = float("nan")
    twins: tuple[tuple[Floats, Floats], ...] = ()

    @property
    def status(self) -> str:
        """ "ok": a flow that cannot go on raises."""
        return "ok"
