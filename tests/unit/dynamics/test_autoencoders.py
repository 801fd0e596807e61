"""mfsym.dynamics.autoencoders: forces against finite differences and a slow twin, schemes, resuming, refusals."""

from dataclasses import replace

import numpy as np
import pytest

import mfsym as mf
from mfsym.dynamics import Dynamics
from mfsym.dynamics.autoencoders import AutoencoderSGD, LossWeights, child
from mfsym.dynamics.coders import Coder
from mfsym.dynamics.states import LawState
from mfsym.engines.contract import StepParameters
from mfsym.engines.dense import DenseLayer
from mfsym.engines.layers import CpuLayers
from mfsym.errors import MfsymError
from mfsym.latents import LatentAction, Pairs, losses
from mfsym.streams import normals, stream_key, uniforms
from mfsym.units import MatrixUnit, UVUnit
from tests.sizes import sized
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, ROUNDOFF, ROUNDOFF32, SPLIT

KEY = stream_key(41, "teacher")
PIXELS, N, PAIRS = 4, 3, 5
CIRCLE, C4 = mf.so(2), mf.cyclic(4)
RHO = CIRCLE.charge(1) + CIRCLE.charge(2) + CIRCLE.trivial(1)
ACTION = LatentAction(RHO)
SHIFTS = C4.permutation() + C4.trivial(1)
QUIET = {"alpha": 1.0, "dtype": "float64", "batch_size": PAIRS}
TERMS = {
    "restriction": LossWeights(),
    "consistency": LossWeights(restriction=0.0, consistency=1.0),
    "cycle": LossWeights(restriction=0.0, cycle=1.0),
    "all": LossWeights(0.7, 0.4, 0.3),
}


class Fixed(Pairs):
    """Pairs that are drawn whole and in order, whatever the key and the step."""

    def draw(self, key, step, count):
        return self.arrays


def _pairs(kind=Fixed, pixels=PIXELS, count=PAIRS, elements=None):
    x1, x2 = (uniforms(KEY, step, count, pixels) for step in (0, 1))
    g = 6.0 * uniforms(KEY, 2, count, 1)[:, 0] if elements is None else elements
    return kind(x1, x2, g)


def _coders(scheme="vanilla", rho=RHO, pixels=None, **options):
    pixels = rho.group.trivial(PIXELS) if pixels is None else pixels
    encoder = Coder(UVUnit("softplus", pixels, rho), scheme, gain=3.0, **options)
    decoder = Coder(UVUnit("tanh", rho, pixels), scheme, gain=2.0, **options)
    return encoder, decoder


def _start(dynamics, n=N, scale=2.0, **keys):
    parts = (dynamics.encoder, dynamics.decoder)
    return dynamics.init(*(scale * normals(KEY, 5 + k, n, part.unit.p) for k, part in enumerate(parts)), **keys)


def _risk(dynamics, state):
    maps = (lambda x: dynamics.encode(state, x)), (lambda z: dynamics.decode(state, z))
    names = ("restriction", "consistency", "cycle")
    terms = [getattr(losses, name)(*maps, dynamics.action, *dynamics.pairs.arrays) for name in names]
    return sum(getattr(dynamics.weights, name) * term for name, term in zip(names, terms, strict=True))


def _derivative(dynamics, state, which, projector):
    """N times the derivative of the risk by central differences, along the rows of a projector."""
    z = getattr(state, which)
    found = np.zeros(z.shape)
    for i, k in np.ndindex(z.shape):
        values = []
        for step in (1e-5, -1e-5):
            moved = z.copy()
            moved[i] += step * projector[k]
            values.append(_risk(dynamics, replace(state, **{which: moved})))
        found[i, k] = len(z) * (values[0] - values[1]) / 2e-5
    return found


def _symmetric(scheme, kind=Fixed, **options):
    """A dynamics whose encoder and decoder know the turns of 2 x 2 images, for schemes that average or project."""
    if scheme == "vanilla":
        return AutoencoderSGD(*_coders(), ACTION, _pairs(kind), **options)
    rho, turns = SHIFTS, C4.permutation()
    pairs = _pairs(kind, elements=np.arange(PAIRS) % 4)
    return AutoencoderSGD(*_coders(scheme, rho, turns), LatentAction(rho), pairs, **options)


