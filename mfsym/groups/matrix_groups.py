"""Groups whose elements are stored as matrices, and homomorphisms defined on generators and Lie algebra."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.groups.base import MEMBERSHIP_TOLERANCE, Group
from mfsym.groups.rotations import exponentials
from mfsym.streams import stream_key
from mfsym.typing import Elements, Floats

_CHECKS = 24


class MatrixGroup(Group):
    """A continuous group whose elements are its defining matrices, batches (n, k, k)."""

    def __init__(self, name: str, algebra: Floats, generators: Floats, generator_names: Sequence[str]) -> None:
        self.name = name
        self.order = None
        self.degree = algebra.shape[-1]
        self.algebra = algebra
        self.generators = self.generator_defining = generators
        self.generator_names = tuple(generator_names)

    @property
    def identity(self) -> Elements:
        """The (k, k) identity matrix."""
        return np.eye(self.degree)

    def multiply(self, a: Elements, b: Elements) -> Elements:
        """Matrix products a_i b_i."""
        return np.asarray(a @ b)

    def inverse(self, a: Elements) -> Elements:
        """Transposes."""
        return np.swapaxes(a, -1, -2)

    def defining(self, elements: Elements) -> Floats:
        """The elements themselves."""
        matrices = as_floats(elements, f"elements of {self.name}")
        if matrices.shape[-2:] != (self.degree, self.degree):
            raise MfsymError(f"elements of {self.name} are {self.degree}x{self.degree} matrices, got {matrices.shape}")
        return matrices

    def find(self, matrices: Floats) -> Elements:
        """The matrices themselves; MfsymError if one is not in the group."""
        given = self.defining(matrices)
        misses = self.distance(given.reshape(-1, self.degree, self.degree))
        if misses.size and not misses.max() <= MEMBERSHIP_TOLERANCE:
            raise MfsymError(
                f"matrix {int(misses.argmax())} must lie in {self.name}: its distance is {misses.max():.1e}"
            )
        return given

    def element_name(self, element: Elements) -> str:
        """The matrix, to three digits."""
        return np.array2string(np.asarray(element), precision=3, suppress_small=True).replace("\n", "")

    @abstractmethod
    def distance(self, matrices: Floats) -> Floats:
        """Distance (n,) from each matrix (n, k, k) to the group, in the maximum norm."""


class LieGroup(MatrixGroup):
    """A MatrixGroup whose elements factorise: generators[component - 1] . exp(sum_a coordinates_a algebra_a).

    Component 0 is the connected component of the identity: it has no generator.
    """

    def evaluator(self, generators: Floats, algebra: Floats) -> Callable[[Elements], Floats]:
        """rho(g) by factorising g; MfsymError naming the element if products are not preserved."""
        return checked_homomorphism(self, Exponential(self, generators, algebra))

    @abstractmethod
    def factorise(self, elements: Elements) -> tuple[NDArray[np.intp], Floats]:
        """Components (n,) and Lie algebra coordinates (n, a) of a batch."""


class Exponential:
    """The homomorphism of a LieGroup with given values on its generators (m, q, q) and Lie algebra (a, q, q)."""

    def __init__(self, group: LieGroup, generators: Floats, algebra: Floats) -> None:
        self.group, self.generators, self.algebra = group, generators, algebra

    def __call__(self, elements: Elements) -> Floats:
        flat = np.asarray(elements).reshape(-1, self.group.degree, self.group.degree)
        component, coordinates = self.group.factorise(flat)
        values = exponentials(np.tensordot(coordinates, self.algebra, axes=1))
        for k, generator in enumerate(self.generators):
            chosen = component == k + 1
            values[chosen] = generator @ values[chosen]
        return np.asarray(values.reshape(*np.shape(elements)[:-2], *self.algebra.shape[1:]))


def checked_homomorphism(group: Group, candidate: Callable[[Elements], Floats]) -> Callable[[Elements], Floats]:
    """``candidate``, if it preserves products on fixed Haar draws; otherwise MfsymError naming the element."""
    a, b = (group.haar(stream_key(0, "haar"), step, _CHECKS) for step in (0, 1))
    error = np.abs(candidate(a) @ candidate(b) - candidate(group.multiply(a, b))).max(axis=(1, 2), initial=0.0)
    worst = int(np.argmax(error))
    if not error[worst] <= MEMBERSHIP_TOLERANCE:
        raise MfsymError(
            f"matrices must preserve the products of {group.name}: max|rho(g) rho(h) - rho(g h)| = {error[worst]:.1e} "
            f"for g = {group.element_name(a[worst])}; check the Lie algebra matrices and their scale"
        )
    return candidate
