"""mfsym.units.mlp: networks as units, their derivative, their parameters' action, their refusals."""

import numpy as np
import pytest

from mfsym.errors import MfsymError, NotEquivariant
from mfsym.groups import cyclic, dihedral, signed_permutations, so, symmetric, trivial
from mfsym.streams import normals, stream_key
from mfsym.units import UNITS, Gated, MatrixUnit, MLPUnit, Normed, UVUnit
from tests import naive_mlp
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, SPLIT

KEY = stream_key(21, "init")
C4, D4, S3, SO3 = cyclic(4), dihedral(4), symmetric(3), so(3)


def _case(activation, rho_x, rho_y, hidden, **options):
    return activation, rho_x, rho_y, hidden, options


CASES = {
    "no hidden layer": _case("tanh", C4.vector(), C4.permutation(), [], output_linear=False, output_bias=True),
    "one neuron": _case("sigmoid", C4.vector(), C4.trivial(1), [C4.trivial(1)]),
    "two layers": _case("softplus", S3.permutation(), S3.trivial(1), [S3.regular(), S3.trivial(2)], output_bias=True),
    "some biases": _case("erf", C4.vector(), C4.vector(), [C4.permutation(), C4.regular()], biases=[False, True]),
    "odd and signed": _case("tanh", signed_permutations(2).vector(), signed_permutations(2).vector(),
                            [signed_permutations(2).vector()], biases=False),
    "gated": _case("relu", D4.vector(), D4.vector(), [[D4.trivial(2), Gated(D4.vector())], Gated(D4.vector(), "tanh")]),
    "normed": _case("tanh", D4.vector(), D4.vector(), [[Normed(D4.vector()), D4.permutation()]]),
    "infinite group": _case("sigmoid", SO3.vector() + SO3.vector(), SO3.vector(),
                            [[SO3.trivial(2), Gated(SO3.vector()), Normed(SO3.vector(), "tanh")], [SO3.trivial(3),
                             Gated(SO3.vector())]]),
}  # fmt: skip


def _unit(name):
    activation, rho_x, rho_y, hidden, options = CASES[name]
    return MLPUnit(activation, rho_x, rho_y, hidden, **options)


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_a_network_written_neuron_by_neuron(name):
    activation, _, _, hidden, options = CASES[name]
    options = dict(options)
    biases = options.pop("biases", True)
    flags = [biases] * len(hidden) if isinstance(biases, bool) else biases
    unit = _unit(name)
    x, z = normals(KEY, 1, 3, unit.d), normals(KEY, 2, 4, unit.p)
    outputs = unit.sigma(x, z)
    twin = [
        [naive_mlp.sigma(hidden, activation, point, one, unit.c, biases=flags, **options) for one in z] for point in x
    ]
    assert np.abs(outputs - twin).max() < ALGEBRA
    assert np.abs(outputs - np.roll(twin, 1, axis=1)).max() > SPLIT


@pytest.mark.parametrize("name", CASES)
def test_pullbacks_are_derivatives(name):
    unit = _unit(name)
    x, z, r, direction = (normals(KEY, k, n, m) for k, n, m in
                          [(1, 3, unit.d), (2, 4, unit.p), (3, 3, unit.c), (4, 4, unit.p)])  # fmt: skip
    step = 1e-6
    change = (unit.sigma(x, z + step * direction) - unit.sigma(x, z - step * direction)) / (2.0 * step)
    slope = np.einsum("bnc,bc->", change, r)
    given = np.sum(unit.pullback(x, z, r) * direction)
    assert abs(given - slope) < FINITE_DIFFERENCE * max(1.0, abs(slope))
    assert abs(1.01 * given - slope) > FINITE_DIFFERENCE * max(1.0, abs(slope))


@pytest.mark.parametrize("name", CASES)
def test_networks_in_the_fixed_subspace_are_equivariant(name):
    unit = _unit(name)
    x, z = normals(KEY, 1, 3, unit.d), normals(KEY, 2, 4, unit.p)
    draws = unit.rho_x.group.haar(KEY, 0, 6)
    inside = unit.fixed_subspace.project(z)
    for rho_x, rho_y, action in zip(unit.rho_x(draws), unit.rho_y(draws), unit.action(draws), strict=True):
        assert np.abs(unit.sigma(x @ rho_x.T, inside) - unit.sigma(x, inside) @ rho_y.T).max() < ALGEBRA
        assert np.abs(unit.sigma(x @ rho_x.T, z @ action.T) - unit.sigma(x, z) @ rho_y.T).max() < ALGEBRA
    pairs = zip(unit.rho_x(draws), unit.rho_y(draws), strict=True)
    assert max(np.abs(unit.sigma(x @ g.T, z) - unit.sigma(x, z) @ h.T).max() for g, h in pairs) > SPLIT


