"""Batches of NumPy, PyTorch and JAX through one interface: the array API, by ``array-api-compat``.

Results stay in the caller's library and on the caller's device, so that gradients pass through.
"""

from __future__ import annotations

from typing import Any

import array_api_compat as compat
import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.kernels.images import pick_columns

Array = Any
"""An array of any library that follows the array API standard."""


def as_batch(values: Any, name: str) -> Array:
    """The values unchanged if they are an array of a supported library, else converted to float64 NumPy.

    MfsymError for a batch without rows.
    """
    foreign = compat.is_array_api_obj(values) and not isinstance(values, np.ndarray)
    batch = values if foreign or type(values) is np.ndarray else as_floats(values, name)
    if isinstance(batch, np.ndarray) and batch.dtype.kind not in "biuf":
        batch = as_floats(batch, name)
    if batch.ndim < 1 or batch.shape[0] < 1:
        raise MfsymError(f"{name} must hold at least one row, got shape {tuple(batch.shape)}")
    return batch


def namespace(x: Array) -> Any:
    """The array API functions of the library that made x."""
    return compat.array_namespace(x)


def is_floating(x: Array) -> bool:
    """Whether the numbers of x are real floating ones."""
    return bool(namespace(x).isdtype(x.dtype, "real floating"))


def like(values: NDArray[Any], x: Array, dtype: Any = None) -> Array:
    """A NumPy array in the library and on the device of x; in its dtype too, if both are floating."""
    if dtype is None and values.dtype.kind == "f" and is_floating(x):
        dtype = x.dtype
    if isinstance(x, np.ndarray):
        return values.astype(dtype, copy=False) if dtype is not None else values
    if compat.is_jax_array(x):
        return namespace(x).asarray(values, dtype=dtype)
    return namespace(x).asarray(values, dtype=dtype, device=compat.device(x))


def fresh(x: Array) -> Array:
    """A writable copy of x; gradients pass through."""
    if isinstance(x, np.ndarray):
        return x.copy()
    if compat.is_torch_array(x):
        return x.clone()
    return x if compat.is_jax_array(x) else namespace(x).asarray(x, copy=True)


def frozen(x: Array) -> Array:
    """x without its gradient."""
    if compat.is_torch_array(x):
        return x.detach()
    if compat.is_jax_array(x):
        import jax

        return jax.lax.stop_gradient(x)
    return x


def picked(x: Array, places: NDArray[np.intp]) -> Array:
    """The columns ``places`` of rows x (n, d)."""
    if isinstance(x, np.ndarray):
        if x.dtype not in (np.float32, np.float64) or not x.flags.c_contiguous:
            return np.take(x, places, axis=1, mode="clip")
        columns = np.empty((len(x), len(places)), x.dtype)
        pick_columns(places, x, columns)
        return columns
    return namespace(x).take(x, like(places, x), axis=1)


def holds(flag: Array) -> bool:
    """Whether a computed boolean is true; inside ``jax.jit``, where values are not yet known, always True."""
    if not compat.is_jax_array(flag):
        return bool(flag)
    import jax

    try:
        return bool(flag)
    except jax.errors.ConcretizationTypeError:
        return True


def as_numpy(x: Array) -> NDArray[Any]:
    """The numbers of x as an array of NumPy."""
    return np.asarray(frozen(x).cpu() if compat.is_torch_array(x) else x)


def matched(given: Any, x: Array, what: str) -> Array:
    """The values ``given`` for the rows x, in x's library, and in its dtype if both are floating.

    MfsymError, which begins with ``what``, unless there is one value for each row of x.
    """
    xp = namespace(x)
    rows = given if compat.is_array_api_obj(given) else as_floats(given, what)
    if compat.array_namespace(rows) is not xp:
        rows = like(as_numpy(rows), x)
    if rows.ndim < 1 or rows.shape[0] != x.shape[0]:
        raise MfsymError(f"{what} must have one row for each of {x.shape[0]} rows, got shape {tuple(rows.shape)}")
    wanted = is_floating(x) and is_floating(rows) and rows.dtype != x.dtype
    return xp.astype(rows, x.dtype) if wanted else rows


def softmax(scores: Array, masses: NDArray[np.float64]) -> Array:
    """(B, K): masses_k exp(scores_bk) over their sum; the largest score of each row is subtracted first."""
    xp = namespace(scores)
    grown = like(masses, scores) * xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    return grown / xp.sum(grown, axis=1, keepdims=True)


def largest(x: Array) -> Array:
    """(R,): the largest entry of each row of x (R, c)."""
    if isinstance(x, np.ndarray):
        return np.ascontiguousarray(x.T).max(axis=0)  # along the short axis NumPy is ten times slower
    return namespace(x).max(x, axis=1)


def weighted(weights: Array, table: Array) -> Array:
    """sum_k weights_bk table_bk of a table (B, K, ...): (B, ...). Terms of weight 0 are skipped, finite or not."""
    xp = namespace(table)
    if isinstance(table, np.ndarray) and weights.min() > 0:
        return np.einsum("bk,bk...->b...", weights, table)
    spread = xp.reshape(weights, (*weights.shape, *[1] * (table.ndim - 2)))
    return xp.sum(spread * xp.where(spread > 0, table, xp.zeros_like(table)), axis=1)
