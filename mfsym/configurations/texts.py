"""TOML files as tables of values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mfsym.configurations.values import parse_toml
from mfsym.errors import MfsymError

MAX_FILE_BYTES = 1_000_000
"""Size of the largest file that is read, in bytes."""


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file; MfsymError, which names the file, if it is invalid.

    what : kind of file, for the error if it is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise MfsymError(f"{path}: {what} must be under {MAX_FILE_BYTES} bytes, got {size}")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise MfsymError(f"{path}: must be UTF-8 text (byte {error.start} is not)") from error
    try:
        return parse_toml(text)
    except MfsymError as error:
        raise MfsymError(f"{path}: {error}") from None
