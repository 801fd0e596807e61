"""Convert every accepted form of a model to a function of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_floats
from mfsym.ensembles import Ensemble
from mfsym.errors import MfsymError
from mfsym.schemes.arrays import Array, as_numpy
from mfsym.units import Unit

Floats = NDArray[np.float64]
BatchModel = Callable[[Array], Any]
"""A model: maps a batch (B, ...) to outputs (B, ...)."""

SIGMA_NUMBERS = 1 << 22
"""Largest number of entries in the per-particle outputs that a weighted ensemble holds at once."""


def as_model(given: Any, what: str = "model") -> BatchModel:
    """The function behind a model: a callable, a pair of a Unit and its particles, or an onnxruntime session.

    Particles are an Ensemble, an array (N, p), or a run of ``simulate``, whose last particles are used.
    """
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Unit):
        return EnsembleModel(*given)
    if hasattr(given, "run") and hasattr(given, "get_inputs"):
        return _Session(given)
    if not callable(given):
        raise MfsymError(
            f"{what} must be a function of a batch, a pair (unit, particles) or an onnxruntime session, "
            f"got {type(given).__name__}; of a scikit-learn estimator hand over predict_proba or decision_function"
        )
    return given


class EnsembleModel:
    """Phi(x) = sum_i w_i sigma(x, z_i) of a unit and a law of particles, by the compiled prediction.

    particles : see ``as_model``.
    """

    def __init__(self, unit: Unit, particles: Any) -> None:
        law = particles if isinstance(particles, Ensemble) else Ensemble(_last(particles))
        if law.p != unit.p or not np.isfinite(law.z).all():
            raise MfsymError(f"particles must be a finite array (N, {unit.p}), got shape {law.z.shape}")
        self.unit, self.law = unit, law

    def __call__(self, x: Array) -> Floats:
        """(B, c) in float64, from x (B, d)."""
        points = as_floats(as_numpy(x), "x")
        if self.law.weights is None:
            return self.unit.predict(points, self.law.z)
        rows = max(1, SIGMA_NUMBERS // (self.law.n * self.unit.c))
        parts = [self.unit.sigma(points[q : q + rows], self.law.z) for q in range(0, len(points), rows)]
        return np.concatenate([np.einsum("i,bic->bc", self.law.weights, part) for part in parts])


class _Session:
    """An onnxruntime InferenceSession with one input: its first output."""

    def __init__(self, session: Any) -> None:
        inputs = [one.name for one in session.get_inputs()]
        if len(inputs) != 1:
            raise MfsymError(f"the session must have one input, got {', '.join(inputs)}; wrap it in a function of one")
        self.session, self.name = session, inputs[0]

    def __call__(self, x: Array) -> Any:
        """The first output for a batch."""
        return self.session.run(None, {self.name: as_numpy(x)})[0]


def _last(particles: Any) -> Floats:
    """Particles (N, p) of an array, or the last ones of a run."""
    found = particles["particles"] if hasattr(particles, "data_vars") else particles
    z = as_floats(np.asarray(found), "particles")
    return z[-1] if z.ndim == 3 else z
