"""mfsym.arguments.callables: functions that people hand over are tried once, and refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mfsym as mf
from mfsym.data.inputs import InputLaw
from mfsym.errors import MfsymError
from mfsym.groups import cyclic
from mfsym.problems.expressions import Formula
from mfsym.streams import stream_key
from mfsym.units import UserUnit

KEY = stream_key(8, "data")
C2 = cyclic(2)
ONE = C2.trivial(1)


def _data(function: Callable[..., Any], d: int = 2, c: int = 1) -> mf.FunctionData:
    return mf.FunctionData(mf.Gaussian(1.0), function, d, c)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x[:, 0], r"rows \(4, 1\) for 4 inputs, got shape \(4,\)"),
        (lambda x: x, r"got shape \(4, 2\)"),
        (lambda x: x[:1, :1], r"got shape \(1, 1\)"),
        (lambda x: 1.0, r"got shape \(\)"),
        (lambda x: x[:, :1] - x[:, :1].mean(), "each row alone"),
        (lambda x: np.sort(x[:, :1], axis=0), "each row alone"),
        (lambda x: np.where(x[:, :1] > 0, np.nan, 1.0), "must be finite"),
        (lambda x: x[:, :1] + 1j, "must be real"),
        (lambda x: x @ np.ones((5, 1)), "raised ValueError"),
        (lambda x, y: x[:, :1], "raised TypeError"),
        (None, "raised TypeError"),
    ],
)
def test_targets_of_the_wrong_kind_are_refused_at_construction(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(MfsymError, match=words) as caught:
        _data(function)
    assert len(str(caught.value).splitlines()) == 1


def test_a_transposed_target_is_refused_also_where_inputs_and_outputs_are_as_many() -> None:
    with pytest.raises(MfsymError, match=r"got shape \(3, 5\)"):
        _data(lambda x: x.T, 3, 3)


def test_a_target_may_write_to_its_input_and_return_views() -> None:
    buffer = np.zeros((4096, 1))

    def writes(x: np.ndarray) -> np.ndarray:
        x[:, 0] = x[:, 1]
        return x[:, :1]

    def keeps(x: np.ndarray) -> np.ndarray:
        buffer[: len(x)] = x[:, 1:]
        return buffer[: len(x)]

    plain = _data(lambda x: x[:, 1:])
    for function in (writes, keeps, lambda x: np.broadcast_to(x[:, 1:], (len(x), 1))):
        data = _data(function)
        for first in (0, 5):
            (x, y), twin = data.draw(KEY, first, 5), plain.draw(KEY, first, 5)
            assert np.array_equal(x, twin[0])
            assert np.array_equal(y, twin[1])
            assert y.flags.writeable
        nodes, weights = data.quadrature(4)
        assert np.array_equal(data.target(nodes), nodes[:, 1:])
        assert weights.sum() == pytest.approx(1.0)
    kept = _data(keeps)
    first, values = kept.target(np.ones((2, 2))), np.ones((2, 1))
    kept.target(np.zeros((2, 2)))
    assert np.array_equal(first, values)


class _Cubes(InputLaw):
    name = "cubes"

    def transform(self, normals: np.ndarray) -> np.ndarray:
        return self.scale * normals**3

    def product_rule(self, d: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        nodes, weights = mf.Gaussian(1.0).product_rule(d, order)
        return self.scale * nodes**3, weights


class _Centred(_Cubes):
    def transform(self, normals: np.ndarray) -> np.ndarray:
        return normals - normals.mean(axis=0)


class _Flat(_Cubes):
    def transform(self, normals: np.ndarray) -> np.ndarray:
        return normals[:, 0]


class _Heavy(_Cubes):
    def product_rule(self, d: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        nodes, weights = super().product_rule(d, order)
        return nodes, 2.0 * weights


class _Thin(_Cubes):
    def product_rule(self, d: int, order: int) -> tuple[np.ndarray, np.ndarray]:
        nodes, weights = super().product_rule(d, order)
        return nodes[:, 0], weights


def test_input_laws_of_your_own_are_tried_too() -> None:
    def target(x: np.ndarray) -> np.ndarray:
        return x[:, :1]

    assert mf.FunctionData(_Cubes(), target, 2, 1).draw(KEY, 0, 3)[0].shape == (3, 2)
    refused = [(_Centred(), "each row alone"), (_Flat(), r"rows \(4, 2\)"), (_Heavy(), "sum to 1, got a sum of 2")]
    refused += [(_Thin(), r"nodes \(Q, 2\)"), (0.5, "must be an input law")]  # type: ignore[list-item]
    for law, words in refused:
        with pytest.raises(MfsymError, match=words):
            mf.FunctionData(law, target, 2, 1)
    with pytest.raises(MfsymError, match="must be an input law"):
        mf.Teacher(mf.reference_unit(), np.ones((1, 4)), inputs="gaussian")  # type: ignore[arg-type]
    for size in (0, 1.5):
        with pytest.raises(MfsymError, match="whole number"):
            _data(target, d=size)  # type: ignore[arg-type]


RULE = r"schedule must be a function of times \(S,\) that returns \(S,\) finite non-negative factors, "


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ([1.0, 0.5], RULE + r"got \[1.0, 0.5\] \(list\)"),
        (0.5, RULE + r"got 0.5 \(float\)"),
        (lambda t: 0.5, RULE + r"got shape \(\)"),
        (lambda t: np.outer(t, t), RULE + "got shape"),
        (lambda t: t - 1.0, RULE + "got -1.0 at t = 0"),
        (lambda t: np.where(t > 0.0, 1.0, np.inf), RULE + "got inf at t = 0"),
        (lambda: 1.0, RULE.rstrip(", ") + ".*raised TypeError"),
        (lambda t: 1.0 - t / (1.0 + t.max()), "each time alone"),
    ],
)
@pytest.mark.parametrize("dynamics", [mf.NoisySGD, mf.MeanFieldFlow])
def test_schedules_of_the_wrong_kind_are_refused_at_construction(
    dynamics: Callable[..., Any], schedule: Any, words: str
) -> None:
    teacher = mf.reference_teacher("wi")
    with pytest.raises(MfsymError, match=words) as caught:
        dynamics(teacher.unit, "vanilla", teacher, schedule=schedule)
    assert len(str(caught.value).splitlines()) == 1


def test_a_schedule_that_turns_bad_later_is_refused_there() -> None:
    teacher = mf.reference_teacher("wi")
    dynamics = mf.NoisySGD(teacher.unit, "vanilla", teacher, schedule=lambda t: 1.0 - t)
    start = dynamics.init(np.full((4, 4), 0.1))
    assert dynamics.step(start, 4).status == "ok"
    with pytest.raises(MfsymError, match=r"got -0.25 at t = 1.25"):
        dynamics.step(start, 6)


class _Wide(mf.FunctionData):
    """Samples with one input too many."""

    def draw(self, key: np.ndarray, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = super().draw(key, first, count)
        return np.hstack([x, x[:, :1]]), y


def test_samples_of_the_wrong_shape_are_refused() -> None:
    unit = mf.reference_unit()
    data = _Wide(mf.Gaussian(1.0), lambda x: x, 2, 2, "wide")
    dynamics = mf.NoisySGD(unit, "vanilla", data, batch_size=5)
    with pytest.raises(MfsymError, match=r"10 samples of wide must be x \(10, 2\) and y \(10, 2\), got \(10, 3\)"):
        dynamics.step(dynamics.init(np.ones((4, 4))), 2)


def _right(x: Any, z: Any, out: Any) -> None:
    out[0] = z[0] * x[0]


def _kinked(x: Any, z: Any, out: Any) -> None:
    out[0] = abs(z[0] * x[0])


@pytest.mark.parametrize(
    ("forward", "derivative", "words"),
    [
        (lambda x, z: z[0] * x[0], "differences", "raised TypeError"),
        (lambda x, z, out: z[0] * x[0], "differences", "all 1 entries of out"),
        (lambda x, z, out: out.__setitem__(3, 1.0), "differences", "raised IndexError"),
        (lambda x, z, out: x.__setitem__(0, 1.0), "differences", "raised ValueError: assignment destination is read-"),
        (_kinked, "complex", r'analytic in z for the derivative "complex".*along z\[0\]'),
        (_right, lambda x, z, r, out: None, r"pullback\(x, z, r, out\) must write finite numbers to all 1"),
        (_right, lambda x, z, out: None, r"pullback.*raised TypeError"),
    ],
)
def test_units_of_your_own_write_to_their_output_alone(forward: Any, derivative: Any, words: str) -> None:
    with pytest.raises(MfsymError, match=words) as caught:
        UserUnit(forward, ONE, ONE, ONE, derivative)
    assert len(str(caught.value).splitlines()) == 1


def test_formulas_take_any_number_of_arguments_where_that_has_a_meaning() -> None:
    x = np.array([[1.0, 2.0, 3.0], [-1.0, 5.0, 0.0]])
    kept = x.copy()
    x.setflags(write=False)

    def value(text: str) -> list[float]:
        return list(Formula([text], 3)(x)[:, 0])

    assert value("min(x1, x2, x3)") == [1.0, -1.0]
    assert value("max(x1, x2, x3, 4)") == [4.0, 5.0]
    assert value("min(x2)") == [2.0, 5.0]
    assert value("norm(3, x2 - x2, 4)") == [5.0, 5.0]
    for text, words in (("sin(x1, x2)", "sin takes one argument, got 2"), ("abs()", "abs takes one argument, got 0")):
        with pytest.raises(MfsymError, match=words):
            value(text)
    for name in ("min", "max", "norm"):
        with pytest.raises(MfsymError, match=f"{name} takes one argument or more"):
            value(f"{name}()")
    assert np.array_equal(x, kept)
