"""Atomic file writes: temporary file, fsync, verification, rename, fsync of the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from mfsym.errors import StoreError

TEMPORARY_SUFFIX = ".mfsym-part"
SEAL_BYTES = 64
"""A sealed file ends with the hexadecimal BLAKE2b-256 digest of everything before it."""


def seal(data: bytes) -> bytes:
    """``data`` followed by its digest: 64 ASCII bytes."""
    return data + hashlib.blake2b(data, digest_size=32).hexdigest().encode()


def unseal(data: bytes, path: Path) -> bytes:
    """The bytes before the seal; StoreError if any bit of the file has changed."""
    body, mark = data[:-SEAL_BYTES], data[-SEAL_BYTES:]
    if hashlib.blake2b(body, digest_size=32).hexdigest().encode() != mark:
        raise StoreError(f"{path}: checksum mismatch: the file is damaged, truncated, or rewritten by another program")
    return body


def make_folder(path: Path) -> None:
    """Make a folder and its parents; StoreError naming the path and the reason."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(path, "made", error) from error


def unusable(path: Path, action: str, error: OSError) -> StoreError:
    """The StoreError for an OSError."""
    return StoreError(f"{path}: cannot be {action}: {error.strerror or error}; free space or check the permissions")


def read_bytes(path: Path) -> bytes:
    """The content of a file; StoreError naming the path and the reason."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_writable(path: Path) -> None:
    """Check before any work that a file can be published under this name, without leaving a file.

    Raises StoreError naming the path and the reason: no folder, no permission, a name that is too long.
    """
    probe = path.with_name(f".{path.name[:64]}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        folder = path.parent.stat()
        owners = (0, folder.st_uid, path.stat().st_uid if path.exists() else os.geteuid())
        if folder.st_mode & stat.S_ISVTX and os.geteuid() not in owners:
            raise PermissionError(errno.EPERM, "it belongs to another user, in a folder that protects it")
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise unusable(path, "written", error) from error
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def publish(path: Path, data: bytes) -> None:
    """Write ``data`` atomically under its final name: readers see the old file or the complete new one.

    Raises StoreError naming the path and the reason (disk full, permission, input/output error); then nothing was
    published and the temporary file has been removed.
    """
    temporary = path.with_name(f".{path.name[:64]}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if temporary.read_bytes() != data:
            raise StoreError(f"{path}: the data read back differ from those written; the disk cannot be trusted")
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise unusable(path, "written", error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep_temporaries(folder: Path) -> None:
    """Remove temporary files left by killed writers. The caller must hold the folder's lock."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            leftover.unlink()
