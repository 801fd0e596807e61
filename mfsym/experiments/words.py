"""Printed words read by a pretrained text recogniser behind read-outs: a model of someone else's, as it is.

The package rapidocr-onnxruntime brings a text recogniser, which maps the image of a line to the probabilities of 6,625
characters in 40 columns, and an orientation network, which tells upright lines from those that are upside down. Neither
knows lines that run up or down. The groups turn square images by index moves; characters do not turn.
It belongs to the extra ``demos`` and is imported only when a recogniser is made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice, as_whole
from mfsym.data.datasets import permutation
from mfsym.errors import MfsymError
from mfsym.figures.words import FONTS, INK, PAPER, word_image
from mfsym.groups import cyclic
from mfsym.schemes.readouts import symmetrise
from mfsym.streams import stream_key, uniforms

Images = NDArray[np.uint8]
Floats = NDArray[Any]

VOCABULARY = """
gradient measure particle limit Wasserstein noise layer Weight square descent entropy equation ORBIT random SYMMETRY
Noether function learning Kernel average house winter 1905 2048 river morning Table quickly yellow bridge Journey fox
jumps over lazy dog paper Window silver garden thunder island HARBOUR north summer engine copper velvet Marble puzzle
quiet ribbon Signal temple unicorn village whisper zephyr 31415 27182 pod SIS Lilli book
"""

WORDS = tuple(VOCABULARY.split())
"""The words; the last ones read otherwise, or the same, upside down."""

SIZES = (20, 40)
"""Sizes of the type, in pixels: drawn evenly from the first on, below the second."""

MARGIN, DARK = 4, (PAPER + INK) // 2
"""Paper left around a word, in pixels, and the grey level below which there is ink."""

RATIO = 320 / 48
"""Width over height of the images that the recogniser sees, its own default."""

BLANK = 0
"""The class of no character, in connectionist temporal classification (Graves et al. 2006)."""

TURNS = {"words:cyclic(4)": 4, "words:cyclic(2)": 2}
"""Model of the study of read-outs to the order of the group: quarter turns and half turns."""

CLOSEST = 2.0**-24
"""Least distance of a probability in single precision from 0 and 1."""

VIEWS = 64
"""Most views that the recogniser sees at once."""


def check_installed() -> None:
    """MfsymError unless the package of the recogniser is there."""
    if find_spec("rapidocr_onnxruntime") is None:
        raise MfsymError(
            "reading words needs rapidocr-onnxruntime, which runs on Python 3.11 and 3.12: pip install 'mfsym[demos]'"
        )


@lru_cache(maxsize=1)
def _engine() -> Any:
    """The pretrained networks, on one thread. MfsymError without the package."""
    check_installed()
    from rapidocr_onnxruntime import RapidOCR

    return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


class Recogniser:
    """The text recogniser on square images (B, s, s): probabilities (B, 40, 6625) of the characters in columns."""

    def __init__(self) -> None:
        self.network = _engine().text_rec

    def __call__(self, images: Images) -> Floats:
        rows = np.stack([self.network.resize_norm_img(_line(image), RATIO) for image in images])
        return np.asarray(self.network.session(rows)[0])

    def text(self, probabilities: Floats) -> list[str]:
        """The words (B,) that probabilities (B, 40, 6625) spell, by the package's own greedy decoding."""
        return [text for text, _ in self.network.postprocess_op(probabilities)]


def upright(images: Images) -> Floats:
    """Square images (B, s, s) to the probability (B,) that the orientation network gives to upright."""
    network = _engine().text_cls
    rows = np.stack([network.resize_norm_img(_line(image)) for image in images])
    return np.asarray(network.infer(rows)[0])[:, 0]


def odds(images: Images) -> Floats:
    """p / (1 - p) with p the probability of upright (B,): a weight without bound, where p alone stops at 1."""
    p = np.clip(upright(images).astype(np.float64), CLOSEST, 1.0 - CLOSEST)
    return np.asarray(p / (1.0 - p))


