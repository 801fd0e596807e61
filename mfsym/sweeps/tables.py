"""Tables of results as text, CSV and JSON records."""

from __future__ import annotations

import csv as csv_module
import io
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.errors import MfsymError
from mfsym.metrics.nulls import NULL_MEASURES

if TYPE_CHECKING:
    import xarray as xr

SCHEMA_VERSION = 1
RECORD = ("risk", "risk_error", "risk_bare", "risk_bare_error", "rmd2_si", "rmd2_symmetrised", "distance_wi")
CLASS_RECORD = ("accuracy", "accuracy_moved")
"""Measures of one scheme in the JSON of ``mfsym compare``; CLASS_RECORD is present only if y encodes a class."""

READ_RECORD = {
    "risk_read": "risk",
    "risk_read_error": "risk_error",
    "accuracy_read": "accuracy",
    "equivariance_error_read": "equivariance_error",
    "passes": "passes",
}
"""Numbers of one read-out in a Dataset, and how tables and JSON call them beside its name."""

STATED = ("risk_error", "risk_bare_error")
"""Stated errors: a table shows the largest over replicates."""


def _number(value: Any) -> float | None:
    """A float for JSON; null for the missing values of a diverged run."""
    return float(value) if math.isfinite(value) else None


def record_names(dataset: xr.Dataset) -> tuple[str, ...]:
    """The names of the per-scheme numbers in a Dataset."""
    return tuple(name for name in (*RECORD, *CLASS_RECORD, *NULL_MEASURES) if name in dataset)


def comparison_records(dataset: xr.Dataset) -> dict[str, Any]:
    """The JSON of ``mfsym compare``: one record per scheme and replicate, one per pair and replicate."""
    schemes = [str(name) for name in dataset["scheme"].values]
    records, pairs = [], []
    for r in range(dataset.sizes["replicate"]):
        replicate = int(dataset["replicate"].values[r])
        one = dataset.isel(replicate=r)
        for k, scheme in enumerate(schemes):
            numbers = {name: _number(one[name].values[k]) for name in record_names(dataset)}
            head = {"scheme": scheme, "replicate": replicate, "status": str(one["status"].values[k])}
            records.append(head | numbers)
        for i, j in itertools.combinations(range(len(schemes)), 2):
            value = _number(one["rmd2_pair"].transpose("scheme", "other").values[i, j])
            pairs.append({"scheme": schemes[i], "other": schemes[j], "replicate": replicate, "rmd2": value})
    loss = str(dataset.attrs.get("loss", "quadratic"))
    found = {"schema_version": SCHEMA_VERSION, "loss": loss, "schemes": records, "pairs": pairs}
    return found | ({"readouts": readout_records(dataset)} if "readout" in dataset.dims else {})


