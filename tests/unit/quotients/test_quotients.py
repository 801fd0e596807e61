"""Quotients and Langevin dynamics: compiled code against its twins, shapes of arrays, statuses, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import mfsym as mf
from mfsym.errors import MfsymError
from mfsym.groups import o, so, symmetric, u1
from mfsym.quotients import Confinement, Langevin, Quotient
from mfsym.quotients.alignments import RotationSearch
from mfsym.quotients.kernels.inertia import horizontal_clouds, volume_clouds
from mfsym.quotients.kernels.rotations import WIDE, align_clouds, distance_table, turn_hard
from mfsym.quotients.kernels.steps import DIVERGED, SINGULAR, advance
from mfsym.quotients.shapes import copies_of_vector
from mfsym.streams import normals, stream_key
from tests import naive_quotients as naive
from tests.sizes import compiled, sized
from tests.tolerances import ROUNDOFF

KEY = stream_key(3, "init")
SPACE = Quotient(4 * so(3).vector())


def clouds(step, count, n, d=3):
    return normals(KEY, step, count, n * d).reshape(count, n, d)


def aligned(x, to):
    out = np.empty_like(x)
    room = np.zeros((3, 9 * WIDE)), np.empty((2, 4, 4))
    align_clouds(x.reshape(-1), to.reshape(-1), 3 * x.shape[1], out.reshape(-1), *room)
    return out


KINDS = {
    "any": lambda x, y: (x, y),
    "close": lambda x, y: (x, x + 0.01 * y),
    "mirrored": lambda x, y: (x, -x),
    "planar": lambda x, y: (x * [1.0, 1.0, 0.0], y),
    "both planar": lambda x, y: (x * [1.0, 1.0, 0.0], y * [0.0, 1.0, 1.0]),
    "thin": lambda x, y: (x * [1.0, 1e-6, 1e-6], y),
    "tiny": lambda x, y: (1e-60 * x, 1e-60 * y),
    "far from one": lambda x, y: (1e60 * x, 1e-30 * y),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3, 4, 15])
def test_compiled_alignment_is_kabsch(n, kind):
    """The cost is that of the twin to rounding; so is the cloud where the best rotation is well determined."""
    x, to = (np.ascontiguousarray(each) for each in KINDS[kind](clouds(1, 70, n), clouds(2, 70, n)))
    found, expected = aligned(x, to), np.array([naive.align(a, b) for a, b in zip(x, to, strict=True)])
    scale = np.linalg.norm(x, axis=(1, 2)) * np.linalg.norm(to, axis=(1, 2))
    gain, most = (found * to).sum(axis=(1, 2)), (expected * to).sum(axis=(1, 2))
    assert np.abs((gain - most) / scale).max() <= ROUNDOFF
    assert np.abs(np.linalg.norm(found, axis=(1, 2)) / np.linalg.norm(x, axis=(1, 2)) - 1.0).max() <= ROUNDOFF
    if kind in ("any", "close") and n > 2:
        assert np.abs(found - expected).max() <= ROUNDOFF


def test_alignment_of_one_point_and_of_nothing():
    x, to = clouds(1, 5, 1), clouds(2, 5, 1)
    lengths = np.linalg.norm(x, axis=2, keepdims=True)
    assert np.abs(aligned(x, to) - lengths * to / np.linalg.norm(to, axis=2, keepdims=True)).max() <= ROUNDOFF
    assert not aligned(np.zeros((3, 4, 3)), clouds(1, 3, 4)).any()
    turned = aligned(clouds(1, 3, 4), np.zeros((3, 4, 3)))
    assert np.abs(np.linalg.norm(turned, axis=(1, 2)) - np.linalg.norm(clouds(1, 3, 4), axis=(1, 2))).max() <= ROUNDOFF


def test_the_top_quaternion_is_a_rotation():
    table, found = np.zeros(9 * WIDE), np.zeros(9 * WIDE)
    table.reshape(9, WIDE)[:, 2] = np.diag([1.0, 0.5, -0.5]).ravel()
    turn_hard(table, found, 2, np.empty((4, 4)), np.empty((4, 4)))
    rotation = found.reshape(9, WIDE)[:, 2].reshape(3, 3)
    assert np.abs(rotation @ rotation.T - np.eye(3)).max() <= ROUNDOFF
    assert np.trace(rotation.T @ np.diag([1.0, 0.5, -0.5])) == pytest.approx(1.0, abs=ROUNDOFF)


def test_a_table_of_distances_is_that_of_alignments():
    a, b = clouds(1, 3, 5), clouds(2, 70, 5)
    table, room = np.empty((3, 70)), (np.zeros((3, 15 * WIDE)), np.empty(9 * WIDE), np.empty((2, 4, 4)))
    distance_table(a.reshape(-1), b.reshape(-1), 15, table, *room)
    expected = [[np.linalg.norm(naive.align(y, x) - x) for y in b] for x in a]
    assert np.abs(table - expected).max() <= ROUNDOFF


def test_horizontal_parts_and_volumes_by_inertia_tensors_are_those_of_the_twin():
    x, v = clouds(1, 70, 4), clouds(2, 70, 4)
    out, share, volume = np.empty(840), np.empty(70 + WIDE), np.empty(70 + WIDE)
    matrices = naive.rotation_matrices(4, 3)
    horizontal_clouds(x.reshape(-1), v.reshape(-1), 12, out, share, np.zeros((3, 9 * WIDE)))
    expected = [naive.project(matrices, a, b) for a, b in zip(x.reshape(70, 12), v.reshape(70, 12), strict=True)]
    assert np.abs(out.reshape(70, 12) - expected).max() <= ROUNDOFF
    volume_clouds(x.reshape(-1), 12, out, volume, share, np.zeros((3, 9 * WIDE)))
    expected = np.array([naive.grad_log_volume(matrices, a) for a in x.reshape(70, 12)])
    assert np.abs(out.reshape(70, 12) - expected).max() <= ROUNDOFF * np.abs(expected).max()
    assert np.abs(volume[:70] - [naive.log_volume(matrices, a) for a in x.reshape(70, 12)]).max() <= ROUNDOFF
    shares = [1.0 / (np.trace(k) * np.trace(np.linalg.inv(k))) for k in map(naive.inertia, x)]
    assert np.abs(share[:70] - shares).max() <= ROUNDOFF


STEPS = (("isotropic", 0.0), ("quotient", 0.0), ("horizontal", 0.0), ("horizontal", 0.7))


@pytest.mark.parametrize(("noise", "c"), STEPS)
@pytest.mark.parametrize("d", [2, 3])
def test_compiled_steps_are_those_of_the_twin(d, noise, c):
    """``advance`` through Langevin, with a compiled and with a callable force."""
    quotient, x, h = Quotient(4 * so(d).vector()), clouds(1, sized(130, 3), 4, d), 0.01
    for force in (Confinement(0.8), lambda z: -(z**3)):
        dynamics = Langevin(force, quotient, 0.7, noise, h, curvature=c)
        found = dynamics.step(dynamics.init(x, seed=2), 3)
        shrink = 2.0 * h * 0.8 if isinstance(force, Confinement) else 0.0
        pushed = None if isinstance(force, Confinement) else force
        drift, sigma = h * 0.7 * c, np.sqrt(2.0 * 0.7 * h)
        expected = naive.advance(x, noise, shrink, sigma, drift, stream_key(2, "noise"), 3, pushed, h)
        assert np.abs(found.x - expected).max() <= ROUNDOFF
        assert (found.status == "ok").all()
    assert callable(advance)


@compiled
@pytest.mark.parametrize("noise", ["isotropic", "quotient", "horizontal"])
@pytest.mark.parametrize("centred", [False, True])
def test_results_do_not_depend_on_chunks_threads_or_interruptions(noise, centred):
    quotient = Quotient(5 * so(3).vector(), centred)
    x = clouds(1, 300, 5)
    dynamics = Langevin(Confinement(0.5), quotient, 1.0, noise, 0.01)
    whole = dynamics.step(dynamics.init(x), 12).x
    assert np.array_equal(whole[:77], dynamics.step(dynamics.init(x[:77]), 12).x)
    halves = dynamics.step(dynamics.step(dynamics.init(x), 5), 7)
    assert np.array_equal(whole, halves.x)
    threaded = Langevin(Confinement(0.5), quotient, 1.0, noise, 0.01, threads=3)
    assert np.array_equal(whole, threaded.step(threaded.init(x), 12).x)
    flowed = [state.x for state in dynamics.flow(dynamics.init(x), [0.0, 0.05, 0.12])]
    assert np.array_equal(flowed[0], quotient.centre(x))
    assert np.array_equal(flowed[-1], whole)
    assert np.abs(whole.mean(axis=1)).max() <= ROUNDOFF if centred else True
    flat = dynamics.step(dynamics.init(x.reshape(300, 15)), 12)
    assert np.array_equal(flat.x.reshape(whole.shape), whole)
    assert not np.array_equal(whole, dynamics.step(dynamics.init(x, seed=1), 12).x)


@pytest.mark.parametrize("noise", ["isotropic", "quotient", "horizontal"])
def test_steps_by_methods_are_the_compiled_ones(noise):
    """A representation that is not recognised, SO(3) turned about another axis, moves as the compiled one does."""
    frame = np.linalg.qr(normals(KEY, 9, 12, 12))[0]
    hidden = Quotient(SPACE.rep.subrepresentation(frame))
    assert hidden.fast == 0 != SPACE.fast
    x = normals(KEY, 1, 6, 12)
    found, expected = [], []
    for quotient, start, ends in ((hidden, x, found), (SPACE, x, expected)):
        dynamics = Langevin(Confinement(0.5), quotient, 0.0, noise, 0.01)
        ends.append(dynamics.step(dynamics.init(start), 5).x)
    assert np.abs(found[0] - expected[0]).max() <= ROUNDOFF


def test_a_cloud_that_loses_rank_ends_with_its_status_where_it_was():
    """A force that makes clouds collinear: the horizontal step finds out at the next step, the aligned one at once."""
    x = clouds(1, 4, 3)

    def flatten(z):
        force = np.zeros_like(z)
        force[1, :, 1:] = -z[1, :, 1:] / 0.1
        return force

    quotient = Quotient(3 * so(3).vector())
    for noise, last in (("horizontal", 1), ("quotient", 0)):
        dynamics = Langevin(flatten, quotient, 0.0, noise, 0.1)
        state = dynamics.step(dynamics.init(x), 5)
        assert list(state.status) == ["ok", "singular", "ok", "ok"]
        assert list(state.ended) == [-1, last, -1, -1]
        assert state.codes[1] == SINGULAR
        assert (quotient.rank(state.x) == [3, 2, 3, 3]).all()
        assert np.array_equal(dynamics.step(state, 3).x[1], state.x[1])


def test_the_same_without_compiled_steps():
    quotient = Quotient(so(2).charge(1) + so(2).charge(2))
    x = normals(KEY, 1, 3, 4)
    dynamics = Langevin(lambda z: -8.0 * z * np.array([[0.0], [1.0], [0.0]]), quotient, 0.0, "horizontal", 0.125)
    state = dynamics.step(dynamics.init(x), 4)
    assert list(state.status) == ["ok", "singular", "ok"]
    assert list(state.ended) == [-1, 1, -1]


@pytest.mark.parametrize("quotient", [SPACE, Quotient(so(3).irrep(2) + 3 * so(3).irrep(1))], ids=["fast", "generic"])
def test_a_cloud_that_diverges_ends_with_its_status_before_that_step(quotient):
    x = normals(KEY, 1, 3, quotient.dim)
    with np.errstate(over="ignore", invalid="ignore"):
        dynamics = Langevin(
            lambda z: np.where(np.arange(3)[:, None] == 2, np.inf, 0.0) * z, quotient, 0.0, "quotient", 0.1
        )
        state = dynamics.step(dynamics.init(x), 2)
    assert list(state.status) == ["ok", "ok", "diverged"]
    assert state.codes[2] == DIVERGED
    assert np.array_equal(state.x[2], x[2])
    assert state.ended[2] == 0
    assert state.step == 2
    assert state.time == pytest.approx(0.2)


def test_arrays_come_back_in_their_shape():
    x = clouds(1, 5, 4)
    for shape in ((5, 4, 3), (5, 12)):
        y = x.reshape(shape)
        assert SPACE.project(y, y).shape == SPACE.grad_log_volume(y).shape == SPACE.align(y, y[:1]).shape == shape
        assert SPACE.log_volume(y).shape == SPACE.rank(y).shape == (5,)
        assert SPACE.distances(y, y[:2]).shape == (5, 2)
    one = x.reshape(5, 12)[0]
    assert SPACE.project(one, one).shape == (12,)
    assert SPACE.log_volume(one).shape == SPACE.rank(one).shape == ()
    centred = Quotient(4 * so(3).vector(), centred=True)
    assert np.abs(centred.align(x, x + 5.0) - (x + 5.0)).max() <= ROUNDOFF
    assert np.array_equal(x, clouds(1, 5, 4)), "arguments are not written on"


def test_copies_of_vectors_are_recognised():
    assert copies_of_vector(3 * so(2).vector()) == 3
    assert copies_of_vector(so(2).charge(1) + so(2).charge(1)) == 2
    assert copies_of_vector(so(2).charge(1) + so(2).charge(-1)) is None
    assert copies_of_vector(so(3).irrep(2)) is None
    assert copies_of_vector(2 * symmetric(3).vector()) == 2
    assert copies_of_vector(4 * o(3).vector()) == 4


def test_the_search_says_how_many_of_its_climbs_agree():
    rep = so(3).irrep(2)
    quotient = Quotient(rep)
    x, to = normals(KEY, 1, 4, 5), normals(KEY, 2, 4, 5)
    search = RotationSearch(rep)
    shares = search.agreement(x, to)
    assert not quotient.is_exact
    assert Quotient(so(3).vector()).is_exact
    assert ((shares >= 1.0 / RotationSearch.KEPT) & (shares <= 1.0)).all()
    rule = so(3).quadrature(24)
    brute = np.einsum("kij,sj,si->sk", rep(rule.elements), x, to).max(axis=1)
    assert ((search.align(x, to) * to).sum(axis=1) >= brute).all()


def test_one_line_for_each_bad_input():
    x = clouds(1, 3, 4)
    broken = x.copy()
    broken[1, 2, 0] = np.nan
    weak = Langevin(Confinement(0.5), SPACE, 1.0)
    centred = Quotient(3 * so(3).vector(), centred=True)
    tight = Langevin(Confinement(0.5), centred, 1.0)
    cases = [
        (lambda: SPACE.project(broken, x), "x must be finite, got NaN or inf"),
        (lambda: SPACE.rank(x[:, :3]), r"x must have shape \(S, 12\) or \(S, 4, 3\), got \(3, 3, 3\)"),
        (lambda: SPACE.align(x, x[:2]), "to must have one row, or one for each of the 3 of x"),
        (lambda: Quotient(so(3).vector(), centred=True), "centred needs 2 or more copies"),
        (lambda: Quotient(so(3).irrep(2), centred=True), "centred needs 2 or more copies"),
        (lambda: Quotient(so(3)), "a quotient needs a Representation"),
        (lambda: tight.init(np.ones((2, 3, 3))), "orbits must have dimension 3 at the start, got less at 2 of 2"),
        (lambda: weak.init(np.full((1, 4, 3), np.inf)), "x must be finite"),
        (lambda: weak.init(np.zeros(12)), r"clouds must be a batch \(S, 12\)"),
        (lambda: Langevin(Confinement(0.5), SPACE, -1.0), "temperature must be a number >= 0"),
        (
            lambda: Langevin(Confinement(0.5), SPACE, 1.0, "fixd"),
            "noise must be one of isotropic, quotient, horizontal",
        ),
        (lambda: Langevin(Confinement(0.5), SPACE, 1.0, step=0.0), "step must be a number > 0"),
        (lambda: Langevin(3.0, SPACE, 1.0), "force must be a Confinement or a callable"),
        (lambda: Langevin(Confinement(0.5), so(3), 1.0), "quotient must be a Quotient"),
        (lambda: Langevin(Confinement(0.5), SPACE, 1.0, curvature=1.0), "curvature is for noise 'horizontal'"),
        (lambda: Confinement(-1.0), "strength of a confinement"),
        (
            lambda: Langevin(Confinement(1.0), Quotient(u1(2).vector()), 1.0, "horizontal", curvature=1.0),
            "got not known",
        ),
        (lambda: list(weak.flow(weak.init(x), [1.0, 0.5])), "times must increase"),
    ]
    for call, line in cases:
        with pytest.raises(MfsymError, match=line) as error:
            call()
        assert "\n" not in str(error.value)
        assert error.value.exit_code == 2
    wrong = Langevin(lambda z: z[0], SPACE, 1.0)
    with pytest.raises(MfsymError, match="the force must have the shape"):
        wrong.step(wrong.init(x))


def test_names_are_at_the_top():
    assert mf.Quotient is Quotient
    assert mf.Langevin is Langevin
