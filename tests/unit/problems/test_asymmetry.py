"""Whether data are symmetric: exactly for functions, by a test that states its power for samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from scipy.spatial.distance import cdist

import mfsym as mf
from mfsym.data.datasets import SampleData
from mfsym.data.inputs import InputLaw
from mfsym.problems import Problem, parse_text
from mfsym.problems.asymmetry import EXACT, deviation
from mfsym.problems.checking import check, symmetry, symmetry_test
from mfsym.problems.power import LEVEL, POWER, SMALLEST, detectable_shift, energies, relabellings
from mfsym.streams import normals, stream_key
from tests.conftest import parse_json
from tests.tolerances import ALGEBRA, STAT

Run = Callable[..., Result]

FILE = """
[group]
name = "{group}"
[representations]
x = "{x}"
y = "{y}"
[unit]
kind = "uv"
activation = "softplus"
[inputs]
law = "{law}"
[target]
formula = [{formula}]
"""


def _problem(formula: str, group: str = "symmetric(3)", x: str = "permutation", law: str = "gaussian") -> Problem:
    return parse_text(FILE.format(group=group, x=x, y="trivial(1)", law=law, formula=f'"{formula}"'))


@pytest.mark.parametrize("formula", ["x1", "x1 + 2 * x2", "x1 * x2", "x1 + x2 + (1 + 1e-6) * x3"])
def test_asymmetric_formulas_are_found_exactly(formula: str) -> None:
    found = deviation(_problem(formula))
    assert not found.equivariant
    assert found.largest > 100.0 * EXACT
    assert found.elements == 6
    record = symmetry(_problem(formula))
    assert record["symmetric"] is False
    assert record["symmetry_p_value"] is None


def test_the_named_element_is_where_the_deviation_is_largest() -> None:
    problem = _problem("x1 - x2")
    x, _ = problem.data.draw(stream_key(0, "data"), 0, 256)
    values = problem.data.target(x)
    group, sizes = problem.unit.rho_x.group, {}
    for k in range(6):
        moved = problem.data.target(x @ problem.unit.rho_x(np.array(k)).T)
        sizes[group.element_name(np.array(k))] = float(np.abs(moved - values).max())
    found = deviation(problem)
    assert found.element == max(sizes, key=lambda name: sizes[name])
    size = float(np.sqrt(np.mean(values**2)))
    assert found.largest == pytest.approx(max(sizes.values()) / size, rel=0.3)


@pytest.mark.parametrize(
    "formula", ["min(x1, x2, x3)", "x1 * x2 * x3", "1", "0", "sign(x1 * x2 * x3)", "exp(norm(x1, x2, x3))"]
)
def test_symmetric_formulas_are_symmetric(formula: str) -> None:
    found = deviation(_problem(formula))
    assert found.equivariant
    assert found.inputs_invariant
    assert found.largest < ALGEBRA


@pytest.mark.parametrize(
    ("group", "x", "law", "symmetric"),
    [
        ("so(2)", "vector", "gaussian", True),
        ("so(2)", "vector", "sphere", True),
        ("so(2)", "vector", "uniform", False),
        ("cyclic(4)", "vector", "uniform", True),
        ("cyclic(3)", "vector", "uniform", False),
        ("so(2)", "trivial(2)", "uniform", True),
        ("signed_permutations(2)", "vector", "uniform", True),
    ],
)
def test_the_law_of_the_inputs_must_be_invariant_too(group: str, x: str, law: str, symmetric: bool) -> None:
    record = symmetry(_problem("norm(x1, x2)", group, x, law))
    assert record["equivariant"] is True
    assert record["inputs_invariant"] is symmetric
    assert record["symmetric"] is symmetric


def test_directions_of_the_algebra_are_tried() -> None:
    swirl = FILE.format(group="so(2)", x="vector", y="vector", law="gaussian", formula='"x1 - x2", "x1 + x2"')
    found = deviation(parse_text(swirl))
    assert found.equivariant
    assert found.elements > 64
    assert not deviation(parse_text(swirl.replace("x1 + x2", "x1 + 1.001 * x2"))).equivariant


def test_python_functions_and_teachers_are_compared_too() -> None:
    group = mf.cyclic(2)
    unit = mf.UVUnit("tanh", group.permutation(), group.trivial(1))
    even = mf.FunctionData(mf.Gaussian(1.0), lambda x: x.sum(axis=1, keepdims=True), 2, 1)
    odd = mf.FunctionData(mf.Gaussian(1.0), lambda x: x[:, :1], 2, 1)
    assert symmetry(Problem("even", unit, even))["symmetric"] is True
    assert symmetry(Problem("odd", unit, odd))["symmetric"] is False
    for name, symmetric in (("wi", True), ("si", True), ("arbitrary", False)):
        assert symmetry(Problem.of(mf.reference_teacher(name)))["symmetric"] is symmetric


class _Shifted(InputLaw):
    """A law of which nothing is known: N((1, 0, ...), I)."""

    name = "shifted"

    def transform(self, normals: np.ndarray) -> np.ndarray:
        return normals + np.eye(normals.shape[1])[0]

    def product_rule(self, d: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        x, weights = mf.Gaussian(1.0).product_rule(d, order)
        return x + np.eye(d)[0], weights


def test_an_input_law_of_your_own_is_tested() -> None:
    group = mf.cyclic(2)
    unit = mf.UVUnit("tanh", group.permutation(), group.trivial(1))
    data = mf.FunctionData(_Shifted(), lambda x: x.sum(axis=1, keepdims=True), 2, 1)
    record = symmetry(Problem("shifted", unit, data))
    assert (record["equivariant"], record["inputs_invariant"], record["symmetric"]) == (True, None, False)
    assert record["symmetry_p_value"] <= LEVEL


def _samples(count: int, shift: float = 0.0) -> Problem:
    group = mf.cyclic(2)
    unit = mf.UVUnit("tanh", group.permutation(), group.trivial(1))
    x = normals(stream_key(5, "data"), 0, count, 2)
    x[:, 0] += shift
    return Problem("samples", unit, SampleData((x, x.sum(axis=1, keepdims=True)), None, None, "samples"))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_few_samples_can_show_nothing_and_say_so(count: int) -> None:
    record = symmetry(_samples(count, 50.0))
    assert record["symmetric"] is None
    assert record["symmetry_p_value"] > LEVEL
    assert record["symmetry_detectable"] is None


def test_what_samples_can_show_falls_with_their_number() -> None:
    few, many = symmetry(_samples(40)), symmetry(_samples(400))
    assert few["symmetric"] is None
    assert SMALLEST < many["symmetry_detectable"] < few["symmetry_detectable"]
    assert symmetry(_samples(400, 1.0))["symmetric"] is False


def test_the_stated_shift_is_found_as_often_as_stated() -> None:
    count, trials = 50, 40
    key, signs = stream_key(1, "data"), relabellings(stream_key(0, "bootstrap"), 2 * count, 999)
    shift = detectable_shift(normals(key, 0, 2 * count, 3), signs)
    assert shift is not None

    def found(size: float) -> float:
        hits = 0
        for trial in range(trials):
            points, turn = normals(key, 1 + trial, 2 * count, 3), normals(key, 1000 + trial, 1, 3)[0]
            points[count:] += size * 3.0**0.5 * turn / np.linalg.norm(turn)
            values = energies(cdist(points, points), signs)
            hits += bool((1 + (values[1:] >= values[0]).sum()) / len(signs) <= LEVEL)
        return hits / trials

    deviation_of_share = (POWER * (1.0 - POWER) / trials) ** 0.5
    assert abs(found(shift) - POWER) < STAT * deviation_of_share
    assert found(0.3 * shift) < POWER - STAT * deviation_of_share


def test_the_energy_test_is_the_definition() -> None:
    found = symmetry_test(_samples(30, 0.5))
    problem = _samples(30, 0.5)
    x, y = problem.data.draw(stream_key(0, "data"), 0, 2 * found.samples)
    swapped = problem.unit.rho_x(problem.unit.rho_x.group.haar(stream_key(0, "haar"), 0, found.samples))
    x[found.samples :] = np.einsum("nij,nj->ni", swapped, x[found.samples :])
    points = np.hstack([values / np.sqrt(np.mean(values**2)) for values in (x, y)])
    a, b = points[: found.samples], points[found.samples :]
    means = [float(np.mean([np.linalg.norm(p - q) for p in one for q in two])) for one, two in ((a, b), (a, a), (b, b))]
    assert found.statistic == pytest.approx(2.0 * means[0] - means[1] - means[2], abs=ALGEBRA)


def test_strict_turns_asymmetry_into_an_exit_code(mfsym: Run, tmp_path: Path) -> None:
    even, odd = tmp_path / "even.toml", tmp_path / "odd.toml"
    for path, formula in ((even, '"x1 * x2 * x3"'), (odd, '"x1"')):
        path.write_text(
            FILE.format(group="symmetric(3)", x="permutation", y="trivial(1)", law="gaussian", formula=formula)
        )
    assert mfsym("check", even, "--strict").exit_code == 0
    assert mfsym("check", odd).exit_code == 0
    refused = mfsym("check", odd, "--strict", "--format", "json")
    assert refused.exit_code == 1
    assert parse_json(refused)["symmetric"] is False
    assert refused.stderr.startswith("error: ")
    assert "must be symmetric under S_3; NOT symmetric" in refused.stderr
    assert " at g = " in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_every_key_of_the_json_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "problems.md").read_text(encoding="utf-8")
    table = text[text.index("## What `check` can and cannot prove") :]
    record = check(_problem("x1"), basis=True)
    assert [key for key in record if f"`{key}`" not in table] == []
