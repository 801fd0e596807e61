"""Laws over the whole catalogue, continuous groups included: Maass Martínez & Fontbona 2024, sections 2 and 3.

What holds for finite groups alone, or is tested on the whole catalogue already, is in the files beside this one.
"""

import numpy as np
import pytest

from mfsym.data.teachers import Teacher
from mfsym.ensembles import Ensemble, init_particles, symmetrised
from mfsym.metrics import distance2_to_si
from mfsym.representations import Subspace
from mfsym.schemes import get_scheme
from mfsym.streams import normals, stream_key
from mfsym.transport import w2
from tests.catalogue import CASES, CONTINUOUS, FINITE, INTEGRABLE, NONTRIVIAL
from tests.sizes import sized
from tests.tolerances import ALGEBRA, SPLIT
from tests.trainings import EXACT, KEY, Sample, asymmetric_teacher, generic_sample, trained

SMOOTH = tuple(case for case in CONTINUOUS if case.quadrature)
FIXING = tuple(case for case in INTEGRABLE if case.unit.fixed_subspace.dimension and case.group.order != 1)
EQUAL = tuple(case for case in INTEGRABLE if np.ptp(case.group.quadrature().weights) < ALGEBRA)
MOVING = tuple(case for case in EQUAL if case.unit.fixed_subspace.dimension < case.unit.p)
QUIET = {"alpha": 1.0, "tau": 1e-3, "beta": 0.0}
STEPS = sized(8, 2)


def _haar(case, count=5):
    return case.group.haar(stream_key(6, "haar"), 0, count)


def test_the_catalogue_is_large_enough():
    assert len(CASES) >= 12
    assert min(len(FINITE), len(CONTINUOUS)) >= 6
    assert min(len(FIXING), len(MOVING), len(SMOOTH)) >= 5


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_nearest_si_law_is_the_projected_law(case):
    z = normals(KEY, 9, 7, case.unit.p)
    subspace = case.unit.fixed_subspace
    nearest = distance2_to_si(z, subspace)
    assert abs(w2(z, subspace.project(z)).w2_squared - nearest) < ALGEBRA * max(1.0, nearest)
    for other in range(3):
        si = subspace.project(z + 0.5 * normals(KEY, 10 + other, 7, case.unit.p))
        assert w2(z, si).w2_squared >= nearest - ALGEBRA
        if subspace.dimension:
            assert w2(z, si).w2_squared > nearest + SPLIT


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_group_acts_on_laws_by_isometries(case):
    z, other = normals(KEY, 9, 7, case.unit.p), normals(KEY, 10, 7, case.unit.p)
    distance = w2(z, other).w2_squared
    for move in case.unit.action(_haar(case)):
        assert abs(w2(z @ move.T, other @ move.T).w2_squared - distance) < ALGEBRA * distance
    assert abs(w2(2.0 * z, 2.0 * other).w2_squared - distance) > SPLIT


@pytest.mark.parametrize("case", NONTRIVIAL, ids=str)
def test_predictions_of_moved_laws_are_moved_predictions(case):
    """Phi of M_g # mu at rho_g x is rho_hat_g Phi of mu at x; for P # mu the law need not be moved."""
    unit = case.unit
    x, z = normals(KEY, 7, 4, unit.d), normals(KEY, 8, 5, unit.p)
    draws = _haar(case)
    free, ea = get_scheme("vanilla", unit), get_scheme("ea", unit)
    left = []
    for rho_x, rho_y, move in zip(unit.rho_x(draws), unit.rho_y(draws), unit.action(draws), strict=True):
        moved = free.read(x, z) @ rho_y.T
        assert np.abs(free.read(x @ rho_x.T, z @ move.T) - moved).max() < ALGEBRA
        assert np.abs(ea.read(x @ rho_x.T, z) - ea.read(x, z) @ rho_y.T).max() < ALGEBRA
        left.append(np.abs(free.read(x @ rho_x.T, z) - moved).max())
    assert max(left) > SPLIT


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_feature_averages_become_equivariant_as_the_rule_is_refined(case):
    unit = case.unit
    x, z = 0.5 * normals(KEY, 7, 4, unit.d), 0.5 * normals(KEY, 8, 5, unit.p)
    draws = _haar(case, 3)

    def error(scheme):
        moves = zip(unit.rho_x(draws), unit.rho_y(draws), strict=True)
        return max(np.abs(scheme.read(x @ g.T, z) - scheme.read(x, z) @ h.T).max() for g, h in moves)

    coarse, fine = (error(get_scheme("fa", unit, order)) for order in (1, 9))
    assert fine < max(coarse / 10.0, ALGEBRA)
    assert error(get_scheme("vanilla", unit)) > SPLIT


