"""Cells in parallel: results in their order, progress shown, the first error raised."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from mfsym.configurations.cells import Cell
from mfsym.runtime import executors
from mfsym.runtime.progress import Progress
from mfsym.runtime.scripts import checked_jobs

Result = TypeVar("Result")


def run_all(
    function: Callable[[Cell], Result], cells: list[Cell], jobs: int, *, title: str, verbosity: int = -1
) -> list[Result]:
    """The results in the order of the cells, the largest started first; the first error ends the rest.

    jobs : worker processes, 1 for none.  title : what the progress line speaks of.
    """
    order = sorted(range(len(cells)), key=lambda k: -cells[k].n)
    results: dict[int, Result] = {}
    crew = executors.workers(checked_jobs(jobs), tasks=len(cells))
    with (
        Progress(len(cells), title, verbosity=verbosity) as progress,
        contextlib.closing(executors.completed(function, [cells[k] for k in order], crew)) as outcomes,
    ):
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            results[order[outcome.index]] = outcome.value
            progress.cell(cells[order[outcome.index]].label)
    return [results[k] for k in range(len(cells))]
