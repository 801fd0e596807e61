"""Figure 4 of Maass Martínez & Fontbona 2024: final clouds from a strongly invariant start, weakly invariant teacher.

Reads one comparison of schemes: particles (scheme, [replicate,] particle, param), teacher_particles
(teacher_particle, param), fixed_basis (param, direction) with orthonormal columns that span E^G.
"""

from __future__ import annotations

from typing import Any

from clouds import scheme_clouds
from matplotlib.figure import Figure
from style import main


def draw(dataset: Any) -> Figure:
    """figure 4: final clouds of all schemes, WI teacher."""
    return scheme_clouds(dataset, "wi")


if __name__ == "__main__":
    main(draw)
