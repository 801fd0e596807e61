"""What is said on standard error to whoever waits: once per process and text.

These are no warnings: nothing is wrong, and a program that turns warnings into errors goes on.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from mfsym.runtime.progress import Listener

QUIET = "_MFSYM_QUIET"
"""Set where nothing is to be said, by this process and by those that it starts."""

_said: set[str] = set()


def tell(text: str) -> None:
    """Write one line to standard error, unless it was written before or nothing is to be said."""
    if text not in _said and QUIET not in os.environ:
        _said.add(text)
        print(text, file=Listener(sys.stderr), flush=True)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Say nothing inside, neither here nor in processes that are started."""
    before = os.environ.get(QUIET)
    os.environ[QUIET] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[QUIET]


def forget() -> None:
    """Count nothing as said, as in a new process."""
    _said.clear()
