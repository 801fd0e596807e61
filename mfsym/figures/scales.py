"""Axes of the figures against N: log axes, and a grey shelf for values that are rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from mfsym.figures.style import number, power_of_ten
from mfsym.plotting import Mark

ROUNDING = 1e-16
"""RMD² at or below it is rounding: drawn on a grey shelf under the axis, so that 1e-33 does not squash the rest."""

ROUNDING_OF_NORMS = 1e-12
"""The same for norms, which are not squared."""


class Series(NamedTuple):
    """One colour of a panel: its look and its values (N, replicate), NaN where there is none."""

    mark: Mark
    values: NDArray[np.float64]


class Row(NamedTuple):
    """One row of a grid of panels: its label, the series of every column, and where known null bands and errors.

    bands : (2, n) lower and upper ends of the null level of each column, NaN where there is none; empty for none.
    errors : beside every series its stated errors (N, replicate), where the result has them.
    """

    label: str
    columns: list[list[Series]]
    rounding: float = ROUNDING
    bands: Sequence[NDArray[np.float64]] = ()
    errors: list[list[NDArray[np.float64]]] | None = None


def quantiles(values: NDArray[np.float64], levels: Sequence[float]) -> NDArray[np.float64]:
    """Quantiles (levels, n) over replicates of values (n, replicate), interpolated in log10; NaN where all are."""
    logs = np.log10(values)
    table = np.full((len(levels), len(logs)), np.nan)
    for column, row in enumerate(logs):
        seen = row[np.isfinite(row)]
        if seen.size:
            table[:, column] = np.quantile(seen, levels)
    return 10.0**table


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
    shown = [series.values.ravel() for column in row.columns for series in column]
    values = np.concatenate([*shown, *(band.ravel() for band in row.bands)])
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


def numbers_axis(axes: Any, n: NDArray[Any]) -> None:
    """A log axis with a tick at every N."""
    edge = 0.5 * float(np.min(np.diff(np.log10(n)))) if n.size > 1 else 0.5
    axes.set_xscale("log")
    axes.set_xlim(n[0] / 10**edge, n[-1] * 10**edge)
    axes.xaxis.set_major_locator(FixedLocator([float(each) for each in n]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_locator(NullLocator())
