"""Checks for scripts that start worker processes: workers import the script again, so it needs a __main__ guard.

A worker of a fork server imports the main module of its parent process, for the definitions in it. Without ``if
__name__ == "__main__":`` the worker then reaches the call that started it.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import os
import sys
from typing import Any

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError

GUARD = 'put its calls under `if __name__ == "__main__":`, or use jobs=1'
"""Advice for a script without a guard."""

WORKER = "mfsym-worker"
"""Prefix of the names of worker processes."""

UNGUARDED, UNLOADABLE = 113, 1
"""Exit codes of a worker that reaches the call that started it, and of one that cannot load what it needs."""


def checked_jobs(jobs: Any) -> int:
    """The number of worker processes as an int >= 1, checked for this process.

    A worker that gets here while loading the script exits at once without a message: its parent process reports the
    cause (``WatchedContext.explain``). Raises MfsymError if there is no script that workers could load.
    """
    count = as_whole(jobs, "jobs", 1)
    if count == 1:
        return count
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        if process.name.startswith(WORKER):
            os._exit(UNGUARDED)
        raise MfsymError(f"jobs={count} cannot be used while the script is still loading; {GUARD}")
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and path is not None and not os.path.exists(path):
        raise MfsymError(
            f"jobs={count} needs a script that workers can load, and {path} is not a file; save the script and {GUARD}"
        )
    return count


class WatchedContext(multiprocessing.context.ForkServerContext):
    """A fork server context that names the processes it starts and keeps them, to inspect their exit codes."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Any] = []

    def Process(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """A new process, not yet started."""
        process = super().Process(*args, **options)
        process.name = f"{WORKER}-{len(self.started) + 1}"
        self.started.append(process)
        return process

    def explain(self) -> None:
        """Raise MfsymError if a process could not load the script; call it after all have ended."""
        codes = {process.exitcode for process in self.started}
        if UNGUARDED in codes:
            raise MfsymError(f"each worker runs the script again; {GUARD}")
        if UNLOADABLE in codes:
            raise MfsymError(f"workers could not load the script or its objects (see above); {GUARD}")
