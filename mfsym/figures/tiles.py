"""Square images in rows and columns, drawn as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.plotting import TEXT_SIZE

GAP = 1
"""Pixels between images."""


def side_of(pixels: int) -> int:
    """The side of a square image; MfsymError if the pixels make none."""
    side = round(pixels**0.5)
    if side * side != pixels:
        raise MfsymError(f"the figure shows square images, got {pixels} pixels")
    return side


def draw_tiles(axes: Any, images: NDArray[np.float64], names: Sequence[str]) -> None:
    """Images (rows, columns, pixels) from 0 to 1 as one grey picture, each row with its name at the left."""
    rows, columns, pixels = images.shape
    side = side_of(pixels)
    step = side + GAP
    sheet = np.full((rows * step - GAP, columns * step - GAP), np.nan)
    for row, column in np.ndindex(rows, columns):
        place = slice(row * step, row * step + side), slice(column * step, column * step + side)
        sheet[place] = images[row, column].reshape(side, side)
    axes.imshow(sheet, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_yticks(centres(rows, side), names, size=TEXT_SIZE)
    axes.set_xticks([])
    axes.tick_params(length=0.0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def centres(count: int, side: int) -> NDArray[np.float64]:
    """Where the middle of each of some images is, along rows or columns of a picture."""
    return np.asarray(np.arange(count) * (side + GAP) + (side - 1) / 2.0, dtype=np.float64)


def height_of(rows: int, columns: int, width: float) -> float:
    """Inches of a picture of so many rows and columns that is ``width`` inches wide."""
    return width * rows / columns
