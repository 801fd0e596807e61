"""Figure 9 of Maass Martínez & Fontbona 2024: L² distance of the trained model to the symmetrised target.

Reads one sweep with inits "si" and "wi", or two sweeps with one each (the results of figures 3 and 6):
l2_symmetrised_target, status over (teacher, init, scheme, n, replicate). Rows: SI and WI start. Columns: teachers.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from mfsym.figures.boxes import model_figure
from mfsym.figures.looks import USUAL, Look


def draw(*datasets: Any, look: Look = USUAL) -> Figure:
    """figure 9: L² distance of the final models to the symmetrised target."""
    return model_figure(
        datasets, "l2_symmetrised_target", r"$\Vert \Phi - Q_G f_* \Vert$", "the symmetrised target $Q_G f_*$", look
    )
