"""Figure 8 of Maass Martínez & Fontbona 2024: L² distance of the trained model to the target f_*.

Reads one sweep with inits "si" and "wi", or two sweeps with one each (the results of figures 3 and 6):
l2_target, status over (teacher, init, scheme, n, replicate). Rows: SI and WI start. Columns: teachers.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from mfsym.figures.boxes import model_figure
from mfsym.figures.looks import USUAL, Look


def draw(*datasets: Any, look: Look = USUAL) -> Figure:
    """figure 8: L² distance of the final models to the target f_*."""
    return model_figure(datasets, "l2_target", r"$\Vert \Phi - f_* \Vert$", "the target $f_*$", look)
