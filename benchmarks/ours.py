"""mfsym itself, as any user runs it."""

from __future__ import annotations

from benchmarks.cases import Array, Case, GivenData, OneStep, dynamics_of, start
from benchmarks.contract import Contender
from mfsym.data.teachers import reference_teacher
from mfsym.dynamics.together import step_together


class Mfsym(Contender):
    """``NoisySGD.step``; replicates one after the other, or by ``step_together``.

    threads : share one run between threads.  engine : the engine that moves the particles.
    """

    def __init__(self, threads: int = 1, engine: str = "numba", together: bool = False) -> None:
        self.threads, self.together = threads, together
        self.options = {"threads": threads, "engine": engine}

    def one_step(self, case: Case, given: OneStep) -> Array:
        dynamics = dynamics_of(case, GivenData(given.x, given.y), beta=0.0, **self.options)
        return dynamics.step(dynamics.init(given.z), 1).z

    def prepare(self, case: Case) -> str:
        self.dynamics = dynamics_of(case, reference_teacher("wi"), **self.options)
        self.states = [self.dynamics.init(start(case, k), 0, k) for k in range(case.replicates)]
        self.run(2)
        if self.together:
            return "step_together"
        return f"{self.threads} threads" if self.threads > 1 else "one core"

    def run(self, steps: int) -> int:
        if self.together:
            self.states = step_together(self.dynamics, self.states, steps)
        else:
            self.states = [self.dynamics.step(state, steps) for state in self.states]
        if any(state.status != "ok" for state in self.states):
            raise RuntimeError("the benchmarked run diverged")
        return steps
