"""Distances over replicates against N: box plots and bands on log axes, one series per scheme or pair of schemes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.figures.looks import PAIRS, USUAL, Look, legend_columns, require_columns
from mfsym.figures.scales import (
    ROUNDING,
    ROUNDING_OF_NORMS,
    Row,
    Series,
    numbers_axis,
    put_scale,
    quantiles,
    scale_of,
    shelf_sentence,
)
from mfsym.figures.style import (
    DRAWN,
    STARTS,
    left_out_sentence,
    letter,
    teachers_of,
    training_sentence,
    write_caption,
)
from mfsym.plotting import TEXT_SIZE, Mark

VISIBLE = 0.03
"""Stated errors are drawn from this share of the median on: below, the bar is shorter than a line is wide."""

ROOMY = 1.5
"""Least width of a column, in inches, for the panel letter next to its title and for a full label of the N axis."""

HOW_TO_READ = "Boxes: quartiles over replicates, whiskers: range, markers: medians."


def select(datasets: Sequence[Any], **labels: Any) -> Any:
    """The part of the first Dataset that has these coordinate values; MfsymError if none has."""
    for dataset in datasets:
        if all(value in dataset[name].values for name, value in labels.items()):
            return dataset.sel(**labels)
    wanted = ", ".join(f"{name}={value}" for name, value in labels.items())
    raise MfsymError(f"the figure needs a result with {wanted}; run a sweep that has it")


def values_of(dataset: Any, name: str, **labels: str) -> NDArray[np.float64]:
    """A variable as (n, replicate), one scheme or pair chosen; NaN where the training has no numbers."""
    if name not in dataset:
        raise MfsymError(
            f"the figure needs the variable {name!r}; the result has {', '.join(map(str, dataset.data_vars))}"
        )
    for dimension, label in labels.items():
        if label not in dataset[dimension].values:
            raise MfsymError(f"the figure needs the scheme {label}; the result has {_listed(dataset[dimension])}")
    chosen = dataset[name].where(dataset["status"].isin(DRAWN)).sel(**labels)
    extra = [str(dim) for dim in chosen.dims if dim not in ("n", "replicate")]
    if extra:
        raise MfsymError(f"the figure needs one value of {', '.join(extra)}; the result has several")
    return chosen.transpose("n", "replicate").values.astype(float)


def _listed(names: Any) -> str:
    return ", ".join(map(str, names.values))


def scheme_series(dataset: Any, name: str, look: Look = USUAL, other: str | None = None) -> list[Series]:
    """One series per scheme of the Dataset in the order of the legend; of rmd2_pair, each against ``other``."""
    marks = {scheme: mark for scheme, mark in look.schemes(dataset["scheme"].values).items() if scheme != other}
    chosen = {} if other is None else {"other": other}
    return [Series(mark, values_of(dataset, name, scheme=scheme, **chosen)) for scheme, mark in marks.items()]


def null_band(dataset: Any) -> NDArray[np.float64] | None:
    """(2, n) ends of the null level of rmd2_symmetrised: medians over schemes and replicates; None where not measured.

    Schemes whose particles the group does not move have no null level.
    """
    names = ("null_symmetrised_lower", "null_symmetrised_upper")
    if any(name not in dataset for name in names):
        return None
    moving = dataset[names[1]] > ROUNDING
    ends = [dataset[name].where(moving).transpose("n", "scheme", "replicate").values for name in names]
    flat = np.stack([end.reshape(len(end), -1) for end in ends])
    return np.stack([quantiles(end, (0.5,))[0] for end in flat])


def null_sentence(rows: Sequence[Row]) -> str:
    """What the grey bands mean; empty where there are none."""
    if not any(np.isfinite(band).any() for row in rows for band in row.bands):
        return ""
    return (
        "Grey band: 95 % of the distances of the same particles, each moved by its own random element of $G$; "
        "asymmetry shows above it only."
    )


def pair_series(dataset: Any, look: Look = USUAL) -> list[Series]:
    """The squared RMD between the laws of vanilla, DA and FA, pair by pair."""
    marks = look.pairs(dataset["scheme"].values)
    return [Series(mark, values_of(dataset, "rmd2_pair", scheme=a, other=b)) for (a, b), mark in marks.items()]


def _positions(n: NDArray[Any], count: int) -> tuple[NDArray[np.float64], float]:
    """log10 centres (count, n) of boxes grouped around each N, and the width of one box in decades."""
    decades = np.log10(n.astype(float))
    gap = float(np.min(np.diff(decades))) if n.size > 1 else 1.0
    slot = 0.86 * gap / max(count, 4)
    offsets = (np.arange(count) - (count - 1) / 2.0) * slot
    return decades[None, :] + offsets[:, None], 0.80 * slot


def draw_boxes(axes: Any, n: NDArray[Any], series: Sequence[Series]) -> None:
    """Box plots over replicates, grouped by N: quartiles, whiskers over the whole range, the median as a marker."""
    centres, width = _positions(n, len(series))
    for centre, (mark, values) in zip(centres, series, strict=True):
        low, first, median, third, high = quantiles(values, (0.0, 0.25, 0.5, 0.75, 1.0))
        x, left = 10.0**centre, 10.0 ** (centre - width / 2.0)
        axes.plot(x, median, color=mark.tint(0.5), linewidth=0.5, zorder=1)
        axes.vlines(x, low, high, color=mark.colour, linewidth=0.6, zorder=2)
        axes.bar(
            left,
            third - first,
            10.0 ** (centre + width / 2.0) - left,
            bottom=first,
            align="edge",
            facecolor=mark.tint(),
            edgecolor=mark.colour,
            linewidth=0.5,
            zorder=3,
        )
        axes.plot(x, median, color=mark.colour, marker=mark.marker, markersize=2.2, linestyle="none", mew=0, zorder=4)


def draw_errors(axes: Any, n: NDArray[Any], series: Sequence[Series], errors: Sequence[NDArray[np.float64]]) -> None:
    """Bars of the largest stated error over replicates around the median, where they are longer than a line is wide."""
    centres, _ = _positions(n, len(series))
    for centre, (mark, values), stated in zip(centres, series, errors, strict=True):
        (median,) = quantiles(values, (0.5,))
        largest = np.max(np.where(np.isfinite(stated), stated, 0.0), axis=1)
        seen = largest > VISIBLE * median
        low = np.maximum(median - largest, median / 10.0)
        axes.vlines(
            10.0 ** centre[seen], low[seen], (median + largest)[seen], color=mark.colour, linewidth=1.6, zorder=5
        )


def error_series(dataset: Any, name: str) -> list[NDArray[np.float64]] | None:
    """The stated errors of what ``scheme_series`` draws, None where the result has none."""
    return [values for _, values in scheme_series(dataset, f"{name}_error")] if f"{name}_error" in dataset else None


def draw_bands(axes: Any, n: NDArray[Any], series: Sequence[Series]) -> None:
    """The median over replicates as a line, every other one dashed to show what lies below; the quartiles as a band."""
    for k, (mark, values) in enumerate(series):
        first, median, third = quantiles(values, (0.25, 0.5, 0.75))
        line = "solid" if k % 2 == 0 else (0, (3.5, 2.0))
        axes.fill_between(n, first, third, color=mark.colour, alpha=0.2, linewidth=0)
        axes.plot(n, median, color=mark.colour, marker=mark.marker, markersize=3.0, mew=0, linestyle=line)


def _legend(figure: Figure, rows: Sequence[Row], look: Look) -> None:
    """One legend for the figure: schemes in a first line, pairs of schemes in a second one, where there is room."""
    marks = dict.fromkeys(series.mark for row in rows for column in row.columns for series in column)
    of_pairs = look.pairs(pair for names in PAIRS for pair in names).values()
    schemes = [mark for mark in marks if mark not in of_pairs]
    others = [mark for mark in marks if mark in of_pairs]
    columns = legend_columns((mark.label for mark in marks), look.across())
    if columns >= len(schemes):
        columns = max(len(schemes), len(others), 1)
    by_column = [mark for column in zip_longest(*_lines(schemes, columns), *_lines(others, columns)) for mark in column]
    handles = [
        Line2D([], [], color=mark.colour, marker=mark.marker, markersize=3.5, mew=0, label=mark.label)
        for mark in by_column
        if mark is not None
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=1.4)


def _lines(marks: Sequence[Mark], columns: int) -> list[Sequence[Mark]]:
    """The marks in lines of ``columns`` each, in their order."""
    return [marks[start : start + columns] for start in range(0, len(marks), columns)]


def grid(
    rows: Sequence[Row],
    titles: Sequence[str],
    n: NDArray[Any],
    look: Look = USUAL,
    *,
    draw: Any = draw_boxes,
    height: float = 1.4,
) -> Figure:
    """A figure of panels: rows share their vertical axis, columns have the titles, one legend above.

    n : (K,) increasing numbers of particles.  draw : ``draw_boxes`` or ``draw_bands``.  height : inches of a row.
    Raises MfsymError if the panels would be too narrow to be read.
    """
    require_columns(len(titles), look.across())
    figure = Figure(figsize=(look.across(), height * len(rows) + 0.6), layout="constrained")
    panels = figure.subplots(len(rows), len(titles), sharex=True, sharey="row", squeeze=False)
    for r, row in enumerate(rows):
        scale = scale_of(row)
        for c, series in enumerate(row.columns):
            axes = panels[r, c]
            numbers_axis(axes, n)
            put_scale(axes, scale, row.rounding)
            if c < len(row.bands):
                axes.fill_between(n, *row.bands[c], color="0.82", linewidth=0, zorder=0.5)
            placed = scale.place(series, row.rounding)
            draw(axes, n, placed)
            if row.errors is not None:
                draw_errors(axes, n, placed, row.errors[c])
            letter(axes, r * len(titles) + c)
        panels[r, 0].set_ylabel(row.label)
    narrow = look.across() < ROOMY * len(titles)
    for c, title in enumerate(titles):
        panels[0, c].set_title(f"{title}\n" if narrow else title, size=TEXT_SIZE)
        panels[-1, c].set_xlabel("$N$" if narrow else "number of particles $N$")
    _legend(figure, rows, look)
    figure.align_ylabels()
    figure.set_layout_engine("constrained", h_pad=0.03, w_pad=0.02, hspace=0.02, wspace=0.02)
    return figure


def start_figure(dataset: Any, init: str, variable: str, label: str, opening: str, look: Look = USUAL) -> Figure:
    """Figures 3 and 6: distance to a symmetric law; vanilla, DA and FA pair by pair; each scheme against EA.

    dataset : dims teacher, init, scheme, n, replicate (other).  init : the start.  variable : what row 1 shows.
    """
    start = select([dataset], init=init)
    titles = teachers_of(start)
    parts = [start.sel(teacher=teacher) for teacher in titles]
    found = [null_band(part) for part in parts] if variable == "rmd2_symmetrised" else []
    bands = [band for band in found if band is not None]
    rows = [
        Row(label, [scheme_series(part, variable, look) for part in parts], bands=bands),
        Row("RMD$^2$ between schemes", [pair_series(part, look) for part in parts]),
        Row("RMD$^2$ to EA", [scheme_series(part, "rmd2_pair", look, other="ea") for part in parts]),
    ]
    figure = grid(rows, list(titles.values()), np.asarray(start["n"].values), look)
    write_caption(
        figure,
        opening,
        HOW_TO_READ,
        null_sentence(rows),
        shelf_sentence(rows),
        left_out_sentence(start),
        training_sentence(dataset),
    )
    return figure


def model_figure(datasets: Sequence[Any], variable: str, label: str, what: str, look: Look = USUAL) -> Figure:
    """Figures 7, 8 and 9: an L² distance of each scheme's model; rows are the starts, columns the teachers.

    datasets : one result with both inits, or two with one each.  label : the norm.  what : the distance's other end.
    """
    starts = {init: select(datasets, init=init) for init in STARTS}
    titles = teachers_of(starts["si"])
    rows = []
    for init, start in starts.items():
        parts = [start.sel(teacher=teacher) for teacher in titles]
        errors = [stated for part in parts if (stated := error_series(part, variable)) is not None]
        columns = [scheme_series(part, variable, look) for part in parts]
        rows.append(Row(f"{STARTS[init]}\n{label}", columns, ROUNDING_OF_NORMS, errors=errors or None))
    figure = grid(rows, list(titles.values()), np.asarray(starts["si"]["n"].values), look, height=1.6)
    opening = f"$L^2$ distance of each scheme's final model $\\Phi$ to {what}, inputs distributed as in training."
    left_out = left_out_sentence(*starts.values())
    write_caption(figure, opening, HOW_TO_READ, shelf_sentence(rows), left_out, training_sentence(datasets[0]))
    return figure