def readout_records(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """One record per scheme, read-out and replicate of a comparison with read-outs."""
    ordered = dataset.transpose("scheme", "readout", "replicate", ...)
    names = {name: short for name, short in READ_RECORD.items() if name in dataset}
    shape = tuple(ordered.sizes[name] for name in ("scheme", "readout", "replicate"))
    return [
        {name: str(ordered[name].values[k]) for name, k in (("scheme", s), ("readout", q))}
        | {"replicate": int(ordered["replicate"].values[r])}
        | {short: _plain(ordered[name].values[s, q, r]) for name, short in names.items()}
        for s, q, r in np.ndindex(*shape)
    ]


def _plain(value: Any) -> float | int | None:
    return int(value) if np.issubdtype(type(value), np.integer) else _number(value)


def aligned(rows: list[list[str]]) -> str:
    """Rows of texts in aligned columns: the first flush left, the others flush right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if k == 0 else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _spread(values: np.ndarray, drifted: int = 0) -> str:
    """mean ± standard deviation over replicates; non-finite and drifted (included) values are counted."""
    good = values[np.isfinite(values)]
    lost = f" [{values.size - good.size} not finite]" if good.size < values.size else ""
    lost += f" [{drifted} drifted]" if drifted else ""
    if not good.size:
        return "-" + lost
    deviation = f" ± {good.std(ddof=1):.0e}" if good.size > 1 else ""
    return f"{good.mean():.2e}{deviation}{lost}"


def _entry(name: str, values: np.ndarray) -> str:
    """The table entry of one number over replicates."""
    if name not in STATED or not np.isfinite(values).any():
        return _spread(values)
    return f"{np.nanmax(values):.0e}"


def comparison_table(dataset: xr.Dataset) -> str:
    """The table of ``mfsym compare``: mean ± standard deviation over replicates, largest stated errors, the pairs.

    The last two lines define the risks.
    """
    names = record_names(dataset)
    rows = [["scheme", "status", *names]]
    schemes = [str(name) for name in dataset["scheme"].values]
    for scheme in schemes:
        one = dataset.sel(scheme=scheme)
        statuses = sorted(set(one["status"].values.astype(str)))
        rows.append([scheme, "/".join(statuses), *(_entry(name, one[name].values) for name in names)])
    pair_rows = [["rmd2_pair", *schemes]]
    for scheme in schemes:
        values = dataset["rmd2_pair"].sel(scheme=scheme)
        pair_rows.append([scheme, *(_spread(values.sel(other=other).values) for other in schemes)])
    meanings = "\n".join(f"{name}: {dataset[name].attrs['long_name']}" for name in ("risk", "risk_bare"))
    read = [aligned(readout_rows(dataset))] if "readout" in dataset.dims else []
    return "\n\n".join([aligned(rows), *read, aligned(pair_rows), meanings])


def readout_rows(dataset: xr.Dataset) -> list[list[str]]:
    """Rows of texts: a head, then what each scheme's model gives behind each read-out, over replicates."""
    names = {name: short for name, short in READ_RECORD.items() if name in dataset}
    rows = [["scheme, read by", *names.values()]]
    for scheme in dataset["scheme"].values:
        for readout in dataset["readout"].values:
            one = dataset.sel(scheme=scheme, readout=readout)
            texts = (
                str(int(one[name].values.max())) if name == "passes" else _entry(short, one[name].values)
                for name, short in names.items()
            )
            rows.append([f"{scheme}, {readout}", *texts])
    return rows


def comparison_csv(dataset: xr.Dataset) -> str:
    """One line per scheme and replicate, with the columns of the JSON records.

    With read-outs one line for each of them as well, its numbers after those of the scheme, under NAME_read.
    """
    rows = comparison_records(dataset)["schemes"]
    if "readout" in dataset.dims:
        longer = {"passes": "passes"} | {short: name for name, short in READ_RECORD.items()}
        places = {(row["scheme"], row["replicate"]): row for row in rows}
        rows = [
            places[row["scheme"], row["replicate"]] | {longer.get(key, key): value for key, value in row.items()}
            for row in readout_records(dataset)
        ]
    buffer = io.StringIO()
    writer = csv_module.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().rstrip("\n")


def sweep_rows(dataset: xr.Dataset, variable: str, *, csv: bool = False) -> list[list[str]]:
    """Rows of texts: a header, then one row per point of the grid and one column per scheme.

    variable : a number per scheme and replicate.  csv : full means instead of mean ± standard deviation.
    Raises MfsymError if the Dataset has no such variable.
    """
    usable = [str(name) for name in dataset.data_vars if {"scheme", "replicate"} <= set(dataset[name].dims)]
    usable = [name for name in usable if dataset[name].dtype.kind == "f" and "other" not in dataset[name].dims]
    if variable not in usable:
        raise MfsymError(f"variable must be one of {', '.join(sorted(usable)) or 'none'}, got {variable[:80]!r}")
    array = dataset[variable]
    rows_of = [name for name in array.dims if name not in ("scheme", "replicate")]
    rows = [[*map(str, rows_of), *(str(name) for name in dataset["scheme"].values)]]
    array = array.transpose(*rows_of, "scheme", "replicate")
    drifted = (dataset["status"].transpose(*array.dims).values == "drifted").sum(axis=-1)
    for index in np.ndindex(*(array.sizes[name] for name in rows_of)):
        labels = [str(dataset[name].values[k]) for name, k in zip(rows_of, index, strict=True)]
        cells = zip(array.values[index], drifted[index], strict=True)
        rows.append([*labels, *((f"{row.mean():.6e}" if csv else _spread(row, lost)) for row, lost in cells)])
    return rows


def sweep_table(dataset: xr.Dataset, variable: str = "rmd2_si", *, csv: bool = False) -> str:
    """The rows of ``sweep_rows`` as aligned text under a title, or as CSV."""
    rows = sweep_rows(dataset, variable, csv=csv)
    if csv:
        return "\n".join(",".join(row) for row in rows)
    attrs = dataset[variable].attrs
    title = f"{variable}: {attrs.get('long_name', '')} [{attrs.get('units', '1')}], mean ± sd over replicates"
    return f"{title}\n{aligned(rows)}"
