"""mfsym.data.nets: scrambled Sobol points are nets, uniform, independent and free of hyperplanes."""

import numpy as np
import pytest

from mfsym.data.nets import REPETITIONS, net_points
from tests.tolerances import STAT


@pytest.mark.parametrize("d", [1, 2, 5])
def test_every_coordinate_of_every_scramble_is_stratified(d):
    points = net_points(d, 0, 64)
    assert points.shape == (REPETITIONS, 64, d)
    cells = np.sort(np.floor(64 * points).astype(int), axis=1)
    assert np.array_equal(cells, np.broadcast_to(np.arange(64)[None, :, None], cells.shape))
    assert not np.array_equal(np.floor(60 * points[0, :, 0]), np.floor(60 * points[1, :, 0]))


def test_pairs_of_coordinates_are_a_net():
    points = net_points(2, 0, 64)
    boxes = np.floor(8 * points).astype(int)
    counts = [len({tuple(box) for box in scramble}) for scramble in boxes]
    assert counts == [64] * REPETITIONS


def test_points_are_a_pure_function_of_their_place():
    whole = net_points(3, 0, 128)
    assert np.array_equal(whole, np.concatenate([net_points(3, 0, 32), net_points(3, 32, 128)], axis=1))
    assert np.array_equal(whole[:5], net_points(3, 0, 128, 5))


def test_single_points_are_uniform_over_scrambles_and_on_no_hyperplane():
    points = net_points(2, 0, 8, 400)[:, 3]
    score = np.abs(points.mean(axis=0) - 0.5) * np.sqrt(12 * 400)
    assert score.max() < STAT
    assert np.abs((points**2).mean(axis=0) - 0.5).max() * np.sqrt(12 * 400) > STAT
    assert (points[:, 0] != points[:, 1]).all()
    assert ((points > 0.0) & (points < 1.0)).all()


def test_the_error_falls_faster_than_that_of_independent_points():
    def spread(count):
        return np.minimum(net_points(2, 0, count)[..., 0], 0.3).mean(axis=1).std()

    assert spread(1024) < spread(64) / 8.0
