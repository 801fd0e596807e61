"""Clouds of particles against a fixed subspace: for each panel a view from above and one along the subspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from style import (
    STARTS,
    TEACHERS,
    WIDTH,
    columns_of,
    left_out_sentence,
    needed,
    parameters,
    teacher_of,
    training_sentence,
    write_caption,
)

from mfsym.errors import MfsymError
from mfsym.plotting import SCHEMES, TEACHER, Frame, Mark, draw_side, draw_space, frame_of, reach


class Panel(NamedTuple):
    """One column of a figure of clouds: its title, the frame it is seen in, and (mark, particles) of each cloud."""

    title: str
    frame: Frame
    clouds: list[tuple[Mark, NDArray[np.float64]]]


def cloud_figure(panels: Sequence[Panel], labels: tuple[str, str], slots: int = 5) -> Figure:
    """Panels side by side: 3-d view above, view along the subspace below; one scale for all, one legend.

    labels : of the two axes of the lower view.  slots : columns to leave room for, at least the number of panels.
    """
    side = WIDTH / max(slots, len(panels))
    lines = 1 + max(panel.title.count("\n") for panel in panels)
    figure = Figure(figsize=(side * len(panels) + 0.45, 1.78 * side + 0.67 + 0.19 * lines))
    width, height = figure.get_size_inches()
    half = max(reach(panel.frame, *(z for _, z in panel.clouds)) for panel in panels)
    for k, panel in enumerate(panels):
        left = 0.45 + side * k
        box = (left / width, (0.5 + 0.84 * side) / height, side / width, side / height)
        space = figure.add_axes(box, projection="3d")
        draw_space(space, panel.frame, panel.clouds, half)
        top = (0.5 + 1.73 * side) / height
        figure.text((left + 0.5 * side) / width, top, panel.title, ha="center", va="bottom")
        figure.text((left + 0.04) / width, top, f"({chr(ord('a') + k)})", weight="bold", va="bottom")
        inner = side - 0.08
        lower = figure.add_axes(((left + 0.04) / width, 0.5 / height, inner / width, inner / height))
        draw_side(lower, panel.frame, panel.clouds, half)
        lower.set_xlabel(labels[0])
        lower.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
        lower.tick_params(labelleft=k == 0)
        if k == 0:
            lower.set_ylabel(labels[1])
    _legend(figure, panels)
    return figure


def _legend(figure: Figure, panels: Sequence[Panel]) -> None:
    """Every mark once, in the order of appearance, unless the title of its panel names it."""
    marks = dict.fromkeys(mark for panel in panels for mark, _ in panel.clouds if mark.label != panel.title)
    handles = [
        Line2D(
            [],
            [],
            color=mark.colour,
            marker="s" if mark == TEACHER else "o",
            markerfacecolor="none" if mark == TEACHER else mark.colour,
            markersize=4.0,
            linestyle="none",
            label=mark.label,
        )
        for mark in marks
    ]
    figure.legend(handles=handles, loc="upper center", ncols=len(handles))


def scheme_clouds(dataset: Any, teacher: str) -> Figure:
    """Figures 4 and 5: the final cloud of every scheme from one SI start, with the teacher and the subspace E^G.

    dataset : particles (scheme, particle, param), or (scheme, replicate, particle, param) of which the first replicate
    is shown; teacher_particles (teacher_particle, param); fixed_basis (param, direction).
    """
    particles, squares, basis = needed(dataset, "particles", "teacher_particles", "fixed_basis")
    found = teacher_of(dataset)
    if found not in (TEACHERS[teacher], ""):
        raise MfsymError(f"the figure shows the {TEACHERS[teacher]}; the result has {found}")
    start = STARTS[parameters(dataset).get("init", "si")]
    shown = dataset.isel(replicate=[0]) if "replicate" in dataset.dims else dataset
    if particles.ndim == 4:
        particles = particles[:, 0]
    names = [str(name) for name in dataset["scheme"].values]
    clouds = {name: z[np.isfinite(z).all(axis=1)] for name, z in zip(names, particles, strict=True)}
    clouds = {name: clouds[name] for name in SCHEMES if name in clouds and len(clouds[name])}
    frame = frame_of(columns_of(basis), squares, *clouds.values())
    panels = [Panel(SCHEMES[name].label, frame, [(SCHEMES[name], z), (TEACHER, squares)]) for name, z in clouds.items()]
    figure = cloud_figure(panels, ("first direction of $E^G$", r"leading direction of $E^{G\perp}$"))
    write_caption(
        figure,
        f"Final clouds of N = {particles.shape[1]} particles from one {start}, {TEACHERS[teacher]}.",
        "Dots: students. Above: the plane $E^G$, the leading direction off it. Below: a view along the plane (grey).",
        left_out_sentence(shown),
        training_sentence(shown),
    )
    return figure
