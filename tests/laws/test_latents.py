"""Laws of group actions on latents: each with a negative control that must fail.

Jin, Shrivastava & Fletcher, NeurIPS 2024, with any representation in the place of one charge.
"""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.groups import cyclic, dihedral, o, so, symmetric, u1
from mfsym.groups.rotations import planar
from mfsym.latents import LatentAction
from mfsym.latents.discovery import discover_charges
from mfsym.latents.losses import restriction
from mfsym.latents.measures import decoder_consistency
from mfsym.streams import normals, stream_key, uniforms
from tests.tolerances import ALGEBRA, ROUNDOFF

KEY, ROWS = stream_key(21, "init"), 12
CIRCLE, SPACE = so(2), so(3)
SPLIT_WIDELY = 1e-3
"""A control that must break an identity breaks it by more than this."""

REPRESENTATIONS = {
    "charges 1, 2 and invariants": 2 * CIRCLE.charge(1) + 2 * CIRCLE.charge(2) + CIRCLE.trivial(8),
    "products of charges": CIRCLE.charge(1) * CIRCLE.charge(2) + CIRCLE.charge(-3),
    "O(2)": o(2).charge(1) + o(2).sign() + o(2).charge(1) * o(2).charge(2),
    "U(1)^2": u1(2).charge(1, 2) + u1(2).charge(0, 1) * u1(2).charge(1, 1) + u1(2).trivial(1),
    "shifts of C_6": cyclic(6).regular() + cyclic(6).vector() + cyclic(6).sign(),
    "C_5": cyclic(5).permutation() + cyclic(5).trivial(2),
    "D_4": dihedral(4).vector() + dihedral(4).regular(),
    "S_3": 2 * (symmetric(3).permutation() * symmetric(3).sign()),
    "l = 0, 1, 2": SPACE.irrep(0) + 2 * SPACE.irrep(1) + SPACE.irrep(2),
    "l = 2 times l = 1": SPACE.irrep(2) * SPACE.vector(),
    "O(3)": o(3).vector() + o(3).irrep(2),
    "SO(4)": 2 * so(4).vector(),
}

EVERY = pytest.mark.parametrize("name", REPRESENTATIONS)


def drawn(rep, step):
    """Haar elements, one for each row."""
    return rep.group.haar(stream_key(21, "haar"), step, ROWS)


def rows_of(rep):
    return normals(KEY, 1, ROWS, rep.dim)


def far(a, b):
    return float(np.abs(a - b).max())


@EVERY
def test_products_act_one_after_the_other(name):
    """rho_gh z = rho_g rho_h z; the product in the other order differs where the group is not commutative."""
    rep = REPRESENTATIONS[name]
    action, z, (g, h) = LatentAction(rep), rows_of(rep), (drawn(rep, k) for k in (0, 1))
    stepwise = action.act(g, action.act(h, z))
    assert far(action.act(rep.group.multiply(g, h), z), stepwise) < ROUNDOFF
    commutative = name in ("O(2)",) or rep.group in (CIRCLE, u1(2), cyclic(6), cyclic(5))
    wrong = drawn(rep, 2) if commutative else rep.group.multiply(h, g)
    assert far(action.act(wrong, z), stepwise) > SPLIT_WIDELY


@EVERY
def test_rows_move_as_by_the_matrices_of_the_representation(name):
    rep = REPRESENTATIONS[name]
    action, z, g = LatentAction(rep), rows_of(rep), drawn(rep, 0)
    slow = np.einsum("nij,nj->ni", rep(g), z)
    assert far(action.act(g, z), slow) < ROUNDOFF
    assert far(action.inverse(g, z), slow) > SPLIT_WIDELY
    assert far(action.inverse(g, action.act(g, z)), z) < ROUNDOFF
    assert far(action.inverse(g, z), np.einsum("nji,nj->ni", rep(g), z)) < ROUNDOFF
    for one in (g[0], g[:1]):
        assert far(action.act(one, z), z @ rep(g[0]).T) < ROUNDOFF


def test_thirty_six_turns_of_ten_degrees_are_the_identity():
    rep = CIRCLE.charge(1) + CIRCLE.charge(4) + CIRCLE.charge(9) + CIRCLE.trivial(2)
    action, z = LatentAction(rep), rows_of(rep)
    turned = z
    for step in range(1, 37):
        turned = action.act(np.deg2rad(10.0), turned)
        assert (far(turned, z) < ROUNDOFF) == (step == 36)


@EVERY
def test_the_loss_does_not_change_by_what_commutes_with_the_group(name):
    """(E, D) -> (Q E, D Q^T) with Q orthogonal and commuting; another orthogonal Q changes it."""
    rep = REPRESENTATIONS[name]
    action = LatentAction(rep)
    basis = action.commutant()
    assert max(far(basis @ rep(g), rep(g) @ basis) for g in drawn(rep, 3)) < ROUNDOFF
    mixed = np.einsum("r,rij->ij", normals(KEY, 2, 1, len(basis))[0], basis)
    other = normals(KEY, 3, rep.dim, rep.dim)
    commuting, any_other = (orthogonal(part) for part in (mixed, other))
    weights = normals(KEY, 4, rep.dim, 9)
    x1, x2, g = normals(KEY, 5, ROWS, 9), normals(KEY, 6, ROWS, 9), drawn(rep, 4)

    def loss(q):
        return restriction(
            lambda x: np.tanh(x @ weights.T) @ q.T, lambda z: np.tanh(z @ q @ weights), action, x1, x2, g
        )

    plain = loss(np.eye(rep.dim))
    assert abs(loss(commuting) - plain) < ROUNDOFF * plain
    assert far(commuting, np.eye(rep.dim)) > SPLIT_WIDELY
    assert abs(loss(any_other) - plain) > SPLIT_WIDELY * plain


