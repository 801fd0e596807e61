"""The console script in a process of its own: start-up, signals, determinism across jobs, no orphans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mfsym.stores import folder_of

MFSYM = [sys.executable, "-m", "mfsym"]
HEAVY = ("numba", "ot", "xarray", "matplotlib", "scipy", "h5py", "numpy")


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run mfsym to its end."""
    command = [*MFSYM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)  # type: ignore[call-overload]


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start mfsym in a process group of its own, with Ctrl-C heard even where the tests run in the background."""
    return subprocess.Popen(
        [*MFSYM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def group_members(group: int) -> list[int]:
    """Processes of a group that still run."""
    alive = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                alive.append(int(entry.name))
    return alive


def wait_for(condition: object, seconds: float = 120.0) -> None:
    """Wait until a condition holds; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mfsym.cli import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_help_starts_in_a_third_of_a_second() -> None:
    best = min(_timed("--help") for _ in range(5))
    assert best < 0.3


def _timed(*arguments: str) -> float:
    started = time.monotonic()
    assert run(*arguments).returncode == 0
    return time.monotonic() - started


def test_results_go_to_stdout_and_progress_to_stderr() -> None:
    done = run("compare", "-n", 8, "--horizon", 0.5, "--alpha", 5, "--schemes", "vanilla,ea", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["schemes"]) == 2
    assert "1/1 cells" in done.stderr
    assert "\x1b" not in done.stderr


def test_an_error_is_one_line_without_traceback() -> None:
    done = run("compare", "--alpha", "nan")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_one_job_two_jobs_and_shards_give_one_digest(small_sweep: Path, tmp_path: Path) -> None:
    digests = set()
    for name, arguments in {"one": ["-j", 1], "two": ["-j", 2]}.items():
        out = tmp_path / f"{name}.nc"
        done = run("sweep", small_sweep, "-o", out, *arguments)
        assert done.returncode == 0, done.stderr
        digests.add(json.loads(run("verify", out, "--format", "json").stdout)["digest"])
    out = tmp_path / "shards.nc"
    shards = [start("sweep", small_sweep, "-o", out, "--shard", f"{i}/4", "-q") for i in (1, 2, 3, 4)]
    assert [shard.wait(timeout=300) for shard in shards] == [0] * 4
    for shard in shards:
        shard.communicate()
    assert run("collect", out).returncode == 0
    digests.add(json.loads(run("verify", out, "--format", "json").stdout)["digest"])
    assert len(digests) == 1


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_sweep_in_five_seconds_without_orphans(
    small_sweep: Path, tmp_path: Path, jobs: int, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "a.nc"
    process = start("sweep", small_sweep, "-o", out, "-j", jobs, "--set", "n=4,3000", "--set", "horizon=20")
    cells = folder_of(out).cells
    wait_for(lambda: cells.exists() and (jobs == 2 or process.poll() is None))
    time.sleep(3.0)
    assert process.poll() is None
    started = time.monotonic()
    os.kill(process.pid, number) if jobs == 1 or number == signal.SIGTERM else os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - started < 5.0
    assert process.returncode == code
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: ")
    wait_for(lambda: not group_members(process.pid), 5.0)
    assert not out.exists()
    assert not [path for path in cells.iterdir() if path.suffix != ".npz"]


@pytest.mark.parametrize(
    ("replicates", "kills"), [(2, 2), pytest.param(10, 3, marks=pytest.mark.torture)], ids=["8 cells", "40 cells"]
)
def test_killed_workers_cost_nothing_but_time(replicates: int, kills: int, small_sweep: Path, tmp_path: Path) -> None:
    longer = ["--set", "n=4,200", "--set", "horizon=20", "--replicates", replicates]
    out = tmp_path / "a.nc"
    process = start("sweep", small_sweep, "-o", out, "-j", 2, *longer)
    killed = 0
    while process.poll() is None and killed < kills:
        workers = [pid for pid in group_members(process.pid) if _is_worker(pid)]
        if workers:
            os.kill(workers[-1], signal.SIGKILL)
            killed += 1
        time.sleep(0.3)
    assert process.wait(timeout=300) == 0, process.communicate()[1]
    process.communicate()
    assert killed == kills
    straight = tmp_path / "b.nc"
    assert run("sweep", small_sweep, "-o", straight, *longer).returncode == 0
    assert len(list(folder_of(out).cells.glob("*.npz"))) == 4 * replicates
    digests = {json.loads(run("verify", path, "--format", "json").stdout)["digest"] for path in (out, straight)}
    assert len(digests) == 1


def _is_worker(pid: int) -> bool:
    """Whether a process was forked by the fork server: its parent runs the server's command line too."""
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        command, above = (Path(f"/proc/{each}/cmdline").read_bytes() for each in (pid, parent))
    except OSError:
        return False
    return b"forkserver" in command and b"forkserver" in above
