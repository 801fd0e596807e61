"""Load users' samples (x, y) from .npz, .csv or NetCDF files. Loading never runs code."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError, StoreError
from mfsym.stores.npy import MAX_BYTES, MAX_RATIO, UNREADABLE, Npz, type_fault
from mfsym.stores.tables import read_table

FORMATS = (".npz", ".csv", ".nc")

Columns = Sequence[str]
Arrays = dict[str, NDArray[Any]]
Pick = Callable[[Collection[str]], list[str]]
"""Selects the wanted names from those in a file."""


class _NotThere(Exception):
    """A requested name is missing from the file, or ambiguous."""


def load_samples(path: Path, x: Columns = ("x",), y: Columns = ("y",)) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs (n, d) and outputs (n, c), finite numbers, from a file.

    x, y : names of arrays (.npz, .nc; each of n rows, concatenated along columns) or of columns (.csv with a header). A
    name refers to that array or column, or to all that consist of it and a number (x0, x1, ...). Nothing else is read.
    docs/files.md specifies the formats. Raises MfsymError naming the file if a name is missing, the numbers of rows
    differ, or a value is not finite.
    """
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise MfsymError(f"{path}: a dataset must be {', '.join(FORMATS)}, got {path.suffix or 'no suffix'!r}")

    def pick(held: Collection[str]) -> list[str]:
        return list(dict.fromkeys([*_named(held, x), *_named(held, y)]))

    try:
        if path.stat().st_size > MAX_BYTES:
            raise MfsymError(f"{path}: larger than {MAX_BYTES} bytes")
        arrays = _READERS[kind](path, pick)
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _NotThere as error:
        raise MfsymError(f"{path}: {error}") from None
    except StoreError as error:
        raise MfsymError(str(error)) from error
    except UNREADABLE as error:
        raise MfsymError(f"{path}: not a dataset: {' '.join(str(error).split())[:300]}") from error
    inputs, outputs = (_beside(arrays, _named(arrays, names), path) for names in (x, y))
    if len(inputs) != len(outputs) or not len(inputs):
        raise MfsymError(
            f"{path}: x and y must have the same number of rows, at least 1, got {len(inputs)} and {len(outputs)}"
        )
    return inputs, outputs


def _named(held: Collection[str], names: Columns) -> list[str]:
    """The keys that the names refer to, in order; _NotThere if there is none, or if two have the same number."""
    found: list[str] = []
    for name in names:
        keys = [name] if name in held else sorted((key for key in held if _numbered(key, name)), key=_tail)
        if not keys:
            raise _NotThere(f"has no {name!r}; it holds {', '.join(sorted(held)[:20]) or 'nothing'}")
        for one, other in pairwise(keys):
            if _tail(one) == _tail(other):
                raise _NotThere(f"{one!r} and {other!r} have the same number; name the ones you mean")
        found += keys
    return found


def _numbered(key: str, name: str) -> bool:
    tail = key[len(name) :].lstrip("_")
    return key.startswith(name) and tail.isascii() and tail.isdecimal()


def _tail(key: str) -> int:
    digits = key[len(key.rstrip("0123456789")) :]
    return int(digits)


def _beside(arrays: Arrays, names: list[str], path: Path) -> NDArray[Any]:
    """The named arrays concatenated along columns."""
    parts = [arrays[name] for name in names]
    for name, values in zip(names, parts, strict=True):
        if fault := type_fault(values.dtype):
            raise MfsymError(f"{path}: {name!r} {fault}; x and y must be arrays of numbers")
        if values.ndim not in (1, 2):
            raise MfsymError(f"{path}: {name!r} must be rows (n, d) or (n,), got shape {values.shape}; flatten images")
        finite = np.isfinite(values).reshape(len(values), values.size // max(1, len(values))).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise MfsymError(f"{path}: {name!r} must be finite, row {row} is not; drop or fill such rows")
    if len({len(values) for values in parts}) > 1:
        raise MfsymError(f"{path}: {', '.join(names)} must have the same number of rows")
    return np.concatenate([values[:, None] if values.ndim == 1 else values for values in parts], axis=1)


def _npz(path: Path, pick: Pick) -> Arrays:
    with path.open("rb") as stream:
        archive = Npz(stream, path.stat().st_size)
        return {name: archive.read(name) for name in pick(archive.names)}


def _csv(path: Path, pick: Pick) -> Arrays:
    """Columns by the names in the first line."""

    def choose(names: tuple[str, ...]) -> list[int]:
        try:
            return [names.index(name) for name in pick(names)]
        except _NotThere as error:
            raise _NotThere(f"line 1, column 1: {error}") from None

    table = read_table(path, choose)
    return {name: table.values[:, k] for k, name in enumerate(table.names)}


def _netcdf(path: Path, pick: Pick) -> Arrays:
    """Variables of a NetCDF-4 file; links, external storage and unsupported types are refused before reading."""
    import h5py
    import xarray as xr

    from mfsym.stores.datasets import HDF5_MAGIC, NETCDF3, NETCDF3_MAGIC, SLACK_BYTES, refuse_unsafe

    data = path.read_bytes()
    if data.startswith(NETCDF3_MAGIC):
        raise StoreError(f"{path}: {NETCDF3}")
    if not data.startswith(HDF5_MAGIC):
        raise StoreError(f"{path}: is not a NetCDF file")
    with h5py.File(io.BytesIO(data), "r") as file:
        refuse_unsafe(file, path, MAX_BYTES, used=())
        held = [name for name, item in file.items() if not _is_bare_dimension(item)]
        wanted = pick(held)
        refuse_unsafe(file, path, min(MAX_RATIO * len(data) + SLACK_BYTES, MAX_BYTES), used=wanted)
        others = [name for name in file if name not in wanted]
    with xr.open_dataset(io.BytesIO(data), engine="h5netcdf", drop_variables=others) as dataset:
        return {name: np.asarray(dataset[name].values) for name in wanted}


def _is_bare_dimension(item: Any) -> bool:
    """Whether an item of the file only defines the length of a dimension."""
    return bytes(item.attrs.get("NAME", b"")).startswith(b"This is a netCDF dimension but not a netCDF variable")


_READERS: dict[str, Callable[[Path, Pick], Arrays]] = {".npz": _npz, ".csv": _csv, ".nc": _netcdf}
