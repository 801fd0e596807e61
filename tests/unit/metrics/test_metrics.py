"""mfsym.metrics: distances to symmetric laws, and what is measured of a model."""

import numpy as np
import pytest
from scipy.optimize import minimize

from mfsym.data.teachers import reference_teacher
from mfsym.ensembles import Ensemble, symmetrised
from mfsym.metrics import Interval, distance2_to_si, distance_wi, evaluate, risks, rmd2_si, rmd2_symmetrised
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key
from mfsym.transport import rmd2, w2
from tests.catalogue import CASES, FINITE
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF, SPLIT

KEY = stream_key(8, "init")
ORDER = sized(20, 4)


def _cloud(unit, step=0, n=6):
    return normals(KEY, step, n, unit.p)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rmd2_to_si_is_that_of_the_projected_law(case):
    z, space = _cloud(case.unit), case.unit.fixed_subspace
    assert abs(rmd2_si(z, space) - rmd2(z, space.project(z))) < ALGEBRA
    assert 0.0 <= rmd2_si(z, space) <= 1.0
    assert rmd2_si(space.project(z), space) < ROUNDOFF
    assert rmd2_si(0.0 * z, space) == 0.0
    residual = space.complement().project(z)
    if space.dimension < space.ambient:
        assert abs(rmd2_si(residual, space) - 0.5) < ALGEBRA
        assert distance2_to_si(residual, space) == pytest.approx((residual**2).sum(axis=1).mean(), rel=ALGEBRA)


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_rmd2_to_the_symmetrised_law_vanishes_exactly_on_closed_clouds(case):
    action = case.unit.action
    z = _cloud(case.unit, n=3)
    assert rmd2_symmetrised(Ensemble(z).orbit(action).z, action) < ROUNDOFF
    value = rmd2_symmetrised(z, action)
    assert (value > SPLIT) == (case.group.order > 1)
    copies = np.tile(z, (case.group.order, 1))
    assert abs(value - rmd2(copies, symmetrised(z, action).z)) < ALGEBRA


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_the_distance_to_wi_lies_between_its_bounds(case):
    action = case.unit.action
    z = _cloud(case.unit, n=3)
    found = distance_wi(z, action)
    whole = w2(np.tile(z, (case.group.order, 1)), symmetrised(z, action).z).value
    assert isinstance(found, Interval)
    assert whole / 2.0 - ALGEBRA <= found.lower <= found.upper <= whole + ALGEBRA
    assert found.lower == found.upper or case.group.order > 2
    assert distance_wi(Ensemble(z).orbit(action).z, action).upper < ALGEBRA**0.5


def test_the_distance_to_wi_is_attained_for_two_elements():
    """A closed cloud at that distance exists (midpoints and their images), and none is found nearer."""
    action = reference_teacher("wi").unit.action
    z = _cloud(reference_teacher("wi").unit, n=2)
    swap = action.generator_matrices[0]
    distance = distance_wi(z, action).lower

    def to_closed(flat):
        half = flat.reshape(-1, 4)
        closed = np.vstack([half, half @ swap.T])
        return w2(np.repeat(z, len(closed) // len(z), axis=0), closed).value

    found = [minimize(to_closed, normals(KEY, 40 + k, 1, 8)[0], method="Powell").fun for k in range(sized(3, 2))]
    assert min(found) >= distance - ALGEBRA
    images = z @ swap.T
    pairing = [(0, 0, 1, 1), (0, 1, 1, 0)]
    best = min(to_closed(0.5 * np.vstack([z[i] + images[j], z[k] + images[m]]).ravel()) for i, j, k, m in pairing)
    assert best == pytest.approx(distance, rel=ALGEBRA)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("teacher", ["arbitrary", "wi"])
def test_an_evaluation_is_what_its_definitions_say(name, teacher):
    data = reference_teacher(teacher)
    unit = data.unit
    scheme, z = get_scheme(name, unit), 0.5 * _cloud(unit)
    found = evaluate(scheme, data, z, ORDER)
    x, w = data.quadrature(ORDER)
    swap = unit.rho_x.generator_matrices[0]

    def averaged(model, points):
        return 0.5 * (model(points) + model(points @ swap) @ swap)

    def norm2(values):
        return w @ (values**2).sum(axis=1)

    def model(points):
        particles = unit.fixed_subspace.project(z) if name == "ea" else z
        bare = unit.sigma(points, particles).mean(axis=1)
        moved = unit.sigma(points @ swap, particles).mean(axis=1) @ swap
        return 0.5 * (bare + moved) if name == "fa" else bare

    target = data.target(x)
    assert found.risk == pytest.approx(norm2(model(x) - target), rel=ALGEBRA)
    assert found.risk_bare == pytest.approx(norm2(unit.sigma(x, z).mean(axis=1) - target), rel=ALGEBRA)
    assert found.l2_target == pytest.approx(found.risk**0.5, rel=ALGEBRA)
    assert found.l2_symmetrisation == pytest.approx(norm2(model(x) - averaged(model, x)) ** 0.5, abs=ALGEBRA)
    assert found.l2_symmetrised_target == pytest.approx(norm2(model(x) - averaged(data.target, x)) ** 0.5, rel=ALGEBRA)
    assert found.equivariance_error == pytest.approx(
        (0.5 * norm2(model(x) - model(x @ swap) @ swap)) ** 0.5, abs=ALGEBRA
    )
    assert (found.equivariance_error < ALGEBRA) == (name in ("fa", "ea"))
    assert risks(scheme, data, z, ORDER) == pytest.approx((found.risk, found.risk_bare), rel=ALGEBRA)


def test_a_student_equal_to_the_teacher_has_no_risk():
    data = reference_teacher("wi")
    for name in SCHEMES:
        found = evaluate(get_scheme(name, data.unit), data, data.particles, ORDER)
        assert found.risk_bare == 0.0
        assert (found.risk < ROUNDOFF) == (name != "ea")
