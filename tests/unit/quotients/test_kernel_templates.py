"""Compiled pieces of exact denoisers against SciPy, NumPy and slow quadratures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ive

from mfsym.quotients.kernels.averages import bessel_table, rotation_averages
from mfsym.quotients.kernels.templates import planar_denoised, proper_svd, spatial_denoised
from mfsym.quotients.templates import Templates
from mfsym.streams import normals, stream_key, uniforms
from tests.sizes import compiled
from tests.tolerances import ROUNDOFF

pytestmark = compiled

KEY = stream_key(5, "data")


def test_bessel_functions_are_those_of_scipy():
    x = np.concatenate([np.linspace(0.0, 20.0, 2001), np.geomspace(20.0, 1e7, 400)])
    found = np.zeros((2, x.size))
    bessel_table(x, found)
    for order in (0, 1):
        assert np.abs(found[order] - ive(order, x)).max() < 1e-15 + 0.0 * x[0]
        assert (np.abs(found[order, 1:] / ive(order, x[1:]) - 1.0) < ROUNDOFF).all()


def dense_averages(s):
    """log c and m by a rule of 2,800 nodes, each m_k from Lee's integral in which it is the first moment."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    edges = np.concatenate([[0.0], 0.5 * 2.0 ** -np.arange(40, -1, -1.0), 1.0 - 0.5 * 2.0 ** -np.arange(1, 30), [1.0]])
    half = np.diff(edges)[:, None] / 2.0
    v, w = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes).ravel(), (half * weights).ravel()
    means = []
    for i, j, k in ((1, 2, 0), (0, 2, 1), (0, 1, 2)):
        density = w * ive(0, (s[i] - s[j]) * v) * ive(0, (s[i] + s[j]) * (1.0 - v)) * np.exp(-2.0 * (s[j] + s[k]) * v)
        means.append((density * (1.0 - 2.0 * v)).sum() / density.sum())
    return np.log(density.sum()), np.array(means)


def singular_values(count):
    """Proper singular values over eight decades, some with ties, zeros and a negative last one."""
    draws = uniforms(KEY, 1, count, 3)
    for k, row in enumerate(draws):
        s = np.sort(10.0 ** (8.0 * row - 3.0))[::-1].copy()
        if k % 3 == 0:
            s[2] *= -1.0
        if k % 4 == 0:
            s[1:] = 0.0
        if k % 5 == 0:
            s[2] = -s[1]
        yield s


def test_averages_over_rotations_are_lees_integrals():
    m = np.zeros(3)
    for s in singular_values(150):
        value = rotation_averages(s, m, np.zeros(4))
        expected, means = dense_averages(s)
        assert abs(value - expected) < ROUNDOFF
        assert np.abs(m - means).max() < ROUNDOFF


def test_averages_far_from_zero_have_their_asymptotic_form():
    s, m = np.array([4.1e4, 2.3e4, 1.7e4]), np.zeros(3)
    rotation_averages(s, m, np.zeros(4))
    pairs = 1.0 / (s[:, None] + s[None])
    first_order = 1.0 - 0.5 * (pairs.sum(axis=1) - np.diag(pairs))
    assert np.abs(m - first_order).max() < 1e-8
    assert np.abs(m - 1.0).max() > 1e-6


def test_the_proper_decomposition_has_rotations_on_both_sides():
    for k, row in enumerate(normals(KEY, 2, 200, 9)):
        f = row.reshape(3, 3) * 10.0 ** np.array([-3.0, 0.0, 3.0])
        if k % 5 == 0:
            f[:, 2] = f[:, 1]
        if k % 7 == 0:
            f = np.outer(f[0], f[1])
        u, s, v = np.zeros((3, 3)), np.zeros(3), np.zeros((3, 3))
        proper_svd(f.copy(), u, s, v)
        assert np.abs(u * s @ v.T - f).max() < ROUNDOFF * np.abs(f).max()
        for side in (u, v):
            assert np.abs(side @ side.T - np.eye(3)).max() < ROUNDOFF
            assert abs(np.linalg.det(side) - 1.0) < ROUNDOFF
        assert np.abs(np.abs(s) - np.linalg.svd(f, compute_uv=False)).max() < ROUNDOFF * s[0]
        assert s[0] >= s[1] >= abs(s[2]) - ROUNDOFF * s[0]


def rotations_of(count, d):
    """Elements of SO(d) of a fine rule: equispaced angles, or Haar draws."""
    from mfsym.groups import so

    if d == 2:
        angles = 2.0 * np.pi * np.arange(count) / count
        return np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles])
    quadrature = so(3).quadrature(21)
    return so(3).defining(quadrature.elements), quadrature.weights


def test_planar_denoisers_are_means_over_a_fine_rule():
    clouds, weights = normals(KEY, 3, 3, 8).reshape(3, 4, 2), np.log([0.5, 0.3, 0.2])
    x, t = normals(KEY, 4, 5, 8).reshape(5, 4, 2), 0.45
    images = np.einsum("gij,knj->gkni", rotations_of(400, 2), clouds)
    found, evidence = np.zeros_like(x), np.zeros(5)
    planar_denoised(x, t, clouds, weights, 0, np.zeros((3, 4)), found, evidence)
    for b, point in enumerate(x):
        logs = weights - ((point - t * images) ** 2).sum(axis=(2, 3)) / (2.0 * (1.0 - t) ** 2)
        shares = np.exp(logs - logs.max())
        mean = np.einsum("gk,gkni->ni", shares / shares.sum(), images)
        assert np.abs(found[b] - mean).max() < ROUNDOFF
        size = (point**2).sum() / (2.0 * (1.0 - t) ** 2)
        assert abs(evidence[b] - size - logs.max() - np.log(shares.sum() / 400.0)) < ROUNDOFF


def test_spatial_denoisers_are_means_over_a_fine_rule():
    clouds, weights = normals(KEY, 5, 3, 12).reshape(3, 4, 3), np.log([0.5, 0.3, 0.2])
    x, t = normals(KEY, 6, 5, 12).reshape(5, 4, 3), 0.2
    elements, shares_of = rotations_of(0, 3)
    images = np.einsum("gij,knj->gkni", elements, clouds)
    found, evidence, work = np.zeros_like(x), np.zeros(5), np.zeros((5, 4, 3, 3))
    spatial_denoised(x, t, clouds, weights, 0, work, found, evidence)
    for b, point in enumerate(x):
        logs = weights - ((point - t * images) ** 2).sum(axis=(2, 3)) / (2.0 * (1.0 - t) ** 2)
        shares = shares_of[:, None] * np.exp(logs - logs.max())
        mean = np.einsum("gk,gkni->ni", shares / shares.sum(), images)
        assert np.abs(found[b] - mean).max() < 1e-6


@pytest.mark.parametrize("kind", ["mean", "aligned", "procrustes"])
def test_what_becomes_of_a_cloud_does_not_depend_on_those_beside_it(kind):
    templates = Templates(normals(KEY, 7, 3, 15).reshape(3, 5, 3), kind=kind)
    x = normals(KEY, 8, 40, 15)
    together = templates(x, 0.4)
    assert (together[17:18] == templates(x[17:18], 0.4)).all()
