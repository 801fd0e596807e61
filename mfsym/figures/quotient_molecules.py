"""Conformers of a molecule, and the populations that samplers recover.

Reads a comparison of samplers of a molecule in space: templates (template, point, axis), template_shape,
template_weight (template), weight (shape), population (sampler, replicate, shape), total_variation, coverage
(sampler, replicate).
Above: the conformers, one labelled image of each, in their principal axes; below: their weights and what is recovered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.errors import MfsymError
from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import needed, parameters, write_caption
from mfsym.plotting import TEXT_SIZE

COLOURS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9")
MOST = 8
"""Conformers that are drawn."""


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """the conformers of a molecule and the populations that samplers recover."""
    table = dataset.transpose(..., "sampler", "replicate", "shape")
    templates, owner, weight, population, variation = needed(
        table, "templates", "template_shape", "weight", "population", "total_variation"
    )
    if templates.shape[2] != 3:
        raise MfsymError(f"the figure shows shapes in space, got templates in R^{templates.shape[2]}")
    shown = min(len(weight), MOST)
    figure = Figure(figsize=(look.width or WIDTH, 3.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(0.62, 2.0), squeeze=False)[:, 0]
    clouds = [_in_axes(templates[int(np.argmax(owner == k))]) for k in range(shown)]
    half = 1.15 * max(float(np.abs(cloud[:, :2]).max()) for cloud in clouds)
    for k, (axes, cloud) in enumerate(zip(top.subplots(1, shown, squeeze=False)[0], clouds, strict=True)):
        _draw_cloud(axes, cloud, half)
        axes.set_title(f"{k}: {weight[k]:.3g}", size=TEXT_SIZE - 1)
    axes = bottom.subplots()
    names = [str(name) for name in dataset["sampler"].values]
    width = 0.8 / (len(names) + 1)
    places = np.arange(shown)
    axes.bar(places - 0.4 + 0.5 * width, weight[:shown], width, color="0.6", label="weights")
    for k, name in enumerate(names):
        at, values = places - 0.4 + (k + 1.5) * width, population[k, :, :shown]
        label = f"{name}: TV {variation[k].mean():.3f}"
        axes.bar(at, values.mean(axis=0), width, color=COLOURS[k % len(COLOURS)], alpha=0.75, label=label)
        axes.vlines(at, values.min(axis=0), values.max(axis=0), color="black", linewidth=0.7)
    axes.set(xticks=places, xlabel="conformer, by increasing energy", ylabel="share of the samples")
    axes.legend(loc="upper right", fontsize=TEXT_SIZE - 1)
    write_caption(figure, *_reading(dataset, len(weight) - shown))
    return figure


def _in_axes(cloud: Any) -> Any:
    """A cloud (n, 3) in its principal axes, longest first, by a rotation."""
    _, _, axes = np.linalg.svd(cloud - cloud.mean(axis=0))
    axes[2] *= np.linalg.det(axes)
    return (cloud - cloud.mean(axis=0)) @ axes.T


def _draw_cloud(axes: Any, cloud: Any, half: float) -> None:
    """The points seen along the shortest axis, farther ones lighter, and lines between those that are bonded."""
    near = np.linalg.norm(cloud[:, None] - cloud[None], axis=2)
    bonds = np.argwhere(np.triu((near < 1.25 * np.min(near[near > 0.0])), 1))
    for i, j in bonds:
        axes.plot(*cloud[[i, j], :2].T, color="0.45", linewidth=1.4, zorder=1)
    depth = cloud[:, 2] / max(float(np.abs(cloud[:, 2]).max()), 1e-9)
    for point, z in zip(cloud, depth, strict=True):
        axes.plot(*point[:2], "o", color=str(round(0.35 - 0.3 * z, 3)), markersize=4.2, mew=0, zorder=2 + z)
    axes.set(xlim=(-half, half), ylim=(-0.6 * half, 0.6 * half), aspect="equal")
    axes.set_axis_off()


def _reading(dataset: Any, left: int) -> list[str]:
    known = parameters(dataset)
    covered = float(dataset["coverage"].mean()) if "coverage" in dataset else np.nan
    parts = [
        f"{str(known.get('shapes', 'molecule')).capitalize()}: {known.get('samples', 0)} samples a run,"
        f" {dataset.sizes['replicate']} runs a sampler. Above: the heavy atoms of each conformer and its weight;"
        " darker atoms are nearer. Below: mean shares of the samples nearest to each conformer, modulo rotations and"
        " relabellings; lines: range over runs. TV: mean total variation from the weights.",
        f"{left} more conformers are not drawn." if left else "",
    ]
    if np.isfinite(covered):
        means = dataset["coverage"].mean("replicate").values
        listed = ", ".join(f"{value:.2f}" for value in means)
        parts.append(f"Mean coverage, in the order of the legend: {listed}.")
    return parts
