"""Continuous compact groups of matrices: orthogonal groups and tori."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError
from mfsym.groups.base import Quadrature
from mfsym.groups.matrix_groups import LieGroup
from mfsym.groups.rotations import (
    equispaced,
    logarithms,
    planar,
    rotation_rule,
    uniform_angles,
    uniform_orthogonal,
    uniform_rotations,
)
from mfsym.representations.arrays import check_numbers
from mfsym.streams import uniforms
from mfsym.typing import Elements, Floats

_CIRCLE_DEGREE = 15
_MANY_CIRCLES_DEGREE = 5
_ROTATION_DEGREE = 5
_COIN_COLUMN = 4


class Orthogonal(LieGroup):
    """O(n), or its subgroup SO(n) if ``special``.

    The Lie algebra basis rotates axis i towards axis j, for i < j; about x, y, z for n = 3. O(n) has an additional
    generator s: the inversion -I for odd n, the reflection of the last axis for even n.
    """

    def __init__(self, n: int, special: bool) -> None:
        reflection = -np.eye(n) if n % 2 else np.diag([*np.ones(n - 1), -1.0])
        count = 0 if special else 1
        name = f"SO({n})" if special else f"O({n})"
        super().__init__(name, _plane_generators(n), reflection[None][:count], ("s",)[:count])
        self.special = special
        self.planes = 1 if n == 2 else 0
        self.has_harmonics = n == 3

    def distance(self, matrices: Floats) -> Floats:
        defect = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(self.degree)).max(axis=(1, 2))
        return defect + (np.abs(np.linalg.det(matrices) - 1.0) if self.special else 0.0)

    def factorise(self, elements: Elements) -> tuple[NDArray[np.intp], Floats]:
        component = (np.linalg.det(elements) < 0.0).astype(np.intp)
        proper = elements.copy()
        for generator in self.generators:
            proper[component == 1] = generator.T @ proper[component == 1]
        return component, self.algebra_coordinates(logarithms(proper))

    def haar(self, key: NDArray[np.uint32], step: int, n: int) -> Elements:
        """Uniform angle (n = 2), uniform quaternion (n = 3), QR of a Gaussian matrix (n > 3)."""
        if self.degree > 3:
            draws = uniform_orthogonal(key, step, n, self.degree)
            if self.special:
                draws[:, :, 0] *= np.linalg.det(draws).round()[:, None]
            return draws
        plane = self.degree == 2
        draws = planar(uniform_angles(key, step, n, 1)[:, 0]) if plane else uniform_rotations(key, step, n)
        for generator in self.generators:
            coin = uniforms(key, step, n, _COIN_COLUMN + 1)[:, _COIN_COLUMN] < 0.5
            draws[coin] = generator @ draws[coin]
        return draws

    def quadrature(self, order: int | None = None) -> Quadrature:
        """Equispaced angles (n = 2) or the product rule (n = 3), on both components of O(n); MfsymError for n > 3."""
        if self.degree > 3:
            raise MfsymError(
                f"{self.name} has no quadrature, only Haar sampling: use the scheme da-sampled, or haar(key, step, n)"
            )
        if self.degree == 2:
            degree = _degree(order, _CIRCLE_DEGREE)
            check_numbers(2 * (degree + 1), 2, f"the quadrature of {self.name} of degree {degree}")
            nodes = planar(equispaced(degree + 1))
            weights = np.full(degree + 1, 1.0 / (degree + 1))
        else:
            degree = _degree(order, _ROTATION_DEGREE)
            check_numbers((degree + 1) ** 2 * (degree + 2), 3, f"the quadrature of {self.name} of degree {degree}")
            nodes, weights = rotation_rule(degree)
        cosets = [nodes, *(generator @ nodes for generator in self.generators)]
        return Quadrature(np.concatenate(cosets), np.tile(weights, len(cosets)) / len(cosets), False, degree)

    def element_name(self, element: Elements) -> str:
        """The angle and, for n = 3, the axis; preceded by the generator s for an improper element."""
        if self.degree > 3:
            return super().element_name(element)
        component, coordinates = self.factorise(np.asarray(element)[None])
        angle = float(np.linalg.norm(coordinates)) if self.degree == 3 else float(coordinates[0, 0])
        text = f"rotation by {angle:.3f}"
        if self.degree == 3 and angle > 0.0:
            text += " about ({:.3f}, {:.3f}, {:.3f})".format(*(coordinates[0] / angle))
        return f"s . {text}" if component[0] else text


class Torus(LieGroup):
    """U(1)^k: k independent planar rotations, acting on R^(2k)."""

    def __init__(self, k: int) -> None:
        turn = np.array([[0.0, -1.0], [1.0, 0.0]])
        planes = [block_diag(*(turn if i == j else np.zeros((2, 2)) for j in range(k))) for i in range(k)]
        name = "U(1)" if k == 1 else f"U(1)^{k}"
        self.planes = k
        super().__init__(name, np.stack(planes), np.zeros((0, 2 * k, 2 * k)), ())

    def angles(self, elements: Elements) -> Floats:
        """Angles (n, k) in (-pi, pi] of a batch."""
        even = np.arange(0, self.degree, 2)
        return np.arctan2(elements[..., even + 1, even], elements[..., even, even])

    def rotations(self, angles: Floats) -> Floats:
        """The batch (n, 2k, 2k) with angles (n, k)."""
        result = np.zeros((*angles.shape[:-1], self.degree, self.degree))
        for i, block in enumerate(np.moveaxis(planar(angles), -3, 0)):
            result[..., 2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = block
        return result

    def distance(self, matrices: Floats) -> Floats:
        return np.asarray(np.abs(matrices - self.rotations(self.angles(matrices))).max(axis=(1, 2)))

    def factorise(self, elements: Elements) -> tuple[NDArray[np.intp], Floats]:
        return np.zeros(len(elements), dtype=np.intp), self.angles(elements)

    def haar(self, key: NDArray[np.uint32], step: int, n: int) -> Elements:
        """Independent uniform angles."""
        return self.rotations(uniform_angles(key, step, n, self.dimension))

    def quadrature(self, order: int | None = None) -> Quadrature:
        """order + 1 equispaced values of every angle: exact for trigonometric degree ``order`` in each."""
        default = _CIRCLE_DEGREE if self.dimension <= 2 else _MANY_CIRCLES_DEGREE
        degree = _degree(order, default)
        nodes = (degree + 1) ** self.dimension
        check_numbers(nodes, self.degree, f"the quadrature of {self.name} of degree {degree}")
        grid = np.meshgrid(*[equispaced(degree + 1)] * self.dimension, indexing="ij")
        turns = self.rotations(np.stack([axis.ravel() for axis in grid], axis=-1))
        return Quadrature(turns, np.full(nodes, 1.0 / nodes), False, degree)

    def element_name(self, element: Elements) -> str:
        """The angles."""
        return "rotation by " + ", ".join(f"{angle:.3f}" for angle in self.angles(np.asarray(element)))


def so(n: int) -> Orthogonal:
    """SO(n), rotations of R^n, n >= 2."""
    return _orthogonal(_rank("so", n), special=True)


def o(n: int) -> Orthogonal:
    """O(n), rotations and reflections of R^n, n >= 2."""
    return _orthogonal(_rank("o", n), special=False)


def u1(k: int = 1) -> Torus:
    """U(1)^k acting on R^(2k), k >= 1."""
    phases = as_whole(k, "k of u1", 1)
    check_numbers(phases, 2 * phases, f"the Lie algebra of u1({phases})")
    return _torus(phases)


@lru_cache
def _orthogonal(n: int, special: bool) -> Orthogonal:
    return Orthogonal(n, special)


@lru_cache
def _torus(k: int) -> Torus:
    return Torus(k)


def _rank(name: str, n: int) -> int:
    """n as an int, at least 2 and small enough for the matrices of the Lie algebra."""
    size = as_whole(n, f"n of {name}", 2)
    check_numbers(size * (size - 1) // 2, size, f"the Lie algebra of {name}({size})")
    return size


def _degree(order: int | None, default: int) -> int:
    """The requested degree of a quadrature, or its default."""
    return default if order is None else as_whole(order, "order", 0)


def _plane_generators(n: int) -> Floats:
    """(n (n - 1) / 2, n, n): the rotation of each coordinate plane; about x, y, z for n = 3."""
    planes = [(1, 2), (2, 0), (0, 1)] if n == 3 else [(i, j) for i in range(n) for j in range(i + 1, n)]
    basis = np.zeros((len(planes), n, n))
    for matrix, (i, j) in zip(basis, planes, strict=True):
        matrix[j, i], matrix[i, j] = 1.0, -1.0
    return basis
