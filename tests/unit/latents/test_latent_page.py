"""The examples of docs/latents.md run as they stand."""

from __future__ import annotations

import re
import shlex

import pytest

from mfsym.configurations.latents import read_latent
from tests.meta.sources import ROOT

PAGE = (ROOT / "docs" / "latents.md").read_text(encoding="utf-8")


def block(language):
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_python_example_runs():
    names = {}
    exec(compile(block(r"\{code-cell\} ipython3"), "latents.md", "exec"), names)
    assert names["action"].dim == 10
    assert names["x1"].shape == (1588, 144)


def test_the_file_is_a_latent_file(tmp_path):
    (tmp_path / "own.toml").write_text(block("toml"))
    assert read_latent(tmp_path / "own.toml").training.steps == 4000


@pytest.mark.parametrize("line", re.findall(r"^    (mfsym latent .*)$", PAGE, re.MULTILINE))
def test_the_commands_are_known(line, mfsym, tmp_path, monkeypatch):
    """Every option exists; what would train or reads a result that is not there ends by saying so."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)[1:]
    if "--discover" in words:
        assert "degrees" in mfsym(*words).output
    elif "--traverse" in words:
        done = mfsym(*words)
        assert (done.exit_code, "latents.nc" in done.output) == (3, True)
    else:
        assert mfsym(*words[:-1], "nowhere/latents.nc").output.startswith("error: nowhere/latents.nc: the folder")
