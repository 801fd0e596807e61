"""Dual potentials between Gaussians."""

from __future__ import annotations

import numpy as np
from scipy.linalg import sqrtm

from mfsym.streams import normals, stream_key
from mfsym.transport.gaussians import gaussian_duals
from tests.sizes import sized
from tests.tolerances import ALGEBRA

KEY = stream_key(23, "teacher")

N = sized(400, 24)


def test_duals_between_gaussians_are_those_of_their_optimal_map():
    """Their gradient 2 (y - T(y)) belongs to the linear map T that takes the second covariance to the first."""
    x = normals(KEY, 14, N, 3) @ normals(KEY, 15, 3, 3) + 2.0
    y = normals(KEY, 16, N, 3) * [1.0, 0.3, 2.0]
    ones = np.ones(N, dtype=np.int64)
    first, second = np.cov(x.T, bias=True), np.cov(y.T, bias=True)
    root = np.real(sqrtm(second))
    inverse = np.linalg.inv(root)
    pull = inverse @ np.real(sqrtm(root @ first @ root)) @ inverse
    moved = x.mean(axis=0) + (y - y.mean(axis=0)) @ pull
    assert np.abs(np.cov(moved.T, bias=True) - first).max() <= ALGEBRA * np.abs(first).max()
    mean = y.mean(axis=0)
    expected = np.square(y).sum(axis=1) - 2.0 * y @ x.mean(axis=0) - ((y - mean) @ pull * (y - mean)).sum(axis=1)
    found = gaussian_duals(x, y, ones, ones)
    assert np.abs(found - expected).max() <= ALGEBRA * np.abs(expected).max()
    doubled = gaussian_duals(np.vstack([x, x]), y, np.ones(2 * N, dtype=np.int64), ones)
    assert np.abs(doubled - found).max() <= ALGEBRA * np.abs(found).max()


def test_flat_clouds_have_duals_between_gaussians_too():
    y = np.hstack([normals(KEY, 17, N, 2), np.zeros((N, 1))])
    ones = np.ones(N, dtype=np.int64)
    assert np.isfinite(gaussian_duals(normals(KEY, 18, N, 3), y, ones, ones)).all()
