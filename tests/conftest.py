"""Shared fixtures: a clean environment, small cells, a way to run the command line in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mfsym.accelerate import JIT_DISABLED
from mfsym.cli import cli
from mfsym.configurations import Cell
from mfsym.experiments import make_ready
from tests import naive

SMALL_SWEEP = """
[sweep]
teacher = ["wi", "arbitrary"]
init = ["si"]
scheme = ["vanilla", "fa"]
n = [4, 8]
replicates = 2
[training]
horizon = 0.5
alpha = 5.0
"""
"""Eight cells of milliseconds each."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration from the caller's environment, and one time for all: results of two runs compare equal."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764288000")
    for name in list(os.environ):
        if name.startswith("MFSYM_") and name != "MFSYM_CACHE_DIR":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> None:
    """The kernels of the reference experiment are compiled before any test measures seconds or sends a signal."""
    make_ready(Cell())


@pytest.fixture(autouse=True)
def _vectorised_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the JIT off units predict by their twin in NumPy; the tests of kernels call kernels by name."""
    if JIT_DISABLED:
        monkeypatch.setattr("mfsym.units.shallow.predict", naive.predict)


@pytest.fixture
def mfsym() -> Callable[..., Result]:
    """``mfsym("compare", "-n", 5)`` runs the command line in this process."""

    def run(*arguments: object, **environment: str) -> Result:
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def small_sweep(tmp_path: Path) -> Path:
    """A sweep file of eight tiny cells."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL_SWEEP)
    return path


def parse_json(result: Result) -> Any:
    """The JSON that a command printed on standard output."""
    return json.loads(result.stdout)
