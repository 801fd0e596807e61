"""Langevin dynamics on quotients: stationary moments of the three noises, one-step means, invariants, holonomy.

Xu et al. 2026 (arXiv:2604.21809), Menon, Stromme & Vacher 2026 (arXiv:2602.12257).
"""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.groups import cyclic, so
from mfsym.quotients import Confinement, Langevin, Quotient
from mfsym.streams import normals, stream_key
from tests.sizes import compiled
from tests.tolerances import ROUNDOFF, STAT, STATIONARY

KEY = stream_key(5, "init")
TAU, BETA, H = 0.5, 1.0, 0.1

QUOTIENTS = {
    "SO(2), 1 point": Quotient(so(2).vector()),
    "SO(2), 3 points": Quotient(3 * so(2).vector()),
    "SO(3), 4 points": Quotient(4 * so(3).vector()),
    "SE(2), 3 points": Quotient(3 * so(2).vector(), centred=True),
    "SE(3), 5 points": Quotient(5 * so(3).vector(), centred=True),
}
SLOW = {"charges 1, 2": Quotient(so(2).charge(1) + so(2).charge(2)), "SO(3), 1 point": Quotient(so(3).vector())}
NOISES = ("isotropic", "quotient", "horizontal")


def energies(quotient, noise, *, count=40_000, h=H, time=8.0, curvature=0.0, guarded=True, seed=3):
    """|x|^2 (S,) of independent chains in f = tau |x|^2, from a Gaussian start, at a late time."""
    dynamics = Langevin(Confinement(TAU), quotient, BETA, noise, h, curvature=curvature, guarded=guarded)
    start = dynamics.init(normals(KEY, 0, count, quotient.dim), seed=seed)
    state = dynamics.step(start, round(time / h))
    return np.square(state.x[state.codes == 0]).sum(axis=1)


def score(sample, expected):
    return (sample.mean() - expected) / (sample.std() / np.sqrt(sample.size))


def moments(quotient, h=H):
    """E|x|^2 of the three noises, exact in h: p beta / (2 tau (1 - tau h)), and p - k for horizontal noise."""
    free = quotient.dim - (quotient.point_dim if quotient.centred else 0)
    unit = BETA / (2.0 * TAU * (1.0 - TAU * h))
    return {
        "isotropic": free * unit,
        "quotient": free * unit,
        "horizontal": (free - quotient.generic_rank) * unit,
    }


@compiled
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("name", QUOTIENTS)
def test_stationary_moments_are_exact_in_the_step(name, noise):
    quotient = QUOTIENTS[name]
    assert abs(score(energies(quotient, noise), moments(quotient)[noise])) < STATIONARY


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("name", SLOW)
def test_the_same_for_orbits_without_compiled_steps(name, noise):
    quotient = SLOW[name]
    sample = energies(quotient, noise, count=1500, h=0.25, time=5.0)
    assert abs(score(sample, moments(quotient, 0.25)[noise])) < STATIONARY


@compiled
@pytest.mark.parametrize("name", QUOTIENTS)
def test_horizontal_noise_is_not_the_noise_of_the_quotient(name):
    """The control: taking one for the other is seen at once."""
    quotient = QUOTIENTS[name]
    wrong = score(energies(quotient, "horizontal"), moments(quotient)["quotient"])
    assert wrong < -10.0 * STATIONARY


@compiled
def test_the_curvature_drift_gives_back_what_horizontal_noise_lacks():
    """Four atoms: (p - k + c k) beta / (2 tau) as h -> 0: 12 for c = 1, 10.5 for c = 1/2; with the printed sign 6."""
    quotient = QUOTIENTS["SO(3), 4 points"]
    for c in (1.0, 0.5):
        found = energies(quotient, "horizontal", curvature=c, h=0.005, time=4.0, count=10_000)
        assert abs(score(found, 9.0 + 3.0 * c)) < STAT
    printed = energies(quotient, "horizontal", curvature=-1.0, h=0.005, time=4.0, count=4_000)
    assert score(printed, 12.0) < -10.0 * STAT


