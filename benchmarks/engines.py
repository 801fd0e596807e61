"""The two engines beside the forms of JAX that one writes by hand: numba on one and on all cores, JAX on the CPU.

The contenders of ``benchmarks.engine`` take turns on the vanilla scheme. The share of the noise is what a step without
noise saves, of the same engine in the same process.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.cases import BATCH, Case
from benchmarks.contenders import CONTENDERS, Team, available
from benchmarks.contract import CORES, enough
from benchmarks.engine import Settings as EngineSettings
from benchmarks.engine import check, measure, versions
from benchmarks.report import Bound, Medians, _number, _table, ratio
from mfsym.runtime.provenance import machine

Row = dict[str, Any]
Say = Callable[[str], None]
REPLICATES = ("mfsym-replicates", "mfsym-jax-turns", "mfsym-jax-replicates", "jax-replicates", "jax-plain-replicates")
NAMES = ("mfsym", "mfsym-threads", "mfsym-jax", "jax", "jax-plain")
TIMES = 1.5
"""Largest time of the JAX engine over that of the fastest hand-written form."""


@dataclass(frozen=True)
class Settings:
    """What to run: sizes, contenders, both also of ten replicates, rounds of interleaved runs, seconds of one run."""

    sizes: tuple[int, ...] = (100, 5000, 50_000)
    contenders: tuple[str, ...] = NAMES
    many_sizes: tuple[int, ...] = (100, 1000, 5000)
    many: tuple[str, ...] = REPLICATES
    rounds: int = 7
    seconds: float = 0.3


QUICK = Settings(sizes=(5000,), many_sizes=(1000,), rounds=3, seconds=0.1)


def noise_shares(team: Team, sizes: Sequence[int], settings: Settings) -> list[Row]:
    """The share of a step that the noise takes, 1 - (without) / (with), the two in turn within a round."""
    rows = []
    for n in sizes:
        both: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(settings.rounds):
            for noisy in both:
                team.prepare(Case(n, noisy=noisy))
                both[noisy].append(team.seconds_per_step(enough(team.run, settings.seconds)))
        share = 1.0 - statistics.median(both[False]) / statistics.median(both[True])
        rows.append({"n": n, "contender": team.name, "share": share})
    return rows


def run(settings: Settings, say: Say = print) -> dict[str, Any]:
    """Everything, as a dictionary that JSON can hold; RuntimeError where the contenders disagree on a step."""
    started = time.perf_counter()
    names = available(settings.contenders)
    engine = replace(EngineSettings(), sizes=settings.sizes, rounds=settings.rounds, seconds=settings.seconds)
    rows: list[Row] = []
    with ExitStack() as stack:
        teams = [stack.enter_context(Team(name)) for name in names]
        agreement = check(teams, ("vanilla",))
        for n in settings.sizes:
            rows += measure(teams, Case(n), engine)
            say(f"N = {n}: {', '.join(_cell(row) for row in rows if row['n'] == n)}")
        shares = [
            row
            for team in teams
            if team.name in ("mfsym", "mfsym-jax")
            for row in noise_shares(team, settings.sizes, settings)
        ]
    with ExitStack() as stack:
        teams = [stack.enter_context(Team(name)) for name in available(settings.many)]
        agreement |= check(teams, ("vanilla",))
        for n in settings.many_sizes:
            many = measure(teams, Case(n), engine)
            rows += many
            say(f"N = {n}, ten replicates: {', '.join(map(_cell, many))}")
    return {
        "machine": {**machine(), "cores": CORES},
        "versions": versions(),
        "settings": asdict(settings),
        "agreement": agreement,
        "rows": rows,
        "shares": shares,
        "seconds": time.perf_counter() - started,
    }


def _cell(row: Row) -> str:
    return f"{row['contender']} {statistics.median(row['seconds']) / row['n'] / BATCH * 1e9:.2f} ns"


def bounds(results: dict[str, Any]) -> list[Bound]:
    """The engine on JAX against the fastest form of JAX, at each N that was timed."""
    of = Medians(results)
    found = []
    for n in results["settings"]["sizes"]:
        if n >= 5000:
            times = ratio(of.step(n, "vanilla", "mfsym-jax"), of.best(n, "vanilla", ("jax", "jax-plain")))
            found.append(Bound(f"N = {n:,}: times the fastest hand-written form of JAX", times, TIMES, False))
    return found


def markdown(results: dict[str, Any]) -> str:
    """The report."""
    names, many = results["settings"]["contenders"], results["settings"]["many"]
    peers = [row for row in results["rows"] if row["contender"].startswith("jax")]
    forms = [[CONTENDERS[row["contender"]].label, f"{row['n']:,}", row["form"]] for row in peers]
    shares = [[CONTENDERS[row["contender"]].label, f"{row['n']:,}", f"{row['share']:.0%}"] for row in results["shares"]]
    held = [[each.text, _number(each.value), f"{each.bound:g}", each.verdict] for each in bounds(results)]
    facts = ", ".join(f"{name} {value}" for name, value in {**results["machine"], **results["versions"]}.items())
    lines = ["# Engines", "", f"Vanilla scheme, noise on, float32; medians of {results['settings']['rounds']} runs."]
    lines += ["", facts, "", *_table(["", "measured", "bound", "kept"], held)]
    lines += [
        "",
        "## Nanoseconds per particle-sample",
        "",
        *_costs(results, results["settings"]["sizes"], names),
        "",
        "## The same, ten replicates",
        "",
        *_costs(results, results["settings"]["many_sizes"], many),
    ]
    lines += ["", "## Share of the noise in a step", "", *_table(["engine", "N", "share"], shares)]
    lines += ["", "## Forms timed", "", *_table(["contender", "N", "form"], forms)]
    return "\n".join(lines) + "\n"


def _costs(results: dict[str, Any], sizes: Sequence[int], names: Sequence[str]) -> list[str]:
    """The table of nanoseconds per particle-sample of those contenders that ran."""
    of = Medians(results)
    ran = [name for name in CONTENDERS if name in names and name in {row["contender"] for row in results["rows"]}]
    table = []
    for n in sizes:
        steps = [of.step(n, "vanilla", name) for name in ran]
        table.append([f"{n:,}", *(_number(None if step is None else step / n / BATCH * 1e9) for step in steps)])
    return _table(["N", *(CONTENDERS[name].label for name in ran)], table)


def main(quick: bool, out: Path, say: Say = print) -> Path:
    """Run, and write engines.json and engines.md into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    results = run(QUICK if quick else Settings(), say)
    (out / "engines.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (out / "engines.md").write_text(markdown(results), encoding="utf-8")
    say(f"wrote {out}/engines.json, engines.md in {results['seconds']:.0f} s")
    return out
