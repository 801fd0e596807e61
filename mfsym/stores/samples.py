"""Users' samples (x, y) from files: .npz, .csv or NetCDF. Loading never runs code."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError, StoreError
from mfsym.stores.archives import META_MEMBER, parse_npy, unzip

FORMATS = (".npz", ".csv", ".nc")

MAX_SAMPLE_BYTES = 4_000_000_000

Columns = Sequence[str]


def load_samples(path: Path, x: Columns = ("x",), y: Columns = ("y",)) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs (n, d) and outputs (n, c), numbers and finite, from a file.

    x, y : names of arrays (.npz, .nc: each of n rows, laid side by side) or of columns (.csv with a header).
    In .csv a name stands for the column, or for all columns made of it and a number (x0, x1, ...).
    Raises MfsymError naming the file when a name is missing, the rows differ in number, or a value is not finite.
    """
    if path.suffix not in FORMATS:
        raise MfsymError(f"{path}: a dataset must be {', '.join(FORMATS)}, got {path.suffix or 'no suffix'!r}")
    try:
        if path.stat().st_size > MAX_SAMPLE_BYTES:
            raise MfsymError(f"{path}: larger than {MAX_SAMPLE_BYTES} bytes")
        arrays = {".npz": _npz, ".csv": _csv, ".nc": _netcdf}[path.suffix](path)
        inputs, outputs = (_gather(arrays, names, path) for names in (x, y))
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, SyntaxError, zipfile.BadZipFile, RuntimeError, csv.Error, EOFError, StoreError) as error:
        raise MfsymError(f"{path}: not a dataset: {' '.join(str(error).split())[:160]}") from error
    if len(inputs) != len(outputs) or not len(inputs):
        raise MfsymError(
            f"{path}: x and y must have the same number of rows, at least 1, got {len(inputs)} and {len(outputs)}"
        )
    return inputs, outputs


def _gather(arrays: dict[str, NDArray[Any]], names: Columns, path: Path) -> NDArray[Any]:
    """The named arrays side by side, as rows."""
    parts = []
    for name in names:
        found = [name] if name in arrays else sorted((k for k in arrays if _numbered(k, name)), key=lambda k: _tail(k))
        if not found:
            raise MfsymError(f"{path}: has no {name!r}; it holds {', '.join(sorted(arrays)[:20]) or 'nothing'}")
        parts += [arrays[key] for key in found]
    for values in parts:
        if values.dtype.kind not in "biuf" or not values.ndim:
            raise MfsymError(f"{path}: x and y must be arrays of numbers, got {values.dtype} of shape {values.shape}")
        if values.ndim > 2:
            raise MfsymError(f"{path}: x and y must be rows (n, d) or (n,), got shape {values.shape}; flatten images")
        if not np.isfinite(values).all():
            raise MfsymError(f"{path}: x and y must be finite; drop or fill the rows that are not")
    if len({len(values) for values in parts}) > 1:
        raise MfsymError(f"{path}: {', '.join(names)} must have the same number of rows")
    return np.concatenate([values[:, None] if values.ndim == 1 else values for values in parts], axis=1)


def _numbered(key: str, name: str) -> bool:
    return key.startswith(name) and key[len(name) :].lstrip("_").isdecimal()


def _tail(key: str) -> int:
    digits = key[len(key.rstrip("0123456789")) :]
    return int(digits)


def _npz(path: Path) -> dict[str, NDArray[Any]]:
    members = unzip(path.read_bytes())
    return {name.removesuffix(".npy"): parse_npy(content) for name, content in members.items() if name != META_MEMBER}


def _csv(path: Path) -> dict[str, NDArray[Any]]:
    """Columns by the names in the first line."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if len(rows) < 2 or len({len(row) for row in rows}) > 1:
        raise ValueError("needs a header and rows of one length")
    table = np.array([[float(text) for text in row] for row in rows[1:]])
    return {name.strip(): table[:, k] for k, name in enumerate(rows[0])}


def _netcdf(path: Path) -> dict[str, NDArray[Any]]:
    """Variables of a NetCDF-4 file; links, external storage and odd types are refused before anything is read."""
    import h5py
    import xarray as xr

    from mfsym.stores.datasets import refuse_unsafe

    data = path.read_bytes()
    with h5py.File(io.BytesIO(data), "r") as file:
        refuse_unsafe(file, path, len(data))
    with xr.open_dataset(io.BytesIO(data), engine="h5netcdf") as dataset:
        return {str(name): np.asarray(variable.values) for name, variable in dataset.variables.items()}
