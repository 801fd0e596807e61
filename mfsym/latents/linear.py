"""Linear autoencoders: principal components, and the linear encoder that is most nearly equivariant.

The baselines beside every learned action.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats, as_whole
from mfsym.errors import MfsymError
from mfsym.latents.actions import LatentAction
from mfsym.streams import normals, stream_key
from mfsym.typing import Floats

ITERATIONS = 60
"""Polar steps of ``LinearLatents.fit`` at most; it ends earlier once no entry changes by _SETTLED."""

FREE = 8
"""First steps without the constraint: a linear iteration, which has no local maxima and orients every plane."""

_SETTLED = 1e-4
_RIDGE = 1e-6


@dataclass(frozen=True)
class PrincipalLatents:
    """A linear autoencoder: centre (pixels,) and orthonormal components (count, pixels)."""

    centre: Floats
    components: Floats

    @classmethod
    def fit(cls, x: ArrayLike, count: int) -> PrincipalLatents:
        """The ``count`` leading principal components of inputs (n, pixels)."""
        rows = as_floats(x, "x")
        if rows.ndim != 2:
            raise MfsymError(f"x must be inputs (n, pixels), got shape {rows.shape}")
        kept = as_whole(count, "latents", 2, min(rows.shape))
        centre = rows.mean(axis=0)
        _, vectors = np.linalg.eigh((rows - centre).T @ (rows - centre))
        return cls(centre, np.ascontiguousarray(vectors[:, ::-1][:, :kept].T))

    def encode(self, x: Floats) -> Floats:
        """Latents (n, count)."""
        return np.asarray((x - self.centre) @ self.components.T)

    def decode(self, z: Floats) -> Floats:
        """Inputs (n, pixels)."""
        return np.asarray(z @ self.components + self.centre)


@dataclass(frozen=True)
class LinearLatents:
    """E x = components (x - centre) and D z = decoder^T z + centre, for a given action on dim latents.

    centre : (pixels,).  components : (dim, pixels), orthonormal rows.  decoder : (dim, pixels).
    """

    centre: Floats
    components: Floats
    decoder: Floats

    @classmethod
    def fit(cls, action: LatentAction, x1: Floats, x2: Floats, g: Any, seed: int = 0) -> LinearLatents:
        """A maximiser of mean <rho_g E x1, E x2> over E E^T = I, then the least-squares decoder of rho_g E x1 -> x2.

        The maximum may be a local one. MfsymError if there are more latents than pixels.
        """
        if action.dim > x1.shape[1]:
            raise MfsymError(f"a linear encoder to R^{action.dim} needs as many pixels, got {x1.shape[1]}")
        centre = (x1.mean(axis=0) + x2.mean(axis=0)) / 2.0
        first, second = x1 - centre, x2 - centre
        start = normals(stream_key(seed, "init"), 0, action.dim, x1.shape[1])
        encoder = _climbed(action, first, second, g, start)
        latents = action.act(g, first @ encoder.T)
        gram = latents.T @ latents
        ridge = _RIDGE * np.trace(gram) / action.dim * np.eye(action.dim)
        return cls(centre, encoder, np.linalg.solve(gram + ridge, latents.T @ second))

    def encode(self, x: Floats) -> Floats:
        """Latents (n, dim)."""
        return np.asarray((x - self.centre) @ self.components.T)

    def decode(self, z: Floats) -> Floats:
        """Inputs (n, pixels)."""
        return np.asarray(z @ self.decoder + self.centre)


def _climbed(action: LatentAction, first: Floats, second: Floats, g: Any, start: Floats) -> Floats:
    """The encoder E at a local maximum of mean <rho_g E x1, E x2>.

    E <- polar(gradient + E M) with M the mean of x1 x1^T + x2 x2^T, which makes the form positive: every step climbs.
    """
    moments = (first.T @ first + second.T @ second) / len(first)
    encoder = start @ moments
    for step in range(ITERATIONS):
        ahead = action.act(g, first @ encoder.T).T @ second
        back = action.inverse(g, second @ encoder.T).T @ first
        following = (ahead + back) / len(first) + encoder @ moments
        following = following / np.linalg.norm(following) if step < FREE else _polar(following)
        change = float(np.abs(following - encoder).max())
        encoder = following
        if step > FREE and change < _SETTLED:
            break
    return encoder


def _polar(matrix: Floats) -> Floats:
    """The nearest matrix with orthonormal rows."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(left @ right)
