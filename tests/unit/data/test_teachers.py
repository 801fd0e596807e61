"""mfsym.data.teachers: reference teachers, draws and quadrature."""

import numpy as np
import pytest

from mfsym.data.inputs import Gaussian
from mfsym.data.teachers import TEACHERS, FunctionData, Teacher, reference_teacher, reference_unit
from mfsym.ensembles import Ensemble
from mfsym.errors import MfsymError
from mfsym.kernels.noise import sequence_normals
from mfsym.streams import stream_key
from mfsym.units import ACTIVATIONS
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF, SPLIT, STAT
from tests.trainings import KINDS

KEY = stream_key(2, "data")
SWAP = np.array([[0.0, 1.0], [1.0, 0.0]])


def _moved(particles):
    """P z P of row-major 2 x 2 particles: the action of the swap."""
    return np.array([(SWAP @ z.reshape(2, 2) @ SWAP).ravel() for z in particles])


def test_reference_particles_are_those_of_the_paper():
    arbitrary, wi, si = (reference_teacher(name).particles for name in TEACHERS)
    assert np.abs(arbitrary[0] - [-0.5, 0.0, 0.0, 0.25]).max() == 0.0
    assert np.abs(arbitrary[4] - [0.35, -0.35, 0.25, 0.35]).max() < ROUNDOFF
    assert np.abs(wi[:5] - arbitrary).max() == 0.0
    assert np.abs(wi[5:] - _moved(arbitrary)).max() < ROUNDOFF
    assert np.abs(_moved(si) - si).max() < ROUNDOFF
    root = np.sqrt(0.5)
    assert np.abs(si[0] - 0.5 * root * np.eye(2).ravel()).max() < ROUNDOFF
    assert np.abs(si[1] - 0.5 * root * (0.5 * np.eye(2) + SWAP).ravel()).max() < ROUNDOFF
    assert (len(arbitrary), len(wi), len(si)) == (5, 10, 5)


@pytest.mark.parametrize(("name", "symmetric"), [("arbitrary", False), ("wi", True), ("si", True)])
@pytest.mark.parametrize("kind", KINDS)
def test_targets_of_symmetric_teachers_are_equivariant(name, symmetric, kind):
    teacher = reference_teacher(name, kind)
    x = sequence_normals(KEY, 0, 20, 2)
    error = np.abs(teacher.target(x @ SWAP) - teacher.target(x) @ SWAP).max()
    assert error < ALGEBRA if symmetric else error > SPLIT


def test_reference_unit_is_the_swap_on_both_sides():
    unit = reference_unit()
    assert (unit.name, unit.activation, unit.d, unit.c, unit.p) == ("matrix", "sigmoid", 2, 2, 4)
    assert np.abs(unit.rho_x.generator_matrices[0] - SWAP).max() == 0.0
    assert np.abs(unit.fixed_subspace.basis.T - np.sqrt(0.5) * np.array([[1, 0, 0, 1], [0, 1, 1, 0]])).max() < ROUNDOFF
    assert reference_unit("uv", "erf").activation == "erf"
    assert reference_unit() is reference_unit()


def test_draws_are_a_pure_function_of_their_place_in_the_sequence():
    teacher = reference_teacher("arbitrary")
    x, y = teacher.draw(KEY, 0, 30)
    part, target = teacher.draw(KEY, 11, 7)
    assert np.array_equal(part, x[11:18])
    assert np.abs(target - y[11:18]).max() < ROUNDOFF
    assert np.abs(y - teacher.unit.sigma(x, teacher.particles).mean(axis=1)).max() < ALGEBRA
    assert np.array_equal(x, 4.0 * sequence_normals(KEY, 0, 30, 2))
    assert np.abs(x - teacher.draw(stream_key(3, "data"), 0, 30)[0]).max() > SPLIT


