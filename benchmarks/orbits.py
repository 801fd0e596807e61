"""The benchmark of quotients: alignment and Langevin steps of clouds in SO(3), against NumPy's batched SVD, one thread.

All times are processor time of this process; contenders take turns within a round.
"""

from __future__ import annotations

import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Bound, _number, _table
from mfsym.runtime.provenance import machine

Row = dict[str, Any]
Say = Callable[[str], None]

ATOMS = 15
"""Atoms of the clouds that bounds are about."""


@dataclass(frozen=True)
class Settings:
    """What to run."""

    points: tuple[int, ...] = (4, 15, 60)
    clouds: tuple[int, ...] = (100, 1000, 10_000)
    steps: int = 50
    rounds: int = 7


QUICK = Settings(points=(4, 15), clouds=(100, 1000), steps=20, rounds=3)


def kabsch(x: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The clouds x (S, n, 3) turned to ``to`` by NumPy's batched SVD, determinants +1."""
    left, _, right = np.linalg.svd(np.swapaxes(to, 1, 2) @ x)
    left[:, :, -1] *= np.sign(np.linalg.det(left @ right))[:, None]
    return x @ np.swapaxes(left @ right, 1, 2)


def _pair(count: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([count, n])
    return rng.standard_normal((count, n, 3)), rng.standard_normal((count, n, 3))


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    """Processor seconds of one call, over ``repeats`` of them."""
    started = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started) / repeats


def alignments(settings: Settings) -> list[Row]:
    """Microseconds a cloud of ``Quotient.align`` and of NumPy, and the largest difference of what they return."""
    from mfsym.groups import so
    from mfsym.quotients import Quotient

    rows = []
    for n in settings.points:
        quotient = Quotient(n * so(3).vector())
        for count in settings.clouds:
            x, to = _pair(count, n)
            calls: dict[str, Callable[[], Any]] = {
                "mfsym": lambda x=x, to=to, quotient=quotient: quotient.align(x, to),
                "numpy": lambda x=x, to=to: kabsch(x, to),
            }
            difference = float(np.abs(calls["mfsym"]() - calls["numpy"]()).max())
            repeats = max(3, 30_000 // count)
            row: Row = {"n": n, "clouds": count, "difference": difference, "mfsym": [], "numpy": []}
            for _ in range(settings.rounds):
                for name, call in calls.items():
                    row[name].append(1e6 * _seconds(call, repeats) / count)
            rows.append(row)
    return rows


def steps(settings: Settings) -> list[Row]:
    """Microseconds a cloud and step of Langevin dynamics with the force compiled, noise drawn and all."""
    from mfsym.groups import so
    from mfsym.quotients import NOISES, Confinement, Langevin, Quotient

    rows = []
    for n in settings.points:
        for noise in NOISES:
            dynamics = Langevin(Confinement(0.5), Quotient(n * so(3).vector(), centred=True), 1.0, noise, 0.01)
            start = dynamics.init(_pair(1000, n)[0])
            dynamics.step(start, 1)
            call = lambda dynamics=dynamics, start=start: dynamics.step(start, settings.steps)  # noqa: E731
            taken = [1e6 * _seconds(call, 1) / (1000 * settings.steps) for _ in range(settings.rounds)]
            rows.append({"n": n, "noise": noise, "mfsym": taken})
    return rows


def memory(settings: Settings) -> list[Row]:
    """Peak bytes that a step of a batch of clouds takes, the batch itself not counted."""
    from mfsym.groups import so
    from mfsym.quotients import Confinement, Langevin, Quotient

    dynamics = Langevin(Confinement(0.5), Quotient(ATOMS * so(3).vector()), 1.0, "quotient", 0.01)
    rows = []
    for count in (1000, 10_000, 100_000):
        start = dynamics.init(_pair(count, ATOMS)[0])
        tracemalloc.start()
        dynamics.step(start, 2)
        rows.append({"clouds": count, "bytes": tracemalloc.get_traced_memory()[1]})
        tracemalloc.stop()
    return rows


PENTANE = np.array(
    [[-2.5, 0.3, 0.0], [-1.3, -0.5, 0.0], [0.0, 0.4, 0.0], [1.3, -0.5, 0.0], [2.5, 0.3, 0.0]],
)
"""Five carbon atoms in a zigzag, in angstrom. The others differ by turns of the last bond and the first."""


def pentanes() -> np.ndarray:
    """Nine clouds (9, 5, 3), as many as pentane has labelled conformers: end atoms turned by 0 or +-120 degrees."""
    clouds = []
    for first in (0.0, 2.0, -2.0):
        for last in (0.0, 2.0, -2.0):
            cloud = PENTANE.copy()
            for end, near, axis, angle in ((0, 1, 2, first), (4, 3, 2, last)):
                unit = (cloud[near] - cloud[axis]) / np.linalg.norm(cloud[near] - cloud[axis])
                bond = cloud[end] - cloud[near]
                along, across = unit * (unit @ bond), np.cross(unit, bond)
                turned = along + np.cos(angle) * (bond - along) + np.sin(angle) * across
                cloud[end] = cloud[near] + turned
            clouds.append(cloud)
    return np.array(clouds)


PLANE = (
    ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)),
    ((1.5, 0.0), (-1.5, 0.0), (0.0, 0.4), (0.0, -0.4)),
    ((0.9, 0.0), (-0.5, 0.0), (-0.4, 0.9), (0.0, -0.54)),
)
"""The shapes of sims/shapes-plane.toml."""

