"""Irreducible representations of SO(3) and O(3), built from the highest weight."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError
from mfsym.representations.core import Representation
from mfsym.typing import Elements, Floats

if TYPE_CHECKING:
    from mfsym.groups import Group

MAX_DEGREE = 6
"""Largest l: the construction works in R^(3^l)."""

ABOUT_X = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
ABOUT_Y = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
"""Infinitesimal rotations of R^3 about the first two axes."""


def wigner(group: Group, degree: int, parity: int | None = None) -> Representation:
    """The irreducible representation of SO(3) or O(3) on R^(2l+1), l = ``degree`` from 0 to MAX_DEGREE.

    Coordinates are those of the real spherical harmonics in the order m = -l..l, all signs positive, so that l = 1 is
    the vector representation in the order (y, z, x). In O(3) the inversion acts as ``parity`` (1 or -1), by default
    (-1)^l as it does on the harmonics. Built in the l-fold tensor power of R^3 from the highest weight (x + i y)^l by
    the lowering operator (Hall, Lie Groups, Lie Algebras, and Representations, 2nd ed., section 4.6).
    """
    if not group.has_harmonics:
        raise MfsymError(f"irrep(degree) needs SO(3) or O(3), got {group.name}; give matrices to .representation()")
    degree = as_whole(degree, "degree")
    if not 0 <= degree <= MAX_DEGREE:
        raise MfsymError(f"degree must be between 0 and {MAX_DEGREE}, got {degree}")
    natural = (-1) ** degree
    parity = None if parity is None else as_whole(parity, "parity")
    if parity not in (None, 1, -1) or (parity is not None and not group.generator_names):
        raise MfsymError(f"parity must be 1 or -1 and applies to O(3) only, got {parity} for {group.name}")
    twist = 1 if parity is None else parity * natural
    basis = harmonic_basis(degree)
    algebra = np.array([basis.T @ _tensor_derivative(a, degree) @ basis for a in group.algebra])
    generators = np.broadcast_to(
        float(natural * twist) * np.eye(2 * degree + 1), (len(group.generator_names), 2 * degree + 1, 2 * degree + 1)
    )
    mark = "" if parity is None else "+" if parity > 0 else "-"
    return Representation(group, generators, algebra, partial(_evaluate_wigner, degree, twist), f"l={degree}{mark}")


@lru_cache
def harmonic_basis(degree: int) -> Floats:
    """Orthonormal basis (3^l, 2 l + 1) of the symmetric traceless tensors: the real harmonics, m = -l..l."""
    state = np.ones(1, dtype=np.complex128)
    for _ in range(degree):
        state = np.kron(state, np.array([1.0, 1.0j, 0.0]) / np.sqrt(2.0))
    about_x, about_y = (_tensor_derivative(turn, degree) for turn in (ABOUT_X, ABOUT_Y))
    lowering = 1j * about_x + about_y
    columns = {}
    for m in range(degree, 0, -1):
        columns[m], columns[-m] = np.sqrt(2.0) * state.real, np.sqrt(2.0) * state.imag
        state = lowering @ state
        state /= -np.linalg.norm(state)
    columns[0] = state.real
    basis = np.stack([columns[m] for m in range(-degree, degree + 1)], axis=-1)
    basis.setflags(write=False)
    return basis


def _tensor_derivative(a: Floats, power: int) -> Floats:
    """The action (3^power, 3^power) of a Lie algebra element (3, 3) on a tensor power: sum of I x .. a .. x I."""
    total = np.zeros((3**power, 3**power))
    for k in range(power):
        total += np.kron(np.kron(np.eye(3**k), a), np.eye(3 ** (power - 1 - k)))
    return total


def _evaluate_wigner(degree: int, twist: int, elements: Elements) -> Floats:
    """B^T (g x ... x g) B, one tensor factor at a time; times ``twist`` on improper elements."""
    basis = harmonic_basis(degree)
    flat = np.asarray(elements, dtype=np.float64).reshape(-1, 3, 3)
    values = np.broadcast_to(basis, (len(flat), *basis.shape))
    for k in range(degree):
        split = values.reshape(len(flat), 3**k, 3, 3 ** (degree - 1 - k) * basis.shape[1])
        values = np.einsum("nij,najb->naib", flat, split)
    result = basis.T @ values.reshape(len(flat), *basis.shape)
    if twist < 0:
        result = result * np.linalg.det(flat).round()[:, None, None]
    return np.asarray(result.reshape(*elements.shape[:-2], 2 * degree + 1, 2 * degree + 1))
