"""What a first use waits for, and whether the code that starts faster also runs as fast: before and after, in pairs.

``before`` is a checkout of an earlier commit. Each figure is processor time of a new process; the two trees take turns,
so that what else the machine does falls on both. Cold cases begin with an empty cache, warm ones with a full one.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[1]

CLOUDS = """
import numpy as np
from mfsym.streams import normals, stream_key
key = stream_key(0, "init")
a, b = normals(key, 0, {n}, 4), normals(key, 1, {n}, 4)
"""

COMMAND = "from mfsym.cli import main; main()"

COLD = {
    "first training (wi, vanilla, N = 100)": "import mfsym as mf; mf.simulate('wi', scheme='vanilla', n=100)",
    "first `mf.w2` of 5,000 atoms": CLOUDS.format(n=5000) + "import mfsym as mf; mf.w2(a, b)",
    "first `mf.w2` of 100 atoms": CLOUDS.format(n=100) + "import mfsym as mf; mf.w2(a, b)",
    "everything (`mfsym warmup`)": "import sys; sys.argv = ['mfsym', 'warmup', '-q']\n" + COMMAND,
}
"""Programs on an empty cache."""

LOADED = {
    "`mfsym distance`, 100 atoms": CLOUDS.format(n=100)
    + "np.save('a.npy', a); np.save('b.npy', b)\n"
    + "import sys; sys.argv = ['mfsym', 'distance', 'a.npy', 'b.npy']\n"
    + COMMAND,
    "`mf.w2` of 5,000 atoms": COLD["first `mf.w2` of 5,000 atoms"],
}
"""Programs on a full cache."""

STEPS = """
import json, sys, time
from mfsym.data.teachers import Teacher, reference_teacher, reference_unit
from mfsym.dynamics import NoisySGD
from mfsym.groups import cyclic
from mfsym.streams import normals, stream_key
from mfsym.units import MatrixUnit, UVUnit
swap = cyclic(2).permutation()
found = {{}}
for kind, activation, n in {cases}:
    unit = {{"matrix": MatrixUnit, "uv": UVUnit}}[kind](activation, swap, swap)
    teacher = Teacher(unit, normals(stream_key(0, "teacher"), 0, 5, unit.p))
    dynamics = NoisySGD(unit, "vanilla", teacher, alpha=0.001, batch_size=20, dtype="float32")
    state = dynamics.init(normals(stream_key(0, "init"), 0, n, unit.p))
    steps = max(20, 1_000_000 // (20 * max(n, 16)))
    state = dynamics.step(state, steps)
    best = float("inf")
    for _ in range({repeats}):
        begun = time.process_time()
        moved = dynamics.step(state, steps)
        best = min(best, time.process_time() - begun)
        assert moved.status == "ok", (kind, activation, n)
    found["%s, %s, N = %d" % (kind, activation, n)] = 1e9 * best / (steps * n * 20)
print(json.dumps(found))
"""
"""Nanoseconds per particle and sample of each case, the least of some runs."""


@dataclass(frozen=True)
class Settings:
    """rounds : pairs of cold runs.  warm_rounds : pairs of warm ones.  sizes, kinds, activations : of the engine."""

    rounds: int = 2
    warm_rounds: int = 5
    repeats: int = 7
    sizes: tuple[int, ...] = (5, 100, 5000)
    kinds: tuple[str, ...] = ("matrix", "uv")
    activations: tuple[str, ...] = ("sigmoid", "tanh", "relu", "softplus", "erf", "identity")


QUICK = Settings(rounds=1, warm_rounds=1, repeats=3, sizes=(5, 100), kinds=("matrix",), activations=("sigmoid",))


@dataclass(frozen=True)
class Run:
    """Processor seconds of a program, and what it printed."""

    seconds: float
    printed: str


def run(program: str, tree: Path, cache: Path) -> Run:
    """Run a Python program in a new process on the package of a tree and a cache. Raises if it fails."""
    env = {**os.environ, "PYTHONPATH": str(tree), "MFSYM_CACHE_DIR": str(cache), "NUMBA_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{tree}: {done.stderr.strip()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout)


def cold(trees: list[Path], rounds: int) -> dict[str, list[float]]:
    """Least processor seconds of each cold program on each tree."""
    found: dict[str, list[float]] = {name: [float("inf")] * len(trees) for name in COLD}
    for _ in range(rounds):
        for name, program in COLD.items():
            for k, tree in enumerate(trees):
                with tempfile.TemporaryDirectory() as cache:
                    found[name][k] = min(found[name][k], run(program, tree, Path(cache)).seconds)
    return found


def loaded(trees: list[Path], caches: list[Path], rounds: int) -> dict[str, list[float]]:
    """Least processor seconds of each program on a full cache, after a run that fills it."""
    found: dict[str, list[float]] = {name: [float("inf")] * len(trees) for name in LOADED}
    for name, program in LOADED.items():
        for turn in range(2 * rounds + 1):
            for k, (tree, cache) in enumerate(zip(trees, caches, strict=True)):
                seconds = run(program, tree, cache).seconds
                if turn:
                    found[name][k] = min(found[name][k], seconds)
    return found


def engine(trees: list[Path], caches: list[Path], settings: Settings) -> dict[str, list[list[float]]]:
    """Nanoseconds per particle and sample of each engine case on each tree, a number for each round."""
    cases = [list(case) for case in product(settings.kinds, settings.activations, settings.sizes)]
    program = STEPS.format(cases=json.dumps(cases), repeats=settings.repeats)
    found: dict[str, list[list[float]]] = {}
    for turn in range(settings.warm_rounds + 1):
        for k, (tree, cache) in enumerate(zip(trees, caches, strict=True)):
            for name, value in json.loads(run(program, tree, cache).printed).items():
                if turn:
                    found.setdefault(name, [[] for _ in trees])[k].append(value)
    return found


def _commit(tree: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(tree), "log", "-1", "--format=%h"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "no commit"


def table(
    trees: list[Path],
    cold_runs: dict[str, list[float]],
    loaded_runs: dict[str, list[float]],
    engine_runs: dict[str, list[list[float]]],
) -> str:
    """The page of results; ratios are of the last tree to the first."""
    names = " | ".join(_commit(tree) for tree in trees)
    lines = ["# Start", "", "Processor seconds of a new process, the least of its rounds.", ""]
    for title, rows in (("empty cache", cold_runs), ("full cache", loaded_runs)):
        lines += [f"| {title} | {names} |", "|---" * (1 + len(trees)) + "|"]
        lines += [f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |" for name, values in rows.items()]
        lines += [""]
    lines += [
        "The engine: ns per particle and sample, medians over rounds, and the median ratio of a pair.",
        "",
    ]
    lines += [f"| unit | {names} | ratio |", "|---" * (2 + len(trees)) + "|"]
    for name, tries in engine_runs.items():
        ratio = median(after / before for before, after in zip(tries[0], tries[-1], strict=True))
        lines += [f"| {name} | {' | '.join(f'{median(each):.3f}' for each in tries)} | {ratio:.3f} |"]
    return "\n".join(lines) + "\n"


def main(out: Path, *, before: Path | None = None, quick: bool = False) -> None:
    """Time this checkout, and beside it an earlier one if given; write start.md."""
    settings = QUICK if quick else Settings()
    trees = [HERE] if before is None else [before.resolve(), HERE]
    with tempfile.TemporaryDirectory() as folder:
        caches = [Path(folder, str(k)) for k in range(len(trees))]
        cold_runs = cold(trees, settings.rounds)
        loaded_runs = loaded(trees, caches, settings.rounds)
        page = table(trees, cold_runs, loaded_runs, engine(trees, caches, settings))
    out.mkdir(parents=True, exist_ok=True)
    (out / "start.md").write_text(page)
    print(page)
