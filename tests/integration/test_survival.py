"""A sweep survives kills, refused writes, full disks, flipped bits and cut files, and says so."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

import mfsym.experiments
import mfsym.stores.publishing as publishing
from mfsym.errors import StoreError
from mfsym.stores import content_digest, folder_of, load, open_result
from mfsym.streams import bits, stream_key
from mfsym.sweeps import sweep, verify
from tests.conftest import SMALL_SWEEP
from tests.integration.faults import SWEEP, FaultyOS, cheap_cell, torn_files
from tests.integration.test_command_line import group_members, run, start, wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mfsym.experiments, "run_cell", cheap_cell)


def _enumerate(folder: Path, stride: int) -> dict[str, object]:
    command = [sys.executable, "-m", "tests.integration.faults", str(folder), str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_kill_at_a_write_point_tears_nothing_and_costs_only_cells_in_flight(tmp_path: Path) -> None:
    found = _enumerate(tmp_path, 5)
    assert (found["torn"], found["wrong"]) == ([], 0)
    assert int(str(found["points"])) >= 9


@pytest.mark.torture
def test_a_kill_at_every_write_point_tears_nothing(tmp_path: Path) -> None:
    found = _enumerate(tmp_path, 1)
    assert (found["torn"], found["wrong"]) == ([], 0)
    assert int(str(found["points"])) >= 45


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOSPC], ids=errno.errorcode.get)
def test_every_refused_write_is_exit_3_and_the_next_run_completes(
    cheap: None, mfsym: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    sim = tmp_path / "sim.toml"
    sim.write_text("[sweep]\nn = [3, 5]\nreplicates = 1\nscheme = ['fa']\n")
    straight = content_digest(sweep({"n": [3, 5], "scheme": ["fa"]}, tmp_path / "straight.nc"))
    refused = 0
    for at in range(code % 3, 1000, 5):
        out = tmp_path / f"{at}.nc"
        faulty = FaultyOS(at, "refuse", code)
        monkeypatch.setattr(publishing, "os", faulty)
        result = mfsym("sweep", sim, "-o", out, "-q")
        monkeypatch.setattr(publishing, "os", os)
        if faulty.calls <= at:
            break
        refused += 1
        assert result.exit_code == 3, (at, result.output)
        assert os.strerror(code) in result.stderr
        assert str(tmp_path) in result.stderr
        assert result.stderr.count("\n") == 1
        assert torn_files(out) == []
        assert mfsym("sweep", sim, "-o", out, "-q").exit_code == 0
        assert content_digest(open_result(out)) == straight
    assert refused >= 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 700 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_exit_3_and_the_next_run_completes(
    cheap: None, mfsym: Callable[..., Result], small_disk: Path, tmp_path: Path
) -> None:
    sim = tmp_path / "sim.toml"
    sim.write_text("[sweep]\nn = [500]\nreplicates = 12\nscheme = ['fa', 'ea']\n")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 560_000)
    out = small_disk / "a.nc"
    result = mfsym("sweep", sim, "-o", out, "-q", "--allow-large")
    assert result.exit_code == 3
    assert "No space left" in result.stderr
    assert str(small_disk) in result.stderr
    assert torn_files(out) == []
    assert not out.exists()
    kept = {path.name for path in folder_of(out).cells.glob("*.npz")}
    assert kept
    ballast.unlink()
    result = mfsym("sweep", sim, "-o", out)
    assert result.stdout.startswith(f"{12 - len(kept)} cell(s) run, {len(kept)} kept from before\n")
    assert verify(out).bad == []


def _damage(data: bytes, word: int, cut: bool) -> bytes:
    """One flipped bit, or the file cut short."""
    if cut:
        return data[: word % len(data)]
    damaged = bytearray(data)
    damaged[word // 8 % len(data)] ^= 1 << (word % 8)
    return bytes(damaged)


def test_no_flipped_bit_or_cut_is_read_silently_and_only_the_damaged_is_redone(cheap: None, tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    digest = content_digest(sweep(SWEEP, out))
    files = [out, *sorted(folder_of(out).cells.glob("*.npz"))]
    words = bits(stream_key(4, "bootstrap"), 0, 300, 1).ravel()
    for k, word in enumerate(words):
        path = files[k % len(files)]
        good = path.read_bytes()
        path.write_bytes(_damage(good, int(word), cut=k >= 200))
        with pytest.raises(StoreError):
            open_result(path) if path == out else load(path)
        if k % 25 == 0:
            assert str(path) in {entry["file"] for entry in verify(out).bad}
            others = {file: file.stat().st_mtime_ns for file in files[1:] if file != path}
            assert content_digest(sweep(SWEEP, out)) == digest
            assert others == {file: file.stat().st_mtime_ns for file in others}
            assert verify(out).bad == []
        else:
            path.write_bytes(good)


@pytest.mark.torture
def test_kills_of_the_process_group_at_random_moments_tear_nothing(tmp_path: Path) -> None:
    sim = tmp_path / "sim.toml"
    sim.write_text(SMALL_SWEEP.replace("replicates = 2", "replicates = 60"))
    straight, out = tmp_path / "straight.nc", tmp_path / "a.nc"
    assert run("sweep", sim, "-o", straight, "-j", 2).returncode == 0
    moments = bits(stream_key(5, "bootstrap"), 0, 24, 1).ravel() / 2.0**32
    kills = 0
    for moment in moments:
        process = start("sweep", sim, "-o", out, "-j", 2)
        try:
            process.wait(timeout=0.5 + 5.0 * float(moment))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        wait_for(lambda group=process.pid: not group_members(group), 10.0)
        assert torn_files(out) == []
        if out.exists():
            shutil.rmtree(folder_of(out).root)
            out.unlink()
    assert kills >= 20
    assert run("sweep", sim, "-o", out, "-j", 2).returncode == 0
    assert content_digest(open_result(out)) == content_digest(open_result(straight))


def test_a_killed_parent_leaves_no_workers(small_sweep: Path, tmp_path: Path) -> None:
    process = start("sweep", small_sweep, "-o", tmp_path / "a.nc", "-j", 2, "--set", "n=4,3000")
    wait_for(lambda: len(group_members(process.pid)) >= 4)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not group_members(process.pid), 30.0)


@pytest.mark.torture
def test_ten_thousand_cells_need_no_more_memory_or_files_than_one_thousand(
    cheap: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples: list[tuple[int, int]] = []

    def sampled(cell: object) -> object:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        samples.append((pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))))
        return cheap_cell(cell)  # type: ignore[arg-type]

    monkeypatch.setattr(mfsym.experiments, "run_cell", sampled)
    started = time.monotonic()
    sweep({"n": [2], "scheme": ["fa"], "replicates": 10_000}, tmp_path / "a.nc")
    per_cell = (time.monotonic() - started) / 10_000
    early, late = samples[1000], samples[9999]
    assert late[0] < early[0] * 1.1 + 5_000_000
    assert late[1] <= early[1] + 2
    assert per_cell < 0.020
