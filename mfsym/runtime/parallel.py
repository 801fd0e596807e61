"""Tasks in parallel: results in their order, progress shown, the first error raised."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Sequence
from typing import TypeVar

from mfsym.errors import MfsymError
from mfsym.runtime import executors
from mfsym.runtime.progress import Progress
from mfsym.runtime.scripts import checked_jobs

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int,
    *,
    title: str,
    label: Callable[[Task], str],
    cost: Callable[[Task], float] = lambda task: 0.0,
    verbosity: int = -1,
    unit: str = "cell",
) -> list[Result]:
    """The results in the order of the tasks, the most costly started first; the first error ends the rest.

    jobs : worker processes, 1 for none.  title, label, unit : what the progress line speaks of: the whole, one task,
    and what a task is.  Raises MfsymError where workers cannot be handed the function.
    """
    jobs = checked_jobs(jobs)
    order = sorted(range(len(tasks)), key=lambda k: -cost(tasks[k]))
    crew = executors.workers(jobs, tasks=len(tasks))
    if jobs > 1:
        _check_handed(function, jobs)
    results: dict[int, Result] = {}
    with (
        Progress(len(tasks), title, verbosity=verbosity, unit=unit) as progress,
        contextlib.closing(executors.completed(function, [tasks[k] for k in order], crew)) as outcomes,
    ):
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            results[order[outcome.index]] = outcome.value
            progress.cell(label(tasks[order[outcome.index]]))
    return [results[k] for k in range(len(tasks))]


def _check_handed(function: Callable[..., object], jobs: int) -> None:
    """Refuse what cannot be sent to another process, such as a lambda or a function made inside another."""
    try:
        pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise MfsymError(
            f"jobs={jobs} hands your objects to other processes, which takes functions and classes defined at the top "
            f"of a module: {reason}; define them there, or use jobs=1"
        ) from error
