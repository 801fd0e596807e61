"""An orbit-closed cloud stays orbit-closed under population gradients, at finite N and without statistics.

Maass Martínez & Fontbona 2024, section 3: vanilla with symmetric data, DA and FA; data integrated on a G-closed sample.
"""

import numpy as np
import pytest

from mfsym.ensembles import Ensemble, init_particles
from mfsym.streams import normals
from tests.catalogue import FINITE
from tests.sizes import sized
from tests.tolerances import ALGEBRA, SPLIT
from tests.trainings import KEY, asymmetric_teacher, closed_sample, force, generic_sample, symmetric_teacher, trained

NONTRIVIAL_FINITE = tuple(case for case in FINITE if case.group.order > 1)
SMALL = sized(NONTRIVIAL_FINITE, NONTRIVIAL_FINITE[:3])
SCHEMES = ("vanilla", "da", "fa")
QUIET = {"alpha": 2.0, "tau": 1e-3, "beta": 0.0}


def _misfit(z, action):
    """How far the cloud z is from closed: the largest distance of an image from its nearest particle."""
    images = np.concatenate([z @ matrix.T for matrix in action.matrices])
    return np.sqrt(((images[:, None] - z) ** 2).sum(axis=2).min(axis=1).max())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_closed_clouds_stay_closed_on_closed_samples(case, scheme):
    unit = case.unit
    data = closed_sample(unit, symmetric_teacher(unit))
    closed = init_particles(unit, "wi-orbit", 2 * case.group.order, seed=0)
    generic = 0.5 * normals(KEY, 4, len(closed), unit.p)
    end, other = (
        trained(unit, scheme, data, z, sized(20, 2), batch_size=len(data.x), **QUIET).z for z in (closed, generic)
    )
    assert np.abs(end - closed).max() > SPLIT
    assert _misfit(end, unit.action) < ALGEBRA
    assert _misfit(other, unit.action) > SPLIT


@pytest.mark.parametrize("scheme", ["da", "fa"])
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_da_and_fa_keep_clouds_closed_on_any_sample(case, scheme):
    unit = case.unit
    data = generic_sample(unit)
    closed = init_particles(unit, "wi-orbit", 2 * case.group.order, seed=0)
    end = trained(unit, scheme, data, closed, sized(20, 2), batch_size=len(data.x), **QUIET).z
    free = trained(unit, "vanilla", data, closed, sized(20, 2), batch_size=len(data.x), **QUIET).z
    assert _misfit(end, unit.action) < ALGEBRA
    assert _misfit(free, unit.action) > SPLIT


def test_vanilla_leaves_on_a_closed_sample_with_an_asymmetric_target():
    unit = NONTRIVIAL_FINITE[0].unit
    data = closed_sample(unit, asymmetric_teacher(unit))
    closed = init_particles(unit, "wi-orbit", 8, seed=0)
    assert _misfit(trained(unit, "vanilla", data, closed, 4, batch_size=len(data.x), **QUIET).z, unit.action) > SPLIT


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_on_closed_clouds_the_da_force_is_the_fa_force(case):
    unit = case.unit
    data = generic_sample(unit)
    z = normals(KEY, 5, 3, unit.p)
    closed = Ensemble(z).orbit(unit.action).z
    assert np.abs(force(unit, "da", data, closed) - force(unit, "fa", data, closed)).max() < ALGEBRA
    assert np.abs(force(unit, "da", data, z) - force(unit, "fa", data, z)).max() > SPLIT


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_da_and_fa_flows_agree_from_a_closed_start(case):
    unit = case.unit
    data = generic_sample(unit)
    closed = init_particles(unit, "wi-orbit", 2 * case.group.order, seed=0)
    ends = [
        trained(unit, scheme, data, z, sized(10, 2), batch_size=len(data.x), **QUIET).z
        for z in (closed, normals(KEY, 4, len(closed), unit.p))
        for scheme in ("da", "fa")
    ]
    assert np.abs(ends[0] - ends[1]).max() < ALGEBRA
    assert np.abs(ends[2] - ends[3]).max() > SPLIT
