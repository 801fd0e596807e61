"""Flows: quadratures, population gradients, start clouds, time integration, limits."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.configurations.cells import Cell
from mfsym.data.datasets import SampleData
from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.errors import MfsymError
from mfsym.experiments.limits import flow, flow_cell, phase_portrait
from mfsym.flows import Accuracy, MeanFieldFlow, Population, limit_of, refined_limit, rules, start_cloud
from mfsym.flows.populations import plain_gradient
from mfsym.flows.quadratures import sobol_normals
from mfsym.groups import cyclic, dihedral, so, symmetric
from mfsym.metrics import risks
from mfsym.schemes import get_scheme
from mfsym.streams import normals, stream_key
from mfsym.transport import second_moment, w2
from mfsym.units import MatrixUnit, UVUnit
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, ROUNDOFF, SLOPE
from tests.trainings import asymmetric_teacher

KEY = stream_key(23, "teacher")
UNITS = (
    UVUnit("tanh", cyclic(4).vector(), cyclic(4).trivial(1)),
    MatrixUnit("sigmoid", symmetric(3).permutation(), symmetric(3).permutation()),
    UVUnit("sigmoid", so(2).vector(), so(2).vector()),
)
COARSE = Accuracy(order=10, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["vanilla", "da", "fa", "ea"])
@pytest.mark.parametrize("unit", UNITS[: sized(3, 1)], ids=str)
def test_the_compiled_gradient_is_its_plain_twin(unit, name):
    data = asymmetric_teacher(unit)
    population = Population(unit, name, data, tau=0.0, order=4)
    z = get_scheme(name, unit).particles(normals(KEY, 5, 6, unit.p))
    slope, energy = population.gradient(z)
    lifted = population._nodes
    count = len(lifted.y) * len(lifted.node_weights)
    scale = unit.d if unit.code == 1 else 1.0
    twin, risk = plain_gradient(unit, z, lifted._replace(x=lifted.x[:count] * scale))
    if population.projector is not None:
        twin = twin @ population.projector.T
    assert np.abs(slope - twin).max() <= ROUNDOFF * max(1.0, np.abs(twin).max())
    assert abs(energy - risk) <= ROUNDOFF


@pytest.mark.parametrize("name", ["vanilla", "da", "fa", "ea"])
def test_the_gradient_is_the_derivative_of_the_energy(name):
    unit = UNITS[0]
    population = Population(unit, name, asymmetric_teacher(unit), tau=0.1, order=6)
    z = population.scheme.particles(normals(KEY, 5, 3, unit.p))
    slope, _ = population.gradient(z)
    turn = population.scheme.particles(normals(KEY, 6, 3, unit.p))
    h = 1e-6
    difference = (population.gradient(z + h * turn)[1] - population.gradient(z - h * turn)[1]) / (2.0 * h)
    assert abs(difference - np.sum(slope * turn) / 3.0) <= FINITE_DIFFERENCE


def test_the_energy_is_risk_and_penalty():
    teacher = reference_teacher("arbitrary")
    z = normals(KEY, 5, 4, 4)
    for name in ("vanilla", "fa", "ea"):
        population = Population(teacher.unit, name, teacher, tau=0.5, order=20)
        inside = population.scheme.particles(z)
        expected = risks(population.scheme, teacher, inside, 20)[0] + 0.5 * second_moment(inside)
        assert abs(population.gradient(inside)[1] - expected) <= ALGEBRA


def test_sampled_augmentation_has_the_population_of_augmentation():
    teacher = reference_teacher("arbitrary")
    z = normals(KEY, 5, 4, 4)
    sampled, exact = (Population(teacher.unit, name, teacher, order=8).gradient(z)[0] for name in ("da-sampled", "da"))
    assert np.array_equal(sampled, exact)


@compiled
def test_refinement_stops_where_the_gradient_has_converged():
    teacher = reference_teacher("wi")
    population = Population(teacher.unit, "vanilla", teacher)
    z = 0.4 * normals(KEY, 5, 20, 4)
    error = population.resolve(z, 1e-5)
    assert 0.0 < error <= 1e-5
    reference = Population(teacher.unit, "vanilla", teacher, order=200).gradient(z)[0]
    assert np.abs(population.gradient(z)[0] - reference).max() <= 1e-5 * np.abs(reference).max()
    loose = Population(teacher.unit, "vanilla", teacher)
    loose.resolve(z, 1.0)
    assert loose.order < population.order


def test_a_finite_sample_is_its_own_exact_rule():
    unit = UNITS[0]
    x, y = normals(KEY, 0, 12, 2), normals(KEY, 1, 12, 1)
    data = SampleData((x, y))
    (rule,) = rules(data)
    assert np.array_equal(rule.x, x)
    assert np.array_equal(rule.y, y)
    assert Population(unit, "vanilla", data).resolve(normals(KEY, 2, 3, unit.p), 1e-9) == 0.0


def test_many_dimensions_are_integrated_by_quasi_monte_carlo():
    unit = UVUnit("tanh", cyclic(2).trivial(8), cyclic(2).trivial(1))
    teacher = Teacher(unit, normals(KEY, 0, 2, unit.p), 1.0)
    first, second = (rule for _, rule in zip(range(2), rules(teacher), strict=False))
    assert (len(first), len(second)) == (1024, 2048)
    assert abs(float(second.weights @ (second.x**2).sum(axis=1)) - 8.0) < 0.1


def test_quasi_monte_carlo_normals_are_balanced():
    points = sobol_normals(256, 3)
    assert np.abs(points.mean(axis=0)).max() <= ALGEBRA
    assert np.abs((points**2).mean(axis=0) - 1.0).max() < 0.02
    assert sobol_normals(4, 0).shape == (4, 0)


@pytest.mark.parametrize("group", [cyclic(4), dihedral(4), so(2)], ids=str)
def test_a_wi_cloud_is_closed_under_the_group(group):
    unit = UVUnit("tanh", group.vector(), group.vector())
    cloud = start_cloud(unit, "wi", 96)
    for matrix in cloud.matrices:
        assert w2(cloud.z, cloud.z @ matrix.T).w2_squared <= ALGEBRA
    images = np.concatenate([cloud.z[: cloud.base] @ matrix.T for matrix in cloud.matrices])
    assert np.array_equal(cloud.z, images)
    assert w2(cloud.z, cloud.z @ np.diag([1.0, 2.0, 1.0, 1.0])).w2_squared > 1e-3


def test_an_si_cloud_lies_in_the_fixed_subspace():
    unit = reference_teacher("wi").unit
    z = start_cloud(unit, "si", 128).z
    assert unit.fixed_subspace.contains(z)
    assert abs(second_moment(z) - unit.fixed_subspace.dimension / 16.0) < 0.005
    assert not start_cloud(unit, "zero", 3).z.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("nowhere", 4), "init must be"), (("wi", 0), "n must be a whole number >= 1, got 0")],
)
def test_start_clouds_refuse(arguments, message):
    with pytest.raises(MfsymError, match=message):
        start_cloud(UNITS[0], *arguments)


def endpoint(method, step, unit, data, z):
    accuracy = Accuracy(order=8, method=method, rtol=1e3, atol=1e3, max_step=step)
    dynamics = MeanFieldFlow(unit, "vanilla", data, alpha=4.0, tau=1e-2, accuracy=accuracy)
    return list(dynamics.flow(dynamics.init(z), [1.0]))[-1].z


@compiled
@pytest.mark.parametrize(
    ("method", "order", "steps"), [("RK23", 3, (16, 32)), ("RK45", 5, (8, 16)), ("DOP853", 8, (3, 6))]
)
def test_time_integrators_have_their_nominal_order(method, order, steps):
    unit = UNITS[0]
    data = asymmetric_teacher(unit)
    z = normals(KEY, 7, 8, unit.p)
    exact = endpoint("DOP853", 1 / 48, unit, data, z)
    coarse, fine = (np.abs(endpoint(method, 1 / count, unit, data, z) - exact).max() for count in steps)
    assert np.log2(coarse / fine) >= order - SLOPE


@compiled
def test_the_data_quadrature_converges_spectrally_until_rounding():
    unit = UNITS[0]
    data = asymmetric_teacher(unit)
    z = 0.5 * normals(KEY, 7, 8, unit.p)
    slopes = [Population(unit, "vanilla", data, order=order).gradient(z)[0] for order in (8, 16, 32, 64, 128, 240)]
    errors = np.array([np.abs(slope - slopes[-1]).max() for slope in slopes[:-1]])
    orders = np.log2(errors[:-1] / np.maximum(errors[1:], ROUNDOFF))
    assert errors[-1] <= ROUNDOFF
    assert (np.diff(orders[:3]) > 0).all()


@compiled
def test_the_noisy_scheme_converges_on_one_brownian_path():
    unit = UNITS[0]
    data = asymmetric_teacher(unit)
    ends = []
    for level in (0, 1, 2, 5):
        accuracy = Accuracy(order=8, noise_step=1.0, level=level, halvings=0, time_tolerance=1e-4)
        dynamics = MeanFieldFlow(unit, "vanilla", data, alpha=2.0, beta=1e-2, accuracy=accuracy)
        ends.append(list(dynamics.flow(dynamics.init(normals(KEY, 7, 128, unit.p)), [1.0]))[-1].z)
    errors = [np.linalg.norm(end - ends[-1]) for end in ends[:-1]]
    assert np.log2(errors[0] / errors[-1]) / 2.0 >= 1.0 - SLOPE


def test_noise_is_antithetic_and_has_unit_variance():
    unit = UNITS[0]
    dynamics = MeanFieldFlow(unit, "vanilla", asymmetric_teacher(unit), beta=1.0, accuracy=Accuracy(order=4))
    draws = dynamics.particle_noise(normals(KEY, 3, 2048, unit.p), 4096)
    assert np.abs(draws.sum(axis=0)).max() <= ALGEBRA
    assert abs(np.mean(draws**2) - 1.0) < 0.05
    dynamics.init(start_cloud(unit, "wi", 16))
    closed = dynamics.particle_noise(normals(KEY, 3, 2, unit.p), 16)
    for k, matrix in enumerate(dynamics.closure):
        assert np.array_equal(closed[4 * k : 4 * k + 4], closed[:4] @ matrix.T)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"beta": -1.0}, "beta must be a number >= 0, got -1"),
        ({"accuracy": None, "alpha": float("nan")}, "alpha"),
    ],
)
def test_flows_refuse_what_they_cannot_mean(options, message):
    teacher = reference_teacher("wi")
    with pytest.raises(MfsymError, match=message):
        MeanFieldFlow(teacher.unit, "vanilla", teacher, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "Euler"}, "method"),
        ({"level": 99}, "level"),
        ({"halvings": -1}, "halvings"),
        ({"time_tolerance": 0.0}, "time_tolerance must be a number > 0"),
        ({"noise_step": -0.5}, "noise_step must be a number > 0"),
    ],
)
def test_accuracy_refuses(options, message):
    with pytest.raises(MfsymError, match=message):
        Accuracy(**options)


def test_flows_refuse_bad_particles_and_times():
    teacher = reference_teacher("wi")
    dynamics = MeanFieldFlow(teacher.unit, "vanilla", teacher, accuracy=COARSE)
    with pytest.raises(MfsymError, match="finite array"):
        dynamics.init(np.zeros((3, 5)))
    start = dynamics.init(np.zeros((1, 4)))
    with pytest.raises(MfsymError, match="increase"):
        list(dynamics.flow(start, [0.1, 0.0]))
    with pytest.raises(MfsymError, match="data must be on"):
        Population(UNITS[0], "vanilla", teacher)


def test_a_schedule_of_zero_stops_the_flow():
    teacher = reference_teacher("wi")
    still = MeanFieldFlow(teacher.unit, "vanilla", teacher, schedule=lambda t: 0.0 * t, accuracy=COARSE)
    start = still.init(start_cloud(teacher.unit, "si", 4))
    assert np.array_equal(list(still.flow(start, [1.0]))[-1].z, start.z)


@compiled
def test_flow_writes_what_simulate_writes_and_its_errors():
    dataset = flow("wi", "vanilla", n=16, horizon=0.5, snapshots=3, beta=0.0, accuracy=COARSE)
    names = {"particles", "risk", "risk_bare", "rmd2_si", "rmd2_symmetrised", "status", "time"}
    assert names <= set(dataset.variables)
    assert {"error_w2", "error_risk", "error_force", "energy_defect"} <= set(dataset.variables)
    assert dataset.particles.dims == ("time", "particle", "param")
    assert float(np.abs(dataset.energy_defect).max()) < 1e-7
    assert (np.diff(dataset.energy.values) < 0).all()


@compiled
def test_the_cloud_grows_until_the_law_meets_its_tolerance():
    teacher = reference_teacher("wi")
    cell = Cell(n=8, horizon=0.2, beta=0.0, schemes=("vanilla",))
    times = np.array([0.0, 0.2])
    limit = refined_limit(cell, times, teacher, teacher.unit, COARSE, 0.15)
    size = np.sqrt(second_moment(limit.states[-1].z))
    assert len(limit.states[0].z) > 8
    assert limit.errors_w2().max() <= 0.15 * size
    assert limit_of(cell, times, teacher, teacher.unit, COARSE).errors_w2().max() > limit.errors_w2().max()


@compiled
def test_the_steps_shorten_until_the_law_meets_its_tolerance():
    unit, cell = UNITS[0], Cell(n=64, init="wi", alpha=2.0, tau=1.0, beta=0.5, schemes=("vanilla",))
    data, times = asymmetric_teacher(unit), np.array([1.0])
    coarse = limit_of(cell, times, data, unit, Accuracy(order=4, time_tolerance=1.0))
    size, particles = np.sqrt(second_moment(coarse.states[0].z)), float(coarse.errors_particles()[0])
    tolerance = (particles + 0.5 * float(coarse.errors_time()[0])) / size
    limit = refined_limit(cell, times, data, unit, Accuracy(order=4, time_tolerance=1.0), tolerance)
    assert limit.accuracy.time_tolerance < 1.0
    assert float(limit.errors_w2()[0]) <= tolerance * np.sqrt(second_moment(limit.states[0].z))
    with pytest.raises(MfsymError, match="comes from the time step"):
        refined_limit(cell, times, data, unit, Accuracy(order=4, halvings=0, time_tolerance=1e-5), 1e-6)


@compiled
def test_errors_with_noise_hold_those_of_the_step():
    dataset = flow("wi", "vanilla", n=16, horizon=0.5, snapshots=3, beta=1e-3, accuracy=COARSE)
    assert float(dataset.error_time[0]) == 0.0
    assert (dataset.error_time[1:] > 0.0).all()
    assert (dataset.error_w2 > dataset.error_time).all()
    assert dataset.attrs["time_error"] <= dataset.attrs["time_tolerance"] == COARSE.time_tolerance
    quiet = flow("wi", "vanilla", n=16, horizon=0.5, snapshots=2, beta=0.0, accuracy=COARSE)
    assert np.isnan(quiet.error_time).all()
    assert np.isfinite(quiet.error_w2).all()
    assert "time_error" not in quiet.attrs


@compiled
def test_the_command_says_the_error_of_the_step_and_where_it_missed_its_tolerance(mfsym, tmp_path):
    out = tmp_path / "flow.nc"
    stated = ("flow", "-n", 16, "--init", "wi", "--horizon", 0.5, "--snapshots", 1, "--order", 8, "-o", out)
    met = mfsym(*stated, "--beta", 1e-6)
    assert (met.exit_code, "error_time" in met.stdout, "--halvings" in met.stderr) == (0, True, False)
    missed = mfsym(*stated, "--beta", 1e-2, "--halvings", 0, "--time-tolerance", 1e-6)
    assert (missed.exit_code, "allow more --halvings" in missed.stderr) == (0, True)
    assert "energy_defect" in mfsym(*stated, "--beta", 0).stdout


def test_data_without_a_unit_need_one():
    data = SampleData((np.zeros((2, 2)), np.zeros((2, 2))))
    with pytest.raises(MfsymError, match="no unit of its own"):
        flow_cell(Cell(n=2), data)


@pytest.mark.parametrize("name", ["vanilla", "fa", "ea"])
def test_the_field_at_the_particles_is_their_gradient(name):
    unit = UNITS[0]
    population = Population(unit, name, asymmetric_teacher(unit), tau=0.1, order=6)
    z = population.scheme.particles(normals(KEY, 5, 4, unit.p))
    slope, _ = population.gradient(z)
    assert np.abs(population.field(z, z) - slope).max() <= ROUNDOFF * max(1.0, np.abs(slope).max())
    assert np.abs(population.field(z + 0.5, z) - slope).max() > FINITE_DIFFERENCE


@compiled
def test_a_phase_portrait_points_where_the_particles_go():
    teacher = reference_teacher("wi")
    step = 1e-4
    cell = Cell(n=16, schemes=("vanilla",), alpha=5.0, beta=0.0)
    portrait = phase_portrait(cell, [0.0, 1.0, 1.0 + step], teacher, teacher.unit, grid=41, accuracy=COARSE)
    assert portrait.drift.dims == ("time", "second", "first", "coordinate")
    inside = portrait.particles_fixed.values
    moved = (inside[2] - inside[1]) / step
    nearest = [portrait.drift[1].sel(first=a, second=b, method="nearest").values for a, b in inside[1]]
    assert np.abs(np.array(nearest) - moved).max() < 0.25 * np.abs(moved).max()
    assert portrait.teacher_fixed.shape == (10, 2)


def test_a_phase_portrait_needs_a_plane():
    unit = UNITS[0]
    with pytest.raises(MfsymError, match="dimension 2, got 1"):
        phase_portrait(Cell(schemes=("vanilla",)), [0.0], asymmetric_teacher(unit), unit)
