"""README's example on the command line and in Python: the same question, the same bits."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from mfsym.stores import open_result
from mfsym.variables import TIMINGS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _command(start: str) -> list[str]:
    """The words of the first command of README that begins so."""
    line = next(line for line in README.splitlines() if line.startswith(start))
    return shlex.split(line, comments=True)[1:]


def test_the_command_line_and_python_give_the_same_bits(
    mfsym: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mfsym(*_command("mfsym simulate"), "-q").exit_code == 0
    written = open_result(tmp_path / "run.nc")
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], "README.md", "exec"), names)
    run, state, dynamics = names["run"], names["state"], names["dynamics"]
    assert set(written.data_vars) == set(run.data_vars)
    for name in set(run.data_vars) - TIMINGS:
        assert np.array_equal(written[name].values, run[name].values), name
    assert state.time == run["time"].values[-1]
    assert np.array_equal(state.z, run["particles"].values[-1])
    assert written.attrs["noise"] == run.attrs["noise"] == dynamics.noise(state) == "projected"
    assert "20.0 ok projected" in capsys.readouterr().out
