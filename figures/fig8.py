"""Figure 8 of Maass Martínez & Fontbona 2024: L² distance of the trained model to the target f_*.

Reads one sweep with inits "si" and "wi", or two sweeps with one each (the results of figures 3 and 6):
l2_target, status over (teacher, init, scheme, n, replicate). Rows: SI and WI start. Columns: teachers.
"""

from __future__ import annotations

from typing import Any

from boxes import model_figure
from matplotlib.figure import Figure
from style import main


def draw(*datasets: Any) -> Figure:
    """figure 8: L² distance of the final models to the target f_*."""
    return model_figure(datasets, "l2_target", r"$\Vert \Phi - f_* \Vert$", "the target $f_*$")


if __name__ == "__main__":
    main(draw)
