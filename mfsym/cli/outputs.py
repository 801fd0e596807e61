"""Standard streams that survive a caller who closed them, a broken pipe and a full disk.

If the reader closes its end, later output is discarded; the command runs to completion with its usual exit code.
A full disk is an error, since the results redirected to it would be lost.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

from mfsym.errors import StoreError

STDIN, STDOUT, STDERR = 0, 1, 2


def _silence(descriptor: int) -> None:
    """Discard everything written to a descriptor from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


class _Output(io.FileIO):
    """Standard output or standard error; discards output once its reader is gone.

    Raises StoreError when standard output cannot be written for another reason. Standard error never raises, since
    errors are reported there.
    """

    def write(self, data: Any) -> int:
        """Write bytes, possibly only some of them."""
        try:
            return super().write(data)
        except OSError as error:
            descriptor = self.fileno()
            _silence(descriptor)
            if descriptor == STDOUT and error.errno != errno.EPIPE:
                raise StoreError(f"standard output cannot be written: {error.strerror or error}") from error
            return len(memoryview(data).cast("B"))


def _wrapped(descriptor: int, like: TextIO | None) -> TextIO:
    """A text stream over ``_Output`` that encodes and buffers as the stream it replaces."""
    raw = io.BufferedWriter(_Output(descriptor, "w", closefd=False))
    if not isinstance(like, io.TextIOWrapper):
        return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return io.TextIOWrapper(
        raw,
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )


def prepare_streams() -> None:
    """Ensure that all three standard streams are open.

    A closed descriptor is opened on the null device. Otherwise the next file opened, perhaps a result, would take its
    number and receive what libraries write to standard error.
    """
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(STDIN, closefd=False)), encoding="utf-8")
    if sys.stdout is sys.__stdout__:
        sys.stdout = _wrapped(STDOUT, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _wrapped(STDERR, sys.stderr)
