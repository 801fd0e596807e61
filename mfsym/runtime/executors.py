"""Fault-tolerant execution of tasks: in process, in a local pool or on a cluster, through concurrent.futures.Executor.

``completed`` runs the tasks: it keeps the workers busy, yields results as they finish, restarts the pool when a worker
dies, runs the tasks that were in flight then one at a time to identify the cause, and gives up a task after four tries.
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
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
        *("NPROC", "PJRT_NPROC"),
    ),
    "1",
)
"""Environment of workers: one thread each. JAX, which a fork server has not loaded, reads the last two."""

SHARED = "XLA_PYTHON_CLIENT_PREALLOCATE"
"""Whether JAX takes most of a device's memory at once; workers, which share the device, do so only if it is set."""


@dataclass(frozen=True)
class Outcome:
    """The result of one task: a value, or the exception it raised."""

    index: int
    value: Any = None
    error: BaseException | None = None


class WorkerDied(MfsymError):
    """A task whose worker died on every try."""

    exit_code = 1


@dataclass
class Workers:
    """A source of Executors: ``make`` builds a new one, and ``width`` tasks are kept in flight.

    explain : called after workers have died and the pool is stopped; raises if the cause would affect every task.
    """

    make: Callable[[], Executor]
    width: int
    lost: tuple[type[BaseException], ...] = ()
    stop: Callable[[Executor], None] = field(default=lambda pool: pool.shutdown(wait=False, cancel_futures=True))
    explain: Callable[[], None] = lambda: None


def in_process() -> Workers:
    """One thread of this process, so that the main thread can handle signals while compiled code runs."""
    return Workers(lambda: ThreadPoolExecutor(max_workers=1), width=1)


def _follow_parent() -> None:
    """End this worker when its parent process ends for any reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _start_worker() -> None:
    """Ignore Ctrl-C, which reaches the whole process group: only the parent handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for processes started inside the context."""
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
    """Terminate the workers of this pool without waiting for their tasks."""
    for child in multiprocessing.active_children():
        if child.pid not in before:
            child.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def worker_environment() -> dict[str, str]:
    """The environment of worker processes: one thread, no memory of a device ahead, the place of compiled code."""
    return {**ONE_THREAD, SHARED: os.environ.get(SHARED, "false"), **announced()}


def local_pool(jobs: int) -> Workers:
    """``jobs`` processes of one thread each, forked from a server that has already loaded the package.

    Making the pool raises StoreError if the system lacks the shared memory or temporary space that processes need.
    """
    from multiprocessing import forkserver

    context = WatchedContext()
    before = {child.pid for child in multiprocessing.active_children() if child.pid is not None}

    def make() -> Executor:
        context.set_forkserver_preload(PRELOAD)
        try:
            with _environment(worker_environment()):
                forkserver.ensure_running()
            return ProcessPoolExecutor(max_workers=jobs, mp_context=context, initializer=_start_worker)
        except OSError as error:
            reason = " ".join(str(error.strerror or error).split())
            raise StoreError(
                f"worker processes cannot be started ({reason}): they need shared memory and a writable temporary "
                "folder with a short path; set TMPDIR, or use one job"
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
        raise StoreError(f"{address}: no scheduler responds: {' '.join(str(error).split())[:120]}") from error
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
    return Workers(lambda: MPIPoolExecutor(max_workers=jobs, env=worker_environment()), width=2 * jobs)


def workers(jobs: int = 1, scheduler: str | None = None, *, tasks: int | None = None) -> Workers:
    """The requested workers: on a scheduler's address, by ``mpi``, in ``jobs`` local processes, or in this process.

    jobs : at least 1; one job runs in this process.
    tasks : the number of tasks, if known, which limits the number of workers.
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


class _Queue:
    """The tasks waiting and in flight, and for each the number of worker deaths while it was in flight."""

    def __init__(self, count: int) -> None:
        self.waiting = deque(range(count))
        self.suspects: deque[int] = deque()
        self.deaths = dict.fromkeys(range(count), 0)
        self.in_flight: dict[Future[Any], int] = {}

    def next_task(self, width: int) -> int | None:
        """The next task to submit: suspects alone, one at a time; other tasks up to ``width`` in flight."""
        if self.suspects:
            return None if self.in_flight else self.suspects.popleft()
        return self.waiting.popleft() if self.waiting and len(self.in_flight) < width else None

    def give_up(self, lost: Sequence[int]) -> Iterator[Outcome]:
        """Count a death for the tasks that were in flight when a worker died; give up those without tries left."""
        for index in sorted(lost):
            self.deaths[index] += 1
            if self.deaths[index] >= TRIES:
                message = f"its worker died {TRIES} times: out of memory, killed, or a crash in compiled code"
                yield Outcome(index, error=WorkerDied(message))
            else:
                self.suspects.append(index)


def completed(function: Callable[[Any], Any], tasks: Sequence[Any], workers: Workers) -> Generator[Outcome, None, None]:
    """Yield an Outcome for every task as it finishes; tasks start in the order given.

    An exception in a task becomes its Outcome. The death of its worker costs a task one try. Closing the generator ends
    the workers. Raises StoreError if the executor is lost, for example if a scheduler shuts down.
    """
    state = _Queue(len(tasks))
    pool = workers.make()
    try:
        while state.waiting or state.suspects or state.in_flight:
            broken = _submit(function, tasks, state, pool, workers.width)
            lost: list[int] = []
            for future in wait(state.in_flight, return_when=FIRST_COMPLETED).done:
                index = state.in_flight.pop(future)
                outcome = _outcome(future, index, workers)
                if outcome is None:
                    lost.append(index)
                else:
                    yield outcome
            if lost or broken:
                lost += state.in_flight.values()
                state.in_flight.clear()
                workers.stop(pool)
                workers.explain()
                pool = workers.make()
                yield from state.give_up(lost)
    finally:
        workers.stop(pool)


def _submit(function: Callable[[Any], Any], tasks: Sequence[Any], state: _Queue, pool: Executor, width: int) -> bool:
    """Submit tasks until ``width`` are in flight; returns whether the pool is broken."""
    while (index := state.next_task(width)) is not None:
        try:
            state.in_flight[pool.submit(function, tasks[index])] = index
        except BrokenExecutor:
            state.suspects.appendleft(index)
            return True
    return False


def _outcome(future: Future[Any], index: int, workers: Workers) -> Outcome | None:
    """The Outcome of a finished future; None if its worker died."""
    error = CancelledError() if future.cancelled() else future.exception()
    if isinstance(error, CancelledError):
        raise StoreError("the scheduler was lost; finished cells are kept: run the same command again")
    if isinstance(error, BrokenExecutor):
        return None
    if isinstance(error, workers.lost):
        return Outcome(index, error=WorkerDied(f"its worker died: {error}"))
    if error is not None:
        return Outcome(index, error=error)
    return Outcome(index, value=future.result())