SAMPLING = (
    ("plane", "sde", 4000, 100, 3.0),
    ("pentane", "ode", 1000, 50, 10.0),
)
"""Templates, method, samples, steps, and the seconds they may take."""


def diffusions(settings: Settings) -> list[Row]:
    """Seconds of runs of the quotient sampler with exact denoisers."""
    from mfsym.quotients.interpolants import Interpolant
    from mfsym.quotients.sampling import sample
    from mfsym.quotients.templates import Templates

    rows = []
    for name, method, samples, steps, _ in SAMPLING:
        templates = Templates(np.array(PLANE) if name == "plane" else pentanes())

        def call(templates: Any = templates, method: str = method, samples: int = samples, steps: int = steps) -> None:
            sample(templates, Interpolant(), templates.quotient, samples, method=method, steps=steps)

        sample(templates, Interpolant(), templates.quotient, 2, method=method, steps=2)
        seconds = [_seconds(call, 1) for _ in range(min(3, settings.rounds))]
        rows.append({"templates": name, "method": method, "samples": samples, "steps": steps, "seconds": seconds})
    return rows


def _median(values: list[float]) -> float:
    return statistics.median(values)


def run(settings: Settings, say: Say = print) -> dict[str, Any]:
    """Every measure."""
    results: dict[str, Any] = {"machine": machine(), "settings": asdict(settings)}
    for part in (alignments, steps, diffusions, memory):
        results[part.__name__] = part(settings)
        say(f"quotients: {part.__name__} measured")
    return results


def _said(row: Row) -> str:
    return f"{row['samples']:,} samples, {row['templates']}, quotient {row['method'].upper()}, {row['steps']} steps"


def bounds(results: dict[str, Any]) -> list[Bound]:
    """What quotients are held to, with what this run measured."""
    held = [row for row in results["alignments"] if (row["n"], row["clouds"]) == (ATOMS, 1000)]
    times = min((_median(row["numpy"]) / _median(row["mfsym"]) for row in held), default=None)
    found = [Bound(f"aligning 1000 clouds of {ATOMS} atoms: times faster than NumPy's batched SVD", times, 20.0, True)]
    for row in results["steps"]:
        if row["n"] == ATOMS:
            text = f"{row['noise']} noise, {ATOMS} atoms, SE(3): microseconds a cloud and step"
            found.append(Bound(text, _median(row["mfsym"]), 1.0, False))
    for row, (*_, bound) in zip(results["diffusions"], SAMPLING, strict=True):
        found.append(Bound(f"{_said(row)}: seconds", _median(row["seconds"]), bound, False))
    used = results["memory"]
    slope = np.polyfit(np.log([row["clouds"] for row in used]), np.log([row["bytes"] for row in used]), 1)[0]
    found.append(Bound("slope of log memory against log clouds", float(slope), 1.05, False))
    difference = max((row["difference"] for row in results["alignments"] if row["n"] > 4), default=None)
    return [*found, Bound("largest difference from NumPy's alignment", difference, 1e-9, False)]


