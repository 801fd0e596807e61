"""mfsym.units.functions: a user's sigma in jax.numpy, its derivative by JAX, the checks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import mfsym as mf
from mfsym.data.teachers import Teacher
from mfsym.dynamics import NoisySGD
from mfsym.errors import MfsymError, NotEquivariant
from mfsym.flows.populations import Population
from mfsym.groups import cyclic
from mfsym.metrics import risks
from mfsym.schemes import SCHEMES
from mfsym.streams import normals, stream_key
from mfsym.units import FunctionUnit, UVUnit
from tests.tolerances import ALGEBRA, ROUNDOFF, ROUNDOFF32, SPLIT

jax = pytest.importorskip("jax", reason="jax is not installed: pip install 'mfsym[jax]'")
jnp = jax.numpy

KEY = stream_key(29, "init")
C2 = cyclic(2)
SWAP = C2.permutation()


def uv(x, z):
    """The uv unit with tanh on R^2."""
    return z[2:] * jnp.tanh((x @ z[:2]) / 2.0)


def bump(x, z):
    """A bump at (z_0, z_1) of height z_2: one output, no axis."""
    return z[2] * jnp.exp(-jnp.sum((x - z[:2]) ** 2))


UNIT = FunctionUnit(uv, SWAP, SWAP, SWAP + SWAP)
TWIN = UVUnit("tanh", SWAP, SWAP)
TEACHER = Teacher(TWIN, normals(KEY, 5, 3, 4), 1.0)


@pytest.mark.parametrize("count", [1, 5, 8])
def test_a_function_unit_is_the_unit_it_states(count):
    x, z, r = normals(KEY, 1, count, 2), normals(KEY, 2, 7, 4), normals(KEY, 3, count, 2)
    assert np.abs(UNIT.sigma(x, z) - TWIN.sigma(x, z)).max() < ROUNDOFF
    assert np.abs(UNIT.predict(x, z) - TWIN.predict(x, z)).max() < ROUNDOFF
    assert np.abs(UNIT.pullback(x, z, r) - TWIN.pullback(x, z, r)).max() < ROUNDOFF
    assert np.array_equal(UNIT.fixed_subspace.projector, TWIN.fixed_subspace.projector)


def test_samples_are_taken_a_few_at_a_time(monkeypatch):
    x, z, r = normals(KEY, 1, 37, 2), normals(KEY, 2, 7, 4), normals(KEY, 3, 37, 2)
    whole = UNIT.predict(x, z), UNIT.pullback(x, z, r)
    monkeypatch.setattr("mfsym.units.functions.OUTPUTS_AT_A_TIME", 64)
    assert np.abs(UNIT.predict(x, z) - whole[0]).max() < ROUNDOFF
    assert np.abs(UNIT.pullback(x, z, r) - whole[1]).max() < ROUNDOFF


def test_one_output_needs_no_axis():
    turns = cyclic(4)
    unit = FunctionUnit(bump, turns.vector(), turns.trivial(1), turns.vector() + turns.trivial(1))
    x, z = normals(KEY, 1, 3, 2), normals(KEY, 2, 5, 3)
    expected = z[:, 2] * np.exp(-((x[:, None] - z[:, :2]) ** 2).sum(axis=2))
    assert np.abs(unit.sigma(x, z)[:, :, 0] - expected).max() < ROUNDOFF
    assert unit.fixed_subspace.dimension == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("engine", ["numba", "jax"])
def test_trainings_equal_those_of_the_built_in_unit(scheme, engine):
    start, ends = normals(KEY, 4, 9, 4), []
    for unit, chosen in ((TWIN, "numba"), (UNIT, engine)):
        options = {"alpha": 1.0, "beta": 1e-3, "batch_size": 3, "dtype": "float64", "engine": chosen}
        dynamics = NoisySGD(unit, scheme, TEACHER, **options)
        ends.append(dynamics.step(dynamics.init(start, seed=1), 4).z)
    assert np.abs(ends[1] - ends[0]).max() < ALGEBRA
    assert np.abs(ends[0] - start).max() > SPLIT


def test_single_precision_runs_store_single_precision():
    runs = [NoisySGD(unit, "fa", TEACHER, alpha=1.0, batch_size=3) for unit in (TWIN, UNIT)]
    ends = [dynamics.step(dynamics.init(normals(KEY, 4, 9, 4)), 4).z for dynamics in runs]
    assert ends[1].dtype == np.float32
    assert np.abs(ends[0] - ends[1]).max() < ROUNDOFF32


def test_measures_and_gradients_equal_those_of_the_built_in_unit():
    z = normals(KEY, 6, 9, 4)
    found = [risks(SCHEMES["fa"](unit), TEACHER, z, order=12) for unit in (TWIN, UNIT)]
    for one, other in zip(*found, strict=True):
        assert abs(one - other) < ROUNDOFF
    slopes = [Population(unit, "da", TEACHER, order=12).gradient(z)[0] for unit in (TWIN, UNIT)]
    assert np.abs(slopes[0] - slopes[1]).max() < ALGEBRA


def test_studies_take_a_teacher_of_a_function_unit():
    run = mf.simulate(Teacher(UNIT, TEACHER.particles, 1.0), "ea", n=6, horizon=0.5, alpha=2.0, snapshots=2)
    assert float(run["rmd2_si"][-1]) < ALGEBRA
    assert "function" in run.attrs["config"]


def test_the_setting_of_the_process_stays_as_it_is():
    FunctionUnit(uv, SWAP, SWAP, SWAP + SWAP).predict(normals(KEY, 1, 3, 2), normals(KEY, 2, 7, 4))
    assert not jax.config.jax_enable_x64
    assert jnp.ones(3).dtype == np.float32


def test_copies_share_what_is_compiled_and_other_processes_get_the_function():
    assert copy.copy(UNIT).passes is UNIT.passes
    x, z = normals(KEY, 1, 3, 2), normals(KEY, 2, 7, 4)
    assert np.array_equal(pickle.loads(pickle.dumps(UNIT)).predict(x, z), UNIT.predict(x, z))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x, z: z[2:] * np.tanh(x), "use jax.numpy"),
        (lambda x, z: z[2:] if x[0] > 0 else x, "use jax.numpy.where"),
        (lambda x, z: z, r"shape \(2,\), got \(4,\)"),
        (lambda x, z: z[2:] + 1j, "real numbers, got complex128"),
        (lambda x, z: jnp.log(-(z[2:] ** 2)), "must be finite"),
        (lambda x, z: jnp.sqrt(0.0 * z[2:]), "the derivative of f in z must be finite"),
        (lambda x: x, "takes 1 positional argument"),
        ("tanh", "f must be a function"),
    ],
)
def test_a_function_that_is_no_unit_is_refused_in_one_line(function, reason):
    with pytest.raises(MfsymError, match=reason) as caught:
        FunctionUnit(function, SWAP, SWAP, SWAP + SWAP)
    assert "\n" not in str(caught.value)


def test_a_wrong_action_is_refused():
    with pytest.raises(NotEquivariant, match="action on parameters"):
        FunctionUnit(uv, SWAP, SWAP, C2.trivial(4))
    with pytest.raises(MfsymError, match="restrict it"):
        FunctionUnit(uv, SWAP, SWAP, cyclic(3).trivial(4))
