"""Exact laws of the mean-field flow: what population gradients preserve, to 1e-8.

WI and SI laws stay so under symmetric data; augmentation and averaging agree from a WI start; with the equivariant
architecture they agree from an SI start whatever the data; the energy decreases. Each with a case that must fail.
"""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.data.datasets import SampleData
from mfsym.data.teachers import reference_teacher
from mfsym.flows import Accuracy, MeanFieldFlow, start_cloud
from mfsym.groups import cyclic, dihedral, so, symmetric
from mfsym.metrics import rmd2_si, rmd2_symmetrised
from mfsym.streams import normals
from mfsym.transport import rmd2
from mfsym.units import MatrixUnit, UVUnit
from tests.sizes import compiled, sized
from tests.tolerances import POPULATION, SPLIT
from tests.trainings import KEY, asymmetric_teacher, symmetric_teacher

REFERENCE = {name: reference_teacher(name) for name in ("arbitrary", "wi", "si")}
PROBLEMS = {
    "C4-turn-uv": UVUnit("sigmoid", cyclic(4).vector(), cyclic(4).trivial(1)),
    "D4-corners-matrix": MatrixUnit("tanh", dihedral(4).vector(), dihedral(4).permutation()),
    "S3-sets-matrix": MatrixUnit("sigmoid", symmetric(3).permutation(), symmetric(3).permutation()),
}
HORIZON = sized(2.0, 0.1)
ACCURACY = Accuracy(order=sized(16, 4), rtol=1e-9, atol=1e-11, noise_step=0.25)


def law(unit, scheme, data, init, n=24, **options):
    """The particles at the horizon from a symmetric cloud; the data are integrated on a grid closed under the group."""
    dynamics = MeanFieldFlow(unit, scheme, data, **{"accuracy": ACCURACY, "alpha": 20.0, **options})
    return list(dynamics.flow(dynamics.init(start_cloud(unit, init, n)), [HORIZON]))[-1].z


@pytest.mark.parametrize("teacher", ["wi", "si"])
@pytest.mark.parametrize("beta", [0.0, 1e-3])
@pytest.mark.parametrize("scheme", ["vanilla", "da", "fa"])
def test_weakly_invariant_laws_stay_so(scheme, beta, teacher):
    data = REFERENCE[teacher]
    z = law(data.unit, scheme, data, "wi", beta=beta)
    assert rmd2_symmetrised(z, data.unit.action) <= POPULATION


def test_weakly_invariant_laws_are_left_with_asymmetric_data():
    data = REFERENCE["arbitrary"]
    assert rmd2_symmetrised(law(data.unit, "vanilla", data, "wi"), data.unit.action) > SPLIT


@pytest.mark.parametrize("init", ["si", "zero"])
@pytest.mark.parametrize("beta", [0.0, 1e-3])
@pytest.mark.parametrize("teacher", ["wi", "si"])
def test_the_free_flow_of_symmetric_data_stays_strongly_invariant(teacher, beta, init):
    data = REFERENCE[teacher]
    z = law(data.unit, "vanilla", data, init, beta=beta, projected_noise=True)
    assert np.abs(z).max() > SPLIT
    assert rmd2_si(z, data.unit.fixed_subspace) <= POPULATION


def test_the_free_flow_leaves_the_fixed_subspace_with_asymmetric_data_or_free_noise():
    data, symmetric_data = REFERENCE["arbitrary"], REFERENCE["wi"]
    subspace = data.unit.fixed_subspace
    assert rmd2_si(law(data.unit, "vanilla", data, "si"), subspace) > SPLIT
    free = law(data.unit, "vanilla", symmetric_data, "si", beta=1e-3, projected_noise=False)
    assert rmd2_si(free, subspace) > SPLIT


@pytest.mark.parametrize("beta", [0.0, 1e-3])
@pytest.mark.parametrize("teacher", ["arbitrary", "wi"])
def test_augmentation_and_averaging_agree_from_a_weakly_invariant_start(teacher, beta):
    data = REFERENCE[teacher]
    a, b = (law(data.unit, scheme, data, "wi", beta=beta) for scheme in ("da", "fa"))
    assert rmd2(a, b) <= POPULATION
    assert np.abs(a - b).max() <= POPULATION


