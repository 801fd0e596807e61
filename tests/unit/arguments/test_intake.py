"""Wherever particles, samples or weights are taken: what is no real number is refused, what people have is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mfsym as mf
from mfsym import experiments, metrics, transport
from mfsym.arguments.callables import own_rows
from mfsym.data import datasets
from mfsym.dynamics.resnets import ResNetSGD
from mfsym.errors import MfsymError
from mfsym.experiments import convergence
from mfsym.flows import Population

UNIT = mf.reference_unit("uv")
TEACHER = mf.reference_teacher("wi", "uv")
FIXED = UNIT.fixed_subspace
Z = np.arange(20.0).reshape(5, 4) / 10.0
X = Z[:, :2]
ONES = np.ones(5)
EYE = np.eye(4)[None]


def made(values: Any) -> mf.Ensemble:
    return mf.Ensemble(Z, values)


DOORS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "w2, first": (lambda z: mf.w2(z, Z), Z),
    "w2, second": (lambda z: mf.w2(Z, z), Z),
    "w2, weights": (lambda w: mf.w2(Z, Z, weights_a=w), ONES),
    "w2, sliced": (lambda z: mf.w2(z, Z, method="sliced"), Z),
    "w2, sinkhorn": (lambda w: mf.w2(Z, Z, weights_b=w, method="sinkhorn"), ONES),
    "rmd2": (lambda z: mf.rmd2(z, Z), Z),
    "second_moment": (mf.second_moment, Z),
    "quotient_w2": (lambda z: mf.quotient_w2(z, Z, EYE), Z),
    "quotient_w2, matrices": (lambda m: mf.quotient_w2(Z, Z, m), EYE),
    "w2_to_si": (lambda z: transport.w2_to_si(z, EYE), Z),
    "w2_to_symmetrised": (lambda z: transport.w2_to_symmetrised(z, EYE), Z),
    "distance_to_wi": (lambda z: transport.distance_to_wi(z, EYE), Z),
    "w2_along": (lambda z: list(transport.w2_along(z)), np.stack([Z, Z])),
    "knn_entropy": (transport.knn_entropy, Z),
    "Ensemble": (mf.Ensemble, Z),
    "Ensemble, weights": (made, ONES / 5),
    "Ensemble.push": (lambda m: mf.Ensemble(Z).push(m), EYE[0]),
    "symmetrised": (lambda z: mf.symmetrised(z, UNIT.action), Z),
    "distance2_to_si": (lambda z: metrics.distance2_to_si(z, FIXED), Z),
    "rmd2_si": (lambda z: metrics.rmd2_si(z, FIXED), Z),
    "rmd2_symmetrised": (lambda z: metrics.rmd2_symmetrised(z, UNIT.action), Z),
    "distance_wi": (lambda z: metrics.distance_wi(z, UNIT.action), Z),
    "evaluate": (lambda z: metrics.evaluate(mf.get_scheme("fa", UNIT), TEACHER, z), Z),
    "accuracy": (lambda p: metrics.accuracy(p, X, ONES), X),
    "accuracy, weights": (lambda w: metrics.accuracy(X, X, w), ONES),
    "distance_to": (lambda z: experiments.distance_to(z, "si", UNIT), Z),
    "project": (FIXED.project, Z),
    "predict, inputs": (lambda x: UNIT.predict(x, Z), X),
    "predict, particles": (lambda z: UNIT.predict(X, z), Z),
    "scheme ea": (lambda z: mf.get_scheme("ea", UNIT).read(X, z), Z),
    "Teacher": (lambda z: mf.Teacher(UNIT, z), Z),
    "target": (TEACHER.target, X),
    "FunctionData, outputs": (lambda y: own_rows(lambda _: y, X, 2, "outputs"), X),
    "SampleData, x": (lambda x: mf.SampleData((x, X)), X),
    "SampleData, y": (lambda y: mf.SampleData((X, y)), X),
    "SampleData, test": (lambda x: mf.SampleData((X, X), (x, X)), X),
    "one_hot": (lambda labels: datasets.one_hot(labels, 3), ONES),
    "NoisySGD.init": (mf.NoisySGD(UNIT, "vanilla", TEACHER).init, Z),
    "NoisySGD.init, ea": (mf.NoisySGD(UNIT, "ea", TEACHER).init, Z),
    "MeanFieldFlow.init": (mf.MeanFieldFlow(UNIT, "vanilla", TEACHER, accuracy=mf.Accuracy(order=8)).init, Z),
    "Population": (Population(UNIT, "vanilla", TEACHER, order=8).gradient, Z),
    "ResNetSGD.init": (ResNetSGD(UNIT, "vanilla", TEACHER, depth=2).init, np.stack([Z, Z])),
    "fit_slope": (lambda values: convergence.fit_slope([1, 2, 3, 4, 5], values), 1.0 + Z),
}


@pytest.mark.parametrize("name", DOORS)
def test_what_is_no_real_number_is_refused_at_every_door(name: str) -> None:
    door, good = DOORS[name]
    door(good)
    masked = np.ma.masked_array(good, mask=np.arange(good.size).reshape(good.shape) == 1)
    text = good.astype(str)
    records = np.zeros(good.shape, dtype=[("a", float)])
    holed = good.astype(object)
    holed.flat[0] = None
    for bad, words in (
        (masked, "masked entries, got 1"),
        (good + 1j, "must be real, got complex128"),
        (text, "must be numbers, got an array of dtype"),
        (records, "records with the fields a"),
        (holed, "None .NoneType. among them"),
    ):
        with pytest.raises(MfsymError, match=words) as caught:
            door(bad)
        assert "\n" not in str(caught.value)


class Tensor:
    """As arrays of PyTorch are: NumPy may read them once they are detached from their gradient."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def detach(self) -> np.ndarray:
        return self.values

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize("name", DOORS)
def test_what_people_have_is_taken_at_every_door(name: str) -> None:
    door, good = DOORS[name]
    for wrap in (np.ndarray.tolist, Tensor, np.asfortranarray, np.ma.masked_array):
        door(wrap(good))
    if good.ndim == 1:
        door(pd.Series(good))
    elif good.ndim == 2:
        door(pd.DataFrame(good))


def test_masks_and_sizes_inside_lists_are_seen() -> None:
    row = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    for bad in ([row, [1.0, 2.0]], ([[row]],), [np.ma.masked, 1.0]):
        with pytest.raises(MfsymError, match="the cloud must have no masked entries, got some in a list"):
            mf.arguments.as_floats(bad, "the cloud")
    with pytest.raises(MfsymError, match="must fit in float64, got a whole number above"):
        mf.w2([[10**400]], [[1.0]])


def test_a_target_of_another_shape_is_refused() -> None:
    with pytest.raises(MfsymError, match=r"the target of mine must give rows \(4, 1\) for 4 inputs, got shape \(4,\)"):
        mf.FunctionData(mf.Gaussian(1.0), lambda x: (x**2).sum(axis=1), 2, 1, name="mine")
