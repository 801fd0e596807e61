"""What a run of mfsym needs besides time per step: memory, the first call of a process, the first compilation.

Each figure is taken in a new process: ``python -m benchmarks.footprint first`` or ``memory N``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MEMORY_SIZES = (50_000, 500_000)
MEMORY_STEPS = 20
REPEATS = 3


def first() -> dict[str, float]:
    """Seconds of the imports and of the first step in this process."""
    started = time.perf_counter()
    from benchmarks.cases import Case
    from benchmarks.ours import Mfsym

    imported = time.perf_counter()
    Mfsym().prepare(Case(100))
    return {"imports": imported - started, "first_call": time.perf_counter() - imported}


def memory(n: int) -> dict[str, float]:
    """Peak bytes per particle beyond the particles themselves (16), by tracemalloc and by the resident set."""
    from benchmarks.cases import Case, dynamics_of, start
    from mfsym.data.teachers import reference_teacher
    from mfsym.dynamics import State

    dynamics = dynamics_of(Case(n), reference_teacher("wi"))
    few = State(start(Case(5000)).astype("float32"))
    dynamics.step(few, MEMORY_STEPS)
    state = State(np.tile(few.z, (-(-n // 5000), 1))[:n])
    resident = _peak_resident()
    tracemalloc.start()
    dynamics.step(state, MEMORY_STEPS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"n": n, "beyond": peak / n, "resident_growth": (_peak_resident() - resident) / n}


def _peak_resident() -> int:
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def in_new_process(*arguments: str, cache: str | None = None) -> dict[str, Any]:
    """The answer of this module run as a script, and the seconds of the whole process."""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    if cache is not None:
        environment["MFSYM_CACHE_DIR"] = cache
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.footprint", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parent.parent,
    )
    return {**json.loads(done.stdout), "process": time.perf_counter() - started}


def measure(say: Callable[[str], None] = print, cold: bool = True) -> dict[str, Any]:
    """Warm first call (fastest of a few processes), cold compilation if asked for, memory at large N."""
    warm = min((in_new_process("first") for _ in range(REPEATS)), key=lambda each: each["process"])
    say(f"first call in a new process, warm cache: {warm['first_call']:.2f} s, whole process {warm['process']:.2f} s")
    found: dict[str, Any] = {"warm": warm}
    if cold:
        with tempfile.TemporaryDirectory() as cache:
            found["cold"] = in_new_process("first", cache=cache)
        say(f"first call with an empty cache: {found['cold']['first_call']:.1f} s")
    memories = [in_new_process("memory", str(n)) for n in MEMORY_SIZES]
    say(f"memory beyond the particles at N = {MEMORY_SIZES[-1]}: {memories[-1]['beyond']:.0f} bytes per particle")
    return {**found, "memory": memories}


if __name__ == "__main__":
    print(json.dumps(first() if sys.argv[1] == "first" else memory(int(sys.argv[2]))))
