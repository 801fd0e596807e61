"""Cell files: NumPy's npz with a JSON description and a seal over every byte. Loading never runs code."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import StoreError
from mfsym.stores.publishing import SEAL_BYTES, read_bytes, seal, unseal
from mfsym.variables import TIMINGS, check_name

META_MEMBER = "meta.json"
MAX_MEMBERS = 256
MAX_ARCHIVE_BYTES = 4_000_000_000
NPY_MAGIC = b"\x93NUMPY\x01\x00"
KINDS = "biufSU"


@dataclass(frozen=True)
class Archive:
    """Named arrays and a JSON description."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]

    @property
    def digest(self) -> str:
        """The content digest: of the arrays' values, timings left out."""
        return arrays_digest(self.arrays)


def arrays_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """64 hexadecimal digits that depend on names, shapes, types and values only; timings are left out."""
    digest = hashlib.blake2b(digest_size=32)
    for name in sorted(set(arrays) - TIMINGS):
        values = np.asarray(arrays[name])
        digest.update(f"{name}|{values.dtype.kind if values.dtype.kind not in 'SO' else 'U'}|{values.shape}|".encode())
        digest.update(_canonical(values))
    return digest.hexdigest()


def _canonical(values: NDArray[Any]) -> bytes:
    """Bytes that equal values share: little-endian, one NaN, texts without padding."""
    if values.dtype.kind in "SUO":
        return json.dumps([str(text) for text in values.astype(str).ravel()]).encode()
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values).astype(values.dtype)
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return f"{values.dtype.itemsize}|".encode() + little.tobytes()


def _npy(values: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(values, order="C"), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def encode(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> bytes:
    """The bytes of a sealed archive: readable by ``numpy.load`` too, since the seal is the zip comment."""
    members = {f"{check_name(name, 'archive')}.npy": _npy(values) for name, values in arrays.items()}
    members[META_MEMBER] = json.dumps({**meta, "digest": arrays_digest(arrays)}, sort_keys=True).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = b"0" * SEAL_BYTES
    return seal(buffer.getvalue()[:-SEAL_BYTES])


def parse_npy(content: bytes) -> NDArray[Any]:
    """The array of a ``.npy`` file (format 1.0) of numbers or fixed text; ValueError for anything else.

    The declared size must be the size that is there, so nothing is allocated on a file's word alone.
    """
    if not content.startswith(NPY_MAGIC):
        raise ValueError("not a .npy file of format 1.0")
    length = int.from_bytes(content[8:10], "little")
    try:
        header = ast.literal_eval(content[10 : 10 + length].decode("latin1"))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError("the .npy header is not a plain dictionary") from error
    if (
        not isinstance(header, dict)
        or set(header) != {"descr", "fortran_order", "shape"}
        or not isinstance(header["descr"], str)
    ):
        raise ValueError("a .npy header must hold descr, fortran_order and shape only")
    try:
        dtype, shape = np.dtype(header["descr"]), tuple(header["shape"])
    except (TypeError, SyntaxError) as error:
        raise ValueError("the .npy header declares no plain type and shape") from error
    if dtype.kind not in KINDS or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"dtype {dtype} and shape {shape} must be of plain numbers or text")
    body = content[10 + length :]
    expected = dtype.itemsize
    for size in shape:
        expected *= size
    if expected != len(body):
        raise ValueError(f"{expected} bytes declared, {len(body)} there")
    flat = np.frombuffer(body, dtype=dtype)
    return flat.reshape(shape, order="F" if header["fortran_order"] else "C").copy()


def unzip(data: bytes) -> dict[str, bytes]:
    """Members of an uncompressed zip file; ValueError for odd names, repeats, compression or too many."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS or len({member.filename for member in members}) != len(members):
            raise ValueError(f"{len(members)} members, repeated or more than {MAX_MEMBERS}")
        for member in members:
            check_name(member.filename, "archive")
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data):
                raise ValueError(f"{member.filename}: must be stored uncompressed and fit in the file")
        return {member.filename: archive.read(member) for member in members}


def decode(data: bytes, path: Path) -> Archive:
    """The archive of sealed bytes; StoreError if damaged, unsafe or not one of ours."""
    if len(data) > MAX_ARCHIVE_BYTES:
        raise StoreError(f"{path}: {len(data)} bytes, more than the {MAX_ARCHIVE_BYTES} a cell may hold")
    unseal(data, path)
    try:
        members = unzip(data)
        meta = json.loads(members.pop(META_MEMBER))
        arrays = {name.removesuffix(".npy"): parse_npy(content) for name, content in members.items()}
    except Exception as error:
        raise StoreError(f"{path}: not a cell file: {' '.join(str(error).split())[:200]}") from error
    archive = Archive(arrays, meta)
    if not isinstance(meta, dict) or meta.get("digest") != archive.digest:
        raise StoreError(f"{path}: the content digest does not match its values")
    return archive


def load(path: Path) -> Archive:
    """The archive in a file; StoreError naming the path if it cannot be read or trusted."""
    return decode(read_bytes(path), path)