def test_augmentation_and_averaging_differ_from_a_generic_start():
    data = REFERENCE["wi"]
    ends = []
    for scheme in ("da", "fa"):
        dynamics = MeanFieldFlow(data.unit, scheme, data, accuracy=ACCURACY)
        ends.append(list(dynamics.flow(dynamics.init(normals(KEY, 0, 6, 4)), [HORIZON]))[-1].z)
    assert np.abs(ends[0] - ends[1]).max() > SPLIT


@pytest.mark.parametrize("beta", [0.0, 1e-3])
def test_all_exact_schemes_agree_from_a_strongly_invariant_start_for_any_teacher(beta):
    data = REFERENCE["arbitrary"]
    options = {"beta": beta, "projected_noise": True}
    first, *others = (law(data.unit, scheme, data, "si", **options) for scheme in ("ea", "da", "fa"))
    for other in others:
        assert np.abs(first - other).max() <= POPULATION
    assert np.abs(first - law(data.unit, "vanilla", data, "si", **options)).max() > SPLIT


@compiled
@pytest.mark.parametrize("scheme", ["vanilla", "da", "fa", "ea"])
@pytest.mark.parametrize("teacher", ["arbitrary", "wi"])
def test_energy_decreases_by_what_the_gradient_dissipates(teacher, scheme):
    data = REFERENCE[teacher]
    dynamics = MeanFieldFlow(data.unit, scheme, data, tau=1e-2, accuracy=ACCURACY)
    states = list(dynamics.flow(dynamics.init(start_cloud(data.unit, "wi", 16)), [0.0, 0.2, 0.5, 1.0]))
    energies = np.array([state.energy for state in states])
    defects = energies + [state.dissipated for state in states] - energies[0]
    assert (np.diff(energies) < 0).all()
    assert np.abs(defects).max() <= POPULATION


@compiled
def test_energy_is_not_dissipated_so_under_another_gradient():
    data = REFERENCE["arbitrary"]
    vanilla, averaged = (MeanFieldFlow(data.unit, name, data, accuracy=ACCURACY) for name in ("vanilla", "fa"))
    start = averaged.init(normals(KEY, 0, 6, 4))
    end = list(averaged.flow(start, [1.0]))[-1]
    foreign = vanilla.population.gradient(end.z)[1] + end.dissipated - vanilla.population.gradient(start.z)[1]
    assert abs(foreign) > SPLIT


@compiled
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_laws_hold_for_other_groups(name):
    unit = PROBLEMS[name]
    data, accuracy = symmetric_teacher(unit), Accuracy(order=6, rtol=1e-9, atol=1e-11)
    options = {"alpha": 2.0, "accuracy": accuracy, "tau": 1e-3}
    wi = law(unit, "vanilla", data, "wi", **options)
    si = law(unit, "vanilla", data, "si", **options)
    assert rmd2_symmetrised(wi, unit.action) <= POPULATION
    assert rmd2_si(si, unit.fixed_subspace) <= POPULATION
    broken = asymmetric_teacher(unit)
    first, *others = (law(unit, scheme, broken, "si", **options) for scheme in ("ea", "da", "fa"))
    assert max(np.abs(first - other).max() for other in others) <= POPULATION
    assert rmd2_si(law(unit, "vanilla", broken, "si", **options), unit.fixed_subspace) > SPLIT


@compiled
def test_the_laws_hold_for_rotations_by_a_sample_closed_under_a_subgroup():
    """SO(2): the rule for the group has 16 angles, and so has the sample; the law is that of the subgroup C_16."""
    unit = UVUnit("sigmoid", so(2).vector(), so(2).vector())
    turns = unit.rho_x(unit.rho_x.group.quadrature().elements)
    x = np.einsum("kij,nj->nki", turns, normals(KEY, 3, 4, 2)).reshape(-1, 2)
    data = SampleData((x, 0.5 * x))
    options = {"alpha": 2.0, "accuracy": Accuracy(rtol=1e-9, atol=1e-11)}
    a, b, c = (law(unit, scheme, data, "wi", n=64, **options) for scheme in ("vanilla", "da", "fa"))
    assert max(np.abs(a - b).max(), np.abs(b - c).max()) <= POPULATION
    broken = SampleData((x, np.abs(x)))
    a, b = (law(unit, scheme, broken, "wi", n=64, **options) for scheme in ("vanilla", "da"))
    assert np.abs(a - b).max() > SPLIT
