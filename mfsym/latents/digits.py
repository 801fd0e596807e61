"""Handwritten digits turned by equally spaced angles, with or without a white square that does not turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.data.datasets import digits, permutation
from mfsym.errors import MfsymError
from mfsym.latents.actions import LatentAction
from mfsym.latents.images import padded, painted, rotated, side_of
from mfsym.latents.pairs import Drawn, Pairs, element_maker
from mfsym.streams import stream, stream_key, uniforms
from mfsym.typing import Floats

MARGIN = 2
"""Pixels added on every side of the 8 x 8 digits, so that none leaves the image when it turns."""

TRAINING = 1400
"""Digits of the training half; the other 397 are held out."""

PAINTED = 0.8
"""Probability that a training pair has a white square."""

REPEATS = 4
"""Held-out pairs of each digit."""


class DigitPairs:
    """Pairs (x1, x2 = g x1) of images turned by multiples of 2 pi / K; the square, if any, is at one place in both.

    orbits : (n, K, pixels), every image at every angle.  labels : (n,).  block : side of the square, 0 for none.
    key : of the pairs that are measured.
    """

    def __init__(
        self, orbits: Floats, labels: NDArray[np.int64], block: int, seed: int, action: LatentAction | None = None
    ) -> None:
        self.orbits, self.labels, self.block = orbits, labels, block
        self.angles, self.pixels = orbits.shape[1], orbits.shape[2]
        self.elements = element_maker(action, self.angles)
        self.key = stream(seed, "data").child("held", 0).key

    def draw(self, key: NDArray[np.uint32], step: int, count: int) -> Drawn:
        """Digit, its angle and g uniform; a square with probability PAINTED at a uniform place."""
        u = uniforms(key, step, count, 6)
        digit, start, turn = self._places(u[:, 0], len(self.orbits)), *self._angles(u)
        corners = np.where(u[:, 3, None] < PAINTED, self._corners(u), -1) if self.block else None
        return self._pairs(digit, start, turn, corners)

    def evaluation(self) -> Pairs:
        """REPEATS pairs of every digit; g is no multiple of a right angle, and the square is always there."""
        count = REPEATS * len(self.orbits)
        u = uniforms(self.key, 0, count, 6)
        allowed = np.flatnonzero((4 * np.arange(self.angles)) % self.angles)
        if not allowed.size:
            raise MfsymError(f"angles must allow turns that are no multiple of a right angle, got {self.angles}")
        turn = allowed[self._places(u[:, 2], allowed.size)]
        digit = np.arange(count) % len(self.orbits)
        return Pairs(*self._pairs(digit, self._angles(u)[0], turn, self._corners(u) if self.block else None))

    def truth(self, count: int) -> Floats:
        """(count, K, pixels): x1 of the first pairs of ``evaluation``, turned by every angle from 0 on."""
        u = uniforms(self.key, 0, count, 6)
        start, places = self._angles(u)[0], np.arange(self.angles)
        turned = self.orbits[np.arange(count)[:, None] % len(self.orbits), (start[:, None] + places) % self.angles]
        if not self.block:
            return turned
        corners = np.repeat(self._corners(u), self.angles, axis=0)
        return painted(turned.reshape(-1, self.pixels), corners, self.block).reshape(turned.shape)

    def swaps(self) -> tuple[Floats, Floats, Floats]:
        """Images A and B with a square each, and digit A with the square of B, (REPEATS n, pixels) each.

        MfsymError without a square.
        """
        if not self.block:
            raise MfsymError("the swap test needs digits with a square: block = 3")
        count = REPEATS * len(self.orbits)
        u, v = (uniforms(self.key, step, count, 6) for step in (1, 2))
        first, second = np.arange(count) % len(self.orbits), self._places(v[:, 0], len(self.orbits))
        clean = self.orbits[first, self._angles(u)[0]], self.orbits[second, self._angles(v)[0]]
        corners = self._corners(u), self._corners(v)
        squares = ((clean[0], corners[0]), (clean[1], corners[1]), (clean[0], corners[1]))
        a, b, target = (painted(images, where, self.block) for images, where in squares)
        return a, b, target

    def _pairs(
        self, digit: NDArray[np.intp], start: NDArray[np.intp], turn: NDArray[np.intp], corners: NDArray[np.intp] | None
    ) -> Drawn:
        x1, x2 = self.orbits[digit, start], self.orbits[digit, (start + turn) % self.angles]
        if corners is not None:
            x1, x2 = painted(x1, corners, self.block), painted(x2, corners, self.block)
        return x1, x2, self.elements(turn)

    def _angles(self, u: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return self._places(u[:, 1], self.angles), self._places(u[:, 2], self.angles)

    def _corners(self, u: Floats) -> NDArray[np.intp]:
        return self._places(u[:, 4:6], side_of(self.pixels) - self.block + 1)

    @staticmethod
    def _places(u: Floats, count: int) -> NDArray[np.intp]:
        return np.asarray((u * count).astype(np.intp))


def digit_pairs(
    angles: int = 36, block: int = 0, *, seed: int = 0, action: LatentAction | None = None
) -> tuple[DigitPairs, DigitPairs]:
    """Training and held-out pairs of scikit-learn's digits, padded to 12 x 12 and turned by bilinear interpolation.

    angles : how many, equally spaced.  block : side of a white square that does not turn, 0 for none.
    action : of the latents; elements take the form it needs.  1,400 digits train and 397 are held out, by ``seed``.
    """
    count, square = as_whole(angles, "angles", 2, 3600), as_whole(block, "block", 0, 8)
    images, labels = held_digits(seed)
    turns = 2.0 * np.pi * np.arange(count) / count
    parts = []
    for rows, names in zip(images, labels, strict=True):
        orbits = np.clip(np.stack([rotated(rows, angle) for angle in turns], axis=1), 0.0, 1.0)
        parts.append(DigitPairs(orbits, names, square, seed, action))
    return parts[0], parts[1]


def held_digits(seed: int = 0) -> tuple[tuple[Floats, Floats], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Upright digits (1400, 144) and (397, 144), from 0 to 1, and their labels."""
    x, y = digits()
    order = permutation(stream_key(seed, "teacher"), 0, len(x))
    images, labels = padded(x / 16.0, MARGIN)[order], y[order, 0].astype(np.int64)
    return (images[:TRAINING], images[TRAINING:]), (labels[:TRAINING], labels[TRAINING:])
