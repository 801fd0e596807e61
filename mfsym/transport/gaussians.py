"""Duals of the transport between the Gaussians that have two clouds' means and covariances."""

from __future__ import annotations

import numpy as np

from mfsym.transport.results import FloatArray, IntArray

FLAT = 1e-9
"""Relative variance along an axis below which a cloud counts as flat there."""


def gaussian_duals(x: FloatArray, y: FloatArray, supply: IntArray, demand: IntArray) -> FloatArray:
    """Duals v (M,) of the atoms y, optimal were both clouds Gaussian.

    v(y) = |y|^2 - 2 m_x . y - (y - m_y) A (y - m_y), where y -> m_x + A (y - m_y) is the optimal map from the second
    Gaussian to the first, A = Y^-1/2 (Y^1/2 X Y^1/2)^1/2 Y^-1/2 (Gelbrich 1990, doi:10.1002/mana.19901470121).
    """
    (mean_x, first), (mean_y, second) = _moments(x, supply), _moments(y, demand)
    root, inverse = _root(second)
    middle, _ = _root(root @ first @ root)
    centred = y - mean_y
    pull = centred @ (inverse @ middle @ inverse)
    return np.square(y).sum(axis=1) - 2.0 * (y @ mean_x) - (pull * centred).sum(axis=1)


def _moments(atoms: FloatArray, units: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of atoms with masses."""
    mass = units / units.sum()
    mean = mass @ atoms
    centred = atoms - mean
    return mean, (centred * mass[:, None]).T @ centred


def _root(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Root of a semidefinite matrix, and the root's pseudo-inverse."""
    values, axes = np.linalg.eigh(matrix)
    roots = np.sqrt(np.maximum(values, 0.0))
    kept = values > FLAT * values[-1]
    inverse = np.where(kept, 1.0 / np.where(kept, roots, 1.0), 0.0)
    return (axes * roots) @ axes.T, (axes * inverse) @ axes.T
