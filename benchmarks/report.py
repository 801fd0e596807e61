"""The engine's report: tables with ratios, the bounds the engine is held to, and a log-log picture."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import BATCH
from benchmarks.contenders import CONTENDERS

Results = dict[str, Any]


class Medians:
    """Median seconds per step by (N, scheme, contender, dtype); None where it was not run."""

    def __init__(self, results: Results) -> None:
        self.seconds = {
            (row["n"], row["scheme"], row["contender"], row["dtype"]): statistics.median(row["seconds"])
            for row in results["rows"]
        }

    def step(self, n: int, scheme: str, contender: str, dtype: str = "float32") -> float | None:
        """Seconds per step."""
        return self.seconds.get((n, scheme, contender, dtype))

    def best(self, n: int, scheme: str, contenders: Iterable[str], dtype: str = "float32") -> float | None:
        """Seconds per step of the fastest of several contenders."""
        found = [self.seconds.get((n, scheme, name, dtype)) for name in contenders]
        return min((value for value in found if value is not None), default=None)


@dataclass(frozen=True)
class Bound:
    """One promise: a figure that must be at least (or at most) a bound; None where it was not measured."""

    text: str
    value: float | None
    bound: float
    least: bool

    @property
    def verdict(self) -> str:
        """yes, no, or that it was not measured."""
        if self.value is None:
            return "not measured"
        kept = self.value >= self.bound if self.least else self.value <= self.bound
        return "yes" if kept else "**no**"


def ratio(slow: float | None, fast: float | None) -> float | None:
    """slow / fast, None where either was not measured."""
    return None if slow is None or fast is None else slow / fast


def fitted_slope(rows: list[dict[str, Any]]) -> float | None:
    """Slope of log seconds per step against log N, by least squares over the medians."""
    if len(rows) < 2:
        return None
    seconds = [statistics.median(row["seconds"]) for row in rows]
    return float(np.polyfit(np.log([row["n"] for row in rows]), np.log(seconds), 1)[0])


def bounds(results: Results) -> list[Bound]:
    """What the engine is held to, with what this run measured."""
    of = Medians(results)
    ours = ("mfsym", "mfsym-threads")
    found = []
    for peer, name in (("jax", "the fastest form of JAX found"), ("jax-plain", "the plain form of JAX")):
        single = ratio(of.step(5000, "vanilla", peer), of.best(5000, "vanilla", ours))
        found.append(Bound(f"vanilla, N = 5000, one run: times faster than {name}", single, 12.0, True))
    for n, times in ((5000, 20.0), (100, 10.0)):
        for peer, name in (("jax-replicates", "the fastest form"), ("jax-plain-replicates", "the plain form")):
            many = ratio(of.step(n, "vanilla", peer), of.step(n, "vanilla", "mfsym-replicates"))
            text = f"vanilla, N = {n}, ten replicates: times faster than {name} of JAX"
            found.append(Bound(text, many, times, True))
    roofline = ratio(of.step(5000, "vanilla", "mfsym"), of.step(5000, "vanilla", "c"))
    found.append(Bound("vanilla, N = 5000, one core: times the C roofline", roofline, 1.5, False))
    for n in (100, 5000):
        for scheme, times in (("fa", 2.2), ("da", 2.2), ("ea", 1.2)):
            cost = ratio(of.step(n, scheme, "mfsym"), of.step(n, "vanilla", "mfsym"))
            found.append(Bound(f"{scheme}, N = {n}: times the cost of vanilla", cost, times, False))
    for peer, name in (("jax", "the fastest form of JAX found"), ("jax-plain", "the plain form of JAX")):
        double = ratio(of.step(5000, "vanilla", peer, "float64"), of.best(5000, "vanilla", ours, "float64"))
        found.append(Bound(f"vanilla, N = 5000, float64: times faster than {name}", double, 8.0, True))
    found.append(Bound("slope of log cost per step, N = 1,000 to 500,000", fitted_slope(results["slope"]), 1.08, False))
    spent = results["footprint"]
    found.append(Bound("bytes per particle beyond the particles", spent["memory"][-1]["beyond"], 200.0, False))
    found.append(Bound("first call in a new process, warm cache: seconds", spent["warm"]["first_call"], 1.0, False))
    return found


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _cases(results: Results, dtype: str) -> list[tuple[str, int]]:
    return list(dict.fromkeys((row["scheme"], row["n"]) for row in results["rows"] if row["dtype"] == dtype))


def _contenders(results: Results) -> list[str]:
    present = {row["contender"] for row in results["rows"]}
    return [name for name in CONTENDERS if name in present]


def _per_sample(results: Results) -> list[str]:
    of, names = Medians(results), _contenders(results)
    rows = []
    for dtype in ("float32", "float64"):
        for scheme, n in sorted(_cases(results, dtype), key=lambda case: case[0] != "vanilla"):
            cells = [f"{scheme}{', float64' if dtype == 'float64' else ''}", f"{n:,}"]
            base = of.step(n, scheme, "mfsym", dtype)
            for name in names:
                value = of.step(n, scheme, name, dtype)
                times = ratio(value, base)
                cell = _number(None if value is None else value / n / BATCH * 1e9)
                cells.append(cell if times is None or name == "mfsym" else f"{cell} ({_number(times)}×)")
            rows.append(cells)
    return _table(["scheme", "N", *(CONTENDERS[name].label for name in names)], rows)


def _per_step(results: Results) -> list[str]:
    of, names = Medians(results), _contenders(results)
    rows = []
    for scheme, n in _cases(results, "float32"):
        steps = [of.step(n, scheme, name) for name in names]
        rows.append([scheme, f"{n:,}", *(_number(None if step is None else step * 1e6) for step in steps)])
    return _table(["scheme", "N", *(CONTENDERS[name].label for name in names)], rows)


def _forms(results: Results) -> list[str]:
    chosen = [row for row in results["rows"] if row["scheme"] == "vanilla" and "form" in row]
    peers = [row for row in chosen if not row["contender"].startswith("mfsym")]
    return _table(
        ["contender", "N", "precision", "form timed"],
        [[CONTENDERS[row["contender"]].label, f"{row['n']:,}", row["dtype"], row["form"]] for row in peers],
    )


def _footprint(results: Results) -> list[str]:
    spent = results["footprint"]
    warm, rows = spent["warm"], []
    rows.append(["first step of a new process, warm cache", f"{warm['first_call']:.2f} s"])
    rows.append(["that process as a whole (interpreter, imports, first step)", f"{warm['process']:.2f} s"])
    if "cold" in spent:
        rows.append(["first step with an empty cache (compiles the engine)", f"{spent['cold']['first_call']:.1f} s"])
    for each in spent["memory"]:
        text = f"{each['beyond']:.0f} bytes traced, {each['resident_growth']:.0f} resident"
        rows.append([f"memory per particle beyond the particles, N = {each['n']:,}", text])
    for row in results["slope"]:
        step = statistics.median(row["seconds"])
        text = f"{step * 1e6:,.0f} µs a step, {step / row['n'] / BATCH * 1e9:.2f} ns per particle-sample"
        rows.append([f"mfsym, one core, N = {row['n']:,}", text])
    return _table(["what", "measured"], rows)


def markdown(results: Results) -> str:
    """The report."""
    facts = {**results["machine"], **results["versions"]}
    held = [[each.text, _number(each.value), f"{each.bound:g}", each.verdict] for each in bounds(results)]
    sections: list[tuple[str, str, Callable[[Results], list[str]]]] = [
        (
            "Nanoseconds per particle-sample",
            "Time of a step over N B (B = 20 samples drawn; `da` and `fa` compute on 40). In brackets: times mfsym on "
            "one core. Replicates: time of a step of one of ten that run side by side.",
            _per_sample,
        ),
        ("Microseconds per step", "", _per_step),
        ("First call, memory, scaling", "", _footprint),
        ("Which form of each peer was timed", "Chosen on vanilla at each N as the fastest of those tried.", _forms),
    ]
    lines = ["# Engine", "", "Noisy SGD of the reference experiment, noise on, float32 unless said; medians of "]
    lines[-1] += f"{results['settings']['rounds']} interleaved runs. One noiseless step of every contender agrees with "
    lines[-1] += f"mfsym's to {max(results['agreement'].values()):.1f} units of float32 rounding."
    lines += ["", ", ".join(f"{name} {value}" for name, value in facts.items()), "", "## Bounds", ""]
    lines += _table(["", "measured", "bound", "kept"], held)
    for title, text, table in sections:
        lines += ["", f"## {title}", *(["", text] if text else []), "", *table(results)]
    return "\n".join(lines) + "\n"


def picture(results: Results, path: Path) -> None:
    """Cost of a step against N, log-log, vanilla, one line per contender: dashed for replicates, dotted for threads."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, 2)
    colours: dict[str, str] = {}
    of = Medians(results)
    sizes = sorted({n for scheme, n in _cases(results, "float32") if scheme == "vanilla"})
    for name in _contenders(results):
        points = [(n, step) for n in sizes if (step := of.step(n, "vanilla", name)) is not None]
        if name == "mfsym":
            points += [
                (row["n"], statistics.median(row["seconds"]))
                for row in results["slope"]
                if row["n"] > max(sizes, default=0)
            ]
        counts, steps = (np.array(values) for values in zip(*points, strict=True)) if points else ((), ())
        base = name.removesuffix("-replicates").removesuffix("-threads")
        style = {"marker": "o", "markersize": 3.5, "linewidth": 2.2 if name.startswith("mfsym") else 1.1}
        style["color"] = colours.setdefault(base, f"C{len(colours)}")
        style["linestyle"] = "--" if name.endswith("-replicates") else ":" if name.endswith("-threads") else "-"
        axes[0].loglog(counts, np.multiply(steps, 1e6), label=CONTENDERS[name].label, **style)
        axes[1].loglog(counts, np.multiply(steps, 1e9) / np.multiply(counts, BATCH), **style)
    axes[0].set(xlabel="particles N", ylabel="µs per step")
    axes[1].set(xlabel="particles N", ylabel="ns per particle-sample")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)
    for axis in axes:
        axis.grid(True, which="major", alpha=0.3)
    figure.savefig(path, dpi=120)
