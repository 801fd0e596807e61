"""Figure 6 of Maass Martínez & Fontbona 2024: laws trained from a weakly invariant start, against N.

Reads a sweep with init "wi": rmd2_symmetrised, rmd2_pair, status over (teacher, init, scheme, n, replicate).
Rows: RMD² to the symmetrised law; vanilla, DA and FA pair by pair; each scheme against EA. Columns: teachers.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from mfsym.figures.boxes import start_figure
from mfsym.figures.looks import USUAL, Look


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """figure 6: distances of the final laws from a WI start."""
    opening = (
        "Gaussian start (WI), full noise; EA has its start and noise projected on $E^G$; distances of the final laws."
    )
    return start_figure(dataset, "wi", "rmd2_symmetrised", "RMD$^2$ to symmetrised law", opening, look)
