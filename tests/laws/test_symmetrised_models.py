"""Read-outs of models that know one side of a symmetry: turned digits, and a student of half a domain."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from mfsym.experiments.symmetrisations import BACKBONES, HalfPlane, half_domain, turned_digits
from mfsym.streams import stream_key
from tests.sizes import compiled
from tests.tolerances import STAT

SEEDS = range(5)


@lru_cache
def _digits(backbone, seed):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn, in the extra digits")
    return turned_digits(backbone, seed)


def _check_digits(backbone, rows):
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    assert mean["turned"] < 0.5 < 0.93 < mean["upright"]
    assert mean["equitune"] < 0.6
    assert mean["equitune of probabilities"] < 0.6
    if backbone == "prototypes":
        assert mean["equizero, max-score"] >= 0.945
        assert mean["equizero, max-prob"] < 0.8
        assert mean["lambda"] >= 0.94
    else:
        assert mean["equizero, max-score"] < 0.6
        assert mean["lambda"] >= 0.93


def test_averages_fail_on_turned_digits_and_weights_do_not():
    _check_digits("prototypes", [_digits("prototypes", 0)])


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_averages_fail_on_turned_digits_and_weights_do_not_over_five_seeds(backbone):
    _check_digits(backbone, [_digits(backbone, seed) for seed in SEEDS])


@compiled
@pytest.mark.parametrize("seed", SEEDS)
def test_the_student_of_half_a_domain(seed):
    errors = half_domain(seed)
    assert errors["on"] < 1e-5
    assert errors["off"] > 0.1
    assert abs(errors["equitune"] / (errors["off"] / 4.0) - 1.0) < 0.02
    assert errors["equizero"] < 1e-5
    assert errors["lambda"] < 1e-3
    assert errors["lambda, ensemble"] < 1e-3


def test_the_half_plane_is_the_gaussian_of_one_side():
    law, whole = HalfPlane(2.0), HalfPlane(2.0).rule(2, 40)
    x = law.draw(stream_key(23, "data"), 0, 20_000, 2)
    assert (np.abs(x[:, 0]) >= np.abs(x[:, 1])).all()
    for moment in (x[:, 0] ** 2, x[:, 1] ** 2, np.abs(x[:, 0] * x[:, 1])):
        assert moment.std() > 0.0
    squares = np.sum(x**2, axis=1)
    assert abs(squares.mean() - 8.0) < STAT * squares.std() / np.sqrt(len(x))
    assert whole.mean(np.sum(whole.x**2, axis=1)) == pytest.approx(8.0)
