"""Laws of autoencoders of two mean-field ensembles: the symmetries of the risk, invariant laws, convergence in N.

Latents have a symmetry of their own: (E, D) -> (Q E, D Q^T) leaves the risk alone for every Q that commutes with rho.
An encoder's particles (u, v) then move to (u, Q v), a decoder's to (Q u, v).
"""

from dataclasses import replace

import numpy as np
import pytest

import mfsym as mf
from mfsym.dynamics.autoencoders import AutoencoderSGD, AutoencoderState, LossWeights
from mfsym.dynamics.coders import Coder
from mfsym.ensembles import Ensemble
from mfsym.latents import LatentAction, Pairs
from mfsym.metrics import distance_wi, rmd2_symmetrised
from mfsym.streams import normals, stream_key, uniforms
from mfsym.units import UVUnit
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF, SLOPE, SPLIT

KEY = stream_key(43, "teacher")
PIXELS, COUNT = 6, 12
CIRCLE, C4 = mf.so(2), mf.cyclic(4)
RHO = 2 * CIRCLE.charge(1) + CIRCLE.charge(2) + CIRCLE.trivial(2)
SHIFTS = C4.permutation() + C4.trivial(1)
ALL = LossWeights(1.0, 0.5, 0.5)


def _pairs(elements, count=COUNT):
    return Pairs(uniforms(KEY, 0, count, PIXELS), uniforms(KEY, 1, count, PIXELS), elements)


def _dynamics(rho, pairs, **options):
    still = rho.group.trivial(PIXELS)
    coders = Coder(UVUnit("softplus", still, rho), gain=4.0), Coder(UVUnit("softplus", rho, still), gain=5.0)
    settings = {"alpha": 2.0, "batch_size": 8, "dtype": "float64", **options}
    return AutoencoderSGD(*coders, LatentAction(rho), pairs, **settings)


def _circular(**options):
    return _dynamics(RHO, _pairs(6.0 * uniforms(KEY, 2, COUNT, 1)[:, 0]), **options)


def _draws(dynamics, n, step=0, scale=1.0):
    parts = (dynamics.encoder, dynamics.decoder)
    return [scale * normals(KEY, 10 + 2 * step + k, n, part.unit.p) for k, part in enumerate(parts)]


def _turned(state, matrix):
    """The state with (E, D) -> (Q E, D Q^T)."""
    encoder, decoder, k = state.encoder.copy(), state.decoder.copy(), len(matrix)
    encoder[:, PIXELS:] = encoder[:, PIXELS:] @ matrix.T
    decoder[:, :k] = decoder[:, :k] @ matrix.T
    return replace(state, encoder=encoder, decoder=decoder)


def _orthogonal(generator):
    """The Cayley transform of the antisymmetric part of a matrix: orthogonal, and in every algebra that contains it."""
    skew, eye = generator - generator.T, np.eye(len(generator))
    return np.linalg.solve(eye + skew, eye - skew)


@pytest.mark.parametrize("weights", [LossWeights(), ALL], ids=["restriction", "all"])
def test_the_commutant_acts_on_runs(weights):
    dynamics = _circular(weights=weights)
    start = dynamics.init(*_draws(dynamics, 10), seed=1)
    end = dynamics.step(start, 5)
    basis = dynamics.action.commutant()
    inside = _orthogonal(np.tensordot(normals(KEY, 3, 1, len(basis))[0], basis, 1))
    outside = _orthogonal(normals(KEY, 4, 8, 8))
    errors = []
    for matrix in (inside, outside):
        assert np.abs(matrix @ matrix.T - np.eye(8)).max() < ROUNDOFF
        moved = dynamics.step(_turned(start, matrix), 5)
        errors.append(np.abs(moved.z - _turned(end, matrix).z).max())
    assert np.abs(inside - np.eye(8)).max() > 0.1
    assert errors[0] < ALGEBRA
    assert errors[1] > SPLIT


def test_a_trivial_representation_makes_a_plain_autoencoder():
    """x1 = x2: the risk is 2 |x - D E x|^2, whatever g is; its forces are those of the two maps composed."""
    x, n = uniforms(KEY, 0, COUNT, PIXELS), 7
    ends = []
    for rho in (CIRCLE.trivial(3), CIRCLE.charge(1) + CIRCLE.trivial(1)):
        for angle in (0.0, 1.0):
            dynamics = _dynamics(rho, Pairs(x, x, np.full(COUNT, angle)), alpha=float(n))
            start = dynamics.init(*_draws(dynamics, n), seed=2)
            ends.append(dynamics.step(start))
    assert np.array_equal(ends[0].z, ends[1].z)
    assert np.abs(ends[2].z - ends[3].z).max() > SPLIT
    drawn = dynamics.pairs.draw(stream_key(2, "data"), 0, 8)[0]
    encoder, decoder = dynamics.encoder.unit, dynamics.decoder.unit
    latents = encoder.predict(4.0 * drawn, start.encoder)
    slope = 4.0 * (decoder.predict(5.0 * latents, start.decoder) - drawn) / len(drawn)
    u, v = start.decoder[:, :3], start.decoder[:, 3:]
    values = 5.0 * latents @ u.T / 3.0
    through = (slope @ v.T / (1.0 + np.exp(-values))) @ u * 5.0 / 3.0 / n
    forces = (
        encoder.pullback(4.0 * drawn, start.encoder, through),
        decoder.pullback(5.0 * latents, start.decoder, slope),
    )
    for z, force, end in zip((start.encoder, start.decoder), forces, (ends[0].encoder, ends[0].decoder), strict=True):
        assert np.abs(z - force - end).max() < ALGEBRA
        assert np.abs(force).max() > SPLIT


