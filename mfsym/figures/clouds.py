"""Clouds of particles against a fixed subspace: for each panel a view from above and one along the subspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.figures.looks import USUAL, WIDTH, Look, legend_columns
from mfsym.figures.style import (
    STARTS,
    TEACHERS,
    columns_of,
    left_out_sentence,
    needed,
    parameters,
    teacher_of,
    training_sentence,
    write_caption,
)
from mfsym.plotting import TEACHER, Frame, Mark, draw_side, draw_space, frame_of, reach


class Panel(NamedTuple):
    """One column of a figure of clouds: its title, the frame it is seen in, and (mark, particles) of each cloud."""

    title: str
    frame: Frame
    clouds: list[tuple[Mark, NDArray[np.float64]]]


MARGIN = 0.45
"""Inches left of the panels, for the labels of their vertical axes."""

ROOMY = 1.2
"""Inches of a column in which the label of the horizontal axis fits; in narrower ones it stands once a line."""


def cloud_figure(
    panels: Sequence[Panel], labels: tuple[str, str], look: Look = USUAL, slots: int = 5, least: float = 0.95
) -> Figure:
    """Panels side by side: 3-d view above, view along the subspace below; one scale for all, one legend.

    labels : of the two axes of the lower view.  slots : columns to leave room for where no width is asked for.
    least : inches of a column where one is; in a narrow figure the panels stand in several lines.
    """
    count = len(panels) if look.width is None else look.per_row(len(panels), least, MARGIN)
    side = WIDTH / max(slots, len(panels)) if look.width is None else (look.width - MARGIN) / count
    titles = 0.19 * (1 + max(panel.title.count("\n") for panel in panels))
    line, lines = 0.5 + 1.73 * side + titles, -(-len(panels) // count)
    handles, wide = _handles(panels), side * count + MARGIN
    columns = legend_columns((str(handle.get_label()) for handle in handles), wide)
    figure = Figure(figsize=(wide, line * lines + 0.05 * side + 0.17 * -(-len(handles) // columns)))
    figure.legend(handles=handles, loc="upper center", ncols=columns)
    half = max(reach(panel.frame, *(z for _, z in panel.clouds)) for panel in panels)
    for k, panel in enumerate(panels):
        row, column = divmod(k, count)
        lower = _draw_panel(figure, panel, (MARGIN + side * column, line * (lines - 1 - row)), side, half)
        figure.text(*_share(figure, MARGIN + side * column + 0.04, line * (lines - row) - titles), _letter(k), **BOLD)
        if side >= ROOMY or column == min(count, len(panels) - row * count) // 2:
            lower.set_xlabel(labels[0])
        lower.tick_params(labelleft=column == 0)
        if column == 0:
            lower.set_ylabel(labels[1])
    return figure


BOLD: dict[str, Any] = {"weight": "bold", "va": "bottom"}


def _letter(k: int) -> str:
    return f"({chr(ord('a') + k)})"


def _share(figure: Figure, x: float, y: float) -> tuple[float, float]:
    """Inches from the lower left corner as shares of the figure's size."""
    width, height = figure.get_size_inches()
    return x / width, y / height


def _draw_panel(figure: Figure, panel: Panel, corner: tuple[float, float], side: float, half: float) -> Any:
    """Draw both views of a panel, ``side`` inches wide, from its lower left corner on; returns the lower axes."""
    left, base = corner
    box = (*_share(figure, left, base + 0.5 + 0.84 * side), *_share(figure, side, side))
    draw_space(figure.add_axes(box, projection="3d"), panel.frame, panel.clouds, half)
    middle = _share(figure, left + 0.5 * side, base + 0.5 + 1.73 * side)
    figure.text(*middle, panel.title, ha="center", va="bottom")
    inner = side - 0.08
    lower = figure.add_axes((*_share(figure, left + 0.04, base + 0.5), *_share(figure, inner, inner)))
    draw_side(lower, panel.frame, panel.clouds, half)
    lower.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    return lower


def _handles(panels: Sequence[Panel]) -> list[Line2D]:
    """What the legend shows: every mark once, in the order of appearance, unless the title of its panel names it."""
    marks = dict.fromkeys(mark for panel in panels for mark, _ in panel.clouds if mark.label != panel.title)
    return [
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


def scheme_clouds(dataset: Any, teacher: str, look: Look = USUAL) -> Figure:
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
    marks = {name: mark for name, mark in look.schemes(names).items() if len(clouds[name])}
    frame = frame_of(columns_of(basis), squares, *(clouds[name] for name in marks))
    panels = [Panel(mark.label, frame, [(mark, clouds[name]), (TEACHER, squares)]) for name, mark in marks.items()]
    labels = ("first direction of $E^G$", r"leading direction of $E^{G\perp}$")
    figure = cloud_figure(panels, labels, look)
    write_caption(
        figure,
        f"Final clouds of N = {particles.shape[1]} particles from one {start}, {TEACHERS[teacher]}.",
        "Dots: students. Above: the plane $E^G$, the leading direction off it. Below: a view along the plane (grey).",
        left_out_sentence(shown),
        training_sentence(shown),
    )
    return figure
