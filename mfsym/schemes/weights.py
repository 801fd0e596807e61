"""Weights lambda on views: every accepted form as one function; ``fitting`` fits them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.schemes.arrays import Array, is_floating, like, matched, namespace
from mfsym.schemes.models import as_model
from mfsym.units import Unit

Floats = NDArray[np.float64]
Function = Callable[[Array], Any]


@dataclass(frozen=True)
class LogWeights:
    """lambda = exp(s), a score s of standardised features of the views.

    score : features (R, f) -> (R, 1).  features : views (R, ...) -> (R, ...); None for the views themselves.
    centre, scale : (f,), subtracted from the flattened features, which are then divided by the scale.
    """

    score: Function
    features: Function | None = None
    centre: Floats | None = None
    scale: Floats | None = None

    def scores(self, views: Array) -> Array:
        """log lambda of views (R, ...): (R, 1). Gradients pass through if score and features are differentiable."""
        given = flat_features(self.features, views)
        if self.centre is not None and self.scale is not None:
            given = (given - like(self.centre, given)) / like(self.scale, given)
        return self.score(given)

    def __call__(self, views: Array) -> Array:
        """lambda of views (R, ...): (R, 1)."""
        scores = self.scores(views)
        return namespace(scores).exp(scores)


def flat_features(features: Function | None, views: Array) -> Array:
    """Features of views (R, ...) as floating rows (R, f)."""
    found = views if features is None else matched(features(views), views, "the features")
    xp = namespace(found)
    rows = xp.reshape(found, (found.shape[0], -1))
    return rows if is_floating(rows) else xp.astype(rows, xp.float64 if xp is namespace(np.zeros(1)) else xp.float32)


def as_weights(given: Any) -> Any:
    """lambda as a function of views; a pair (unit, particles) of an ensemble with one output is lambda = exp(Phi)."""
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Unit):
        if given[0].c != 1:
            raise MfsymError(f"the unit of weights must have one output, got {given[0].c}")
        return LogWeights(as_model(given))
    if isinstance(given, LogWeights):
        return given
    if not callable(given):
        raise MfsymError(
            "weights must be a function of a batch, a pair (unit, particles) of one output, or what fit_weights gives, "
            f"got {type(given).__name__}"
        )
    return given
