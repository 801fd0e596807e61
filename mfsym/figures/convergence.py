"""Convergence to the mean-field limit: distance of N particles to the limit, with fitted slopes.

Reads, for each name of the coordinate observable, the variable of that name over (n, replicate), the absolute
difference from the limit; slope, slope_lower, slope_upper (observable): the fitted exponent of N, of the root mean
square over replicates (of the mean for an RMD²), with its confidence interval. Of several times the last is shown.
One panel per observable; rmd2_limit is left out, since it repeats w2_limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfsym.figures.looks import USUAL, WIDTH, Look
from mfsym.figures.scales import ROUNDING, Row, Series, numbers_axis, put_scale, scale_of
from mfsym.figures.style import letter, needed, training_sentence, write_caption
from mfsym.plotting import TEXT_SIZE, Mark

GAP = Mark("trained clouds", "#0072B2", "o")
NAMES = {
    "w2_limit": "$W_2$ to the limit",
    "rmd2_si": "RMD$^2$ to $E^G$",
    "error_risk": "|risk − limit|",
    "error_mean": "|mean particle − limit|",
    "error_second_moment": "|second moment − limit|",
    "error_prediction": r"$\Vert\Phi -$ limit$\Vert$",
}
EXPECTED = {"error_mean": -0.5, "error_second_moment": -0.5, "error_prediction": -0.5}
"""Exponents that the fluctuations of SGD around the limit give."""

PER_ROW = 3
NARROWEST, ROOMY = 1.6, 2.0
"""Panels in a line, inches of a panel where a width is asked for, and inches in which letter and title fit one line."""


def _text(words: str) -> str:
    """With minus signs instead of hyphens."""
    return words.replace("-", "−")


def _draw_fit(axes: Any, n: Any, middle: Any, slope: float, **look: Any) -> None:
    """A power of N through the geometric centre of the markers."""
    seen = np.isfinite(middle) & (middle > 0)
    if not seen.any() or not np.isfinite(slope):
        return
    level = np.mean(np.log10(middle[seen]) - slope * np.log10(n[seen]))
    axes.plot(n, 10.0 ** (level + slope * np.log10(n)), linewidth=0.9, **look)


def _typical(gap: NDArray[np.float64], squared: bool) -> NDArray[np.float64]:
    """Over replicates of gap (n, replicate): the mean of a squared quantity, the root mean square of any other."""
    squares = np.ma.masked_invalid(gap if squared else gap**2).mean(axis=1).filled(np.nan)
    return squares if squared else np.sqrt(squares)


def _panel(axes: Any, dataset: Any, name: str, narrow: bool) -> None:
    """Every replicate as a dot, the mean or root mean square as markers, the fitted power of N and the expected one."""
    fit = dataset.sel(observable=name)
    slope, low, high = (float(each) for each in needed(fit, "slope", "slope_lower", "slope_upper"))
    (gap,) = needed(fit.transpose(..., "n", "replicate"), name)
    n = np.asarray(dataset["n"].values, dtype=float)
    row = Row(NAMES.get(name, name), [[Series(GAP, gap)]], rounding=ROUNDING)
    numbers_axis(axes, n)
    scale = scale_of(row)
    put_scale(axes, scale, row.rounding)
    ((_, dots),) = scale.place(row.columns[0], row.rounding)
    axes.plot(np.repeat(n, gap.shape[1]), dots.ravel(), ".", color=GAP.tint(0.5), markersize=3.0, mew=0)
    middle = _typical(gap, squared=name.startswith("rmd2"))
    if name in EXPECTED:
        label = _text(f"expected {EXPECTED[name]:.2f}")
        _draw_fit(axes, n, middle, EXPECTED[name], color="0.5", linestyle=(0, (4, 2)), label=label)
    fitted = _text(f"slope {slope:.2f} [{low:.2f}, {high:.2f}]")
    _draw_fit(axes, n, middle, slope, color=GAP.colour, label=fitted)
    axes.plot(n, middle, GAP.marker, color=GAP.colour, markersize=3.5, mew=0)
    axes.set_title(f"{row.label}\n" if narrow else row.label, size=TEXT_SIZE)
    axes.set_xlabel("number of particles $N$")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", fontsize=TEXT_SIZE - 1, handlelength=1.6, borderaxespad=0.1)


def draw(dataset: Any, look: Look = USUAL) -> Figure:
    """the convergence to the mean-field limit."""
    last = dataset.isel(time=-1) if "time" in dataset.dims else dataset
    names = [str(name) for name in dataset["observable"].values if name != "rmd2_limit"]
    count = len(names)
    rows = -(-count // (PER_ROW if look.width is None else look.per_row(PER_ROW, NARROWEST)))
    columns = -(-count // rows)
    figure = Figure(figsize=(look.across(WIDTH * columns / PER_ROW), 1.9 * rows + 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for k, axes in enumerate(panels):
        if k < count:
            _panel(axes, last, names[k], narrow=figure.get_figwidth() < ROOMY * columns)
            letter(axes, k)
        else:
            axes.set_visible(False)
    reading = (
        "Dots: replicates. Markers: root mean squares, means of RMD$^2$. Lines: fitted power of $N$, its interval."
    )
    when = f"At $t$ = {float(last['time']):g}." if "time" in dataset.dims else ""
    write_caption(figure, reading, when, training_sentence(dataset))
    return figure
