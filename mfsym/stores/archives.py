"""Cell files: NumPy npz archives with a JSON description and a checksum of every byte. Loading never runs code."""

from __future__ import annotations

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
from mfsym.stores.npy import parse_npy
from mfsym.stores.publishing import SEAL_BYTES, read_bytes, seal, unseal
from mfsym.variables import TIMINGS, check_name

META_MEMBER = "meta.json"
MAX_MEMBERS = 256
MAX_ARCHIVE_BYTES = 4_000_000_000


@dataclass(frozen=True)
class Archive:
    """Named arrays and a JSON description."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]

    @property
    def digest(self) -> str:
        """The content digest of the arrays' values, without timings."""
        return arrays_digest(self.arrays)


def arrays_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """64 hexadecimal digits that depend only on names, shapes, types and values; timings are excluded."""
    digest = hashlib.blake2b(digest_size=32)
    for name in sorted(set(arrays) - TIMINGS):
        values = np.asarray(arrays[name])
        digest.update(f"{name}|{values.dtype.kind if values.dtype.kind not in 'SO' else 'U'}|{values.shape}|".encode())
        digest.update(_canonical(values))
    return digest.hexdigest()


def _canonical(values: NDArray[Any]) -> bytes:
    """Canonical bytes, identical for equal values: little-endian, a single NaN, strings without padding."""
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
    """The bytes of a sealed archive. ``numpy.load`` can read it, since the seal is the zip comment."""
    members = {f"{check_name(name, 'archive')}.npy": _npy(values) for name, values in arrays.items()}
    members[META_MEMBER] = json.dumps({**meta, "digest": arrays_digest(arrays)}, sort_keys=True).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = b"0" * SEAL_BYTES
    return seal(buffer.getvalue()[:-SEAL_BYTES])


def unzip(data: bytes) -> dict[str, bytes]:
    """Members of an uncompressed zip file; ValueError for unsafe or repeated names, compression or too many members."""
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
    """The archive in sealed bytes; StoreError if they are damaged, unsafe or not a cell file."""
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
