"""Safe readers for NumPy files: .npy of every format version, and .npz stored or compressed.

Loading never runs code. Declared sizes are checked against the file size before memory is allocated or data inflated.
Format: numpy.lib.format (NEP 1), versions 1.0, 2.0 and 3.0.
"""

from __future__ import annotations

import ast
import io
import math
import re
import zipfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
KINDS = "biufSU"

MAX_BYTES = 4_000_000_000
"""Largest total size of the arrays in a file, after inflation."""

MAX_HEADER_BYTES = 1 << 16
"""Largest header of an array of plain numbers or text."""

MAX_RATIO = 1100
"""Largest compression ratio accepted; deflate reaches 1,032."""

_VERSIONS: dict[tuple[int, ...], tuple[int, str]] = {(1, 0): (2, "latin1"), (2, 0): (4, "latin1"), (3, 0): (4, "utf-8")}
"""Format version to the number of bytes of the header length field, and the header's encoding."""

UNREADABLE = (
    ValueError,
    SyntaxError,
    OverflowError,
    RuntimeError,
    EOFError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
)
"""Exceptions, other than OSError, from reading a damaged or unusual file."""


def type_fault(dtype: np.dtype[Any]) -> str:
    """Why an array of this type does not contain real numbers, and what to save instead; "" if it does."""
    if dtype.names:
        fields = ", ".join(dtype.names[:5])
        return f"holds records with the fields {fields}; save them as one plain array of numbers with one column each"
    if dtype.kind == "c":
        return f"holds complex numbers ({dtype}); save real and imaginary parts as columns"
    if dtype.kind == "O":
        return "holds Python objects, which only pickle can load, and pickle runs code; save plain numbers"
    if dtype.kind in "SU":
        return f"holds text ({dtype}); save an array of numbers"
    if dtype.kind in "mM":
        return f"holds dates or times ({dtype}); save them as numbers"
    if dtype.kind not in KINDS:
        return f"holds values of type {dtype}; save them as float64"
    return ""


def parse_npy(content: bytes) -> NDArray[Any]:
    """The array of a ``.npy`` file of numbers or fixed text; ValueError for anything else."""
    return read_npy(io.BytesIO(content), len(content))


def read_npy(stream: IO[bytes], size: int) -> NDArray[Any]:
    """The array of numbers or fixed text in a ``.npy`` file of ``size`` bytes; ValueError for anything else.

    The declared size must equal the actual size, so a false header cannot cause a large allocation.
    """
    start = stream.read(len(MAGIC) + 2)
    if not start.startswith(MAGIC):
        raise ValueError(f"not a .npy file: {_kind_of(start)}")
    version = tuple(start[len(MAGIC) :])
    if version not in _VERSIONS:
        raise ValueError(f"a .npy file of format {'.'.join(map(str, version))}; supported are 1.0, 2.0 and 3.0")
    count, encoding = _VERSIONS[version]
    length = int.from_bytes(stream.read(count), "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"a .npy header of {length} bytes, more than plain arrays need ({MAX_HEADER_BYTES})")
    dtype, shape, fortran_order = _described(stream.read(length).decode(encoding))
    expected = math.prod(shape) * dtype.itemsize
    there = size - len(start) - count - length
    if expected != there:
        raise ValueError(f"{expected} bytes declared, {there} present")
    values = bytearray(stream.read(expected))
    if len(values) != expected or stream.read(1):
        raise ValueError(f"{expected} bytes declared, {len(values)} could be read")
    return np.frombuffer(values, dtype=dtype).reshape(shape, order="F" if fortran_order else "C")


def _described(header: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Type, shape and order declared by a header; ValueError unless the array is plain numbers or fixed text."""
    found = _literal(header)
    if not isinstance(found, dict) or set(found) != {"descr", "fortran_order", "shape"}:
        raise ValueError("a .npy header must hold descr, fortran_order and shape only")
    shape = found["shape"]
    try:
        described = found["descr"]
        dtype = np.dtype([tuple(field) for field in described] if isinstance(described, list) else described)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError("the .npy header declares an unknown type") from error
    if dtype.kind not in KINDS:
        raise ValueError(type_fault(dtype))
    if not isinstance(shape, tuple) or not all(type(axis) is int and 0 <= axis < 2**63 for axis in shape):
        raise ValueError(f"the .npy header declares the shape {str(shape)[:60]}; whole numbers >= 0 are allowed")
    return dtype, shape, bool(found["fortran_order"])


def _literal(header: str) -> Any:
    """The Python literal of a header; Python 2 wrote integers as 5L."""
    for text in (header, re.sub(r"(?<=\d)L\b", "", header)):
        try:
            return ast.literal_eval(text.strip())
        except SyntaxError:
            continue
        except (ValueError, RecursionError, MemoryError, TypeError) as error:
            raise ValueError("the .npy header is not a plain dictionary") from error
    raise ValueError("the .npy header is not a plain dictionary")


def _kind_of(start: bytes) -> str:
    """A guess at the kind of a file from its first bytes, for a message."""
    if start.startswith(b"PK"):
        return "it is a zip archive; name it .npz if it holds arrays"
    if start.startswith(b"\x80"):
        return "it is a pickle, which can run code when loaded; save the array with numpy.save"
    return "save the array with numpy.save" if start else "it is empty"


class Npz:
    """The arrays of an ``.npz`` archive by name, each read on demand.

    names : names of its arrays, in file order; they are never used as paths.
    ValueError if it is not a zip archive of .npy files, or declares more data than it can contain.
    """

    def __init__(self, stream: IO[bytes], size: int) -> None:
        start = stream.read(6)
        stream.seek(0)
        if not start.startswith(b"PK"):
            raise ValueError(f"not an .npz archive: {'it is a .npy file' if start == MAGIC else _kind_of(start)}")
        self.archive = zipfile.ZipFile(stream)
        members = [member for member in self.archive.infolist() if member.filename.endswith(".npy")]
        self.members = {member.filename.removesuffix(".npy"): member for member in members}
        if len(self.members) != len(members):
            raise ValueError("holds two arrays of the same name")
        self.names = tuple(self.members)
        for member in members:
            _check_member(member)
        if sum(member.compress_size for member in members) > size:
            raise ValueError("declares more compressed bytes than the file holds")
        declared = sum(member.file_size for member in members)
        if declared > MAX_BYTES:
            raise ValueError(f"declares {declared} bytes of arrays, more than {MAX_BYTES}")

    def read(self, name: str) -> NDArray[Any]:
        """The array of this name; ValueError naming it if it is damaged, or neither numbers nor fixed text."""
        member = self.members[name]
        try:
            with self.archive.open(member) as stream:
                return read_npy(stream, member.file_size)
        except ValueError as error:
            raise ValueError(f"the array {name[:64]!r}: {error}") from error


def _check_member(member: zipfile.ZipInfo) -> None:
    """ValueError for a member that is encrypted, compressed by a method numpy does not use, or impossibly large."""
    name = member.filename[:64]
    if member.flag_bits & 1:
        raise ValueError(f"{name!r} is encrypted; save the arrays with numpy.savez")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name!r} is compressed by another method than numpy.savez_compressed uses")
    ratio = 1 if member.compress_type == zipfile.ZIP_STORED else MAX_RATIO
    if member.file_size > ratio * member.compress_size:
        raise ValueError(f"{name!r} declares {member.file_size} bytes in {member.compress_size} compressed ones")
