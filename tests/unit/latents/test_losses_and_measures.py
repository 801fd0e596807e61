"""Losses, masks, measures and linear autoencoders, on maps whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.latents import LatentAction
from mfsym.latents.discovery import BLUR, LEAST_ANGLE, RIVAL, discover_charges
from mfsym.latents.linear import LinearLatents, PrincipalLatents
from mfsym.latents.losses import MaskedAction, consistency, cycle, masking, restriction
from mfsym.latents.measures import decoder_consistency, latent_error, psnr, ssim, swapped
from mfsym.streams import normals, stream_key, uniforms
from tests.tolerances import ALGEBRA, ROUNDOFF

KEY, ROWS = stream_key(27, "init"), 60
ACTION = LatentAction.parse("charge(1) + charge(2) + trivial(2)")
Z, G = normals(KEY, 0, ROWS, 6), 6.0 * uniforms(KEY, 1, ROWS, 1)[:, 0]
LIFT, _ = np.linalg.qr(normals(KEY, 2, 9, 6))
X1, X2 = Z @ LIFT.T, ACTION.act(G, Z) @ LIFT.T


def encode(x):
    return x @ LIFT


def decode(z):
    return z @ LIFT.T


def shifted(z):
    return decode(z) + 0.5


def test_losses_vanish_on_an_equivariant_autoencoder_and_count_what_is_off():
    for loss in (restriction, consistency, cycle):
        assert loss(encode, decode, ACTION, X1, X2, G) < ROUNDOFF
    assert abs(restriction(encode, shifted, ACTION, X1, X2, G) - 2 * 9 * 0.25) < ALGEBRA
    lost = ((encode(np.full(9, 0.5))) ** 2).sum()
    assert abs(cycle(encode, shifted, ACTION, X1, X2, G) - lost) < ALGEBRA
    assert abs(consistency(encode, decode, ACTION, X1, X1, 0.0 * G + np.pi) - _half_turn()) < ALGEBRA
    with pytest.raises(MfsymError, match="arrays of one shape"):
        restriction(encode, lambda z: decode(z)[:, :8], ACTION, X1, X2, G)


def _half_turn():
    """|rho_pi z - z|^2: the plane of charge 1 goes to its opposite, nothing else moves."""
    return (4.0 * Z[:, :2] ** 2).sum(axis=1).mean()


def test_masks_choose_what_varies_and_report_collapse():
    open_, shut = MaskedAction(ACTION, np.full(6, 40.0)), MaskedAction(ACTION, np.full(6, -40.0))
    assert (open_.collapse(), shut.collapse()) == ("varying", "invariant")
    assert np.abs(open_.act(G, Z) - ACTION.act(G, Z)).max() < ROUNDOFF
    assert np.abs(shut.act(G, Z) - Z).max() < ROUNDOFF
    first = MaskedAction(ACTION, np.array([40.0, 40.0, -40.0, -40.0, -40.0, -40.0]))
    assert first.collapse() == ""
    assert np.abs(first.inverse(G, first.act(G, Z)) - Z).max() < ROUNDOFF
    assert np.abs(first.act(G, Z)[:, 2:] - Z[:, 2:]).max() < ROUNDOFF
    kept = ((Z - ACTION.act(G, Z))[:, 2:] ** 2).sum(axis=1).mean()
    assert abs(masking(encode, decode, first, X1, X2, G) - kept) < ALGEBRA
    assert masking(encode, decode, open_, X1, X2, G) < ROUNDOFF
    undecided = MaskedAction(ACTION, np.zeros(6))
    assert masking(encode, decode, undecided, X1, X1, G) == 6 * 0.25
    assert np.abs(undecided.inverse(G, undecided.act(G, Z)) - Z).max() > 0.1
    with pytest.raises(MfsymError, match="one logit for each of 6"):
        MaskedAction(ACTION, np.zeros(5))


def test_measures_of_known_maps():
    assert psnr(X1, X1) == float("inf")
    assert abs(psnr(X1 + 0.1, X1) - 20.0) < ALGEBRA
    assert latent_error(encode, ACTION, X1, X2, G) < ROUNDOFF
    assert decoder_consistency(encode, decode, ACTION, X1, G) < ROUNDOFF
    assert decoder_consistency(lambda x: encode(x) + 0.1, decode, ACTION, X1, G) > 0.01
    assert 1.0 < latent_error(lambda x: np.roll(encode(x), int(x is X2), axis=0), ACTION, X1, X2, G) < 2.0
    mixed = encode(swapped(encode, decode, ACTION, X1, X1[::-1]))
    assert np.abs(mixed - np.concatenate([Z[:, :4], Z[::-1, 4:]], axis=1)).max() < ROUNDOFF
    assert np.isnan(latent_error(lambda x: np.zeros((len(x), 6)), ACTION, X1, X2, G))
    with pytest.raises(MfsymError, match="all inputs are equal"):
        decoder_consistency(encode, decode, ACTION, 0.0 * X1, G)
    with pytest.raises(MfsymError, match="of one shape"):
        psnr(X1, X1[:5])


def test_unrelated_latents_have_the_error_stated():
    """sqrt(2) of Gaussian latents of many dimensions, 4 / pi on a circle; related ones have neither."""
    many = LatentAction.parse("60 * charge(1)")
    z1, z2, g = normals(KEY, 7, 2000, 120), normals(KEY, 8, 2000, 120), uniforms(KEY, 9, 2000, 1)[:, 0]
    assert abs(latent_error(lambda x: x, many, z1, z2, g) - np.sqrt(2.0)) < 0.02
    one = LatentAction.parse("charge(1)")
    angles = 2.0 * np.pi * uniforms(KEY, 10, 20000, 2)
    on_circle = [np.stack([np.cos(a), np.sin(a)], axis=1) for a in angles.T]
    assert abs(latent_error(lambda x: x, one, *on_circle, angles[:, 0]) - 4.0 / np.pi) < 0.03
    assert latent_error(lambda x: x, many, z1, many.act(g, z1), g) < ROUNDOFF


def test_structural_similarity_knows_equal_images_and_shapes():
    images = uniforms(KEY, 3, 4, 80)
    assert abs(ssim(images, images, (8, 10)) - 1.0) < ROUNDOFF
    assert ssim(images, 1.0 - images, (8, 10)) < 0.0
    assert ssim(images, images[::-1], (8, 10)) < 0.3
    assert ssim(images, images) > ssim(images, np.clip(images + 0.2, 0.0, 1.0))
    flat = np.full((1, 49), 0.5), np.full((1, 49), 0.25)
    assert abs(ssim(*flat) - (0.25 + 1e-4) / (0.3125 + 1e-4)) < ALGEBRA


def test_a_linear_action_is_fitted_exactly():
    """Balanced data of a linear equivariant autoencoder leave no error; another representation leaves one."""
    x1, x2, g = np.concatenate([X1, -X1]), np.concatenate([X2, -X2]), np.concatenate([G, G])
    fitted = LinearLatents.fit(ACTION, x1, x2, g)
    assert psnr(fitted.decode(ACTION.act(g, fitted.encode(x1))), x2) > 60.0
    assert latent_error(fitted.encode, ACTION, x1, x2, g) < 1e-3
    other = LatentAction.parse("3 * charge(3)")
    wrong = LinearLatents.fit(other, x1, x2, g)
    assert psnr(wrong.decode(other.act(g, wrong.encode(x1))), x2) < 20.0
    with pytest.raises(MfsymError, match="needs as many pixels, got 9"):
        LinearLatents.fit(LatentAction.parse("trivial(10)"), X1, X2, G)


def test_principal_components_leave_the_smallest_error():
    principal = PrincipalLatents.fit(X1, 6)
    assert np.abs(principal.decode(principal.encode(X1)) - X1).max() < ALGEBRA
    few = PrincipalLatents.fit(X1, 3)
    values = np.linalg.svd(X1 - X1.mean(axis=0), compute_uv=False)
    assert abs(((few.decode(few.encode(X1)) - X1) ** 2).sum() - (values[3:] ** 2).sum()) < ALGEBRA * ROWS
    for count in (1, 10):
        with pytest.raises(MfsymError, match="latents must be a whole number from 2 to 9"):
            PrincipalLatents.fit(X1, count)
    with pytest.raises(MfsymError, match="inputs \\(n, pixels\\)"):
        PrincipalLatents.fit(X1[0], 2)


@pytest.mark.parametrize(
    ("z1", "z2", "keys", "reason"),
    [
        (Z, Z[:, :5], {}, "one shape"),
        (Z[:6], Z[:6], {}, "n > dim"),
        (Z, np.where(Z > 1.0, np.nan, Z), {}, "finite"),
        (Z, Z, {}, "no plane of the latents turns"),
        (Z, Z, {"angle": 0.0}, "angle must be a number > 0"),
        (Z, Z, {"angle": 1.0, "most": 0}, "most must be a whole number"),
    ],
)
def test_discoveries_that_cannot_be_made_are_refused(z1, z2, keys, reason):
    with pytest.raises(MfsymError, match=reason):
        discover_charges(z1, z2, **keys)


def test_a_half_turn_is_found():
    """Planes of odd charge turn by pi, those of even charge stay; one axis that is reversed is no plane."""
    for text in ("charge(1) + charge(2) + trivial(1)", "charge(1) + 2 * charge(3)"):
        action = LatentAction.parse(text)
        z = Z[:, : action.dim]
        hidden, _ = np.linalg.qr(normals(KEY, 5, action.dim, action.dim))
        found = discover_charges(z @ hidden, action.act(np.pi, z) @ hidden)
        assert abs(found.angle - np.pi) < ALGEBRA
        odd = text.count("charge(1)") + 2 * text.count("2 * charge(3)")
        assert (found.whole == 1).sum() == odd
        assert np.abs(found.turns[found.whole == 1] - np.pi).max() < ALGEBRA
        assert not found.single[found.whole == 1].any()
    with pytest.raises(MfsymError, match=r"no plane of the latents turns by more than 2\.3 degrees"):
        discover_charges(Z, Z * [1.0, 1.0, 1.0, 1.0, 1.0, -1.0])


def test_the_description_length_is_the_one_stated():
    """A rival lies within RIVAL of the least sum_j (turn_j - m_j angle)^2 / (2 (error_j^2 + BLUR^2)) + log(1 + m_j)."""
    one = LatentAction.parse("charge(1)")
    turned = [one.act(turn, Z[:, k : k + 2]) for k, turn in zip((0, 2, 4), (0.6, 1.25, 1.775), strict=True)]
    found = discover_charges(Z, np.concatenate(turned, axis=1))
    variances, charges = found.turn_errors**2 + BLUR**2, np.arange(9)

    def length(angle):
        folded = np.abs(np.remainder(charges * angle + np.pi, 2.0 * np.pi) - np.pi)
        each = (found.turns[:, None] - folded) ** 2 / (2.0 * variances[:, None]) + np.log1p(charges)
        return each.min(axis=1).sum()

    grid = np.linspace(LEAST_ANGLE, np.pi, 3600)
    lengths = np.array([length(angle) for angle in grid])
    near = grid[lengths < lengths.min() + RIVAL]
    named = np.array([found.angle, *found.rivals])
    assert len(named) >= 3
    assert np.abs(near[:, None] - named).min(axis=1).max() < 8.0 * BLUR
    assert abs(grid[np.argmin(lengths)] - found.angle) < 4.0 * BLUR


def test_angles_that_generate_one_group_are_rivals():
    """1/9 of a turn: 40, 80 and 160 degrees fit charges 1, 2, 4 with the same description; 41.5 degrees do not."""
    action = LatentAction.parse("charge(1) + charge(2) + charge(4)")
    ninth, generic = (discover_charges(Z, action.act(np.deg2rad(angle), Z), most=4) for angle in (40.0, 41.5))
    fitting = np.rad2deg([ninth.angle, *ninth.rivals])
    assert all(np.abs(fitting - angle).min() < 1e-6 for angle in (40.0, 80.0, 160.0))
    assert abs(np.rad2deg(generic.angle) - 41.5) < 1e-6
    assert all(np.abs(np.rad2deg(generic.rivals) - angle).min(initial=9.0) > 1e-3 for angle in (83.0, 166.0))
