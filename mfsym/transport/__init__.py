"""Distances between clouds of particles: exact W2 with a certificate, and what is built on it."""

from mfsym.transport.approximations import sinkhorn, sliced
from mfsym.transport.distances import METHODS, quotient_w2, rmd2, w2
from mfsym.transport.moments import rmd2_from, second_moment
from mfsym.transport.results import Plan, W2Result

__all__ = [
    "METHODS",
    "Plan",
    "W2Result",
    "quotient_w2",
    "rmd2",
    "rmd2_from",
    "second_moment",
    "sinkhorn",
    "sliced",
    "w2",
]
