"""Run the cells of a sweep on workers and write each cell file as soon as it is done."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mfsym.configurations.cells import Cell
from mfsym.engines.predictions import described
from mfsym.errors import SweepIncomplete
from mfsym.runtime import executors
from mfsym.runtime.progress import Progress
from mfsym.runtime.provenance import machine, packages
from mfsym.stores.archives import encode
from mfsym.stores.folders import Folder, forget_failure, record_failure
from mfsym.stores.publishing import publish


@dataclass(frozen=True)
class Trained:
    """A trained cell as its worker returns it: the bytes of its file, its progress message and its seconds.

    ended : "diverged" or "drifted" if a scheme did so, else "".
    """

    data: bytes
    ended: str
    note: str
    training: float
    measuring: float


@dataclass(frozen=True)
class How:
    """How to run: number of jobs, a scheduler's address, whether to stop at the first failure, verbosity."""

    jobs: int = 1
    scheduler: str | None = None
    fail_fast: bool = False
    verbosity: int = 0


class Ended(NamedTuple):
    """A cell that failed, diverged or drifted: its label, and what happened."""

    label: str
    reason: str


@dataclass
class Summary:
    """Summary of a run: cells done now and before, cells that failed, diverged or drifted, total worker seconds.

    failed, diverged, drifted : keyed by the identity of the cell. A drifted cell keeps its numbers and is marked.
    """

    ran: int = 0
    kept: int = 0
    failed: dict[str, Ended] = field(default_factory=dict)
    diverged: dict[str, Ended] = field(default_factory=dict)
    drifted: dict[str, Ended] = field(default_factory=dict)
    training: float = 0.0
    measuring: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The record that ``mfsym sweep --format json`` prints; failed, diverged and drifted are keyed by label."""
        ended = {kind: dict(getattr(self, kind).values()) for kind in ("failed", "diverged", "drifted")}
        return {"ran": self.ran, "kept": self.kept, **ended, "training": self.training, "measuring": self.measuring}

    def check(self) -> None:
        """Raise SweepIncomplete if a cell failed or diverged."""
        if self.failed or self.diverged:
            advice = "retry_failed=True runs the failed ones again" if self.failed else "try a smaller alpha"
            raise SweepIncomplete(
                f"{len(self.failed)} cell(s) failed, {len(self.diverged)} diverged; {advice}",
                missing=(*self.failed, *self.diverged),
            )


def train(cell: Cell) -> Trained:
    """Train and measure one cell; a pure function of the cell, except for timings. Runs in a worker."""
    from mfsym.experiments import make_ready, run_cell

    make_ready(cell)
    result = run_cell(cell)
    ended = next((kind for kind in ("diverged", "drifted") if (result.arrays["status"] == kind).any()), "")
    meta = {"identity": cell.identity, "cell": cell.to_dict(), "machine": machine(), "packages": packages()}
    meta |= {"loss": result.loss, "engine": described(cell.engine)}
    note = f"{ended}: {', '.join(_steps(cell, result.arrays, ended))}" if ended else ""
    total, measuring = (float(result.arrays.get(name, 0.0)) for name in ("seconds", "seconds_measured"))
    return Trained(encode(result.arrays, meta), ended, note, total - measuring, measuring)


def _steps(cell: Cell, arrays: dict[str, Any], ended: str) -> list[str]:
    """The schemes of a cell that ended with this status, and the step at which they did."""
    chosen = [k for k, status in enumerate(arrays["status"]) if status == ended]
    return [f"{cell.schemes[k]} at step {int(arrays[f'{ended}_step'][k])}" for k in chosen]


def run(folder: Folder, cells: list[Cell], how: How, listed: Sequence[str] = ()) -> Summary:
    """Run the cells, write the files of the good ones, record the failures; return a Summary.

    listed : the training parameters that vary over the grid; cell labels include them.
    A cell that raises, or whose worker dies repeatedly, is recorded as failed; unless ``fail_fast``, the others go on.
    Raises StoreError when a file cannot be written or the scheduler is lost; cells already written are kept.
    """
    summary = Summary()
    if not cells:
        return summary
    crew = executors.workers(how.jobs, how.scheduler, tasks=len(cells))
    with (
        Progress(len(cells), folder.result.stem, verbosity=how.verbosity) as progress,
        contextlib.closing(executors.completed(train, cells, crew)) as outcomes,
    ):
        for outcome in outcomes:
            cell = cells[outcome.index]
            _settle(folder, cell, cell.label_of(listed), outcome, summary, progress)
            if how.fail_fast and summary.failed:
                break
    return summary


def _settle(
    folder: Folder, cell: Cell, label: str, outcome: executors.Outcome, summary: Summary, progress: Progress
) -> None:
    """Write one outcome to the folder and count it."""
    if outcome.error is not None:
        error = outcome.error
        reason = f"{type(error).__name__}: {error}"
        record = {
            "identity": cell.identity,
            "cell": cell.to_dict(),
            "type": type(error).__name__,
            "error": str(error),
            "traceback": "".join(traceback.format_exception(error)),
        }
        record_failure(folder, cell.identity, record)
        summary.failed[cell.identity] = Ended(label, reason)
        progress.cell(label, " ".join(reason.split())[:200], failed=True)
        return
    publish(folder.cell(cell.identity), outcome.value.data)
    forget_failure(folder, cell.identity)
    summary.ran += 1
    summary.training += outcome.value.training
    summary.measuring += outcome.value.measuring
    if outcome.value.ended:
        getattr(summary, outcome.value.ended)[cell.identity] = Ended(label, outcome.value.note)
    progress.cell(label, outcome.value.note)
