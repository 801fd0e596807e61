"""Paths of two diffusions with one target: as usual, and on the quotient of the plane by rotations.

Reads a comparison of samplers of one point in the plane: paths (sampler, time, sample_kept, point, axis), templates
(template, point, axis), template_weight (template).
Above: paths of a few samples; below: radii of all samples, with the weights of the target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.errors import MfsymError
from mfsym.figures.looks import USUAL, Look
from mfsym.figures.style import letter, needed, parameters, write_caption
from mfsym.plotting import TEXT_SIZE

COLOURS = ("#D55E00", "#0072B2")
SHOWN = 12
"""Paths that are drawn."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """paths with and without noise along orbits, and the radii that they reach."""
    paths, templates, weights = needed(dataset, "paths", "templates", "template_weight")
    if paths.shape[3:] != (1, 2):
        raise MfsymError(f"the figure shows one point in the plane, got clouds of shape {paths.shape[3:]}")
    radii, names = np.linalg.norm(templates[:, 0], axis=1), [str(name) for name in dataset["sampler"].values]
    points = paths[:, :, :, 0]
    figure = Figure(figsize=(look.width or 2.6 * len(names), 4.0), layout="constrained")
    above, below = figure.subplots(2, len(names), sharex="row", sharey="row", squeeze=False, height_ratios=(2.4, 1.0))
    half = 1.15 * max(float(radii.max()), float(np.abs(points[:, :, :SHOWN]).max()))
    for k, name in enumerate(names):
        colour = COLOURS[k % len(COLOURS)]
        _draw_paths(above[k], points[k], radii, colour, half)
        above[k].set_title(name, size=TEXT_SIZE)
        letter(above[k], k)
        _draw_radii(below[k], np.linalg.norm(points[k, -1], axis=1), radii, weights, colour)
    below[0].set_ylabel("share of samples")
    write_caption(figure, *_reading(dataset, points.shape[2]))
    return figure


def _draw_paths(axes: Any, points: Any, radii: Any, colour: str, half: float) -> None:
    """Circles of the target and the paths of the first samples, from an open dot to a full one."""
    angle = np.linspace(0.0, 2.0 * np.pi, 181)
    for radius in radii:
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.75", linewidth=1.6, zorder=1)
    for trail in np.swapaxes(points[:, :SHOWN], 0, 1):
        axes.plot(*trail.T, color=colour, linewidth=0.6, alpha=0.85, zorder=2)
        axes.plot(*trail[0], "o", color=colour, markersize=2.6, markerfacecolor="white", mew=0.6, zorder=3)
        axes.plot(*trail[-1], "o", color=colour, markersize=2.8, mew=0, zorder=3)
    axes.plot(0.0, 0.0, "+", color="0.4", markersize=4.0, zorder=1)
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", xticks=[], yticks=[])


def _draw_radii(axes: Any, found: Any, radii: Any, weights: Any, colour: str) -> None:
    """A histogram of the radii at the end, and the weights of the target as crosses at its radii."""
    middles = 0.5 * (np.sort(radii)[1:] + np.sort(radii)[:-1])
    edges = np.linspace(0.0, 1.25 * float(radii.max()), 61)
    shares = np.histogram(found, edges)[0] / found.size
    axes.stairs(shares, edges, fill=True, color=colour, alpha=0.35)
    near = np.searchsorted(middles, found)
    for k, radius in enumerate(np.sort(radii)):
        axes.text(
            radius,
            1.02 * shares.max(),
            f"{np.mean(near == k):.3f} (target {weights[np.argsort(radii)][k]:.3g})",
            ha="center",
            va="bottom",
            size=TEXT_SIZE - 1.5,
        )
    axes.set(xlabel="$|x|$ at $t$ = 1", ylim=(0.0, None))
    axes.margins(y=0.25)


def _reading(dataset: Any, count: int) -> list[str]:
    known = parameters(dataset)
    return [
        f"{min(SHOWN, count)} of {count} paths from noise (open) to data (full dots), seed {known.get('seed', 0)}.",
        "Grey: the circles of the target.",
        "On the quotient only the radius moves: the paths are rays, and the radii have the same law.",
    ]
