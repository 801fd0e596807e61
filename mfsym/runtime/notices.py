"""What is said on standard error to whoever waits: once per process and text, and nothing after ``hush``.

These are no warnings: nothing is wrong, and a program that turns warnings into errors goes on.
"""

from __future__ import annotations

import os
import sys

from mfsym.runtime.progress import Listener

QUIET = "_MFSYM_QUIET"
"""Set for a process, and for those that it starts, where nothing is to be said."""

_said: set[str] = set()


def hush() -> None:
    """Say nothing from now on, neither here nor in the processes that this one starts."""
    os.environ[QUIET] = "1"


def tell(text: str) -> None:
    """Write one line to standard error, unless it was written before."""
    if text not in _said and QUIET not in os.environ:
        _said.add(text)
        print(text, file=Listener(sys.stderr), flush=True)


def forget() -> None:
    """Count nothing as said: what a new process begins with."""
    _said.clear()
    os.environ.pop(QUIET, None)
