"""Pointwise activations: those the kernels know by name, and those that a user writes in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from mfsym.arguments import as_choice, as_floats, shown
from mfsym.configurations import names
from mfsym.configurations.names import bound
from mfsym.errors import MfsymError

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]

SLOPE_TOLERANCE = 1e-5
"""Largest error accepted of the slope of one's own activation, relative, against central differences."""

_PLACES = np.linspace(-2.85, 3.15, 16)
_STEP = 6e-6


def _sigmoid_slope(a: Floats) -> Floats:
    value = np.asarray(expit(a))
    return value * (1.0 - value)


def _tanh_slope(a: Floats) -> Floats:
    return 1.0 - np.tanh(a) ** 2


def _relu(a: Floats) -> Floats:
    return np.where(a < 0.0, 0.0, a)


def _relu_slope(a: Floats) -> Floats:
    return (a > 0.0).astype(np.float64)


def _softplus(a: Floats) -> Floats:
    return np.asarray(np.maximum(a, 0.0) + np.log1p(np.exp(-np.abs(a))))


def _erf_slope(a: Floats) -> Floats:
    return np.asarray(2.0 / np.sqrt(np.pi) * np.exp(-(a**2)))


def _sigmoid(a: Floats) -> Floats:
    return np.asarray(expit(a))


def _erf(a: Floats) -> Floats:
    return np.asarray(erf(a))


def _identity(a: Floats) -> Floats:
    return a


ACTIVATIONS: Mapping[str, tuple[Function, Function]] = bound(
    names.ACTIVATIONS,
    {
        "sigmoid": (_sigmoid, _sigmoid_slope),
        "tanh": (np.tanh, _tanh_slope),
        "relu": (_relu, _relu_slope),
        "softplus": (_softplus, _sigmoid),
        "erf": (_erf, _erf_slope),
        "identity": (_identity, np.ones_like),
    },
)
"""Pointwise activations by name: the function and its derivative (relu's is 0 at 0). Position = the kernels' code."""


@dataclass(frozen=True)
class Activation:
    """An activation of one's own: a pointwise function and its derivative, as NumPy functions of arrays.

    name : by which results know it, none of the names in ACTIVATIONS.  function, slope : arrays to arrays of the same
    shape, finite. Units with one run in plain NumPy, some times slower than with an activation in ACTIVATIONS.
    Raises MfsymError where a function is not pointwise, or the slope not the derivative.

    >>> square = Activation("square", lambda a: a**2, lambda a: 2.0 * a)
    >>> float(square.function(np.array(3.0)))
    9.0
    """

    name: str
    function: Function
    slope: Function

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or self.name in ACTIVATIONS:
            raise MfsymError(f"an activation of your own needs a name of its own, got {shown(self.name)}")
        values, above, below, slopes = (
            self._values(what, x)
            for what, x in (
                ("function", _PLACES),
                ("function", _PLACES + _STEP),
                ("function", _PLACES - _STEP),
                ("slope", _PLACES),
            )
        )
        error = float(np.abs(slopes - (above - below) / (2.0 * _STEP)).max())
        if not error <= SLOPE_TOLERANCE * max(1.0, float(np.abs(slopes).max()), float(np.abs(values).max())):
            raise MfsymError(
                f"the slope of the activation {self.name!r} must be its derivative: "
                f"it differs from central differences by {error:.1e}; correct it"
            )

    def _values(self, what: str, x: Floats) -> Floats:
        """One of the two functions at x (16,), which must give the same for x as a square."""
        function, label = getattr(self, what), f"the {what} of the activation {self.name!r}"
        try:
            together = as_floats(function(x.copy()), label)
            square = as_floats(function(x.reshape(4, 4).copy()), label)
        except (TypeError, ValueError, IndexError, ArithmeticError, AttributeError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
            raise MfsymError(f"{label} must take arrays: it raised {reason}") from error
        if together.shape != x.shape or not np.isfinite(together).all() or not _same(square, together):
            raise MfsymError(
                f"{label} must map arrays entry by entry to finite numbers, got shape {together.shape} for {x.shape}"
            )
        return together


def _same(square: Floats, row: Floats) -> bool:
    """Whether a function says the same of numbers in a square and in a row."""
    close = square.size == row.size and np.abs(square.ravel() - row).max() <= 1e-9 * np.abs(row).max(initial=1e-300)
    return bool(close)


AnyActivation = str | Activation
"""What stands for an activation: a name in ACTIVATIONS, or an Activation."""


def as_activation(value: Any, name: str = "activation") -> AnyActivation:
    """The value if it is an activation; MfsymError with the known names otherwise."""
    return value if isinstance(value, Activation) else as_choice(value, name, ACTIVATIONS)


def activation_name(value: AnyActivation) -> str:
    """The name by which results know an activation."""
    return value if isinstance(value, str) else value.name


def pointwise(value: AnyActivation) -> tuple[Function, Function]:
    """The function of an activation and its derivative."""
    return ACTIVATIONS[value] if isinstance(value, str) else (value.function, value.slope)
