"""Distances and equivariance errors of infinite groups: right for clouds and models closed under training's rule."""

import numpy as np
import pytest

from mfsym.data.inputs import Gaussian
from mfsym.data.teachers import FunctionData
from mfsym.ensembles import symmetrised
from mfsym.groups import o, product, so, u1
from mfsym.groups.cells import cells_of, judging_rule
from mfsym.metrics import distance_wi, evaluate, rmd2_symmetrised, rmd2_symmetrised_estimate
from mfsym.metrics.orbit_laws import symmetrised_w2, wi_bounds
from mfsym.schemes import Orbit, get_scheme
from mfsym.streams import normals, stream_key
from mfsym.transport import w2
from mfsym.units import UVUnit
from tests.catalogue import CASES
from tests.tolerances import ALGEBRA, ROUNDOFF, SPLIT

KEY = stream_key(61, "init")
TRAINED = 16
PLANE = so(2).vector()
CONTINUOUS = [case for case in CASES if case.group.order is None and case.quadrature]


def _polygon(corners):
    angles = 2.0 * np.pi * np.arange(corners) / corners
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _sinc(corners):
    """Mean over an arc of the circle of the cosine of the angle to its middle."""
    return float(np.sinc(1.0 / corners))


@pytest.mark.parametrize("corners", [1, 2, 7, 15, 16, 17, 32])
def test_bounds_hold_for_regular_polygons(corners):
    z, exact = _polygon(corners), (1.0 - _sinc(corners) ** 2) ** 0.5
    found = distance_wi(z, PLANE)
    assert 0.0 < found.lower <= exact + ALGEBRA
    assert exact - ALGEBRA <= found.upper < 1.2 * exact
    value, error = rmd2_symmetrised_estimate(z, PLANE)
    assert abs(value - (1.0 - _sinc(corners)) / 2.0) <= 3.0 * error + ALGEBRA
    assert error < 2e-2 * value


def test_training_s_rule_sees_no_asymmetry_of_its_own_polygon():
    z = _polygon(TRAINED)
    other = symmetrised(z, PLANE)
    assert len(other.z) == TRAINED**2
    assert w2(z, other.z, weights_b=other.weights).value < SPLIT
    assert distance_wi(z, PLANE).lower > 0.09
    assert rmd2_symmetrised(z, PLANE) > 3e-3


def test_bounds_hold_for_a_pair_under_rotations_of_space():
    z = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    found = distance_wi(z, so(3).vector())
    assert 0.0 < found.lower <= 0.75**0.5 <= found.upper + ALGEBRA
    value, error = symmetrised_w2(z, so(3).vector())
    assert abs(value - 1.0) <= 3.0 * error + ALGEBRA


@pytest.mark.parametrize("group", [so(2), o(2), so(3), o(3), so(4), product(so(2), so(2))], ids=lambda g: g.name)
def test_one_atom_is_as_far_from_invariant_laws_as_from_zero(group):
    action = group.vector()
    z = normals(KEY, 0, 1, action.dim)
    lower, upper = wi_bounds(z, action)
    size = float(np.linalg.norm(z))
    assert lower <= size + ALGEBRA
    assert abs(upper - size) < ALGEBRA or group.factors
    assert wi_bounds(np.ones((4, 2)), group.trivial(2)) == (0.0, 0.0)


@pytest.mark.parametrize("group", [so(2), so(3), u1(2)], ids=lambda g: g.name)
def test_bounds_agree_with_the_distance_to_the_symmetrised_law(group):
    action = group.vector()
    z = normals(KEY, 1, 12, action.dim)
    lower, upper = wi_bounds(z, action)
    value, error = symmetrised_w2(z, action)
    assert lower <= upper
    assert lower**2 <= value + 3.0 * error
    assert value - 3.0 * error <= 4.0 * upper**2


@pytest.mark.parametrize("case", CONTINUOUS, ids=str)
def test_cells_fill_the_group(case):
    cells = cells_of(case.group, 3, 4)
    assert abs(cells.weights.sum() - 1.0) < ROUNDOFF
    assert abs(cells.inner.sum() - 1.0) < ROUNDOFF
    assert (cells.weights > 0.0).all()
    action = case.unit.action
    means = np.stack([np.einsum("s,sij->ij", cells.inner, action(part)) for part in cells.elements])
    mean = np.einsum("k,kij->ij", cells.weights, means)
    assert np.abs(mean - case.unit.fixed_subspace.projector).max() < 1e-3
    assert np.linalg.norm(means, ord=2, axis=(1, 2)).max() <= 1.0 + ALGEBRA


@pytest.mark.parametrize("case", CONTINUOUS, ids=str)
def test_rules_to_judge_by_have_other_nodes_and_the_same_integrals(case):
    trained = case.group.defining(case.group.quadrature().elements)
    for number in range(2):
        rule = judging_rule(case.group, number)
        nodes = case.group.defining(rule.elements)
        assert np.abs(nodes[:, None] - trained[None, :64]).max(axis=(2, 3)).min() > SPLIT
        mean = np.einsum("k,kij->ij", rule.weights, case.group.vector()(rule.elements))
        assert np.abs(mean - case.group.vector().fixed_subspace().projector).max() < ALGEBRA


def test_a_model_that_is_averaged_over_training_s_rule_is_judged_between_its_nodes():
    unit = UVUnit("tanh", PLANE, PLANE)
    data = FunctionData(Gaussian(2.0), np.tanh, 2, 2)
    z = 6.0 * normals(KEY, 2, 5, unit.p)
    scheme = get_scheme("fa", unit)
    found = evaluate(scheme, data, z, order=12)
    x, _, weights = data.evaluation(12)

    def error(orbit):
        gap = orbit.table(lambda points: scheme.read(points, z), x) - scheme.read(x, z)
        return float(np.einsum("k,q,kqc,kqc->", orbit.weights, weights, gap, gap)) ** 0.5

    assert error(Orbit(PLANE, PLANE)) < ALGEBRA
    assert found.equivariance_error > SPLIT
    assert found.equivariance_error == pytest.approx(error(Orbit(PLANE, PLANE, 96)), rel=1e-2)
    assert found.equivariance_error_group <= 1e-2 * found.equivariance_error


def test_finite_groups_are_judged_by_all_of_themselves():
    case = next(case for case in CASES if case.group.order is not None and case.group.order > 2)
    scheme = get_scheme("vanilla", case.unit)
    assert scheme.judges == (scheme.orbit,)
    z = normals(KEY, 3, 5, case.unit.p)
    other = symmetrised(z, case.unit.action)
    assert symmetrised_w2(z, case.unit.action) == (w2(z, other.z).w2_squared, 0.0)
