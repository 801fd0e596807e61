"""Figure 1 of Maass Martínez & Fontbona 2024: distances of trained laws against N, in short.

Reads one sweep with inits "si" and "wi", or two sweeps with one each (the results of figures 3 and 6): rmd2_si,
rmd2_symmetrised, rmd2_pair, status over (teacher, init, scheme, n, replicate). Rows: SI and WI start.
Columns: RMD² to the own projection on E^G (SI start) or to the symmetrised law (WI start), then pairs of schemes, each
for the arbitrary and the WI teacher.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.boxes import draw_bands, grid, null_band, null_sentence, pair_series, scheme_series, select
from mfsym.figures.looks import USUAL, Look
from mfsym.figures.scales import Row, shelf_sentence
from mfsym.figures.style import STARTS, left_out_sentence, teachers_of, training_sentence, write_caption

OWN_LAW = {"si": "rmd2_si", "wi": "rmd2_symmetrised"}
LEFT_OUT = ("si",)
"""Teachers that the figure of the paper does not show."""


def draw(*datasets: Any, look: Look = USUAL) -> Figure:
    """figure 1: distances of the final laws, SI and WI start, arbitrary and WI teacher."""
    rows, parts = [], []
    for init, law in OWN_LAW.items():
        start = select(datasets, init=init)
        shown = {teacher: title for teacher, title in teachers_of(start).items() if teacher not in LEFT_OUT}
        row = [start.sel(teacher=teacher) for teacher in shown]
        columns = [scheme_series(part, law, look) for part in row] + [pair_series(part, look) for part in row]
        found = [null_band(part) for part in row] if law == "rmd2_symmetrised" else []
        bands = [band for band in found if band is not None]
        rows.append(Row(f"{STARTS[init]}, RMD$^2$", columns, bands=bands))
        parts += row
    titles = [f"{title},\n{what}" for what in ("own symmetry", "between schemes") for title in shown.values()]
    figure = grid(rows, titles, np.asarray(parts[0]["n"].values), look, draw=draw_bands, height=1.55)
    write_caption(
        figure,
        "Own symmetry: final law to its projection on $E^G$ (SI start) or to its symmetrised law (WI start).",
        "Lines: medians over replicates, bands: quartiles.",
        null_sentence(rows),
        shelf_sentence(rows),
        left_out_sentence(*parts),
        training_sentence(datasets[0]),
    )
    return figure
