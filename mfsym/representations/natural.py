"""The natural representations of a group: trivial, vector, permutation, sign, regular, charges."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError
from mfsym.representations.core import Representation, check_room, from_matrices
from mfsym.typing import Elements, Floats

if TYPE_CHECKING:
    from mfsym.groups import Group


def trivial(group: Group, n: int = 1) -> Representation:
    """The trivial representation on R^n: every element acts as the identity."""
    n = as_whole(n, "n of trivial", 1)
    check_room(group, n, "the trivial representation")
    generators = np.broadcast_to(np.eye(n), (len(group.generator_names), n, n))
    algebra = np.zeros((group.dimension, n, n))
    return Representation(group, generators, algebra, partial(_evaluate_trivial, group, n), f"trivial({n})")


def vector(group: Group) -> Representation:
    """The defining representation on R^k."""
    return Representation(group, group.generator_defining, group.algebra, group.defining, "vector")


def permutation(group: Group) -> Representation:
    """The natural permutation representation; MfsymError if the group has none."""
    matrices = group.natural("permutation")
    if matrices is None:
        raise MfsymError(f"{group.name} has no natural permutation representation; give matrices to .representation()")
    return from_matrices(group, matrices, name="permutation")


def sign(group: Group) -> Representation:
    """The sign on R^1: parity for C_n and S_n, the determinant of the defining matrix otherwise."""
    matrices = group.natural("sign")
    if matrices is not None and group.order is not None:
        return from_matrices(group, matrices, name="sign")
    generators = np.linalg.det(group.generator_defining).reshape(-1, 1, 1)
    return Representation(group, generators, np.zeros((group.dimension, 1, 1)), partial(_evaluate_sign, group), "sign")


def regular(group: Group) -> Representation:
    """The regular representation on R^order: g maps e_h to e_(g h). Finite groups only."""
    order = group.order
    if order is None:
        raise MfsymError(f"the regular representation needs a finite group, got {group.name}")
    check_room(group, order, "the regular representation")
    evaluate = partial(_evaluate_regular, group, order)
    algebra = np.zeros((0, order, order))
    return Representation(group, evaluate(group.generators), algebra, evaluate, "regular")


def charge(group: Group, *charges: int) -> Representation:
    """Rotation of the plane by sum_j m_j angle_j, for SO(2), O(2) (one charge) or U(1)^k (k charges).

    The reflection s of O(2) acts as diag(1, -1). Irreducible over the reals unless every charge is 0.
    """
    if not group.planes:
        raise MfsymError(f"charge(...) needs SO(2), O(2) or U(1)^k, got {group.name}")
    if len(charges) != group.planes:
        raise MfsymError(f"{group.name} needs {group.planes} charges, got {len(charges)}")
    whole = [as_whole(m, "a charge") for m in charges]
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    generators = np.broadcast_to(np.diag([1.0, -1.0]), (len(group.generator_names), 2, 2))
    algebra = np.array(whole, dtype=np.float64)[:, None, None] * turn
    name = f"charge({', '.join(map(str, whole))})"
    return Representation(group, generators, algebra, partial(_evaluate_charge, np.array(whole)), name)


def _evaluate_trivial(group: Group, n: int, elements: Elements) -> Floats:
    shape = group.defining(elements).shape[:-2]
    return np.broadcast_to(np.eye(n), (*shape, n, n)).copy()


def _evaluate_sign(group: Group, elements: Elements) -> Floats:
    return np.asarray(np.linalg.det(group.defining(elements)).round()[..., None, None])


def _evaluate_regular(group: Group, order: int, elements: Elements) -> Floats:
    everyone, flat = np.arange(order), np.asarray(elements).reshape(-1, 1)
    matrices = np.zeros((len(flat), order, order))
    matrices[np.arange(len(flat))[:, None], group.multiply(flat, everyone), everyone] = 1.0
    return matrices.reshape(*np.shape(elements), order, order)


def _evaluate_charge(charges: NDArray[np.int64], elements: Elements) -> Floats:
    """Powers of the complex numbers in the planes' first columns; improper elements flip the second axis."""
    even = np.arange(0, elements.shape[-1], 2)
    phases = elements[..., even, even] + 1j * elements[..., even + 1, even]
    turned = np.prod(phases**charges, axis=-1)
    flip = np.linalg.det(elements)
    first = np.stack([turned.real, turned.imag], axis=-1)
    second = np.stack([-turned.imag, turned.real], axis=-1) * flip[..., None]
    return np.stack([first, second], axis=-1)
