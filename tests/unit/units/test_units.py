"""mfsym.units: outputs, derivatives, induced actions, refusals."""

import pickle

import numpy as np
import pytest

from mfsym.errors import MfsymError, NotEquivariant
from mfsym.groups import cyclic, dihedral, signed_permutations, so, symmetric
from mfsym.streams import normals, stream_key
from mfsym.units import ACTIVATIONS, UNITS, MatrixUnit, UVUnit
from tests.catalogue import CASES
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE

KEY = stream_key(3, "init")
HAAR = stream_key(3, "haar")
STEP = 1e-5


def _points(unit, n=4, batch=5):
    return normals(KEY, 0, batch, unit.d), normals(KEY, 1, n, unit.p), normals(KEY, 2, batch, unit.c)


def test_activations_keep_the_order_the_kernels_know():
    assert list(ACTIVATIONS) == ["sigmoid", "tanh", "relu", "softplus", "erf", "identity"]
    swap = cyclic(2).permutation()
    assert [MatrixUnit(name, swap, swap).activation_code for name in ACTIVATIONS] == list(range(6))
    assert {name: unit.code for name, unit in UNITS.items()} == {"matrix": 0, "uv": 1, "mlp": 2}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_derivatives(name):
    function, slope = ACTIVATIONS[name]
    a = 3.0 * normals(KEY, 3, 200, 1)[:, 0]
    difference = (function(a + STEP) - function(a - STEP)) / (2.0 * STEP)
    assert np.abs(difference - slope(a)).max() < FINITE_DIFFERENCE


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_finite_far_out_and_pass_nan_on(name):
    function, slope = ACTIVATIONS[name]
    far = np.array([-800.0, 800.0])
    assert np.isfinite(function(far)).all()
    assert np.isfinite(slope(far)).all()
    assert np.isnan(function(np.array([np.nan]))).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pullback_is_the_derivative_of_the_paired_output(case):
    unit = case.unit
    x, z, r = _points(unit)
    force = unit.pullback(x, z, r)
    direction = normals(KEY, 4, *z.shape)
    up, down = unit.sigma(x, z + STEP * direction), unit.sigma(x, z - STEP * direction)
    difference = np.einsum("bnc,bc->n", up - down, r) / (2.0 * STEP)
    scale = max(1.0, np.abs(difference).max())
    assert np.abs(difference - (force * direction).sum(axis=1)).max() < FINITE_DIFFERENCE * scale


@pytest.mark.parametrize("case", CASES, ids=str)
def test_units_are_jointly_equivariant_on_haar_draws(case):
    unit = case.unit
    x, z, _ = _points(unit)
    base = unit.sigma(x, z)
    draws = case.group.haar(HAAR, 9, 8)
    for rho_x, rho_y, action in zip(unit.rho_x(draws), unit.rho_y(draws), unit.action(draws), strict=True):
        moved = unit.sigma(x @ rho_x.T, z @ action.T)
        assert np.abs(moved - base @ rho_y.T).max() < ALGEBRA * max(1.0, np.abs(base).max())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_prediction_is_the_mean_over_particles(case):
    unit = case.unit
    x, z, _ = _points(unit)
    assert np.abs(unit.predict(x, z) - unit.sigma(x, z).mean(axis=1)).max() < ALGEBRA
    assert unit.predict(x[:0], z).shape == (0, unit.c)


def test_matrix_unit_is_the_activation_of_a_matrix_product():
    unit = MatrixUnit("tanh", cyclic(3).permutation(), cyclic(3).trivial(2))
    x, z, _ = _points(unit)
    assert np.abs(unit.sigma(x, z)[1, 2] - np.tanh(z[2].reshape(2, 3) @ x[1])).max() < ALGEBRA


def test_uv_unit_is_a_vector_times_a_ridge():
    unit = UVUnit("tanh", dihedral(3).permutation(), dihedral(3).vector())
    x, z, _ = _points(unit)
    assert np.abs(unit.sigma(x, z)[1, 2] - z[2, 3:] * np.tanh(z[2, :3] @ x[1] / 3.0)).max() < ALGEBRA


@pytest.mark.parametrize(
    ("activation", "rho_y", "element"),
    [
        ("sigmoid", dihedral(4).vector(), "r"),
        ("relu", signed_permutations(2).vector().restrict(dihedral(4).vector()), "r"),
        ("tanh", dihedral(3).vector(), "r"),
        ("sigmoid", symmetric(3).sign(), "t"),
        ("tanh", so(3).vector(), "exp(A1)"),
    ],
    ids=["rotation", "signed-relu", "turn-tanh", "sign", "so3"],
)
def test_matrix_unit_refuses_an_action_its_activation_breaks(activation, rho_y, element):
    with pytest.raises(NotEquivariant, match="must be jointly equivariant") as caught:
        MatrixUnit(activation, rho_y.group.vector(), rho_y)
    assert caught.value.element == element
    assert caught.value.error > FINITE_DIFFERENCE
    assert f"for {element} of" in str(caught.value)


def test_what_is_refused_passes_with_a_friendlier_activation_or_unit():
    rotation = dihedral(3).vector()
    assert MatrixUnit("identity", rotation, rotation).fixed_subspace.dimension == 1
    assert UVUnit("sigmoid", rotation, rotation).p == 4
    assert MatrixUnit("erf", dihedral(4).vector(), dihedral(4).vector()).fixed_subspace.dimension == 1


def test_units_refuse_other_groups_unknown_activations_and_bad_shapes():
    swap = cyclic(2).permutation()
    with pytest.raises(MfsymError, match="share a group, got C_2 and C_3"):
        UVUnit("tanh", swap, cyclic(3).vector())
    with pytest.raises(MfsymError, match="one of sigmoid, tanh"):
        MatrixUnit("swish", swap, swap)
    unit = MatrixUnit("sigmoid", swap, swap)
    x, z, r = _points(unit)
    for call in (lambda: unit.sigma(x[0], z), lambda: unit.predict(x, z[:, :3]), lambda: unit.pullback(x, z, r[:, :1])):
        with pytest.raises(MfsymError, match="rows of length"):
            call()


def test_units_survive_pickling_and_name_themselves():
    unit = MatrixUnit("sigmoid", cyclic(2).permutation(), cyclic(2).permutation())
    copy = pickle.loads(pickle.dumps(unit))
    x, z, r = _points(unit)
    assert np.array_equal(copy.pullback(x, z, r), unit.pullback(x, z, r))
    assert repr(copy) == "<MatrixUnit sigmoid, R^2 -> R^2, C_2>"
