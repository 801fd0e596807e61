"""What is built on the exact distance: warm starts, trajectories, memory, approximations, entropy, the command."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from mfsym.errors import MfsymError
from mfsym.experiments import simulate
from mfsym.stores import save
from mfsym.streams import normals, stream_key
from mfsym.transport import knn_entropy, memory_estimate, sinkhorn, sliced, w2, w2_along
from tests.conftest import parse_json
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(19, "teacher")
N = sized(400, 210)


def _clouds(steps: int = 3) -> np.ndarray:
    """Snapshots (T, N, 3) of a cloud that moves little at a time."""
    moves = np.stack([0.1 * normals(KEY, 2 + t, N, 3) for t in range(steps)])
    return normals(KEY, 1, N, 3) + np.cumsum(moves, axis=0)


@pytest.mark.parametrize(("tied", "method"), [(True, "dense"), (False, "auction")])
def test_clouds_of_moderate_size_are_solved_over_the_whole_matrix_only_where_atoms_coincide(tied, method):
    n = sized(900, 610)
    a, b = normals(KEY, 70, n, 2), normals(KEY, 71, n, 2)
    if tied:
        a = np.round(a)
    result = w2(a, b)
    assert result.method == method
    assert result.relative_gap <= ALGEBRA


def test_a_warm_start_changes_the_work_and_not_the_value():
    a, b = normals(KEY, 20, N, 3), normals(KEY, 21, N, 3)
    cold = w2(a, b, method="auction")
    assert cold.potentials is not None
    warm = w2(a, b, method="auction", start=cold.potentials[1])
    wrong = w2(a, b, method="auction", start=normals(KEY, 22, 1, N)[0])
    assert warm.method == cold.method == "auction"
    assert warm.iterations < cold.iterations
    for each in (warm, wrong):
        assert abs(each.w2_squared - cold.w2_squared) <= ALGEBRA * cold.w2_squared


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_warm_starts_fit_clouds_that_are_shifted(shift):
    a, b = normals(KEY, 23, N, 3) + shift, normals(KEY, 24, N, 3)
    cold = w2(a, b, method="auction")
    assert cold.potentials is not None
    assert w2(a, b, method="auction", start=cold.potentials[1]).iterations < cold.iterations


def test_distances_along_a_run_are_those_of_its_clouds():
    clouds, reference = _clouds(), normals(KEY, 30, N, 3)
    for t, result in enumerate(w2_along(clouds)):
        assert abs(result.w2_squared - w2(clouds[t], clouds[t + 1]).w2_squared) <= ALGEBRA
    assert t == 1
    for t, result in enumerate(w2_along(clouds, reference)):
        assert abs(result.w2_squared - w2(clouds[t], reference).w2_squared) <= ALGEBRA
    assert t == 2
    with pytest.raises(MfsymError, match="time, particle, param"):
        list(w2_along(clouds[0]))


@compiled
def test_memory_stays_below_the_estimate():
    n = 20_000
    a, b = normals(KEY, 40, n, 4), normals(KEY, 41, n, 4)
    w2(a[:300], b[:300])
    tracemalloc.start()
    w2(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.3 * memory_estimate(n, n, 4) <= peak <= 1.2 * memory_estimate(n, n, 4)


def test_approximations_say_what_they_are():
    a, b = normals(KEY, 50, 60, 2), normals(KEY, 51, 60, 2) + 1.0
    exact = w2(a, b).w2_squared
    smooth = sinkhorn(a, b, regularisation=0.2)
    assert np.isnan(smooth.relative_gap)
    assert smooth.lower_bound <= exact
    assert abs(smooth.w2_squared - exact) <= 0.1 * exact
    lines = sliced(a, b, projections=300)
    assert lines.method == "sliced"
    assert lines.standard_error > 0.0
    assert lines.lower_bound <= exact
    again = sliced(a, b, projections=300, seed=1)
    assert abs(lines.w2_squared - again.w2_squared) <= STAT * np.hypot(lines.standard_error, again.standard_error)


@pytest.mark.parametrize("p", [1, 3])
def test_the_entropy_of_a_gaussian_is_estimated_within_its_error(p):
    found = knn_entropy(2.0 * normals(KEY, 60, 2000, p))
    assert abs(found.value - 0.5 * p * np.log(2.0 * np.pi * np.e * 4.0)) <= STAT * found.standard_error
    with pytest.raises(MfsymError, match="between 1 and N - 1"):
        knn_entropy(np.zeros((3, 1)))
    assert knn_entropy(np.zeros((9, 1))).value == -np.inf


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
