"""Cells in parallel: the loop over replicates and sizes that the studies share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from mfsym.configurations.cells import Cell
from mfsym.runtime.parallel import run_tasks

Result = TypeVar("Result")


def run_all(
    function: Callable[[Cell], Result],
    cells: Sequence[Cell],
    jobs: int,
    *,
    title: str,
    verbosity: int = -1,
    unit: str = "cell",
) -> list[Result]:
    """The results in the order of the cells, the largest started first; the first error ends the rest.

    jobs : worker processes, 1 for none.  title : what the progress line speaks of.  unit : what a cell is there.
    """
    return run_tasks(
        function,
        cells,
        jobs,
        title=title,
        label=lambda cell: cell.label,
        cost=lambda cell: cell.n,
        verbosity=verbosity,
        unit=unit,
    )
