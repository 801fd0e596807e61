"""Charts of a report as inline SVG: medians and quartiles over replicates against N, on logarithmic axes."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfsym.schemes import Mark
from mfsym.typing import Floats

WIDTH, HEIGHT = 340, 240
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 24, 34
DODGE = 5.0
"""Horizontal offset in pixels between the marks of schemes at one N, so that coinciding curves stay visible."""

FLOOR = 1e-16
"""Values at or below this are rounding errors and are drawn at this level."""

MOST_TICKS = 6


SHAPES: Mapping[str, str] = {
    "o": "M-3.6,0a3.6,3.6 0 1,0 7.2,0a3.6,3.6 0 1,0 -7.2,0Z",
    "s": "M-3.2,-3.2H3.2V3.2H-3.2Z",
    "D": "M0,-4.4L4.4,0L0,4.4L-4.4,0Z",
    "^": "M0,-4.2L4,3H-4Z",
    "v": "M0,4.2L4,-3H-4Z",
    "P": "M-4.2,0H4.2M0,-4.2V4.2",
    "X": "M-3.4,-3.4L3.4,3.4M-3.4,3.4L3.4,-3.4",
    "*": "M0,-4.4V4.4M-3.8,-2.2L3.8,2.2M-3.8,2.2L3.8,-2.2",
    "p": "M0,-4L3.8,-1.2L2.4,3.2H-2.4L-3.8,-1.2Z",
    "h": "M-2,-3.5H2L4,0L2,3.5H-2L-4,0Z",
}
"""Marker outlines around (0, 0) in pixels, by matplotlib marker letter; any other letter is drawn as a circle."""


def _outline(mark: Mark) -> str:
    return SHAPES.get(mark.marker, SHAPES["o"])


class LogAxis(NamedTuple):
    """A logarithmic axis: ``low`` and ``high`` powers of ten at pixels ``start`` and ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel coordinate of a positive value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _across(sizes: NDArray[np.int64]) -> LogAxis:
    """The horizontal axis of N, with room for the offset marks at both ends."""
    low, high = math.log10(sizes.min()), math.log10(sizes.max())
    room = 0.5 if low == high else 0.08 * (high - low)
    return LogAxis(low - room, high + room, LEFT, WIDTH - RIGHT)


def _up(values: Floats) -> LogAxis:
    """The vertical axis: whole decades that enclose the positive values."""
    logs = np.log10(values)
    low, high = math.floor(float(logs.min())), math.ceil(float(logs.max()))
    return LogAxis(low, max(high, low + 1), HEIGHT - BOTTOM, TOP)


def _frame(across: LogAxis, up: LogAxis, sizes: NDArray[np.int64]) -> list[str]:
    """Grid lines labelled with powers of ten at the left, and a tick at each N."""
    parts, base = [], HEIGHT - BOTTOM
    step = max(1, math.ceil((up.high - up.low) / MOST_TICKS))
    for power in range(int(up.low), int(up.high) + 1, step):
        y = up.at(10.0**power)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        exponent = f'<tspan dy="-4" class="power">{power}</tspan>'
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">10{exponent}</text>')
    taken = -math.inf
    for n in sorted(map(int, sizes)):
        x = across.at(n)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>')
        width = 6.5 * len(str(n)) + 4
        if x - width / 2 > taken:
            parts.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{n}</text>')
            taken = x + width / 2
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    return [*parts, f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">N</text>']


def quartiles(row: Floats) -> tuple[float, float, float] | None:
    """First quartile, median and third quartile of the finite values of a row; None if there are none."""
    good = row[np.isfinite(row)]
    return None if not good.size else tuple(map(float, np.quantile(good, [0.25, 0.5, 0.75])))  # type: ignore[return-value]


def _curve(rows: Floats, sizes: NDArray[np.int64], scales: tuple[LogAxis, LogAxis], mark: Mark, shift: float) -> str:
    """Line, quartile bars and marks of one scheme."""
    across, up = scales
    points, bars, marks = [], [], []
    for n, row in zip(sizes, rows, strict=True):
        found = quartiles(row)
        if found is not None:
            x = across.at(float(n)) + shift
            low, middle, high = (up.at(max(value, FLOOR)) for value in found)
            points.append(f"{x:.1f},{middle:.1f}")
            bars.append(f"M{x:.1f},{low:.1f}V{high:.1f}")
            marks.append(f'<path class="mark" transform="translate({x:.1f},{middle:.1f})" d="{_outline(mark)}"/>')
    line = f'<polyline class="line" points="{" ".join(points)}"/><path class="bar" d="{"".join(bars)}"/>'
    return f'<g style="--ink:{mark.colour}">{line}{"".join(marks)}</g>' if points else ""


def chart(sizes: NDArray[np.int64], series: Mapping[str, Floats], marks: Mapping[str, Mark], title: str) -> str:
    """Inline SVG of medians over replicates against N with bars from quartile to quartile, both axes logarithmic.

    sizes : (M,) numbers N.  series : scheme to (M, R) values over replicates; non-finite values are left out.
    marks : scheme to its mark.  title : above the panel. Values at or below FLOOR are drawn at FLOOR.
    """
    values = np.concatenate([rows[np.isfinite(rows)] for rows in series.values()] or [np.array([])])
    text = html.escape(title)
    frame = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text}">'
    frame += f'<text class="title" x="{(LEFT + WIDTH - RIGHT) / 2}" y="14" text-anchor="middle">{text}</text>'
    if not values.size:
        return f'{frame}<text x="{LEFT}" y="{HEIGHT / 2}">nothing finite to draw</text></svg>'
    scales = _across(sizes), _up(np.maximum(values, FLOOR))
    shifts = DODGE * (np.arange(len(series)) - (len(series) - 1) / 2)
    curves = [
        _curve(rows, sizes, scales, marks[name], shift)
        for (name, rows), shift in zip(series.items(), shifts, strict=True)
    ]
    return "".join([frame, *_frame(*scales, sizes), *curves, "</svg>"])


def key(marks: Mapping[str, Mark]) -> str:
    """The legend: each scheme with its mark and its name."""
    entries = [
        f'<span class="entry"><svg class="key" viewBox="-6 -6 12 12" style="--ink:{mark.colour}">'
        f'<path class="mark" d="{_outline(mark)}"/></svg>{html.escape(name)}</span>'
        for name, mark in marks.items()
    ]
    return f'<p class="legend">{"".join(entries)}</p>'
