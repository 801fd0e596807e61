"""Rotation of degenerate clouds to their principal axes."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.streams import normals, stream_key
from mfsym.transport import w2
from mfsym.transport.atoms import as_cloud
from mfsym.transport.axes import principal_axes, rounding_of_rotation
from mfsym.transport.dense import squared_distances
from mfsym.transport.exact import solve_by_auction
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA, ROUNDOFF

N = sized(100, 20)

KEY = stream_key(13, "teacher")


def test_degenerate_clouds_are_rotated_to_their_principal_axes():
    frame = np.linalg.qr(normals(KEY, 50, 4, 4))[0]
    flat = np.hstack([normals(KEY, 51, N, 2), np.zeros((N, 2))]) @ frame
    round_one = normals(KEY, 52, N, 4)
    axes = principal_axes(flat, round_one)
    assert axes is not None
    assert np.abs(axes @ axes.T - np.eye(4)).max() <= ROUNDOFF
    assert (np.sort((flat @ axes).std(axis=0))[:2] <= ALGEBRA**0.5).all()
    assert principal_axes(round_one, round_one) is None


def test_oblique_clouds_have_the_distance_of_axis_aligned_ones():
    frame = np.linalg.qr(normals(KEY, 53, 4, 4))[0]
    n = sized(600, 210)
    a, b = normals(KEY, 54, n, 4) * [1.0, 1.0, 1e-3, 1e-3], normals(KEY, 55, n, 4) * [1.0, 0.5, 1e-3, 1e-3]
    assert abs(w2(a @ frame, b @ frame).w2_squared - w2(a, b).w2_squared) <= ALGEBRA


def _flat(step: int, n: int, far: float) -> np.ndarray:
    """Atoms near a plane askew to the coordinates, some of them far."""
    z = normals(KEY, step, n, 4) * [1.0, 1.0, 1e-4, 1e-4]
    z[: n // 10] *= far
    return z @ np.linalg.qr(normals(KEY, 30, 4, 4))[0]


@compiled
@pytest.mark.parametrize("far", [1.0, 1e6])
def test_the_bounds_cover_the_rounding_of_rotated_coordinates(far):
    a, b = _flat(31, 300, far), _flat(32, 300, far)
    assert principal_axes(a, b) is not None
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    expected = w2(a, b, method="dense").w2_squared
    assert abs(result.w2_squared - expected) <= ROUNDOFF * expected
    assert 0.0 <= result.lower_bound <= result.w2_squared
    assert result.relative_gap <= 1e-9
    rotation = np.linalg.qr(normals(KEY, 33, 4, 4))[0]
    near, rotated = squared_distances(a, b), squared_distances(a @ rotation, b @ rotation)
    assert (np.abs(near - rotated) <= np.array([rounding_of_rotation(line, a, b) for line in rotated.T]).T).all()
