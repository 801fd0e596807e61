"""Figure 7 of Maass Martínez & Fontbona 2024: L² distance of the trained model to its own symmetrisation.

Reads one sweep with inits "si" and "wi", or two sweeps with one each (the results of figures 3 and 6):
l2_symmetrisation, status over (teacher, init, scheme, n, replicate). Rows: SI and WI start. Columns: teachers.
"""

from __future__ import annotations

from typing import Any

from boxes import model_figure
from matplotlib.figure import Figure
from style import main


def draw(*datasets: Any) -> Figure:
    """figure 7: L² distance of the final models to its own symmetrisation."""
    return model_figure(datasets, "l2_symmetrisation", r"$\Vert \Phi - Q_G\Phi \Vert$", "its own symmetrisation")


if __name__ == "__main__":
    main(draw)
