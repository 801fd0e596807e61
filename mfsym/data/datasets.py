"""A user's samples as a data law: split, drawn without replacement, optionally symmetrised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.data.teachers import QUADRATURE_ORDER, Data
from mfsym.errors import MfsymError
from mfsym.groups import Group
from mfsym.representations import Representation
from mfsym.stores.samples import Columns, load_samples
from mfsym.streams import bits, stream_key
from mfsym.typing import Elements, Floats

Samples = tuple[Floats, Floats]

HAAR_IMAGES = 16
"""Random images of each test sample that represent its orbit under an infinite group."""

_HAAR_ROWS = 1 << 12
_HAAR_MARK = np.uint32(0x48414152)
"""Separates the Haar draws of a symmetrised dataset from the shuffles of its epochs, which share a key."""


class SampleData(Data):
    """The empirical law of n training samples, with separate test samples for evaluation.

    train, test : pairs x (n, d), y (n, c), float64 and finite; without test samples, evaluation uses the training
    samples.
    symmetry : representations (rho_x, rho_y): the law is then symmetrised. For a finite group the orbit of every sample
    replaces it; for an infinite one each draw acts on its sample with a fresh Haar element.
    classes : number of classes if y is one-hot (or -1, 1 for two classes), else None.
    Every epoch presents each training sample once, in a random order that is a pure function of the key and the epoch.
    """

    has_target: ClassVar[bool] = False

    def __init__(
        self,
        train: tuple[ArrayLike, ArrayLike],
        test: tuple[ArrayLike, ArrayLike] | None = None,
        symmetry: tuple[Representation, Representation] | None = None,
        name: str = "dataset",
        classes: int | None = None,
    ) -> None:
        self.x, self.y = _samples(train, "training")
        self.test_x, self.test_y = (self.x, self.y) if test is None else _samples(test, "test")
        self.d, self.c = self.x.shape[1], self.y.shape[1]
        if (self.test_x.shape[1], self.test_y.shape[1]) != (self.d, self.c):
            raise MfsymError(f"test samples must be on R^{self.d} x R^{self.c}, like the training samples")
        self.name, self.classes = name, classes
        self.symmetry = symmetry
        if symmetry is not None:
            self._symmetrise(*symmetry)

    def _symmetrise(self, rho_x: Representation, rho_y: Representation) -> None:
        if (rho_x.dim, rho_y.dim) != (self.d, self.c):
            raise MfsymError(
                f"to symmetrise, the group must act on R^{self.d} x R^{self.c}, got R^{rho_x.dim} x R^{rho_y.dim}"
            )
        group = rho_x.group
        if group.order is not None:
            everyone = group.quadrature().elements
            self.x, self.y = _images(self.x, rho_x(everyone)), _images(self.y, rho_y(everyone))
        else:
            everyone = group.haar(stream_key(0, "haar"), 0, HAAR_IMAGES)
        self.test_x = _images(self.test_x, rho_x(everyone))
        self.test_y = _images(self.test_y, rho_y(everyone))

    def __len__(self) -> int:
        return len(self.x)

    def draw(self, key: NDArray[np.uint32], first: int, count: int) -> Samples:
        """Samples of the endless sequence of epochs: sample q is sample q mod n of epoch q div n."""
        n, places = len(self.x), np.arange(first, first + count)
        epochs = places // n
        picked = np.empty(count, dtype=np.intp)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            picked[here] = permutation(key, int(epoch), n)[places[here] % n]
        x, y = self.x[picked], self.y[picked]
        if self.symmetry is None or self.symmetry[0].group.order is not None:
            return x, y
        rho_x, rho_y = self.symmetry
        draws = _haar_sequence(rho_x.group, key ^ _HAAR_MARK, first, count)
        return rho_x.act(draws, x), rho_y.act(draws, y)

    def target(self, x: ArrayLike) -> Floats:
        """Raises MfsymError: a finite sample has no target function. Use ``evaluation``."""
        raise MfsymError("a dataset has no target outside its samples; use evaluation() for x, y and weights")

    def quadrature(self, order: int = QUADRATURE_ORDER) -> Samples:
        """The test inputs with equal weights; ``order`` has no effect."""
        return self.test_x, np.full(len(self.test_x), 1.0 / len(self.test_x))

    def evaluation(self, order: int = QUADRATURE_ORDER) -> tuple[Floats, Floats, Floats]:
        x, weights = self.quadrature(order)
        return x, self.test_y, weights


def permutation(key: NDArray[np.uint32], step: int, n: int) -> NDArray[np.intp]:
    """A uniformly random permutation of 0 .. n - 1: a pure function of (key, step)."""
    return _permutation(tuple(int(word) for word in key), step, n)


@lru_cache(maxsize=4)
def _permutation(key: tuple[int, ...], step: int, n: int) -> NDArray[np.intp]:
    words = bits(np.array(key, dtype=np.uint32), step, n, 2).astype(np.uint64)
    return np.argsort((words[:, 0] << np.uint64(32)) | words[:, 1], kind="stable")


def _haar_sequence(group: Group, key: NDArray[np.uint32], first: int, count: int) -> Elements:
    """Haar elements first .. first + count - 1 of an endless sequence, _HAAR_ROWS to a step."""
    parts = []
    for step in range(first // _HAAR_ROWS, (first + count - 1) // _HAAR_ROWS + 1):
        low, high = max(0, first - step * _HAAR_ROWS), min(_HAAR_ROWS, first + count - step * _HAAR_ROWS)
        parts.append(group.haar(key, step, high)[low:])
    return np.concatenate(parts)


def split(x: Floats, y: Floats, test: float, seed: int = 0) -> tuple[Samples, Samples | None]:
    """Split at random into training and test samples; test : share of test rows, at least one of each; None if 0."""
    if not 0.0 <= test < 1.0:
        raise MfsymError(f"the test share must be at least 0 and below 1, got {test}")
    if test == 0.0 or len(x) < 2:
        return (x, y), None
    count = min(len(x) - 1, max(1, round(test * len(x))))
    order = permutation(stream_key(seed, "teacher"), 0, len(x))
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    return (x[kept], y[kept]), (x[held], y[held])


def one_hot(labels: ArrayLike, classes: int) -> Floats:
    """One-hot rows (n, classes) of labels 0 .. classes - 1, given as (n,) or (n, 1)."""
    values = as_floats(labels, "labels")
    values = values[:, None] if values.ndim == 1 else values
    if (
        values.ndim != 2
        or values.shape[1] != 1
        or (values != np.rint(values)).any()
        or not ((values >= 0) & (values < classes)).all()
    ):
        raise MfsymError(f"labels must be one whole number from 0 to {classes - 1} per row, got shape {values.shape}")
    return np.eye(classes)[values[:, 0].astype(np.intp)]


def digits() -> Samples:
    """The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn: x (1797, 64) from 0 to 16, y labels.

    Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, doi:10.24432/C50P49.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MfsymError("the digits need scikit-learn; install it with: pip install 'mfsym[digits]'") from error
    x, y = load_digits(return_X_y=True)
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)[:, None]


NAMED: Mapping[str, Callable[[], Samples]] = MappingProxyType({"digits": digits})
"""Datasets by name."""


def read(source: str | Path, x: Columns = ("x",), y: Columns = ("y",)) -> Samples:
    """Samples from a named dataset or a file: see ``load_samples``."""
    if str(source) in NAMED:
        return NAMED[str(source)]()
    inputs, outputs = load_samples(Path(source), x, y)
    return inputs.astype(np.float64), outputs.astype(np.float64)


def _samples(part: tuple[ArrayLike, ArrayLike], what: str) -> Samples:
    if len(part) != 2:
        raise MfsymError(f"{what} samples must be a pair of arrays (x, y), got {len(part)}")
    x, y = (np.ascontiguousarray(as_floats(values, f"{what} {name}")) for name, values in zip("xy", part, strict=True))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x):
        raise MfsymError(f"{what} samples must be arrays (n, d) and (n, c) with n >= 1, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise MfsymError(f"{what} samples must be finite; drop or fill the rows with NaN or infinity")
    return x, y


def _images(rows: Floats, matrices: Floats) -> Floats:
    """All images of all rows, sample after sample: (n K, d)."""
    return np.einsum("kij,nj->nki", matrices, rows).reshape(-1, rows.shape[1])
