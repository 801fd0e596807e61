"""mfsym.ensembles: empirical laws and start laws."""

import numpy as np
import pytest

from mfsym.ensembles import INIT_SCALE, Ensemble, gaussian, init_particles, symmetrised
from mfsym.errors import MfsymError
from mfsym.groups import cyclic, dihedral
from mfsym.streams import normals, stream_key
from mfsym.units import MatrixUnit, UVUnit
from tests.catalogue import CASES, FINITE, INTEGRABLE
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(5, "init")


def _sorted(z):
    rounded = np.round(z, 9) + 0.0
    return z[np.lexsort(rounded.T)]


def test_gaussian_has_the_stated_scale_and_agreeing_prefixes():
    z = gaussian(KEY, 20_000, 3)
    assert np.array_equal(z[:10], gaussian(KEY, 10, 3))
    spread = np.sqrt(2.0 / z.size) * INIT_SCALE**2
    assert abs((z**2).mean() - INIT_SCALE**2) < STAT * spread
    assert abs((z**2).mean() - 1.1 * INIT_SCALE**2) > STAT * spread
    assert np.abs(gaussian(KEY, 5, 3, scale=1.0) * INIT_SCALE - z[:5]).max() < ALGEBRA


@pytest.mark.parametrize("case", CASES, ids=str)
def test_si_start_is_the_wi_start_projected(case):
    wi, si = (init_particles(case.unit, init, 12, seed=1, replicate=2) for init in ("wi", "si"))
    assert np.array_equal(wi, gaussian(stream_key(1, "init", 2), 12, case.unit.p))
    assert np.abs(si - wi @ case.unit.fixed_subspace.projector).max() < ALGEBRA
    assert case.unit.fixed_subspace.contains(si)
    assert not np.array_equal(wi, init_particles(case.unit, "wi", 12, seed=1, replicate=3))


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_orbit_start_and_orbits_are_closed_under_the_group(case):
    order = case.group.order
    start = init_particles(case.unit, "wi-orbit", 3 * order, seed=0)
    assert start.shape == (3 * order, case.unit.p)
    assert np.abs(Ensemble(start[:3]).orbit(case.unit.action).z - start).max() < ALGEBRA
    for matrix in case.unit.action.generator_matrices:
        assert np.abs(_sorted(Ensemble(start).push(matrix).z) - _sorted(start)).max() < ALGEBRA


def test_a_generic_start_is_not_closed():
    unit = MatrixUnit("sigmoid", cyclic(2).permutation(), cyclic(2).permutation())
    start = init_particles(unit, "wi", 6, seed=0)
    assert np.abs(_sorted(Ensemble(start).push(unit.action.matrices[1]).z) - _sorted(start)).max() > ALGEBRA


@pytest.mark.parametrize("case", INTEGRABLE, ids=str)
def test_symmetrised_law_has_the_projected_mean_and_the_same_second_moment(case):
    z = normals(KEY, 1, 4, case.unit.p)
    law = symmetrised(z, case.unit.action)
    weights = np.full(law.n, 1.0 / law.n) if law.weights is None else law.weights
    assert np.abs(weights @ law.z - case.unit.fixed_subspace.project(z).mean(axis=0)).max() < ALGEBRA
    assert abs(law.second_moment() - Ensemble(z).second_moment()) < ALGEBRA * law.second_moment()
    assert (law.weights is None) == (case.group.order is not None)


def test_weights_are_carried_through_orbit_push_and_projection():
    group = dihedral(3)
    unit = UVUnit("tanh", group.vector(), group.vector())
    law = Ensemble(normals(KEY, 2, 2, unit.p), np.array([0.25, 0.75]))
    orbit = law.orbit(unit.action)
    assert np.abs(orbit.weights - np.tile([0.25, 0.75], 6) / 6.0).max() < ALGEBRA
    assert law.push(2.0 * np.eye(unit.p)).second_moment() == pytest.approx(4.0 * law.second_moment(), rel=ALGEBRA)
    assert law.project(unit.fixed_subspace).second_moment() == 0.0
    assert law.second_moment() == pytest.approx(law.weights @ (law.z**2).sum(axis=1), rel=ALGEBRA)


def test_bad_ensembles_and_starts_are_refused():
    unit = MatrixUnit("sigmoid", cyclic(2).permutation(), cyclic(2).permutation())
    with pytest.raises(MfsymError, match=r"\(N, p\)"):
        Ensemble(np.zeros(3))
    with pytest.raises(MfsymError, match=r"shape \(3,\)"):
        Ensemble(np.zeros((3, 2)), np.ones(2))
    with pytest.raises(MfsymError, match="wi, si, wi-orbit"):
        init_particles(unit, "SI", 3, seed=0)
    with pytest.raises(MfsymError, match="n must be a whole number >= 1, got 0"):
        init_particles(unit, "wi", 0, seed=0)
    with pytest.raises(MfsymError, match="n = 3, order 2"):
        init_particles(unit, "wi-orbit", 3, seed=0)
    continuous = next(case.unit for case in CASES if case.id == "SO2-plane-uv")
    with pytest.raises(MfsymError, match="an infinite group"):
        init_particles(continuous, "wi-orbit", 3, seed=0)
