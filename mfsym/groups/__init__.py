"""Compact groups given by generators, with exact Haar sampling and quadrature."""

from mfsym.groups.base import Elements, Group, Quadrature
from mfsym.groups.catalogue import cyclic, dihedral, from_generators, signed_permutations, symmetric, trivial
from mfsym.groups.continuous import o, so, u1
from mfsym.groups.finite import FiniteGroup
from mfsym.groups.products import product

__all__ = [
    "Elements",
    "FiniteGroup",
    "Group",
    "Quadrature",
    "cyclic",
    "dihedral",
    "from_generators",
    "o",
    "product",
    "signed_permutations",
    "so",
    "symmetric",
    "trivial",
    "u1",
]
