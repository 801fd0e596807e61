"""Pairs of one orbit: a user's own, and digits."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.latents import LatentAction, Pairs, digit_pairs, load_pairs
from mfsym.latents.baselines import AdditiveAction, copied, whole_image
from mfsym.latents.images import padded, painted, rotated, rotation_matrix, side_of
from mfsym.latents.measures import psnr
from mfsym.streams import stream_key, uniforms
from tests.tolerances import ROUNDOFF

KEY = stream_key(23, "data")
X = uniforms(KEY, 0, 12, 25)
CIRCLE = LatentAction.parse("charge(1) + trivial(1)")


@pytest.mark.parametrize(
    ("x1", "x2", "g", "reason"),
    [
        (X, X[:, :24], np.zeros(12), "one shape"),
        (X, X[:11], np.zeros(12), "one shape"),
        (X[:0], X[:0], np.zeros(0), "n >= 1"),
        (X[:, 0], X[:, 0], np.zeros(12), "one shape"),
        (X, X, np.zeros(11), "one element for each of 12 pairs"),
        (X, X, 0.5, "one element for each of 12 pairs"),
        (X, 255.0 * X, np.zeros(12), "x2 must hold pixels from 0 to 1, got"),
        (X - 1.0, X, np.zeros(12), "x1 must hold pixels from 0 to 1, got"),
        (X, np.where(X > 0.5, np.nan, X), np.zeros(12), "x2 must be finite"),
        (X, X, ["a"] * 12, "g must be"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(x1, x2, g, reason):
    with pytest.raises(MfsymError, match=reason) as caught:
        Pairs(x1, x2, g)
    assert "\n" not in str(caught.value)


def test_images_are_flattened_and_keep_their_shape():
    pairs = Pairs(X.reshape(12, 1, 25)[:, :, :20].reshape(12, 4, 5), X[:, :20].reshape(12, 4, 5), np.zeros(12))
    assert (pairs.pixels, pairs.shape, len(pairs)) == (20, (4, 5), 12)
    assert Pairs(X, X, np.zeros(12)).shape == (5, 5)
    bare, stated = Pairs(X, X, np.zeros(12)), Pairs(X[:, None], X[:, None], np.zeros(12))
    assert (stated.shape, stated.assumed, bare.assumed, pairs.assumed) == ((1, 25), False, True, False)
    assert [part.assumed for part in (*bare.split(0.5), *stated.split(0.5))] == [True, True, False, False]
    assert all(part.shape == (1, 25) for part in stated.split(0.5))
    assert not Pairs(X[:, :7], X[:, :7], np.zeros(12)).assumed
    assert Pairs(X[:, :7], X[:, :7], np.zeros(12)).shape == (1, 7)


def test_draws_are_pairs_and_depend_on_the_step():
    pairs = Pairs(X, 1.0 - X, np.arange(12))
    x1, x2, g = pairs.draw(KEY, 0, 500)
    assert np.array_equal(x1, X[g.astype(int)])
    assert np.array_equal(x2, 1.0 - x1)
    assert set(g) == set(range(12))
    assert np.array_equal(pairs.draw(KEY, 0, 40)[2], g[:40])
    assert not np.array_equal(pairs.draw(KEY, 1, 500)[2], g)


def test_a_split_keeps_every_pair_once():
    kept, held = Pairs(X, X, np.arange(12)).split(0.25, seed=3)
    assert (len(kept), len(held)) == (9, 3)
    assert sorted([*kept.g, *held.g]) == list(range(12))
    for share in (0.0, 1.0):
        with pytest.raises(MfsymError, match="between 0 and 1"):
            kept.split(share)


def test_pairs_from_a_file(tmp_path):
    np.savez(tmp_path / "own.npz", x1=X, x2=X, g=np.zeros(12))
    assert load_pairs(tmp_path / "own.npz").check(CIRCLE).pixels == 25
    np.savez(tmp_path / "bare.npz", x1=X, x2=X)
    assert np.isnan(load_pairs(tmp_path / "bare.npz", unknown=True).g).all()
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "objects.npz", x1=X, x2=np.array([{}], dtype=object), g=np.zeros(12))
    wrong = {
        "bare": "arrays x1, x2 and g; g missing",
        "text": "not an .npz",
        "objects": "'x2'",
        "nowhere": "cannot be read",
    }
    for name, reason in wrong.items():
        with pytest.raises(MfsymError, match=rf"{name}\.npz: .*{reason}"):
            load_pairs(tmp_path / f"{name}.npz")


def test_quarter_turns_permute_pixels_and_angles_add_up():
    """A quarter turn is counter-clockwise, four are the identity; 45 degrees twice blur instead."""
    image = np.zeros((1, 25))
    image[0, 9] = 1.0
    assert rotated(image, np.pi / 2)[0].argmax() == 1
    quarter = rotation_matrix(5, np.pi / 2)
    assert np.abs(np.linalg.matrix_power(quarter, 4) - np.eye(25)).max() < ROUNDOFF
    assert np.abs(rotated(rotated(X, np.pi / 4), np.pi / 4) - rotated(X, np.pi / 2)).max() > 0.1
    assert np.abs(rotated(X, np.arange(12.0))[3] - rotated(X[3:4], 3.0)[0]).max() < ROUNDOFF


def test_interpolation_reproduces_linear_images():
    """Bilinear weights are exact on linear functions, wherever all four neighbours lie inside."""
    rows, columns = np.mgrid[0:9, 0:9] - 4.0
    image, angle = (0.3 * columns - 0.2 * rows).reshape(1, -1), 0.6
    turned = rotated(image, angle).reshape(9, 9)
    cosine, sine = np.cos(angle), np.sin(angle)
    exact = 0.3 * (cosine * columns - sine * rows) - 0.2 * (sine * columns + cosine * rows)
    assert np.abs(turned - exact)[2:7, 2:7].max() < ROUNDOFF
    with pytest.raises(MfsymError, match="n x n"):
        side_of(24)


def test_margins_and_squares():
    assert padded(np.ones((1, 4)), 1).reshape(4, 4).sum() == 4.0
    corners = np.array([[1, 2], [-1, 0]])
    white = painted(np.zeros((2, 25)), corners, 2).reshape(2, 5, 5)
    assert white[0, 1:3, 2:4].all()
    assert white.sum() == 4.0


def test_digits_turn_and_their_square_does_not():
    train, held = digit_pairs(12, block=3)
    assert (len(train.orbits), len(held.orbits), train.pixels) == (1400, 397, 144)
    x1, x2, g = train.draw(KEY, 0, 400)
    white = ((x1 == 1.0) & (x2 == 1.0)).reshape(-1, 12, 12)
    whole = np.lib.stride_tricks.sliding_window_view(white, (3, 3), axis=(1, 2)).all(axis=(3, 4)).any(axis=(1, 2))
    assert 0.7 < whole.mean() < 0.95
    steps = g * 12 / (2.0 * np.pi)
    assert np.abs(steps - np.rint(steps)).max() < ROUNDOFF
    pairs = held.evaluation().check(CIRCLE)
    assert np.abs(np.remainder(pairs.g, np.pi / 2)).min() > 0.1
    clean = digit_pairs(12)[1].evaluation()
    assert psnr(whole_image(clean, CIRCLE), clean.x2) > 22.0 > 14.0 > psnr(copied(clean), clean.x2)


def test_training_and_held_out_digits_differ_and_depend_on_the_seed():
    train, held = digit_pairs(4)
    rows = {row.tobytes() for row in train.orbits[:, 0]}
    assert not rows & {row.tobytes() for row in held.orbits[:, 0]}
    assert not np.array_equal(digit_pairs(4, seed=1)[1].labels, held.labels)
    with pytest.raises(MfsymError, match="multiple of a right angle, got 4"):
        held.evaluation()


def test_the_swap_test_knows_its_answers():
    _, held = digit_pairs(12, block=3)
    a, b, target = held.swaps()
    differs = (np.abs(a - target) > 0.0).sum(axis=1)
    assert differs.max() <= 18
    assert psnr(a, target) > 10.0
    assert psnr(b, target) > 10.0
    with pytest.raises(MfsymError, match="block = 3"):
        digit_pairs(12)[1].swaps()


def test_the_truth_begins_with_the_measured_input():
    for block in (0, 3):
        _, held = digit_pairs(12, block=block)
        truth, pairs = held.truth(20), held.evaluation()
        assert np.array_equal(truth[:, 0], pairs.x1[:20])
        steps = np.rint(pairs.g[:20] * 12 / (2.0 * np.pi)).astype(int)
        assert np.array_equal(truth[np.arange(20), steps], pairs.x2[:20])


@pytest.mark.parametrize(
    ("text", "group", "reason"),
    [("vector", "cyclic(5)", "angles must be 5, got 12"), ("vector", "so(3)", "a group of the plane")],
)
def test_digits_need_a_group_of_the_plane(text, group, reason):
    with pytest.raises(MfsymError, match=reason):
        digit_pairs(12, action=LatentAction.parse(text, group))


def test_steps_of_a_cyclic_group_are_whole_numbers():
    action = LatentAction.parse("vector", "cyclic(12)")
    pairs = digit_pairs(12, action=action)[1].evaluation().check(action)
    assert set(pairs.g) <= set(range(12))
    angles = digit_pairs(12)[1].evaluation()
    assert np.abs(whole_image(pairs, action) - whole_image(angles, CIRCLE)).max() < ROUNDOFF
    with pytest.raises(MfsymError, match="one angle"):
        whole_image(pairs, LatentAction.parse("vector", "so(3)"))


def test_angles_added_to_latents():
    """The additive baseline: z_v + g, undone by its inverse; no representation, since a full turn moves it."""
    action, z = AdditiveAction(4, 3), X[:, :4]
    moved = action.act(np.full(12, 0.5), z)
    assert np.abs(moved - z - [0.5, 0.5, 0.5, 0.0]).max() < ROUNDOFF
    assert np.abs(action.inverse(0.5, moved) - z).max() < ROUNDOFF
    assert np.abs(action.act(2.0 * np.pi, z) - z).max() > 6.0
    assert np.array_equal(action.mixed(z, 0.0 * z)[:, 3], np.zeros(12))
    with pytest.raises(MfsymError, match="between 1 and 4"):
        AdditiveAction(4, 5)
