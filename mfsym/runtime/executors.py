"""Tasks on workers that may die: in process, a local pool, or a cluster, all behind concurrent.futures.Executor.

``completed`` is the one loop: it keeps the workers busy, yields results as they come, makes the pool again when a
worker dies, runs the suspects alone so that the culprit is known, and gives a task up after four tries.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError, StoreError
from mfsym.runtime.caches import announced
from mfsym.runtime.scripts import WatchedContext

TRIES = 4
PRELOAD = ["mfsym.experiments"]
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one task: a value, or the error that ended it."""

    index: int
    value: Any = None
    error: BaseException | None = None


class WorkerDied(MfsymError):
    """A task whose worker died every time it was tried."""

    exit_code = 1


@dataclass
class Workers:
    """A way to get an Executor: ``make`` builds a fresh one, ``width`` tasks are kept in flight.

    explain : called when workers have died and the pool is stopped; raises where it knows a reason that concerns all.
    """

    make: Callable[[], Executor]
    width: int
    lost: tuple[type[BaseException], ...] = ()
    stop: Callable[[Executor], None] = field(default=lambda pool: pool.shutdown(wait=False, cancel_futures=True))
    explain: Callable[[], None] = lambda: None


def in_process() -> Workers:
    """One thread of this process, so that the main thread still answers signals while compiled code runs."""
    return Workers(lambda: ThreadPoolExecutor(max_workers=1), width=1)


