"""A digit turned through the circle by every learner's latent action, as a whole image, and in truth.

Reads a study of latents: orbit (data, sample, row, turn, pixel) of its first seed.
One block of rows for each data set; in the second a square stays where it is while the digit turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import letter, needed, write_caption
from mfsym.figures.tiles import centres, draw_tiles, height_of, side_of
from mfsym.plotting import TEXT_SIZE

MOST = 12
"""Angles in a row; of more every second, third, ... is drawn."""

NARROWEST = 0.32
"""Inches of an image at least: narrower figures show fewer angles."""

FIRST = ("truth", "whole image")
"""Rows above those of the learners."""

NAMES = 1.3
"""Inches left for the names of rows."""

SAMPLE = 3
"""The held-out digit that is drawn: it reads differently at every angle, and its square stands beside it."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """digits turned by latent actions through the circle, as whole images and in truth."""
    (orbits,) = needed(dataset.transpose("data", "sample", "row", "turn", "pixel", ...), "orbit")
    names = [str(name) for name in dataset["row"].values]
    order = [names.index(name) for name in (*FIRST, *(name for name in names if name not in FIRST))]
    most = look.per_row(MOST, NARROWEST, NAMES)
    angles = np.arange(0, orbits.shape[3], -(-orbits.shape[3] // most))
    blocks = []
    for each in orbits:
        one = each[min(SAMPLE, len(each) - 1)]
        known = [k for k in order if np.isfinite(one[k]).all()]
        blocks.append((one[known][:, angles], [names[k] for k in known]))
    width = look.across(WIDTH)
    heights = [height_of(len(rows), len(angles), width - NAMES) for _, rows in blocks]
    figure = Figure(figsize=(width, sum(heights) + 0.45 * len(blocks)), layout="constrained")
    panels = figure.subplots(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    side = side_of(orbits.shape[-1])
    for place, (axes, (images, rows)) in enumerate(zip(panels, blocks, strict=True)):
        draw_tiles(axes, images, rows)
        axes.xaxis.tick_top()
        axes.set_xticks(centres(len(angles), side), [f"{dataset['turn'].values[k]:g}°" for k in angles], size=TEXT_SIZE)
        if len(blocks) > 1:
            letter(axes, place)
    write_caption(
        figure,
        "A held-out digit at 0°, encoded once and turned by the latent action of each learner; the whole image turned,",
        "and the truth, above." + (" In (b) a square stands still while the digit turns." if len(blocks) > 1 else ""),
    )
    return figure