@pytest.mark.parametrize("scheme", ["vanilla", "fa", "ea"])
@pytest.mark.parametrize("terms", TERMS)
def test_forces_are_derivatives_of_the_risk(terms, scheme):
    dynamics = _symmetric(scheme, weights=TERMS[terms], tau=1e-2, **QUIET)
    start = _start(dynamics)
    end, sizes = dynamics.step(start), []
    for which in ("encoder", "decoder"):
        z, projector = getattr(start, which), getattr(dynamics, which).projector
        force = N * (z - getattr(end, which)) - 2e-2 * z
        slope = _derivative(dynamics, start, which, np.eye(z.shape[1]) if projector is None else projector)
        sizes.append(np.abs(slope).max())
        assert np.abs(force - slope).max() < FINITE_DIFFERENCE * max(1.0, sizes[-1])
    assert sizes[0] > 1e-2
    assert (sizes[1] > 1e-2) == (terms != "consistency")


def _softplus(a):
    return np.log1p(np.exp(a)), 1.0 / (1.0 + np.exp(-a))


def _tanh(a):
    return np.tanh(a), 1.0 - np.tanh(a) ** 2


class Slow:
    """One map in plain NumPy, one input and one particle at a time: values, pullbacks to the input and to particles."""

    def __init__(self, coder, z, activation):
        self.z, self.gain, self.d, self.s = z, coder.gain, coder.unit.d, activation
        self.force = np.zeros(z.shape)

    def __call__(self, x):
        return np.mean([z[self.d :] * self.s(self.gain * z[: self.d] @ x / self.d)[0] for z in self.z], axis=0)

    def pull(self, x, r):
        down = np.zeros(self.d)
        for i, z in enumerate(self.z):
            value, slope = self.s(self.gain * z[: self.d] @ x / self.d)
            inner = slope * (z[self.d :] @ r) * self.gain / self.d
            self.force[i] += np.concatenate([inner * x, value * r])
            down += inner * z[: self.d] / len(self.z)
        return down


def _slow_step(dynamics, state):
    """One step of the dynamics by its formula, pair by pair, with the normals of the streams."""
    E = Slow(dynamics.encoder, state.encoder.copy(), _softplus)
    D = Slow(dynamics.decoder, state.decoder.copy(), _tanh)
    weights, action = dynamics.weights, dynamics.action
    for x1, x2, g in zip(*dynamics.pairs.draw(KEY, state.step, PAIRS), strict=True):
        rho = action.act(g, np.eye(action.dim)).T
        for a, b, turn in ((x1, x2, rho), (x2, x1, rho.T)):
            z = turn @ E(a)
            r = 2.0 * weights.restriction * (D(z) - b)
            E.pull(a, turn.T @ D.pull(z, r))
        z, other, drawn = rho @ E(x1), E(x2), D(rho @ E(x1))
        E.pull(x1, rho.T @ (2.0 * weights.consistency * (z - other)))
        E.pull(x2, -2.0 * weights.consistency * (z - other))
        error = 2.0 * weights.cycle * (z - E(drawn))
        E.pull(x1, rho.T @ (error + D.pull(z, E.pull(drawn, -error))))
    ends = []
    for name, part in (("encoder", E), ("decoder", D)):
        noise = normals(child(state.seed, "noise", state.replicate, name).key, state.step, *part.z.shape)
        rate = dynamics.alpha / len(part.z)
        moved = part.z - rate * (part.force / PAIRS + 2.0 * dynamics.tau * part.z)
        ends.append(moved + np.sqrt(2.0 * rate * dynamics.beta) * noise)
    return replace(state, encoder=ends[0], decoder=ends[1], step=state.step + 1)


def _wide(kind=Fixed, **options):
    """A dynamics of units with more than 16 parameters, whose noise is drawn in the coordinates of the particles."""
    rho = RHO + 4 * CIRCLE.charge(3)
    return AutoencoderSGD(*_coders(rho=rho), LatentAction(rho), _pairs(kind), **{**QUIET, "tau": 0.1, **options})


def test_the_dynamics_is_its_formula():
    dynamics = _wide(beta=1e-2, weights=TERMS["all"])
    state = twin = _start(dynamics, seed=3)
    for _ in range(3):
        state, twin = dynamics.step(state), _slow_step(dynamics, twin)
    for name in ("encoder", "decoder"):
        assert np.abs(getattr(state, name) - getattr(twin, name)).max() < ALGEBRA
    silent = _wide(beta=0.0, weights=TERMS["all"])
    assert np.abs(_slow_step(silent, state).encoder - _slow_step(dynamics, state).encoder).max() > SPLIT


