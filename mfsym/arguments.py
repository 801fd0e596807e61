"""What people hand to a Python function, as numbers and arrays.

Numbers may be Python's, NumPy's, or arrays of one number. Arrays may be lists, ranges, NumPy arrays, pandas columns and
frames, and arrays of PyTorch or JAX on the CPU. What is not a real number is refused in one line, never converted.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError


def as_floats(values: Any, name: str) -> NDArray[np.float64]:
    """The values as a float64 array of their own shape; the same array where it is one already.

    name : what the values are, the first words of a refusal.
    Raises MfsymError for masked entries, complex numbers, text, dates, records, missing values and ragged lists.
    Values that are not finite pass.

    >>> as_floats(range(3), "times")
    array([0., 1., 2.])
    """
    array = _as_array(values, name)
    if array.dtype.kind == "c":
        raise MfsymError(f"{name} must be real, got {array.dtype} numbers; hand over their real and imaginary parts")
    if array.dtype.names is not None:
        fields = ", ".join(array.dtype.names[:5])
        raise MfsymError(f"{name} must be a plain array of numbers, got records with the fields {fields}")
    if array.dtype.kind == "O":
        _check_objects(array, name)
    elif array.dtype.kind not in "biuf":
        raise MfsymError(f"{name} must be numbers, got an array of dtype {array.dtype}")
    try:
        with np.errstate(over="ignore"):
            return array.astype(np.float64, copy=False)
    except OverflowError:
        raise MfsymError(f"{name} must fit in float64, got a whole number above 1.8e308 among them") from None


def _as_array(values: Any, name: str) -> NDArray[Any]:
    """The values as an array of whatever type, without a mask."""
    if np.ma.isMaskedArray(values):
        masked = int(np.ma.count_masked(values))
        if masked:
            raise MfsymError(f"{name} must have no masked entries, got {masked}; drop or fill them first")
        return np.asarray(values.data)
    if isinstance(values, list | tuple):
        _refuse_inner_masks(values, name)
    try:
        return np.asarray(values.detach() if hasattr(values, "detach") else values)
    except (TypeError, ValueError, RuntimeError, OverflowError) as reason:
        text = str(reason).partition("\n")[0]
        raise MfsymError(f"{name} must be an array of numbers, got {type(values).__name__}: {text}") from None


def _refuse_inner_masks(values: Sequence[Any], name: str) -> None:
    """Refuse masked entries at any depth of lists: NumPy would put the numbers behind the masks in their place."""
    for value in values:
        if isinstance(value, list | tuple):
            _refuse_inner_masks(value, name)
        elif isinstance(value, np.ma.MaskedArray) and np.ma.count_masked(value):
            raise MfsymError(f"{name} must have no masked entries, got some in a list; drop or fill them first")


def _check_objects(array: NDArray[Any], name: str) -> None:
    for value in array.ravel():
        if not isinstance(value, numbers.Real):
            raise MfsymError(f"{name} must be numbers, got {value!r:.60} ({type(value).__name__}) among them")


def _single(value: Any) -> Any:
    """The Python number behind a NumPy number or an array of one number without axes; anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return value


def as_whole(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    """The value as a Python int; 3.0 and NumPy's integers count as 3.

    least, most : the range it must lie in, ends included; None where there is none.
    Raises MfsymError for fractions, truth values, text and what is out of range.

    >>> as_whole(np.int64(5), "seed")
    5
    """
    number = _single(value)
    whole = isinstance(number, numbers.Integral) or (isinstance(number, float) and number.is_integer())
    if not whole or isinstance(number, bool):
        raise MfsymError(f"{name} must be a whole number, got {_shown(value)}")
    found = int(number)
    if (least is not None and found < least) or (most is not None and found > most):
        raise MfsymError(f"{name} must be a whole number {_range(least, most)}, got {found}")
    return found


def as_number(value: Any, name: str) -> float:
    """The value as a finite Python float.

    Raises MfsymError for truth values, text, complex numbers, NaN and infinity.
    """
    number = _single(value)
    if not isinstance(number, numbers.Real) or isinstance(number, bool):
        raise MfsymError(f"{name} must be a number, got {_shown(value)}")
    found = float(number)
    if not math.isfinite(found):
        raise MfsymError(f"{name} must be finite, got {found}")
    return found


def _shown(value: Any) -> str:
    return f"{value!r:.60} ({type(value).__name__})"


def _range(least: int | None, most: int | None) -> str:
    if most is None:
        return f">= {least}"
    return f"<= {most}" if least is None else f"from {least} to {most}"
