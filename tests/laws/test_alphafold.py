"""The minimiser of AlphaFold 3's loss, by a quadrature over rotations and a general optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from mfsym.quotients.templates import Templates
from mfsym.streams import normals, stream_key
from tests.sizes import compiled
from tests.tolerances import FINITE_DIFFERENCE, ROUNDOFF

pytestmark = compiled

KEY = stream_key(21, "data")
NODES = 40
POINTS, CLOUDS = 4, 5


def templates_of(kind="mean"):
    """Three random clouds of four points."""
    return Templates(normals(KEY, 0, 3, 3 * POINTS).reshape(3, POINTS, 3), [0.5, 0.3, 0.2], kind)


def rotations():
    """Rotations (K, 3, 3) and weights (K,) of a product rule over Euler angles z, y, z."""
    heights, shares = np.polynomial.legendre.leggauss(NODES)
    angles = 2.0 * np.pi * np.arange(NODES) / NODES

    def about_z(angle):
        cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
        rows = [[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, zero + 1.0]]
        return np.moveaxis(np.array(rows), 2, 0)

    sines, zero = np.sqrt(1.0 - heights**2), np.zeros(NODES)
    about_y = np.moveaxis(np.array([[heights, zero, sines], [zero, zero + 1.0, zero], [-sines, zero, heights]]), 2, 0)
    found = np.einsum("aij,bjk,ckl->abcil", about_z(angles), about_y, about_z(angles)).reshape(-1, 3, 3)
    weights = np.broadcast_to(shares[None, :, None], (NODES, NODES, NODES)).reshape(-1)
    return found, weights / weights.sum()


def posterior(templates, x, t):
    """The probability (J,) of each template given x_t = x (n, 3), every orientation counted."""
    turns, weights = rotations()
    logs = []
    for cloud in templates.clouds:
        far = np.square(x - t * np.einsum("kij,nj->kni", turns, cloud)).sum(axis=(1, 2))
        exponents = -far / (2.0 * (1.0 - t) ** 2)
        logs.append(exponents.max() + np.log(weights @ np.exp(exponents - exponents.max())))
    shares = np.exp(np.array(logs) - max(logs)) * templates.weights
    return shares / shares.sum()


def loss(cloud, templates, shares):
    """sum_j p_j min_R |D - R T_j|^2 of D (n, 3), by the singular values of the covariances, det R = +1."""
    total = 0.0
    for share, template in zip(shares, templates.clouds, strict=True):
        covariance = cloud.T @ template
        values = np.linalg.svd(covariance, compute_uv=False)
        values[2] *= np.sign(np.linalg.det(covariance))
        total += share * ((cloud**2).sum() + (template**2).sum() - 2.0 * values.sum())
    return total


def least(templates, shares):
    """The least loss, by a quasi-Newton method with finite differences from every template and from random clouds."""

    def objective(flat):
        points = flat.reshape(POINTS, 3)
        return loss(points - points.mean(axis=0), templates, shares)

    starts = [*templates.clouds.reshape(3, -1), *normals(KEY, 2, 3, 3 * POINTS)]
    return min(minimize(objective, start, method="BFGS").fun for start in starts)


@pytest.mark.parametrize("t", [0.3, 0.5])
def test_the_procrustes_kind_is_the_minimiser_of_alphafolds_loss(t):
    """AF3's target is aligned to D, so its loss knows x by the probabilities of the templates alone."""
    exact = templates_of()
    x = exact.quotient.centre(normals(KEY, 1, CLOUDS, 3 * POINTS)).reshape(CLOUDS, POINTS, 3)
    x = (1.0 - t) * x + t * exact.clouds[np.arange(CLOUDS) % 3]
    found = {kind: templates_of(kind)(x, t) for kind in ("procrustes", "mean", "aligned")}
    excess = {kind: [] for kind in found}
    for b in range(CLOUDS):
        shares = posterior(exact, x[b], t)
        best = least(exact, shares)
        for kind, clouds in found.items():
            excess[kind].append(loss(clouds[b], exact, shares) - best)
    assert np.abs(excess["procrustes"]).max() < FINITE_DIFFERENCE
    assert min(excess["mean"]) > 1000.0 * FINITE_DIFFERENCE, "the exact denoiser is no minimiser of this loss"
    assert max(excess["aligned"]) > 1000.0 * FINITE_DIFFERENCE, "GeoDiff's minimiser is another one"


def test_the_rule_over_rotations_integrates_their_entries():
    turns, weights = rotations()
    assert np.abs(np.einsum("k,kij->ij", weights, turns)).max() < ROUNDOFF
    squares = np.einsum("k,kij,klm->ijlm", weights, turns, turns)
    assert np.abs(squares - np.einsum("il,jm->ijlm", np.eye(3), np.eye(3)) / 3.0).max() < ROUNDOFF
