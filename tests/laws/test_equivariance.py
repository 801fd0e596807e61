"""Which forces, predictions and laws are equivariant: Maass Martínez & Fontbona 2024, sections 2.2 and 2.3."""

import numpy as np
import pytest

from mfsym.ensembles import Ensemble, symmetrised
from mfsym.metrics import distance2_to_si, evaluate
from mfsym.schemes import Orbit, get_scheme
from mfsym.streams import normals
from mfsym.transport import quotient_w2, w2
from tests.catalogue import CASES, FINITE, INTEGRABLE
from tests.sizes import sized
from tests.tolerances import ALGEBRA, SPLIT
from tests.trainings import KEY, asymmetric_teacher, force, generic_sample, symmetric_teacher

NONTRIVIAL_FINITE = tuple(case for case in FINITE if case.group.order > 1)
SMALL = sized(NONTRIVIAL_FINITE, NONTRIVIAL_FINITE[:3])
PLANE = tuple(case for case in SMALL if case.unit.d == 2)
ORDER = sized(16, 4)


def _moves(case):
    unit = case.unit
    return list(zip(unit.rho_x.matrices, unit.rho_y.matrices, unit.action.matrices, strict=True))


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_fa_and_da_forces_are_equivariant(case):
    unit = case.unit
    data = generic_sample(unit)
    z = normals(KEY, 6, 5, unit.p)
    for scheme, equivariant in [("fa", True), ("da", True), ("vanilla", False)]:
        base = force(unit, scheme, data, z)
        moves = sized(unit.action.matrices, unit.action.matrices[:2])
        errors = [np.abs(force(unit, scheme, data, z @ M.T) - base @ M.T).max() for M in moves]
        assert (max(errors) < ALGEBRA) == equivariant
        assert equivariant or max(errors) > SPLIT


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_fa_and_ea_predictions_are_equivariant_and_vanilla_is_not(case):
    unit = case.unit
    x, z = normals(KEY, 7, 4, unit.d), normals(KEY, 8, 5, unit.p)
    for scheme, equivariant in [("fa", True), ("ea", True), ("vanilla", False), ("da", False)]:
        read = get_scheme(scheme, unit).read
        base = read(x, z)
        errors = [np.abs(read(x @ g.T, z) - base @ h.T).max() for g, h, _ in _moves(case)]
        assert max(errors) < ALGEBRA if equivariant else max(errors) > SPLIT


@pytest.mark.parametrize("case", INTEGRABLE, ids=str)
def test_averaging_features_is_symmetrising_the_law(case):
    unit = case.unit
    x, z = normals(KEY, 7, 4, unit.d), normals(KEY, 8, 3, unit.p)
    law = symmetrised(z, unit.action)
    weights = np.full(law.n, 1.0 / law.n) if law.weights is None else law.weights
    averaged = get_scheme("fa", unit).read(x, z)
    assert np.abs(averaged - np.einsum("i,bic->bc", weights, unit.sigma(x, law.z))).max() < ALGEBRA
    if case.group.order != 1:
        assert np.abs(averaged - unit.predict(x, z)).max() > SPLIT


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_batch_risks_of_the_schemes_are_what_the_theory_says(case):
    unit = case.unit
    data = generic_sample(unit)
    z = normals(KEY, 8, 4, unit.p)

    def risk(particles, x=data.x, y=data.y):
        return np.mean(np.sum((unit.predict(x, particles) - y) ** 2, axis=1))

    augmented = np.mean([risk(z, data.x @ g.T, data.y @ h.T) for g, h, _ in _moves(case)])
    averaged = np.mean(np.sum((get_scheme("fa", unit).read(data.x, z) - data.y) ** 2, axis=1))
    projected = np.mean(np.sum((get_scheme("ea", unit).read(data.x, z) - data.y) ** 2, axis=1))
    closed = symmetrised(z, unit.action).z
    assert abs(augmented - np.mean([risk(z @ M.T) for _, _, M in _moves(case)])) < ALGEBRA * augmented
    assert abs(averaged - risk(closed)) < ALGEBRA * augmented
    assert abs(projected - risk(unit.fixed_subspace.project(z))) < ALGEBRA * max(1.0, projected)
    assert averaged < augmented
    assert abs(averaged - augmented) > SPLIT
    on_closed = np.mean([risk(closed, data.x @ g.T, data.y @ h.T) for g, h, _ in _moves(case)])
    assert abs(on_closed - risk(closed)) < ALGEBRA * on_closed


