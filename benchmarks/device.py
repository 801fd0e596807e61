"""The JAX engine on whatever device JAX finds: equal to the CPU, then timed from 1e4 to 1e7 particles.

One script for a machine that is lent for minutes: under six with a GPU. The time of a step is the slope between a short
and a long run, so that moving particles to the device and back is not counted; it is reported beside it.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import BATCH, Case, P, dynamics_of
from benchmarks.engine import versions
from benchmarks.report import Bound, _number, _table
from mfsym.data.teachers import reference_teacher
from mfsym.dynamics import NoisySGD, State
from mfsym.streams import normals, stream_key

Row = dict[str, Any]
Say = Callable[[str], None]

TIME = 20.0
"""Mean-field time of the training whose cost is extrapolated: N TIME steps."""

OPERATIONS = 2 * 2 * (3 + 4) + 2 * 2 * 3 + 2 * 2 * 2 * 2
"""Arithmetic of one particle-sample, matrix unit 2 x 2, exp and division as one each: sigmoid (u . x) in both passes
(3 for the product, 4 for the sigmoid, 2 outputs), its slope times the residual (3, counted in two halves), the pull."""


@dataclass(frozen=True)
class Settings:
    """What to run: particles, steps compared with the CPU, seconds of a long run, rounds, and N of the CPU's time."""

    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    compared: int = 200
    compared_size: int = 5000
    seconds: float = 1.0
    rounds: int = 5
    cpu_size: int = 1_000_000
    cpu_steps: int = 20
    probe: int = 8192


QUICK = Settings((1000, 10_000), seconds=0.05, rounds=2, cpu_size=10_000, cpu_steps=100, probe=256, compared_size=300)


def start(n: int, dtype: str) -> np.ndarray:
    """(n, 4) standard normal particles."""
    return normals(stream_key(0, "init"), 0, n, P).astype(dtype)


def agreement(settings: Settings) -> list[Row]:
    """Largest difference from the numba engine after the same steps from the same state, noise on."""
    rows = []
    for scheme in ("vanilla", "da", "fa", "ea"):
        for dtype in ("float64", "float32"):
            case, ends = Case(settings.compared_size, scheme, dtype), []
            for engine in ("numba", "jax"):
                dynamics = dynamics_of(case, reference_teacher("wi"), engine=engine)
                state = dynamics.init(start(case.n, dtype))
                ends.append(dynamics.step(state, settings.compared).z.astype(np.float64))
            scale = max(1.0, float(np.abs(ends[0]).max()))
            difference = float(np.abs(ends[1] - ends[0]).max()) / scale
            rows.append({"scheme": scheme, "dtype": dtype, "difference": difference})
    return rows


def seconds_of(dynamics: NoisySGD, state: State, steps: int) -> float:
    """Wall-clock seconds of ``step(state, steps)``; RuntimeError if the run diverges."""
    begun = time.perf_counter()
    if dynamics.step(state, steps).status != "ok":
        raise RuntimeError("the timed run diverged")
    return time.perf_counter() - begun


def step_time(n: int, settings: Settings) -> Row:
    """Seconds of a step, by the slope between a short and a long run, and the seconds beyond it."""
    dynamics = dynamics_of(Case(n), reference_teacher("wi"), engine="jax")
    state = dynamics.init(start(n, "float32"))
    short = 50
    seconds_of(dynamics, state, short)
    probe = seconds_of(dynamics, state, 2 * short) - seconds_of(dynamics, state, short)
    long = short + int(np.clip(settings.seconds / max(probe / short, 1e-6), short, 20_000))
    seconds_of(dynamics, state, long)
    steps, beyond = [], []
    for _ in range(settings.rounds):
        low, high = (seconds_of(dynamics, state, count) for count in (short, long))
        steps.append((high - low) / (long - short))
        beyond.append(low - short * steps[-1])
    return {"n": n, "steps": long, "seconds": steps, "beyond": statistics.median(beyond), "bytes": peak_bytes(n)}


def peak_bytes(n: int) -> float | None:
    """Most bytes per particle that were in use on the device so far; None where the device does not say."""
    import jax

    stats = jax.devices()[0].memory_stats() or {}
    return stats["peak_bytes_in_use"] / n if "peak_bytes_in_use" in stats else None


def ceilings(settings: Settings) -> dict[str, float]:
    """What the device does at best: bytes a second of a copy, and float32 operations a second of a product."""
    import jax
    import jax.numpy as jnp

    side = settings.probe
    flat = jnp.ones(8 * side * side, jnp.float32)
    square = jnp.ones((side, side), jnp.float32)

    def best(call: Callable[[Any], Any], of: Any) -> float:
        jax.block_until_ready(call(of))
        seconds = []
        for _ in range(5):
            begun = time.perf_counter()
            jax.block_until_ready(call(of))
            seconds.append(time.perf_counter() - begun)
        return min(seconds)

    copied = best(jax.jit(lambda a: a + 1), flat)
    product = best(jax.jit(lambda a: jnp.dot(a, a, precision=jax.lax.Precision.HIGHEST)), square)
    return {"bytes": 8 * flat.size / copied, "operations": 2 * side**3 / product}


