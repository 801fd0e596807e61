"""Scripts that ask for workers: with a guard they work, without one they are told so and nothing is recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mfsym.errors import MfsymError
from mfsym.runtime.scripts import WORKER, checked_jobs
from mfsym.stores import folder_of

ROOT = Path(__file__).parents[2]
GUARD = 'if __name__ == "__main__":'

HEAD = "from tests.integration.faults import use_cheap_cells; use_cheap_cells()\nimport mfsym as mf\n"
CALLS = {
    "sweep": HEAD + "mf.sweep({'n': [5, 6], 'scheme': ['fa']}, 'o.nc', jobs=2)\n",
    "compare": "import mfsym as mf\nmf.compare('wi', n=5, horizon=1.0, schemes=('fa',), replicates=2, jobs=2)\n",
    "converge": (
        "import mfsym as mf\nt = mf.reference_teacher('wi')\n"
        "mf.converge(mf.Cell(), mf.Study((4, 8), 2, (0.5,), 16), t, t.unit, jobs=2)\n"
    ),
    "discover": (
        "from mfsym.configurations.discoveries import Case, DiscoveryStudy\n"
        "from mfsym.discovery.frequencies import run_study\n"
        "run_study(DiscoveryStudy([Case('a', 'paper', n=8, horizon=0.5)], 2), jobs=2)\n"
    ),
}

SLOW = ("converge", "discover")
"""Calls that reach their workers by the way of ``compare``."""


def _run(folder: Path, text: str, *, standard_input: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a script from a file, or from standard input."""
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-" if standard_input else "script.py"],
        input=text if standard_input else None,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("call", ["sweep", "compare", *(pytest.param(call, marks=pytest.mark.slow) for call in SLOW)])
def test_a_script_without_a_guard_is_told_so_in_one_line(tmp_path: Path, call: str) -> None:
    done = _run(tmp_path, CALLS[call])
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    last = done.stderr.splitlines()[-1]
    assert last.removeprefix("mfsym.errors.MfsymError: ") == (
        f"each worker runs the script again; put its calls under `{GUARD}`, or use jobs=1"
    )
    assert not list(tmp_path.glob("*.cells/failed/*"))
    assert not (tmp_path / "o.nc").exists()


def test_with_the_guard_the_same_sweep_goes_on(tmp_path: Path) -> None:
    assert _run(tmp_path, CALLS["sweep"]).returncode == 1
    guarded = CALLS["sweep"].replace("mf.sweep", f"{GUARD} mf.sweep")
    done = _run(tmp_path, guarded)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(folder_of(tmp_path / "o.nc").cells.glob("*.npz"))) == 2


def test_a_script_from_standard_input_is_told_so_before_anything_starts(tmp_path: Path) -> None:
    for text in (CALLS["sweep"], CALLS["sweep"].replace("mf.sweep", f"{GUARD} mf.sweep")):
        done = _run(tmp_path, text, standard_input=True)
        assert done.returncode == 1
        assert "<stdin> is not a file; save the script and put its calls under" in done.stderr.splitlines()[-1]
        assert not list(tmp_path.glob("o.*"))


def test_a_script_that_workers_cannot_load_is_told_so(tmp_path: Path) -> None:
    text = "if __name__ != '__main__': raise ValueError('not here')\n"
    done = _run(tmp_path, text + CALLS["sweep"])
    assert "ValueError: not here" in done.stderr
    assert "could not load the script" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("o.cells/failed/*"))


class _Loading:
    """Stands for a process that is still loading its script."""

    _inheriting = True

    def __init__(self, name: str) -> None:
        self.name = name


def test_workers_of_ours_end_in_silence_and_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    def leave(code: int) -> None:
        ended.append(code)
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr("multiprocessing.current_process", lambda: _Loading(f"{WORKER}-1"))
    assert checked_jobs(1) == 1
    with pytest.raises(SystemExit):
        checked_jobs(2)
    monkeypatch.setattr("multiprocessing.current_process", lambda: _Loading("SpawnProcess-1"))
    with pytest.raises(MfsymError, match="still loading"):
        checked_jobs(2)
    assert ended == [113]
