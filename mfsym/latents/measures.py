"""How good a latent action is: PSNR, SSIM, the encoder's equivariance, the decoder's consistency, the swap test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.latents.losses import Moves
from mfsym.typing import Floats

Encode = Callable[[Floats], Any]

WINDOW = 7
"""Side of the window of SSIM, or of the image if that is smaller."""

_STABILISERS = (0.01**2, 0.03**2)


def psnr(answers: ArrayLike, truth: ArrayLike) -> float:
    """-10 log10 of the mean squared error over all pixels of all images, in dB; inf if equal. Pixels from 0 to 1."""
    a, b = _alike(answers, truth)
    error = float(np.mean((a - b) ** 2))
    return float("inf") if error == 0.0 else float(-10.0 * np.log10(error))


def ssim(answers: ArrayLike, truth: ArrayLike, shape: tuple[int, int] | None = None) -> float:
    """The mean structural similarity of images (N, rows x columns) of pixels from 0 to 1; 1 if equal.

    Over all square windows of WINDOW pixels inside the images, with sample covariances.
    shape : rows and columns; by default the images are square, or one row if they are not.
    Wang, Bovik, Sheikh & Simoncelli 2004, doi:10.1109/TIP.2003.819861.
    """
    a, b = _alike(answers, truth)
    side = round(a.shape[1] ** 0.5)
    rows, columns = shape or ((side, side) if side * side == a.shape[1] else (1, a.shape[1]))
    window = (min(WINDOW, rows), min(WINDOW, columns))
    views = [_windows(part.reshape(-1, rows, columns), window) for part in (a, b)]
    size = window[0] * window[1]
    mean_a, mean_b = (view.mean(axis=-1) for view in views)
    centred = views[0] - mean_a[..., None], views[1] - mean_b[..., None]
    spare = max(1, size - 1)
    variance_a, variance_b = ((part**2).sum(axis=-1) / spare for part in centred)
    covariance = (centred[0] * centred[1]).sum(axis=-1) / spare
    c1, c2 = _STABILISERS
    likeness = (2.0 * mean_a * mean_b + c1) * (2.0 * covariance + c2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))))


def latent_error(encode: Encode, action: Moves, x1: Floats, x2: Floats, g: Any) -> float:
    """mean |rho_g E x1 - E x2| over mean |E x2 - centre|, the centre the mean of E x2: 0 for an equivariant encoder.

    Where E x1 and E x2 have nothing to do with each other: about sqrt(2) of Gaussian latents, 4 / pi on a circle.
    NaN where the encoder maps every input to one point: the error then has no scale.
    """
    z1, z2 = _numbers(encode(x1)), _numbers(encode(x2))
    spread = _mean_size(z2 - z2.mean(axis=0))
    if spread == 0.0:
        return float("nan")
    return _mean_size(_numbers(action.act(g, z1)) - z2) / spread


def decoder_consistency(encode: Encode, decode: Encode, action: Moves, x1: Floats, g: Any) -> float:
    """|D rho_g rho_h E x - D rho_g E D rho_h E x| / |x - mean x|, root mean squares; h is the element of the next pair.

    0 where g . D z = D rho_g E D z is an action on the images of D: where first h and then g is g h.
    """
    h = np.roll(g, -1, axis=0)
    turned = _numbers(action.act(h, _numbers(encode(x1))))
    directly = _numbers(decode(_numbers(action.act(g, turned))))
    again = _numbers(encode(_numbers(decode(turned))))
    stepwise = _numbers(decode(_numbers(action.act(g, again))))
    spread = _size(x1 - x1.mean(axis=0))
    if spread == 0.0:
        raise MfsymError("all inputs are equal; the consistency of the decoder has no scale")
    return _size(directly - stepwise) / spread


def swapped(encode: Encode, decode: Encode, action: Any, a: Floats, b: Floats) -> Floats:
    """D([z_v(A); z_i(B)]): what moves of the images a, and what the group leaves alone of the images b, (N, pixels)."""
    return _numbers(decode(_numbers(action.mixed(_numbers(encode(a)), _numbers(encode(b))))))


def _alike(answers: ArrayLike, truth: ArrayLike) -> tuple[Floats, Floats]:
    a, b = as_floats(answers, "answers"), as_floats(truth, "truth")
    if a.shape != b.shape or a.ndim < 2 or not a.size:
        raise MfsymError(f"images to compare must be arrays of one shape (N, pixels), got {a.shape} and {b.shape}")
    return a.reshape(len(a), -1), b.reshape(len(b), -1)


def _windows(images: Floats, window: tuple[int, int]) -> Floats:
    """(N, rows', columns', pixels) of all windows of images (N, rows, columns)."""
    views = np.lib.stride_tricks.sliding_window_view(images, window, axis=(1, 2))
    return views.reshape(*views.shape[:3], -1)


def _size(difference: Floats) -> float:
    """The root mean square of the norms of rows."""
    return float(np.sqrt((difference**2).sum(axis=1).mean()))


def _mean_size(difference: Floats) -> float:
    """The mean of the norms of rows."""
    return float(np.sqrt((difference**2).sum(axis=1)).mean())


def _numbers(values: Any) -> Floats:
    return as_floats(values, "the numbers of the autoencoder")
