"""The figures of read-outs, drawn from small results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.figures import figure
from mfsym.figures.drawing import render
from mfsym.figures.looks import Look
from tests.readout_entries import readout_results
from tests.sizes import compiled

pytestmark = compiled


@pytest.fixture(scope="module")
def results():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn, in the extra digits")
    return readout_results()


@pytest.mark.parametrize(("name", "key"), [("ways", "read"), ("symmetrisers", "read_study")])
@pytest.mark.parametrize("width", [None, 3.4])
def test_the_figures_draw_and_repeat_byte_by_byte(name, key, width, results, tmp_path: Path):
    files = [tmp_path / "a.pdf", tmp_path / "b.pdf"]
    for file in files:
        render(figure(name), [results[key]], [file], Look(width=width))
    assert files[0].read_bytes()[:4] == b"%PDF"
    assert files[0].stat().st_size == files[1].stat().st_size


def test_the_marks_stand_where_the_numbers_are(results):
    data = results["read_study"]
    left, right = figure("symmetrisers")(data).axes
    (points,) = left.lines
    assert points.get_ydata()[0] == data["accuracy_upright"].values[0, 0]
    assert data["accuracy_read"].sel(readout="lambda").values[0, 0] == points.get_ydata()[-1]
    error = data["risk_read"].sel(readout="none").item()
    assert right.lines[0].get_ydata()[1] == error
    assert right.lines[1].get_ydata()[0] == error / 4.0
    read = results["read"]
    heights = [line.get_ydata()[0] for line in figure("ways")(read).axes[0].lines if len(line.get_ydata()) == 1]
    means = read["risk_read"].transpose("scheme", "readout", "replicate").values.mean(axis=2).ravel()
    assert np.allclose(heights, means, rtol=1e-12)


def test_a_result_without_read_outs_is_refused(results):
    with pytest.raises(MfsymError, match="needs the variable 'risk_read'"):
        figure("ways")(results["read"].drop_vars("risk_read"))


def test_a_study_of_words_is_no_figure_of_digits(results):
    words = results["read_study"].assign_coords(backbone=["words:cyclic(4)"])
    with pytest.raises(MfsymError, match=r"models of digits, got words:cyclic\(4\)"):
        figure("symmetrisers")(words)
