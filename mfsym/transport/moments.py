"""Second moments, and the relative distance that they normalise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mfsym.transport.atoms import as_cloud


def second_moment(z: ArrayLike, weights: ArrayLike | None = None) -> float:
    """E|z|^2 of the cloud z (N, p), in units of |z|^2."""
    cloud = as_cloud(z, weights)
    squares = np.einsum("ij,ij->i", cloud.z, cloud.z)
    return float(squares.mean() if cloud.weights is None else cloud.weights @ squares)


def rmd2_from(w2_squared: float, a: ArrayLike, b: ArrayLike, zero: float = 0.0) -> float:
    """The squared relative distance of two clouds whose squared W2 is known.

    RMD^2(mu, nu) = W2^2(mu, nu) / (2 E|z|^2 + 2 E|z'|^2) in [0, 1]; 0 if both second moments are
    at most ``zero``, the second moment of rounding errors in units of |z|^2.
    Maass Martínez & Fontbona 2024 (arXiv:2405.19995), section 4.
    """
    moments = second_moment(a), second_moment(b)
    return float(w2_squared / (2.0 * sum(moments))) if max(moments) > zero else 0.0
