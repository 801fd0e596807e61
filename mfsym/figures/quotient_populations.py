"""Populations that samplers of shapes recover: total variation from the weights, replicate by replicate.

Reads a comparison of samplers: total_variation (sampler, replicate), total_variation_expected, population
(sampler, replicate, shape), weight (shape).
Left: total variation of every sampler; grey what sampling alone leaves. Right: the mean populations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import NO_BREAK, letter, needed, parameters, write_caption
from mfsym.plotting import TEXT_SIZE

RIGHT, WRONG = "#0072B2", "#D55E00"
BLIND = "Coverage does not see this: some samplers with wrong populations cover every template."
SHAPES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """the populations that samplers of shapes recover."""
    table = dataset.transpose(..., "sampler", "replicate", "shape")
    variation, expected, population, weight = needed(
        table, "total_variation", "total_variation_expected", "population", "weight"
    )
    names = [str(name) for name in dataset["sampler"].values]
    rows = np.arange(len(names))[::-1]
    figure = Figure(figsize=(look.width or WIDTH, 0.28 * len(names) + 1.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.25, 1.0))
    level = float(expected.mean())
    left.axvspan(0.0, 2.0 * level, color="0.88", linewidth=0)
    for row, values in zip(rows, variation, strict=True):
        colour = RIGHT if values.mean() < 3.0 * level else WRONG
        left.hlines(row, 0.0, values.mean(), color=colour, linewidth=0.8)
        left.plot(values, np.full(values.size, row), "o", color=colour, markersize=3.0, mew=0, alpha=0.7)
    left.set(xlim=(0.0, 1.08 * float(variation.max())), ylim=(-0.6, len(names) - 0.4), yticks=rows)
    left.set_yticklabels(names)
    left.set_xlabel("total variation of the recovered populations")
    _draw_populations(right, rows, population.mean(axis=1), weight, [str(name) for name in dataset["shape"].values])
    letter(left, 0)
    letter(right, 1)
    columns = min(3, len(weight))
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=columns, fontsize=TEXT_SIZE - 1)
    write_caption(figure, *_reading(dataset))
    return figure


def _draw_populations(axes: Any, rows: Any, population: Any, weight: Any, shapes: list[str]) -> None:
    """Stacked shares of every sampler, with the weights as lines through all of them."""
    edges = np.concatenate([np.zeros((len(population), 1)), np.cumsum(population, axis=1)], axis=1)
    for k, name in enumerate(shapes):
        colour = SHAPES[k % len(SHAPES)]
        axes.barh(rows, population[:, k], left=edges[:, k], height=0.62, color=colour, label=name, alpha=0.75)
    for edge in np.cumsum(weight)[:-1]:
        axes.axvline(edge, color="black", linewidth=0.7, linestyle=(0, (3, 2)))
    axes.set(xlim=(0.0, 1.0), xlabel="share of the samples")
    axes.tick_params(axis="y", length=0)


def _reading(dataset: Any) -> list[str]:
    known = parameters(dataset)
    count, runs = known.get("samples", 0), dataset.sizes["replicate"]
    what, many = str(known.get("shapes", "shapes")).capitalize(), "s" if runs > 1 else ""
    size = f"{what}: {count} samples a run, {runs} run{many} a sampler."
    return [
        size.replace(" samples", f"{NO_BREAK}samples"),
        "(a) Every dot is a run; grey: up to twice what sampling alone gives on average.",
        "(b) Mean shares of the samples nearest to each shape, modulo the group; dashed: the weights of the mixture.",
        BLIND if _covered(dataset) else "",
    ]


def _covered(dataset: Any) -> bool:
    """Whether a sampler with wrong populations covers every template in some run."""
    if "coverage" not in dataset:
        return False
    wrong = dataset["total_variation"] > 5.0 * dataset["total_variation_expected"]
    return bool((wrong & (dataset["coverage"] == 1.0)).any())
