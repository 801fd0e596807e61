"""What discovering E^G may claim: exactly for the population, from every seed with samples (paper, section 4.2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mfsym.discovery import Search, discover
from mfsym.flows import Accuracy, MeanFieldFlow, start_cloud
from mfsym.representations import Subspace
from mfsym.residuals import angle_between, containment_angle
from mfsym.teachers import reference_teacher
from mfsym.traces import FOUND
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
