"""mfsym.experiments.warmups: after it nothing is left to compile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mfsym.experiments.warmups import tasks, warm_up
from tests.sizes import compiled

AFTERWARDS = """
import numpy as np
from click.testing import CliRunner
from mfsym.runtime.caches import places
from mfsym.cli import cli
files = lambda: {path.name for path in places().kept.rglob("*.nbc")}
before = files()
for command in (
    "compare -n 8 --horizon 0.5 --teacher wi", "compare -n 8 --horizon 0.5 --teacher si --unit uv --dtype float64",
    "flow -n 8 --horizon 0.05 -o flow.nc", "simulate -n 2100 --horizon 0.001 --dtype float32 -o run.nc",
):
    result = CliRunner().invoke(cli, command.split())
    assert result.exit_code == 0, result.output
print(sorted(files() - before), len(before))
"""


def test_tasks_have_names_of_their_own():
    names = [name for name, _ in tasks()]
    assert len(set(names)) == len(names) >= 8


@compiled
def test_warming_up_tells_every_task_and_says_nothing_itself(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    warm_up(heard.append)
    assert heard == [name for name, _ in tasks()]
    assert capsys.readouterr() == ("", "")


@compiled
def test_nothing_is_compiled_after_warming_up(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", AFTERWARDS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    left, count = done.stdout.strip().rsplit(" ", 1)
    assert left == "[]"
    assert int(count) > 20
