"""Dynamics modulo a group: the geometry of orbits, alignment, and noise that does not move along orbits.

A compact group G acts orthogonally on R^p. ``Quotient`` holds the geometry of the orbits: the horizontal projection,
their volume and its gradient, and alignment.
"""

from mfsym.quotients.distances import Coverage, Populations, as_weights, coverage, orbit_w2, populations
from mfsym.quotients.langevin import NOISES, STATUSES, CloudState, Confinement, Langevin
from mfsym.quotients.orbits import Quotient

__all__ = [
    "NOISES",
    "STATUSES",
    "CloudState",
    "Confinement",
    "Coverage",
    "Langevin",
    "Populations",
    "Quotient",
    "as_weights",
    "coverage",
    "orbit_w2",
    "populations",
]
