"""The transport benchmark: exact W2 by mfsym and by its peers, time, peak memory and gap, one thread each.

Every run is a process of its own, ``python -m benchmarks.transport CONTENDER CLOUDS``; contenders take turns.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import quotients
from benchmarks.clouds import FAMILIES, TRAINED, clouds
from benchmarks.report import Bound, _number, _table, ratio
from mfsym.runtime.provenance import machine

Say = Callable[[str], None]
Row = dict[str, Any]

LIMIT = 60.0
"""Seconds that a peer may take."""

MATRICES = 10_000
"""Atoms up to which a peer that makes the whole cost matrix is asked: 0.8 GB each, and they make several."""

LONG = 5000
"""Atoms from which one round is enough, because runs are long."""

OURS_LIMIT = 600.0
AGREEMENT = 1e-9
"""Largest relative difference between two exact values."""

SHORT, REPEATS = 0.5, 3
"""A run shorter than this is repeated in its process."""


@dataclass(frozen=True)
class Settings:
    """What to run."""

    families: tuple[str, ...] = tuple(FAMILIES)
    sizes: tuple[int, ...] = (200, 500, 1000, 5000)
    large: tuple[tuple[str, int], ...] = (
        ("independent", 20000),
        ("independent", 50000),
        ("independent", 100000),
        ("concentrated", 20000),
        ("concentrated", 50000),
        ("trained: vanilla and da, WI, WI start", 20000),
    )
    trained: tuple[str, ...] = tuple(TRAINED)
    trained_sizes: tuple[int, ...] = (500, 1000, 5000)
    contenders: tuple[str, ...] = ("mfsym", "emd2", "emd2_lazy", "scipy", "lapjv")
    quotients: tuple[str, ...] = quotients.GROUPS
    quotient_sizes: tuple[int, ...] = (1000, 2000, 5000)
    rounds: int = 2


QUICK = Settings(
    families=("independent", "near"),
    sizes=(500, 1000),
    large=(),
    trained=("trained: vanilla and da, WI, WI start",),
    trained_sizes=(500,),
    quotients=("D4 on a matrix",),
    quotient_sizes=(1000,),
    rounds=1,
)


def _mfsym(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    from mfsym.transport import w2

    result = w2(a, b)
    return result.w2_squared, result.relative_gap


def _emd2(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    import ot

    return float(ot.emd2([], [], ot.dist(a, b), numItermax=10**7)), float("nan")


def _emd2_lazy(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    import ot

    found = ot.lp.emd2_lazy(a, b, numItermax=10**7, return_matrix=False)
    return float(found[0] if isinstance(found, tuple) else found), float("nan")


def _scipy(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    cost = cdist(a, b, "sqeuclidean")
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean()), float("nan")


def _lapjv(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    import lapjv
    from scipy.spatial.distance import cdist

    cost = cdist(a, b, "sqeuclidean")
    columns = lapjv.lapjv(cost, force_doubles=True)[0]
    return float(cost[np.arange(len(a)), columns].mean()), float("nan")


CONTENDERS = {"mfsym": _mfsym, "emd2": _emd2, "emd2_lazy": _emd2_lazy, "scipy": _scipy, "lapjv": _lapjv}
LABELS = {
    "mfsym": "mfsym",
    "emd2": "POT emd2",
    "emd2_lazy": "POT emd2_lazy",
    "scipy": "scipy LSA",
    "lapjv": "lapjv",
}
DENSE = ("emd2", "scipy", "lapjv")
PACKAGES = {"emd2": "ot", "emd2_lazy": "ot", "lapjv": "lapjv"}


def available(names: Sequence[str]) -> list[str]:
    """Those of the contenders whose package is installed."""
    return [name for name in names if importlib.util.find_spec(PACKAGES.get(name, "numpy")) is not None]


def solve(name: str, path: Path) -> Row:
    """One contender on the clouds in a file, in this process: seconds, value, gap, peak bytes above what was there."""
    with np.load(path) as held:
        a, b = held["a"], held["b"]
    function = CONTENDERS[name]
    function(a[:800], b[:800])
    before, seconds = _peak(), []
    while not seconds or (max(seconds) < SHORT and len(seconds) < REPEATS):
        started = time.perf_counter()
        value, gap = function(a, b)
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "value": value, "gap": gap, "bytes": _peak() - before}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def ask(name: str, path: Path) -> Row | None:
    """As ``solve`` in a process of its own; None where it takes longer than it may or fails for lack of memory."""
    command = [sys.executable, "-m", "benchmarks.transport", name, str(path)]
    limit = OURS_LIMIT if name == "mfsym" else LIMIT
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit,
            env={**os.environ, **quotients.ONE_THREAD},
            cwd=Path(__file__).parent.parent,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        return None
    answer: Row = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(family: str, n: int, names: Sequence[str], rounds: int, folder: Path) -> list[Row]:
    """Every contender on one case, in turn; RuntimeError where two of them disagree."""
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "clouds.npz"
        a, b = clouds(family, n, folder)
        np.savez(path, a=a, b=b)
        for turn in range(rounds):
            for name in names:
                answer = ask(name, path) if turn == 0 or name in rows else None
                if answer is None:
                    continue
                held = rows.setdefault(name, {"family": family, "n": n, "contender": name, **answer, "seconds": []})
                held["seconds"] += answer["seconds"]
    values = {name: row["value"] for name, row in rows.items()}
    scale = float(np.square(a).sum(axis=1).mean())
    for name, value in values.items():
        if not abs(value - values["mfsym"]) <= AGREEMENT * (values["mfsym"] + 1e-3 * scale):
            raise RuntimeError(f"{name} must agree with mfsym on {family}, N = {n}: {value} and {values['mfsym']}")
    return list(rows.values())


def run(settings: Settings, folder: Path, say: Say = print) -> dict[str, Any]:
    """Everything, as a dictionary that JSON can hold. A contender that ran out of time is not asked for larger N."""
    started = time.perf_counter()
    present = available(settings.contenders)
    missing = sorted(set(settings.contenders) - set(present))
    if missing:
        say(f"not installed, left out: {', '.join(missing)}")
    folds = quotients.run(settings.quotient_sizes, settings.quotients, say)
    rows: list[Row] = []
    cases: list[tuple[str, Sequence[int]]] = [(family, settings.sizes) for family in settings.families]
    cases += [(family, settings.trained_sizes) for family in settings.trained]
    cases = [(family, [*sizes, *(n for name, n in settings.large if name == family)]) for family, sizes in cases]
    for family, sizes in cases:
        names = list(present)
        for n in sorted(sizes):
            if n > MATRICES:
                names = [name for name in names if name not in DENSE]
            found = measure(family, n, names, settings.rounds if n < LONG else 1, folder)
            names = [row["contender"] for row in found]
            rows += found
            times = ", ".join(f"{row['contender']} {_median(row):.3g}" for row in found)
            say(f"[{time.perf_counter() - started:4.0f} s] {family}, N = {n}, seconds: {times}")
    machinery = {"machine": machine(), "settings": asdict(settings), "missing": missing}
    return {**machinery, "rows": rows, "quotients": folds}


def _median(row: Row) -> float:
    return statistics.median(row["seconds"])


def _held(rows: list[Row], family: str, n: int) -> dict[str, Row]:
    return {row["contender"]: row for row in rows if (row["family"], row["n"]) == (family, n)}


def _least(rows: list[Row], families: Sequence[str], n: int, peers: Sequence[str]) -> float | None:
    """Over the families, the least number of times that mfsym is faster than the best of the peers."""
    found = []
    for family in families:
        held = _held(rows, family, n)
        best = min((_median(held[name]) for name in peers if name in held), default=None)
        found.append(ratio(best, _median(held["mfsym"]) if "mfsym" in held else None))
    known = [each for each in found if each is not None]
    return min(known, default=None)


def _ours(rows: list[Row], family: str, n: int, figure: Callable[[Row], float]) -> float | None:
    held = _held(rows, family, n)
    return figure(held["mfsym"]) if "mfsym" in held else None


def bounds(results: dict[str, Any]) -> list[Bound]:
    """What exact transport is held to, with what this run measured."""
    rows, found = results["rows"], []
    diffuse = ("independent", "near", "shifted", "anisotropic")
    for text, families, least in (
        ("diffuse", diffuse, 40.0),
        ("trained", tuple(TRAINED), 10.0),
        ("concentrated", ("concentrated",), 8.0),
    ):
        value = _least(rows, families, 5000, ("emd2",))
        found.append(Bound(f"{text}, N = 5000: times faster than POT emd2", value, least, True))
    families = (*FAMILIES, *TRAINED)
    value = _least(rows, families, 5000, ("scipy", "lapjv"))
    found.append(Bound("all, N = 5000: times faster than the best of scipy and lapjv", value, 8.0, True))
    small = [_least(rows, families, n, ("emd2", "scipy", "lapjv")) for n in (200, 500, 1000)]
    slowest = min((each for each in small if each is not None), default=None)
    found.append(Bound("all, N <= 1000: times slower than the best peer", ratio(1.0, slowest), 1.5, False))
    for family, n, most in (("independent", 50000, 6.0), ("concentrated", 50000, 60.0), ("independent", 100000, 15.0)):
        found.append(Bound(f"{family}, N = {n}: seconds", _ours(rows, family, n, _median), most, False))
    used = _ours(rows, "independent", 50000, lambda row: row["bytes"] / 1e6)
    found.append(Bound("independent, N = 50000: MB above the interpreter", used, 150.0, False))
    gaps = [row["gap"] for row in rows if row["contender"] == "mfsym"]
    found.append(Bound("largest relative gap", max(gaps, default=None), 1e-12, False))
    return [*found, *quotients.bounds(results["quotients"])]


def markdown(results: dict[str, Any]) -> str:
    """The report."""
    rows = results["rows"]
    names = [name for name in LABELS if any(row["contender"] == name for row in rows)]
    kept = [[each.text, _number(each.value), f"{each.bound:g}", each.verdict] for each in bounds(results)]
    cells, memories = [], []
    for family, n in dict.fromkeys((row["family"], row["n"]) for row in rows):
        held = _held(rows, family, n)
        base = _median(held["mfsym"])
        times = [_cell(held.get(name), base, name) for name in names]
        cells.append([family, f"{n:,}", *times, f"{held['mfsym']['gap']:.0e}"])
        peaks = [_number(held[name]["bytes"] / 1e6 if name in held else None) for name in names]
        memories.append([family, f"{n:,}", *peaks])
    head = ["clouds", "N", *(LABELS[name] for name in names)]
    facts = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    lines = ["# Exact transport", "", facts, "", "## Bounds", "", *_table(["", "measured", "bound", "kept"], kept)]
    lines += ["", "## Seconds", "", "Medians, one thread; in brackets times mfsym. –: over 60 s or out of memory.", ""]
    lines += [*_table([*head, "gap"], cells), "", "## Peak memory above the interpreter, MB", ""]
    lines += [*_table(head, memories), "", "## Quotients by groups of eight elements, seconds", ""]
    return "\n".join([*lines, *quotients.table(results["quotients"])]) + "\n"


def _cell(row: Row | None, base: float, name: str) -> str:
    if row is None:
        return "–"
    seconds = _number(_median(row))
    return seconds if name == "mfsym" else f"{seconds} ({_number(_median(row) / base)}×)"


def picture(results: dict[str, Any], path: Path) -> None:
    """Seconds against N, log-log: a panel for the diffuse and one for the concentrated family, a line a contender."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    families = list(dict.fromkeys(row["family"] for row in results["rows"]))
    shown = [name for name in ("independent", "concentrated") if name in families] or families[:2]
    for axis, family in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True):
        for name, label in LABELS.items():
            held = [row for row in results["rows"] if row["family"] == family and row["contender"] == name]
            points = sorted((row["n"], _median(row)) for row in held)
            if points:
                width = 2.2 if name == "mfsym" else 1.1
                axis.loglog(*zip(*points, strict=True), marker="o", markersize=3.5, linewidth=width, label=label)
        axis.set(title=family, xlabel="atoms N", ylabel="seconds, one thread")
        axis.legend(fontsize=7, frameon=False)
        axis.grid(True, which="major", alpha=0.3)
    figure.savefig(path, dpi=120)


def main(quick: bool = False, out: Path | None = None, settings: Settings | None = None, say: Say = print) -> Path:
    """Run, and write transport.json, transport.md and transport.png into ``out``."""
    folder = Path(__file__).with_name("out") if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    results = run(settings or (QUICK if quick else Settings()), folder / "clouds", say)
    (folder / "transport.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "transport.md").write_text(markdown(results), encoding="utf-8")
    picture(results, folder / "transport.png")
    say(f"wrote {folder}/transport.json, transport.md, transport.png")
    return folder


if __name__ == "__main__":
    print(json.dumps(solve(sys.argv[1], Path(sys.argv[2]))))
