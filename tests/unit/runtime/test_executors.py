"""Workers may die; tasks do not get lost, and the culprit is named."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from mfsym.errors import MfsymError, StoreError
from mfsym.runtime import executors
from mfsym.runtime.executors import TRIES, Outcome, WorkerDied, Workers, completed, in_process, local_pool, workers


def _square(x: int) -> int:
    return x * x


def _fail_on_three(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    return x


def _die_on(task: tuple[int, int]) -> int:
    x, poison = task
    if x == poison:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def _die_first(task: tuple[int, str]) -> int:
    x, folder = task
    mark = Path(folder) / str(x)
    if x % 5 == 0 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def _variables(_: int) -> str:
    return os.environ.get("OMP_NUM_THREADS", "")


def _by_index(outcomes: list[Outcome]) -> dict[int, Outcome]:
    assert len({outcome.index for outcome in outcomes}) == len(outcomes)
    return {outcome.index: outcome for outcome in outcomes}


@pytest.mark.parametrize("crew", [in_process, lambda: local_pool(2)], ids=["in process", "pool"])
def test_every_task_has_one_outcome_and_an_exception_is_one(crew: object) -> None:
    found = _by_index(list(completed(_fail_on_three, range(6), crew())))  # type: ignore[operator]
    assert {index for index, outcome in found.items() if outcome.error is None} == {0, 1, 2, 4, 5}
    assert isinstance(found[3].error, ValueError)


def test_tasks_start_in_the_order_given() -> None:
    assert [outcome.index for outcome in completed(_square, range(5), in_process())] == list(range(5))


def test_killed_workers_lose_no_task(tmp_path: Path) -> None:
    tasks = [(x, str(tmp_path)) for x in range(12)]
    found = _by_index(list(completed(_die_first, tasks, local_pool(2))))
    assert {index: outcome.value for index, outcome in found.items()} == {x: x for x in range(12)}


def test_a_poison_task_is_named_after_its_tries_and_the_others_are_done() -> None:
    found = _by_index(list(completed(_die_on, [(x, 2) for x in range(6)], local_pool(2))))
    assert isinstance(found[2].error, WorkerDied)
    assert str(TRIES) in str(found[2].error)
    assert {index for index, outcome in found.items() if outcome.error is None} == {0, 1, 3, 4, 5}


def test_workers_have_one_thread_and_leave_the_environment_as_it_was() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    assert [outcome.value for outcome in completed(_variables, [0], local_pool(2))] == ["1"]
    assert os.environ.get("OMP_NUM_THREADS") == before


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def test_closing_ends_the_workers_at_once() -> None:
    started = time.monotonic()
    outcomes = completed(_sleep, [0.0, 60.0, 60.0], local_pool(2))
    assert next(outcomes).index == 0
    outcomes.close()
    assert time.monotonic() - started < 30


class _Broken(Executor):
    """An executor whose first submission says that it is broken."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.alive = type(self).made > 1

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        if not self.alive:
            raise BrokenProcessPool
        future: Future[object] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_a_pool_that_refuses_tasks_is_made_again() -> None:
    assert [outcome.value for outcome in completed(_square, [3], Workers(_Broken, 1))] == [9]
    assert _Broken.made == 2


class _Gone(Executor):
    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_a_lost_scheduler_is_a_store_error_that_says_to_resume() -> None:
    with pytest.raises(StoreError, match="run the same command again"):
        list(completed(_square, [3], Workers(_Gone, 1)))


def test_a_worker_that_the_cluster_gave_up_on_is_a_failed_task() -> None:
    class Killed(Exception):
        pass

    def dies(_: int) -> None:
        raise Killed("worker-1")

    crew = Workers(in_process().make, 1, lost=(Killed,))
    (outcome,) = completed(dies, [0], crew)
    assert isinstance(outcome.error, WorkerDied)


def test_the_scheduler_must_be_an_address_or_mpi() -> None:
    with pytest.raises(MfsymError, match="tcp://host:port"):
        workers(1, "localhost")


@pytest.mark.parametrize(("scheduler", "module"), [("tcp://127.0.0.1:9", "distributed"), ("mpi", "mpi4py.futures")])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, scheduler: str, module: str) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MfsymError, match="install the extra"):
        workers(2, scheduler)


def test_one_job_stays_in_this_process() -> None:
    assert [outcome.value for outcome in completed(lambda _: os.getpid(), [0], workers(1))] == [os.getpid()]
    assert executors.workers(3).width == 6


def test_no_more_workers_start_than_there_are_tasks() -> None:
    assert workers(1000, tasks=3).width == 2 * 3
    assert workers(1000, tasks=1).width == 1
    for jobs in (0, -1, 1.5, "2"):
        with pytest.raises(MfsymError, match="jobs must be a whole number"):
            workers(jobs, tasks=3)  # type: ignore[arg-type]


def test_where_processes_cannot_talk_workers_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("multiprocessing.forkserver.ensure_running", no_room)
    with pytest.raises(StoreError, match=r"cannot be started \(No usable temporary directory found\): .* use one job"):
        local_pool(2).make()