def distrust(probabilities: Floats) -> Floats:
    """Minus the recogniser's confidence (R,): the mean probability of the characters it spells; 0 where it spells none.

    probabilities : (R, 40, 6625).
    """
    best, most = probabilities.argmax(axis=2), probabilities.max(axis=2)
    spelt = best != BLANK
    spelt[:, 1:] &= best[:, 1:] != best[:, :-1]
    return -(most * spelt).sum(axis=1) / np.maximum(spelt.sum(axis=1), 1)


class Remembered:
    """A model that several read-outs share: it runs once for each image and keeps its output."""

    def __init__(self, model: Callable[[Images], Floats]) -> None:
        self.model = model
        self.known: dict[bytes, Floats] = {}

    def __call__(self, images: Images) -> Floats:
        """As the model."""
        keys = [image.tobytes() for image in images]
        new = list({key: row for row, key in enumerate(keys) if key not in self.known}.values())
        if new:
            self.known |= {keys[row]: output for row, output in zip(new, self.model(images[new]), strict=True)}
        return np.stack([self.known[key] for key in keys])


def turning(order: int) -> Callable[[Any, Images], Images]:
    """The action of cyclic(order), 2 or 4, on square images (B, s, s) by index moves."""

    def turn(element: Any, images: Images) -> Images:
        return np.rot90(images, int(element) * (4 // order), axes=(1, 2))

    return turn


def printed(count: int, seed: int = 0) -> tuple[Images, list[str]]:
    """Images (count, s, s) of words, in fonts and sizes that the seed draws, and the words. No pair of both repeats."""
    pairs = [(word, font) for word in WORDS for font in FONTS]
    key = stream_key(seed, "teacher")
    if count > len(pairs):
        raise MfsymError(f"there are {len(pairs)} words in fonts, got {count} as the number of images")
    chosen = [pairs[k] for k in permutation(key, 0, len(pairs))[:count]]
    sizes = np.floor(SIZES[0] + (SIZES[1] - SIZES[0]) * uniforms(key, 1, count, 1)[:, 0]).astype(int)
    images = [word_image(word, font, int(size)) for (word, font), size in zip(chosen, sizes, strict=True)]
    return np.stack(images), [word for word, _ in chosen]


def turned_words(model: str = "words:cyclic(4)", seed: int = 0, count: int = 40) -> dict[str, float]:
    """Shares of printed words that are read without an error, by the bare recogniser and by its read-outs.

    model : a name in TURNS, which states the group.  count : words.
    Keys: "upright" and "turned" of the recogniser (turned: word i by i turns of the group); of the turned words
    "equitune" (mean of the probabilities in each column), "equizero, confidence" with the proxy ``distrust``, "lambda,
    odds" and "lambda, probability" with the weights ``odds`` and ``upright``. MfsymError without the extra demos.
    """
    order = TURNS[as_choice(model, "model", TURNS)]
    recogniser = Recogniser()
    images, words = printed(as_whole(count, "count", 1), as_whole(seed, "seed"))
    group, turn, reading = cyclic(order), turning(order), Remembered(recogniser)
    turned = np.stack([turn(i % order, image[None])[0] for i, image in enumerate(images)])

    def correct(model: Callable[[Images], Floats], rows: Images) -> float:
        starts = range(0, len(rows), VIEWS)
        texts = [text for k in starts for text in recogniser.text(model(rows[k : k + VIEWS]))]
        return float(np.mean([text == word for text, word in zip(texts, words, strict=True)]))

    def behind(how: str, **options: Any) -> float:
        return correct(symmetrise(reading, turn, None, how, group=group, batch_size=VIEWS, **options), turned)

    return {
        "upright": correct(reading, images),
        "turned": correct(reading, turned),
        "equitune": behind("equitune"),
        "equizero, confidence": behind("equizero", proxy=distrust),
        "lambda, odds": behind("lambda", weights=odds),
        "lambda, probability": behind("lambda", weights=upright),
    }


def _line(image: Images) -> Images:
    """The part of an image (s, s) with ink, and a margin: (h, w, 3), what a detector of text would hand over."""
    ink = image < DARK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else image
    padded = np.pad(part, MARGIN, constant_values=PAPER)
    return np.repeat(padded[:, :, None], 3, axis=2)
