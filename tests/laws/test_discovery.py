"""What discovering E^G may claim: exactly for the population, from every seed with samples (paper, section 4.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mfsym.configurations.discoveries import read_study
from mfsym.data.inputs import Gaussian
from mfsym.data.teachers import FunctionData, reference_teacher
from mfsym.discovery import ORACLE_TOLERANCE, Search, discover, searches
from mfsym.discovery.residuals import angle_between, containment_angle
from mfsym.discovery.searches import Flow
from mfsym.discovery.traces import FOUND
from mfsym.flows import Accuracy, MeanFieldFlow, start_cloud
from mfsym.groups import cyclic
from mfsym.problems import Problem, load_problem
from mfsym.representations import Subspace
from mfsym.units import UVUnit
from tests.meta.sources import ROOT
from tests.problems import PROBLEMS
from tests.sizes import compiled
from tests.tolerances import POPULATION
from tests.trainings import asymmetric_teacher

REFERENCE = PROBLEMS[0]
SEEDS = 20


LARGE = ("S3-sets", "D4-corners")
"""Problems with inputs in R^3 and many parameters: a minute each."""

ORACLE = [pytest.param(each, marks=[pytest.mark.slow] * (each.id in LARGE), id=each.id) for each in PROBLEMS]


@compiled
@pytest.mark.parametrize("problem", ORACLE)
def test_the_oracle_finds_the_fixed_subspace_to_rounding(problem):
    unit = problem.teacher.unit
    found = discover(unit, problem.teacher, "oracle", replace(problem.oracle, n=8))
    assert found.settled
    assert angle_between(found.subspace, unit.fixed_subspace) <= POPULATION
    assert all(containment_angle(step.subspace, unit.fixed_subspace) <= POPULATION for step in found.steps)


@compiled
@pytest.mark.parametrize(
    ("rule", "search"),
    [("paper-oracle", REFERENCE.oracle), ("robust", REFERENCE.search)],
    ids=["paper-oracle", "robust"],
)
def test_the_reference_subspace_is_found_by_the_paper_s_rule_without_noise_and_by_the_robust_rule(rule, search):
    unit = REFERENCE.teacher.unit
    found = discover(unit, REFERENCE.teacher, rule, search)
    assert [step.subspace.dimension for step in found.steps] == [0, 1, 2]
    assert angle_between(found.subspace, unit.fixed_subspace) < FOUND


@compiled
def test_the_oracle_leaves_the_fixed_subspace_when_the_data_are_not_symmetric():
    unit = PROBLEMS[1].teacher.unit
    found = discover(unit, asymmetric_teacher(unit, 2.0), "oracle", Search(n=8, horizon=2.0, alpha=5.0))
    assert containment_angle(found.subspace, unit.fixed_subspace) > FOUND


@compiled
def test_residuals_cancel_in_the_mean_where_the_law_splits():
    """E_1 of the reference problem is unstable: the law splits to both sides, and the mean hardly moves."""
    teacher = reference_teacher("wi")
    unit = teacher.unit
    first = discover(unit, teacher, "oracle", replace(REFERENCE.oracle, n=8, max_steps=1)).steps[0].added
    line = Subspace(first)
    dynamics = MeanFieldFlow(unit, "vanilla", teacher, alpha=20.0, accuracy=Accuracy(order=20, rtol=1e-6))
    end = list(dynamics.flow(dynamics.init(start_cloud(unit, "si", 64, line)), [10.0]))[-1].z
    residual = end - line.project(end)
    spread = np.sqrt(np.mean(np.sum(residual**2, axis=1)))
    assert spread > 0.2
    assert np.linalg.norm(residual.mean(axis=0)) < 0.02 * spread


@compiled
def test_the_mean_residual_rule_fails_where_residuals_cancel():
    unit = REFERENCE.teacher.unit
    found = discover(unit, REFERENCE.teacher, "paper", REFERENCE.search)
    assert angle_between(found.subspace, unit.fixed_subspace) > FOUND


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_robust_rule_finds_the_fixed_subspace_from_every_seed(problem):
    unit = problem.teacher.unit
    searches = [replace(problem.search, seed=seed) for seed in range(SEEDS)]
    found = [discover(unit, problem.teacher, "robust", search).subspace for search in searches]
    assert sum(angle_between(each, unit.fixed_subspace) < FOUND for each in found) >= SEEDS - 1


def limit_case(name: str) -> tuple[Problem, dict[str, Any]]:
    """The problem and the search of a case of sims/discover-limits.toml."""
    case = next(each for each in read_study(ROOT / "sims" / "discover-limits.toml").case if each.name == name)
    return load_problem(case.problem), case.search()


LIMITS = ("no symmetry, matrix sigmoid", "C_4, vectors to vectors", "C_4, |x|^2")
"""Cases where E^G is everything, {0} and a line."""


def relative_directions(problem: Problem, search: Search) -> int:
    """Directions in which the flow leaves {0} by the relative statistic alone, which knows nothing of rounding."""
    residual = Flow(problem.data, problem.unit, search, Subspace(np.zeros((problem.unit.p, 1)))).end()
    moment = residual.T @ residual / len(residual)
    return int((np.linalg.eigvalsh(moment) > ORACLE_TOLERANCE * 2.0 * np.trace(moment)).sum())


@compiled
@pytest.mark.parametrize("name", LIMITS)
def test_the_oracle_is_right_where_the_answer_is_nothing_everything_or_a_line(name):
    problem, stated = limit_case(name)
    search = Search(**{**stated, "n": 8, "horizon": 3.0})
    found = discover(problem.unit, problem.data, "oracle", search)
    assert found.verdict == "found"
    assert angle_between(found.subspace, problem.unit.fixed_subspace) <= POPULATION


@compiled
def test_rounding_alone_passed_for_a_direction_under_the_relative_statistic():
    problem, stated = limit_case("C_4, vectors to vectors")
    search = Search(**{**stated, "n": 8, "horizon": 1.0})
    assert relative_directions(problem, search) > 0
    (step,) = discover(problem.unit, problem.data, "oracle", search).steps
    assert step.verdict == "kept"
    assert np.mean(np.sum(step.after**2, axis=1)) < 1e-24


@compiled
def test_where_rounding_has_grown_too_far_the_oracle_does_not_decide():
    problem, stated = limit_case("C_4, |x|^2")
    found = discover(problem.unit, problem.data, "oracle", Search(**{**stated, "n": 8, "horizon": 10.0}))
    assert containment_angle(found.subspace, problem.unit.fixed_subspace) <= POPULATION
    assert found.verdict == "undecided"
    assert found.steps[-1].statistic > ORACLE_TOLERANCE


@compiled
def test_a_quadrature_without_the_symmetry_of_the_data_does_not_count_as_leaving(monkeypatch):
    """A tensor grid of 20 nodes a side, which five-fold petals do not fit, moves the law by more than the tolerance."""
    monkeypatch.setattr(searches, "Accuracy", lambda order=None, **rest: Accuracy(order=order or 20, **rest))
    group = cyclic(5)
    unit = UVUnit("softplus", group.vector(), group.trivial(1))

    def petals(x):
        return 1.0 + np.cos(5.0 * np.arctan2(x[:, 1:], x[:, :1])) * np.exp(-0.5 * np.sum(x**2, axis=1, keepdims=True))

    data = FunctionData(Gaussian(1.0), petals, 2, 1)
    search = Search(n=4, horizon=1.0, alpha=4.0)
    found = discover(unit, data, "oracle", search)
    assert found.subspace.dimension == 1
    assert found.steps[-1].statistic > ORACLE_TOLERANCE


@compiled
@pytest.mark.parametrize("rule", ["paper", "robust", "oracle", "paper-oracle"])
def test_a_start_that_no_data_can_move_is_named(rule):
    problem, stated = limit_case("no symmetry, uv tanh")
    search = Search(**{**stated, "n": 8, "horizon": 1.0, "replicates": 4})
    found = discover(problem.unit, problem.data, rule, search)
    assert not found.settled
    assert found.steps[-1].statistic <= found.steps[-1].threshold
    assert "stationary start" in found.reason


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("name", [*LIMITS, "no symmetry, uv tanh"])
def test_the_robust_rule_is_right_or_undecided_from_every_seed_at_the_limits(name):
    problem, stated = limit_case(name)
    for seed in range(SEEDS):
        found = discover(problem.unit, problem.data, "robust", Search(**{**stated, "seed": seed}))
        right = angle_between(found.subspace, problem.unit.fixed_subspace) < FOUND
        assert right or not found.settled


@compiled
def test_the_robust_rule_finds_everything_where_there_is_no_symmetry():
    problem, stated = limit_case("no symmetry, matrix sigmoid")
    found = discover(problem.unit, problem.data, "robust", Search(**stated))
    assert found.settled
    assert found.subspace.dimension == problem.unit.p
