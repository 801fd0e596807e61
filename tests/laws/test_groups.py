"""Haar draws are Haar, and rules integrate what they say."""

import numpy as np
import pytest

from mfsym.groups import cyclic, dihedral, o, product, so, symmetric, u1
from mfsym.groups.rotations import planar
from mfsym.representations import hom
from mfsym.streams import normals, stream_key, uniforms
from tests.catalogue import CASES, GROUPS, INTEGRABLE
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(2, "haar")
DRAWS = 20_000


def score(samples, mean):
    """(sample mean - mean) in standard errors; 0 where the samples are constant and equal to the mean."""
    samples = np.asarray(samples, dtype=np.float64)
    error, spread = samples.mean(axis=0) - mean, samples.std(axis=0) / np.sqrt(len(samples))
    return float(np.abs(error / np.where(np.abs(error) < ALGEBRA, np.inf, spread)).max())


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_mean_matrix_projects_on_what_is_fixed(group):
    samples = group.defining(group.haar(KEY, 0, DRAWS))
    assert score(samples, group.vector().fixed_subspace().projector) < STAT


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_moments_of_the_character_count_invariant_tensors(group):
    rep = group.vector()
    characters = rep.characters(group.haar(KEY, 1, DRAWS))
    power = rep
    for exponent in (2, 3) if group.degree > 4 else (2, 3, 4):
        power = power * rep
        assert score(characters**exponent, power.fixed_subspace().dimension) < STAT


@pytest.mark.parametrize("group", [so(4), o(4), so(5), so(3), o(3)], ids=lambda group: group.name)
def test_draws_are_invariant_under_translation(group):
    draws = group.haar(KEY, 2, DRAWS)
    shift = group.haar(KEY, 3, 1)[0]
    weight = np.array([[1.0, 0.3], [-0.2, 0.5]])
    observable = np.exp(np.einsum("nij,ij->n", draws[:, :2, :2], weight))
    for moved in (shift @ draws, draws @ shift):
        difference = observable - np.exp(np.einsum("nij,ij->n", moved[:, :2, :2], weight))
        assert score(difference, 0.0) < STAT


def test_factorisation_without_sign_correction_is_not_haar():
    q, _ = np.linalg.qr(normals(KEY, 0, DRAWS * 16, 1).reshape(DRAWS, 4, 4))
    assert score(q, 0.0) > STAT


def test_uniform_euler_angles_are_not_haar():
    angles = np.pi * uniforms(KEY, 4, DRAWS, 3) * [2.0, 1.0, 2.0]
    turn, tilt, spin = (np.zeros((DRAWS, 3, 3)) for _ in range(3))
    for matrices, column in ((turn, 0), (spin, 2)):
        matrices[:, :2, :2], matrices[:, 2, 2] = planar(angles[:, column]), 1.0
    tilt[:, 1:, 1:], tilt[:, 0, 0] = planar(angles[:, 1]), 1.0
    characters = so(3).irrep(2).characters(turn @ tilt @ spin)
    assert score(characters**2, 1.0) > STAT
    assert score(so(3).irrep(2).characters(so(3).haar(KEY, 4, DRAWS)) ** 2, 1.0) < STAT


@pytest.mark.parametrize("degree", range(5))
def test_characters_of_irreps_are_orthonormal_under_haar(degree):
    draws = so(3).haar(KEY, 5, DRAWS)
    table = {other: so(3).irrep(other).characters(draws) for other in range(5)}
    for other, values in table.items():
        assert score(table[degree] * values, float(other == degree)) < STAT


def _bands(group):
    """Pairs (degree of the matrix entries, representation without fixed vectors)."""
    if group in (so(3), o(3)):
        natural = [(degree, group.irrep(degree)) for degree in range(1, 7)]
        twisted = [(degree + 1, o(3).irrep(degree, -((-1) ** degree))) for degree in range(1, 6)]
        return natural + (twisted if group == o(3) else [])
    if group == u1(2):
        return [(m, group.charge(m, -k)) for m in range(1, 8) for k in range(m + 1)]
    if group in (so(2), o(2)):
        return [(m, group.charge(m)) for m in range(1, 8)]
    return [(m, so(2).charge(m).inflate(group, 0)) for m in range(1, 8)]


BANDED = (so(2), o(2), u1(2), so(3), o(3), product(so(2), cyclic(3)))


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("group", BANDED, ids=lambda group: group.name)
def test_rules_are_exact_to_their_degree_and_not_beyond(group, degree):
    """Not beyond: the next degree fails, or the next even one in O(3), whose inversion kills odd degrees."""
    rule = group.quadrature(degree)
    assert rule.degree == degree
    errors = {}
    for band, rep in _bands(group):
        mean = np.tensordot(rule.weights, rep(rule.elements), axes=1)
        errors[band] = max(errors.get(band, 0.0), float(np.abs(mean).max()))
    assert max((error for band, error in errors.items() if band <= degree), default=0.0) < ALGEBRA
    even = degree + 2 if group == o(3) and degree % 2 == 0 else degree + 1
    assert errors[even] > ALGEBRA


@pytest.mark.parametrize("case", INTEGRABLE, ids=str)
def test_rules_average_an_action_to_its_projector(case):
    action = case.unit.action
    rule = case.group.quadrature()
    mean = np.tensordot(rule.weights, action(rule.elements), axes=1)
    assert np.abs(mean - case.unit.fixed_subspace.projector).max() < ALGEBRA


@pytest.mark.parametrize("case", CASES, ids=str)
def test_mean_character_is_the_dimension_of_the_fixed_subspace(case):
    characters = case.unit.action.characters(case.group.haar(KEY, 6, DRAWS))
    assert score(characters, case.unit.fixed_subspace.dimension) < STAT


@pytest.mark.parametrize("group", [symmetric(3), dihedral(4)], ids=lambda group: group.name)
def test_characters_of_finite_groups_count_homomorphisms_exactly(group):
    reps = (group.trivial(), group.sign(), group.permutation(), group.regular(), group.permutation().symmetric_square)
    everyone = np.arange(group.order)
    for a in reps:
        for b in reps:
            count = (a.characters(everyone) * b.characters(everyone)).mean()
            assert abs(hom(a, b).fixed_subspace().dimension - count) < ALGEBRA
