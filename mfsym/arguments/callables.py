"""Checks of user functions: each is tried once on a few rows, and MfsymError says what is wrong.

A user function gets copies of arrays, and its return value is copied: it may overwrite its arguments, keep them, or
return views of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.typing import Floats

Rows = Callable[[Floats], Any]

SAME = 1e-9
"""Largest difference, relative to the largest value, between a row evaluated with others and alone."""

_MOMENTS = np.arange(5) / 1024.0


def own_rows(function: Rows, x: Floats, width: int, what: str) -> Floats:
    """A copy of function(x) as an array (Q, width); MfsymError, which begins with ``what``, for another shape."""
    values = np.array(as_floats(function(x.copy()), what), order="C")
    if values.shape != (len(x), width):
        raise MfsymError(f"{what} must give rows ({len(x)}, {width}) for {len(x)} inputs, got shape {values.shape}")
    return values


def check_rows(function: Rows, x: Floats, width: int, what: str) -> None:
    """MfsymError unless the function maps rows x (Q, d) to finite rows (Q, width), row by row and deterministically."""
    try:
        together = own_rows(function, x, width, what)
        alone = np.concatenate([own_rows(function, row, width, what) for row in x[:, None]])
    except (TypeError, ValueError, IndexError, ArithmeticError, AttributeError) as error:
        raise MfsymError(f"{what} must take inputs of shape {x.shape}: it raised {_stated(error)}") from error
    if not np.isfinite(together).all():
        row = int(np.flatnonzero(~np.isfinite(together).all(axis=1))[0])
        raise MfsymError(f"{what} must be finite, got {together[row]} at x = {x[row]}")
    apart = float(np.abs(together - alone).max(initial=0.0))
    if not apart <= SAME * max(float(np.abs(together).max(initial=0.0)), np.finfo(np.float64).tiny):
        raise MfsymError(
            f"{what} must be a function of each row alone: the values at one row differ by {apart:.1e} "
            "when other rows are present; do not average over rows or draw random numbers in it"
        )


def as_factors(schedule: Callable[[Floats], Any], times: Floats) -> Floats:
    """schedule(times) as (S,) finite non-negative factors; MfsymError otherwise."""
    rule = "schedule must be a function of times (S,) that returns (S,) finite non-negative factors"
    if not callable(schedule):
        raise MfsymError(f"{rule}, got {schedule!r:.60} ({type(schedule).__name__})")
    try:
        factors = np.array(as_floats(schedule(times.copy()), "the factors of the schedule"))
    except (TypeError, ValueError, IndexError, ArithmeticError, AttributeError) as error:
        raise MfsymError(f"{rule}: for times of shape {times.shape} it raised {_stated(error)}") from error
    if factors.shape != times.shape:
        raise MfsymError(f"{rule}, got shape {factors.shape} for times of shape {times.shape}")
    bad = ~(np.isfinite(factors) & (factors >= 0.0))
    if bad.any():
        raise MfsymError(f"{rule}, got {factors[bad][0]} at t = {times[bad][0]:g}")
    return factors


def check_schedule(schedule: Callable[[Floats], Any]) -> None:
    """MfsymError for a step schedule that is not a function of each time alone; see ``as_factors``."""
    together = as_factors(schedule, _MOMENTS)
    alone = np.concatenate([as_factors(schedule, moment) for moment in _MOMENTS[:, None]])
    if not np.abs(together - alone).max() <= SAME * together.max(initial=0.0):
        raise MfsymError(
            "schedule must be a function of each time alone, got other factors when other times are present; "
            "divide by a fixed horizon, not by the last of the times"
        )


def check_writer(function: Callable[..., Any], given: Sequence[NDArray[Any]], size: int, what: str) -> None:
    """MfsymError unless function(*given, out) writes finite numbers to all of out (size,), and to nothing else.

    It runs as plain Python, where indices are checked.
    what : its name and arguments; error messages begin with it.
    """
    plain = getattr(function, "py_func", function)
    out = np.full(size, np.nan, dtype=np.result_type(*given))
    copies = [np.array(array) for array in given]
    for array in copies:
        array.setflags(write=False)
    try:
        plain(*copies, out)
    except (TypeError, ValueError, IndexError, ArithmeticError, AttributeError) as error:
        shapes = ", ".join(str(array.shape) for array in (*copies, out))
        raise MfsymError(
            f"{what} must take arrays of shapes {shapes} and write only to the last: it raised {_stated(error)}"
        ) from error
    if not np.isfinite(out).all():
        raise MfsymError(f"{what} must write finite numbers to all {size} entries of out, got {out}")


def _stated(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
