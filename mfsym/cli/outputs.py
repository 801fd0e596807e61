"""The standard streams of the command, whatever its caller left of them: none, a closed pipe, a full disk.

A reader that goes away takes nothing with it: what is written from then on goes nowhere, and the command runs to its
end and exits as it would have. A disk that is full is an error: who redirects results to a file wants them.
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
    """Let what is written to a descriptor from now on go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


class _Output(io.FileIO):
    """Standard output or standard error, silent once nobody reads it.

    Raises StoreError when standard output cannot be written for another reason; standard error never complains, since
    it is where complaints go.
    """

    def write(self, data: Any) -> int:
        """Write bytes, all or some."""
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
    """Give this process all three standard streams.

    A descriptor that is closed is opened on the null device: otherwise the next file that is opened, a result perhaps,
    would get its number, and receive what libraries write to standard error.
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
