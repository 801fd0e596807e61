"""The figures of latents, drawn from a small study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.figures import figure
from mfsym.figures.drawing import render
from mfsym.figures.latent_orbits import SAMPLE
from mfsym.figures.looks import Look
from mfsym.figures.tiles import GAP
from tests.latent_study_entries import latent_study_results
from tests.sizes import compiled

pytestmark = compiled

NAMES = ("latents", "latent-orbits", "latent-swap")
STEP = 12 + GAP


@pytest.fixture(scope="module")
def study():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn, in the extra digits")
    return latent_study_results()["latent_study"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [None, 3.4])
def test_the_figures_draw_and_repeat_byte_by_byte(name, width, study, tmp_path: Path):
    files = [tmp_path / "a" / "same.pdf", tmp_path / "b" / "same.pdf"]
    for file in files:
        render(figure(name), [study], [file], Look(width=width))
    assert files[0].read_bytes()[:4] == b"%PDF"
    assert files[0].read_bytes() == files[1].read_bytes()


def test_bars_and_marks_stand_where_the_numbers_are(study):
    left, right = figure("latents")(study).axes
    rotated, blocked = left.containers
    first = study.sel(data="rotated")
    expected = [first["psnr_copy"], first["psnr_whole_image"], first["psnr"].sel(learner="two")]
    assert [bar.get_width() for bar in rotated] == pytest.approx([float(each.item()) for each in expected])
    assert len(blocked) == 4
    errors = study["latent_error"].values.ravel()
    drawn = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "o"]
    assert sorted(drawn) == sorted(errors[np.isfinite(errors)])


def test_every_image_stands_in_its_row_and_column(study):
    figure_of = figure("latent-orbits")(study)
    sheets = [np.asarray(axes.images[0].get_array().filled(np.nan)) for axes in figure_of.axes]
    for sheet, data, rows in zip(sheets, ("rotated", "blocked"), (3, 4), strict=True):
        assert sheet.shape == (rows * STEP - GAP, 8 * STEP - GAP)
        truth = study["orbit"].sel(data=data, row="truth").values[SAMPLE]
        for turn in (0, 5):
            image = sheet[:12, turn * STEP : turn * STEP + 12]
            assert np.array_equal(image.ravel(), truth[turn].astype(float))
    names = [label.get_text() for label in figure_of.axes[1].get_yticklabels()]
    assert names == ["truth", "whole image", "two", "one"]
    (swap, *_) = figure("latent-swap")(study).axes
    sheet = np.asarray(swap.images[0].get_array().filled(np.nan))
    answer = study["swap_answer"].sel(learner="one").values[2]
    assert np.array_equal(sheet[4 * STEP : 4 * STEP + 12, 2 * STEP : 2 * STEP + 12].ravel(), answer.astype(float))


def test_a_result_of_another_kind_is_refused(study):
    with pytest.raises(MfsymError, match="needs the variable 'psnr_copy'"):
        figure("latents")(study.drop_vars("psnr_copy"))
    with pytest.raises(MfsymError, match="needs the variable 'orbit'"):
        figure("latent-orbits")(study.drop_vars("orbit"))
    with pytest.raises(MfsymError, match="square images"):
        figure("latent-orbits")(study.isel(pixel=slice(0, 143)))
    with pytest.raises(MfsymError, match="needs the variable 'swap_answer'"):
        figure("latent-swap")(study.drop_vars("swap_answer"))
