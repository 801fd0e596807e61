"""What results say of themselves is true: their problem, their loss, their parameters, what is drawn from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import Result

from mfsym.configurations import Cell
from mfsym.configurations.discoveries import Case
from mfsym.data.teachers import Teacher, reference_teacher, reference_unit
from mfsym.discovery import Search
from mfsym.discovery.frequencies import problem_of_case
from mfsym.discovery.traces import trace
from mfsym.errors import MfsymError
from mfsym.experiments import compare, distance_to, problem_of, simulate
from mfsym.experiments.cells import GIVEN
from mfsym.experiments.convergence import Study, converge
from mfsym.experiments.counterexample import si_against_wi
from mfsym.experiments.limits import flow, phase_portrait
from mfsym.experiments.movies import movie_of
from mfsym.figures import figure as drawing
from mfsym.flows import Accuracy
from mfsym.plotting import SCHEMES
from mfsym.problems import Problem, load_problem
from mfsym.schemes import SCHEMES as REGISTERED
from mfsym.stores.datasets import open_result, save
from mfsym.streams import normals, stream_key
from mfsym.sweeps import sweep
from mfsym.sweeps.reports import report
from mfsym.variables import annotate
from tests.conftest import parse_json
from tests.meta.sources import ROOT
from tests.tolerances import ALGEBRA

Run = Callable[..., Result]
TINY = {"n": 4, "horizon": 0.5, "alpha": 5.0}
COARSE = Accuracy(order=8)
LABELS = """
loss = "cross-entropy"
[group]
name = "cyclic(2)"
[representations]
x = "permutation"
y = "permutation"
[unit]
kind = "uv"
activation = "tanh"
[dataset]
source = "labels.csv"
x = ["x0", "x1"]
y = ["label"]
classes = 2
"""


def own_teacher(name: str = "mine") -> Teacher:
    """A teacher that no name stands for."""
    return Teacher(reference_unit("uv", "tanh"), normals(stream_key(2, "teacher"), 0, 3, 4), name=name)


def config(result: xr.Dataset) -> dict[str, Any]:
    """The configuration that a result states."""
    found: dict[str, Any] = json.loads(result.attrs["config"])
    return found


@pytest.fixture
def labels_file(tmp_path: Path) -> Path:
    """A problem with classes and the cross-entropy."""
    x = normals(stream_key(3, "data"), 0, 20, 2)
    rows = [f"{a},{b},{int(a > b)}" for a, b in x]
    (tmp_path / "labels.csv").write_text("\n".join(["x0,x1,label", *rows]) + "\n")
    path = tmp_path / "labels.toml"
    path.write_text(LABELS)
    return path


def _results_of(teacher: Teacher) -> dict[str, xr.Dataset]:
    """One result of every function that takes one's own teacher."""
    cell, unit = Cell(schemes=("vanilla",), beta=0.0, **TINY), teacher.unit
    return {
        "simulate": simulate(teacher, snapshots=2, **TINY),
        "compare": compare(teacher, schemes=("fa",), **TINY),
        "flow": flow(teacher, snapshots=2, accuracy=COARSE, beta=0.0, **TINY),
        "converge": converge(cell, Study((2, 4), 3, (0.2, 0.5), 4), teacher, unit, accuracy=COARSE),
        "phase": phase_portrait(cell, [0.0, 0.25], teacher, unit, grid=3, accuracy=COARSE),
    }


def test_a_problem_that_was_an_object_is_told_from_the_named_ones() -> None:
    for name, result in _results_of(own_teacher("arbitrary")).items():
        stated = config(result)
        assert stated["problem"] == GIVEN, name
        assert (stated["teacher"], stated["unit"], stated["activation"]) == ("arbitrary", "uv", "tanh"), name
        with pytest.raises(MfsymError, match="given as an object"):
            problem_of(Cell.from_dict({**stated, "n": 4}))
    named = problem_of(Cell(teacher="wi")).data
    assert isinstance(named, Teacher)
    for name, result in _results_of(named).items():
        assert (config(result)["problem"], config(result)["teacher"]) == ("", "wi"), name
    found = trace(own_teacher().unit, own_teacher(), "oracle", Search(n=4, horizon=0.5, alpha=5.0))
    assert (config(found)["data"], config(found)["unit"]) == ("mine", "uv")


