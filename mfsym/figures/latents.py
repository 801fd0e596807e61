"""Groups on latents: accuracy and equivariance of every learner over seeds (Jin, Shrivastava & Fletcher 2024).

Reads a study of latents: psnr, latent_error, psnr_linear, latent_error_linear (data, learner, replicate), psnr_copy,
psnr_whole_image (data, replicate).
Left: PSNR of the held-out turned input. Right: how far the encoder is from equivariant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import letter, needed, write_caption
from mfsym.plotting import TEXT_SIZE

COLOURS = {"rotated": "#0072B2", "blocked": "#E69F00"}
LABELS = {"rotated": "digits that turn", "blocked": "beside a square that does not turn"}
LINEAR = "linear encoder and decoder"

BARS = 0.36
"""Thickness of a bar; the rows are 1 apart."""

NARROWEST = 2.6
"""Inches of a panel at least: in a narrower figure the second stands under the first."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """accuracy and equivariance of group actions on latents, over seeds."""
    needed(dataset, "psnr", "latent_error", "psnr_linear", "latent_error_linear", "psnr_copy", "psnr_whole_image")
    table = dataset.transpose("data", "learner", "replicate", ...)
    learners = [str(name) for name in table["learner"].values]
    names = ["copy of the input", "whole image turned", *learners]
    columns = look.per_row(2, NARROWEST)
    height = (0.24 * len(names) + 0.6) * (3 - columns) + 0.3
    figure = Figure(figsize=(look.across(WIDTH), height), layout="constrained")
    left, right = figure.subplots(3 - columns, columns, width_ratios=(1.6, 1.0) if columns == 2 else None)
    for k, data in enumerate(map(str, table["data"].values)):
        one, colour = table.sel(data=data), COLOURS[data]
        shift = BARS * (k - (table.sizes["data"] - 1) / 2.0)
        beside = [one["psnr_copy"].values, one["psnr_whole_image"].values]
        _bars(left, shift, [*beside, *one["psnr"].values], colour, LABELS[data])
        _linear(left, shift + 2.0, one["psnr_linear"].values, k == 0)
        _marks(right, shift, one["latent_error"].values, colour)
        _linear(right, shift, one["latent_error_linear"].values, k == 0)
    _name_rows(left, names)
    _name_rows(right, learners)
    left.set_xlabel("PSNR (dB)")
    right.set_xlabel("latent error")
    right.set_xscale("log")
    handles, labels = left.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda k: labels[k] == LINEAR)
    figure.legend([handles[k] for k in order], [labels[k] for k in order], loc="outside upper left", ncols=columns + 1)
    letter(left, 0)
    letter(right, 1)
    count = dataset.sizes["replicate"]
    write_caption(
        figure,
        "(a) PSNR of $D(\\rho_g E(x_1))$ for $x_2 = g\\,x_1$ on held-out digits.",
        "(b) $|\\rho_g E(x_1) - E(x_2)|$ over the spread of $E(x_2)$: 0 for an equivariant encoder.",
        f"Points: {count} seed{'s' if count > 1 else ''}; bars and lines: means.",
    )
    return figure


def _bars(axes: Any, shift: float, rows: Any, colour: str, label: str) -> None:
    """A bar at the mean of each row and a point for every seed; rows without numbers are left out."""
    known = [(k + shift, np.asarray(row)) for k, row in enumerate(rows) if np.isfinite(row).any()]
    means = [np.nanmean(row) for _, row in known]
    axes.barh([place for place, _ in known], means, BARS, color=colour, alpha=0.55, label=label, linewidth=0.0)
    places = np.concatenate([np.full(len(row), place) for place, row in known])
    axes.plot(np.concatenate([row for _, row in known]), places, "o", color="0.1", markersize=2.0, markeredgewidth=0.0)


def _marks(axes: Any, shift: float, rows: Any, colour: str) -> None:
    """A line at the mean of each row and a point for every seed."""
    for k, row in enumerate(rows):
        if np.isfinite(row).any():
            axes.vlines(np.nanmean(row), k + shift - BARS / 2.0, k + shift + BARS / 2.0, color=colour, linewidth=1.6)
            place = np.full(len(row), k + shift)
            axes.plot(row, place, "o", color=colour, markersize=3.0, markeredgewidth=0.0, alpha=0.7)


def _linear(axes: Any, shift: float, rows: Any, labelled: bool) -> None:
    """The mean over seeds of the linear encoder and decoder with the same action."""
    known = [(np.nanmean(row), k + shift) for k, row in enumerate(rows) if np.isfinite(row).any()]
    label = {"label": LINEAR} if labelled else {}
    axes.plot(*np.transpose(known or np.zeros((0, 2))), "D", mfc="white", mec="0.1", ms=3.0, mew=0.7, **label)


def _name_rows(axes: Any, names: list[str]) -> None:
    axes.set_yticks(np.arange(len(names)), names, size=TEXT_SIZE)
    axes.tick_params(axis="y", length=0.0)
    axes.set_ylim(len(names) - 0.5, -0.5)
