"""The flow with noise: one path, one grid, an order of its own, and laws that do not depend on when one looks.

Steps of length h = interval / parts. The expectations of the splitting are computed exactly here: particles stand for
all combinations of Gauss-Hermite nodes of the kicks, or for the coefficients of each kick.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from mfsym.configurations.cells import Cell
from mfsym.data.inputs import Gaussian
from mfsym.data.teachers import FunctionData, reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.experiments.convergence import Study, converge
from mfsym.experiments.limits import flow_cell
from mfsym.flows import Accuracy, FlowState, Limit, MeanFieldFlow, limit_of, splitting, start_cloud
from mfsym.flows.paths import BrownianPath
from mfsym.flows.splitting import Grid, solve_on_grid
from mfsym.groups import cyclic
from mfsym.streams import stream_key
from mfsym.transport import second_moment, w2
from mfsym.units import UVUnit
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, SLOPE, STAT

KEY = stream_key(29, "noise")
PLANE = cyclic(4)
UNIT = UVUnit("softplus", PLANE.vector(), PLANE.trivial(1))
DATA = FunctionData(Gaussian(1.0), lambda x: np.sum(x**2, axis=1, keepdims=True), 2, 1)
CELL = Cell(init="wi", alpha=4.0, tau=1e-2, n=16, horizon=1.0, batch_size=20, schemes=("vanilla",))
BETAS = (1e-14, 1e-6, 1e-3)


def test_increments_of_a_path_add_up_and_do_not_depend_on_what_was_asked():
    path, other = BrownianPath(KEY, 6, 3), BrownianPath(KEY, 4, 3)
    ends = [2.0, 2.125, 2.3, 2.5, 2.71, 3.0]
    parts = [path.increment(a, b) for a, b in itertools.pairwise(ends)]
    assert np.abs(sum(parts) - path.increment(2.0, 3.0)).max() <= ALGEBRA
    path.increment(0.0, 1.0)
    for (a, b), part in reversed(list(zip(itertools.pairwise(ends), parts, strict=True))):
        assert np.array_equal(other.increment(a, b), part[:4])
    assert np.abs(path.increment(0.0, 0.5) - path.increment(1.0, 1.5)).min() > ALGEBRA


def test_increments_of_a_path_are_independent_and_have_its_variance():
    path = BrownianPath(KEY, 4000, 1)
    spans = [(0.0, 0.25), (0.25, 0.3), (0.3, 0.55), (0.55, 1.0), (3.75, 4.0)]
    draws = np.stack([path.increment(a, b)[:, 0] / math.sqrt(b - a) for a, b in spans])
    scores = (draws @ draws.T / 4000 - np.eye(5)) * np.sqrt(4000 / (1.0 + np.eye(5)))
    assert np.abs(scores).max() <= STAT


class Exact:
    """A drift that is solved exactly, for the splitting; ``flow`` maps (z, span) to the particles after it."""

    def __init__(self, flow, beta):
        self.flow, self.beta = flow, beta

    def rate(self, time):
        return 1.0

    def drift(self, z, begin, end, first):
        return self.flow(z, end - begin), end - begin

    def kicked(self, z, size, increment):
        return z + size * increment

    def curvature(self, z):
        return 1.0

    def size(self, z):
        return float(np.mean(z**2)), 1.0

    def resolve(self, z):
        return 0.0, False


class Kicks:
    """In place of a path: the kick number k is ``columns[k]`` times the root of its time."""

    def __init__(self, columns):
        self.columns = iter(columns)

    def increment(self, begin, end):
        return math.sqrt(end - begin) * next(self.columns)


def endpoint(flow, beta, columns, start, parts):
    """The particles at time 1 after ``parts`` steps of the splitting."""
    motion = Exact(flow, beta)
    done = solve_on_grid(motion, Kicks(columns), Grid(motion, 0.0, 1.0, 1e-2), start, [1.0], parts)
    return done.clouds[1]


def variance(parts, beta=0.5, rate=1.5):
    """E z^2 at time 1 from 0 under dz = -rate z dt + sqrt(2 beta) dB by the splitting; one particle per kick."""
    columns = np.eye(2 * parts)[:, :, None]
    after = endpoint(lambda z, span: z * math.exp(-rate * span), beta, columns, np.zeros((2 * parts, 1)), parts)
    return float(np.sum(after**2))


def orders(values, exact):
    errors = np.abs(np.array(values) - exact)
    return np.log2(errors[:-1] / errors[1:])


def test_a_linear_drift_gets_its_variance_to_fourth_order(monkeypatch):
    exact = 0.5 * -math.expm1(-3.0) / 1.5
    assert orders([variance(parts) for parts in (4, 8, 16)], exact).min() >= 4.0 - SLOPE
    monkeypatch.setattr(splitting, "KICK", 0.25)
    assert orders([variance(parts) for parts in (4, 8, 16)], exact).max() <= 2.0 + SLOPE


def mean_square(parts, nodes=5, beta=0.02):
    """E z^2 at time 1 from 1 under dz = -z^3 dt + sqrt(2 beta) dB by the splitting, over all nodes of its kicks."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    grids = np.meshgrid(*[np.arange(nodes)] * (2 * parts), indexing="ij")
    picks = np.stack([grid.ravel() for grid in grids])
    weights = np.prod((w / w.sum())[picks], axis=0)
    start = np.ones((picks.shape[1], 1))
    after = endpoint(lambda z, span: z / np.sqrt(1.0 + 2.0 * z**2 * span), beta, x[picks][:, :, None], start, parts)
    return float(weights @ after[:, 0] ** 2)