@pytest.mark.parametrize("case", PLANE, ids=str)
def test_the_symmetrisation_gap_is_the_squared_distance_to_the_average(case):
    unit = case.unit
    z = normals(KEY, 8, 4, unit.p)
    free, averaged = get_scheme("vanilla", unit), get_scheme("fa", unit)
    gaps = {}
    for name, teacher in [("symmetric", symmetric_teacher(unit)), ("asymmetric", asymmetric_teacher(unit))]:
        of_free, of_averaged = (evaluate(scheme, teacher, z, ORDER) for scheme in (free, averaged))
        gaps[name] = of_free.risk - of_averaged.risk - of_free.l2_symmetrisation**2
        assert of_averaged.l2_symmetrisation < SPLIT
    turned = any(np.abs(np.abs(g).round() - np.abs(g)).max() > SPLIT for g in unit.rho_x.matrices)
    assert turned or abs(gaps["symmetric"]) < ALGEBRA
    assert abs(gaps["asymmetric"]) > SPLIT


@pytest.mark.parametrize("case", CASES, ids=str)
def test_distance_to_the_projected_law_is_the_mean_squared_residual(case):
    space = case.unit.fixed_subspace
    z = normals(KEY, 9, 12, case.unit.p)
    solved = w2(z, space.project(z)).w2_squared
    assert abs(distance2_to_si(z, space) - solved) < ALGEBRA * max(1.0, solved)
    assert abs(distance2_to_si(z, space) - np.mean(np.sum((z - space.project(z)) ** 2, axis=1))) < ALGEBRA
    others = [space.project(normals(KEY, 20 + k, 12, case.unit.p)) for k in range(3)]
    if 0 < space.dimension < space.ambient:
        assert min(w2(z, other).w2_squared for other in others) > solved


@pytest.mark.parametrize("case", CASES, ids=str)
def test_w2_is_invariant_when_both_laws_are_moved(case):
    a, b = normals(KEY, 10, 9, case.unit.p), normals(KEY, 11, 9, case.unit.p)
    base = w2(a, b).w2_squared
    draws = case.unit.action(case.group.haar(KEY, 3, 3))
    for matrix in draws:
        moved = w2(Ensemble(a).push(matrix).z, Ensemble(b).push(matrix).z).w2_squared
        assert abs(moved - base) < ALGEBRA * base
    if case.group.order != 1:
        assert max(abs(w2(a @ matrix.T, b).w2_squared - base) for matrix in draws) > SPLIT


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_w2_between_symmetrised_laws_is_w2_on_the_quotient(case):
    action = case.unit.action
    a, b = normals(KEY, 10, 4, case.unit.p), normals(KEY, 11, 4, case.unit.p)
    quotient = quotient_w2(a, b, action.matrices).w2_squared
    assert abs(w2(symmetrised(a, action).z, symmetrised(b, action).z).w2_squared - quotient) < ALGEBRA * quotient
    assert w2(a, b).w2_squared > quotient


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_orbit_averages_are_projections(case):
    unit = case.unit
    orbit, x = Orbit(unit.rho_x, unit.rho_y), normals(KEY, 7, 4, unit.d)
    teacher = asymmetric_teacher(unit)
    once = orbit.average(teacher.target, x)
    twice = orbit.average(lambda points: orbit.average(teacher.target, points), x)
    assert np.abs(once - twice).max() < ALGEBRA
    assert np.abs(once - teacher.target(x)).max() > SPLIT