def _follow_parent() -> None:
    """End this worker when the process that asked for it is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _start_worker() -> None:
    """Ctrl-C reaches the whole process group: only the parent answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """These environment variables for the processes started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _kill_pool(pool: Executor, before: set[int]) -> None:
    """End the workers that this pool started, without waiting for what they compute."""
    for child in multiprocessing.active_children():
        if child.pid not in before:
            child.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def local_pool(jobs: int) -> Workers:
    """``jobs`` processes of one thread each, forked from a server that has the package loaded already.

    Making the pool raises StoreError where the system has no room for what processes talk through.
    """
    from multiprocessing import forkserver

    context = WatchedContext()
    before = {child.pid for child in multiprocessing.active_children() if child.pid is not None}

    def make() -> Executor:
        context.set_forkserver_preload(PRELOAD)
        try:
            with _environment({**ONE_THREAD, **announced()}):
                forkserver.ensure_running()
            return ProcessPoolExecutor(max_workers=jobs, mp_context=context, initializer=_start_worker)
        except OSError as error:
            reason = " ".join(str(error.strerror or error).split())
            raise StoreError(
                f"worker processes cannot be started ({reason}): they need shared memory and a temporary folder "
                "that can be written and has a short path; set TMPDIR, or use one job"
            ) from error

    return Workers(make, width=2 * jobs, stop=lambda pool: _kill_pool(pool, before), explain=context.explain)


def dask_cluster(address: str) -> Workers:
    """The workers of a running dask scheduler (extra ``dask``); they need the same version of mfsym."""
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise MfsymError("a dask scheduler needs dask: install the extra with pip install 'mfsym[dask]'") from error
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise StoreError(f"{address}: no scheduler answers there: {' '.join(str(error).split())[:120]}") from error
    width = 2 * max(1, sum(client.ncores().values()))

    def stop(pool: Executor) -> None:
        with contextlib.suppress(Exception):
            pool.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(Exception):
            client.close(timeout=2)

    return Workers(lambda: client.get_executor(pure=False, retries=0), width, lost=(KilledWorker,), stop=stop)


def mpi_pool(jobs: int) -> Workers:
    """MPI ranks through mpi4py.futures (extra ``mpi``); start with mpiexec -n K python -m mpi4py.futures -m mfsym."""
    try:
        from mpi4py.futures import MPIPoolExecutor
    except ImportError as error:
        raise MfsymError("the scheduler mpi needs mpi4py: install the extra with pip install 'mfsym[mpi]'") from error
    return Workers(lambda: MPIPoolExecutor(max_workers=jobs, env={**ONE_THREAD, **announced()}), width=2 * jobs)


def workers(jobs: int = 1, scheduler: str | None = None, *, tasks: int | None = None) -> Workers:
    """Workers as asked: a scheduler's address, ``mpi``, ``jobs`` local processes, or this process for one job.

    jobs : at least 1.  tasks : how many there are, None if not known; no more workers are started.
    Raises MfsymError if the scheduler is neither ``mpi`` nor an address, or if its extra is not installed.
    """
    jobs = as_whole(jobs, "jobs", least=1)
    jobs = jobs if tasks is None else min(jobs, tasks)
    if scheduler is None:
        return in_process() if jobs == 1 else local_pool(jobs)
    if scheduler == "mpi":
        return mpi_pool(jobs)
    if "://" not in scheduler:
        raise MfsymError(f"the scheduler must be an address like tcp://host:port, or mpi; got {scheduler[:80]!r}")
    return dask_cluster(scheduler)


class _Round:
    """The tasks not done yet, those in flight and the count of times each was there when a worker died."""

    def __init__(self, count: int) -> None:
        self.waiting = deque(range(count))
        self.suspects: deque[int] = deque()
        self.deaths = dict.fromkeys(range(count), 0)
        self.flying: dict[Future[Any], int] = {}

    def next_task(self, width: int) -> int | None:
        """The next task to submit: suspects one at a time and alone, the others while there is room."""
        if self.suspects:
            return None if self.flying else self.suspects.popleft()
        return self.waiting.popleft() if self.waiting and len(self.flying) < width else None

    def bury(self, lost: Sequence[int]) -> Iterator[Outcome]:
        """Blame the tasks that were in flight when a worker died; give up those out of tries."""
        for index in sorted(lost):
            self.deaths[index] += 1
            if self.deaths[index] >= TRIES:
                message = f"its worker died {TRIES} times: out of memory, killed, or a crash in compiled code"
                yield Outcome(index, error=WorkerDied(message))
            else:
                self.suspects.append(index)


def completed(function: Callable[[Any], Any], tasks: Sequence[Any], crew: Workers) -> Generator[Outcome, None, None]:
    """Yield an Outcome for every task, in the order they end; tasks start in the order given.

    An exception of a task is its Outcome. The death of a worker costs its task a try. Closing the generator ends the
    workers. Raises StoreError when the executor itself is lost (a scheduler that went away).
    """
    state = _Round(len(tasks))
    pool = crew.make()
    try:
        while state.waiting or state.suspects or state.flying:
            broken = _submit(function, tasks, state, pool, crew.width)
            lost: list[int] = []
            for future in wait(state.flying, return_when=FIRST_COMPLETED).done:
                index = state.flying.pop(future)
                outcome = _outcome(future, index, crew)
                if outcome is None:
                    lost.append(index)
                else:
                    yield outcome
            if lost or broken:
                lost += state.flying.values()
                state.flying.clear()
                crew.stop(pool)
                crew.explain()
                pool = crew.make()
                yield from state.bury(lost)
    finally:
        crew.stop(pool)


def _submit(function: Callable[[Any], Any], tasks: Sequence[Any], state: _Round, pool: Executor, width: int) -> bool:
    """Put as many tasks in flight as there is room for; whether the pool turned out to be broken."""
    while (index := state.next_task(width)) is not None:
        try:
            state.flying[pool.submit(function, tasks[index])] = index
        except BrokenExecutor:
            state.suspects.appendleft(index)
            return True
    return False


def _outcome(future: Future[Any], index: int, crew: Workers) -> Outcome | None:
    """The Outcome of a future that ended; None if its worker died."""
    error = CancelledError() if future.cancelled() else future.exception()
    if isinstance(error, CancelledError):
        raise StoreError("the scheduler went away; the cells that are done are kept: run the same command again")
    if isinstance(error, BrokenExecutor):
        return None
    if isinstance(error, crew.lost):
        return Outcome(index, error=WorkerDied(f"its worker died: {error}"))
    if error is not None:
        return Outcome(index, error=error)
    return Outcome(index, value=future.result())
