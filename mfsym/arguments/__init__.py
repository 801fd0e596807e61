"""Validation and conversion of user input: numbers, arrays and names.

Numbers may be Python or NumPy numbers, or arrays with a single number. Arrays may be lists, ranges, NumPy arrays,
pandas columns and frames, or PyTorch and JAX arrays on the CPU. Anything else raises MfsymError.
"""

from __future__ import annotations

import difflib
import itertools
import math
import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError

LONG = 10**40
"""Integers of this size or larger are not printed in errors."""

UNBOUNDED = 10**9
"""Upper bounds of this size or larger are omitted from errors about the lower bound."""


def as_floats(values: Any, name: str) -> NDArray[np.float64]:
    """The values as a float64 array of the same shape; a float64 array is returned unchanged.

    name : what the values are; error messages begin with it.
    Raises MfsymError for masked entries, complex numbers, text, dates, records, missing values and ragged lists.
    NaN and infinity are allowed.

    >>> as_floats(range(3), "times")
    array([0., 1., 2.])
    """
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    array = _as_array(values, name)
    if array.dtype.kind == "c":
        raise MfsymError(f"{name} must be real, got {array.dtype} numbers; pass real and imaginary parts separately")
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
    """The values as an array of any type; MfsymError for masked entries."""
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
    """MfsymError for masked entries at any depth of nested lists: NumPy would use the numbers under the mask."""
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
    """The Python number of a NumPy scalar or a zero-dimensional array; None for a date or a time span."""
    if getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
        return None
    if isinstance(value, np.generic) or (getattr(value, "ndim", None) == 0 and hasattr(value, "item")):
        return value.item()
    return value


def as_whole(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    """The value as a Python int; 3.0 and NumPy's integers count as 3.

    least, most : inclusive bounds; None for no bound.
    Raises MfsymError for fractions, booleans, text and values out of range.

    >>> as_whole(np.int64(5), "seed")
    5
    """
    if type(value) is int and (least is None or value >= least) and (most is None or value <= most):
        return value
    number = _single(value)
    kind = f"{name} must be a whole number{_range(least, most)}"
    if isinstance(number, bool) or not isinstance(number, numbers.Real) or not _is_whole(number):
        raise MfsymError(f"{kind}, got {shown(value)}")
    found = int(cast("float", number))
    if most is not None and found > most >= UNBOUNDED:
        kind = f"{name} must be a whole number <= {most}"
    if (least is not None and found < least) or (most is not None and found > most):
        raise MfsymError(f"{kind}, got {found if abs(found) < LONG else 'one of more than 40 digits'}")
    return found


def _is_whole(number: Any) -> bool:
    return isinstance(number, numbers.Integral) or (math.isfinite(number) and number == math.floor(number))


def as_number(value: Any, name: str, *, least: float | None = None, above: float | None = None) -> float:
    """The value as a finite Python float.

    least : inclusive lower bound.  above : strict lower bound; None for no bound.
    Raises MfsymError for booleans, text, complex numbers, NaN, infinity and values out of range.

    >>> as_number(np.float32(0.5), "alpha", above=0.0)
    0.5
    """
    number = _single(value)
    bound = f" >= {least:g}" if least is not None else "" if above is None else f" > {above:g}"
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise MfsymError(f"{name} must be a number{bound}, got {shown(value)}")
    try:
        found = float(number)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise MfsymError(f"{name} must be finite, got {found}")
    if (least is not None and found < least) or (above is not None and found <= above):
        raise MfsymError(f"{name} must be a number{bound}, got {found}")
    return found


def as_times(times: Iterable[Any], name: str = "times") -> Iterable[float]:
    """Times as finite Python floats. All are checked at once before use, except those of an iterator.

    Raises MfsymError if ``times`` is not a sequence, or has an element that is not a number or is below the one before.
    """
    if isinstance(times, Iterator):
        return (as_number(time, name) for time in times)
    given = as_plain(times)
    if not isinstance(given, list):
        raise MfsymError(f"{name} must be a sequence of numbers, got {shown(times)}")
    found = [as_number(time, name) for time in given]
    for before, after in itertools.pairwise(found):
        if after < before:
            raise MfsymError(f"{name} must increase, got {after:g} after {before:g}")
    return found


def as_choice(value: Any, name: str, known: Iterable[str]) -> str:
    """The value if it is one of the known names.

    Raises MfsymError with the known names and the nearest one.

    >>> as_choice("fa", "scheme", ("vanilla", "fa"))
    'fa'
    """
    names = list(known)
    if isinstance(value, str) and value in names:
        return str(value)
    got = repr(value[:80]) if isinstance(value, str) else shown(value)
    near = nearest(value, names) if isinstance(value, str) else ""
    raise MfsymError(f"{name} must be one of {', '.join(names)}, got {got}{near}")


def nearest(name: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' for the known name closest to ``name``, ignoring case; "" if none is close."""
    folded = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name[:80].lower(), list(folded), n=1, cutoff=0.5)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def suggestions(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known name, then all of them."""
    names = sorted(known)
    return f"{nearest(name, names)}; known: {', '.join(names)}"


def as_plain(value: Any) -> Any:
    """The plain Python form of a value or a list of values: sequences and one-dimensional arrays become lists.

    NumPy numbers and strings become Python's, NumPy types their names. Anything else is returned unchanged.

    >>> as_plain(np.logspace(0, 1, 2)), as_plain(range(5, 7)), as_plain(np.float32)
    ([1.0, 10.0], [5, 6], 'float32')
    """
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    if isinstance(value, list | tuple | range):
        return [as_plain(item) for item in value]
    if getattr(value, "ndim", None) == 1:
        return [as_plain(item) for item in _as_array(value, "a list of values")]
    number = _single(value)
    return value if number is None else number


def shown(value: Any) -> str:
    """The value and its type on one line, for the end of an error."""
    return f"{' '.join(repr(value).split()):.60} ({type(value).__name__})"


def _range(least: int | None, most: int | None) -> str:
    if least is None:
        return "" if most is None else f" <= {most}"
    return f" >= {least}" if most is None or most >= UNBOUNDED else f" from {least} to {most}"
