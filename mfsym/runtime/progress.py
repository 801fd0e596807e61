"""Progress: a bar on a terminal and in a notebook, a plain line every 30 seconds on standard error elsewhere."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, Self, TextIO, TypeVar, cast

INTERVAL = 30.0
"""Seconds between two plain lines."""


P = ParamSpec("P")
T = TypeVar("T")

_ASKED: ContextVar[bool] = ContextVar("progress", default=False)

_SAID = """
    progress : True shows how far the work is, with the time to go: a bar on a terminal and in a notebook, lines
    elsewhere.
    """


def with_progress(function: Callable[P, T]) -> Callable[P, T]:
    """Give a function the keyword ``progress``, False unless stated: whether it says how far it is."""

    @functools.wraps(function)
    def watched(*args: Any, progress: bool = False, **given: Any) -> T:
        token = _ASKED.set(bool(progress))
        try:
            return function(*args, **given)
        finally:
            _ASKED.reset(token)

    signature = inspect.signature(function)
    asked = inspect.Parameter("progress", inspect.Parameter.KEYWORD_ONLY, default=False, annotation="bool")
    places = [*signature.parameters.values(), asked]
    watched.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=sorted(places, key=lambda place: place.kind)
    )
    watched.__doc__ = f"{(function.__doc__ or '').rstrip()}{_SAID}"
    return cast("Callable[P, T]", watched)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class Listener:
    """A stream for progress that fails silently: after the first failed write, all output is discarded.

    There may be no stream (``sys.stderr`` is None in a daemon), its reader or the terminal may be closed. Such failures
    must not end a run.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def _try(self, act: Callable[[TextIO], Any]) -> Any:
        """``act(stream)``; None if there is no stream or once it has failed."""
        if self._stream is not None:
            try:
                return act(self._stream)
            except (OSError, ValueError):
                self._stream = None
        return None

    def write(self, text: str) -> int:
        """Write text if the stream works."""
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream if it works."""
        self._try(lambda stream: stream.flush())

    def isatty(self) -> bool:
        """Whether this is a terminal."""
        return bool(self._try(lambda stream: stream.isatty()))

    def fileno(self) -> int:
        """The file descriptor, which tqdm needs for the terminal width; OSError if there is none."""
        if self._stream is None:
            raise OSError("there is no stream")
        return self._stream.fileno()

    @property
    def lost(self) -> bool:
        """Whether there is no stream, or it has failed."""
        return self._stream is None


class Progress:
    """Progress in cells done, failed and left, with the estimated remaining time.

    total : number of units of work.  label : what is running.
    verbosity : -1 nothing, unless ``with_progress`` was asked for it, 0 as above, 1 also a line per unit.
    """

    def __init__(self, total: int, label: str, *, verbosity: int = 0, unit: str = "cell") -> None:
        self.total, self.label, self.unit = total, label, unit
        self.verbosity = max(verbosity, 0) if _ASKED.get() else verbosity
        self.stream = Listener(sys.stderr)
        self.done = self.failed = 0
        self.started = time.monotonic()
        self._stopped = threading.Event()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if self.verbosity >= 0 and self.total:
            if self.stream.isatty() or in_notebook():
                from tqdm.auto import tqdm

                self._bar = tqdm(
                    total=self.total, desc=self.label, unit=self.unit, file=self.stream, dynamic_ncols=True
                )
            else:
                threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._bar is not None:
            self._bar.close()
        elif self.verbosity >= 0 and self.total:
            self._write(self.line())

    def _tick(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._write(self.line())

    def line(self) -> str:
        """One line with the numbers done, failed and left, and the time."""
        elapsed = time.monotonic() - self.started
        ended = self.done + self.failed
        left = self.total - ended
        eta = f", about {elapsed / ended * left:.0f} s to go" if ended and left else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.label}: {self.done}/{self.total} {self.unit}s{failed}, {left} left, {elapsed:.0f} s{eta}"

    def _write(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)

    def cell(self, name: str, note: str = "", *, failed: bool = False) -> None:
        """Count one cell; failures are shown at once, successes only with -v."""
        if failed:
            self.failed += 1
        else:
            self.done += 1
        if self.verbosity >= 0 and (failed or note.startswith(("diverged", "drifted")) or self.verbosity > 0):
            self._write(f"{self.label}: {name}: {'failed: ' if failed else ''}{note or 'done'}")
        if self._bar is not None:
            self._bar.set_postfix(failed=self.failed, refresh=False)
            self._bar.update()