def orthogonal(matrix):
    """The orthogonal polar factor."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


@EVERY
def test_a_decoder_with_an_exact_encoder_induces_an_action_on_its_images(name):
    """g . D z = D rho_g E D z composes as the group does; a decoder blind to one latent does not."""
    rep = REPRESENTATIONS[name]
    action = LatentAction(rep)
    lift = normals(KEY, 7, rep.dim, rep.dim + 3)
    back = np.linalg.pinv(lift)
    x, g, h = np.sinh(rows_of(rep) @ lift), drawn(rep, 5), drawn(rep, 6)
    blind = np.ones(rep.dim)
    blind[np.argmax(np.abs(rep.algebra_matrices).sum(axis=(0, 1)) if rep.group.dimension else blind)] = 0.0

    def consistent(seen):
        def encode(x):
            return np.arcsinh(x) @ back

        def decode(z):
            return np.sinh((z * seen) @ lift)

        def moved(g, x):
            return decode(action.act(g, encode(x)))

        return far(moved(rep.group.multiply(g, h), x), moved(g, moved(h, x))) / np.abs(x).max(), decoder_consistency(
            encode, decode, action, x, g
        )

    assert max(consistent(np.ones(rep.dim))) < ALGEBRA
    assert min(consistent(blind)) > SPLIT_WIDELY


def test_a_trivial_representation_is_an_autoencoder():
    action = LatentAction(CIRCLE.trivial(4))
    weights = normals(KEY, 8, 4, 9)
    x, g = normals(KEY, 9, ROWS, 9), uniforms(KEY, 10, ROWS, 1)[:, 0]

    def loss(which, second):
        return restriction(lambda x: x @ weights.T, lambda z: np.tanh(z @ weights), which, x, second, g)

    plain = 2.0 * ((x - np.tanh(x @ weights.T @ weights)) ** 2).sum(axis=1).mean()
    assert abs(loss(action, x) - plain) < ROUNDOFF * plain
    assert abs(loss(LatentAction(2 * CIRCLE.charge(1)), x) - plain) > SPLIT_WIDELY * plain


@pytest.mark.parametrize("order", [2, 3, 4, 5, 8])
def test_charges_coincide_modulo_the_order_of_a_cyclic_subgroup(order):
    """The restriction of charge m to C_k is that of m + k; that of m + 1 is another."""
    steps, z = np.arange(ROWS), normals(KEY, 11, ROWS, 2)
    inclusion = cyclic(order).vector() if order > 2 else CIRCLE.vector().restrict(cyclic(2).vector())
    for charge in range(order + 1):
        restricted = LatentAction(CIRCLE.charge(charge).restrict(inclusion))
        for other, same in ((charge, True), (charge + order, True), (charge - order, True), (charge + 1, False)):
            turned = LatentAction(CIRCLE.charge(other)).act(2.0 * np.pi * steps / order, z)
            assert (far(restricted.act(steps, z), turned) < ROUNDOFF) == same


def test_brightness_and_contrast_of_pixels_are_the_affine_group():
    """(a1, b1)(a2, b2) = (a1 a2, b1 + a1 b2) on pixels; the other order fails. Not compact, so no Representation."""
    x = uniforms(KEY, 12, ROWS, 9)
    a, b = 0.5 + uniforms(KEY, 13, 2, 2).T

    def act(a, b, x):
        return a * x + b

    stepwise = act(a[0], b[0], act(a[1], b[1], x))
    assert far(act(a[0] * a[1], b[0] + a[0] * b[1], x), stepwise) < ROUNDOFF
    assert far(act(a[0] * a[1], b[1] + a[1] * b[0], x), stepwise) > SPLIT_WIDELY


@pytest.mark.parametrize("angle", [0.1, 0.7, np.deg2rad(25.0), 2.0, 3.0])
def test_charges_of_synthetic_latents_are_returned(angle):
    """Charges (1, 1, 2, 3) in hidden axes, the angle known or not; noise is told as such, and breaks the identity."""
    rep = 2 * CIRCLE.charge(1) + CIRCLE.charge(2) + CIRCLE.charge(3)
    hidden = orthogonal(normals(KEY, 14, 8, 8))
    z = normals(KEY, 15, 60, 8)
    z1, z2 = z @ hidden.T, LatentAction(rep).act(angle, z) @ hidden.T
    for known in (angle, None):
        found = discover_charges(z1, z2, angle=known)
        assert np.abs(np.sort(found.charges) - [1.0, 1.0, 2.0, 3.0]).max() < ALGEBRA
        assert sorted(found.whole) == [1, 1, 2, 3]
        assert abs(found.angle - angle) < ALGEBRA
        assert far(found.matrix, hidden @ rep(planar(np.array(angle))) @ hidden.T) < ALGEBRA
    noisy = discover_charges(z1, z2 + 0.01 * normals(KEY, 16, 60, 8), angle=angle)
    missed = np.abs(noisy.charges - noisy.whole)
    assert missed.max() > 1e-6
    assert (missed < 5.0 * noisy.charge_errors).all()
