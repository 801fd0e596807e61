"""mfsym.units.user: a user's sigma, its derivative given or found, the checks."""

import numpy as np
import pytest

from mfsym.data.teachers import Teacher
from mfsym.dynamics import NoisySGD
from mfsym.errors import MfsymError, NotEquivariant
from mfsym.groups import cyclic
from mfsym.schemes import SCHEMES
from mfsym.streams import normals, stream_key
from mfsym.units import UserUnit, UVUnit
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, ROUNDOFF32, SPLIT

KEY = stream_key(24, "init")
C2 = cyclic(2)
SWAP = C2.permutation()


def forward(x, z, out):
    """The uv unit with tanh on R^2."""
    s = np.tanh((z[0] * x[0] + z[1] * x[1]) / 2.0)
    out[0] = z[2] * s
    out[1] = z[3] * s


def pullback(x, z, r, out):
    s = np.tanh((z[0] * x[0] + z[1] * x[1]) / 2.0)
    inner = (r[0] * z[2] + r[1] * z[3]) * (1.0 - s * s) / 2.0
    out[0], out[1] = inner * x[0], inner * x[1]
    out[2], out[3] = r[0] * s, r[1] * s


def forgetful(x, z, r, out):
    """A pullback that forgets what it depends on."""
    s = np.tanh((z[0] * x[0] + z[1] * x[1]) / 2.0)
    out[0], out[1] = 0.0, 0.0
    out[2], out[3] = r[0] * s, r[1] * s


def _user(derivative):
    return UserUnit(forward, SWAP, SWAP, SWAP + SWAP, derivative)


UNITS = {"given": _user(pullback), "differences": _user("differences"), "complex": _user("complex")}
TOLERANCE = {"given": ALGEBRA, "complex": ALGEBRA, "differences": FINITE_DIFFERENCE}
TWIN = UVUnit("tanh", SWAP, SWAP)


@pytest.mark.parametrize("derivative", UNITS)
def test_a_user_unit_is_the_unit_it_writes(derivative):
    unit = UNITS[derivative]
    x, z, r = normals(KEY, 1, 5, 2), normals(KEY, 2, 7, 4), normals(KEY, 3, 5, 2)
    assert np.abs(unit.sigma(x, z) - TWIN.sigma(x, z)).max() < ALGEBRA
    assert np.abs(unit.predict(x, z) - TWIN.predict(x, z)).max() < ALGEBRA
    assert np.abs(unit.pullback(x, z, r) - TWIN.pullback(x, z, r)).max() < TOLERANCE[derivative]
    assert np.array_equal(unit.fixed_subspace.projector, TWIN.fixed_subspace.projector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_trainings_equal_those_of_the_built_in_unit(scheme):
    start, ends = normals(KEY, 4, 9, 4), []
    for unit in (TWIN, *UNITS.values()):
        teacher = Teacher(TWIN, normals(KEY, 5, 3, 4), 1.0)
        dynamics = NoisySGD(unit, scheme, teacher, alpha=1.0, beta=1e-3, batch_size=3, dtype="float64")
        ends.append(dynamics.step(dynamics.init(start, seed=1), 4).z)
    for end, derivative in zip(ends[1:], UNITS, strict=True):
        assert np.abs(end - ends[0]).max() < TOLERANCE[derivative]
    assert np.abs(ends[0] - start).max() > SPLIT


def test_single_precision_runs_store_single_precision():
    teacher = Teacher(TWIN, normals(KEY, 5, 3, 4), 1.0)
    ends = [NoisySGD(unit, "fa", teacher, alpha=1.0, batch_size=3) for unit in (TWIN, UNITS["differences"])]
    ends = [dynamics.step(dynamics.init(normals(KEY, 4, 9, 4)), 4).z for dynamics in ends]
    assert ends[1].dtype == np.float32
    assert np.abs(ends[0] - ends[1]).max() < ROUNDOFF32


def test_what_is_wrong_is_refused():
    with pytest.raises(NotEquivariant, match="action on parameters"):
        UserUnit(forward, SWAP, SWAP, C2.trivial(4))
    with pytest.raises(MfsymError, match="derivative of forward"):
        _user(forgetful)
    with pytest.raises(MfsymError, match="pullback must be a function, or one of"):
        _user("dual")
    with pytest.raises(MfsymError, match="restrict it"):
        UserUnit(forward, SWAP, SWAP, cyclic(3).trivial(4))
