"""Estimate cells, memory and disk before a run starts, and refuse a run that does not fit."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mfsym.configurations.cells import Cell, count, extra_axes
from mfsym.configurations.layers import Resolved, resolve
from mfsym.errors import MfsymError

MAX_CELLS = 100_000
PARAMETERS = 4
"""Parameters per particle of both reference units."""

SECONDS_PER_PARTICLE_SAMPLE = 3e-9
SECONDS_PER_CELL = 0.02


@dataclass(frozen=True)
class ResourceEstimate:
    """Resources that a sweep needs: cells, bytes on disk, bytes of memory per worker, single-core seconds."""

    cells: int
    disk: int
    memory: int
    seconds: float

    def describe(self) -> str:
        """A readable one-line summary."""
        return (
            f"{self.cells} cells, {human_bytes(self.disk)} on disk, {human_bytes(self.memory)} per worker, "
            f"about {human_seconds(self.seconds)} of one core"
        )


def human_bytes(size: float) -> str:
    """1536 -> '1.5 KB'."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def human_seconds(seconds: float) -> str:
    """3700 -> '1 h 02 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _largest(resolved: Resolved, key: str) -> float:
    value = resolved.values[key]
    return float(max(value)) if isinstance(value, list) else float(value)


def estimate(resolved: Resolved, parameters: int = PARAMETERS) -> ResourceEstimate:
    """Estimate a sweep from its configuration alone; the cost does not depend on the size of the grid.

    parameters : number per particle, for the problem's unit.
    """
    cells = count(resolved)
    schemes = len(resolved.values["scheme"])
    sizes = resolved.values["n"]
    per_size = cells // len(sizes)
    particle_bytes = 8 * parameters * schemes
    disk = sum(per_size * (particle_bytes * n + 4096) for n in sizes)
    memory = 200_000_000 + max(sizes) * (4 * particle_bytes + 4000)
    work = _largest(resolved, "horizon") * _largest(resolved, "batch_size") * schemes * parameters / PARAMETERS
    seconds = sum(per_size * (work * float(n) ** 2 * SECONDS_PER_PARTICLE_SAMPLE + SECONDS_PER_CELL) for n in sizes)
    return ResourceEstimate(cells, disk, memory, seconds)


def seconds_of_passes(count: int, n: int, parameters: int = PARAMETERS) -> float:
    """Single-core seconds of forward passes through n particles, at the nominal cost of a training sample."""
    return count * n * SECONDS_PER_PARTICLE_SAMPLE * parameters / PARAMETERS


def available_memory() -> int:
    """Bytes of memory available on this machine."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check(
    resolved: Resolved, folder: Path, *, jobs: int = 1, allow_large: bool = False, parameters: int = PARAMETERS
) -> ResourceEstimate:
    """The estimate of a sweep if it fits; otherwise MfsymError, which states the estimate and ``allow_large``.

    folder : of the cells; free disk space is read at its nearest existing parent.  parameters : number per particle.
    jobs : requested workers; at most one per cell is started and counted.
    """
    needs = estimate(resolved, parameters)
    existing = next(parent for parent in [folder, *folder.absolute().parents] if parent.exists())
    dimensions = ", ".join(extra_axes(resolved)) or "none"
    refuse_large(
        needs,
        jobs=min(jobs, needs.cells),
        free=shutil.disk_usage(existing).free,
        note=f"extra dimensions: {dimensions}",
        allow=allow_large,
    )
    return needs


def check_cell(
    cell: Cell,
    *,
    replicates: int = 1,
    snapshots: int = 1,
    jobs: int = 1,
    allow_large: bool = False,
    parameters: int = PARAMETERS,
) -> ResourceEstimate:
    """The estimate of ``replicates`` trainings; MfsymError if they do not fit, as for a sweep.

    jobs : number of workers to start.
    """
    resolved = resolve(
        ("cell", {"n": [cell.n], "replicates": replicates, "horizon": cell.horizon, "batch_size": cell.batch_size}),
        ("cell", {"scheme": list(cell.schemes)}),
    )
    one = estimate(resolved, parameters)
    kept = 8 * parameters * len(cell.schemes) * cell.n * max(replicates, snapshots)
    needs = ResourceEstimate(one.cells, 0, one.memory + 2 * kept, one.seconds)
    refuse_large(needs, jobs=jobs, free=kept, note=f"n = {cell.n}", allow=allow_large)
    return needs


def refuse_large(needs: ResourceEstimate, *, jobs: int, free: int, note: str, allow: bool) -> None:
    """Raise MfsymError with the estimate unless it fits this machine or ``allow`` is set; free : bytes free on disk."""
    memory = available_memory()
    reasons = []
    if needs.cells > MAX_CELLS:
        reasons.append(f"more than {MAX_CELLS} cells")
    if needs.memory * jobs > memory:
        reasons.append(f"{human_bytes(memory)} of memory free for {jobs} worker(s)")
    if needs.disk > free:
        reasons.append(f"{human_bytes(free)} of disk free")
    if needs.seconds > 365.25 * 86400:
        reasons.append("more than a year of one core")
    if reasons and not allow:
        raise MfsymError(
            f"the sweep is too large ({'; '.join(reasons)}): it needs {needs.describe()} "
            f"({note}); make it smaller, or allow_large=True runs it"
        )
