"""Control data with an asymmetric part, which a discovery needs before it can call a subspace kept.

That a law stays in E_j is evidence about the data only if asymmetric data would have moved it out. The control data
have the same inputs, and a generic function without symmetry is added to the target.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.data.teachers import QUADRATURE_ORDER, Data, FunctionData
from mfsym.streams import normals, stream_key
from mfsym.typing import Floats

FEATURES = 8
"""Number of ridge functions in the asymmetric part."""

_DRAWN = 1024


def asymmetric(data: Data, share: float) -> Data:
    """The same data with y + share g(x) instead of y, for a generic function g scaled to the standard deviation of y.

    g(x) : FEATURES ridge functions tanh(w . x / size of x + b) with Gaussian w, b and outputs, the same at every call;
    (E|g|^2)^(1/2) is the standard deviation of y, |y| if y is constant, 1 if y is 0.
    """
    x, y = data.draw(stream_key(0, "data"), 0, _DRAWN)
    variation, size = float(np.mean((y - y.mean(axis=0)) ** 2)), float(np.mean(y**2))
    part = _generic(x, data.c, share * np.sqrt(variation or size or 1.0))
    if isinstance(data, FunctionData):
        changed, known = copy.copy(data), data.function
        changed.function = lambda points: known(points) + part(points)
        return changed
    return _AsymmetricData(data, part)


def _generic(x: Floats, c: int, size: float) -> Callable[[Floats], Floats]:
    """A generic function to R^c whose entries have root mean square ``size`` on inputs x (B, d)."""
    key, d = stream_key(0, "teacher"), x.shape[1]
    unit = float(np.sqrt(np.mean(x**2))) or 1.0
    inner = normals(key, 0, FEATURES, d + 1)
    outer = normals(key, 1, FEATURES, c)

    def raw(points: Floats) -> Floats:
        return np.asarray(np.tanh(points @ inner[:, :d].T / unit + inner[:, d]) @ outer)

    factor = size / float(np.sqrt(np.mean(raw(x) ** 2)))
    return lambda points: factor * raw(points)


class _AsymmetricData(Data):
    """Data with a function of x added to y."""

    def __init__(self, data: Data, part: Callable[[Floats], Floats]) -> None:
        self._data, self._part = data, part
        self.name, self.d, self.c = data.name, data.d, data.c
        self.has_target = data.has_target  # type: ignore[misc]
        if not data.has_target:
            self.x = as_floats(data.x, "x")  # type: ignore[attr-defined]
            self.y = as_floats(data.y, "y") + part(self.x)  # type: ignore[attr-defined]

    def draw(self, key: NDArray[np.uint32], first: int, count: int) -> tuple[Floats, Floats]:
        x, y = self._data.draw(key, first, count)
        return x, y + self._part(x)

    def target(self, x: ArrayLike) -> Floats:
        return self._data.target(x) + self._part(as_floats(x, "x"))

    def quadrature(self, order: int = QUADRATURE_ORDER) -> Iterable[Floats]:
        return self._data.quadrature(order)
