"""mfsym.data.datasets: users' samples from files, split, presented without replacement, symmetrised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mfsym.data.datasets import HAAR_IMAGES, SampleData, one_hot, permutation, read, split
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.groups import cyclic, so
from mfsym.metrics import evaluate
from mfsym.problems import load_problem
from mfsym.schemes import get_scheme
from mfsym.stores.samples import load_samples
from mfsym.streams import normals, stream_key
from mfsym.units import UVUnit
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(1, "data")
X, Y = normals(KEY, 0, 20, 3), normals(KEY, 1, 20, 2)


def _write(folder: Path, suffix: str) -> Path:
    path = folder / f"samples{suffix}"
    if suffix == ".npz":
        np.savez(path, x=X, y=Y)
    elif suffix == ".csv":
        rows = [",".join(repr(float(value)) for value in row) for row in np.hstack([X, Y])]
        path.write_text("\n".join(["x1,x2,x3,y1,y2", *rows]) + "\n")
    else:
        xr.Dataset({"x": (("sample", "in"), X), "y": (("sample", "out"), Y)}).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".nc"])
def test_samples_are_read_from_every_format(tmp_path: Path, suffix: str) -> None:
    x, y = load_samples(_write(tmp_path, suffix))
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


def test_columns_are_picked_by_name(tmp_path: Path) -> None:
    x, y = load_samples(_write(tmp_path, ".csv"), x=["x3", "x1"], y=["y2"])
    assert np.array_equal(x, X[:, [2, 0]])
    assert np.array_equal(y, Y[:, [1]])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "has no 'y'"),
        ({"x": X, "y": Y[:-1]}, "same number of rows"),
        ({"x": X * np.nan, "y": Y}, "must be finite"),
        ({"x": X.astype(str), "y": Y}, "arrays of numbers"),
        ({"x": X[:0], "y": Y[:0]}, "at least 1"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, arrays: dict, words: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(MfsymError) as caught:
        load_samples(tmp_path / "bad.npz")
    assert words in str(caught.value)
    assert "bad.npz" in str(caught.value)


def test_files_that_are_no_datasets_are_refused(tmp_path: Path) -> None:
    for name, text in [("a.csv", "x,y\n1,b\n"), ("b.csv", "x,y\n1\n2,3\n"), ("c.npz", "no"), ("d.nc", "no")]:
        (tmp_path / name).write_text(text)
        with pytest.raises(MfsymError, match=name):
            load_samples(tmp_path / name)
    for name in ("absent.npz", "x.pkl"):
        with pytest.raises(MfsymError, match=name):
            read(tmp_path / name)


def test_an_epoch_holds_every_sample_once_in_an_order_of_its_own() -> None:
    data = SampleData((np.arange(20.0)[:, None], Y))
    epochs = [data.draw(KEY, 20 * k, 20)[0][:, 0] for k in range(3)]
    for epoch in epochs:
        assert np.array_equal(np.sort(epoch), np.arange(20.0))
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], data.draw(stream_key(2, "data"), 0, 20)[0][:, 0])


def test_draws_do_not_depend_on_how_they_are_cut() -> None:
    data = SampleData((X, Y), symmetry=(so(3).vector(), so(3).trivial(2)))
    x, y = data.draw(KEY, 0, 50)
    for first, count in [(0, 7), (13, 20), (49, 1)]:
        part = data.draw(KEY, first, count)
        assert np.array_equal(part[0], x[first : first + count])
        assert np.array_equal(part[1], y[first : first + count])
    norms = np.sort(np.linalg.norm(x[:20], axis=1))
    assert np.abs(norms - np.sort(np.linalg.norm(X, axis=1))).max() < ALGEBRA, "moved by rotations, nothing else"


def test_orders_are_uniform() -> None:
    places = np.array([permutation(KEY, step, 5)[0] for step in range(2000)])
    counts = np.bincount(places, minlength=5)
    assert (np.abs(counts - 400.0) / np.sqrt(320.0)).max() < STAT


def test_splits_part_the_rows() -> None:
    (x, _), test = split(X, Y, 0.25)
    assert test is not None
    assert (len(x), len(test[0])) == (15, 5)
    assert np.array_equal(np.sort(np.vstack([x, test[0]]), axis=0), np.sort(X, axis=0))
    assert np.array_equal(split(X, Y, 0.25)[0][0], x)
    assert not np.array_equal(split(X, Y, 0.25, seed=1)[0][0], x)
    assert split(X, Y, 0.0)[1] is None
    with pytest.raises(MfsymError, match="test share"):
        split(X, Y, 1.0)


def test_labels_become_rows_of_the_identity() -> None:
    assert np.array_equal(one_hot([2, 0], 3), [[0, 0, 1], [1, 0, 0]])
    for labels in ([3], [-1], [0.5], [[0, 1]]):
        with pytest.raises(MfsymError, match="one whole number from 0 to 2"):
            one_hot(labels, 3)


def test_a_finite_group_closes_the_sample() -> None:
    turn = cyclic(4)
    x, y = X[:, :2], Y
    data = SampleData((x, y), symmetry=(turn.vector(), turn.vector()))
    assert len(data) == 80
    for g in turn.vector().matrices:
        moved = data.x @ g.T
        assert np.abs(moved[:, None] - data.x).sum(axis=2).min(axis=1).max() < ALGEBRA
    assert len(SampleData((x, y), (x[:3], y[:3]), (so(2).vector(), so(2).vector())).test_x) == 3 * HAAR_IMAGES


def test_bad_data_are_refused() -> None:
    with pytest.raises(MfsymError, match="arrays"):
        SampleData((X[0], Y))
    with pytest.raises(MfsymError, match="finite"):
        SampleData((X * np.inf, Y))
    with pytest.raises(MfsymError, match="test samples must be on"):
        SampleData((X, Y), (X, X))
    with pytest.raises(MfsymError, match="to symmetrise"):
        SampleData((X, Y), symmetry=(cyclic(2).vector(), cyclic(2).vector()))
    with pytest.raises(MfsymError, match="no target outside"):
        SampleData((X, Y)).target(X)


def test_a_model_is_judged_on_the_test_part() -> None:
    group = cyclic(4)
    unit = UVUnit("tanh", group.vector(), group.trivial(2))
    x = X[:, :2]
    data = SampleData((x[:10], Y[:10]), (x[10:], Y[10:]))
    dynamics = NoisySGD(unit, "vanilla", data, alpha=5.0, dtype="float64")
    z = dynamics.step(dynamics.init(init_particles(unit, "wi", 8, seed=0)), 10).z
    found = evaluate(get_scheme("vanilla", unit), data, z)
    assert abs(found.risk - np.mean(np.sum((unit.predict(x[10:], z) - Y[10:]) ** 2, axis=1))) < ALGEBRA
    assert np.isnan([found.l2_target, found.l2_symmetrised_target, found.accuracy]).all()


def test_a_problem_reads_its_dataset(tmp_path: Path) -> None:
    _write(tmp_path, ".csv")
    (tmp_path / "mine.toml").write_text(
        '[group]\nname = "cyclic(3)"\n[representations]\nx = "permutation"\ny = "trivial(2)"\n[unit]\nkind = "uv"\n'
        '[dataset]\nsource = "samples.csv"\nx = ["x"]\ny = ["y"]\nscale = 2.0\nshift = 1.0\n'
        "test = 0.5\nsymmetrised = true\n"
    )
    data = load_problem(tmp_path / "mine.toml").data
    assert isinstance(data, SampleData)
    assert (len(data), len(data.test_x), data.classes) == (30, 30, None)
    rows = np.vstack([data.x, data.test_x])
    assert np.abs(np.sort(rows[::3], axis=0) - np.sort(2.0 * (X - 1.0), axis=0)).max() < ALGEBRA
