"""Trained schemes behind read-outs: which there are, what they cost, what compare writes and prints of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mfsym as mf
from mfsym.errors import MfsymError
from mfsym.experiments.readings import READINGS, Reader, as_readings, default_proxy, passes_to_judge, readings_of
from mfsym.problems import Problem
from mfsym.schemes import get_scheme
from mfsym.streams import normals, stream_key
from mfsym.sweeps.tables import comparison_csv, comparison_records, comparison_table
from tests.readout_entries import SMALL, problem
from tests.results import signs_problem
from tests.sizes import compiled
from tests.tolerances import ALGEBRA

pytestmark = compiled

ALL = "equitune,equizero,lambda,equizero:max-prob"


@pytest.fixture(scope="module")
def compared():
    return mf.compare("arbitrary", schemes=("vanilla", "fa"), readouts=ALL, replicates=2, init="wi", **SMALL)


def test_names_are_taken_from_texts_and_lists():
    assert as_readings(None) == ()
    assert as_readings("equitune, lambda") == as_readings(["equitune", "lambda"]) == ("equitune", "lambda")
    assert set(as_readings(READINGS)) == set(READINGS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("equitune,equitune", "each read-out once"),
        ("equitunes", "did you mean 'equitune'"),
        ("canonical", "needs an equivariant frame"),
        ("equizero:guess", "readouts must be one of"),
        (3, "readouts must be names"),
        ("", "readouts must be one of"),
    ],
)
def test_what_is_no_reading_is_refused(given, words):
    with pytest.raises(MfsymError, match=words):
        as_readings(given)


def test_losses_without_a_mixture_are_refused_before_training():
    with pytest.raises(MfsymError, match="weights are fitted by the quadratic loss or cross-entropy, got logistic"):
        mf.compare(signs_problem(), readouts="lambda", **SMALL)
    assert mf.compare(signs_problem(), schemes="vanilla", readouts="equitune", **SMALL).sizes["readout"] == 2


def test_every_reading_of_every_scheme_is_equivariant(compared):
    error = compared["equivariance_error_read"]
    assert error.sel(scheme="vanilla", readout="none").min() > 1e-3
    assert error.where(error["readout"] != "none", 0.0).max() < ALGEBRA


def test_a_model_that_is_equivariant_comes_back_unchanged(compared):
    risk = compared["risk_read"].sel(scheme="fa")
    assert np.abs(risk - risk.sel(readout="none")).max() < ALGEBRA


def test_the_mean_gains_its_distance_from_the_model_on_symmetric_data():
    """R(M) - R(Q_G M) = E|M - Q_G M|^2: the WI teacher, whose inputs are symmetric too."""
    data = mf.compare("wi", schemes="vanilla", readouts="equitune", init="wi", **SMALL).isel(scheme=0, replicate=0)
    risks, distance = data["risk_read"].values, float(data["l2_symmetrisation"])
    assert distance > 1e-3
    assert risks[0] - risks[1] == pytest.approx(distance**2, rel=1e-3)


def test_readings_do_not_change_what_is_trained(compared):
    plain = mf.compare("arbitrary", schemes=("vanilla", "fa"), replicates=2, init="wi", **SMALL)
    assert "readout" not in plain.dims
    for name in ("particles", "risk", "rmd2_si"):
        assert np.array_equal(plain[name].values, compared[name].values)


def test_fitted_weights_are_a_pure_function_of_seed_and_replicate(compared):
    again = mf.compare("arbitrary", schemes=("fa", "vanilla"), readouts="lambda", replicates=2, init="wi", **SMALL)
    one, other = (each["risk_read"].sel(scheme="vanilla", readout="lambda").values for each in (compared, again))
    assert np.array_equal(one, other)
    assert one[0] != one[1]


def test_the_default_proxy_follows_the_problem():
    assert default_proxy(problem()) == "max-score"
    teacher = Problem.of(mf.reference_teacher("arbitrary"))
    assert default_proxy(teacher) == "weights"
    z, x = mf.gaussian(mf.stream_key(3, "init"), 8, 4), mf.gaussian(mf.stream_key(3, "data"), 50, 2)
    reader = Reader(mf.get_scheme("vanilla", teacher.unit), teacher, z)
    choice, mean = reader.reading("equizero").orbit(x), reader.reading("lambda").orbit(x)
    assert np.array_equal(choice.chosen_node, mean.chosen_node)


def test_a_training_that_diverged_has_no_numbers_behind_read_outs():
    data = mf.compare("arbitrary", schemes="vanilla", readouts=ALL, **{**SMALL, "alpha": 1e300})
    assert np.isnan(data["risk_read"].values).all()
    assert data["passes"].values.ravel().tolist() == [1, 2, 2, 2, 2]


def test_tables_json_and_csv_speak_of_every_reading(compared):
    table, records = comparison_table(compared), comparison_records(compared)
    assert "vanilla, equizero:max-prob" in table
    assert len(records["readouts"]) == 2 * 5 * 2
    first = json.loads(json.dumps(records))["readouts"][0]
    assert first["readout"] == "none"
    assert first["passes"] == 1
    assert first["risk"] == records["schemes"][0]["risk"]
    lines = comparison_csv(compared).splitlines()
    assert len(lines) == 1 + 2 * 5 * 2
    assert {"risk", "risk_read", "readout", "passes"} <= set(lines[0].split(","))


def test_the_passes_that_a_comparison_makes_are_told_before(monkeypatch):
    given, seen = problem(), []
    unit = given.unit
    start = mf.NoisySGD(unit, "fa", given.data).init(normals(stream_key(4, "init"), 0, 6, unit.p), 0)
    plain = type(unit).predict

    def counted(self, x, z):
        seen.append(len(x))
        return plain(self, x, z)

    monkeypatch.setattr(type(unit), "predict", counted)
    schemes = [get_scheme(name, unit) for name in ("vanilla", "fa")]
    for names in ((), ("equitune",), ("equitune", "equizero:entropy"), ("lambda",)):
        seen.clear()
        readings_of(names, [start, start], schemes, given)
        told = passes_to_judge(names, schemes, given)
        assert sum(seen) <= told <= 3 * sum(seen)
