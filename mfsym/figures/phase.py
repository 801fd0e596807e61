"""Phase portrait of the mean-field flow inside E^G, where it has dimension two, at a few times.

Reads drift (time, second, first, coordinate): velocity of a particle at each point of a regular grid of E^G, with its
grid as coordinates first and second; particles_fixed (time, particle, coordinate): the cloud in the same coordinates;
teacher_fixed (teacher_particle, coordinate) if there. One panel per time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.style import STARTS, letter, needed, parameters, teacher_of, training_sentence, write_caption
from mfsym.plotting import TEACHER, TEXT_SIZE

MOST_TIMES = 4
MARGIN, NARROWEST = 0.6, 1.3
"""Margin next to the panels for labels and colour bar, and least width of a panel, in inches."""

SPEEDS = LinearSegmentedColormap.from_list("speeds", ["#FFFFFF", "#9CC3E0"])


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """the phase portrait of the flow in the coordinates of E^G."""
    drift, particles = needed(dataset, "drift", "particles_fixed")
    first, second = (np.asarray(dataset[name].values, dtype=float) for name in ("first", "second"))
    times = dataset["time"].values
    shown = range(min(len(times), MOST_TIMES))
    columns = len(shown) if look.width is None else look.per_row(len(shown), NARROWEST, MARGIN)
    lines = -(-len(shown) // columns)
    side = (WIDTH - MARGIN) / max(len(shown), 3) if look.width is None else (look.width - MARGIN) / columns
    figure = Figure(figsize=(side * columns + MARGIN, side * lines + 0.35 + 0.2 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_visible(False)
    panels = grid.ravel()[: len(shown)]
    speeds = np.log10(np.maximum(np.linalg.norm(drift, axis=-1), 1e-12))
    dots = look.schemes(["vanilla"])["vanilla"]
    limits = {"vmin": np.quantile(speeds, 0.02), "vmax": speeds.max()}
    for k, axes in zip(shown, panels, strict=True):
        field = axes.pcolormesh(first, second, speeds[k], cmap=SPEEDS, rasterized=True, shading="gouraud", **limits)
        flow = (first, second, drift[k, ..., 0], drift[k, ..., 1])
        axes.streamplot(*flow, color="0.25", linewidth=0.4, arrowsize=0.5, density=0.9)
        axes.plot(*particles[k].T, ".", color=dots.colour, markersize=3.2, mew=0, label="particles")
        if "teacher_fixed" in dataset:
            squares = needed(dataset, "teacher_fixed")[0]
            style = {"color": TEACHER.colour, "markersize": 4.5, "markerfacecolor": "none", "mew": 0.8}
            axes.plot(*squares.T, TEACHER.marker, label=TEACHER.label, **style)
        axes.set(aspect="equal", xlim=(first[0], first[-1]), ylim=(second[0], second[-1]))
        axes.set_xlabel("first coordinate in $E^G$" if k + columns >= len(shown) else "")
        axes.set_ylabel("second coordinate in $E^G$" if k % columns == 0 else "")
        axes.set_title(f"$t$ = {times[k]:g}", size=TEXT_SIZE)
        letter(axes, k)
    bar = figure.colorbar(field, ax=grid, fraction=0.04, pad=0.01)
    bar.set_label(r"$\log_{10}$ speed, $|z|$ per unit of $t$")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    write_caption(figure, *_reading(dataset), training_sentence(dataset))
    return figure


def _reading(dataset: Any) -> list[str]:
    """What the lines, the squares and the flow are."""
    known = parameters(dataset)
    words = [STARTS.get(known.get("init", ""), ""), teacher_of(dataset)]
    flow = ", ".join(["Mean-field flow", *filter(None, words), f"N = {dataset.sizes['particle']} particles"])
    squares = "Squares: the teacher, projected on $E^G$." if "teacher_fixed" in dataset else ""
    return ["Lines: where a particle goes, given the law at that time.", squares, f"{flow}:"]
