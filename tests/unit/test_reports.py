"""The report: one page that needs nothing else, readable by a parser and by a browser where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import mfsym.experiments as experiments
from mfsym.sweeps import sweep
from mfsym.sweeps.reports import plot, report
from tests.integration.faults import SWEEP, cheap_cell

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "headless-shell")


class Balanced(HTMLParser):
    """Fails on a tag that is closed in the wrong place; collects the visible words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("line", "circle", "polyline")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mfsym: Callable[..., Result]) -> Path:
    """A report written by the command line."""
    monkeypatch.setattr(experiments, "run_cell", cheap_cell)
    sweep(SWEEP | {"tau": [0.0, 0.5]}, tmp_path / "a.nc")
    out = tmp_path / "report.html"
    result = mfsym("report", tmp_path / "a.nc", "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    return out


def test_a_report_is_whole_and_needs_nothing_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    words = " ".join(parser.words)
    for word in ("risk", "rmd2_si", "vanilla", "Provenance", "content_digest", "16 ok"):
        assert word in words
    assert not re.search(r"<script|<link|src=|href=|url\(|@import|https?://(?!www\.w3)", text)
    assert text.count("<svg") == 2 * 2


def test_texts_are_escaped(page: Path, tmp_path: Path) -> None:
    from mfsym.stores import open_result

    dataset = open_result(tmp_path / "a.nc")
    dataset.attrs["config"] = "<script>alert(1)</script>"
    assert "<script>" not in report(dataset, "<b>")


def test_a_plot_leaves_out_what_is_not_finite() -> None:
    sizes = np.array([5, 50])
    drawn = plot(sizes, {"fa": np.array([[1e-3, np.nan], [np.nan, np.nan]])}, "t")
    assert drawn.count("<circle") == 1
    assert "nothing finite" in plot(sizes, {"fa": np.full((2, 2), np.nan)}, "t")
    assert plot(sizes, {"ea": np.zeros((2, 2))}, "t").count("<circle") == 2


def test_a_report_must_be_html(mfsym: Callable[..., Result], tmp_path: Path) -> None:
    assert mfsym("report", tmp_path / "a.nc", "-o", tmp_path / "x.pdf").exit_code == 2


def test_a_browser_renders_the_report(page: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs a headless Chromium")
    shot = tmp_path / "shot.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", f"--screenshot={shot}"]
    subprocess.run([browser, *flags, page.as_uri()], check=True, capture_output=True, timeout=120)
    assert shot.stat().st_size > 5_000
