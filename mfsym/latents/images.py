"""Square images turned about their centre by bilinear interpolation, and white squares painted on them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.typing import Floats


def side_of(pixels: int) -> int:
    """n of n x n = ``pixels``; MfsymError if the number is no square."""
    side = round(pixels**0.5)
    if side * side != pixels:
        raise MfsymError(f"square images have n x n pixels, got {pixels}")
    return side


@lru_cache(maxsize=512)
def rotation_matrix(side: int, angle: float) -> Floats:
    """(n^2, n^2): turns an n x n image, row by row, counter-clockwise by an angle in radians; 0 outside the image.

    The pixel at p takes the bilinear interpolation of the image at R(-angle) p. Multiples of a right angle permute
    pixels, up to rounding.
    """
    centre = (side - 1) / 2.0
    rows, columns = (part.ravel() for part in np.mgrid[0:side, 0:side].astype(np.float64))
    right, up = columns - centre, centre - rows
    cosine, sine = np.cos(angle), np.sin(angle)
    from_column, from_row = centre + cosine * right + sine * up, centre - (cosine * up - sine * right)
    low_row, low_column = np.floor(from_row).astype(np.intp), np.floor(from_column).astype(np.intp)
    matrix = np.zeros((side * side, side * side))
    everyone = np.arange(side * side)
    for row, column in ((low_row + i, low_column + j) for i in (0, 1) for j in (0, 1)):
        weight = (1.0 - np.abs(from_row - row)) * (1.0 - np.abs(from_column - column))
        inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
        matrix[everyone[inside], (row * side + column)[inside]] = weight[inside]
    matrix.setflags(write=False)
    return matrix


def rotated(images: ArrayLike, angles: ArrayLike) -> Floats:
    """Images (N, n^2) turned counter-clockwise by angles in radians: one for each image (N,), or one for all."""
    rows = as_floats(images, "images")
    side, turns = side_of(rows.shape[-1]), np.broadcast_to(as_floats(angles, "angles"), (len(rows),))
    moved = np.empty(rows.shape)
    for angle in np.unique(turns):
        here = turns == angle
        moved[here] = rows[here] @ rotation_matrix(side, float(angle)).T
    return moved


def padded(images: Floats, margin: int) -> Floats:
    """Images (N, n^2) with a black margin: (N, (n + 2 margin)^2)."""
    side = side_of(images.shape[1])
    grid = images.reshape(-1, side, side)
    return np.pad(grid, ((0, 0), (margin, margin), (margin, margin))).reshape(len(images), -1)


def painted(images: Floats, corners: NDArray[np.intp], block: int) -> Floats:
    """Images (N, n^2) with a white square of block x block pixels; corners (N, 2) : row and column of its first pixel.

    A negative row leaves its image as it is.
    """
    side = side_of(images.shape[1])
    place = np.arange(side)
    down, across = (
        (place >= corners[:, k, None]) & (place < corners[:, k, None] + block) & (corners[:, :1] >= 0) for k in (0, 1)
    )
    white = (down[:, :, None] & across[:, None, :]).reshape(images.shape)
    return np.where(white, 1.0, images)
