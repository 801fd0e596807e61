"""Training modulo the group: the second moment and the risk under each noise that the orbits of particles shape.

Reads one simulation of each noise: particles (time, particle, param), risk (time) and the attribute noise.
Left: E|z|^2 over time. Right: the risk. Noises with the same law on the quotient agree in both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.errors import MfsymError
from mfsym.figures.looks import USUAL, Look
from mfsym.figures.style import NO_BREAK, letter, needed, training_sentence, write_caption
from mfsym.plotting import TEXT_SIZE

NOISES = {
    "isotropic": ("isotropic", "0.6", "-", 3.0),
    "quotient": ("quotient", "#0072B2", "-", 1.2),
    "drift-form": ("drift form", "#E69F00", (0, (4, 2)), 1.2),
    "horizontal": ("horizontal", "#D55E00", "-", 1.2),
}
"""Noise to its label, colour, dashes and width of line."""

NARROWEST = 2.2
"""Least width of a panel, in inches: in a narrower figure the second panel goes below the first."""

ERRORS = 2.0
"""Standard errors on either side of a mean that are shaded."""


def draw(*datasets: Any, look: Look = USUAL) -> Figure:
    """the second moment and the risk of a mean-field flow under every noise modulo the group."""
    runs = {str(dataset.attrs.get("noise", "")): dataset for dataset in datasets}
    unknown = [name for name in runs if name not in NOISES]
    if unknown or len(runs) < len(datasets):
        raise MfsymError(f"the figure needs simulations of different noises out of {', '.join(NOISES)}, got {[*runs]}")
    columns = look.per_row(2, NARROWEST)
    figure = Figure(figsize=(look.across(5.4), 2.3 * (3 - columns)), layout="constrained")
    left, right = figure.subplots(3 - columns, columns, squeeze=False).ravel()
    means = {}
    for name in (each for each in NOISES if each in runs):
        label, colour, dashes, width = NOISES[name]
        z, risk = needed(runs[name].transpose("time", "particle", "param", ...), "particles", "risk")
        time, squares = runs[name]["time"].values, np.square(z).sum(axis=2)
        means[name] = squares.mean(axis=1)
        error = ERRORS * squares.std(axis=1) / np.sqrt(squares.shape[1])
        line = {"color": colour, "linestyle": dashes, "linewidth": width, "label": label}
        left.fill_between(time, means[name] - error, means[name] + error, color=colour, alpha=0.2, linewidth=0)
        left.plot(time, means[name], **line)
        right.plot(time, risk, **line)
        right.set_xlim(time[0], time[-1])
        left.set_xlim(time[0], time[-1])
    left.set(xlabel="mean-field time $t$", ylabel="$E|z|^2$", ylim=(0.0, None))
    right.set(xlabel="mean-field time $t$", ylabel="population risk", ylim=(0.0, None))
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=TEXT_SIZE - 1)
    letter(left, 0)
    letter(right, 1)
    first = datasets[0]
    size = f"N = {first.sizes['particle']},".replace(" ", NO_BREAK)
    shaded = f"Shaded in (a): {ERRORS:g} standard errors over particles."
    write_caption(figure, _reading(means), shaded, size, training_sentence(first))
    return figure


def _reading(means: dict[str, Any]) -> str:
    """What horizontal noise lacks over the second half of the time, where isotropic noise is there to compare."""
    if not {"horizontal", "isotropic"} <= set(means):
        return ""
    low, full = (float(means[name][len(means[name]) // 2 :].mean()) for name in ("horizontal", "isotropic"))
    lack = f"{100.0 * (1.0 - low / full):.0f} %".replace(" ", NO_BREAK)
    return f"$E|z|^2$ in the second half: {full:.2f} under isotropic noise, {lack} less under horizontal noise."
