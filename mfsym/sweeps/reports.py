"""One self-contained page about a sweep: tables, figures, configuration, provenance. No network, no script."""

from __future__ import annotations

import html
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mfsym.schemes import marks_of
from mfsym.sweeps.tables import RECORD, sweep_rows

if TYPE_CHECKING:
    import xarray as xr

WIDTH, HEIGHT, MARGIN = 330, 230, 44
FLOOR = 1e-16
"""Values at or below it are drawn on it: rounding."""

STYLE = """
body { font: 15px/1.45 Georgia, serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #111; }
table { border-collapse: collapse; font: 13px/1.3 monospace; margin: 1em 0; display: block; overflow-x: auto; }
th, td { padding: .15em .7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
svg { margin: .5em; } svg text { font: 11px Georgia, serif; }
pre { background: #f6f6f6; padding: .7em; overflow-x: auto; }
"""


def _decades(values: NDArray[np.float64]) -> tuple[int, int]:
    """The powers of ten around positive values."""
    logs = np.log10(values)
    low, high = math.floor(float(logs.min())), math.ceil(float(logs.max()))
    return low, max(high, low + 1)


def _axis(decades: tuple[int, int], length: float, *, upright: bool) -> list[str]:
    """Ticks and labels of a logarithmic axis."""
    low, high = decades
    step = max(1, (high - low) // 5)
    parts = []
    for power in range(low, high + 1, step):
        at = (power - low) / (high - low) * length
        if upright:
            y = HEIGHT - MARGIN - at
            parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">1e{power}</text>')
            parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
        else:
            parts.append(
                f'<text x="{MARGIN + at:.1f}" y="{HEIGHT - MARGIN + 16}" text-anchor="middle">1e{power}</text>'
            )
    return parts


def plot(sizes: NDArray[np.int64], series: dict[str, NDArray[np.float64]], title: str) -> str:
    """Inline SVG of means over replicates against N, both axes logarithmic.

    sizes : (M,) numbers N.  series : scheme to (M, R) values over replicates; what is not finite is left out.
    """
    values = np.concatenate([rows[np.isfinite(rows)] for rows in series.values()] or [np.array([])])
    heading = f'<text x="{WIDTH / 2}" y="14" text-anchor="middle">{html.escape(title)}</text>'
    frame = f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{html.escape(title)}">{heading}'
    if not values.size:
        return f'{frame}<text x="{MARGIN}" y="{HEIGHT / 2}">nothing finite to draw</text></svg>'
    across, up = _decades(sizes.astype(float)), _decades(np.maximum(values, FLOOR))
    width, height = WIDTH - MARGIN - 16, HEIGHT - MARGIN - 24
    parts = [frame, *_axis(up, height, upright=True), *_axis(across, width, upright=False)]
    marks = marks_of(series)
    for name, rows in series.items():
        colour, points = marks[name].colour, []
        for n, row in zip(sizes, rows, strict=True):
            good = row[np.isfinite(row)]
            if good.size:
                level = math.log10(max(float(good.mean()), FLOOR))
                x = MARGIN + (math.log10(n) - across[0]) / (across[1] - across[0]) * width
                y = HEIGHT - MARGIN - (level - up[0]) / (up[1] - up[0]) * height
                points.append(f"{x:.1f},{y:.1f}")
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}"/>')
    return "".join(parts) + f'<text x="{WIDTH - 8}" y="{HEIGHT - 10}" text-anchor="end">N</text></svg>'


def _figures(dataset: xr.Dataset, name: str) -> str:
    """One plot of a variable per teacher, start and value of the extra dimensions."""
    array = dataset[name]
    panels = [str(label) for label in array.dims if label not in ("scheme", "n", "replicate")]
    array = array.transpose(*panels, "scheme", "n", "replicate")
    schemes = [str(scheme) for scheme in dataset["scheme"].values]
    plots = []
    for index in np.ndindex(*(array.sizes[label] for label in panels)):
        title = ", ".join(f"{label} {dataset[label].values[k]}" for label, k in zip(panels, index, strict=True))
        series = dict(zip(schemes, array.values[index], strict=True))
        plots.append(plot(dataset["n"].values, series, title))
    return "".join(plots)


def _table(rows: list[list[str]]) -> str:
    """Rows of texts as an HTML table, the first its head."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _legend(dataset: xr.Dataset) -> str:
    names = [str(scheme) for scheme in dataset["scheme"].values]
    marks = marks_of(names)
    return " ".join(f'<span style="color:{marks[name].colour}">&#9679; {html.escape(name)}</span>' for name in names)


def _pretty(value: Any) -> str:
    """An attribute as readable text: JSON indented, everything else as it is."""
    try:
        return json.dumps(json.loads(value), indent=1) if isinstance(value, str) else str(value)
    except ValueError:
        return str(value)


def _section(dataset: xr.Dataset, name: str) -> str:
    """One measure: what it is, in which unit, its plots and its table; one sentence for a repetition of the risk."""
    attrs = dataset[name].attrs
    meaning = f"{attrs.get('long_name', '')} [{attrs.get('units', '1')}]"
    head = f"<h2>{html.escape(name)}</h2><p>{html.escape(meaning)}"
    if name != "risk" and "risk" in dataset and dataset[name].equals(dataset["risk"]):
        return f"{head}; equal to risk everywhere.</p>"
    legend = f"mean ± standard deviation over replicates. {_legend(dataset)}"
    return f"{head}; {legend}</p>{_figures(dataset, name)}{_table(sweep_rows(dataset, name))}"


def report(dataset: xr.Dataset, title: str) -> str:
    """The page of a sweep's Dataset: statuses, a table and plots per measure, configuration and provenance.

    title : what the page is about.  Returns HTML text that opens from disk, without network and JavaScript.
    """
    names = [name for name in RECORD if name in dataset and {"scheme", "n"} <= set(dataset[name].dims)]
    statuses, counts = np.unique(dataset["status"].values.astype(str), return_counts=True)
    summary = ", ".join(f"{count} {status}" for status, count in zip(statuses, counts, strict=True))
    sections = [_section(dataset, name) for name in names]
    provenance = "".join(
        f"<h3>{html.escape(str(name))}</h3><pre>{html.escape(_pretty(value))}</pre>"
        for name, value in dataset.attrs.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1><p>Trainings: {summary}. "
        "Plots are on logarithmic axes against the number N of particles; values at rounding are drawn at 1e-16.</p>"
        f"{''.join(sections)}<h2>Provenance</h2>{provenance}</body></html>\n"
    )
