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
import xarray as xr
from click.testing import Result

import mfsym.experiments as experiments
from mfsym.schemes import SCHEMES, Mark, marks_of
from mfsym.sweeps import sweep
from mfsym.sweeps.charts import chart
from mfsym.sweeps.reports import marks_on, report
from mfsym.sweeps.summaries import found_in, run_in, statuses_in
from tests.integration.faults import SWEEP, cheap_cell

MARKS = marks_of(SCHEMES)
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
        assert tag in ("line", "path", "polyline")

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
    assert text.count('<svg viewBox="0 0') == 2 * 2
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_texts_are_escaped(page: Path, tmp_path: Path) -> None:
    from mfsym.stores import open_result

    dataset = open_result(tmp_path / "a.nc")
    dataset.attrs["config"] = "<script>alert(1)</script>"
    assert "<script>" not in report(dataset, "<b>")


def test_a_chart_leaves_out_what_is_not_finite() -> None:
    sizes = np.array([5, 50])
    drawn = chart(sizes, {"fa": np.array([[1e-3, np.nan], [np.nan, np.nan]])}, MARKS, "t")
    assert drawn.count('class="mark"') == 1
    assert "nothing finite" in chart(sizes, {"fa": np.full((2, 2), np.nan)}, MARKS, "t")
    assert chart(sizes, {"ea": np.zeros((2, 2))}, MARKS, "t").count('class="mark"') == 2


def test_a_chart_has_quartile_bars_and_a_tick_at_every_size() -> None:
    sizes, values = np.array([7, 40, 900]), 10.0 ** np.arange(-5.0, 0.0)
    drawn = chart(sizes, {"da": np.tile(values, (3, 1))}, MARKS, "t")
    for n in sizes:
        assert f">{n}</text>" in drawn
    bars = re.findall(r"M[\d.]+,([\d.]+)V([\d.]+)", drawn)
    grid = [float(y) for y in re.findall(r'class="grid" [^>]*y1="([\d.]+)"', drawn)]
    assert len(bars) == 3
    assert all(float(low) == pytest.approx(grid[1], abs=0.1) for low, _ in bars)
    assert all(float(high) == pytest.approx(grid[3], abs=0.1) for _, high in bars)


def test_curves_that_coincide_can_all_be_seen() -> None:
    same = np.full((2, 3), 1e-2)
    drawn = chart(np.array([5, 50]), dict.fromkeys(MARKS, same), MARKS, "t")
    places = re.findall(r'class="mark" transform="translate\(([\d.]+),', drawn)
    assert len(set(places)) == len(places) == 2 * len(MARKS)


def test_a_scheme_has_the_same_mark_on_every_page() -> None:
    def marks(*names: str) -> dict[str, Mark]:
        return marks_on(xr.Dataset(coords={"scheme": list(names)}))

    assert marks("fa", "vanilla")["fa"] == marks("ea", "da", "fa")["fa"] == MARKS["fa"]
    own = marks("fa", "mine", "yours")
    assert len({own["fa"], own["mine"], own["yours"]}) == 3


def _grid(values: dict[str, list[float]], teachers: tuple[str, ...] = ("wi",), status: str = "ok") -> xr.Dataset:
    """A small sweep's Dataset: ``values`` over replicates by scheme, the same at N = 10 and 50 for every teacher."""
    schemes, one = list(values), np.array(list(values.values()))
    shape = (len(teachers), 1, len(schemes), 2, one.shape[1])
    dims = ("teacher", "init", "scheme", "n", "replicate")
    filled = np.broadcast_to(one[:, None, :], shape).copy()
    statuses = np.full(shape, "ok", dtype=object)
    if status != "ok":
        statuses[0, 0, 0, 1], filled[0, 0, 0, 1] = status, np.nan
    coords = {
        "teacher": list(teachers),
        "init": ["si"],
        "scheme": schemes,
        "n": [10, 50],
        "replicate": range(one.shape[1]),
    }
    arrays = {name: (dims, filled, {"long_name": name, "units": "1"}) for name in ("risk", "risk_bare")}
    return xr.Dataset(arrays | {"status": (dims, statuses)}, coords=coords)


def test_the_page_opens_with_what_was_run_and_found() -> None:
    dataset = _grid({"vanilla": [0.3, 0.31, 0.32], "fa": [0.1, 0.11, 0.12], "ea": [0.1, 0.11, 0.13]}, ("wi", "si"))
    assert run_in(dataset).startswith(
        "3 schemes (vanilla, fa and ea) learned 2 teachers (wi and si) from the start law si, with N = 10 and 50 "
        "particles and 3 replicates, under common random numbers."
    )
    assert found_in(dataset, ["risk"]) == [
        "At N = 50, the risk is lowest for fa and ea (median 0.11) and highest for vanilla (median 0.31)."
    ]
    assert statuses_in(dataset) == "All 36 trainings ended well (36 ok)."
    text = report(dataset, "t")
    assert "risk_bare (equal to risk everywhere)" in text
    assert "<h2>risk_bare</h2>" not in text


def test_schemes_that_cannot_be_told_apart_are_not_ranked() -> None:
    close = _grid({"fa": [0.1, 0.2, 0.3], "da": [0.11, 0.19, 0.31]})
    assert "about the same for fa and da" in found_in(close, ["risk"])[0]
    apart = _grid({"fa": [0.1, 0.2, 0.3], "da": [1.1, 1.19, 1.31]})
    assert "lowest for fa" in found_in(apart, ["risk"])[0]
    assert found_in(close.isel(scheme=[0]), ["risk"]) == []


def test_the_page_says_what_diverged_and_where() -> None:
    said = statuses_in(_grid({"vanilla": [0.3, 0.31], "fa": [0.1, 0.11]}, ("wi", "si"), status="diverged"))
    assert said.startswith(
        "Of 16 trainings 2 diverged, 14 ok. What diverged (at teacher = wi, scheme = vanilla, n = 50)"
    )
    assert "has no distances" in said


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