def test_inputs_have_the_stated_scale():
    x, _ = Teacher(reference_unit(), np.zeros((1, 4)), scale=3.0).draw(KEY, 0, sized(10_000, 1000))
    score = abs((x**2).mean() / 9.0 - 1.0) * np.sqrt(x.size / 2.0)
    assert score < STAT
    assert abs((x**2).mean() / 16.0 - 1.0) * np.sqrt(x.size / 2.0) > STAT


@pytest.mark.parametrize(("d", "order"), [(1, 1), (1, 3), (1, 60), (2, 1), (2, 3), (2, 60), (1, 544)])
def test_the_gaussian_rule_is_exact_on_polynomials_of_its_degree(d, order):
    x, w = Gaussian(4.0).rule(d, order)
    assert x.shape == (order**d, d)
    assert abs(w.sum() - 1.0) < ALGEBRA
    moments = {0: 1.0, 2: 16.0, 4: 3 * 16.0**2, 6: 15 * 16.0**3}
    for degree, moment in moments.items():
        if degree < 2 * order:
            assert abs(w @ x[:, -1] ** degree - moment) < ALGEBRA * moment
        else:
            assert abs(w @ x[:, -1] ** degree - moment) > ALGEBRA * moment
    assert np.abs(w @ x).max() < ALGEBRA
    if d == 2 and order > 1:
        assert abs(w @ (x[:, 0] ** 2 * x[:, 1] ** 2) - 256.0) < ALGEBRA * 256


def test_the_reference_risk_has_converged_at_the_default_order():
    teacher, other = reference_teacher("wi"), reference_teacher("si")
    values = []
    for order in sized((8, 60, 80), (4, 18, 20)):
        x, w = teacher.quadrature(order)
        values.append(w @ np.sum((teacher.target(x) - other.target(x)) ** 2, axis=1))
    assert abs(values[1] - values[2]) < 0.1 * abs(values[0] - values[2])


def test_any_function_of_inputs_is_a_target():
    data = FunctionData(Gaussian(2.0), lambda x: (x**2).sum(axis=1, keepdims=True), 3, 1)
    x, y = data.draw(KEY, 4, 5)
    assert np.array_equal(x, 2.0 * sequence_normals(KEY, 0, 9, 3)[4:])
    assert np.array_equal(y, data.target(x))
    nodes, targets, weights = data.evaluation(6)
    assert abs(weights @ targets[:, 0] - 12.0) < ALGEBRA * 12
    assert nodes.shape == (6**3, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_unit_has_its_reference_teachers(kind, activation):
    for name in TEACHERS:
        teacher = reference_teacher(name, kind, activation)
        assert teacher.name == name
        assert teacher.target(np.ones((3, 2))).shape == (3, 2)
    space = teacher.unit.fixed_subspace
    assert space.contains(teacher.particles)
    closed = Ensemble(reference_teacher("wi", kind).particles[:5]).orbit(teacher.unit.action).z
    assert np.abs(closed - reference_teacher("wi", kind).particles).max() < ROUNDOFF


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda unit: Teacher(unit, np.zeros((2, 3))), r"finite array \(n, 4\), got shape \(2, 3\)"),
        (lambda unit: Teacher(unit, np.full((2, 4), np.nan)), "finite array"),
        (lambda unit: Teacher(unit, np.zeros((2, 4)), scale=0.0), "scale must be a number > 0, got 0"),
        (lambda unit: Teacher(unit, np.zeros((2, 4))).quadrature(0), "order must be a whole number >= 1, got 0"),
        (lambda unit: reference_teacher("strong"), "one of arbitrary, wi, si, got 'strong'"),
        (lambda unit: reference_teacher("wi", "conv"), "one of matrix, uv.*, got 'conv'"),
    ],
    ids=["width", "nan", "scale", "order", "teacher", "unit"],
)
def test_nonsense_is_refused_with_advice(call, message):
    with pytest.raises(MfsymError, match=message):
        call(reference_unit())
