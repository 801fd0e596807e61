"""The swap test: the latents that vary of image A with the invariant latents of image B.

Reads a study of latents with blocked digits: swap_varying, swap_invariant, swap_target (sample, pixel), swap_answer
(learner, sample, pixel) of its first seed; psnr_swap (data, learner, replicate), psnr_swap_varying and
psnr_swap_invariant (data, replicate).
The digit turns and the square does not, so the answer should show digit A and square B.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import needed, write_caption
from mfsym.figures.tiles import centres, draw_tiles, height_of, side_of
from mfsym.plotting import TEXT_SIZE

FIXED = {
    "swap_varying": "image A",
    "swap_invariant": "image B",
    "swap_target": "digit of A, square of B",
}
NAMES = 2.2
"""Inches left for names at the left and decibels at the right."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """the varying latents of one image with the invariant ones of another."""
    needed(dataset, *FIXED, "swap_answer", "psnr_swap", "psnr_swap_varying", "psnr_swap_invariant")
    one = dataset.sel(data="blocked")
    answers = one["swap_answer"].transpose("learner", "sample", "pixel").values
    learners = {str(name): k for k, name in enumerate(one["learner"].values) if np.isfinite(answers[k]).all()}
    given = [one[name].transpose("sample", "pixel").values for name in FIXED]
    images = np.stack([*given, *answers[list(learners.values())]])
    beside = [_decibels(one["psnr_swap_varying"]), _decibels(one["psnr_swap_invariant"]), ""]
    beside += [_decibels(one["psnr_swap"].sel(learner=name)) for name in learners]
    rows, columns, pixels = images.shape
    width = look.across(0.75 * WIDTH)
    figure = Figure(figsize=(width, height_of(rows, columns, width - NAMES) + 0.2), layout="constrained")
    axes = figure.subplots()
    draw_tiles(axes, images.astype(np.float64), [*FIXED.values(), *learners])
    right = axes.secondary_yaxis("right")
    right.set_yticks(centres(rows, side_of(pixels)), beside, size=TEXT_SIZE)
    right.tick_params(length=0.0)
    right.spines["right"].set_visible(False)
    count = dataset.sizes["replicate"]
    write_caption(
        figure,
        "Each learner decodes the varying latents of A with the invariant latents of B. Right: PSNR for the third row,",
        "mean over held-out pairs" + (f" and {count} seeds." if count > 1 else "."),
    )
    return figure


def _decibels(values: Any) -> str:
    """The mean over seeds."""
    return f"{float(values.mean()):.1f} dB"
