"""Wasserstein distances between point clouds: exact W2 with a certificate, approximations, distances under groups."""

from mfsym.transport.approximations import sinkhorn, sliced
from mfsym.transport.distances import METHODS, rmd2, w2, w2_along
from mfsym.transport.entropies import Entropy, knn_entropy
from mfsym.transport.exact import memory_estimate
from mfsym.transport.moments import rmd2_from, second_moment
from mfsym.transport.results import Plan, W2Result
from mfsym.transport.symmetry import (
    WIDistance,
    distance_to_wi,
    quotient_w2,
    symmetrised_atoms,
    w2_to_si,
    w2_to_symmetrised,
)

__all__ = [
    "METHODS",
    "Entropy",
    "Plan",
    "W2Result",
    "WIDistance",
    "distance_to_wi",
    "knn_entropy",
    "memory_estimate",
    "quotient_w2",
    "rmd2",
    "rmd2_from",
    "second_moment",
    "sinkhorn",
    "sliced",
    "symmetrised_atoms",
    "w2",
    "w2_along",
    "w2_to_si",
    "w2_to_symmetrised",
]
