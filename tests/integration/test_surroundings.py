"""The command where standard streams, a home, room on disk or other users' restraint are missing."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from mfsym.configurations import preflight
from mfsym.runtime import executors
from mfsym.stores import content_digest, open_result
from mfsym.sweeps import runs, sweep, verify
from tests.sizes import compiled

ROOT = Path(__file__).parents[2]
MFSYM = f"{sys.executable} -m mfsym"
COMPARE = "compare -n 5 --horizon 0.5 --alpha 5 --schemes vanilla"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, with ``mfsym`` in it, run in a folder."""
    command = ["bash", "-o", "pipefail", "-c", line.replace("mfsym ", f"{MFSYM} ")]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env, timeout=300)


@pytest.fixture
def two_cells(tmp_path: Path) -> Path:
    """A sweep file of two tiny cells, ``two.toml``."""
    text = '[sweep]\nscheme = ["vanilla"]\nn = [4, 5]\n[training]\nhorizon = 0.5\nalpha = 5.0\n'
    (tmp_path / "two.toml").write_text(text)
    return tmp_path


def test_without_standard_error_results_are_as_with_quiet(tmp_path: Path) -> None:
    done = shell(f"mfsym {COMPARE} -o a.nc 2>&-", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "vanilla" in done.stdout
    assert (tmp_path / "a.nc").exists()


@pytest.mark.parametrize(("closed", "output"), [(">&-", ""), ("<&-", "uv"), ("<&- >&- 2>&-", "")])
def test_a_standard_stream_that_is_closed_is_not_missed(tmp_path: Path, closed: str, output: str) -> None:
    done = shell(f"mfsym list units {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == bool(output)
    assert output in done.stdout


def test_workers_start_without_standard_streams_and_files_keep_clear_of_their_numbers(two_cells: Path) -> None:
    assert shell("mfsym sweep two.toml -o none.nc -j 2 <&- >&- 2>&-", two_cells).returncode == 0
    found = content_digest(open_result(two_cells / "none.nc"))
    assert found == content_digest(sweep(two_cells / "two.toml", two_cells / "plain.nc"))


def test_a_refusal_keeps_its_exit_code_where_nobody_hears_it(tmp_path: Path) -> None:
    done = shell("mfsym compare --alpha nan 2>&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_working_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = shell("cd gone && rmdir ../gone && mfsym info", tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: the working directory is gone; change to one that exists\n")


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "--version",
        "sweep --help",
        "info",
        "list groups",
        "list problems --format json",
        "config show",
        f"check {ROOT / 'sims' / 'problems' / 'c4-corners.toml'}",
        f"{COMPARE} -q",
        "distance cloud.csv cloud.csv",
    ],
)
def test_a_reader_of_results_that_is_gone_is_no_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "cloud.csv").write_text("1,2\n3,4\n")
    done = shell(f"mfsym {line} | true", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_of_progress_that_is_gone_does_not_end_a_sweep(two_cells: Path) -> None:
    done = shell("mfsym sweep two.toml --set replicates=20 -v -o a.nc 2>&1 | head -1", two_cells)
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    found = verify(two_cells / "a.nc")
    assert (found.cells, found.bad) == (40, [])


def test_a_reader_that_is_gone_takes_no_failure_with_it(two_cells: Path) -> None:
    """Cells that diverge are exit code 1, whether or not anybody reads the summary."""
    done = shell("mfsym sweep two.toml --set alpha=1e30 -q -o a.nc | true; exit ${PIPESTATUS[0]}", two_cells)
    assert done.returncode == 1
    assert "2 diverged" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("line", ["--help", "info", "config show"])
def test_results_that_cannot_be_written_are_one_line_and_exit_3(tmp_path: Path, line: str) -> None:
    done = shell(f"mfsym {line} > /dev/full", tmp_path)
    assert done.returncode == 3
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"
    assert shell(f"mfsym {line} 2> /dev/full", tmp_path).returncode == 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of workers that sweeps start; what they ask of them is done in this process. 500 MB are free."""
    numbers: list[int] = []

    def pool(jobs: int) -> executors.Workers:
        numbers.append(jobs)
        return executors.in_process()

    monkeypatch.setattr(runs.executors, "local_pool", pool)
    monkeypatch.setattr(preflight, "available_memory", lambda: 500_000_000)
    return numbers


def test_no_more_workers_are_judged_or_started_than_there_are_cells_to_run(
    mfsym: Callable[..., Result], two_cells: Path, started: list[int]
) -> None:
    """500 MB are enough for two workers and not for three."""
    sim, out = two_cells / "two.toml", two_cells / "a.nc"
    many = functools.partial(mfsym, "sweep", sim, "-q", "-j", 1000)
    assert many("-o", out).exit_code == 0
    assert started == [2]
    refused = many("-o", out, "--set", "replicates=3")
    assert refused.exit_code == 2
    assert "of memory free for 4 worker(s)" in refused.stderr
    assert mfsym("sweep", sim, "-q", "-o", out, "--set", "replicates=2").exit_code == 0
    assert many("-o", out, "--set", "replicates=3").exit_code == 0
    assert many("-o", out, "--set", "replicates=3", "--overwrite").exit_code == 2
    assert many("-o", two_cells / "b.nc", "--set", "replicates=3", "--shard", "1/3").exit_code == 0
    assert started == [2, 2, 2]


def test_compare_judges_the_workers_that_replicates_need(mfsym: Callable[..., Result], started: list[int]) -> None:
    assert mfsym(*COMPARE.split(), "-q", "-j", 1000, "--replicates", 2).exit_code == 0
    assert started == [2]
    assert mfsym(*COMPARE.split(), "-q", "-j", 1000, "--replicates", 3).exit_code == 2


KERNEL = """
import numpy as np
from mfsym.kernels.units import pack
pack(np.ones((3, 2)), 3, 2, 16, np.empty(32))
print(sum(pack.stats.cache_hits.values()))
"""

READ_ONLY = """
mount --make-rprivate /
for place in $(awk '{print $2}' /proc/mounts | sort -r); do mount -o remount,bind,ro "$place" 2>/dev/null; done
if touch / 2>/dev/null; then exit 99; fi
exec "$@"
"""


def read_only(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command where no file system can be written; skips where that needs rights that are not there."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare to make file systems read-only")
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    line = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", *command]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder, env=env, timeout=300)
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip("needs the right to make file systems read-only")
    return done


@compiled
def test_on_read_only_file_systems_code_is_compiled_without_a_cache_and_one_warning(tmp_path: Path) -> None:
    elsewhere = {"XDG_CACHE_HOME": str(tmp_path / "none"), "MFSYM_CACHE_DIR": "", "HOME": "/nonexistent"}
    python = functools.partial(read_only, sys.executable, folder=tmp_path, **elsewhere)
    done = python("-m", "mfsym", "info")
    assert (done.returncode, done.stderr) == (0, "")
    assert "none: compiled anew in every process" in done.stdout
    done = python("-c", KERNEL)
    assert (done.returncode, done.stdout) == (0, "0\n")
    assert done.stderr.count("compiled code cannot be saved") == 1
    done = python("-m", "mfsym", "compare", "-n", "5", "--replicates", "2", "-j", "2", "-q")
    assert done.returncode == 3
    warning, error = done.stderr.splitlines()
    assert warning.startswith("warning: compiled code cannot be saved")
    assert error.startswith("error: worker processes cannot be started (")
    done = python("-m", "mfsym", "warmup")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    done = python("-c", "import mfsym.plotting")
    assert "StoreError: drawing needs a folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


@compiled
def test_a_cache_on_a_read_only_file_system_is_read(tmp_path: Path) -> None:
    place = {"MFSYM_CACHE_DIR": str(tmp_path / "cache")}
    env = {**os.environ, "PYTHONPATH": str(ROOT), **place}
    subprocess.run([sys.executable, "-c", KERNEL], check=True, capture_output=True, env=env)
    done = read_only(sys.executable, "-c", KERNEL, folder=tmp_path, **place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A temporary folder as all users share it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


USER = """
import os, sys
import numba, numpy as np
from pathlib import Path
from mfsym import accelerate
from mfsym.accelerate.caching import sources_digest
from mfsym.runtime import caches

def total(a):
    found = 0.0
    for value in a:
        found += value
    return found

caches.TEMPORARY = ()
sources_digest(Path(__file__))
numba.njit(lambda a: a + 1)(np.ones(2))
user = int(sys.argv[1])
os.setgroups([])
os.setgid(user)
os.setuid(user)
kernel = accelerate.exact(total)
assert kernel(np.ones(4)) == 4.0
print(sum(kernel.stats.cache_hits.values()), caches.places().kept)
"""
"""A kernel for another user: what root alone may read is loaded before."""


@compiled
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_two_users_without_a_home_share_a_temporary_folder_and_no_code(shared: Path) -> None:
    program = shared / "user.py"
    program.write_text(USER)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "TMPDIR": str(shared)}

    def kernel(user: int, warning: str = "") -> str:
        line = [sys.executable, str(program), str(user)]
        done = subprocess.run(line, capture_output=True, text=True, env=env, cwd="/", check=False)
        assert (done.returncode, bool(done.stderr)) == (0, bool(warning)), done.stderr
        assert warning in done.stderr
        return done.stdout.strip()

    for user, hits in ((54321, "01"), (54322, "0")):
        kept = shared / f"mfsym-cache-{user}" / "kernels"
        assert [kernel(user) for _ in hits] == [f"{hit} {kept}" for hit in hits]
        assert (kept.parent.stat().st_uid, kept.parent.stat().st_mode & 0o777) == (user, 0o700)
    (shared / "mfsym-cache-54323").mkdir()
    assert kernel(54323, f"{shared / 'mfsym-cache-54323'} belongs to another user (0)") == "0 None"
