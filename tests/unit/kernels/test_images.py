"""mfsym.kernels.images: moved samples equal their twins, one at a time or together."""

import numpy as np
import pytest

from mfsym.kernels.images import image_of_each, images_of, pick_columns
from mfsym.streams import normals, stream_key
from tests import naive
from tests.tolerances import ROUNDOFF, SPLIT

KEY = stream_key(9, "haar")


def _case(samples, nodes, q):
    matrices = normals(KEY, 0, nodes * q, q).reshape(nodes, q, q)
    return matrices, normals(KEY, 1, samples, q)


@pytest.mark.parametrize(("samples", "nodes", "q"), [(0, 2, 2), (1, 1, 1), (7, 2, 2), (5, 6, 3), (3, 2, 17)])
def test_images_under_all_nodes_equal_their_twin(samples, nodes, q):
    matrices, x = _case(samples, nodes, q)
    out, twin = np.full((2, samples, nodes, q), 9.0)
    images_of(matrices, x, out)
    naive.images_of(matrices, x, twin)
    assert np.abs(out - twin).max(initial=0.0) < ROUNDOFF * q
    naive.images_of(matrices.transpose(0, 2, 1), x, twin)
    assert samples == 0 or q == 1 or np.abs(out - twin).max() > SPLIT


@pytest.mark.parametrize(("samples", "q"), [(0, 2), (1, 1), (7, 2), (5, 3), (4, 17)])
def test_images_under_a_matrix_each_equal_their_twin(samples, q):
    matrices, x = _case(samples, samples, q)
    out, twin = np.full((2, samples, q), 9.0)
    image_of_each(matrices, x, out)
    naive.image_of_each(matrices, x, twin)
    assert np.abs(out - twin).max(initial=0.0) < ROUNDOFF * q
    naive.image_of_each(matrices[::-1], x, twin)
    assert samples < 2 or np.abs(out - twin).max() > SPLIT


@pytest.mark.parametrize("q", [1, 2, 3, 16, 17])
def test_an_image_does_not_depend_on_the_samples_beside_it(q):
    matrices, x = _case(9, 9, q)
    together, each = np.empty((9, 9, q)), np.empty((9, q))
    images_of(matrices, x, together)
    image_of_each(matrices, x, each)
    for n in range(9):
        alone, one = np.empty((1, 9, q)), np.empty((1, q))
        images_of(matrices, x[n : n + 1], alone)
        image_of_each(matrices[n : n + 1], x[n : n + 1], one)
        assert np.array_equal(alone[0], together[n])
        assert np.array_equal(one[0], each[n])
        assert not np.array_equal(one[0], each[n - 1])


def test_permutations_move_samples_exactly():
    x = normals(KEY, 2, 5, 3)
    cycle = np.roll(np.eye(3), 1, axis=0)
    out = np.empty((5, 1, 3))
    images_of(cycle[None], x, out)
    assert np.array_equal(out[:, 0], np.roll(x, 1, axis=1))
    assert not np.array_equal(out[:, 0], x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("samples", "d", "m"), [(0, 2, 3), (1, 1, 1), (7, 5, 11)])
def test_columns_are_picked_bit_by_bit(samples, d, m, dtype):
    x = normals(KEY, 2, samples, d).astype(dtype)
    places = (7 * np.arange(m) + 1) % d
    out = np.full((samples, m), 9.0, dtype)
    pick_columns(places, x, out)
    assert np.array_equal(out, x[:, places])
    assert samples == 0 or d == 1 or not np.array_equal(out, x[:, (places + 1) % d])
