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


def run_groups(
    function: Callable[[Sequence[Cell]], list[Result]],
    cells: Sequence[Cell],
    jobs: int,
    *,
    together: int,
    title: str,
    verbosity: int = -1,
) -> list[Result]:
    """As ``run_all``, with a function that takes ``together`` cells at once, the last time perhaps fewer."""
    groups = [cells[first : first + together] for first in range(0, len(cells), together)]
    found = run_tasks(
        function,
        groups,
        jobs,
        title=title,
        label=lambda group: ", ".join(cell.label for cell in group),
        cost=lambda group: group[0].n,
        verbosity=verbosity,
        unit="cell" if together == 1 else "group",
    )
    return [result for group in found for result in group]