@pytest.mark.parametrize("name", CASES)
def test_the_fixed_subspace_is_that_of_the_whole_action(name):
    unit = _unit(name)
    whole = unit.action.fixed_subspace()
    assert whole.dimension == unit.fixed_subspace.dimension
    assert np.abs(whole.projector - unit.fixed_subspace.projector).max() < ALGEBRA


def test_matrix_and_uv_units_are_networks():
    swap = cyclic(2).permutation()
    x, z = normals(KEY, 1, 5, 2), normals(KEY, 2, 6, 4)
    matrix = MLPUnit("sigmoid", swap, swap, [], output_linear=False)
    assert np.abs(matrix.sigma(x, z) - MatrixUnit("sigmoid", swap, swap).sigma(x, z)).max() < ALGEBRA
    uv = MLPUnit("tanh", swap, swap, [cyclic(2).trivial(1)], biases=False)
    assert np.abs(uv.sigma(x / 2.0, z) - UVUnit("tanh", swap, swap).sigma(x, z)).max() < ALGEBRA
    assert matrix.fixed_subspace.dimension == uv.fixed_subspace.dimension + 0 == 2


@pytest.mark.parametrize(
    ("unit", "p", "fixed"),
    [
        (lambda: MLPUnit("sigmoid", C4.vector(), C4.trivial(1), [C4.trivial(1)]), 4, 2),
        (lambda: MLPUnit("relu", S3.permutation(), S3.permutation(), [S3.permutation()]), 21, 2 + 1 + 2),
        (lambda: MLPUnit("relu", C4.regular(), C4.regular(), [C4.regular()] * 2), 16 * 3 + 8, 4 * 3 + 2),
        (lambda: MLPUnit("tanh", SO3.vector(), SO3.vector(), [Gated(SO3.vector())]), 12 + 4 + 9, 1 + 1 + 1),
        (lambda: MLPUnit("tanh", trivial().trivial(2), trivial().trivial(3)), 2 + 1 + 3, 6),
    ],
)
def test_dimensions_are_the_known_ones(unit, p, fixed):
    made = unit()
    assert (made.p, made.fixed_subspace.dimension) == (p, fixed)


def test_strongly_invariant_networks_of_the_counterexample_are_constant():
    """Maass Martínez & Fontbona 2024, proposition 4: with A = 0, sigma(x; W, A, b) = W s(b)."""
    unit = MLPUnit("sigmoid", C4.vector(), C4.trivial(1), [C4.trivial(1)])
    z = unit.fixed_subspace.project(normals(KEY, 5, 6, 4))
    assert np.abs(z[:, :2]).max() < ALGEBRA
    assert np.ptp(unit.predict(normals(KEY, 6, 9, 2), z)) < ALGEBRA
    assert np.ptp(unit.predict(normals(KEY, 6, 9, 2), normals(KEY, 5, 6, 4))) > SPLIT


def test_activations_must_commute_with_the_representations_of_hidden_layers():
    with pytest.raises(NotEquivariant, match="Gated or Normed"):
        MLPUnit("relu", D4.vector(), D4.vector(), [D4.vector()])
    with pytest.raises(NotEquivariant):
        MLPUnit("sigmoid", S3.permutation(), S3.sign(), [S3.sign()])
    MLPUnit("tanh", S3.permutation(), S3.sign(), [S3.sign()])


def test_bad_requests_are_refused_with_what_to_do():
    with pytest.raises(MfsymError, match="give hidden for"):
        MLPUnit("tanh", SO3.vector(), SO3.vector())
    with pytest.raises(MfsymError, match="one per hidden layer"):
        MLPUnit("tanh", C4.vector(), C4.vector(), [C4.regular()], biases=[True, False])
    with pytest.raises(MfsymError, match="restrict it"):
        MLPUnit("tanh", C4.vector(), C4.vector(), [S3.permutation()])
    with pytest.raises(MfsymError, match="Representation, Gated or Normed"):
        MLPUnit("tanh", C4.vector(), C4.vector(), [8])
    with pytest.raises(MfsymError, match="activation must be one of"):
        MLPUnit("tanh", C4.vector(), C4.vector(), [Gated(C4.vector(), "gelu")])


def test_the_unit_is_known_by_its_name():
    assert UNITS["mlp"] is MLPUnit
    assert UNITS["mlp"]("relu", C4.vector(), C4.vector()).p == 8 + 4 + 8
