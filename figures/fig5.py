"""Figure 5 of Maass Martínez & Fontbona 2024: final clouds from a strongly invariant start, arbitrary teacher.

Reads one comparison of schemes: particles (scheme, [replicate,] particle, param), teacher_particles
(teacher_particle, param), fixed_basis (param, direction) with orthonormal columns that span E^G.
"""

from __future__ import annotations

from typing import Any

from clouds import scheme_clouds
from matplotlib.figure import Figure
from style import main


def draw(dataset: Any) -> Figure:
    """figure 5: final clouds of all schemes, arbitrary teacher."""
    return scheme_clouds(dataset, "arbitrary")


if __name__ == "__main__":
    main(draw)
