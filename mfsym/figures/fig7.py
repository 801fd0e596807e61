"""Figure 7 of Maass Martínez & Fontbona 2024: L² distance of the trained model to its own symmetrisation.

Reads one sweep with inits "si" and "wi", or two sweeps with one each (the results of figures 3 and 6):
l2_symmetrisation, status over (teacher, init, scheme, n, replicate). Rows: SI and WI start. Columns: teachers.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from mfsym.figures.boxes import model_figure
from mfsym.figures.looks import USUAL, Look


def draw(*datasets: Any, look: Look = USUAL) -> Figure:
    """figure 7: L² distance of the final models to their own symmetrisation."""
    return model_figure(datasets, "l2_symmetrisation", r"$\Vert \Phi - Q_G\Phi \Vert$", "its own symmetrisation", look)
