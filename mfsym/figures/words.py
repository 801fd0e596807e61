"""Images of printed words, in the fonts that matplotlib ships."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray

from mfsym.arguments import as_choice, as_whole
from mfsym.errors import MfsymError

FONTS: Mapping[str, str] = MappingProxyType(
    {
        "sans": "DejaVuSans.ttf",
        "sans-oblique": "DejaVuSans-Oblique.ttf",
        "serif": "DejaVuSerif.ttf",
        "serif-bold": "DejaVuSerif-Bold.ttf",
        "mono": "DejaVuSansMono.ttf",
        "times": "STIXGeneral.ttf",
        "times-italic": "STIXGeneralItalic.ttf",
    }
)
"""Font name to file, in the folder of fonts inside matplotlib."""

PAPER, INK = 255, 0
"""Grey levels."""


def word_image(word: str, font: str = "sans", size: int = 32, side: int = 320) -> NDArray[np.uint8]:
    """A word in the middle of a square: (side, side), PAPER with INK.

    font : a name in FONTS.  size : of the type, in pixels.
    MfsymError for an empty word, or one that does not fit into the square.
    """
    face = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / FONTS[as_choice(font, "font", FONTS)]))
    face.set_size(as_whole(size, "size", 4), 72)
    face.set_text(word)
    face.draw_glyphs_to_bitmap()
    ink = np.asarray(face.get_image())
    if not ink.any() or max(ink.shape) > side:
        raise MfsymError(f"a word must leave ink inside {side} x {side} pixels, got {word[:40]!r} of size {size}")
    top, left = ((side - extent) // 2 for extent in ink.shape)
    image = np.full((side, side), PAPER, dtype=np.uint8)
    image[top : top + ink.shape[0], left : left + ink.shape[1]] -= ink
    return image
