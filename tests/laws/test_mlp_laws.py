"""The finite-N laws of the schemes hold for units that are multi-layer networks.

Maass Martínez & Fontbona 2024, sections 2 and 3: forces are derivatives, FA = EA = DA from an SI start, the FA force is
equivariant, orbit-closed clouds stay closed. Each with its negative control.
"""

import numpy as np
import pytest

from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.groups import cyclic, dihedral, so, symmetric
from mfsym.metrics import distance2_to_si
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key
from mfsym.units import Gated, MLPUnit, Normed
from tests.sizes import sized
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, SPLIT
from tests.trainings import KEY, asymmetric_teacher, closed_sample, force, generic_sample, symmetric_teacher, trained

C4, D4, S3, PLANE = cyclic(4), dihedral(4), symmetric(3), so(2)
UNITS = {
    "C4-counterexample": MLPUnit("sigmoid", C4.vector(), C4.trivial(1), [C4.trivial(1)]),
    "S3-sets": MLPUnit("tanh", S3.permutation(), S3.permutation(), [S3.permutation(), S3.permutation()]),
    "D4-gated": MLPUnit("softplus", D4.vector(), D4.vector(), [[D4.permutation(), Gated(D4.vector())]]),
    "SO2-normed": MLPUnit("tanh", PLANE.vector(), PLANE.vector(), [[PLANE.trivial(2), Normed(PLANE.vector())]]),
}
FINITE = {name: unit for name, unit in UNITS.items() if unit.rho_x.group.order is not None}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", UNITS)
def test_forces_are_derivatives_of_the_risk(name, scheme):
    unit = UNITS[name]
    data, model = generic_sample(unit), get_scheme(scheme, unit)
    z = init_particles(unit, "si" if scheme == "ea" else "wi", 4, seed=1)
    direction = normals(KEY, 12, *z.shape)

    def risk(particles):
        if scheme in ("da", "da-sampled"):
            lifted = model.lift(data.x[None], data.y[None], stream_key(0, "haar"), 0)
            error = unit.predict(lifted.x[0, :, 0], particles) - lifted.y[0]
            return lifted.sample_weights @ np.sum(error**2, axis=1)
        return np.mean(np.sum((model.read(data.x, particles) - data.y) ** 2, axis=1))

    slope = len(z) * (risk(z + 1e-5 * direction) - risk(z - 1e-5 * direction)) / 2e-5
    given = np.sum(force(unit, scheme, data, z) * direction)
    assert abs(given - slope) < FINITE_DIFFERENCE * max(1.0, abs(slope))
    assert abs(1.1 * given - slope) > FINITE_DIFFERENCE * max(1.0, abs(slope))


@pytest.mark.parametrize("name", FINITE)
def test_fa_ea_and_da_coincide_from_an_si_start(name):
    unit = UNITS[name]
    start = init_particles(unit, "si", 6, seed=1)
    options = {"alpha": 1.0, "beta": 1e-4, "batch_size": 3, "projected_noise": True}
    ends = {
        scheme: trained(unit, scheme, asymmetric_teacher(unit), start, sized(12, 2), **options).z for scheme in SCHEMES
    }
    for scheme in ("fa", "da"):
        assert np.abs(ends[scheme] - ends["ea"]).max() < ALGEBRA
        assert distance2_to_si(ends[scheme], unit.fixed_subspace) < ALGEBRA**2
    assert np.abs(ends["ea"] - start).max() > SPLIT
    for scheme in ("vanilla", "da-sampled"):
        assert np.abs(ends[scheme] - ends["ea"]).max() > SPLIT
        assert distance2_to_si(ends[scheme], unit.fixed_subspace) > SPLIT**2


@pytest.mark.parametrize("name", FINITE)
def test_the_fa_force_is_equivariant(name):
    unit = UNITS[name]
    z, data = init_particles(unit, "wi", 5, seed=2), generic_sample(unit)
    action = unit.action(unit.rho_x.group.haar(KEY, 3, 1))[0]
    for scheme, equivariant in [("fa", True), ("vanilla", False)]:
        error = force(unit, scheme, data, z @ action.T) - force(unit, scheme, data, z) @ action.T
        assert (np.abs(error).max() < ALGEBRA) == equivariant


@pytest.mark.parametrize("name", FINITE)
def test_orbit_closed_clouds_stay_closed_without_noise(name):
    unit = UNITS[name]
    start = init_particles(unit, "wi-orbit", 2 * unit.rho_x.group.order, seed=3)
    generator = unit.action.generator_matrices[0]

    def open_by(z):
        moved = z @ generator.T
        return max(np.abs(z - one).max(axis=1).min() for one in moved)

    for teacher, schemes in [(symmetric_teacher(unit), ("vanilla", "da", "fa")), (asymmetric_teacher(unit), ("fa",))]:
        data = closed_sample(unit, teacher)
        for scheme in schemes:
            options = {"alpha": 1.0, "beta": 0.0, "batch_size": len(data.x), "dtype": "float64"}
            dynamics = NoisySGD(unit, scheme, data, **options)
            assert open_by(dynamics.step(dynamics.init(start), sized(5, 1)).z) < ALGEBRA
    dynamics = NoisySGD(unit, "vanilla", data, **options)
    assert open_by(dynamics.step(dynamics.init(start), sized(5, 1)).z) > SPLIT
