"""Isotypic components: functions on a group split by real irreducible representations.

A square-integrable function T on G is the sum over irreducible representations a of T_a = (kappa_a / |G|) * T, with
the kernel kappa_a(g) = d_a chi_a(g); conjugate complex representations are taken together, so kernels are real. The
energies add up (Serre, Linear Representations of Finite Groups, theorem 8; Peter and Weyl for compact groups):

    mean_g |T(g)|^2 = sum_a e_a,    e_a = mean over g, h of kappa_a(g^-1 h) <T(g), T(h)>.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.groups.base import Elements, Floats, Group
from mfsym.groups.continuous import so, u1
from mfsym.groups.finite import FiniteGroup
from mfsym.streams import normals, stream_key

MAX_ORDER = 1024
"""Largest finite group that is split."""

SEPARATED = 1e-8
"""Eigenvalues nearer than this, relative to the largest, belong to one component."""


@dataclass(frozen=True)
class Component:
    """One isotypic component of functions on a group.

    name : "trivial"; or dimension and a letter, "1a", "2a": d of a complex irreducible representation, 2 d of a pair.
    rank : sum of squares of the dimensions of its complex irreducible representations: kappa at the identity.
    kernel : batch of elements -> values (n,) of kappa.
    """

    name: str
    rank: int
    kernel: Callable[[Elements], Floats]


def has_components(group: Group) -> bool:
    """Whether ``components`` splits by the irreps of a group."""
    return group.order <= MAX_ORDER if isinstance(group, FiniteGroup) else group in (so(2), u1(1), so(3))


def components(group: Group, degree: int = 0) -> tuple[Component, ...]:
    """The isotypic components of a group, the trivial one first.

    All of a finite group of at most MAX_ORDER elements; of SO(2), U(1) and SO(3) those up to ``degree`` (the charge m,
    or the l of the spherical harmonics). MfsymError for other groups.
    """
    if isinstance(group, FiniteGroup):
        if not has_components(group):
            raise MfsymError(f"{group.name} has {group.order} elements; at most {MAX_ORDER} are split by irreps")
        return _finite(group)
    if group in (so(2), u1(1)):
        return tuple(_charge(m) for m in range(degree + 1))
    if group == so(3):
        return tuple(_harmonics(degree_l) for degree_l in range(degree + 1))
    raise MfsymError(f"irreps are listed for finite groups, SO(2), U(1) and SO(3), got {group.name}")


def conjugacy_classes(group: FiniteGroup) -> NDArray[np.intp]:
    """(order,): the number of the class of every element; the identity's is 0."""
    everyone = np.arange(group.order)
    labels = np.full(group.order, -1)
    for element in everyone:
        if labels[element] < 0:
            moved = group.multiply(group.multiply(everyone, np.full_like(everyone, element)), group.inverse(everyone))
            labels[moved] = labels.max() + 1
    return labels


@lru_cache(maxsize=32)
def _finite(group: FiniteGroup) -> tuple[Component, ...]:
    """Burnside's class matrices, scaled to be normal; their symmetric parts commute and share the components.

    A combination at fixed random numbers has one eigenvalue a component (Dixon 1967, doi:10.1007/BF02162877), and the
    projection of the unit of the group algebra onto its eigenspace is kappa / |G|.
    """
    labels, everyone = conjugacy_classes(group), np.arange(group.order)
    count = int(labels.max()) + 1
    sizes = np.bincount(labels).astype(np.float64)
    firsts = np.array([int(np.flatnonzero(labels == c)[0]) for c in range(count)])
    factors = normals(stream_key(0, "haar"), 0, count, 1)[:, 0]
    mixed = np.zeros((count, count))
    inverses = group.inverse(everyone)
    for k, first in enumerate(firsts):
        rest = labels[group.multiply(inverses, np.full_like(everyone, first))]
        np.add.at(mixed[:, k], rest, factors[labels])
    scaled = mixed * np.sqrt(sizes[None, :] / sizes[:, None])
    values, vectors = np.linalg.eigh((scaled + scaled.T) / 2.0)
    edges = np.flatnonzero(np.diff(values) > SEPARATED * np.abs(values).max(initial=1.0)) + 1
    kernels = []
    for part in np.split(np.arange(count), edges):
        space = vectors[:, part]
        kernels.append(group.order * (space @ space[labels[0]])[labels] / np.sqrt(sizes[labels]))
    kernels.sort(key=lambda kernel: (np.abs(kernel - 1.0).max() > 0.5, round(kernel[0]), tuple(-np.rint(kernel))))
    return _named(kernels)


def _named(kernels: list[Floats]) -> tuple[Component, ...]:
    """Components with names in their order. rank = d^2, or 2 d^2 for a pair, which is never a square."""
    made, seen = [], dict[int, int]()
    for number, kernel in enumerate(kernels):
        rank = round(float(kernel[0]))
        single = round(np.sqrt(rank)) ** 2 == rank
        dimension = round(np.sqrt(rank if single else 2 * rank))
        letter = chr(ord("a") + seen.get(dimension, 0)) if seen.get(dimension, 0) < 26 else f"_{seen[dimension]}"
        seen[dimension] = seen.get(dimension, 0) + (number > 0)
        made.append(Component("trivial" if number == 0 else f"{dimension}{letter}", rank, _Values(kernel)))
    return tuple(made)


class _Values:
    """A kernel given by its values (order,)."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    def __call__(self, elements: Elements) -> Floats:
        return np.asarray(self.values[elements])


def _charge(m: int) -> Component:
    def kernel(elements: Elements) -> Floats:
        turned = (elements[..., 0, 0] + 1j * elements[..., 1, 0]) ** m
        return np.asarray(turned.real * (1.0 if m == 0 else 2.0))

    return Component("trivial" if m == 0 else f"charge {m}", 1 if m == 0 else 2, kernel)


def _harmonics(degree: int) -> Component:
    def kernel(elements: Elements) -> Floats:
        cosine = (np.trace(elements, axis1=-2, axis2=-1) - 1.0) / 2.0
        series = np.polynomial.chebyshev.chebval(cosine, [1.0, *[2.0] * degree])
        return np.asarray((2 * degree + 1) * series)

    return Component("trivial" if degree == 0 else f"l = {degree}", (2 * degree + 1) ** 2, kernel)