def test_the_splitting_has_weak_order_two():
    one, two, four = (mean_square(parts) for parts in (1, 2, 4))
    assert np.log2(abs(two - one) / abs(four - two)) >= 2.0 - SLOPE
    early = mean_square(1, beta=0.04) - mean_square(1, beta=0.02)
    assert abs(four - one) < 0.1 * abs(early)


def snapshots(beta, count, accuracy=None):
    return flow_cell(replace(CELL, beta=beta), DATA, unit=UNIT, snapshots=count, accuracy=accuracy)


@compiled
@pytest.mark.parametrize("beta", BETAS)
def test_laws_do_not_depend_on_when_one_looks(beta):
    """Bit for bit: 1, 11 and 41 snapshots of one flow."""
    accuracy = Accuracy(order=20) if beta < 1e-3 else None
    one, few, many = (snapshots(beta, count, accuracy) for count in (1, 11, 41))
    assert np.array_equal(one.particles[-1], few.particles[-1])
    for name in ("particles", "risk", "error_w2", "error_time", "error_risk", "error_force"):
        assert np.array_equal(few[name], many[name][::4])
    assert float(many.error_time[0]) == 0.0
    assert (many.error_time[1:] > 0.0).all()
    assert many.attrs["time_error"] <= many.attrs["time_tolerance"]


def heun(beta, count, n=32):
    """E|z|^2 at time 1 as it was: Heun steps of half the longest stable one at each of the times looked at."""
    quiet = MeanFieldFlow(UNIT, "vanilla", DATA, alpha=4.0, tau=1e-2, accuracy=Accuracy(order=30))
    z, span = start_cloud(UNIT, "wi", n).z, 1.0 / count
    for look in range(count):
        steps = math.ceil(span / min(0.25, 1.0 / (4.0 * quiet.curvature(z))))
        path = BrownianPath(KEY, n, UNIT.p)
        for k in range(steps):
            h, begin = span / steps, look * span + k * span / steps
            kick = math.sqrt(8.0 * beta) * path.increment(begin, min(begin + h, math.floor(begin) + 1.0))
            first = 4.0 * quiet.population.gradient(z)[0]
            second = 4.0 * quiet.population.gradient(z - h * first + kick)[0]
            z = z - 0.5 * h * (first + second) + kick
    return second_moment(z)


@compiled
def test_a_vanishing_noise_gives_the_flow_without_noise_and_steps_by_snapshots_do_not():
    exact = float(snapshots(0.0, 1).second_moment[-1])
    noisy = snapshots(1e-14, 1)
    assert abs(float(noisy.second_moment[-1]) - exact) <= float(noisy.attrs["time_tolerance"]) * 1e-2 * exact
    assert abs(heun(1e-14, 40) - exact) < 0.01 * exact < abs(heun(1e-14, 1) - exact)


def ends(beta, accuracy, n=32, seed=3, time=1.0):
    """The state at a time from the closed cloud of ``n`` particles."""
    dynamics = MeanFieldFlow(UNIT, "vanilla", DATA, alpha=4.0, tau=1e-2, beta=beta, accuracy=accuracy, seed=seed)
    return list(dynamics.flow(dynamics.init(start_cloud(UNIT, "wi", n)), [time]))[-1]


@compiled
@pytest.mark.parametrize("beta", [1e-3, 1e-1])
def test_the_error_of_the_step_covers_the_truth_on_the_same_path(beta):
    found = ends(beta, Accuracy(order=20))
    exact = ends(beta, Accuracy(order=20, level=5, halvings=0))
    size = second_moment(exact.z)
    assert abs(second_moment(found.z) - size) <= 3.0 * found.time_error * size
    assert found.time_error <= Accuracy().time_tolerance
    z, twin = found.twins[-1]
    assert w2(found.z, exact.z).value <= 3.0 * w2(z, twin).value


