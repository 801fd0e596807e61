"""Distances over replicates against N: box plots and bands on log axes, one series per scheme or pair of schemes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray
from style import (
    STARTS,
    TEACHERS,
    WIDTH,
    left_out_sentence,
    letter,
    number,
    power_of_ten,
    training_sentence,
    write_caption,
)

from mfsym.errors import MfsymError
from mfsym.plotting import SCHEMES, TEXT_SIZE, Mark

PAIRS = {
    ("vanilla", "da"): Mark("vanilla–DA", "#E69F00", "<"),
    ("vanilla", "fa"): Mark("vanilla–FA", "#444444", ">"),
    ("da", "fa"): Mark("DA–FA", "#999999", "X"),
}
"""Colour and marker of each pair of schemes: none that a scheme has."""

ROUNDING = 1e-16
"""RMD² at or below it is rounding: drawn on a grey shelf under the axis, so that 1e-33 does not squash the rest."""

ROUNDING_OF_NORMS = 1e-12
"""The same for norms, which are not squared."""

HOW_TO_READ = "Boxes: quartiles over replicates, whiskers: range, markers: medians."


class Series(NamedTuple):
    """One colour of a panel: its look and its values (N, replicate), NaN where there is none."""

    mark: Mark
    values: NDArray[np.float64]


class Row(NamedTuple):
    """One row of a grid of panels: its label and the series of every column."""

    label: str
    columns: list[list[Series]]
    rounding: float = ROUNDING


def select(datasets: Sequence[Any], **labels: Any) -> Any:
    """The part of the first Dataset that has these coordinate values; MfsymError if none has."""
    for dataset in datasets:
        if all(value in dataset[name].values for name, value in labels.items()):
            return dataset.sel(**labels)
    wanted = ", ".join(f"{name}={value}" for name, value in labels.items())
    raise MfsymError(f"the figure needs a result with {wanted}; run a sweep that has it")


def values_of(dataset: Any, name: str, **labels: str) -> NDArray[np.float64]:
    """A variable as (n, replicate), one scheme or pair chosen; NaN where the training did not end well."""
    if name not in dataset:
        raise MfsymError(
            f"the figure needs the variable {name!r}; the result has {', '.join(map(str, dataset.data_vars))}"
        )
    chosen = dataset[name].where(dataset["status"] == "ok").sel(**labels)
    extra = [str(dim) for dim in chosen.dims if dim not in ("n", "replicate")]
    if extra:
        raise MfsymError(f"the figure needs one value of {', '.join(extra)}; the result has several")
    return chosen.transpose("n", "replicate").values.astype(float)


def scheme_series(dataset: Any, name: str, other: str | None = None) -> list[Series]:
    """One series per scheme of the Dataset in the order of the legend; of rmd2_pair, each against ``other``."""
    present = [scheme for scheme in SCHEMES if scheme in dataset["scheme"].values and scheme != other]
    chosen = {} if other is None else {"other": other}
    return [Series(SCHEMES[scheme], values_of(dataset, name, scheme=scheme, **chosen)) for scheme in present]


def pair_series(dataset: Any) -> list[Series]:
    """The squared RMD between the laws of vanilla, DA and FA, pair by pair."""
    present = set(dataset["scheme"].values)
    pairs = {pair: mark for pair, mark in PAIRS.items() if present.issuperset(pair)}
    return [Series(mark, values_of(dataset, "rmd2_pair", scheme=a, other=b)) for (a, b), mark in pairs.items()]


def _positions(n: NDArray[Any], count: int) -> tuple[NDArray[np.float64], float]:
    """log10 centres (count, n) of boxes grouped around each N, and the width of one box in decades."""
    decades = np.log10(n.astype(float))
    gap = float(np.min(np.diff(decades))) if n.size > 1 else 1.0
    slot = 0.86 * gap / max(count, 4)
    offsets = (np.arange(count) - (count - 1) / 2.0) * slot
    return decades[None, :] + offsets[:, None], 0.80 * slot


def quantiles(values: NDArray[np.float64], levels: Sequence[float]) -> NDArray[np.float64]:
    """Quantiles (levels, n) over replicates of values (n, replicate), interpolated in log10; NaN where all are."""
    logs = np.log10(values)
    table = np.full((len(levels), len(logs)), np.nan)
    for column, row in enumerate(logs):
        seen = row[np.isfinite(row)]
        if seen.size:
            table[:, column] = np.quantile(seen, levels)
    return 10.0**table


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


def draw_bands(axes: Any, n: NDArray[Any], series: Sequence[Series]) -> None:
    """The median over replicates as a line, every other one dashed to show what lies below; the quartiles as a band."""
    for k, (mark, values) in enumerate(series):
        first, median, third = quantiles(values, (0.25, 0.5, 0.75))
        line = "solid" if k % 2 == 0 else (0, (3.5, 2.0))
        axes.fill_between(n, first, third, color=mark.colour, alpha=0.2, linewidth=0)
        axes.plot(n, median, color=mark.colour, marker=mark.marker, markersize=3.0, mew=0, linestyle=line)


def _short(n: float) -> str:
    return f"{n / 1000:g}k" if n >= 1000 else f"{n:g}"


def shelf_sentence(rows: Sequence[Row]) -> str:
    """What the grey shelf means; empty where no row needs one."""
    needing = [row for row in rows if scale_of(row).shelf is not None]
    if not needing:
        return ""
    return f"Values at or below {number(needing[0].rounding)} are rounding and lie on the grey shelf, not to scale."


class Scale(NamedTuple):
    """The vertical axis of a row, log: limits, ticks, and the shelf for values at rounding level (None without)."""

    bottom: float
    top: float
    ticks: tuple[float, ...]
    shelf: float | None

    def place(self, series: Sequence[Series], rounding: float) -> list[Series]:
        """The series with every value at rounding level on the shelf."""
        if self.shelf is None:
            return list(series)
        return [Series(mark, np.where(values <= rounding, self.shelf, values)) for mark, values in series]


def scale_of(row: Row) -> Scale:
    """Limits and ticks from all values of a row; whatever is at rounding level gets a shelf below the rest."""
    values = np.concatenate([series.values.ravel() for column in row.columns for series in column])
    values = values[np.isfinite(values)]
    seen = values[values > row.rounding]
    low, high = (np.log10(seen.min()), np.log10(seen.max())) if seen.size else (-1.0, 0.0)
    pad = max(0.06 * (high - low), 0.1)
    bottom, top = low - pad, high + pad
    decades = range(int(np.ceil(bottom)), int(np.floor(top)) + 1)
    step = max(1, round(len(decades) / 5))
    ticks = [10.0**k for k in decades if k % step == 0]
    if len(ticks) < 2:
        candidates = [m * 10.0**k for k in range(int(np.floor(bottom)), int(np.ceil(top)) + 1) for m in (1, 2, 5)]
        ticks = [each for each in candidates if bottom <= np.log10(each) <= top]
    if seen.size == values.size:
        return Scale(10.0**bottom, 10.0**top, tuple(ticks), None)
    shelf = bottom - 0.1 * (top - bottom)
    return Scale(10.0 ** (2.0 * shelf - bottom), 10.0**top, tuple(ticks), 10.0**shelf)


def _labels(ticks: Sequence[float]) -> list[str]:
    """Powers of ten where all ticks are, plain numbers otherwise."""
    exponents = np.log10(ticks)
    if np.allclose(exponents, np.rint(exponents)):
        return [power_of_ten(round(each)) for each in exponents]
    return [number(each) for each in ticks]


def put_scale(axes: Any, scale: Scale, rounding: float) -> None:
    """The log axis of a scale; the shelf is grey and its tick says what lies there."""
    axes.set_yscale("log")
    labels = _labels(scale.ticks)
    places = list(scale.ticks)
    if scale.shelf is not None:
        edge = np.sqrt(scale.shelf**3 / scale.bottom)
        axes.axhspan(scale.bottom, edge, color="0.9", linewidth=0, zorder=0)
        places.append(scale.shelf)
        labels.append(r"$\leq\!$" + number(rounding))
    axes.yaxis.set_major_locator(FixedLocator(places))
    axes.yaxis.set_major_formatter(FixedFormatter(labels))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(scale.bottom, scale.top)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="0.92", linewidth=0.5)


def _numbers_axis(axes: Any, n: NDArray[Any]) -> None:
    """A log axis with a tick at every N."""
    edge = 0.5 * float(np.min(np.diff(np.log10(n)))) if n.size > 1 else 0.5
    axes.set_xscale("log")
    axes.set_xlim(n[0] / 10**edge, n[-1] * 10**edge)
    axes.xaxis.set_major_locator(FixedLocator([float(each) for each in n]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    """One legend for the figure: schemes in a first line, pairs of schemes in a second one."""
    marks = dict.fromkeys(series.mark for row in rows for column in row.columns for series in column)
    schemes = [mark for mark in marks if mark in SCHEMES.values()]
    others = [mark for mark in marks if mark not in schemes]
    by_column = [mark for column in zip_longest(schemes, others) for mark in column if mark is not None]
    handles = [
        Line2D([], [], color=mark.colour, marker=mark.marker, markersize=3.5, mew=0, label=mark.label)
        for mark in by_column
    ]
    columns = max(len(schemes), len(others), 1)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=1.4)


def grid(
    rows: Sequence[Row], titles: Sequence[str], n: NDArray[Any], draw: Any = draw_boxes, height: float = 1.4
) -> Figure:
    """A figure of panels: rows share their vertical axis, columns have the titles, one legend above.

    n : (K,) increasing numbers of particles.  draw : ``draw_boxes`` or ``draw_bands``.  height : inches of a row.
    """
    figure = Figure(figsize=(WIDTH, height * len(rows) + 0.6), layout="constrained")
    panels = figure.subplots(len(rows), len(titles), sharex=True, sharey="row", squeeze=False)
    for r, row in enumerate(rows):
        scale = scale_of(row)
        for c, series in enumerate(row.columns):
            axes = panels[r, c]
            _numbers_axis(axes, n)
            put_scale(axes, scale, row.rounding)
            draw(axes, n, scale.place(series, row.rounding))
            letter(axes, r * len(titles) + c)
        panels[r, 0].set_ylabel(row.label)
    for c, title in enumerate(titles):
        panels[0, c].set_title(title, size=TEXT_SIZE)
        panels[-1, c].set_xlabel("number of particles $N$")
    _legend(figure, rows)
    figure.align_ylabels()
    figure.get_layout_engine().set(h_pad=0.03, w_pad=0.02, hspace=0.02, wspace=0.02)
    return figure


def start_figure(dataset: Any, init: str, variable: str, label: str, opening: str) -> Figure:
    """Figures 3 and 6: distance to a symmetric law; vanilla, DA and FA pair by pair; each scheme against EA.

    dataset : dims teacher, init, scheme, n, replicate (other).  init : the start.  variable : what row 1 shows.
    """
    start = select([dataset], init=init)
    teachers = [teacher for teacher in TEACHERS if teacher in start["teacher"].values]
    parts = [start.sel(teacher=teacher) for teacher in teachers]
    rows = [
        Row(label, [scheme_series(part, variable) for part in parts]),
        Row("RMD$^2$ between schemes", [pair_series(part) for part in parts]),
        Row("RMD$^2$ to EA", [scheme_series(part, "rmd2_pair", other="ea") for part in parts]),
    ]
    figure = grid(rows, [TEACHERS[teacher] for teacher in teachers], np.asarray(start["n"].values))
    write_caption(
        figure, opening, HOW_TO_READ, shelf_sentence(rows), left_out_sentence(start), training_sentence(dataset)
    )
    return figure


def model_figure(datasets: Sequence[Any], variable: str, label: str, what: str) -> Figure:
    """Figures 7, 8 and 9: an L² distance of each scheme's model; rows are the starts, columns the teachers.

    datasets : one result with both inits, or two with one each.  label : the norm.  what : the distance's other end.
    """
    starts = {init: select(datasets, init=init) for init in STARTS}
    teachers = [teacher for teacher in TEACHERS if teacher in starts["si"]["teacher"].values]
    rows = [
        Row(
            f"{STARTS[init]}\n{label}",
            [scheme_series(start.sel(teacher=teacher), variable) for teacher in teachers],
            ROUNDING_OF_NORMS,
        )
        for init, start in starts.items()
    ]
    titles = [TEACHERS[teacher] for teacher in teachers]
    figure = grid(rows, titles, np.asarray(starts["si"]["n"].values), height=1.6)
    opening = f"$L^2$ distance of each scheme's final model $\\Phi$ to {what}, inputs distributed as in training."
    left_out = left_out_sentence(*starts.values())
    write_caption(figure, opening, HOW_TO_READ, shelf_sentence(rows), left_out, training_sentence(datasets[0]))
    return figure