@compiled
def test_the_curvature_drift_has_no_second_moment_near_singular_orbits():
    """SO(2) on the plane and three atoms in SE(3): refused, and far from 2 and 6 where it is run all the same."""
    for quotient, exact in ((QUOTIENTS["SO(2), 1 point"], 2.0), (Quotient(3 * so(3).vector(), centred=True), 6.0)):
        with pytest.raises(MfsymError, match="singular orbits of codimension 3 or more, got 1"):
            Langevin(Confinement(TAU), quotient, BETA, "horizontal", 0.02, curvature=1.0)
        found = energies(quotient, "horizontal", curvature=1.0, h=0.02, guarded=False, count=10_000)
        assert found.mean() > 1.3 * exact
        aligned = energies(quotient, "quotient", h=0.02, count=10_000)
        assert abs(score(aligned, moments(quotient, 0.02)["quotient"])) < STATIONARY


@pytest.mark.parametrize("name", ["SO(2), 3 points", "SO(3), 4 points", "SE(3), 5 points"])
def test_the_mean_of_an_aligned_step_is_half_the_variance_times_the_gradient_of_the_volume(name):
    """E[align(x + s xi, x) - x] = s^2 grad log vol / 2 + O(s^4); the printed sign is far off."""
    quotient, s, count = QUOTIENTS[name], 0.05, 20_000
    x = quotient.centre(normals(KEY, 1, 1, quotient.dim))
    xi = normals(KEY, 2, count, quotient.dim)
    points = np.broadcast_to(x, xi.shape)
    there, back = (quotient.align(points + sign * s * xi, points) for sign in (1.0, -1.0))
    bends = (0.5 * (there + back) - points) @ quotient.grad_log_volume(x)[0] / (0.5 * s**2)
    expected = float(np.square(quotient.grad_log_volume(x)).sum())
    assert abs(score(bends, expected)) < STAT
    assert abs(score(bends, -expected)) > 10.0 * STAT


@pytest.mark.parametrize("name", ["SO(2), 3 points", "SO(3), 4 points"])
def test_aligned_steps_have_the_invariants_of_the_isotropic_chain(name):
    """y_k = g_k x_k: aligning every step of an isotropic chain moves it along its orbits and nothing else."""
    quotient, steps, h = QUOTIENTS[name], 1000, 0.01
    d = quotient.point_dim
    x = normals(KEY, 1, 3, quotient.dim)
    y = x.copy()
    for k in range(steps):
        kick = np.sqrt(2.0 * h) * normals(stream_key(9, "noise"), k, 3, quotient.dim)
        after = (1.0 - h) * x + kick
        y = quotient.align((1.0 - h) * y + _turned(kick, x, y, d), y)
        x = after
    gram_x, gram_y = (z.reshape(3, -1, d) @ np.swapaxes(z.reshape(3, -1, d), 1, 2) for z in (x, y))
    assert np.abs(gram_x - gram_y).max() <= ROUNDOFF
    assert np.abs(x - y).max() > 0.1


def _turned(kick, x, y, d):
    """kick turned by the g with y = g x, cloud by cloud."""
    found = []
    for k, before, after in zip(kick, x, y, strict=True):
        g = np.linalg.lstsq(before.reshape(-1, d), after.reshape(-1, d), rcond=None)[0]
        found.append((k.reshape(-1, d) @ g).ravel())
    return np.array(found)


def test_horizontal_noise_of_a_finite_group_is_isotropic_noise():
    quotient = Quotient(cyclic(4).vector() + cyclic(4).vector())
    ends = []
    for noise in ("isotropic", "horizontal"):
        dynamics = Langevin(Confinement(TAU), quotient, BETA, noise, H)
        ends.append(dynamics.step(dynamics.init(normals(KEY, 1, 10, 4)), 20).x)
    assert np.array_equal(*ends)


@compiled
def test_horizontal_motion_keeps_a_uniform_phase_and_turns_a_fixed_one():
    """Three planar points: a G-invariant start keeps its uniform phase; one orientation drifts, by holonomy alone."""
    quotient, count = QUOTIENTS["SO(2), 3 points"], 4000
    dynamics = Langevin(Confinement(TAU), quotient, BETA, "horizontal", 0.02)
    shapes = normals(KEY, 1, count, 6).view(np.complex128)
    fixed = shapes * np.exp(-1j * np.angle(shapes[:, :1]))

    def resultant(start):
        state = dynamics.step(dynamics.init(np.ascontiguousarray(start).view(np.float64)), 30)
        first = state.x.view(np.complex128)[:, 0]
        return abs((first / np.abs(first)).mean())

    assert resultant(shapes) < STAT / np.sqrt(count)
    assert 2.0 * STAT / np.sqrt(count) < resultant(fixed) < 0.9