@pytest.mark.parametrize("case", INTEGRABLE, ids=str)
def test_averaging_features_never_costs_more_than_augmenting(case):
    unit, data = case.unit, generic_sample(case.unit)
    z = normals(KEY, 8, 4, unit.p)
    orbit = get_scheme("fa", unit).orbit
    table = orbit.table(lambda x: unit.predict(x, z), data.x)
    augmented = float(orbit.weights @ np.mean(np.sum((table - data.y) ** 2, axis=2), axis=1))
    averaged = float(np.mean(np.sum((get_scheme("fa", unit).read(data.x, z) - data.y) ** 2, axis=1)))
    assert averaged <= augmented + ALGEBRA
    average = orbit.average(lambda x: unit.predict(x, z), data.x)
    spread = float(np.mean(orbit.weights @ np.sum((table - average) ** 2, axis=2)))
    assert abs(augmented - averaged - spread) < ALGEBRA * max(1.0, augmented)
    assert (augmented - averaged > SPLIT) == (case.group.order != 1)


@pytest.mark.parametrize("case", sized(FIXING, FIXING[:3]), ids=str)
def test_from_an_si_start_exact_schemes_are_one_flow_in_the_fixed_subspace(case):
    unit, data = case.unit, generic_sample(case.unit)
    start = init_particles(unit, "si", 5, seed=2)
    options = {"alpha": 1.0, "beta": 1e-4, "batch_size": len(data.x), "projected_noise": True}
    ends = {scheme: trained(unit, scheme, data, start, STEPS, **options).z for scheme in (*EXACT, "vanilla")}
    assert np.abs(ends["ea"] - start).max() > SPLIT
    for scheme in EXACT:
        assert np.abs(ends[scheme] - ends["ea"]).max() < ALGEBRA
        assert unit.fixed_subspace.contains(ends[scheme])
    if unit.fixed_subspace.dimension < unit.p:
        assert np.abs(ends["vanilla"] - ends["ea"]).max() > SPLIT


def _symmetric_sample(unit, target):
    """A sample closed under the nodes of the group's rule, its outputs moved with it."""
    x = normals(KEY, 11, 2, unit.d)
    return Sample(Ensemble(x).orbit(unit.rho_x).z, Ensemble(target.target(x)).orbit(unit.rho_y).z)


@pytest.mark.parametrize("start", ["si", "zero"])
@pytest.mark.parametrize("case", sized(MOVING, MOVING[:3]), ids=str)
def test_free_training_on_symmetric_data_stays_si(case, start):
    """Even without noise and from all parameters at 0; on data without symmetry it leaves."""
    unit = case.unit
    z = init_particles(unit, "si", 5, seed=2) if start == "si" else np.zeros((5, unit.p))
    data, other = _symmetric_sample(unit, asymmetric_teacher(unit)), generic_sample(unit)
    stays, leaves = (
        trained(unit, "vanilla", sample, z, STEPS, batch_size=len(sample.x), **QUIET).z for sample in (data, other)
    )
    assert unit.fixed_subspace.contains(stays, ALGEBRA)
    at_zero = start == "zero" or not unit.fixed_subspace.dimension
    flat = ("tanh", "erf", "relu") if unit.name == "uv" else ("relu",)
    stationary = at_zero and unit.activation in flat
    assert (distance2_to_si(leaves, unit.fixed_subspace) > SPLIT**2) == (not stationary)


@pytest.mark.parametrize("case", NONTRIVIAL, ids=str)
def test_another_subspace_of_the_same_dimension_is_not_kept(case):
    """Negative control of the two laws above: it is E^G that matters, not its dimension."""
    subspace = case.unit.fixed_subspace
    if subspace.dimension in (0, case.unit.p):
        assert case.unit.action.fixed_subspace().dimension == subspace.dimension
        return
    wrong = Subspace(subspace.frame[:, -subspace.dimension :])
    moves = case.unit.action(_haar(case))
    assert max(np.abs(move @ wrong.basis - wrong.basis).max() for move in moves) > SPLIT


@pytest.mark.parametrize("case", INTEGRABLE, ids=str)
def test_symmetrised_laws_are_invariant_under_the_nodes(case):
    unit, z = case.unit, normals(KEY, 9, 3, case.unit.p)
    law = symmetrised(z, unit.action)
    mean = law.z.mean(axis=0) if law.weights is None else law.weights @ law.z
    assert np.abs(mean - unit.fixed_subspace.project(z).mean(axis=0)).max() < ALGEBRA
    assert abs(law.second_moment() - Ensemble(z).second_moment()) < ALGEBRA * law.second_moment()
    if case.group.order != 1:
        assert np.abs(z.mean(axis=0) - mean).max() > SPLIT


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_sampled_augmentation_averages_to_the_exact_one(case):
    """Many Haar draws at once give the force of data augmentation; one draw does not."""
    unit = case.unit
    z, x = normals(KEY, 8, 3, unit.p), normals(KEY, 7, 1, unit.d)
    teacher = Teacher(unit, normals(KEY, 9, 2, unit.p), 1.0)
    count = sized(20_000, 2_000)
    many = Sample(np.repeat(x, count, axis=0), np.repeat(teacher.target(x), count, axis=0))
    exact, sampled, free = (
        trained(unit, scheme, many, z, 1, batch_size=count, alpha=1.0, tau=0.0, beta=0.0).z
        for scheme in ("da", "da-sampled", "vanilla")
    )
    assert np.abs(sampled - exact).max() < 0.05 * max(np.abs(exact - z).max(), np.abs(free - exact).max())
    assert np.abs(free - exact).max() > SPLIT