def test_the_noises_of_the_ensembles_are_children_of_one_stream():
    dynamics = _wide(beta=1.0, tau=0.0, weights=LossWeights(restriction=0.0))
    start = dynamics.init(np.ones((N, 17)), np.ones((N, 17)), seed=2)
    end = dynamics.step(start)
    drawn = [normals(child(2, "noise", 0, name).key, 0, N, 17) for name in ("encoder", "decoder")]
    for noise, z in zip(drawn, (end.encoder, end.decoder), strict=True):
        assert np.abs(z - 1.0 - np.sqrt(2.0 / N) * noise).max() < ROUNDOFF
    assert np.abs(end.encoder - end.decoder).max() > SPLIT


def _many(kind=Pairs, **options):
    """A dynamics of 66 parameters, so that 200 particles lie in several blocks."""
    rho, pixels = RHO, CIRCLE.trivial(61)
    coders = (Coder(UVUnit("softplus", pixels, rho)), Coder(UVUnit("softplus", rho, pixels)))
    return AutoencoderSGD(*coders, ACTION, _pairs(kind, 61, 9), **{"alpha": 5.0, "batch_size": 6, **options})


def test_the_order_of_the_particles_does_not_matter():
    dynamics = _many(dtype="float64")
    start, orders = _start(dynamics, 200), [np.roll(np.arange(200), shift) for shift in (77, 140)]
    end = dynamics.step(start, 3)
    moved = dynamics.step(replace(start, encoder=start.encoder[orders[0]], decoder=start.decoder[orders[1]]), 3)
    assert np.abs(moved.encoder - end.encoder[orders[0]]).max() < ALGEBRA
    assert np.abs(moved.decoder - end.decoder[orders[1]]).max() < ALGEBRA
    assert np.abs(end.encoder - start.encoder).max() > SPLIT
    assert np.abs(moved.decoder - end.decoder).max() > SPLIT


def test_runs_resume_exactly_and_threads_change_nothing():
    count, options = sized(200, 40), {"beta": 1e-3, "weights": TERMS["all"]}
    dynamics, shared = _many(**options), _many(threads=2, **options)
    start = _start(dynamics, count, seed=4)
    straight = dynamics.step(start, 4)
    for other in (dynamics.step(dynamics.step(start, 1), 3), shared.step(start, 4)):
        assert np.array_equal(straight.z, other.z)
    other = dynamics.step(replace(start, seed=5), 4)
    assert not np.array_equal(straight.z, other.z)
    double = _many(dtype="float64", **options)
    ahead = double.step(_start(double, count, seed=4), 4)
    assert np.abs(ahead.z - straight.z).max() < ROUNDOFF32 * np.abs(ahead.z).max()
    assert (ahead.z.dtype, straight.z.dtype) == (np.float64, np.float32)


def test_it_has_the_two_verbs_of_every_dynamics():
    dynamics = _many()
    assert isinstance(dynamics, Dynamics)
    start = _start(dynamics, 8)
    states = list(dynamics.flow(start, [0.0, 0.5, 1.0]))
    assert all(isinstance(state, LawState) for state in states)
    assert [(state.time, state.step) for state in states] == [(0.0, 0), (0.5, 4), (1.0, 8)]
    assert np.array_equal(states[2].z, dynamics.step(start, 8).z)
    assert states[0].z.shape == (8, 132)
    with pytest.raises(MfsymError, match="times must increase"):
        list(dynamics.flow(states[2], [0.5]))
    halved = _many(schedule=lambda t: np.full(t.shape, 0.5), alpha=10.0)
    assert np.array_equal(halved.step(start, 2).z, dynamics.step(start, 2).z)


@pytest.mark.parametrize("scheme", ["vanilla", "fa", "ea"])
def test_schemes_make_both_maps_equivariant(scheme):
    turns, action = C4.permutation(), LatentAction(SHIFTS)
    pairs = _pairs(Pairs, elements=np.arange(PAIRS) % 4)
    dynamics = AutoencoderSGD(*_coders(scheme, SHIFTS, turns), action, pairs, beta=1e-3, **QUIET)
    state = dynamics.step(_start(dynamics), 10)
    x, z, errors = pairs.arrays[0], normals(KEY, 9, PAIRS, 5), []
    for turn, rho in zip(turns.matrices, SHIFTS.matrices, strict=True):
        errors.append(dynamics.encode(state, x @ turn.T) - dynamics.encode(state, x) @ rho.T)
        errors.append(dynamics.decode(state, z @ rho.T) - dynamics.decode(state, z) @ turn.T)
    largest = max(np.abs(error).max() for error in errors)
    assert largest > SPLIT if scheme == "vanilla" else largest < ALGEBRA


