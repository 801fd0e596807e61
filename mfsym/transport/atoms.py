"""Weighted point clouds: finite float64 atoms with non-negative weights that sum to 1, checked on entry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.transport.ranges import check_range
from mfsym.transport.results import FloatArray


class PointCloud(NamedTuple):
    """Atoms (N, p) float64 and their weights: None for uniform ones, otherwise (N,) summing to 1 up to rounding.

    given : the weights before they were normalised, or None: they define the exact ratios.
    """

    z: FloatArray
    weights: FloatArray | None
    given: FloatArray | None = None

    def mass(self) -> FloatArray:
        """Weights as an array (N,), also if they are uniform."""
        n = self.z.shape[0]
        return np.full(n, 1.0 / n) if self.weights is None else self.weights


def as_atoms(z: ArrayLike, name: str = "cloud") -> FloatArray:
    """The atoms (N, p) as finite contiguous float64; a vector (N,) counts as N atoms on the line."""
    atoms = np.ascontiguousarray(as_floats(z, name))
    if atoms.ndim == 1:
        atoms = atoms[:, None]
    if atoms.ndim != 2:
        raise MfsymError(f"{name} must have two axes (particle, param), got shape {atoms.shape}; reshape it to (N, p)")
    if atoms.shape[0] == 0 or atoms.shape[1] == 0:
        raise MfsymError(f"{name} must have at least one atom and one coordinate, got shape {atoms.shape}")
    finite = np.isfinite(atoms).all(axis=1)
    if not finite.all():
        raise MfsymError(
            f"{name} must be finite, got {int((~finite).sum())} of {finite.size} atoms with NaN or inf "
            f"(first: atom {int(np.argmin(finite))}); drop diverged runs first"
        )
    return atoms


def as_cloud(z: ArrayLike, weights: ArrayLike | None = None, name: str = "cloud") -> PointCloud:
    """A point cloud, checked: weights are normalised to sum to 1, and equal weights become None."""
    atoms = as_atoms(z, name)
    if weights is None:
        return PointCloud(atoms, None)
    mass = np.ascontiguousarray(as_floats(weights, f"weights of {name}"))
    if mass.shape != atoms.shape[:1]:
        raise MfsymError(f"weights of {name} must have shape {atoms.shape[:1]}, got {mass.shape}")
    if not np.isfinite(mass).all() or (mass < 0.0).any() or mass.sum() <= 0.0:
        raise MfsymError(f"weights of {name} must be finite, non-negative and not all zero")
    if (mass == mass[0]).all():
        return PointCloud(atoms, None)
    return PointCloud(atoms, mass / mass.sum(), mass)


def pair(
    a: ArrayLike, b: ArrayLike, weights_a: ArrayLike | None, weights_b: ArrayLike | None
) -> tuple[PointCloud, PointCloud]:
    """The two clouds of a distance, checked to have the same dimension p."""
    first, second = as_cloud(a, weights_a, "the first cloud"), as_cloud(b, weights_b, "the second cloud")
    if first.z.shape[1] != second.z.shape[1]:
        raise MfsymError(
            f"both clouds must have the same number of coordinates, got {first.z.shape[1]} and {second.z.shape[1]}"
        )
    check_range(first.z, second.z)
    return first, second
