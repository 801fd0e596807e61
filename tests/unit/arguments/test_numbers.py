"""Numbers and names as people have them, at every entry point: taken, or refused in one line of Python's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mfsym as mf
from mfsym.configurations import load
from mfsym.errors import MfsymError
from mfsym.experiments.counterexample import si_against_wi
from tests.meta.sources import functions, package_files, tree

TINY = {"n": 4, "horizon": 0.5}
TEACHER = mf.reference_teacher("wi")
UNIT = TEACHER.unit
ZEROS = np.zeros((4, 4))

COMMAND_LINE = re.compile(r"(?<![\w-])--[a-z]|command line|(?<![\w-])-[ojn]\b")
"""Words of the command line."""


def _simulate(**parameters: Any) -> Any:
    return mf.simulate("wi", **{**TINY, **parameters})


def _compare(**parameters: Any) -> Any:
    return mf.compare("wi", **{**TINY, "schemes": ("fa",), **parameters})


def _flow(**parameters: Any) -> Any:
    return mf.flow("wi", **{**TINY, "snapshots": 2, **parameters})


def _same(one: Any, other: Any) -> None:
    for name in one.data_vars:
        if not str(name).startswith("seconds"):
            np.testing.assert_array_equal(one[name].values, other[name].values)
    assert one.attrs["config"] == other.attrs["config"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"seed": np.int64(5)},
        {"seed": np.array(5)},
        {"n": np.uint8(3), "alpha": np.float64(2), "tau": np.array(0.5), "beta": np.float32(0), "horizon": np.int8(1)},
        {"batch_size": np.int32(3), "dtype": np.float64, "unit": np.str_("uv"), "init": np.str_("wi")},
        {"n": 4.0, "alpha": 5},
    ],
    ids=str,
)
def test_numpy_gives_what_python_gives(parameters: dict[str, Any]) -> None:
    plain = {key: np.dtype(value).name if isinstance(value, type) else value for key, value in parameters.items()}
    plain = {key: value.item() if hasattr(value, "item") else value for key, value in plain.items()}
    _same(_simulate(**parameters), _simulate(**plain))


def test_numpy_counts_are_counts() -> None:
    _same(_simulate(snapshots=np.int64(2), replicate=np.int64(1)), _simulate(snapshots=2, replicate=1))
    _same(_compare(replicates=np.int64(2), schemes=np.array(["fa"])), _compare(replicates=2, schemes="fa"))
    _same(_flow(n=np.int64(4), horizon=np.float64(0.5)), _flow())


@pytest.mark.parametrize(
    "values",
    [np.array([3, 4]), range(3, 5), (3, 4), [np.int64(3), np.float64(4)], pd.Series([3, 4]), pd.Index([3, 4])],
    ids=lambda values: type(values).__name__,
)
def test_grids_take_every_sequence(values: Any) -> None:
    grid = {"n": values, "alpha": values, "batch_size": values, "replicates": np.int64(2), "scheme": np.array(["fa"])}
    plain = {"n": [3, 4], "alpha": [3.0, 4.0], "batch_size": [3, 4], "replicates": 2, "scheme": ["fa"]}
    assert load(arguments=grid, environment={}).to_json() == load(arguments=plain, environment={}).to_json()


def test_a_sweep_of_arrays_has_their_coordinates(tmp_path: Path) -> None:
    grid = {"n": range(3, 5), "alpha": pd.DataFrame({"a": np.logspace(0, 1, 2)})["a"], "horizon": 0.5, "scheme": "fa"}
    dataset = mf.sweep(grid, tmp_path / "a.nc", jobs=np.int64(1))
    assert dataset["n"].values.tolist() == [3, 4]
    assert dataset["alpha"].values.tolist() == [1.0, 10.0]
    assert "command line" not in dataset.attrs["config_origins"]


def test_objects_take_numpy_numbers() -> None:
    dynamics = mf.NoisySGD(UNIT, "fa", TEACHER, alpha=np.float64(5), batch_size=np.int64(3), dtype=np.float64)
    state = dynamics.init(ZEROS, np.int64(3), np.int8(1))
    assert type(state.seed) is type(state.replicate) is int
    assert [each.step for each in dynamics.flow(state, np.linspace(0, 1, 3))] == [0, 2, 4]
    accuracy = mf.Accuracy(order=np.int64(6), rtol=np.float32(1e-4))
    flow = mf.MeanFieldFlow(UNIT, "fa", TEACHER, alpha=np.float64(3), seed=np.int64(1), accuracy=accuracy)
    assert [each.time for each in flow.flow(flow.init(ZEROS), range(2))] == [0.0, 1.0]
    np.testing.assert_array_equal(
        mf.init_particles(UNIT, "wi", np.int64(4), np.int64(2), np.int64(1)), mf.init_particles(UNIT, "wi", 4, 2, 1)
    )
    assert mf.start_cloud(UNIT, "si", np.int64(5)).z.shape == (5, 4)
    assert mf.Teacher(UNIT, TEACHER.particles, scale=np.float64(2)).scale == 2.0
    assert mf.Gaussian(np.float32(2), cutoff=np.int64(1)).rule(np.int64(2), np.int64(3)).x.shape == (10, 2)
    assert mf.Cell(n=np.int64(5), alpha=np.float64(5), schemes=["fa"]) == mf.Cell(n=5, alpha=5.0, schemes=("fa",))
    assert mf.Cell(alpha=50).identity == mf.Cell(alpha=50.0).identity
    study = mf.Study(np.array([4, 8]), np.int64(2), np.array([0.5]), np.int64(16))
    assert study == mf.Study((4, 8), 2, (0.5,), 16)
    search = mf.Search(n=np.int64(8), horizon=np.float64(0.5))
    assert mf.discover(UNIT, TEACHER, "oracle", search).settled


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (lambda: _simulate(seed="5"), "^seed must be a whole number >= 0, got '5' .str.$"),
    (lambda: _simulate(seed=-1), "^seed must be a whole number >= 0, got -1$"),
    (lambda: _simulate(seed=2**63), f"^seed must be a whole number <= {2**63 - 1}, got {2**63}$"),
    (lambda: _simulate(n=True), "^n must be a whole number >= 1, got True"),
    (lambda: _simulate(n=[4, 5]), "^n must be one value here; use mf.sweep"),
    (lambda: _simulate(alpha=np.array([4.0, 5.0])), "^alpha must be one value here; use mf.sweep"),
    (lambda: _simulate(alpha=".5"), "^alpha must be a number > 0, got '.5'"),
    (lambda: _simulate(alpha=10**400), "^alpha must be finite"),
    (lambda: _simulate(horizon=np.nan), "^horizon must be finite"),
    (lambda: _simulate(batch_size=2.5), "^batch_size must be a whole number from 1 to 1000000, got 2.5"),
    (lambda: _simulate(snapshots=0), "^snapshots must be a whole number >= 1, got 0$"),
    (lambda: _simulate(snapshots=-3), "^snapshots must be a whole number >= 1, got -3$"),
    (lambda: _simulate(snapshots=2.5), "^snapshots must be a whole number >= 1, got 2.5"),
    (lambda: _simulate(replicate=1.9), "^replicate must be a whole number >= 0, got 1.9"),
    (lambda: _simulate(replicate=-1), "^replicate must be a whole number >= 0, got -1$"),
    (lambda: _simulate(scheme="FA"), "^scheme must be one of .*vanilla.*, got 'FA' .did you mean 'fa'"),
    (lambda: _simulate(unit="mtrix"), "^unit must be one of matrix, uv, got 'mtrix' .did you mean 'matrix'"),
    (lambda: mf.simulate("WI"), "^teacher must be one of arbitrary, si, wi, got 'WI' .did you mean 'wi'"),
    (lambda: mf.simulate(None), "^a problem must be a name, a Teacher or a Problem, got None"),  # type: ignore[arg-type]
    (lambda: mf.simulate(TEACHER, unit="uv"), "^unit is stated by the problem 'wi'"),
    (lambda: _simulate(alhpa=1), "^unknown parameter 'alhpa' .did you mean 'alpha'.*known: activation, alpha"),
    (lambda: _simulate(problem="a.toml"), "load_problem"),
    (lambda: _compare(replicates=0), "^replicates must be a whole number >= 1, got 0$"),
    (lambda: _compare(jobs=0), "^jobs must be a whole number >= 1, got 0$"),
    (lambda: _compare(jobs=2.5), "^jobs must be a whole number >= 1, got 2.5"),
    (lambda: _compare(schemes=["fa", "x"]), "^schemes must be one of .*got 'x'$"),
    (lambda: _compare(schemes=("fa", "fa")), "^schemes must name each scheme once"),
    (lambda: mf.sweep({"n": {5, 6}}, "a.nc"), "^n must be a whole number >= 1, got {5, 6} .set.$"),
    (lambda: mf.sweep({"n": np.ones((2, 2))}, "a.nc"), "^n must be a whole number >= 1, got array"),
    (lambda: mf.sweep({"alpha": pd.Series([1.0, np.nan])}, "a.nc"), "^alpha must be finite"),
    (lambda: mf.sweep({"alhpa": 1}, "a.nc"), "^unknown parameter 'alhpa' .did you mean"),
    (lambda: mf.sweep({5: 1}, "a.nc"), "^unknown parameter 5 .int.$"),  # type: ignore[dict-item]
    (lambda: mf.sweep({"n": 10**9}, "a.nc"), "allow_large=True"),
    (lambda: mf.sweep({"n": 4}, "a.nc", jobs=0), "^jobs must be a whole number"),
    (lambda: _flow(snapshots=0), "^snapshots must be a whole number >= 1, got 0$"),
    (lambda: _flow(tolerance=-1), "^tolerance must be a number > 0, got -1"),
    (lambda: _flow(seed="x"), "^seed must be a whole number"),
    (lambda: mf.Accuracy(order=0), "^order must be a whole number >= 1"),
    (lambda: mf.Accuracy(level=1.5), "^level must be a whole number from 0 to 16"),  # type: ignore[arg-type]
    (lambda: mf.Accuracy(method="dop853"), "did you mean 'DOP853'"),
    (lambda: mf.Accuracy(max_step=0), "^max_step must be a number > 0"),
    (lambda: mf.NoisySGD(UNIT, "fa", TEACHER, beta="0"), "^beta must be a number >= 0"),  # type: ignore[arg-type]
    (lambda: mf.NoisySGD(UNIT, "fa", TEACHER, threads=0), "^threads must be a whole number >= 1"),
    (lambda: mf.NoisySGD(UNIT, "Fa", TEACHER), "did you mean 'fa'"),
    (lambda: mf.MeanFieldFlow(UNIT, "fa", TEACHER, seed=1.5), "^seed must be a whole number"),  # type: ignore[arg-type]
    (lambda: mf.init_particles(UNIT, "wi", 4, 0, 1.9), "^replicate must be a whole number"),  # type: ignore[arg-type]
    (lambda: mf.init_particles(UNIT, "SI", 4, 0), "did you mean 'si'"),
    (lambda: mf.Teacher(UNIT, ZEROS, scale="2"), "^the input scale must be a number > 0"),  # type: ignore[arg-type]
    (lambda: mf.Uniform(True), "^the input scale must be a number > 0, got True"),
    (lambda: mf.Gaussian().rule(2, 2.5), "^order must be a whole number >= 1"),  # type: ignore[arg-type]
    (lambda: mf.Search(replicates=3), "^replicates must be a whole number >= 4, got 3$"),
    (lambda: mf.discover(UNIT, TEACHER, "Oracle"), "^rule must be one of paper.*did you mean 'oracle'"),
    (lambda: mf.Study((0,)), "^sizes must be a whole number >= 1, got 0$"),
    (lambda: mf.Study((4,), times=(2, 1)), "^times must increase, got 1 after 2$"),
    (lambda: mf.Study((4,), limit_n=2.5), "^limit_n must be a whole number >= 1"),  # type: ignore[arg-type]
    (lambda: mf.Cell(n=0), "^n must be a whole number >= 1, got 0$"),
    (lambda: mf.phase_portrait(mf.Cell(n=4), [0.1], TEACHER, UNIT, grid=1), "^grid must be a whole number >= 2"),
    (lambda: si_against_wi(mf.Cell(n=4), [2.5]), "^sizes must be a whole number"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[words for _, words in REFUSALS])
def test_the_rest_is_refused_before_anything_runs(
    call: Callable[[], Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mfsym.dynamics.NoisySGD.step", lambda *_: pytest.fail("a training was started"))
    with pytest.raises(MfsymError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert not COMMAND_LINE.search(str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_times_are_checked_at_once_unless_they_come_one_by_one() -> None:
    dynamics = mf.NoisySGD(UNIT, "fa", TEACHER)
    for times, words in (([0, 1, "2"], "got '2'"), ([0, 2, 1], "got 1 after 2"), (1.0, "must be a sequence")):
        with pytest.raises(MfsymError, match=words):
            next(dynamics.flow(dynamics.init(ZEROS), times))  # type: ignore[arg-type]
    endless = dynamics.flow(dynamics.init(ZEROS), (k / 4 for k in range(10**12)))
    assert [next(endless).step for _ in range(3)] == [0, 1, 2]


FOR_THE_COMMAND_LINE = ("set_layer", "parse_schemes")
"""Functions outside ``mfsym.cli`` that only it calls."""


def _messages(path: Path) -> list[str]:
    """Texts inside the raise statements of a file."""
    spared = {id(node) for f in functions(tree(path)) if f.name in FOR_THE_COMMAND_LINE for node in ast.walk(f)}
    raised = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Raise) and id(node) not in spared]
    parts = [part for node in raised for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return [part.value for part in parts if isinstance(part.value, str)]


def test_errors_of_python_functions_never_speak_of_a_command_line() -> None:
    texts = [(path, text) for path in package_files() if path.parent.name != "cli" for text in _messages(path)]
    assert [(path.name, text) for path, text in texts if COMMAND_LINE.search(text)] == []
    assert COMMAND_LINE.search("pass --allow-large")
    assert COMMAND_LINE.search("choose another -o")
    assert len(texts) > 200
