"""The engine's benchmark: every contender on every case, interleaved, medians; then footprint, slope and a report."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import footprint, report
from benchmarks.cases import SCHEMES, SIZES, Case, disagreement, expected, one_step
from benchmarks.contenders import CONTENDERS, Team, available
from benchmarks.contract import CORES, enough
from mfsym.runtime.provenance import machine

AGREEMENT_SIZES = (5, 100, 1300)
AGREEMENT = 16.0
"""Largest difference of one noiseless step allowed, in units in the last place of the largest number involved."""

SLOPE_SIZES = (1000, 2000, 5000, 20000, 50000, 200000, 500000)
SLOPE_STEPS = 50
Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What to run: sizes, schemes, contenders, rounds of interleaved runs, seconds of one run."""

    sizes: tuple[int, ...] = SIZES
    schemes: tuple[str, ...] = SCHEMES
    contenders: tuple[str, ...] = tuple(CONTENDERS)
    rounds: int = 5
    seconds: float = 0.1
    float64: bool = True
    cold: bool = True
    slope_sizes: tuple[int, ...] = SLOPE_SIZES


QUICK = Settings(
    sizes=(100, 5000),
    schemes=("vanilla", "fa", "ea"),
    contenders=("mfsym", "mfsym-threads", "mfsym-replicates", "c", "jax", "jax-replicates", "numpy"),
    rounds=3,
    seconds=0.05,
    float64=False,
    cold=False,
    slope_sizes=(1000, 500000),
)
"""Under two minutes: no PyTorch (it compiles for long), two sizes, three schemes."""


def check(teams: Collection[Team], schemes: Sequence[str], dtype: str = "float32") -> dict[str, float]:
    """Largest disagreement of every contender with mfsym in double precision; RuntimeError past AGREEMENT."""
    worst: dict[str, float] = {}
    for case in (Case(n, scheme, dtype) for n in AGREEMENT_SIZES for scheme in schemes):
        given = one_step(case)
        reference = expected(case, given)
        for team in teams:
            apart = disagreement(case, team.one_step(case, given), reference)
            if not apart <= AGREEMENT:
                raise RuntimeError(f"{team.name} must agree with mfsym on {case}: apart by {apart:.1f} units")
            worst[team.name] = max(worst.get(team.name, 0.0), apart)
    return worst


def fits(name: str, case: Case) -> bool:
    """Whether a contender has anything of its own to show on a case: threads share blocks of 1024 particles."""
    return name != "mfsym-threads" or case.n > 1024


def measure(teams: Sequence[Team], case: Case, settings: Settings) -> list[dict[str, Any]]:
    """Seconds per step of every contender on one case: each prepared, then ``rounds`` runs in turn."""
    ready: list[tuple[Team, str, int, list[float]]] = []
    for team in (team for team in teams if fits(team.name, case)):
        form = team.prepare(case)
        ready.append((team, form, enough(team.run, settings.seconds), []))
    for _ in range(settings.rounds):
        for team, _, steps, seconds in ready:
            seconds.append(team.seconds_per_step(steps))
    return [
        {**asdict(case), "contender": team.name, "form": form, "steps": steps, "seconds": seconds}
        for team, form, steps, seconds in ready
    ]


def slope(settings: Settings) -> list[dict[str, Any]]:
    """Seconds per step of mfsym on one core for N up to 500,000, the sizes in turn within a round."""
    rows = {n: {**asdict(Case(n)), "contender": "mfsym", "seconds": []} for n in settings.slope_sizes}
    with Team("mfsym") as team:
        for _ in range(settings.rounds):
            for n, row in rows.items():
                team.prepare(Case(n))
                row["seconds"].append(team.seconds_per_step(max(SLOPE_STEPS, 2_000_000 // n)))
    return list(rows.values())


def versions() -> dict[str, str]:
    """Versions of what was compared."""
    found = {"python": platform.python_version()}
    for name in ("mfsym", "numpy", "numba", "llvmlite", "jax", "jaxlib", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def run(settings: Settings, say: Say = print) -> dict[str, Any]:
    """Everything, as a dictionary that JSON can hold."""
    started = time.perf_counter()
    names = available(settings.contenders)
    missing = sorted(set(settings.contenders) - set(names))
    if missing:
        say(f"not installed, left out: {', '.join(missing)}")
    with ExitStack() as stack:
        teams = [stack.enter_context(Team(name)) for name in names]
        distinct = {(team.entry.kind, team.entry.options.get("threads")): team for team in reversed(teams)}
        agreement = check(distinct.values(), settings.schemes)
        say(f"one noiseless step agrees to {max(agreement.values()):.1f} units of float32 rounding")
        rows = []
        for case in (Case(n, scheme) for n in settings.sizes for scheme in settings.schemes):
            rows += measure(teams, case, settings)
            say(_line(case, rows, time.perf_counter() - started))
    if settings.float64:
        rows += _float64(names, settings, say)
    return {
        "machine": {**machine(), "cores": CORES},
        "versions": versions(),
        "settings": asdict(settings),
        "agreement": agreement,
        "rows": rows,
        "slope": slope(settings),
        "footprint": footprint.measure(say, settings.cold),
        "seconds": time.perf_counter() - started,
    }


def _float64(names: Sequence[str], settings: Settings, say: Say) -> list[dict[str, Any]]:
    case = Case(5000, dtype="float64")
    chosen = [name for name in ("mfsym", "mfsym-threads", "jax", "jax-plain", "torch", "numpy") if name in names]
    with ExitStack() as stack:
        teams = [stack.enter_context(Team(name)) for name in chosen]
        check(teams, ("vanilla",), "float64")
        rows = measure(teams, case, settings)
    say(_line(case, rows, 0.0))
    return rows


def _line(case: Case, rows: Sequence[dict[str, Any]], elapsed: float) -> str:
    cells = [
        f"{row['contender']} {statistics.median(row['seconds']) / case.n / 20 * 1e9:.2f}"
        for row in rows
        if (row["n"], row["scheme"], row["dtype"]) == (case.n, case.scheme, case.dtype)
    ]
    return f"[{elapsed:4.0f} s] N = {case.n}, {case.scheme}, {case.dtype}, ns per particle-sample: {', '.join(cells)}"


def main(settings: Settings, out: Path, say: Say = print) -> Path:
    """Run, and write engine.json, engine.md and engine.png into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    results = run(settings, say)
    (out / "engine.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (out / "engine.md").write_text(report.markdown(results), encoding="utf-8")
    report.picture(results, out / "engine.png")
    say(f"wrote {out}/engine.json, engine.md, engine.png in {results['seconds']:.0f} s")
    return out
