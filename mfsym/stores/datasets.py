"""Datasets as sealed NetCDF files: encoded in memory, verified, and published atomically; checksummed when read."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.errors import MfsymError, StoreError
from mfsym.stores.archives import arrays_digest
from mfsym.stores.publishing import SEAL_BYTES, make_folder, publish, read_bytes, seal, unseal
from mfsym.variables import TIMINGS, annotate, check_name, validate

if TYPE_CHECKING:
    import h5py
    import xarray as xr

MAX_DATASET_BYTES = 16_000_000_000
SLACK_BYTES = 16_000_000

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
NETCDF3_MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
NETCDF3 = "is a NetCDF-3 file, which is not read; convert it (xarray: to_netcdf(path, engine='h5netcdf'))"


def content_digest(dataset: xr.Dataset) -> str:
    """64 hexadecimal digits of the values: dimensions, coordinates and variables, without timings and attributes."""
    arrays = {
        f"{name}({','.join(map(str, variable.dims))})": variable.values
        for name, variable in dataset.variables.items()
        if str(name) not in TIMINGS
    }
    return arrays_digest(arrays)


def encode_attributes(attributes: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Attributes in types that NetCDF supports: strings and numbers unchanged, everything else as JSON."""
    plain = {}
    for key, stated in attributes.items():
        value = stated.item() if isinstance(stated, np.generic) else stated
        keep = isinstance(value, str | float) or (isinstance(value, int) and not isinstance(value, bool))
        plain[key] = value if keep else json.dumps(value, sort_keys=True)
    return plain


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    """Encoding with checksummed chunks and fixed-width strings, without variable-length heap storage."""
    if variable.dtype.kind in "USO":
        width = max([1, *(len(str(text).encode()) for text in variable.values.ravel())])
        shape: tuple[int, ...] = (*variable.shape, width)
        options: dict[str, Any] = {"dtype": "S1"}
    else:
        shape, options = variable.shape, {}
    if shape and all(shape):
        options |= {"fletcher32": True, "chunksizes": shape}
    if variable.dtype.kind == "f":
        options["_FillValue"] = None
    return options


def encode(dataset: xr.Dataset) -> bytes:
    """The bytes of a sealed NetCDF-4 file of an annotated Dataset, with its content digest as an attribute.

    The bytes are decoded again and compared value by value; StoreError if they differ from the Dataset.
    """
    annotated = annotate(dataset.copy())
    annotated.attrs = encode_attributes(annotated.attrs)
    annotated.attrs["content_digest"] = content_digest(annotated)
    for label, variable in annotated.variables.items():
        if variable.dtype.kind in "SO":
            annotated[label] = annotated[label].astype(str)
    encoding = {label: _encoding(variable) for label, variable in annotated.variables.items()}
    data = bytes(annotated.to_netcdf(None, engine="h5netcdf", encoding=encoding))
    again = _parse(data)
    if content_digest(again) != annotated.attrs["content_digest"]:
        raise StoreError("the Dataset does not read back as it was written")
    return seal(data)


def save(dataset: xr.Dataset, path: Path) -> None:
    """Publish a Dataset as a sealed NetCDF file; on failure, StoreError naming path and reason, and no file is left."""
    data = encode(dataset)
    make_folder(path.parent)
    publish(path, data)


def save_result(dataset: xr.Dataset, path: Path | str) -> None:
    """Write a Dataset of mfsym, or a part of one, as a file that ``open_result`` and every command read.

    path : ends in .nc; a file that is there is replaced, a folder that is missing is made. The file holds the Dataset's
    attributes and is written whole or not at all.
    MfsymError for another suffix, and for what is no result: a variable or dimension that the dictionary of results
    does not name. StoreError, naming path and reason, if it cannot be written.
    """
    import xarray as xr

    if not isinstance(dataset, xr.Dataset):
        raise MfsymError(f"dataset must be an xarray Dataset, got {type(dataset).__name__}")
    path = Path(path)
    if path.suffix != ".nc" or path.is_dir():
        raise MfsymError(f"{path}: the result must be a file that ends in .nc")
    save(dataset, path)


def refuse_unsafe(group: h5py.Group, path: Path, most_bytes: int, used: Container[str] | None = None) -> None:
    """StoreError for links, external storage, virtual data, variable-length values, unsafe names or excessive sizes.

    used : names of the variables that will be read, None for all; others are only checked for links.
    most_bytes : largest total size.
    """
    import h5py

    declared = 0
    for name in group:
        if used is None:
            check_name(name, str(path))
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise StoreError(f"{path}: {name} is a link; only plain variables are read")
        if used is not None and name not in used:
            continue
        item = group[name]
        if not isinstance(item, h5py.Dataset):
            raise StoreError(f"{path}: {name} is not a variable; groups are not read")
        if item.external or item.is_virtual:
            raise StoreError(f"{path}: {name} stores its values in another file; refused")
        if item.dtype.kind not in "iufS":
            kind = "text of any length" if h5py.check_string_dtype(item.dtype) else f"values of type {item.dtype}"
            raise StoreError(f"{path}: {name} holds {kind}; only numbers and fixed text are read")
        declared += item.size * item.dtype.itemsize if item.shape is not None else 0
    if declared > most_bytes:
        raise StoreError(f"{path}: declares {declared} bytes, a file of its size may hold {most_bytes}; refused")


def _parse(data: bytes, path: Path = Path("dataset")) -> xr.Dataset:
    import h5py
    import xarray as xr

    with h5py.File(io.BytesIO(data), "r") as file:
        refuse_unsafe(file, path, min(2 * len(data) + SLACK_BYTES, MAX_DATASET_BYTES))
    with xr.open_dataset(io.BytesIO(data), engine="h5netcdf") as lazy:
        dataset = lazy.load()
    for label, variable in dataset.variables.items():
        dataset[label].encoding = {}
        if variable.dtype.kind == "O":
            dataset[label] = dataset[label].astype(str)
    return dataset


def not_a_result(path: Path) -> str:
    """The kind of a file that mfsym did not write; "" for a result, even if damaged or rewritten by another program."""
    import h5py

    with path.open("rb") as file:
        start = file.read(len(HDF5_MAGIC))
        file.seek(max(0, path.stat().st_size - SEAL_BYTES))
        sealed = re.fullmatch(rb"[0-9a-f]{64}", file.read()) is not None
    if sealed:
        return ""
    if start[:4] in NETCDF3_MAGIC:
        return NETCDF3
    if start != HDF5_MAGIC:
        return "is not a NetCDF file"
    try:
        with h5py.File(path, "r") as opened:
            ours = "content_digest" in opened.attrs
    except OSError:
        return ""
    return "" if ours else "is a NetCDF-4 or HDF5 file of another program"


def open_result(path: Path | str) -> xr.Dataset:
    """The Dataset in a result file, loaded into memory with its checksum verified.

    Loading runs no code and reads no other file. Raises StoreError if the file is damaged, unsafe or not a result.
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        unseal(data, path)
    except StoreError:
        if fault := not_a_result(path):
            raise StoreError(f"{path}: {fault}, not a result of mfsym") from None
        raise
    try:
        dataset = _parse(data, path)
        validate(dataset)
        recorded = dataset.attrs.get("content_digest")
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"{path}: not a result file: {' '.join(str(error).split())[:200]}") from error
    if recorded != content_digest(dataset):
        raise StoreError(f"{path}: the content digest does not match its values")
    return dataset