@compiled
def test_a_step_that_may_not_be_halved_says_what_it_reached():
    options = {"order": 20, "time_tolerance": 1e-6}
    found = ends(1e-1, Accuracy(halvings=0, **options))
    assert found.time_error > 1e-4
    assert ends(1e-1, Accuracy(halvings=2, **options)).time_error < found.time_error


@compiled
def test_a_flow_goes_on_from_any_state_on_its_grid_bit_for_bit_and_elsewhere_in_law():
    accuracy = Accuracy(order=20, halvings=0)
    dynamics = MeanFieldFlow(UNIT, "vanilla", DATA, alpha=4.0, tau=1e-2, beta=1e-3, accuracy=accuracy)
    half, odd, whole = dynamics.flow(dynamics.init(start_cloud(UNIT, "wi", 16)), [1.0, 1.3, 2.0])
    (again,) = dynamics.flow(half, [2.0])
    (other,) = dynamics.flow(odd, [2.0])
    assert np.array_equal(again.z, whole.z)
    assert abs(second_moment(other.z) - second_moment(whole.z)) <= 0.05 * second_moment(whole.z)


def own(beta, n, replicates, time):
    """Mean and standard error of E|z|^2 of noisy SGD over replicates."""
    found = []
    for replicate in range(replicates):
        dynamics = NoisySGD(UNIT, "vanilla", DATA, alpha=4.0, tau=1e-2, beta=beta)
        state = dynamics.init(init_particles(UNIT, "wi", n, 0, replicate), 0, replicate)
        found.append(second_moment(next(dynamics.flow(state, [time])).z.astype(np.float64)))
    return float(np.mean(found)), float(np.std(found, ddof=1)) / math.sqrt(replicates)


def agrees(beta, n, replicates, time, limit_n):
    """Assert that the limit lies within STAT standard errors of noisy SGD, and its own errors."""
    limit = limit_of(replace(CELL, beta=beta, n=limit_n), np.array([time]), DATA, UNIT)
    value, coarse = second_moment(limit.states[0].z), second_moment(limit.coarse[0].z)
    mean, error = own(beta, n, replicates, time)
    assert abs(mean - value) <= STAT * error + abs(value - coarse) + limit.time_error * value


@compiled
@pytest.mark.parametrize("beta", BETAS)
def test_noisy_particles_agree_with_the_limit(beta):
    agrees(beta, 1000, 16, 0.5, 256)


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("beta", BETAS)
def test_many_noisy_particles_agree_with_the_limit(beta):
    agrees(beta, 20_000, 4, 0.5, 2048)


@compiled
@pytest.mark.slow
def test_particles_with_noise_approach_the_limit_at_the_root_of_n():
    dataset = converge(replace(CELL, beta=1e-3), Study((50, 200, 800, 3200), 60, (0.5, 1.0), 1024), DATA, UNIT)
    for name in ("error_mean", "error_second_moment", "error_prediction"):
        assert np.abs(dataset.slope.sel(observable=name) + 0.5).max() <= 0.1


def test_a_difference_that_vanishes_by_luck_is_no_error_of_zero():
    """Fine and coarse cloud have the same number, small clouds on other paths do not: their scatter is the error."""
    values = iter([1.0, 1.0, 1.3, 0.7, 1.1, 0.9])
    clouds = [FlowState(np.full((size, 1), value)) for size, value in zip([64, 32, 8, 8, 8, 8], values, strict=True)]
    alone = Limit(CELL, np.array([1.0]), (clouds[0],), (clouds[1],), Accuracy())
    limit = replace(alone, paths=tuple((cloud,) for cloud in clouds[2:]))
    scatter = np.std([1.3, 0.7, 1.1, 0.9], ddof=1) / np.sqrt(8.0)
    assert abs(limit.errors_risk(lambda z: float(z.mean()))[0] - scatter) < ALGEBRA
    assert alone.errors_risk(lambda z: float(z.mean()))[0] == 0.0


@compiled
@pytest.mark.slow
def test_the_stated_error_of_the_risk_covers_the_limit_whatever_the_seed():
    """Reference problem, si, beta = 1e-6, t = 1: the limit is 4.543e-5, by own particles of another integrator."""
    limit, teacher = 4.543e-5, reference_teacher("wi")
    missed = []
    for seed in range(8):
        cell = Cell(init="si", n=64, horizon=1.0, seed=seed, schemes=("vanilla",))
        found = flow_cell(cell, teacher, unit=teacher.unit, snapshots=1)
        missed.append(abs(float(found.risk[-1]) - limit) / float(found.error_risk[-1]))
    assert max(missed) < 3.0
