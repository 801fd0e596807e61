"""Sweeps through a real dask scheduler with two worker processes (needs the extra ``dask``)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfsym.stores import content_digest, folder_of, open_result
from tests.conftest import SMALL_SWEEP
from tests.integration.test_command_line import run, start, wait_for

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'mfsym[dask]'")

pytestmark = [pytest.mark.torture]


class Cluster:
    """A scheduler and two workers as processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        contact = folder / "scheduler.json"
        dask = [sys.executable, "-m", "dask"]
        file = ["--scheduler-file", str(contact)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        self.scheduler = subprocess.Popen(
            [
                *dask,
                "scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--no-dashboard",
                "--scheduler-file",
                str(contact),
            ],
            start_new_session=True,
            **quiet,  # type: ignore[call-overload]
        )
        wait_for(contact.exists)
        worker = [*dask, "worker", *file, "--nthreads", "1", "--nworkers", "2"]
        self.workers = subprocess.Popen([*worker, "--no-dashboard"], start_new_session=True, **quiet)  # type: ignore[call-overload]
        self.address = json.loads(contact.read_text())["address"]

    def worker_pids(self) -> list[int]:
        """The worker processes that the nannies keep."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
                group = int((entry / "stat").read_text().rpartition(")")[2].split()[2]) if command else 0
            except OSError:
                continue
            if group == self.workers.pid and b"spawn_main" in command:
                found.append(int(entry.name))
        return found

    def stop(self) -> None:
        """End everything."""
        for process in (self.workers, self.scheduler):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A running cluster, ended afterwards."""
    made = Cluster(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def forty_cells(tmp_path: Path) -> Path:
    """Forty cells of a tenth of a second."""
    path = tmp_path / "forty.toml"
    path.write_text(SMALL_SWEEP.replace("replicates = 2", "replicates = 10").replace("n = [4, 8]", "n = [100, 200]"))
    return path


def _straight(sim: Path, folder: Path) -> str:
    out = folder / "straight.nc"
    assert run("sweep", sim, "-o", out).returncode == 0
    return content_digest(open_result(out))


def test_two_workers_give_the_digest_of_one_process(cluster: Cluster, small_sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    done = run("sweep", small_sweep, "-o", out, "--scheduler", cluster.address)
    assert done.returncode == 0, done.stderr
    assert content_digest(open_result(out)) == _straight(small_sweep, tmp_path)


def test_killed_workers_lose_no_cell(cluster: Cluster, forty_cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    process = start("sweep", forty_cells, "-o", out, "--scheduler", cluster.address)
    cells = folder_of(out).cells
    for kills in (1, 2, 3):
        wait_for(lambda least=4 * kills: process.poll() is not None or len(list(cells.glob("*.npz"))) >= least, 300.0)
        wait_for(cluster.worker_pids)
        os.kill(cluster.worker_pids()[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert content_digest(open_result(out)) == _straight(forty_cells, tmp_path)


def test_a_killed_scheduler_is_exit_3_and_the_next_run_completes(
    cluster: Cluster, forty_cells: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.nc"
    process = start("sweep", forty_cells, "-o", out, "--scheduler", cluster.address)
    cells = folder_of(out).cells
    wait_for(lambda: process.poll() is not None or len(list(cells.glob("*.npz"))) >= 4, 300.0)
    os.kill(cluster.scheduler.pid, signal.SIGKILL)
    started = time.monotonic()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 3, errors
    assert "scheduler" in errors.splitlines()[-1]
    assert time.monotonic() - started < 90
    assert run("sweep", forty_cells, "-o", out).returncode == 0
    assert content_digest(open_result(out)) == _straight(forty_cells, tmp_path)


def test_no_scheduler_is_exit_3(small_sweep: Path, tmp_path: Path) -> None:
    done = run("sweep", small_sweep, "-o", tmp_path / "a.nc", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 3
    assert "no scheduler responds" in done.stderr.splitlines()[-1]
