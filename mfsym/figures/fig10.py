"""Figure 10 of Maass Martínez & Fontbona 2024: discovering E^G, the RMD² before and after each step.

Reads one discovery: rmd2 (step) or (replicate, step) after training, threshold and left of the same dimensions or over
step only; rmd2_before, verdict and, of a rule that compares another number with its threshold, statistic, if there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfsym.figures.looks import USUAL, Look
from mfsym.figures.scales import ROUNDING, Row, Series, put_scale, scale_of, shelf_sentence
from mfsym.figures.style import needed, training_sentence, write_caption
from mfsym.plotting import Mark

BEFORE = Mark("before training", "#999999", "o")
LEFT = Mark("after training, subspace left", "#D55E00", "^")
KEPT = Mark("after training, subspace kept", "#0072B2", "s")
UNDECIDED = Mark("after training, undecided", "#CC79A7", "D")


def _by_step(dataset: Any, name: str) -> NDArray[np.float64]:
    """A variable as (replicate, step)."""
    return np.atleast_2d(needed(dataset.transpose(..., "step"), name)[0])


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """figure 10: RMD² of the discovery heuristic by step, with its threshold."""
    after, threshold = _by_step(dataset, "rmd2"), _by_step(dataset, "threshold")
    left = np.broadcast_to(_by_step(dataset, "left"), after.shape) > 0
    undecided = np.zeros_like(left)
    if "verdict" in dataset:
        verdicts = np.atleast_2d(dataset["verdict"].transpose(..., "step").values)
        undecided = np.broadcast_to(verdicts == "undecided", after.shape)
    before = _by_step(dataset, "rmd2_before") if "rmd2_before" in dataset else np.zeros_like(after)
    series = [
        Series(BEFORE, np.broadcast_to(before, after.shape)),
        Series(LEFT, np.where(left, after, np.nan)),
        Series(KEPT, np.where(left | undecided, np.nan, after)),
    ]
    series += [Series(UNDECIDED, np.where(undecided, after, np.nan))] if undecided.any() else []
    others = [Series(BEFORE, _by_step(dataset, name)) for name in ("threshold", "statistic") if name in dataset]
    row = Row("RMD$^2$ to the projection on $E_j$", [[*series, *others]])
    figure = Figure(figsize=(look.across(3.4), 2.4), layout="constrained")
    axes = figure.subplots()
    scale = scale_of(row)
    put_scale(axes, scale, row.rounding)
    steps = np.arange(after.shape[1])
    for shift, (mark, values) in zip((-0.12, 0.12, 0.12, 0.12), scale.place(series, ROUNDING), strict=False):
        spread = shift + np.linspace(-0.06, 0.06, len(values))[:, None] * (len(values) > 1)
        x = np.broadcast_to(steps[None, :] + spread, values.shape)
        axes.plot(x.ravel(), values.ravel(), mark.marker, color=mark.colour, markersize=4.0, mew=0, label=mark.label)
    if "statistic" in dataset and not np.array_equal(_by_step(dataset, "statistic"), after):
        ((_, values),) = scale.place([Series(BEFORE, _by_step(dataset, "statistic"))], ROUNDING)
        x = np.broadcast_to(steps, values.shape)
        axes.plot(x.ravel(), values.ravel(), "x", color="black", markersize=3.5, label="statistic of the rule")
    limits = np.nanmedian(threshold, axis=0)
    axes.hlines(
        limits, steps - 0.4, steps + 0.4, color="black", linewidth=0.8, linestyle=(0, (4, 2)), label="threshold"
    )
    axes.set_xticks(steps)
    axes.set(xlabel="step $j$", ylabel=row.label, xlim=(-0.5, len(steps) - 0.5))
    figure.legend(loc="outside upper center", ncols=2)
    answer = f"{dataset.attrs['verdict']}: {dataset.attrs['reason']}." if "verdict" in dataset.attrs else ""
    write_caption(figure, shelf_sentence([row]), answer, training_sentence(dataset))
    return figure
