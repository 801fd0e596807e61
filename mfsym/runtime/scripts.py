"""Scripts that ask for worker processes: workers load them again, which only a guarded script allows.

A worker of a fork server imports the main module of the process that asked for it, for what that module defines. A
script without ``if __name__ == "__main__":`` then comes to the call that asked for the worker, in the worker.
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
"""What a script has to do."""

WORKER = "mfsym-worker"
"""First part of the names of worker processes."""

UNGUARDED, UNLOADABLE = 113, 1
"""Exit codes of a worker that meets the call that asked for it, and of one that cannot load what it needs."""


def checked_jobs(jobs: Any) -> int:
    """The number of worker processes as an int >= 1, in a process that can have as many.

    A worker of ours that comes here while it loads the script ends at once and in silence: the process that asked for
    it says why (``WatchedContext.explain``). Raises MfsymError where there is no script that workers could load.
    """
    count = as_whole(jobs, "jobs", 1)
    if count == 1:
        return count
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        if process.name.startswith(WORKER):
            os._exit(UNGUARDED)
        raise MfsymError(f"jobs={count} was asked for by a process that still loads its script; {GUARD}")
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and path is not None and not os.path.exists(path):
        raise MfsymError(
            f"jobs={count} needs a script that workers can load, and {path} is no file; save it as one, {GUARD}"
        )
    return count


class WatchedContext(multiprocessing.context.ForkServerContext):
    """The context of a fork server that names the processes it starts, and keeps them to see how they ended."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Any] = []

    def Process(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """A process that is not started yet."""
        process = super().Process(*args, **options)
        process.name = f"{WORKER}-{len(self.started) + 1}"
        self.started.append(process)
        return process

    def explain(self) -> None:
        """Raise MfsymError if a process could not load the script; to be called when all have ended."""
        codes = {process.exitcode for process in self.started}
        if UNGUARDED in codes:
            raise MfsymError(f"the script runs again in each of its workers; {GUARD}")
        if UNLOADABLE in codes:
            raise MfsymError(f"workers could not load the script, or what it hands them (see above); {GUARD}")
