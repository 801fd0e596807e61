"""Predictions of an ensemble by the engine that a study names, and how results record the engine."""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from mfsym.accelerate.xla import require_jax
from mfsym.engines.choices import usable_engine
from mfsym.typing import Floats
from mfsym.units import Unit

Predictor = Callable[[ArrayLike, ArrayLike], Floats]
"""Maps inputs x (Q, d) and particles z (N, p) to Phi(x) (Q, c)."""


def predictor(unit: Unit, engine: str) -> Predictor:
    """The mean Phi of a unit over particles, computed by an engine in float64.

    Raises MfsymError for an engine that cannot be used here, and for a unit that the JAX engine does not know.
    """
    if usable_engine(engine) == "numba":
        return unit.predict
    from mfsym.engines.jax.populations import predictor_of

    return predictor_of(unit)


def described(engine: str) -> str:
    """An engine as results record it: its name; of JAX also the version and the kind of its devices."""
    if usable_engine(engine) == "numba":
        return engine
    from mfsym.engines.jax.devices import devices_of

    devices, version = devices_of(None), require_jax("engine 'jax'").__version__
    count = f"{len(devices)} x " if len(devices) > 1 else ""
    return f"jax {version} on {count}{devices[0].device_kind}"
