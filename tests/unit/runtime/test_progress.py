"""Progress goes to standard error, plain off a terminal, and counts right."""

from __future__ import annotations

import errno
import io
import sys
import time

import pytest

from mfsym.runtime import progress
from mfsym.runtime.progress import Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_off_a_terminal_the_lines_are_plain_and_failures_show_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(3, "demo") as bar:
        bar.cell("a")
        bar.cell("b", "diverged: fa at step 3")
        bar.cell("c", "ValueError: x", failed=True)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "demo: b: diverged: fa at step 3"
    assert lines[1] == "demo: c: failed: ValueError: x"
    assert lines[2].startswith("demo: 2/3 cells, 1 failed, 0 left")
    assert "\x1b" not in err


def test_a_line_appears_every_interval(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.02)
    with Progress(3, "demo") as bar:
        bar.cell("a")
        time.sleep(0.2)
    assert "to go" in capsys.readouterr().err


def test_quiet_says_nothing_and_verbose_says_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1, "demo", verbosity=-1) as bar:
        bar.cell("a", "x", failed=True)
    assert capsys.readouterr().err == ""
    with Progress(1, "demo", verbosity=1) as bar:
        bar.cell("a")
    assert "demo: a: done" in capsys.readouterr().err


class _Lost(_Terminal):
    """A terminal, or a pipe, that takes two writes and is then gone."""

    def __init__(self, error: Exception, terminal: bool) -> None:
        super().__init__()
        self.error, self.terminal, self.writes = error, terminal, 0

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.writes += 1
        if self.writes > 2:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(errno.EPIPE, "no reader"), OSError(errno.EIO, "hung up"), ValueError("I/O on closed file")],
    ids=["pipe", "terminal", "closed"],
)
def test_a_reader_that_goes_away_silences_progress(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, error: Exception
) -> None:
    stream = _Lost(error, terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(5, "demo", verbosity=1) as bar:
        for name in "abcde":
            bar.cell(name)
    assert (bar.done, bar.stream.lost) == (5, True)
    assert stream.writes == 3
    assert stream.getvalue()


def test_without_standard_error_progress_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with Progress(2, "demo", verbosity=1) as bar:
        bar.cell("a")
        bar.cell("b", "x", failed=True)
    assert (bar.done, bar.failed) == (1, 1)
    assert capsys.readouterr().out == ""
    with pytest.raises(OSError, match="no stream"):
        bar.stream.fileno()


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(2, "demo", verbosity=1) as bar:
        bar.cell("a")
        bar.cell("b", "x", failed=True)
    assert "demo: 100%" in terminal.getvalue()
    assert "failed=1" in terminal.getvalue()
