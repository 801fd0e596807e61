"""Cells, simulate and compare: what they hold, and that they agree with each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mfsym as mf
from mfsym.configurations import Cell
from mfsym.configurations.names import SCHEMES
from mfsym.data.teachers import Teacher, reference_teacher, reference_unit
from mfsym.errors import MfsymError
from mfsym.experiments import (
    LAW_METRICS,
    MODEL_METRICS,
    Setup,
    compare,
    distance_between,
    distance_to,
    dynamics_of,
    problem_of,
    run_cell,
    simulate,
    snapshot_steps,
    start_of,
)
from mfsym.flows import flow_of
from mfsym.metrics import distance2_to_si
from mfsym.metrics.nulls import NULL_MEASURES
from mfsym.stores.archives import arrays_digest
from mfsym.streams import normals, stream_key
from mfsym.variables import TIMINGS, validate
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, ROUNDOFF

SMALL = Cell(n=8, horizon=0.5, alpha=5.0, schemes=("vanilla", "fa", "ea"))


def test_a_cell_is_a_pure_function_of_its_values() -> None:
    one, again = run_cell(SMALL), run_cell(SMALL)
    other = run_cell(replace(SMALL, replicate=1))
    assert arrays_digest(one.arrays) == arrays_digest(again.arrays)
    assert arrays_digest(one.arrays) != arrays_digest(other.arrays)


def test_a_cell_holds_every_metric_for_every_scheme() -> None:
    arrays = run_cell(SMALL).arrays
    for name in (*LAW_METRICS, *MODEL_METRICS, "status", "diverged_step"):
        assert arrays[name].shape == (3,), name
    assert arrays["particles"].shape == (3, 8, 4)
    assert list(arrays["status"]) == ["ok"] * 3
    assert list(arrays["diverged_step"]) == [-1] * 3
    pairs = arrays["rmd2_pair"]
    np.testing.assert_array_equal(pairs, pairs.T)
    assert not pairs.diagonal().any()
    assert pairs[0, 1] > 0


def test_schemes_of_a_cell_do_not_influence_each_other() -> None:
    alone = run_cell(replace(SMALL, schemes=("fa",))).arrays
    together = run_cell(SMALL).arrays
    np.testing.assert_array_equal(alone["particles"][0], together["particles"][1])


def test_what_diverges_has_its_step_and_no_number() -> None:
    arrays = run_cell(replace(SMALL, alpha=1e300)).arrays
    assert list(arrays["status"]) == ["diverged"] * 3
    assert (arrays["diverged_step"] >= 0).all()
    for name in (*LAW_METRICS, *MODEL_METRICS, "rmd2_pair"):
        assert np.isnan(arrays[name]).all(), name


def test_simulate_ends_where_the_cell_ends() -> None:
    run = simulate("wi", "fa", snapshots=3, init="si", n=8, horizon=0.5, alpha=5.0)
    validate(run)
    arrays = run_cell(SMALL).arrays
    np.testing.assert_array_equal(run["particles"].values[-1], arrays["particles"][1])
    for name in ("risk", "risk_bare", "rmd2_si", "rmd2_symmetrised"):
        assert float(run[name][-1]) == pytest.approx(arrays[name][1], rel=ROUNDOFF)
    assert list(run["time"].values) == [0.0, 0.25, 0.5]
    assert run.attrs["status"] == "ok"
    assert run["particles"].dims == ("time", "particle", "param")


def test_simulate_keeps_a_diverged_run_up_to_its_end_without_numbers() -> None:
    run = simulate("wi", "vanilla", snapshots=3, n=8, horizon=0.5, alpha=1e300)
    assert list(run["status"].values) == ["ok", "diverged", "diverged"]
    assert np.isfinite(run["risk"].values[0])
    assert np.isnan(run["risk"].values[1:]).all()
    assert np.isnan(run["particles"].values[1:]).all()
    assert run.attrs["diverged_step"] >= 0


def test_compare_stacks_cells_over_replicates() -> None:
    both = compare("wi", replicates=2, schemes=("vanilla", "fa", "ea"), init="si", n=8, horizon=0.5, alpha=5.0)
    validate(both)
    assert both["rmd2_pair"].dims == ("scheme", "replicate", "other")
    for r in range(2):
        arrays = run_cell(replace(SMALL, replicate=r)).arrays
        for name in ("risk", "rmd2_si", "rmd2_pair", "particles"):
            np.testing.assert_array_equal(both[name].sel(replicate=r).values, arrays[name])


@compiled
def test_compare_gives_the_same_on_two_workers() -> None:
    parameters = {"init": "si", "n": 8, "horizon": 0.5, "alpha": 5.0}
    one = compare("wi", replicates=2, schemes=("vanilla",), jobs=1, **parameters)
    two = compare("wi", replicates=2, schemes=("vanilla",), jobs=2, **parameters)
    assert one.drop_vars(TIMINGS).identical(two.drop_vars(TIMINGS))


def test_a_teacher_may_be_an_object() -> None:
    parameters = {"n": 8, "horizon": 0.5, "alpha": 5.0}
    named = simulate("si", "da", snapshots=2, **parameters)
    given = simulate(reference_teacher("si"), "da", snapshots=2, **parameters)
    np.testing.assert_array_equal(named["particles"].values, given["particles"].values)
    own = Teacher(reference_unit(), np.zeros((1, 4)), name="zero")
    assert '"teacher": "zero"' in simulate(own, snapshots=1, **parameters).attrs["config"]


@pytest.mark.parametrize(
    "parameters", [{"nn": 5}, {"n": 0}, {"alpha": float("nan")}, {"scheme": "x"}, {"teacher": "x"}, {"init": 3}]
)
def test_bad_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(MfsymError):
        simulate(**parameters)  # type: ignore[arg-type]


def test_snapshots_are_steps_without_repeats() -> None:
    assert list(snapshot_steps(Cell(n=10, horizon=1.0), 3)) == [0, 5, 10]
    assert list(snapshot_steps(Cell(n=2, horizon=1.0), 9)) == [0, 1, 2]
    assert list(snapshot_steps(Cell(n=10, horizon=1.0), 1)) == [10]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("init", ["si", "wi"])
def test_noise_is_projected_exactly_when_the_start_is(init: str, scheme: str) -> None:
    cell = replace(SMALL, init=init, schemes=(scheme,))
    problem = problem_of(cell)
    dynamics = dynamics_of(cell, scheme, problem)
    noise = Setup.of(cell).noise
    assert noise == dynamics.noise(start_of(cell, dynamics))
    assert noise == ("projected" if init == "si" or scheme == "ea" else "isotropic")
    flow = flow_of(cell, problem.data, problem.unit, mf.Accuracy(order=4))
    flow.init(mf.start_cloud(problem.unit, init, 8))
    assert (flow.noise_projector is not None) == (noise == "projected")


def test_every_training_records_its_noise() -> None:
    tiny = {"n": 4, "horizon": 0.5, "alpha": 5.0}
    assert simulate("wi", "fa", init="si", **tiny).attrs["noise"] == "projected"
    assert simulate("wi", "fa", init="wi", **tiny).attrs["noise"] == "isotropic"
    both = compare("wi", init="wi", schemes=("fa", "ea"), **tiny)
    assert both.attrs["noise"] == "isotropic, projected for ea"
    limit = mf.flow("wi", "fa", init="si", n=4, horizon=0.5, snapshots=2, beta=0.0, accuracy=mf.Accuracy(order=8))
    assert limit.attrs["noise"] == "projected"


def test_a_comparison_may_ask_for_null_levels() -> None:
    tiny = {"n": 6, "horizon": 0.5, "alpha": 5.0, "init": "wi", "schemes": ("vanilla", "ea")}
    plain, asked = compare("arbitrary", replicates=2, **tiny), compare("arbitrary", replicates=2, null=19, **tiny)
    assert not set(NULL_MEASURES) & set(plain.data_vars)
    for name in plain.data_vars:
        if name not in TIMINGS:
            assert np.array_equal(plain[name].values, asked[name].values), name
    one = asked.sel(scheme="vanilla", replicate=1)
    action = mf.reference_unit().action
    found = mf.null_level(one["particles"].values, action, draws=19, replicate=1)
    assert [float(one[name]) for name in NULL_MEASURES] == [found.level, found.lower, found.upper, found.p_value]
    assert found.observed == pytest.approx(float(one["rmd2_symmetrised"]), abs=ALGEBRA)
    assert (asked["p_value_symmetrised"].sel(scheme="ea") == 1.0).all()
    with pytest.raises(MfsymError, match="null_level"):
        simulate("wi", null=19)


def _cloud(n: int = 6) -> np.ndarray:
    return normals(stream_key(3, "init"), 0, n, 4)


def test_the_distance_between_a_cloud_and_itself_is_zero_and_proved() -> None:
    record = distance_between(_cloud(), _cloud())
    assert record["w2_squared"] == pytest.approx(0.0, abs=ALGEBRA)
    assert set(record) == {"w2_squared", "rmd2", "lower_bound", "relative_gap", "method", "seconds"}


def test_distances_to_the_symmetric_laws_are_those_of_their_nearest_law() -> None:
    z = _cloud()
    unit = reference_unit()
    si = distance_to(z, "si")
    assert si["w2_squared"] == pytest.approx(distance2_to_si(z, unit.fixed_subspace))
    between = distance_between(z, unit.fixed_subspace.project(z))
    assert si["rmd2"] == pytest.approx(between["rmd2"], rel=ALGEBRA)
    wi, symmetrised = distance_to(z, "wi"), distance_to(z, "symmetrised")
    assert wi["w2_squared"] <= si["w2_squared"]
    assert wi["w2_squared"] <= symmetrised["w2_squared"] <= 4 * wi["w2_squared"] * (1 + ALGEBRA)
    assert distance_to(np.zeros((3, 4)), "si")["rmd2"] == 0.0
    with pytest.raises(MfsymError, match="4 parameters"):
        distance_to(z[:, :3], "si")
