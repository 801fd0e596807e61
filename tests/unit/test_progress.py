"""Progress goes to standard error, plain off a terminal, and counts right."""

from __future__ import annotations

import io
import sys
import time

import pytest

from mfsym import progress
from mfsym.progress import Progress


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


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(2, "demo", verbosity=1) as bar:
        bar.cell("a")
        bar.cell("b", "x", failed=True)
    assert "demo: 100%" in terminal.getvalue()
    assert "failed=1" in terminal.getvalue()
