"""Discovery: the search, its null, its angles, its records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mfsym.data.datasets import SampleData
from mfsym.data.teachers import reference_teacher
from mfsym.discovery import CONTROL, Search, Step, discover, with_verdict
from mfsym.discovery.controls import asymmetric
from mfsym.discovery.residuals import angle_between, containment_angle, cross_moment, direction_error, sampling_null
from mfsym.discovery.searches import Trial
from mfsym.discovery.traces import mean_share, symmetric_as_stated, trace, trace_record, trace_table
from mfsym.errors import MfsymError
from mfsym.representations import Subspace
from mfsym.streams import normals, stream_key
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(29, "teacher")
SMALL = Search(n=20, horizon=0.5, alpha=5.0, replicates=4, max_steps=2)


def moments(residuals):
    return np.einsum("anp,bnq->abpq", residuals, residuals) / residuals.shape[1]


def test_angles_are_those_of_the_plane():
    a = Subspace(np.array([[1.0], [0.0], [0.0]]))
    b = Subspace(np.array([[np.cos(0.3)], [np.sin(0.3)], [0.0]]))
    plane = Subspace(np.eye(3)[:, :2])
    assert abs(angle_between(a, b) - 0.3) <= ALGEBRA
    assert containment_angle(a, plane) <= ALGEBRA
    assert abs(angle_between(a, plane) - np.pi / 2) <= ALGEBRA
    assert containment_angle(Subspace(np.zeros((3, 1))), a) == 0.0


def test_moments_between_trainings_have_no_bias_from_their_noise():
    common = normals(KEY, 0, 50, 2)
    scores = []
    for step in range(1, 40):
        noise = normals(KEY, step, 8, 2)[:, None, :]
        scores.append(cross_moment(moments(common + noise), np.ones(8))[0, 0] - np.mean(common[:, 0] ** 2))
    mean, error = np.mean(scores), np.std(scores) / np.sqrt(len(scores))
    assert abs(mean / error) < STAT
    biased = np.mean([np.mean((common[:, 0] + normals(KEY, step, 1, 2)[0, 0]) ** 2) for step in range(1, 400)])
    assert biased - np.mean(common[:, 0] ** 2) > 0.5


def test_the_null_is_exceeded_by_a_signal_and_not_by_noise():
    hits = 0
    for step in range(20):
        noise = np.broadcast_to(normals(KEY, 100 + step, 8, 3)[:, None, :], (8, 10, 3))
        quiet = cross_moment(moments(noise), np.ones(8))
        hits += int(np.linalg.eigvalsh(quiet)[-1] > 2.0 * sampling_null(moments(noise)))
        loud = noise + 5.0 * np.array([1.0, 0.0, 0.0])
        assert np.linalg.eigvalsh(cross_moment(moments(loud), np.ones(8)))[-1] > 2.0 * sampling_null(moments(loud))
    assert hits <= 1


def test_the_error_of_a_direction_is_noise_over_signal():
    noise = 0.01 * np.broadcast_to(normals(KEY, 7, 8, 3)[:, None, :], (8, 10, 3))
    table = moments(noise + np.array([1.0, 0.0, 0.0]))
    error = direction_error(table, np.array([[1.0], [0.0], [0.0]]))
    expected = 0.01 / np.sqrt(8)
    assert expected / 3 < error < 3 * expected
    assert direction_error(table, np.zeros((3, 0))) == 0.0


@compiled
@pytest.mark.parametrize("rule", ["paper", "robust", "oracle", "paper-oracle"])
def test_a_trace_is_a_dataset_a_record_and_a_table(rule):
    teacher = reference_teacher("wi")
    dataset = trace(teacher.unit, teacher, rule, SMALL)
    record = trace_record(dataset)
    assert set(record) == {"dimension", "angle", "verdict", "reason", "steps"}
    fields = {"dimension", "rmd2", "threshold", "left", "control", "verdict", "reason"}
    assert all(set(step) == fields for step in record["steps"])
    assert (record["verdict"] == "found") == (record["steps"][-1]["verdict"] == "kept")
    assert f"{record['verdict']}: {record['reason']}" in trace_table(dataset)
    assert [step["left"] for step in record["steps"]] == list(dataset.statistic.values > dataset.threshold.values)
    assert dataset.particles_after.dims == ("step", "particle", "param")
    assert f"dimension {record['dimension']}" in trace_table(dataset)
    hidden = trace(teacher.unit, teacher, rule, SMALL, known=False)
    assert trace_record(hidden)["angle"] is None
    assert "fixed_basis" not in hidden


def test_residuals_that_cancel_have_no_mean():
    line = Subspace(np.array([[1.0], [0.0]]))
    both = np.array([[0.3, 1.0], [0.2, -1.0]])
    assert mean_share(both, line) <= ALGEBRA
    assert abs(mean_share(np.abs(both), line) - 1.0) <= ALGEBRA
    assert mean_share(both * [1.0, 0.0], line) == 1.0


def test_only_symmetrised_samples_are_symmetric_as_stated():
    teacher = reference_teacher("wi")
    x, y = normals(KEY, 0, 8, 2), normals(KEY, 1, 8, 2)
    swap = (teacher.unit.rho_x, teacher.unit.rho_y)
    assert symmetric_as_stated(teacher)
    assert symmetric_as_stated(SampleData((x, y), symmetry=swap))
    assert not symmetric_as_stated(SampleData((x, y)))


@compiled
def test_discovery_depends_on_its_seed_alone():
    teacher = reference_teacher("wi")
    a, b = (discover(teacher.unit, teacher, "paper", SMALL) for _ in range(2))
    assert np.array_equal(a.steps[-1].after, b.steps[-1].after)
    other = discover(teacher.unit, teacher, "paper", Search(**{**SMALL.__dict__, "seed": 1}))
    assert not np.array_equal(a.steps[-1].after, other.steps[-1].after)


@compiled
def test_a_search_may_start_from_a_known_subspace():
    teacher = reference_teacher("wi")
    start = teacher.unit.fixed_subspace
    found = discover(teacher.unit, teacher, "oracle", Search(n=16, horizon=0.5, start=start))
    assert len(found.steps) == 1
    assert found.settled
    assert found.subspace is start


@compiled
def test_the_paper_rule_averages_over_trainings_and_snapshots():
    teacher = reference_teacher("wi")
    search = Search(**{**SMALL.__dict__, "trainings": 3, "snapshots": 2, "max_steps": 1})
    (step,) = discover(teacher.unit, teacher, "paper", search).steps
    trial = Trial(teacher.unit, teacher, search, step.subspace, 0)
    mean = np.mean([trial.train(number, 2) for number in range(3)], axis=(0, 1, 2))
    assert np.abs(step.added[:, 0] - mean / np.linalg.norm(mean)).max() <= ALGEBRA
    assert np.array_equal(trial.train(0, 2)[-1], trial.train(0)[-1])
    (alone,) = discover(teacher.unit, teacher, "paper", Search(**{**SMALL.__dict__, "max_steps": 1})).steps
    assert np.abs(step.added - alone.added).max() > ALGEBRA


@pytest.mark.parametrize(
    ("options", "message"),
    [({"replicates": 2}, "replicates"), ({"horizon": 0.0}, "horizon"), ({"trainings": 0}, "trainings")],
)
def test_searches_refuse(options, message):
    with pytest.raises(MfsymError, match=message):
        Search(**options)


def test_unknown_rules_are_refused():
    teacher = reference_teacher("wi")
    with pytest.raises(MfsymError, match="rule must be"):
        discover(teacher.unit, teacher, "guess", SMALL)


@compiled
def test_a_diverging_training_is_named():
    teacher = reference_teacher("wi", "uv")
    with pytest.raises(MfsymError, match="diverged"):
        discover(teacher.unit, teacher, "paper", Search(n=4, horizon=20.0, alpha=1e6, max_steps=1))


def step_of(statistic, threshold, **options):
    """A step in the plane from a line that it does not leave."""
    line, cloud = Subspace(np.array([[1.0], [0.0]])), np.zeros((2, 2))
    return Step(line, cloud, cloud, 0.0, 0.0, statistic, threshold, np.zeros(2), np.zeros((2, 0)), **options)


@pytest.mark.parametrize(
    ("options", "control", "verdict", "words"),
    [
        ({"resolution": 0.1}, (0.2, 1.0), "kept", "asymmetric data move it out"),
        ({"resolution": 3.0}, (0.9, 1.0), "undecided", "do not exceed the threshold"),
        ({"resolution": 0.1}, (0.2, 0.0), "undecided", "stationary start"),
        ({"resolution": 0.1, "doubtful": True}, (0.2, 1.0), "undecided", "not clearly"),
        ({"statistic": 2.0}, (5.0, 1.0), "undecided", "mean vanishes"),
    ],
)
def test_a_subspace_is_kept_only_where_control_data_would_have_left_it(options, control, verdict, words):
    found = with_verdict(step_of(**{"statistic": 0.0, "threshold": 0.1, **options}), lambda: control)
    assert found.verdict == verdict
    assert words in found.reason


def test_the_whole_space_is_kept_and_needs_no_control():
    everything = replace(step_of(0.0, 0.1), subspace=Subspace(np.eye(2)))
    assert with_verdict(everything, lambda: pytest.fail("control data were asked")).verdict == "kept"


def test_control_data_vary_as_much_again_and_have_no_symmetry():
    teacher = reference_teacher("wi")
    other = asymmetric(teacher, CONTROL)
    x, y = teacher.draw(KEY, 0, 4000)
    part = other.draw(KEY, 0, 4000)[1] - y
    assert abs(np.sqrt(np.mean(part**2)) / y.std(axis=0).mean() - CONTROL) < 0.2
    swapped = other.target(x[:, ::-1])[:, ::-1]
    assert np.abs(teacher.target(x[:, ::-1])[:, ::-1] - y).max() <= ALGEBRA
    assert np.sqrt(np.mean((swapped - other.target(x)) ** 2)) > 0.2 * np.std(y)
    assert np.array_equal(other.quadrature(4).x, teacher.quadrature(4).x)


def test_control_data_of_samples_keep_their_inputs():
    x, y = normals(KEY, 0, 8, 2), normals(KEY, 1, 8, 2)
    samples = SampleData((x, y))
    other = asymmetric(samples, CONTROL)
    (drawn, kept), (moved, changed) = samples.draw(KEY, 0, 8), other.draw(KEY, 0, 8)
    assert np.array_equal(drawn, moved)
    assert np.abs(changed - kept).max() > 0.1
    assert np.array_equal(other.x, x)
    assert np.abs(other.y - y).max() > 0.1


@compiled
def test_a_discovery_from_samples_is_judged_too():
    teacher = reference_teacher("wi")
    x, y = teacher.draw(KEY, 0, 64)
    for rule in ("robust", "oracle"):
        found = discover(teacher.unit, SampleData((x, y)), rule, Search(**{**SMALL.__dict__, "max_steps": None}))
        assert found.verdict in ("found", "undecided")
        assert found.settled == (found.steps[-1].verdict == "kept")
