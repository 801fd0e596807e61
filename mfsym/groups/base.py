"""The interface of every compact group: generators, Haar measure, quadrature and natural representations.

A group comes with a faithful orthogonal *defining* representation on R^k. Elements are passed in batches: indices (n,)
for a finite group, defining matrices (n, k, k) for a continuous one. Other code (representations, units, schemes)
treats batches as opaque and passes them back to the group.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.representations import Representation, natural
from mfsym.representations.core import from_matrices
from mfsym.representations.harmonics import wigner
from mfsym.typing import Elements, Floats

MEMBERSHIP_TOLERANCE = 1e-8
"""Largest distance allowed between a caller's matrix and the group or Lie algebra it must belong to."""


@dataclass(frozen=True)
class Quadrature:
    """A rule for the Haar integral: integral of f over G ~ sum_k weights_k f(elements_k).

    elements : batch of K elements.  weights : (K,), positive, summing to 1.
    exact : whether the rule is the integral itself (a sum over a finite group).
    degree : polynomials in the entries of the defining matrix are integrated exactly up to this degree; None if exact.
    """

    elements: Elements
    weights: Floats
    exact: bool
    degree: int | None = None

    def __len__(self) -> int:
        return int(self.weights.shape[0])


class Group(ABC):
    """A compact group given by discrete generators and a basis of its Lie algebra.

    name : str.  order : number of elements, None if infinite.  dimension : of the Lie algebra, 0 if finite.
    degree : k, the size of the defining matrices.  generators : batch of discrete generators.
    generator_names : one short name each.
    generator_defining : (m, k, k) their defining matrices.
    algebra : (a, k, k) basis of the Lie algebra, antisymmetric matrices; a = 0 if finite.
    factors : of a direct product, else empty.
    planes : number of circle factors, which is the number of charges of a representation on the plane.
    has_harmonics : whether its irreducible representations are those on the spherical harmonics of R^3.

    The generators and exp of the algebra together generate the group (topologically).
    """

    name: str
    order: int | None
    degree: int
    generators: Elements
    generator_names: tuple[str, ...]
    generator_defining: Floats
    algebra: Floats
    factors: tuple[Group, ...] = ()
    planes: int = 0
    has_harmonics: bool = False

    @property
    def dimension(self) -> int:
        """Dimension of the Lie algebra; 0 for a finite group."""
        return int(self.algebra.shape[0])

    @property
    @abstractmethod
    def identity(self) -> Elements:
        """The identity element (one element, not a batch)."""

    @abstractmethod
    def multiply(self, a: Elements, b: Elements) -> Elements:
        """Products a_i b_i of two batches (or of an element and a batch)."""

    @abstractmethod
    def inverse(self, a: Elements) -> Elements:
        """Inverses of a batch."""

    @abstractmethod
    def element_name(self, element: Elements) -> str:
        """A short readable name of one element."""

    @abstractmethod
    def haar(self, key: NDArray[np.uint32], step: int, n: int) -> Elements:
        """n independent draws from the Haar measure: a pure function of (key, step), see ``mfsym.streams``."""

    @abstractmethod
    def quadrature(self, order: int | None = None) -> Quadrature:
        """A rule for the Haar integral; ``order`` is the degree it must integrate exactly (ignored if finite)."""

    @abstractmethod
    def defining(self, elements: Elements) -> Floats:
        """Defining matrices (n, k, k) of a batch."""

    @abstractmethod
    def find(self, matrices: Floats) -> Elements:
        """The elements with defining matrices ``matrices`` (n, k, k); MfsymError if one is not in the group."""

    @abstractmethod
    def evaluator(self, generators: Floats, algebra: Floats) -> Any:
        """The homomorphism that maps generators and algebra to the given matrices, as a callable: batch -> (n, q,
        q)."""

    def algebra_coordinates(self, matrices: ArrayLike) -> Floats:
        """Coordinates (n, a) of Lie algebra elements (n, k, k) in the basis; MfsymError if one is not in its span."""
        given = as_floats(matrices, "Lie algebra matrices")
        flat, basis = given.reshape(-1, self.degree**2), self.algebra.reshape(-1, self.degree**2)
        coordinates = flat @ np.linalg.pinv(basis)
        error = float(np.abs(coordinates @ basis - flat).max(initial=0.0))
        if error > MEMBERSHIP_TOLERANCE:
            raise MfsymError(f"matrices must lie in the Lie algebra of {self.name}: their distance is {error:.1e}")
        return np.asarray(coordinates)

    def natural(self, name: str) -> Floats | None:
        """Generator matrices (m, q, q) of the natural representation "permutation" or "sign", None if there is none.

        By default the sign is the determinant of the defining matrix.
        """
        return np.linalg.det(self.generator_defining).round()[:, None, None] if name == "sign" else None

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Group)
            and (self.name, self.order, self.degree) == (other.name, other.order, other.degree)
            and np.array_equal(self.generator_defining, other.generator_defining)
            and np.array_equal(self.algebra, other.algebra)
        )

    def __hash__(self) -> int:
        return hash((self.name, self.order, self.degree))

    def __repr__(self) -> str:
        size = f"order {self.order}" if self.order is not None else f"dimension {self.dimension}"
        return f"<Group {self.name}, {size}, defined on R^{self.degree}>"

    def representation(
        self, generators: ArrayLike | Sequence[ArrayLike], algebra: ArrayLike | None = None, name: str = "rho"
    ) -> Representation:
        """The orthogonal representation with these generator matrices (m, q, q) and Lie algebra matrices (a, q, q).

        MfsymError naming the element if a matrix is not orthogonal or products are not preserved.
        """
        return from_matrices(self, generators, algebra, name=name)

    def trivial(self, n: int = 1) -> Representation:
        """The trivial representation on R^n: every element acts as the identity."""
        return natural.trivial(self, n)

    def vector(self) -> Representation:
        """The defining representation on R^k."""
        return natural.vector(self)

    def permutation(self) -> Representation:
        """The natural permutation representation: C_n shifts n points, D_n permutes n corners, S_n n coordinates."""
        return natural.permutation(self)

    def sign(self) -> Representation:
        """The sign on R^1: parity for C_n and S_n, the determinant of the defining matrix otherwise."""
        return natural.sign(self)

    def regular(self) -> Representation:
        """The regular representation of a finite group: g maps e_h to e_{g h}, in the order of enumeration."""
        return natural.regular(self)

    def charge(self, *charges: int) -> Representation:
        """Rotation of the plane by sum_j m_j angle_j: irreducible representations of SO(2), O(2) and U(1)^k."""
        return natural.charge(self, *charges)

    def count(self, elements: Elements) -> int:
        """Number of elements in a batch of any shape."""
        return int(np.size(elements)) // (1 if self.order is not None else self.degree**2)

    def irrep(self, degree: int, parity: int | None = None) -> Representation:
        """The irreducible representation of SO(3) or O(3) on R^(2l+1), l = ``degree``: see ``harmonics.wigner``."""
        return wigner(self, degree, parity)
