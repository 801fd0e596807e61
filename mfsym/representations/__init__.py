"""Orthogonal representations of compact groups and the subspaces they fix."""

from mfsym.representations.core import Representation, from_matrices, hom
from mfsym.representations.harmonics import wigner
from mfsym.representations.natural import charge, permutation, regular, sign, trivial, vector
from mfsym.representations.subspaces import Subspace, null_space, whole

__all__ = [
    "Representation",
    "Subspace",
    "charge",
    "from_matrices",
    "hom",
    "null_space",
    "permutation",
    "regular",
    "sign",
    "trivial",
    "vector",
    "whole",
    "wigner",
]
