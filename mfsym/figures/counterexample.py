"""Strongly invariant laws can be strictly worse (Maass Martínez & Fontbona 2024, proposition 4).

Reads risk (law, n, replicate) with law "si" and "wi"; profile (law, radius): the model of the largest N along |x|;
target (radius); the attribute si_infimum, the least risk of any SI law.
Left: risk against N. Right: what the two kinds of model can express.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.boxes import draw_boxes, draw_errors
from mfsym.figures.looks import USUAL, Look
from mfsym.figures.scales import Row, Series, numbers_axis, put_scale, scale_of
from mfsym.figures.style import letter, needed, training_sentence, write_caption
from mfsym.plotting import Mark

LAWS = {"si": Mark("SI laws", "#CC79A7", "v"), "wi": Mark("WI laws", "#0072B2", "s")}

NARROWEST = 2.2
"""Least width of a panel, in inches: in a narrower figure the second panel goes below the first."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """the counterexample in which every SI law is worse than WI laws."""
    infimum = float(dataset.attrs["si_infimum"])
    needed(dataset, "risk", "profile", "target")
    laws = {law: mark for law, mark in LAWS.items() if law in dataset["law"].values}
    columns = look.per_row(2, NARROWEST)
    figure = Figure(figsize=(look.across(5.4), 2.3 * (3 - columns)), layout="constrained")
    left, right = figure.subplots(3 - columns, columns)
    risk = dataset["risk"].transpose("law", "n", "replicate")
    row = Row("risk", [[Series(mark, risk.sel(law=law).values) for law, mark in laws.items()]], rounding=0.0)
    n = np.asarray(dataset["n"].values, dtype=float)
    numbers_axis(left, n)
    put_scale(left, scale_of(row), row.rounding)
    draw_boxes(left, n, row.columns[0])
    if "risk_error" in dataset:
        stated = dataset["risk_error"].transpose("law", "n", "replicate")
        draw_errors(left, n, row.columns[0], [stated.sel(law=law).values for law in laws])
    left.axhline(infimum, color="black", linewidth=0.8, linestyle=(0, (4, 2)))
    left.set(xlabel="number of particles $N$", ylabel="population risk")
    radius = dataset["radius"].values
    right.plot(radius, dataset["target"].values, color="0.75", linewidth=3.0, label="target")
    for law, mark in laws.items():
        values = dataset["profile"].sel(law=law).transpose("radius").values
        right.plot(radius, values, color=mark.colour, label=mark.label)
    right.set(xlabel="$|x|$", ylabel="prediction", xlim=(radius[0], radius[-1]))
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    letter(left, 0)
    letter(right, 1)
    least = f"Dashed in (a): the least risk of any SI law, {infimum:.6f}; every SI model is a constant."
    write_caption(figure, least, "Boxes: quartiles over replicates, whiskers: range.", training_sentence(dataset))
    return figure
