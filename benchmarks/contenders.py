"""The contenders: where each one lives.

A contender is a name in CONTENDERS and keeps the contract of ``benchmarks.contract``. It runs in a process of its own,
so that thread pools, allocators and imports of one cannot slow another; the parent asks the processes in turn.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.cases import Array, Case, OneStep
from benchmarks.contract import CORES, THREADS, Contender, timed


@dataclass(frozen=True)
class Entry:
    """Where a contender lives: module, class, threads of its process, the module it needs, and its label."""

    label: str
    module: str
    kind: str
    threads: int
    needs: str = "mfsym"
    replicates: int = 1
    processes: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


CONTENDERS: dict[str, Entry] = {
    "mfsym": Entry("mfsym, 1 core", "benchmarks.ours", "Mfsym", 1),
    "mfsym-threads": Entry(f"mfsym, {CORES} threads", "benchmarks.ours", "Mfsym", CORES, options={"threads": CORES}),
    "mfsym-jax": Entry(
        "mfsym on JAX, all cores", "benchmarks.ours", "Mfsym", CORES, needs="jax", options={"engine": "jax"}
    ),
    "mfsym-jax-replicates": Entry(
        "mfsym on JAX, 10 replicates at once",
        "benchmarks.ours",
        "Mfsym",
        CORES,
        needs="jax",
        replicates=10,
        options={"engine": "jax", "together": True},
    ),
    "mfsym-jax-turns": Entry(
        "mfsym on JAX, 10 replicates in turn",
        "benchmarks.ours",
        "Mfsym",
        CORES,
        needs="jax",
        replicates=10,
        options={"engine": "jax"},
    ),
    "mfsym-replicates": Entry(
        f"mfsym, 10 replicates, {CORES} processes", "benchmarks.ours", "Mfsym", 1, replicates=10, processes=CORES
    ),
    "c": Entry("C roofline, 1 core", "benchmarks.roofline", "Roofline", 1, needs="gcc"),
    "c-replicates": Entry(
        f"C roofline, 10 replicates, {CORES} processes",
        "benchmarks.roofline",
        "Roofline",
        1,
        needs="gcc",
        replicates=10,
        processes=CORES,
    ),
    "jax": Entry("JAX scan, all cores", "benchmarks.peers_jax", "Jax", CORES, needs="jax"),
    "jax-plain": Entry(
        "JAX scan, plain form", "benchmarks.peers_jax", "Jax", CORES, needs="jax", options={"plain": True}
    ),
    "jax-replicates": Entry(
        "JAX scan, 10 replicates, all cores", "benchmarks.peers_jax", "Jax", CORES, needs="jax", replicates=10
    ),
    "jax-plain-replicates": Entry(
        "JAX scan, plain form, 10 replicates",
        "benchmarks.peers_jax",
        "Jax",
        CORES,
        needs="jax",
        replicates=10,
        options={"plain": True},
    ),
    "torch": Entry("PyTorch, all cores", "benchmarks.peers_torch", "Torch", CORES, needs="torch"),
    "numpy": Entry("NumPy, all cores", "benchmarks.peers_numpy", "NumPy", CORES),
}
"""Every contender by name; ``replicates`` trainings run side by side in all of its processes together."""


def available(names: Iterable[str]) -> list[str]:
    """Those contenders whose peer is installed."""
    return [name for name in names if _present(CONTENDERS[name].needs)]


def _present(needs: str) -> bool:
    if needs == "gcc":
        from benchmarks.roofline import compiler

        return compiler() is not None
    return importlib.util.find_spec(needs) is not None


def build(name: str) -> Contender:
    """The contender, in this process."""
    entry = CONTENDERS[name]
    made: Contender = getattr(importlib.import_module(entry.module), entry.kind)(**entry.options)
    return made


def _serve(name: str, pipe: Any) -> None:
    contender = build(name)
    while (request := pipe.recv()) is not None:
        verb, arguments = request
        try:
            answer = timed(contender, *arguments) if verb == "run" else getattr(contender, verb)(*arguments)
            pipe.send((answer, None))
        except Exception as error:
            pipe.send((None, f"{name}: {type(error).__name__}: {error}"))


class Team:
    """The processes of one contender (one, or several that share its replicates); a context manager."""

    def __init__(self, name: str, extra: dict[str, str] | None = None) -> None:
        entry = CONTENDERS[name]
        self.name, self.entry = name, entry
        context = multiprocessing.get_context("spawn")
        values = {**dict.fromkeys(THREADS, str(entry.threads)), **entry.environment, **(extra or {})}
        before = {key: os.environ.get(key) for key in values}
        os.environ.update(values)
        self.members = []
        try:
            for _ in range(entry.processes):
                here, there = context.Pipe()
                process = context.Process(target=_serve, args=(name, there), daemon=True)
                process.start()
                there.close()
                self.members.append((process, here))
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value

    def _ask(self, verb: str, *arguments: Any) -> list[Any]:
        for _, pipe in self.members:
            pipe.send((verb, arguments))
        answers = [pipe.recv() for _, pipe in self.members]
        for _, error in answers:
            if error is not None:
                raise RuntimeError(error)
        return [answer for answer, _ in answers]

    def one_step(self, case: Case, given: OneStep) -> Array:
        """See Contender."""
        step: Array = self._ask("one_step", case, given)[0]
        return step

    def prepare(self, case: Case) -> str:
        """See Contender; the replicates are shared between the processes."""
        share = replace(case, replicates=-(-self.entry.replicates // len(self.members)))
        return str(self._ask("prepare", share)[0])

    def run(self, steps: int) -> tuple[int, float]:
        """Steps made by every replicate, at least ``steps``, and the seconds that they all took together."""
        started = time.perf_counter()
        answers = self._ask("run", steps)
        wall = time.perf_counter() - started
        return answers[0][0], wall if len(self.members) > 1 else answers[0][1]

    def seconds_per_step(self, steps: int) -> float:
        """Seconds per step of one training, over a run of about ``steps`` steps of every replicate."""
        made, seconds = self.run(steps)
        return seconds / (made * -(-self.entry.replicates // len(self.members)) * len(self.members))

    def close(self) -> None:
        """Let the processes end."""
        for process, pipe in self.members:
            pipe.send(None)
            process.join(timeout=20)
            if process.is_alive():
                process.kill()

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
