"""Convergence to the mean-field limit: distance of N particles to the limit, with fitted slopes.

Reads gap (quantity, n, replicate) >= 0; slope, slope_low, slope_high (quantity): the fitted exponent of N with its
confidence interval; expected_slope (quantity), NaN where theory gives none, if there. One panel per quantity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scales import Row, Series, numbers_axis, put_scale, quantiles, scale_of
from style import WIDTH, letter, main, needed, training_sentence, write_caption

from mfsym.plotting import TEXT_SIZE, Mark

GAP = Mark("trained clouds", "#0072B2", "o")
NAMES = {
    "w2": "$W_2$ to the limit",
    "rmd2": "RMD$^2$ to the limit",
    "rmd2_si": "RMD$^2$ to $E^G$",
    "risk": "|risk − limit|",
    "second_moment": "|second moment − limit|",
}
PER_ROW = 3


def _text(words: str) -> str:
    """With minus signs instead of hyphens."""
    return words.replace("-", "−")


def _draw_fit(axes: Any, n: Any, middle: Any, slope: float, **look: Any) -> None:
    """A power of N through the geometric centre of the medians."""
    seen = np.isfinite(middle) & (middle > 0)
    if not seen.any() or not np.isfinite(slope):
        return
    level = np.mean(np.log10(middle[seen]) - slope * np.log10(n[seen]))
    axes.plot(n, 10.0 ** (level + slope * np.log10(n)), linewidth=0.9, **look)


def _panel(axes: Any, dataset: Any, quantity: int) -> None:
    """Every replicate as a dot, medians as markers, the fitted power of N and the expected one."""
    (gap,) = needed(dataset.isel(quantity=quantity).transpose(..., "n", "replicate"), "gap")
    slope, low, high = (needed(dataset, name)[0][quantity] for name in ("slope", "slope_low", "slope_high"))
    expected = needed(dataset, "expected_slope")[0][quantity] if "expected_slope" in dataset else np.nan
    n, name = np.asarray(dataset["n"].values, dtype=float), str(dataset["quantity"].values[quantity])
    row = Row(NAMES.get(name, name), [[Series(GAP, gap)]], rounding=0.0)
    numbers_axis(axes, n)
    put_scale(axes, scale_of(row), row.rounding)
    axes.plot(np.repeat(n, gap.shape[1]), gap.ravel(), ".", color=GAP.tint(0.5), markersize=2.0, mew=0)
    (middle,) = quantiles(gap, (0.5,))
    _draw_fit(axes, n, middle, expected, color="0.5", linestyle=(0, (4, 2)), label=_text(f"expected {expected:.2f}"))
    fitted = _text(f"slope {slope:.2f} [{low:.2f}, {high:.2f}]")
    _draw_fit(axes, n, middle, slope, color=GAP.colour, label=fitted)
    axes.plot(n, middle, GAP.marker, color=GAP.colour, markersize=3.5, mew=0)
    axes.set_title(row.label, size=TEXT_SIZE)
    axes.set_xlabel("number of particles $N$")
    axes.legend(loc="lower left", fontsize=TEXT_SIZE - 1, handlelength=1.6, borderaxespad=0.1)


def draw(dataset: Any) -> Figure:
    """the convergence to the mean-field limit."""
    count = dataset.sizes["quantity"]
    rows = -(-count // PER_ROW)
    columns = -(-count // rows)
    figure = Figure(figsize=(WIDTH * columns / PER_ROW, 1.9 * rows + 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for k, axes in enumerate(panels):
        if k < count:
            _panel(axes, dataset, k)
            letter(axes, k)
        else:
            axes.set_visible(False)
    reading = "Dots: replicates, markers: medians, lines: fitted power of N with its confidence interval."
    write_caption(figure, reading, training_sentence(dataset))
    return figure


if __name__ == "__main__":
    main(draw)