def markdown(results: dict[str, Any]) -> str:
    """The report."""
    kept = [[each.text, _number(each.value), f"{each.bound:g}", each.verdict] for each in bounds(results)]
    facts = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    lines = ["# Quotients", "", facts, "", "## Bounds", "", *_table(["", "measured", "bound", "kept"], kept)]
    aligned = []
    for row in results["alignments"]:
        ours, peer = _median(row["mfsym"]), _median(row["numpy"])
        aligned.append(
            [f"{row['n']}", f"{row['clouds']:,}", _number(ours), f"{_number(peer)} ({_number(peer / ours)}×)"]
        )
    lines += ["", "## Alignment, microseconds a cloud of processor time", ""]
    lines += _table(["atoms", "clouds", "mfsym", "NumPy"], aligned)
    moved = [[f"{row['n']}", row["noise"], _number(_median(row["mfsym"]))] for row in results["steps"]]
    lines += [
        "",
        "## Langevin steps in SE(3), microseconds a cloud and step",
        "",
        *_table(["atoms", "noise", "mfsym"], moved),
    ]
    drawn = [[_said(row), _number(_median(row["seconds"]))] for row in results["diffusions"]]
    lines += ["", "## Diffusion with exact denoisers, seconds", "", *_table(["run", "mfsym"], drawn)]
    used = [[f"{row['clouds']:,}", _number(row["bytes"] / 1e6)] for row in results["memory"]]
    lines += ["", f"## Memory of a step, {ATOMS} atoms", "", *_table(["clouds", "MB"], used)]
    return "\n".join(lines) + "\n"


def picture(results: dict[str, Any], path: Path) -> None:
    """Alignment against the number of clouds, and steps against the number of atoms, with their bounds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.2), layout="constrained")
    left, right, last = figure.subplots(1, 3)
    for n, style in zip(results["settings"]["points"], ("-", "--", ":"), strict=False):
        held = [row for row in results["alignments"] if row["n"] == n]
        for name, colour, label in (("mfsym", "C0", "mfsym"), ("numpy", "C1", "NumPy, batched SVD")):
            values = [_median(row[name]) for row in held]
            text = f"{label}, {n} atoms"
            left.loglog(
                [row["clouds"] for row in held], values, style, color=colour, marker="o", markersize=3.5, label=text
            )
    left.set(title="alignment", xlabel="clouds in a call", ylabel="µs a cloud, processor time", ylim=(0.01, 4.0))
    left.legend(fontsize=6.5, frameon=False, ncols=2, loc="lower center", handlelength=1.6, columnspacing=1.0)
    for noise in dict.fromkeys(row["noise"] for row in results["steps"]):
        held = [row for row in results["steps"] if row["noise"] == noise]
        values = [_median(row["mfsym"]) for row in held]
        right.loglog([row["n"] for row in held], values, marker="o", markersize=3.5, label=f"{noise} noise")
    right.loglog([ATOMS], [1.0], "k_", markersize=18, label=f"bound, {ATOMS} atoms")
    right.set(title="Langevin step in SE(3), noise drawn", xlabel="atoms", ylabel="µs a cloud and step")
    right.legend(fontsize=7, frameon=False)
    right.set_xticks(results["settings"]["points"], [f"{n}" for n in results["settings"]["points"]])
    right.minorticks_off()
    names = [f"{row['templates']}\n{row['samples']:,} × {row['steps']}" for row in results["diffusions"]]
    last.bar(names, [_median(row["seconds"]) for row in results["diffusions"]], width=0.5, label="mfsym")
    last.plot(names, [bound for *_, bound in SAMPLING], "k_", markersize=40)
    last.plot([], [], "k-", label="bound")
    last.set(title="diffusion, exact denoisers", xlabel="samples × steps", ylabel="s, processor time", ylim=(0.0, 11.0))
    last.legend(fontsize=7, frameon=False, loc="upper left")
    for axis in (left, right, last):
        axis.grid(True, which="major", alpha=0.3)
    figure.savefig(path, dpi=120)


def main(quick: bool = False, out: Path | None = None, settings: Settings | None = None, say: Say = print) -> Path:
    """Run, and write quotients.json, quotients.md and quotients.png into ``out``."""
    folder = Path(__file__).with_name("out") if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    results = run(settings or (QUICK if quick else Settings()), say)
    (folder / "quotients.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "quotients.md").write_text(markdown(results), encoding="utf-8")
    picture(results, folder / "quotients.png")
    say(f"wrote {folder}/quotients.json, quotients.md, quotients.png")
    return folder
