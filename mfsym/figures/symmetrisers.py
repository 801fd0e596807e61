"""Read-outs of models that know one side of a symmetry (Basu et al. 2023, arXiv:2305.09900).

Reads accuracy_upright (backbone, replicate), accuracy_read (backbone, readout, replicate); risk (replicate) and
risk_read (readout, replicate) of the student of half a domain.
Left: three models of upright digits on turned ones. Right: the student where it has never been.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.errors import MfsymError
from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import letter, needed, write_caption
from mfsym.plotting import TEXT_SIZE, Mark

MODELS = {
    "prototypes": Mark("cosine to prototypes", "#0072B2", "s"),
    "perceptron": Mark("network, stopped early", "#009E73", "o"),
    "overconfident": Mark("network, overconfident", "#D55E00", "^"),
}
HOWS = {
    "upright": "upright",
    "none": "turned",
    "equitune": "equitune",
    "equizero:max-score": "equizero,\nmax-score",
    "equizero:max-prob": "equizero,\nmax-prob",
    "lambda": "$\\lambda$",
}
STUDENT = {
    "seen": "its half",
    "none": "other half",
    "equitune": "equitune",
    "equizero:own": "equizero",
    "lambda": "$\\lambda$,\nlinear",
    "lambda:ensemble": "$\\lambda$,\nensemble",
}
NARROWEST = 3.0
"""Inches of a panel at least: in a narrower figure the second stands under the first."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """what read-outs make of models that know one side of a symmetry."""
    needed(dataset, "accuracy_upright", "accuracy_read", "risk", "risk_read")
    others = [str(name) for name in dataset["backbone"].values if str(name) not in MODELS]
    if others:
        raise MfsymError(
            f"the figure shows models of digits, got {', '.join(others)}; study those in a file of their own"
        )
    columns = look.per_row(2, NARROWEST)
    figure = Figure(figsize=(look.across(WIDTH), 2.4 * (3 - columns)), layout="constrained")
    left, right = figure.subplots(3 - columns, columns, width_ratios=(1.25, 1.0) if columns == 2 else None)
    _draw_digits(left, dataset)
    _draw_student(right, dataset)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=columns + 1)
    letter(left, 0)
    letter(right, 1)
    count = dataset.sizes["replicate"]
    write_caption(
        figure,
        "(a) Accuracy on digits turned by multiples of 90°, of models trained on upright ones; their accuracy on",
        "upright digits first. (b) Squared error of a student trained on half of a domain; dotted: a quarter of its",
        f"error on the other half. Points: {count} seed{'s' if count > 1 else ''}; bars: means.",
    )
    return figure


def _draw_digits(axes: Any, dataset: Any) -> None:
    read = dataset["accuracy_read"].transpose("backbone", "readout", "replicate")
    present = [str(name) for name in dataset["backbone"].values]
    places = np.arange(len(HOWS), dtype=float)
    for k, name in enumerate(present):
        mark = MODELS[name]
        one = read.sel(backbone=name)
        upright = dataset["accuracy_upright"].sel(backbone=name).values
        values = [upright if how == "upright" else one.sel(readout=how).values for how in HOWS]
        shift = 0.24 * (k - (len(present) - 1) / 2.0)
        _points(axes, places + shift, values, mark, 0.1)
    axes.set(ylim=(0.0, 1.0), ylabel="accuracy", xlim=(-0.5, len(HOWS) - 0.5))
    axes.set_xticks(places, list(HOWS.values()), fontsize=TEXT_SIZE - 1)


def _draw_student(axes: Any, dataset: Any) -> None:
    read = dataset["risk_read"].transpose("readout", "replicate")
    values = [dataset["risk"].values if name == "seen" else read.sel(readout=name).values for name in STUDENT]
    places = np.arange(len(STUDENT), dtype=float)
    _points(axes, places, values, Mark("student of half a domain", "0.25", "D"), 0.25)
    axes.axhline(float(np.mean(values[1])) / 4.0, color="0.5", linewidth=0.8, linestyle=":")
    axes.set(yscale="log", ylabel="mean squared error", xlim=(-0.5, len(STUDENT) - 0.5))
    axes.set_xticks(places, list(STUDENT.values()), fontsize=TEXT_SIZE - 1)


def _points(axes: Any, places: Any, values: list[Any], mark: Mark, half: float) -> None:
    """Every seed as a point, and a bar at the mean."""
    for place, each in zip(places, values, strict=True):
        axes.hlines(np.mean(each), place - half, place + half, color=mark.colour, linewidth=1.4)
    x = np.concatenate([np.full(len(each), place) for place, each in zip(places, values, strict=True)])
    axes.plot(
        x,
        np.concatenate(values),
        mark.marker,
        color=mark.colour,
        markersize=3.0,
        markeredgewidth=0.0,
        alpha=0.7,
        label=mark.label,
    )
