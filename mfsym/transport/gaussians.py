"""Dual potentials between the Gaussians with the means and covariances of two clouds."""

from __future__ import annotations

import numpy as np

from mfsym.transport.results import FloatArray, IntArray

FLAT = 1e-9
"""Relative variance below which a direction counts as degenerate."""


def gaussian_duals(x: FloatArray, y: FloatArray, supply: IntArray, demand: IntArray) -> FloatArray:
    """Duals v (M,) at the atoms y, optimal if both clouds were Gaussian.

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
    """Mean and covariance of weighted atoms."""
    mass = units / units.sum()
    mean = mass @ atoms
    centred = atoms - mean
    return mean, (centred * mass[:, None]).T @ centred


def _root(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Square root of a semidefinite matrix, and its pseudo-inverse."""
    values, axes = np.linalg.eigh(matrix)
    roots = np.sqrt(np.maximum(values, 0.0))
    kept = values > FLAT * values[-1]
    inverse = np.where(kept, 1.0 / np.where(kept, roots, 1.0), 0.0)
    return (axes * roots) @ axes.T, (axes * inverse) @ axes.T
