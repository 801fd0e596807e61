"""The command ``distance``: plans, methods, runs, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from mfsym.experiments import simulate
from mfsym.stores import save
from mfsym.streams import normals, stream_key
from tests.conftest import parse_json
from tests.tolerances import ALGEBRA

KEY = stream_key(19, "teacher")


def _refused(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    np.save(tmp_path / "a.npy", normals(KEY, 70, 30, 3))
    np.save(tmp_path / "b.npy", normals(KEY, 71, 20, 3))
    return tmp_path / "a.npy", tmp_path / "b.npy"


def test_the_command_writes_a_plan_that_has_the_value_it_prints(mfsym, files, tmp_path):
    out = tmp_path / "plan.npz"
    record = parse_json(mfsym("distance", *files, "--plan", out, "--format", "json"))
    a, b = np.load(files[0]), np.load(files[1])
    with np.load(out) as plan:
        cost = np.square(a[plan["rows"]] - b[plan["columns"]]).sum(axis=1)
        assert abs(plan["mass"] @ cost - record["w2_squared"]) <= ALGEBRA
        assert abs(plan["u"].mean() + plan["v"].mean() - record["lower_bound"]) <= ALGEBRA


@pytest.mark.parametrize("method", ["auction", "emd", "sliced"])
def test_the_command_uses_the_method_asked_for(mfsym, files, method):
    record = parse_json(mfsym("distance", *files, "--method", method, "--format", "json"))
    assert record["method"] == method
    assert (record["relative_gap"] is None) == (method == "sliced")


def test_the_command_follows_a_run(mfsym, files, tmp_path):
    run = tmp_path / "run.nc"
    save(simulate(n=8, horizon=0.5, alpha=1.0, snapshots=3), run)
    records = parse_json(mfsym("distance", run, "--along", "time", "--format", "json"))
    assert [record["time"] for record in records] == [0.0, 0.25]
    assert [record["to_time"] for record in records] == [0.25, 0.5]
    np.save(tmp_path / "c.npy", normals(KEY, 72, 9, 4))
    against = parse_json(mfsym("distance", run, tmp_path / "c.npy", "--along", "time", "--format", "json"))
    assert len(against) == 3
    assert "rmd2" in mfsym("distance", run, "--along", "time").stdout


def test_the_command_refuses_in_one_line(mfsym, files, tmp_path, monkeypatch):
    a, b = files
    _refused(mfsym("distance", a, b, "--method", "sort"), "p = 1")
    _refused(mfsym("distance", a, b, "--method", "dense"), "as many atoms")
    _refused(mfsym("distance", a, b, "--method", "sliced", "--plan", tmp_path / "x.npz"), "finds no plan")
    _refused(mfsym("distance", a, b, "--plan", tmp_path / "x.txt"), ".npz")
    _refused(mfsym("distance", a, "--to", "si", "--plan", tmp_path / "x.npz"), "two clouds")
    _refused(mfsym("distance", a, "--along", "time"), "run file")
    _refused(mfsym("distance", a, b, "--along", "time", "--method", "emd"), "exclude each other")
    monkeypatch.setattr("mfsym.configurations.preflight.available_memory", lambda: 1000)
    _refused(mfsym("distance", a, b), "GB")
    _refused(mfsym("distance", a, b, "--method", "emd"), "--method auto")
    assert not (tmp_path / "x.npz").exists()
