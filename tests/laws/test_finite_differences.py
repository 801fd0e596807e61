"""Forces are derivatives: N times the gradient of the batch risk of the scheme's own model."""

import numpy as np
import pytest

from mfsym.ensembles import init_particles
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key
from tests.catalogue import CASES, INTEGRABLE
from tests.sizes import sized
from tests.tolerances import FINITE_DIFFERENCE, SPLIT
from tests.trainings import KEY, force, generic_sample

SMALL = sized(INTEGRABLE, INTEGRABLE[:3])
STEP = 1e-5


def _risk(unit, scheme, data, z):
    """Risk of the scheme's model on the batch it sees at step 0."""
    model = get_scheme(scheme, unit)
    if scheme in ("da", "da-sampled"):
        lifted = model.lift(data.x[None], data.y[None], stream_key(0, "haar"), 0)
        square = np.sum((unit.sigma(lifted.x[0, :, 0], z).mean(axis=1) - lifted.y[0]) ** 2, axis=1)
        return lifted.sample_weights @ square
    return np.mean(np.sum((model.read(data.x, z) - data.y) ** 2, axis=1))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_forces_are_derivatives_of_the_risk(case, scheme):
    unit = case.unit
    data = generic_sample(unit)
    z = init_particles(unit, "si" if scheme == "ea" else "wi", 4, seed=1)
    direction = normals(KEY, 12, *z.shape)
    up, down = (_risk(unit, scheme, data, z + sign * STEP * direction) for sign in (1.0, -1.0))
    slope = len(z) * (up - down) / (2.0 * STEP)
    given = np.sum(force(unit, scheme, data, z) * direction)
    scale = max(1.0, abs(slope))
    assert abs(given - slope) < FINITE_DIFFERENCE * scale
    if abs(slope) > SPLIT:
        assert abs(1.01 * given - slope) > FINITE_DIFFERENCE * scale


def test_most_forces_are_not_zero():
    """Averaged models of odd ridges over rotations vanish identically; others must not."""
    forces = [
        np.abs(force(case.unit, "fa", generic_sample(case.unit), init_particles(case.unit, "wi", 4, seed=1))).max()
        for case in SMALL
    ]
    assert sum(size > SPLIT for size in forces) > len(SMALL) / 2


@pytest.mark.parametrize("case", [case for case in CASES if not case.quadrature], ids=str)
def test_schemes_without_averages_need_no_quadrature(case):
    data = generic_sample(case.unit)
    z = init_particles(case.unit, "wi", 4, seed=1)
    direction = normals(KEY, 12, *z.shape)
    for scheme in ("vanilla", "da-sampled"):
        up, down = (_risk(case.unit, scheme, data, z + sign * STEP * direction) for sign in (1.0, -1.0))
        slope = len(z) * (up - down) / (2.0 * STEP)
        given = np.sum(force(case.unit, scheme, data, z) * direction)
        assert abs(given - slope) < FINITE_DIFFERENCE * max(1.0, abs(slope))
