"""Figure 3 of Maass Martínez & Fontbona 2024: laws trained from a strongly invariant start, against N.

Reads a sweep with init "si": rmd2_si, rmd2_pair, status over (teacher, init, scheme, n, replicate).
Rows: RMD² to the projection on E^G; vanilla, DA and FA pair by pair; each scheme against EA. Columns: teachers.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from mfsym.figures.boxes import start_figure
from mfsym.figures.looks import USUAL, Look


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """figure 3: distances of the final laws from an SI start."""
    opening = "Start in $E^G$ (SI), noise projected on $E^G$; distances of the final laws."
    return start_figure(dataset, "si", "rmd2_si", "RMD$^2$ to $E^G$", opening, look)