def test_a_problem_object_keeps_its_name_and_digest(labels_file: Path) -> None:
    problem = load_problem(labels_file)
    stated = config(compare(problem, schemes=("fa",), **TINY))
    assert (stated["teacher"], stated["problem"], stated["problem_digest"]) == ("labels", GIVEN, problem.digest)
    quadratic = Problem("squares", own_teacher().unit, own_teacher())
    assert config(flow(quadratic, snapshots=1, accuracy=COARSE, beta=0.0, **TINY))["teacher"] == "squares"
    with pytest.raises(MfsymError, match="flow needs the quadratic loss"):
        flow(problem, **TINY)


@pytest.mark.parametrize("key", ["unit", "activation", "problem"])
def test_what_an_object_states_is_not_stated_twice(key: str) -> None:
    words = "hand over mf.load_problem" if key == "problem" else f"{key} is stated by the problem 'mine'"
    for function in (simulate, compare, flow):
        with pytest.raises(MfsymError, match=words):
            function(own_teacher(), **{key: "uv"})


def test_a_result_states_what_it_depends_on_and_nothing_else() -> None:
    results = _results_of(own_teacher())
    for name in ("flow", "phase"):
        assert not {"batch_size", "dtype", "replicate"} & set(config(results[name])), name
    assert config(results["phase"])["horizon"] == 0.25
    assert "replicate" not in config(results["compare"])
    both = config(results["converge"])
    assert (both["n"], both["horizon"], both["replicates"]) == ([2, 4], 0.5, 3)
    oracle = trace(own_teacher().unit, own_teacher(), "oracle", Search(n=4, horizon=0.5, alpha=5.0))
    assert not {"beta", "batch_size", "replicates"} & set(config(oracle))


@pytest.mark.parametrize("function", [simulate, flow])
def test_a_movie_shows_the_teacher_and_the_subspace_of_the_run(
    function: Callable[..., xr.Dataset], tmp_path: Path, mfsym: Run
) -> None:
    teacher, more = own_teacher("arbitrary"), {"accuracy": COARSE, "beta": 0.0} if function is flow else {}
    save(function(teacher, "vanilla", snapshots=2, **TINY, **more), tmp_path / "run.nc")
    run = open_result(tmp_path / "run.nc")
    movie = movie_of(run)
    assert np.array_equal(movie.teacher, teacher.particles)
    assert np.array_equal(movie.basis, teacher.unit.fixed_subspace.basis)
    assert mfsym("animate", tmp_path / "run.nc", "-o", tmp_path / "run.gif").exit_code == 0
    with pytest.raises(MfsymError, match="fixed_basis"):
        movie_of(run.drop_vars("fixed_basis"))


def test_the_distance_to_laws_takes_the_group_of_the_run(tmp_path: Path, mfsym: Run) -> None:
    save(simulate("wi", snapshots=2, init="wi", unit="uv", **TINY), tmp_path / "uv.nc")
    z = open_result(tmp_path / "uv.nc")["particles"].values[-1]
    for laws in ("si", "wi", "symmetrised"):
        found = parse_json(mfsym("distance", tmp_path / "uv.nc", "--to", laws, "--format", "json"))
        assert found["w2_squared"] == pytest.approx(distance_to(z, laws, "uv")["w2_squared"], rel=ALGEBRA)
        assert abs(found["w2_squared"] - distance_to(z, laws, "matrix")["w2_squared"]) > ALGEBRA
    at = parse_json(mfsym("distance", f"{tmp_path}/uv.nc@0", "--to", "si", "--format", "json"))
    start = open_result(tmp_path / "uv.nc")["particles"].values[0]
    assert at["w2_squared"] == pytest.approx(distance_to(start, "si", "uv")["w2_squared"], rel=ALGEBRA)
    save(simulate(own_teacher(), snapshots=1, **TINY), tmp_path / "own.nc")
    refused = mfsym("distance", tmp_path / "own.nc", "--to", "si")
    assert (refused.exit_code, "'mine' was a Python object or a file of particles; give --unit" in refused.stderr) == (
        2,
        True,
    )
    assert mfsym("distance", tmp_path / "own.nc", "--to", "si", "--unit", "uv").exit_code == 0
    save(open_result(tmp_path / "own.nc").assign_attrs(config="{}"), tmp_path / "mute.nc")
    assert "which group acts" in mfsym("distance", tmp_path / "mute.nc", "--to", "si").stderr


