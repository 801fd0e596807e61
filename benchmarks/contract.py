"""The contract of a contender, and how its runs are timed."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from benchmarks.cases import Array, Case, OneStep

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Contender(ABC):
    """One implementation of the training."""

    @abstractmethod
    def one_step(self, case: Case, given: OneStep) -> Array:
        """(N, 4): the particles after one noiseless step on the given data."""

    @abstractmethod
    def prepare(self, case: Case) -> str:
        """Compile, choose the fastest form, stand at time 0; says in a few words which form it is."""

    @abstractmethod
    def run(self, steps: int) -> int:
        """Go at least that many steps on from where the last run ended; how many it were."""


def timed(contender: Contender, steps: int) -> tuple[int, float]:
    """Steps made and seconds taken."""
    started = time.perf_counter()
    made = contender.run(steps)
    return made, time.perf_counter() - started


def enough(run: Callable[[int], tuple[int, float]], least: float) -> int:
    """Steps that take about ``least`` seconds: longer and longer runs, until what a run costs at its start is small.

    run : takes steps, returns steps made and seconds taken.
    """
    steps = 1
    for _ in range(4):
        made, seconds = min((run(steps), run(steps)), key=lambda each: each[1])
        wanted = max(1, int(made * least / max(seconds, 1e-9)))
        if wanted <= 2 * made:
            return wanted
        steps = wanted
    return steps


def seconds_per_step(contender: Contender, least: float = 0.02, tries: int = 3) -> float:
    """The fastest of a few short runs: what a contender uses to choose between its forms."""
    steps = enough(lambda steps: timed(contender, steps), least)
    return min(spent / done for done, spent in (timed(contender, steps) for _ in range(tries)))
