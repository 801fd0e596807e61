"""Dynamics modulo a group: the geometry of orbits, alignment, and noise that does not move along orbits.

A compact group G acts orthogonally on R^p. ``Quotient`` holds the geometry of the orbits: the horizontal projection,
their volume and its gradient, and alignment.
"""

from mfsym.quotients.orbits import Quotient

__all__ = ["Quotient"]
