"""Printed words behind read-outs, and an onnxruntime session as a model; the extra demos is needed by some."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.experiments import words
from mfsym.experiments.words import BLANK, TURNS, Remembered, distrust, odds, printed, turned_words, turning, upright
from mfsym.figures.symmetrisers import draw
from mfsym.figures.words import FONTS, INK, PAPER, word_image
from mfsym.groups import cyclic
from mfsym.schemes.readouts import symmetrise
from mfsym.stores import open_result
from mfsym.streams import stream_key, uniforms
from tests.tolerances import SINGLE

STUDY = 'seeds = 1\nbackbones = ["words:cyclic(2)"]\nwords = 3\nstudent = false\n'

needs_demos = pytest.mark.skipif(
    find_spec("rapidocr_onnxruntime") is None, reason="rapidocr-onnxruntime is missing: pip install 'mfsym[demos]'"
)


@pytest.mark.parametrize("font", FONTS)
def test_a_word_stands_in_the_middle_of_its_square(font):
    image = word_image("Wasserstein", font, 24, 200)
    ink = image < PAPER
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert (image.shape, image.dtype) == ((200, 200), np.uint8)
    assert image.min() == INK
    assert np.ptp(columns) > 3 * np.ptp(rows) > 30
    assert abs(0.5 * (columns[0] + columns[-1]) - 99.5) < 3
    assert np.array_equal(image, word_image("Wasserstein", font, 24, 200))
    others = [word_image("Wasserstein", other, 24, 200) for other in FONTS if other != font]
    assert not any(np.array_equal(image, other) for other in others)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"word": " "}, "must leave ink"),
        ({"word": "word", "side": 40}, "inside 40 x 40 pixels"),
        ({"word": "word", "font": "comic"}, "font must be"),
        ({"word": "word", "size": 0}, "size must be"),
    ],
)
def test_a_word_that_cannot_be_drawn_is_refused(options, reason):
    with pytest.raises(MfsymError, match=reason):
        word_image(**options)


def test_printed_words_are_a_function_of_the_seed_alone():
    images, texts = printed(12, seed=3)
    fewer, first = printed(4, seed=3)
    assert texts[:4] == first
    assert np.array_equal(images[:4], fewer)
    assert printed(12, seed=4)[1] != texts
    with pytest.raises(MfsymError, match="as the number of images"):
        printed(10_000)


@pytest.mark.parametrize("order", TURNS.values())
def test_turns_act_by_index_moves(order):
    images, _ = printed(2)
    read = symmetrise(lambda x: np.asarray(x, dtype=np.float64).mean(axis=1), turning(order), group=cyclic(order))
    read.check(images)
    views = read.x_nodes.images(images)
    assert views.dtype == np.uint8
    assert np.array_equal(views[:, order // 2], images[:, ::-1, ::-1])
    assert (np.sort(views, axis=None).reshape(-1, order) == np.sort(images, axis=None)[:, None]).all()


def test_confidence_is_that_of_the_characters_which_are_spelt():
    chances = uniforms(stream_key(5, "data"), 0, 20, 9 * 4).reshape(20, 9, 4)
    chances[0, :, BLANK] = 2.0
    found = distrust(chances)
    for row, value in zip(chances, found, strict=True):
        runs = [next(run) for _, run in groupby(row, key=lambda column: int(column.argmax()))]
        spelt = [float(column.max()) for column in runs if column.argmax() != BLANK]
        assert -value == pytest.approx(np.mean(spelt) if spelt else 0.0)
    assert found[0] == 0.0 > found[1:].max()


def test_a_remembered_model_runs_once_for_each_image():
    seen = []

    def model(images):
        seen.extend(images[:, 0, 0].tolist())
        return images[:, 0, :1].astype(float)

    reading, images = Remembered(model), np.arange(4, dtype=np.uint8)[[0, 1, 0, 3]][:, None, None]
    assert reading(images).ravel().tolist() == [0.0, 1.0, 0.0, 3.0]
    assert reading(np.uint8([[[1]], [[2]]])).ravel().tolist() == [1.0, 2.0]
    assert seen == [0, 1, 3, 2]


def test_without_the_extra_one_line_says_what_to_install(mfsym, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(words, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    Path("words.toml").write_text(STUDY)
    result = mfsym("symmetrise", "words.toml", "-o", "words.nc")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "pip install 'mfsym[demos]'" in result.stderr
    assert not Path("words.nc").exists()


@needs_demos
def test_quarter_turns_ruin_the_mean_of_a_recogniser_and_half_turns_do_not():
    quarter, half = (turned_words(model, 0, 16) for model in TURNS)
    for found in (quarter, half):
        assert found["upright"] > 0.9
        assert found["equizero, confidence"] >= found["upright"] - 1.0 / 16.0
        assert found["lambda, odds"] > 0.85
    assert quarter["turned"] < 0.4 < half["turned"] < 0.7
    assert quarter["equitune"] < 0.2 < 0.5 < half["equitune"]
    assert quarter["lambda, probability"] < quarter["lambda, odds"]


@needs_demos
def test_the_orientation_network_trusts_upright_words():
    images, _ = printed(8, seed=1)
    down = images[:, ::-1, ::-1]
    assert np.median(upright(images)) > 0.9 > 0.1 > np.median(upright(down))
    assert np.isfinite(odds(images)).all()
    assert (odds(images) > odds(down)).all()


@needs_demos
def test_an_onnxruntime_session_is_a_model_as_it_is():
    package, runtime = import_module("rapidocr_onnxruntime"), import_module("onnxruntime")
    file = Path(package.__file__).parent / "models" / "ch_ppocr_mobile_v2.0_cls_infer.onnx"
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    grey = np.stack([word_image(word, side=192)[72:120] for word in ("upright", "measure", "SIS")])
    x = np.repeat(grey[:, None].astype(np.float32) / 127.5 - 1.0, 3, axis=1)
    swap = cyclic(2).permutation()

    def turned(element, batch):
        return batch[:, :, ::-1, ::-1] if element else batch

    def raw(batch):
        (name,) = (each.name for each in session.get_inputs())
        return session.run(None, {name: np.ascontiguousarray(batch)})[0]

    read = symmetrise(session, turned, swap)
    assert read(x).dtype == np.float32
    by_hand = 0.5 * (raw(x) + raw(turned(1, x))[:, ::-1])
    assert np.abs(read(x) - by_hand).max() < SINGLE
    assert np.abs(symmetrise(session, turned, swap, batch_size=2)(x) - by_hand).max() < SINGLE
    assert np.abs(read(turned(1, x)) - read(x)[:, ::-1]).max() < SINGLE
    assert np.abs(raw(turned(1, x)) - raw(x)[:, ::-1]).max() > 100 * SINGLE


@needs_demos
def test_the_command_tabulates_words(mfsym, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("words.toml").write_text(STUDY)
    result = mfsym("symmetrise", "words.toml", "-q", "-o", "words.nc")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["model", "upright", "turned", *words_read()]
    assert lines[1].startswith("words:cyclic(2)")
    assert "half domain" not in result.stdout
    with pytest.raises(MfsymError, match="risk"):
        draw(open_result("words.nc"))


def words_read():
    """Names of the read-outs in the table of words."""
    return ["equitune", "equizero:confidence", "lambda:odds", "lambda:probability"]
