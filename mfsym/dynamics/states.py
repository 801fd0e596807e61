"""The interface of every dynamics: ``init`` makes the initial state, ``flow`` yields states at the requested times.

A state is the law at one mean-field time, with all that is needed to continue exactly from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.typing import Floats


@runtime_checkable
class LawState(Protocol):
    """The law at one time: particles of equal weight and the status of the run."""

    @property
    def z(self) -> NDArray[np.floating]:
        """(..., N, p) particles."""

    @property
    def time(self) -> float:
        """Mean-field time t."""

    @property
    def status(self) -> str:
        """ "ok", or why the state cannot be trusted."""


S = TypeVar("S", bound=LawState)


@runtime_checkable
class Dynamics(Protocol[S]):
    """The dynamics of a law: ``for state in dynamics.flow(dynamics.init(start), times)``."""

    def init(self, start: Any, /) -> S:
        """The state at time 0 from particles (N, p); MfsymError for anything else."""

    def flow(self, start: S, times: Iterable[float]) -> Iterator[S]:
        """The states at increasing times; MfsymError for decreasing times."""


@dataclass(frozen=True)
class State:
    """All that is needed to continue exactly: particles, the number of steps done, and the keys of the streams.

    z : (N, p) in the precision of the run; (L, N, p) for a residual network of L layers.
    status : "ok"; "diverged" after ``diverged_step`` steps; or "drifted": after ``drifted_step`` steps, accumulated
    rounding has driven the particles out of E^G, which the scheme preserves (``precision.DRIFT_LIMIT``); or "singular":
    at step ``singular_step``, noise was projected at a particle whose orbit had lost a dimension (``dynamics.orbits``).
    projected : whether the start lies in E^G; by default, noise is then projected on it.
    watched : whether the run should stay in E^G: it began there, under a scheme and noise that preserve it.
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

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.z.shape))
        run = f"seed {self.seed}, replicate {self.replicate}"
        return f"<State t = {self.time:g}, z {shape} {self.z.dtype}, {self.status}, {run}>"

    @property
    def time(self) -> float:
        """Mean-field time t = step / N."""
        return self.step / self.z.shape[-2]


class SteppedState(LawState, Protocol):
    """The law after whole steps of a stochastic dynamics."""

    @property
    def step(self) -> int:
        """Steps done."""


K = TypeVar("K", bound=SteppedState)


def flow_through(advance: Callable[[K, int], K], start: K, times: Iterable[float]) -> Iterator[K]:
    """The states at increasing mean-field times t = k / N, rounded to whole steps, by (state, n) -> n steps later.

    After a divergence every later time yields the diverged state. MfsymError for decreasing times.
    """
    state, count = start, start.z.shape[-2]
    for time in times:
        target = round(time * count)
        if target < state.step and state.status != "diverged":
            raise MfsymError(f"times must increase, got {time} after {state.time}")
        if state.status != "diverged" and target > state.step:
            state = advance(state, target - state.step)
        yield state


@dataclass(frozen=True)
class FlowState:
    """The law at one mean-field time.

    z : (N, p) particles of equal weight.  time : t.  energy : F = R + tau E|z|^2 of the scheme.
    dissipated : integral of alpha s E|D_z dF/dmu|^2 from 0 to t (without noise; NaN with it).
    force_error : relative change of the gradient at the next finer quadrature of the data.
    order : order of the quadrature.
    time_error : largest relative change of E|z|^2 and F at the last halving of the steps; NaN without noise.
    twins : clouds with these steps and with steps twice as long, at both ends of the grid interval that contains t.
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
        """Always "ok": a flow that fails raises an error."""
        return "ok"
