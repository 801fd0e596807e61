"""Pairs of inputs of one orbit, x2 = g x1 with g known: a user's own, or turned digits drawn afresh for every batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_whole
from mfsym.errors import MfsymError
from mfsym.latents.actions import LatentAction
from mfsym.stores.npy import UNREADABLE, Npz
from mfsym.streams import stream_key, uniforms
from mfsym.typing import Floats

Drawn = tuple[Floats, Floats, Floats]


class PairSource(Protocol):
    """What training and measures need: random pairs, and pairs to be measured on."""

    @property
    def pixels(self) -> int:
        """Numbers in one input."""

    def draw(self, key: NDArray[np.uint32], step: int, count: int) -> Drawn:
        """x1, x2 (count, pixels) and g (count, ...): a pure function of the key and the step."""

    def evaluation(self) -> Pairs:
        """The pairs to measure on."""


@dataclass(frozen=True)
class Pairs:
    """n pairs with known elements.

    x1, x2 : (n, pixels), from 0 to 1; images of more dimensions are flattened row by row.  g : (n, ...) elements in the
    form of ``LatentAction``.  rows_and_columns : of images; by default those of arrays (n, rows, columns). Rows of a
    square number of pixels are taken as square images; arrays (n, 1, features) say that they are none.
    MfsymError for different sizes, and for pixels that are not finite or outside [0, 1].
    """

    x1: ArrayLike
    x2: ArrayLike
    g: ArrayLike
    rows_and_columns: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        first, second = (as_floats(getattr(self, name), name) for name in ("x1", "x2"))
        if first.shape != second.shape or first.ndim < 2 or not first.size:
            raise MfsymError(
                f"x1 and x2 must be arrays of one shape (n, ...), n >= 1, got shapes {first.shape} and {second.shape}"
            )
        elements = as_floats(self.g, "g")
        if elements.ndim < 1 or len(elements) != len(first):
            raise MfsymError(
                f"g must hold one element for each of {len(first)} pairs, got an array of shape {elements.shape}"
            )
        for name, values in (("x1", first), ("x2", second)):
            if not np.isfinite(values).all():
                raise MfsymError(f"{name} must be finite; drop the pairs with NaN or infinity")
            low, high = float(values.min()), float(values.max())
            if low < 0.0 or high > 1.0:
                raise MfsymError(f"{name} must hold pixels from 0 to 1, got {low:.6g} to {high:.6g}; rescale them")
            object.__setattr__(self, name, values.reshape(len(values), -1))
        if first.ndim == 3 and self.rows_and_columns is None:
            object.__setattr__(self, "rows_and_columns", first.shape[1:])
        object.__setattr__(self, "g", elements)

    def __len__(self) -> int:
        return len(self.x1)  # type: ignore[arg-type]

    @property
    def pixels(self) -> int:
        """Numbers in one input."""
        return int(np.shape(self.x1)[1])

    @property
    def arrays(self) -> Drawn:
        """x1, x2 (n, pixels) and g (n, ...)."""
        return np.asarray(self.x1), np.asarray(self.x2), np.asarray(self.g)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the images; one row if the inputs are no images."""
        side = self._side
        return self.rows_and_columns or ((side, side) if side else (1, self.pixels))

    @property
    def assumed(self) -> bool:
        """Whether the inputs are taken as square images without a stated shape."""
        return self.rows_and_columns is None and self._side > 1

    @property
    def _side(self) -> int:
        """The side of a square image of so many pixels, 0 if there is none."""
        side = round(self.pixels**0.5)
        return side if side * side == self.pixels else 0

    def check(self, action: LatentAction) -> Pairs:
        """These pairs; MfsymError if an element is not in the group of the action."""
        action.checked(self.g, len(self))
        return self

    def draw(self, key: NDArray[np.uint32], step: int, count: int) -> Drawn:
        """Pairs drawn uniformly with replacement."""
        rows = (uniforms(key, step, count, 1)[:, 0] * len(self)).astype(np.intp)
        x1, x2, g = self.arrays
        return x1[rows], x2[rows], g[rows]

    def evaluation(self) -> Pairs:
        """These pairs."""
        return self

    def split(self, test: float, seed: int = 0) -> tuple[Pairs, Pairs]:
        """Training and test pairs, split at random; test : share of the test pairs, at least one of each."""
        if not 0.0 < test < 1.0 or len(self) < 2:
            raise MfsymError(f"the test share must be between 0 and 1, of two pairs or more, got {test} of {len(self)}")
        order = np.argsort(uniforms(stream_key(seed, "teacher"), 0, len(self), 1)[:, 0], kind="stable")
        count = min(len(self) - 1, max(1, round(test * len(self))))
        parts = (np.sort(order[count:]), np.sort(order[:count]))
        x1, x2, g = self.arrays
        kept, held = (Pairs(x1[rows], x2[rows], g[rows], self.rows_and_columns) for rows in parts)
        return kept, held


def load_pairs(path: Path | str, *, unknown: bool = False) -> Pairs:
    """Pairs from an .npz file with the arrays x1, x2 and g; MfsymError, which names the file, for anything else.

    unknown : g may be missing, and is then NaN: the same unknown element for all pairs.
    """
    place = Path(path)
    try:
        with place.open("rb") as stream:
            archive = Npz(stream, place.stat().st_size)
            needed = ("x1", "x2") if unknown else ("x1", "x2", "g")
            missing = [name for name in needed if name not in archive.names]
            if missing:
                names = ", ".join(archive.names[:8]) or "none"
                raise MfsymError(f"pairs are the arrays x1, x2 and g; {', '.join(missing)} missing, found: {names}")
            x1, x2 = archive.read("x1"), archive.read("x2")
            return Pairs(x1, x2, archive.read("g") if "g" in archive.names else np.full(len(x1), np.nan))
    except MfsymError as error:
        raise MfsymError(f"{place}: {error}") from None
    except OSError as error:
        raise MfsymError(f"{place}: cannot be read: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise MfsymError(f"{place}: {' '.join(str(error).split())[:200]}") from error


def element_maker(action: LatentAction | None, angles: int) -> Callable[[NDArray[np.intp]], Floats]:
    """The function from steps of 2 pi / ``angles`` to elements of a group of the plane.

    Angles in radians for SO(2), O(2) and U(1); whole numbers for C_k if ``angles`` = k.
    MfsymError for another group.
    """
    as_whole(angles, "angles", 2, 3600)
    group = None if action is None else action.group
    if group is None or (group.planes == 1 and group.order is None):
        return lambda steps: np.asarray(steps * (2.0 * np.pi / angles))
    if group.order is None or len(group.generator_names) != 1:
        raise MfsymError(f"images turn by a group of the plane, so(2), o(2), u1(1) or cyclic(n), got {group.name}")
    if group.order != angles:
        raise MfsymError(f"with {group.name}, angles must be {group.order}, got {angles}")
    return lambda steps: np.asarray(steps, dtype=np.float64)
