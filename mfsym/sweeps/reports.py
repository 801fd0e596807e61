"""One self-contained page about a sweep: a summary in words, charts, tables and provenance.

It needs neither network nor scripts, follows the reader's light or dark mode, and prints well.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.schemes import Mark, marks_of
from mfsym.sweeps.charts import FLOOR, chart, key
from mfsym.sweeps.summaries import found_in, run_in, statuses_in
from mfsym.sweeps.tables import CLASS_RECORD, RECORD, STATED, sweep_rows

if TYPE_CHECKING:
    import xarray as xr

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --text: #1a1a1a; --soft: #666; --rule: #ddd; --band: #f5f5f2; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --text: #e6e6e3; --soft: #a0a0a0; --rule: #3a3d42; --band: #20242a; }
}
body { background: var(--paper); color: var(--text); font: 16px/1.5 Georgia, "Times New Roman", serif;
  margin: 2em auto; max-width: 68em; padding: 0 1.2em; }
h1 { font-size: 1.5em; margin-bottom: .3em; } h2 { font-size: 1.15em; margin: 2em 0 .2em; }
p, ul { max-width: 46em; margin: .5em 0; } ul { padding-left: 1.2em; } .soft { color: var(--soft); font-size: .9em; }
.charts { display: grid; gap: 1em; margin: .8em 0; }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 19em), 1fr)); }
svg { width: 100%; height: auto; } svg text { fill: var(--text); font: 11px Georgia, serif; }
svg .power { font-size: 8px; } svg .title { font-size: 12px; }
.grid { stroke: var(--rule); stroke-width: .6; } .axis { stroke: var(--soft); stroke-width: .8; }
.line { fill: none; stroke: var(--ink); stroke-width: 1; opacity: .75; }
.bar { stroke: var(--ink); stroke-width: 1.4; } .mark { fill: var(--paper); stroke: var(--ink); stroke-width: 1.4; }
.legend { margin: .4em 0; } .entry { margin-right: 1.3em; white-space: nowrap; }
svg.key { width: 1em; height: 1em; margin-right: .35em; vertical-align: -.12em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font: 13px/1.35 ui-monospace, Menlo, Consolas, monospace; margin: .6em 0; }
th, td { padding: .15em .8em; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.facts td, .facts th { text-align: left; white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
.facts th { font-weight: normal; color: var(--soft); white-space: nowrap; }
summary { cursor: pointer; color: var(--soft); }
@media print {
  :root { --paper: #fff; --text: #000; --soft: #444; --rule: #bbb; }
  body { font-size: 10pt; margin: 0; max-width: none; } .charts { grid-template-columns: repeat(3, 1fr); }
  h2 { break-after: avoid; } svg, tr { break-inside: avoid; } table { font-size: 7.5pt; } .scroll { overflow: visible; }
}
"""


def marks_on(dataset: xr.Dataset) -> dict[str, Mark]:
    """A mark for each scheme of a Dataset: the package's, the one recorded in the file, or the next free one."""
    recorded = json.loads(dataset.attrs.get("marks", "{}"))
    own = {name: Mark(*mark) for name, mark in recorded.items()}
    return marks_of([str(name) for name in dataset["scheme"].values], own)


def _panels(dataset: xr.Dataset, name: str, marks: dict[str, Mark]) -> str:
    """One chart of a variable per teacher, start and value of the extra dimensions."""
    array = dataset[name]
    dims = [str(label) for label in array.dims if label not in ("scheme", "n", "replicate")]
    array = array.transpose(*dims, "scheme", "n", "replicate")
    charts, empty = [], []
    for index in np.ndindex(*(array.sizes[label] for label in dims)):
        title = ", ".join(f"{label} {dataset[label].values[k]}" for label, k in zip(dims, index, strict=True))
        if np.isfinite(array.values[index]).any():
            series = dict(zip(marks, array.values[index], strict=True))
            charts.append(chart(dataset["n"].values, series, marks, title))
        else:
            empty.append(title)
    missing = f'<p class="soft">Nothing finite to draw: {html.escape("; ".join(empty))}.</p>' if empty else ""
    return f'<div class="charts">{"".join(charts)}</div>{missing}'


def _table(rows: list[list[str]]) -> str:
    """Rows of texts as an HTML table; the first row is the header."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows[1:])
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(dataset: xr.Dataset, name: str, marks: dict[str, Mark]) -> str:
    """The section of one measure: description, units, charts, table and the largest of its stated errors."""
    attrs = dataset[name].attrs
    parts = [f"<h2>{html.escape(name)}</h2>"]
    parts.append(f"<p>{html.escape(attrs.get('long_name', ''))} [{html.escape(attrs.get('units', '1'))}]</p>")
    error = f"{name}_error"
    if error in dataset and np.isfinite(dataset[error].values).any():
        parts.append(f'<p class="soft">Largest stated error: {np.nanmax(dataset[error].values):.0e}.</p>')
    parts += [key(marks), _panels(dataset, name, marks)]
    summary = "<summary>mean ± standard deviation over replicates</summary>"
    parts.append(f"<details open>{summary}{_table(sweep_rows(dataset, name))}</details>")
    return "".join(parts)


def _measures(dataset: xr.Dataset) -> tuple[list[str], dict[str, str]]:
    """The variables with a section, and a map from each omitted duplicate to the variable it equals."""
    shown: list[str] = []
    repeated: dict[str, str] = {}
    for name in (*RECORD, *CLASS_RECORD):
        if name in dataset and name not in STATED and {"scheme", "n"} <= set(dataset[name].dims):
            same = next((other for other in shown if dataset[name].equals(dataset[other])), None)
            if same is None:
                shown.append(name)
            else:
                repeated[name] = same
    return shown, repeated


def _facts(value: Any, name: str = "") -> list[tuple[str, str]]:
    """(name, text) pairs of an attribute; JSON objects are flattened to table.key."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            value = json.loads(value)
        except ValueError:
            return [(name, value)]
    if isinstance(value, dict):
        return [fact for key, part in value.items() for fact in _facts(part, f"{name}.{key}" if name else str(key))]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return [(name, text)]


def _provenance(attrs: dict[str, Any]) -> str:
    """Attributes as a table of facts."""
    facts = [fact for name, value in attrs.items() for fact in _facts(value, str(name))]
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts if text)
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def report(dataset: xr.Dataset, title: str) -> str:
    """The report of a sweep's Dataset: a summary paragraph, charts and a table per measure, provenance.

    title : heading of the page.  Returns HTML that opens from disk, without network or JavaScript.
    """
    marks = marks_on(dataset)
    shown, repeated = _measures(dataset)
    found = found_in(dataset, [name for name in shown if name not in CLASS_RECORD])
    opening = f"<p>{html.escape(run_in(dataset))}</p>"
    opening += "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in found) + "</ul>" if found else ""
    opening += f"<p>{html.escape(statuses_in(dataset))}</p>"
    reading = (
        "Charts show medians over replicates, with bars from quartile to quartile, on logarithmic axes; "
        f"values at rounding are drawn at {FLOOR:.0e}."
    )
    if repeated:
        listed = ", ".join(f"{name} (equal to {other} everywhere)" for name, other in repeated.items())
        reading += f" Left out: {listed}."
    sections = "".join(_section(dataset, name, marks) for name in shown)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>{opening}"
        f'<p class="soft">{html.escape(reading)}</p>{sections}<h2>Provenance</h2>{_provenance(dict(dataset.attrs))}'
        "</body></html>\n"
    )
