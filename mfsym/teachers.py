"""Where the data come from: draws for training, and a quadrature for exact expectations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.errors import MfsymError
from mfsym.groups import cyclic
from mfsym.kernels.noise import sequence_normals
from mfsym.units import UNITS, Unit

Floats = NDArray[np.float64]

INPUT_SCALE = 4.0
"""Standard deviation of the reference inputs: x ~ N(0, 16 I), Maass Martínez & Fontbona 2024, appendix F."""

QUADRATURE_ORDER = 60
"""Gauss-Hermite nodes per input dimension: the reference risks are exact to all digits shown with 60."""

TEACHERS = ("arbitrary", "wi", "si")
"""Names of the reference teachers."""

_ARBITRARY = 0.5 * np.array(
    [[-1, 0, 0, 0.5], [0.5, 1, 0, 1], [-0.5, 0.3, 1, 0], [0, -1, -0.5, 1], [0.7, -0.7, 0.5, 0.7]]
)
_SI_COORDINATES = 0.5 * np.array([[1, 0], [0.5, 1], [-0.5, 0.3], [0, -1], [0.7, 0.7]])


class Data(ABC):
    """A law pi of (x, y) on R^d x R^c."""

    name: str
    d: int
    c: int

    @abstractmethod
    def draw(self, key: NDArray[np.uint32], first: int, count: int) -> tuple[Floats, Floats]:
        """Samples first .. first + count - 1 of the endless training sequence: x (count, d), y (count, c)."""

    @abstractmethod
    def target(self, x: ArrayLike) -> Floats:
        """f_*(x) = E[y | x]: (Q, c) from x (Q, d)."""

    @abstractmethod
    def quadrature(self, order: int = QUADRATURE_ORDER) -> tuple[Floats, Floats]:
        """Nodes (Q, d) and weights (Q,), summing to 1, for expectations over x."""


class Teacher(Data):
    """x ~ N(0, scale^2 I_d) and y = f_*(x) = Phi_teacher(x), the prediction of a fixed ensemble.

    unit : the Unit of the teacher (and of its students).  particles : (n, p).  scale > 0.
    """

    def __init__(self, unit: Unit, particles: ArrayLike, scale: float = INPUT_SCALE, name: str = "teacher") -> None:
        z = np.asarray(particles, dtype=np.float64)
        if z.ndim != 2 or z.shape[1] != unit.p or not np.isfinite(z).all():
            raise MfsymError(f"teacher particles must be a finite array (n, {unit.p}), got shape {z.shape}")
        if not (np.isfinite(scale) and scale > 0):
            raise MfsymError(f"the input scale must be finite and positive, got {scale}")
        self.unit = unit
        self.particles = z
        self.scale = float(scale)
        self.name = name
        self.d, self.c = unit.d, unit.c

    def draw(self, key: NDArray[np.uint32], first: int, count: int) -> tuple[Floats, Floats]:
        x = self.scale * sequence_normals(key, first, count, self.d)
        return x, self.target(x)

    def target(self, x: ArrayLike) -> Floats:
        return self.unit.predict(x, self.particles)

    def quadrature(self, order: int = QUADRATURE_ORDER) -> tuple[Floats, Floats]:
        """Tensor Gauss-Hermite rule of ``order`` nodes per dimension: order^d nodes (at most 2 million)."""
        if order < 1 or order**self.d > 2_000_000:
            raise MfsymError(f"order^{self.d} must lie between 1 and 2e6 nodes, got order {order}; lower the order")
        return gauss_hermite(self.d, self.scale, order)


@lru_cache(maxsize=8)
def gauss_hermite(d: int, scale: float, order: int) -> tuple[Floats, Floats]:
    """Nodes (order^d, d) and weights of the tensor rule for N(0, scale^2 I_d), exact to degree 2 order - 1 each."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    weights = weights / weights.sum()
    x = np.stack(np.meshgrid(*[scale * nodes] * d, indexing="ij"), axis=-1).reshape(-1, d)
    w = np.prod(np.stack(np.meshgrid(*[weights] * d, indexing="ij"), axis=-1).reshape(-1, d), axis=1)
    x.setflags(write=False)
    w.setflags(write=False)
    return x, w


@lru_cache(maxsize=16)
def reference_unit(kind: str = "matrix", activation: str = "sigmoid") -> Unit:
    """The unit of the reference experiment: X = Y = R^2, C_2 acts by the swap of coordinates on both."""
    if kind not in UNITS:
        raise MfsymError(f"unit must be one of {', '.join(UNITS)}, got {kind!r}")
    swap = cyclic(2).permutation()
    return UNITS[kind](activation, swap, swap)


def reference_teacher(name: str, kind: str = "matrix", activation: str = "sigmoid") -> Teacher:
    """The reference teachers (Maass Martínez & Fontbona 2024, appendix F) with any unit on R^2 x R^2, p = 4.

    "arbitrary" : 5 particles without symmetry.  "wi" : those and their images under the group (10).
    "si" : 5 particles of E^G, given in its orthonormal basis.
    """
    if name not in TEACHERS:
        raise MfsymError(f"teacher must be one of {', '.join(TEACHERS)}, got {name!r}")
    unit = reference_unit(kind, activation)
    if name == "si":
        return Teacher(unit, _SI_COORDINATES @ unit.fixed_subspace.basis.T, name=name)
    particles = _ARBITRARY
    if name == "wi":
        particles = np.vstack([_ARBITRARY @ matrix.T for matrix in unit.action.matrices])
    return Teacher(unit, particles, name=name)