def test_a_figure_of_a_reference_teacher_refuses_a_namesake() -> None:
    draw = drawing("fig4")
    with pytest.raises(MfsymError, match="shows the WI teacher"):
        draw(compare(own_teacher("wi"), schemes=("fa",), **TINY))
    figure = draw(compare("wi", schemes=("fa",), init="wi", **TINY))
    assert "from one WI start" in " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_a_sweep_names_the_loss_of_its_risks(labels_file: Path, tmp_path: Path, mfsym: Run) -> None:
    given = {"problem": str(labels_file), "scheme": ["vanilla", "fa"], "n": [4], "horizon": 0.5, "alpha": 5.0}
    result = sweep(given, tmp_path / "labels.nc")
    assert result.attrs["loss"] == "cross-entropy"
    for name in ("risk", "risk_bare"):
        assert result[name].attrs["units"] == "nat"
        assert "softmax" in result[name].attrs["long_name"]
    assert result["l2_symmetrisation"].attrs["units"] == "|y|"
    table = mfsym("table", tmp_path / "labels.nc", "--variable", "risk").stdout
    assert "l = -sum_j y_j log softmax(yhat)_j [nat]" in table
    page = report(result, "labels")
    assert "[nat]" in page
    assert "|yhat - y|^2" not in page


def test_the_command_line_names_the_loss(labels_file: Path, tmp_path: Path, mfsym: Run) -> None:
    tiny = ("--problem", labels_file, "-n", 4, "--horizon", 0.5, "--alpha", 5)
    record = parse_json(mfsym("compare", *tiny, "--schemes", "fa", "--format", "json"))
    assert record["loss"] == "cross-entropy"
    table = mfsym("compare", *tiny, "--schemes", "fa").stdout
    assert "risk: risk E l(model(x), y) of the scheme's model" in table
    assert table.count("l = -sum_j y_j log softmax(yhat)_j") == 2
    said = mfsym("simulate", *tiny, "-o", tmp_path / "run.nc").stdout
    assert "(cross-entropy loss)" in said
    assert "loss)" not in mfsym("simulate", "-n", 4, "--horizon", 0.5, "-o", tmp_path / "plain.nc").stdout


def test_an_unknown_loss_is_not_written() -> None:
    result = xr.Dataset({"risk": ("n", np.zeros(1))}, attrs={"loss": "hinge"})
    with pytest.raises(MfsymError, match="must be one of quadratic, cross-entropy, logistic, got 'hinge'"):
        annotate(result)


def test_a_report_gives_every_scheme_its_colour_and_repeats_no_risk(tmp_path: Path) -> None:
    colours = {name: mark.colour for name, mark in SCHEMES.items()}
    assert list(colours) == list(REGISTERED)
    assert len(set(colours.values())) == len(REGISTERED)
    small = {"n": [4], "horizon": 0.5, "alpha": 5.0}
    fa = report(sweep({**small, "scheme": ["fa"]}, tmp_path / "fa.nc"), "fa")
    assert f'style="--ink:{colours["fa"]}"' in fa
    assert colours["vanilla"] not in fa
    assert "equal to risk everywhere" not in fa
    vanilla = report(sweep({**small, "scheme": ["vanilla"]}, tmp_path / "vanilla.nc"), "vanilla")
    assert vanilla.count("equal to risk everywhere") == 1


def test_the_counterexample_refuses_problems_that_are_none(labels_file: Path) -> None:
    def cell(path: Path) -> Cell:
        return Cell(teacher=path.stem, problem=str(path), problem_digest=load_problem(path).digest, **TINY)

    with pytest.raises(MfsymError, match="quadratic loss"):
        si_against_wi(cell(labels_file), [4])
    turns = ROOT / "sims" / "problems" / "c4-turns.toml"
    assert problem_of(cell(turns)).unit.c == 1
    with pytest.raises(MfsymError, match="models of laws in E\\^G are constant"):
        si_against_wi(cell(turns), [4])
    found = si_against_wi(cell(ROOT / "sims" / "problems" / "c4-counterexample.toml"), [4])
    assert config(found)["schemes"] == ["ea", "fa"]


def test_a_study_needs_data_whose_subspace_is_known(labels_file: Path) -> None:
    labels_file.write_text(LABELS.replace('loss = "cross-entropy"\n', ""))
    with pytest.raises(MfsymError, match=r"set dataset\.symmetrised"):
        problem_of_case(Case("a", problem=str(labels_file)))
    labels_file.write_text(LABELS.replace('loss = "cross-entropy"\n', "") + "symmetrised = true\n")
    assert problem_of_case(Case("a", problem=str(labels_file))).loss == "quadratic"


def test_the_reference_teacher_as_an_object_gives_the_numbers_of_its_name() -> None:
    named = flow("arbitrary", snapshots=2, accuracy=COARSE, beta=0.0, **TINY)
    given = flow(reference_teacher("arbitrary"), snapshots=2, accuracy=COARSE, beta=0.0, **TINY)
    assert np.array_equal(named["particles"].values, given["particles"].values)
    assert config(given)["problem"] == GIVEN