def test_weakly_invariant_laws_stay_so_and_encode_nothing_that_moves():
    """Invariant laws form an invariant set of the flow, where every latent that moves is 0; training must leave it."""
    pairs = _pairs(np.arange(COUNT) % 4)
    dynamics = _dynamics(SHIFTS, pairs, weights=ALL)
    actions = dynamics.encoder.unit.action, dynamics.decoder.unit.action
    seeds = _draws(dynamics, 5)
    orbits = [Ensemble(z).orbit(action).z for z, action in zip(seeds, actions, strict=True)]
    moving = np.eye(5) - dynamics.action.invariant
    for starts, invariant in ((orbits, True), (_draws(dynamics, 20, 1), False)):
        end = dynamics.step(dynamics.init(*starts), 20)
        for z, action in zip((end.encoder, end.decoder), actions, strict=True):
            assert (rmd2_symmetrised(z, action) < ALGEBRA) == invariant
            assert (distance_wi(z, action).upper < 1e-5) == invariant
            assert invariant or distance_wi(z, action).lower > 0.1
        latents = dynamics.encode(end, pairs.arrays[0]) @ moving
        assert (np.abs(latents).max() < ALGEBRA) == invariant
        assert np.abs(end.encoder - starts[0]).max() > SPLIT


def test_laws_modulo_the_commutant_are_what_is_learned():
    """Two trainings from starts that Q relates have laws at a distance, and one composed map D rho_g E."""
    dynamics = _circular()
    start = dynamics.init(*_draws(dynamics, 10), seed=3)
    turn = dynamics.action.act(np.array(0.7), np.eye(8)).T
    ends = dynamics.step(start, 10), dynamics.step(_turned(start, turn), 10)
    x, g = dynamics.pairs.arrays[0], dynamics.pairs.arrays[2]
    answers = [dynamics.decode(end, dynamics.action.act(g, dynamics.encode(end, x))) for end in ends]
    assert np.abs(answers[0] - answers[1]).max() < ALGEBRA
    assert mf.w2(ends[0].encoder, ends[1].encoder).value > 0.1
    pushed = Ensemble(ends[0].encoder).push(_block(np.eye(PIXELS), turn)).z
    assert mf.w2(pushed, ends[1].encoder).value < 1e-6


def _block(a, b):
    matrix = np.zeros((len(a) + len(b),) * 2)
    matrix[: len(a), : len(a)], matrix[len(a) :, len(a) :] = a, b
    return matrix


SIZES = sized((8, 32, 128), (8, 16))
REFERENCE = sized(1024, 64)


def _answers(n, replicate, *, scaled=True):
    """D rho_g E at t = 1 from a law that is not symmetric; without the scaling, N steps become 8 long ones."""
    dynamics = _circular(alpha=1.0 if scaled else n / 8.0, batch_size=2)
    starts = [0.5 * z + 0.3 for z in _draws(dynamics, n, 100 + 2000 * replicate + n)]
    end: AutoencoderState = dynamics.step(dynamics.init(*starts, seed=replicate), n if scaled else 8)
    x, _, g = dynamics.pairs.arrays
    return dynamics.decode(end, dynamics.action.act(g, dynamics.encode(end, x)))


def _order(scaled):
    limit = np.mean([_answers(REFERENCE, 900 + k, scaled=scaled) for k in range(2)], axis=0)
    errors = []
    for n in SIZES:
        gaps = [_answers(n, replicate, scaled=scaled) - limit for replicate in range(12)]
        errors.append(np.sqrt(np.mean(np.square(gaps))))
    return float(np.polyfit(np.log(SIZES), np.log(errors), 1)[0])


def test_predictions_converge_as_one_over_the_root_of_n():
    """Chizat & Bach 2018, Mei, Montanari & Nguyen 2018: at fixed t the ensembles follow their limit to N^(-1/2).

    The control keeps the length of a step at every N: the noise of the batches then has no reason to vanish.
    """
    assert abs(_order(scaled=True) + 0.5) < SLOPE
    assert abs(_order(scaled=False) + 0.5) > SLOPE
