"""Functions that people write in NumPy, traced by JAX: arrays that NumPy's own functions hand over to JAX.

Arithmetic, comparisons, NumPy functions that jax.numpy also has, indexing and assignment to entries work. Branches on
values, ``math``, loops over values and NumPy arrays filled in place do not: JAX raises an error there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from mfsym.errors import MfsymError

Value = Any


class TracedArray(NDArrayOperatorsMixin):
    """An array of JAX that looks like one of NumPy to NumPy's functions."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or "out" in options:
            raise TypeError(f"np.{ufunc.__name__} with {method} or out= is not traced")
        return _handed(ufunc.__name__, inputs, options, self.dtype)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        return _handed(function.__name__, inputs, options, self.dtype)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.value, name)
        if not callable(found):
            return _as_traced(found)
        return lambda *inputs, **options: _as_traced(found(*_bare(inputs, self.dtype), **_bare(options, self.dtype)))

    def __getitem__(self, index: Any) -> Any:
        return TracedArray(self.value[index])

    def __setitem__(self, index: Any, entries: Any) -> None:
        self.value = self.value.at[index].set(_bare(entries, self.dtype))

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)


def _handed(name: str, inputs: Any, options: Any, dtype: Any) -> Any:
    """The function of jax.numpy of this name."""
    if not hasattr(jnp, name):
        raise TypeError(f"jax.numpy has no {name}")
    return _as_traced(getattr(jnp, name)(*_bare(inputs, dtype), **_bare(options, dtype)))


def _as_traced(found: Any) -> Any:
    if isinstance(found, list | tuple):
        return type(found)(_as_traced(part) for part in found)
    return TracedArray(found) if isinstance(found, jax.Array) else found


def _bare(given: Any, dtype: Any) -> Any:
    """What JAX takes: its own arrays, and NumPy's floating numbers in the precision of the run."""
    if isinstance(given, TracedArray):
        return given.value
    if isinstance(given, list | tuple):
        return type(given)(_bare(part, dtype) for part in given)
    if isinstance(given, dict):
        return {name: _bare(part, dtype) for name, part in given.items()}
    if isinstance(given, np.floating):
        return float(given)
    if isinstance(given, np.ndarray) and given.dtype == np.float64:
        return given.astype(dtype)
    return given


def traced(function: Callable[..., Any]) -> Callable[..., Value]:
    """The function of NumPy arrays as one of arrays of JAX."""

    def apply(*arrays: Value) -> Value:
        return _bare(function(*(TracedArray(array) for array in arrays)), arrays[0].dtype)

    return apply


def written(function: Callable[..., Any], size: int) -> Callable[..., Value]:
    """A function that writes its result to its last argument, as one of arrays of JAX that returns ``size`` numbers."""

    def apply(*arrays: Value) -> Value:
        out = TracedArray(jnp.zeros(size, arrays[-1].dtype))
        function(*(TracedArray(array) for array in arrays), out)
        return out.value

    return apply


def check_traceable(function: Callable[..., Any], shapes: tuple[tuple[int, ...], ...], what: str) -> None:
    """MfsymError, one line that begins with ``what``, for a function of float arrays that JAX cannot trace."""
    try:
        jax.eval_shape(function, *(jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes))
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:100]
        raise MfsymError(
            f"{what} must be a function that JAX can trace, got {type(error).__name__}: {reason}; write it without "
            "branches on values and without math, or use engine='numba'"
        ) from None
