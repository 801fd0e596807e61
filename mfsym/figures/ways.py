"""Every way a group can enter on one problem: in the data, the prediction, the parameters or the read-out.

Reads risk_read, equivariance_error_read (scheme, readout, replicate), passes (the same) and passes_training (scheme,
replicate) of a comparison with read-outs.
Left: error against the forward passes that reading one input takes; right: departure from equivariance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import left_out_sentence, letter, needed, training_sentence, write_caption
from mfsym.plotting import Mark

READ = {
    "none": ("the model itself", "o"),
    "equitune": ("equitune", "s"),
    "equizero": ("equizero", "^"),
    "lambda": ("$\\lambda$", "D"),
}
"""Readout to its label and marker; others follow with the last one."""

NARROWEST = 2.6
"""Inches of a panel at least: in a narrower figure the second stands under the first."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """every way a group can enter, on one problem: error against cost."""
    needed(dataset, "risk_read", "equivariance_error_read", "passes", "passes_training")
    data = dataset.transpose("scheme", "readout", "replicate", ...)
    schemes, columns = look.schemes(data["scheme"].values), look.per_row(2, NARROWEST)
    figure = Figure(figsize=(look.across(WIDTH), 2.6 * (3 - columns)), layout="constrained")
    panels = figure.subplots(3 - columns, columns).ravel()
    for axes, name, label in (
        (panels[0], "risk_read", "risk"),
        (panels[1], "equivariance_error_read", "equivariance error"),
    ):
        _draw(axes, data, name, schemes)
        axes.set_ylabel(label)
    panels[0].set_yscale("log")
    if float(data["equivariance_error_read"].min()) < 1e-12:
        panels[1].set_yscale("symlog", linthresh=1e-6)
        panels[1].set_ylim(-4e-7, 3.0 * float(data["equivariance_error_read"].max()) + 1e-6)
    for k, axes in enumerate(panels):
        letter(axes, k)
        axes.set_xlabel("forward passes to read one input")
    figure.legend(handles=_handles(data, schemes), loc="outside upper left", ncols=5 if columns == 2 else 3)
    cost = ", ".join(
        f"{schemes[str(name)].label} {int(data['passes_training'].sel(scheme=name).values.max())}"
        for name in data["scheme"].values
    )
    write_caption(
        figure,
        "Means over replicates, bars: range; marks at one number of passes stand side by side.",
        f"Forward passes of one training sample: {cost}.",
        left_out_sentence(dataset),
        training_sentence(dataset),
    )
    return figure


def _draw(axes: Any, data: Any, variable: str, schemes: dict[str, Mark]) -> None:
    values, passes = data[variable].values, data["passes"].values
    names = [str(name) for name in data["scheme"].values]
    count = values.shape[0] * values.shape[1]
    for s, name in enumerate(names):
        for q, readout in enumerate(map(str, data["readout"].values)):
            good = values[s, q][np.isfinite(values[s, q])]
            if not good.size:
                continue
            shift = 2.0 ** (1.3 * ((s * values.shape[1] + q) / max(count - 1, 1) - 0.5))
            at, mean = float(passes[s, q].max()) * shift, float(good.mean())
            axes.errorbar(
                at,
                mean,
                yerr=[[mean - good.min()], [good.max() - mean]],
                marker=_marker(readout),
                color=schemes[name].colour,
                markersize=4.0,
                elinewidth=0.7,
                markeredgewidth=0.0,
            )
    axes.set_xscale("log", base=2)
    ticks = sorted({int(each) for each in passes.ravel()})
    axes.set_xticks(ticks, [str(each) for each in ticks])
    axes.minorticks_off()


def _marker(readout: str) -> str:
    return READ.get(readout, READ[readout.partition(":")[0]])[1]


def _handles(data: Any, schemes: dict[str, Mark]) -> list[Line2D]:
    """A coloured line for every scheme, a grey marker for every read-out."""
    colours = [Line2D([], [], color=mark.colour, linewidth=2.5, label=mark.label) for mark in schemes.values()]
    markers = [
        Line2D([], [], color="0.4", marker=_marker(name), linestyle="", label=READ.get(name, (name, ""))[0])
        for name in map(str, data["readout"].values)
    ]
    return colours + markers
