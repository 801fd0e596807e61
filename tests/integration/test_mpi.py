"""A sweep through MPI ranks (needs the extra ``mpi`` and an mpiexec)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mfsym.stores import content_digest, open_result
from tests.conftest import SMALL_SWEEP
from tests.integration.test_command_line import run

pytestmark = [pytest.mark.torture]


def _launcher() -> str:
    pytest.importorskip("mpi4py", reason="needs the extra mpi: pip install 'mfsym[mpi]'")
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("needs mpiexec")
    return found


def test_mpi_ranks_give_the_digest_of_one_process(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL_SWEEP)
    command = ["-m", "mpi4py.futures", "-m", "mfsym", "sweep", "small.toml", "-o", "ranks.nc"]
    done = subprocess.run(
        [_launcher(), "-n", "3", sys.executable, *command, "--scheduler", "mpi", "-j", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert run("sweep", "small.toml", "-o", "alone.nc", cwd=tmp_path).returncode == 0
    digests = [content_digest(open_result(tmp_path / name)) for name in ("ranks.nc", "alone.nc")]
    assert digests[0] == digests[1]
