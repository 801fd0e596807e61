"""Check that a caller's matrices are orthogonal, and detect to how many decimals they were rounded."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mfsym.errors import MfsymError
from mfsym.typing import Floats

ORTHOGONAL_TOLERANCE = 1e-8
"""Largest |M M^T - I| accepted from a caller's matrices."""


_ROUNDED_DEFECT = 1e-3
_MOST_DECIMALS = 12
_SINGLE_DECIMALS = 7


def check_orthogonal(matrices: Floats, names: Sequence[str]) -> None:
    """MfsymError naming the first of ``matrices`` (m, q, q) that is not orthogonal, and whether it lacks digits."""
    for matrix, error, name in zip(matrices, orthogonality_defects(matrices), names, strict=True):
        if not error <= ORTHOGONAL_TOLERANCE:
            if not np.isfinite(matrix).all():
                raise MfsymError(f"the entries of M must be finite, got NaN or infinity in {name}")
            advice = "; rescale it, or change the basis"
            if error <= _ROUNDED_DEFECT:
                enough = math.ceil(-math.log10(ORTHOGONAL_TOLERANCE / matrix.shape[-1]))
                advice = f", above {ORTHOGONAL_TOLERANCE:.0e}{_rounding_note(matrix)}; "
                advice += f"give its entries to {enough} decimals or more"
            raise MfsymError(f"M must be orthogonal: max|M M^T - I| = {error:.1e} for {name}{advice}")


def orthogonality_defects(matrices: Floats) -> Floats:
    """max|M M^T - I| of each of the matrices (m, q, q); NaN where entries are not finite."""
    gram = np.array([matrix @ matrix.T for matrix in matrices]).reshape(matrices.shape)
    return np.asarray(np.abs(gram - np.eye(matrices.shape[-1])).max(axis=(-1, -2), initial=0.0))


def decimals(matrix: Floats) -> int | None:
    """Number of decimals to which all entries are rounded; 7 for single precision, None for 13 or more.

    >>> decimals(np.array([[0.25, -1.125]]))
    3
    """
    for count in range(_MOST_DECIMALS + 1):
        if np.array_equal(np.round(matrix, count), matrix):
            return count
    with np.errstate(over="ignore"):
        single = np.array_equal(matrix.astype(np.float32), matrix)
    return _SINGLE_DECIMALS if single else None


def _rounding_note(matrix: Floats) -> str:
    count = decimals(matrix)
    return "" if count is None else f", because its entries have only {count} decimals"
