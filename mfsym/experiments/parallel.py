"""Run cells in parallel: the loop over replicates and sizes shared by all studies."""

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
    """The results in the order of the cells. The largest cell starts first; the first error stops the others.

    jobs : worker processes, 1 for none.  title : title of the progress line.  unit : its word for one cell.
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
