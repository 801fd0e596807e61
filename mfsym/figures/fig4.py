"""Figure 4 of Maass Martínez & Fontbona 2024: final clouds from a strongly invariant start, weakly invariant teacher.

Reads one comparison of schemes: particles (scheme, [replicate,] particle, param), teacher_particles
(teacher_particle, param), fixed_basis (param, direction) with orthonormal columns that span E^G.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from mfsym.figures.clouds import scheme_clouds
from mfsym.figures.looks import USUAL, Look


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """figure 4: final clouds of all schemes, WI teacher."""
    return scheme_clouds(dataset, "wi", look)
