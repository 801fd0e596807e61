"""Numerics of rotation matrices: uniform draws, logarithms and product rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import schur

from mfsym.streams import normals, uniforms
from mfsym.typing import Floats


def planar(angles: Floats) -> Floats:
    """Rotations of the plane (..., 2, 2) by angles (...)."""
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)


def equispaced(nodes: int) -> Floats:
    """Equispaced angles (nodes,): exact on the circle for trigonometric polynomials of degree below ``nodes``."""
    return 2.0 * np.pi * np.arange(nodes) / nodes


def uniform_angles(key: NDArray[np.uint32], step: int, n: int, k: int) -> Floats:
    """Independent uniform angles (n, k) in (0, 2 pi)."""
    return 2.0 * np.pi * uniforms(key, step, n, k)


def uniform_rotations(key: NDArray[np.uint32], step: int, n: int) -> Floats:
    """Haar draws (n, 3, 3) on SO(3), from uniform unit quaternions (Shoemake, Graphics Gems III, 1992)."""
    draws = normals(key, step, n, 4)
    return from_quaternions(draws / np.linalg.norm(draws, axis=1, keepdims=True))


def from_quaternions(q: Floats) -> Floats:
    """Rotations (n, 3, 3) of unit quaternions (n, 4), real part first."""
    real, imaginary = q[:, 0, None, None], q[:, 1:]
    outer = imaginary[:, :, None] * imaginary[:, None, :]
    x, y, z = imaginary.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
    square = (imaginary**2).sum(axis=1)[:, None, None]
    return (real**2 - square) * np.eye(3) + 2.0 * outer + 2.0 * real * cross


def uniform_orthogonal(key: NDArray[np.uint32], step: int, n: int, k: int) -> Floats:
    """Haar draws (n, k, k) on O(k): QR of a Gaussian matrix, columns signed so that R has a positive diagonal.

    Mezzadri, Notices of the AMS 54 (2007), "How to generate random matrices from the classical compact groups".
    """
    q, r = np.linalg.qr(normals(key, step, n, k * k).reshape(n, k, k))
    return np.asarray(q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :])


def exponentials(tangents: Floats) -> Floats:
    """exp of antisymmetric matrices (n, q, q): orthogonal to rounding, by the eigenvectors of the Hermitian i A."""
    values, frames = np.linalg.eigh(1j * tangents)
    return np.asarray(((frames * np.exp(-1j * values)[..., None, :]) @ np.conj(np.swapaxes(frames, -1, -2))).real)


def logarithms(rotations: Floats) -> Floats:
    """Antisymmetric logarithms (n, k, k) of rotations (n, k, k), angles in (-pi, pi]."""
    if rotations.shape[-1] == 2:
        angles = np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0])
        return angles[:, None, None] * np.array([[0.0, -1.0], [1.0, 0.0]])
    return np.array([_logarithm(rotation) for rotation in rotations]).reshape(rotations.shape)


def _logarithm(rotation: Floats) -> Floats:
    """Logarithm from the real Schur form: planar blocks, with the eigenvalues -1 taken in pairs."""
    form, frame = schur(rotation, output="real")
    size, tangent = rotation.shape[0], np.zeros_like(rotation)
    flipped, i = [], 0
    while i < size:
        if i + 1 < size and abs(form[i + 1, i]) > 1e-12:
            angle = np.arctan2(form[i + 1, i] - form[i, i + 1], form[i, i] + form[i + 1, i + 1])
            tangent[i + 1, i], tangent[i, i + 1] = angle, -angle
            i += 2
        else:
            if form[i, i] < 0.0:
                flipped.append(i)
            i += 1
    for a, b in zip(flipped[::2], flipped[1::2], strict=True):
        tangent[b, a], tangent[a, b] = np.pi, -np.pi
    return np.asarray(frame @ tangent @ frame.T)


def rotation_rule(degree: int) -> tuple[Floats, Floats]:
    """Rotations (K, 3, 3) and weights (K,): the product rule on SO(3), exact for polynomials of this degree.

    Rz(a) Ry(b) Rz(c), a and c equispaced, cos b at Gauss-Legendre nodes. Exact for every Wigner function of degree
    l <= ``degree``: the sums over a and c annihilate all but D_00 = P_l(cos b). K = (degree + 1)^2 ceil((degree + 1) /
    2).
    """
    angles = equispaced(degree + 1)
    cosines, heights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    turns = np.zeros((degree + 1, 3, 3))
    turns[:, :2, :2], turns[:, 2, 2] = planar(angles), 1.0
    tilts = np.zeros((cosines.size, 3, 3))
    sines = np.sqrt(1.0 - cosines**2)
    tilts[:, 0, 0], tilts[:, 0, 2], tilts[:, 2, 0], tilts[:, 2, 2] = cosines, sines, -sines, cosines
    tilts[:, 1, 1] = 1.0
    rotations = np.einsum("aij,bjk,ckl->abcil", turns, tilts, turns).reshape(-1, 3, 3)
    weights = np.broadcast_to((heights / 2.0)[None, :, None], (degree + 1, cosines.size, degree + 1))
    return rotations, weights.ravel() / (degree + 1) ** 2