def cpu_core(settings: Settings) -> float:
    """Seconds of a step of the numba engine on one core at N = ``cpu_size``."""
    dynamics = dynamics_of(Case(settings.cpu_size), reference_teacher("wi"), threads=1)
    state = dynamics.init(start(settings.cpu_size, "float32"))
    short = max(2, settings.cpu_steps // 4)
    seconds_of(dynamics, state, 2)
    slopes = []
    for _ in range(3):
        low, high = (seconds_of(dynamics, state, count) for count in (short, short + settings.cpu_steps))
        slopes.append((high - low) / settings.cpu_steps)
    return statistics.median(slopes)


def run(settings: Settings, say: Say = print) -> dict[str, Any]:
    """Everything, as a dictionary that JSON can hold."""
    import jax

    begun = time.perf_counter()
    device = jax.devices()[0]
    results: dict[str, Any] = {
        "device": f"{device.device_kind} ({device.platform})",
        "settings": asdict(settings),
        "versions": versions(),
        "agreement": agreement(settings),
    }
    worst = max(row["difference"] for row in results["agreement"] if row["dtype"] == "float64")
    say(f"{results['device']}: {settings.compared} steps equal the CPU's to {worst:.1e}")
    results["rows"] = []
    for n in settings.sizes:
        results["rows"].append(row := step_time(n, settings))
        say(f"N = {n:,}: {statistics.median(row['seconds']) * 1e6:.1f} µs a step")
    results["ceilings"] = ceilings(settings)
    results["core"] = cpu_core(settings)
    say(f"one core of the CPU, N = {settings.cpu_size:,}: {results['core'] * 1e3:.2f} ms a step")
    results["seconds"] = time.perf_counter() - begun
    return results


def step_of(results: dict[str, Any], n: int) -> float | None:
    """Median seconds of a step at n; None if n was not timed."""
    return next((statistics.median(row["seconds"]) for row in results["rows"] if row["n"] == n), None)


def bounds(results: dict[str, Any]) -> list[Bound]:
    """Equality with the CPU, and the two goals at N = 1e6."""
    worst = max(row["difference"] for row in results["agreement"] if row["dtype"] == "float64")
    found = [Bound("float64, noise on: largest relative difference from numba", worst, 1e-11, False)]
    step, n = step_of(results, 1_000_000), results["settings"]["cpu_size"]
    found.append(Bound("N = 1e6: µs a step", None if step is None else step * 1e6, 150.0, False))
    beside = step_of(results, n)
    found.append(Bound(f"N = {n:,}: times faster than one CPU core", beside and results["core"] / beside, 300.0, True))
    return found


def growth(results: dict[str, Any]) -> float:
    """Slope of log seconds against log N between the two largest sizes."""
    (n, low), (m, high) = ((row["n"], statistics.median(row["seconds"])) for row in results["rows"][-2:])
    return float(np.log(high / low) / np.log(m / n))


def markdown(results: dict[str, Any]) -> str:
    """The report."""
    top = results["ceilings"]
    table = []
    for row in results["rows"]:
        n, step = row["n"], statistics.median(row["seconds"])
        table.append(
            [
                f"{n:,}",
                f"{step * 1e6:,.1f}",
                f"{step / n / BATCH * 1e9:.4f}",
                f"{n * TIME * step / 3600:.3g}",
                "–" if row["bytes"] is None else f"{row['bytes']:.0f}",
                f"{2 * 4 * P * n / step / top['bytes']:.1%}",
                f"{OPERATIONS * BATCH * n / step / top['operations']:.1%}",
                f"{row['beyond'] * 1e3:.1f}",
            ]
        )
    head = ["N", "µs a step", "ns per particle-sample", f"hours to T = {TIME:g}", "bytes per particle"]
    head += ["share of the copy's bandwidth", "share of the product's arithmetic", "ms beyond the steps"]
    held = [[each.text, _number(each.value), f"{each.bound:g}", each.verdict] for each in bounds(results)]
    equal = [[row["scheme"], row["dtype"], f"{row['difference']:.1e}"] for row in results["agreement"]]
    facts = ", ".join(f"{name} {value}" for name, value in results["versions"].items())
    lines = ["# Device", "", f"{results['device']}. Vanilla scheme, float32, B = {BATCH}, noise on; {facts}.", ""]
    lines += _table(["", "measured", "bound", "kept"], held)
    lines += ["", "## A step", "", *_table(head, table), ""]
    lines += [f"Time of a step grows like N^{growth(results):.2f} between the two largest sizes. ", ""]
    lines[-2] += f"One core of that machine's CPU takes {results['core'] * 1e3:.2f} ms at N = "
    lines[-2] += (
        f"{results['settings']['cpu_size']:,}. The copy moved {top['bytes'] / 1e9:,.0f} GB/s, the product made "
    )
    lines[-2] += (
        f"{top['operations'] / 1e12:.1f} TFLOP/s in float32. A particle-sample counts {OPERATIONS} operations, "
    )
    lines[-2] += f"a particle {2 * 4 * P} bytes a step."
    lines += [f"## The same {results['settings']['compared']} steps on numba's engine", ""]
    lines += _table(["scheme", "precision", "largest relative difference"], equal)
    return "\n".join(lines) + "\n"


def main(quick: bool, out: Path, say: Say = print) -> Path:
    """Run, and write device.json and device.md into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    results = run(QUICK if quick else Settings(), say)
    (out / "device.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (out / "device.md").write_text(markdown(results), encoding="utf-8")
    say(f"wrote {out}/device.json, device.md in {results['seconds']:.0f} s")
    return out
