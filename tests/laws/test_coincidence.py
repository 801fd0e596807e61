"""From an SI start, on the same data and with the same projected noise, FA, EA and exact DA are one trajectory in E^G.

Maass Martínez & Fontbona 2024, sections 2 and 3: for any data, even without symmetry. Vanilla and sampled DA leave.
"""

import numpy as np
import pytest

from mfsym.data.teachers import TEACHERS, reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.metrics import distance2_to_si
from tests.catalogue import CASES, FINITE, INTEGRABLE
from tests.sizes import sized
from tests.tolerances import ALGEBRA, SPLIT
from tests.trainings import EXACT, asymmetric_teacher, force, generic_sample, trained

MOVING = tuple(case for case in FINITE if case.unit.fixed_subspace.dimension and case.group.order > 1)


def _trajectory(teacher, scheme, z, steps):
    dynamics = NoisySGD(teacher.unit, scheme, teacher, projected_noise=True, dtype="float64")
    times = np.arange(1, steps + 1) / len(z)
    return np.stack([state.z for state in dynamics.flow(dynamics.init(z, seed=2), times)])


@pytest.mark.parametrize("name", TEACHERS)
def test_fa_ea_and_da_coincide_step_by_step_on_the_reference_experiment(name):
    teacher = reference_teacher(name)
    z = init_particles(teacher.unit, "si", sized(50, 16), seed=2)
    steps = sized(200, 4)
    runs = {scheme: _trajectory(teacher, scheme, z, steps) for scheme in (*EXACT, "vanilla", "da-sampled")}
    for scheme in EXACT:
        assert np.abs(runs[scheme] - runs["ea"]).max() < ALGEBRA
        assert max(distance2_to_si(z, teacher.unit.fixed_subspace) for z in runs[scheme]) < ALGEBRA**2
    assert np.abs(runs["ea"][-1] - z).max() > SPLIT
    for scheme in ("vanilla", "da-sampled"):
        assert np.abs(runs[scheme] - runs["ea"]).max() > SPLIT
        assert distance2_to_si(runs[scheme][-1], teacher.unit.fixed_subspace) > SPLIT**2


@pytest.mark.parametrize("case", sized(MOVING, MOVING[:3]), ids=str)
def test_fa_ea_and_da_coincide_for_every_finite_group_and_asymmetric_data(case):
    unit = case.unit
    teacher = asymmetric_teacher(unit)
    start = init_particles(unit, "si", 6, seed=1)
    options = {"alpha": 2.0, "beta": 1e-4, "batch_size": 3, "projected_noise": True}
    ends = {scheme: trained(unit, scheme, teacher, start, sized(12, 2), **options).z for scheme in (*EXACT, "vanilla")}
    assert np.abs(ends["ea"] - start).max() > SPLIT
    assert np.abs(ends["fa"] - ends["ea"]).max() < ALGEBRA
    assert np.abs(ends["da"] - ends["ea"]).max() < ALGEBRA
    assert unit.fixed_subspace.contains(ends["fa"])
    assert np.abs(ends["vanilla"] - ends["ea"]).max() > SPLIT


def test_full_noise_breaks_the_coincidence():
    teacher = reference_teacher("wi")
    start = init_particles(teacher.unit, "si", 16, seed=1)
    schemes = ("fa", "da", "ea")
    ends = {scheme: trained(teacher.unit, scheme, teacher, start, 3, projected_noise=False).z for scheme in schemes}
    assert np.abs(ends["fa"] - ends["ea"]).max() > SPLIT
    assert np.abs(ends["fa"] - ends["da"]).max() > ALGEBRA


@pytest.mark.parametrize("case", INTEGRABLE, ids=str)
def test_on_si_laws_the_exact_forces_are_the_projected_free_force(case):
    unit = case.unit
    z = init_particles(unit, "si", 5, seed=3)
    data = generic_sample(unit)
    free = unit.fixed_subspace.project(force(unit, "vanilla", data, z))
    assert np.abs(force(unit, "ea", data, z) - free).max() < ALGEBRA
    if case.group.order is not None:
        for scheme in ("da", "fa"):
            assert np.abs(force(unit, scheme, data, z) - free).max() < ALGEBRA


def test_the_catalogue_holds_groups_that_move_and_fix_something():
    assert len(MOVING) >= 8
    assert len(CASES) > len(MOVING)