def test_noise_begins_projected_where_the_start_lies_in_the_fixed_space():
    rho = SHIFTS
    pairs = _pairs(elements=np.arange(PAIRS) % 4)
    for noise, stays in (("auto", True), ("isotropic", False)):
        coders = _coders("fa", rho, C4.permutation(), noise=noise)
        dynamics = AutoencoderSGD(*coders, LatentAction(rho), pairs, beta=1e-2, **QUIET)
        spaces = [coder.unit.fixed_subspace for coder in coders]
        starts = [space.project(normals(KEY, 7, N, 9)) for space in spaces]
        end = dynamics.step(dynamics.step(dynamics.init(*starts), 2), 3)
        assert all(space.contains(z) == stays for space, z in zip(spaces, (end.encoder, end.decoder), strict=True))


def test_a_run_that_diverges_says_when():
    dynamics = _many(alpha=1e12, dtype="float32")
    start = _start(dynamics, 8)
    end = dynamics.step(start, 50)
    assert end.status == "diverged"
    assert end.diverged_step == end.step < 50
    assert dynamics.step(end, 3) is end
    assert [state.status for state in dynamics.flow(start, [1.0, 20.0])][-1] == "diverged"
    born = dynamics.init(np.full((2, 66), np.inf), np.zeros((2, 66)))
    assert (born.status, born.diverged_step) == ("diverged", 0)


def test_bad_requests_are_refused():
    encoder, decoder = _coders()
    with pytest.raises(MfsymError, match="the decoder's unit must be R\\^5 -> R\\^4, got R\\^4 -> R\\^5"):
        AutoencoderSGD(encoder, encoder, ACTION, _pairs())
    with pytest.raises(MfsymError, match="must be a LatentAction"):
        AutoencoderSGD(encoder, decoder, RHO, _pairs())
    with pytest.raises(MfsymError, match="outside"):
        AutoencoderSGD(encoder, decoder, ACTION, _pairs(elements=np.full(PAIRS, 90.0)))
    with pytest.raises(MfsymError, match="weight of cycle must be a number >= 0"):
        LossWeights(cycle=-1.0)
    with pytest.raises(MfsymError, match="must leave samples as they are, got da"):
        Coder(encoder.unit, "da")
    with pytest.raises(MfsymError, match="isotropic or fixed, got 'quotient'"):
        Coder(encoder.unit, noise="quotient")
    dynamics = AutoencoderSGD(encoder, decoder, ACTION, _pairs())
    with pytest.raises(MfsymError, match="as many particles"):
        dynamics.init(np.zeros((3, 9)), np.zeros((4, 9)))
    with pytest.raises(MfsymError, match=r"array \(N, 9\) with N >= 1, got shape \(3, 8\)"):
        dynamics.init(np.zeros((3, 8)), np.zeros((3, 9)))
    matrix = MatrixUnit("tanh", CIRCLE.trivial(4), CIRCLE.trivial(5))
    with pytest.raises(MfsymError, match="need a uv unit"):
        AutoencoderSGD(matrix, decoder.unit, ACTION, _pairs())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dense_products_are_the_compiled_passes(dtype):
    unit, n, used = UVUnit("softplus", CIRCLE.trivial(61), RHO), 200, 7
    z = normals(KEY, 1, n, unit.p).astype(dtype)
    x, r = normals(KEY, 2, used, unit.d), normals(KEY, 3, used, unit.c)
    parts = (np.array([[0.1, 0.2]]), np.array([0.3]), np.zeros((0, 0)), np.eye(unit.p))
    parameters = StepParameters(*(part.astype(dtype) for part in parts), stream_key(1, "noise"), 5)
    dense, layers = DenseLayer(unit, z, used + 2, unit.p), CpuLayers(unit, z[None], used, unit.p)
    phi = np.concatenate([dense.forward(x[:3]), dense.forward(x[3:], 3)])
    limit = {"float64": ROUNDOFF, "float32": ROUNDOFF32}[dtype]
    assert np.abs(phi - layers.forward(0, x / unit.d)).max() < limit
    assert np.abs(phi - unit.predict(x, z.astype(np.float64))).max() < limit
    down = np.concatenate([dense.pull(r[:3]), dense.pull(r[3:], 3)])
    finite, slopes = layers.backward(0, r, parameters)
    assert np.abs(down - slopes).max() < limit
    assert dense.move(parameters, 0)
    assert finite
    moved = dense.particles()
    assert np.abs(moved - layers.particles()[0]).max() < limit * np.abs(moved).max()
    assert np.abs(moved - z).max() > SPLIT
