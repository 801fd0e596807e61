"""How exactly a caller's matrices are known: orthogonality, decimals, and what a closure may be believed of.

Matrices arrive rounded: typed to eight decimals, kept in single precision, or computed to the last bit. What they say
of a group depends on it. A rotation by a five-thousandth of a turn to three decimals is any of a thousand groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError

Floats = NDArray[np.float64]

ORTHOGONAL_TOLERANCE = 1e-8
"""Largest |M M^T - I| accepted from a caller's matrices."""

ROUNDING = 1e-14
"""Entries that miss an identity by no more than this were computed to the last bits."""

EXACT = 5e-13
"""Distance |M - M'| in Frobenius norm below which matrices known to the last bits are the same."""

_ALMOST = 1e-3
_MOST_DECIMALS = 12
_SINGLE_DECIMALS = 7
_ACCIDENTS = 2e-3


def check_orthogonal(matrices: Floats, names: Sequence[str]) -> None:
    """MfsymError naming the first of ``matrices`` (m, q, q) that is not orthogonal, and whether digits are missing."""
    for matrix, error, name in zip(matrices, orthogonality_defects(matrices), names, strict=True):
        if not error <= ORTHOGONAL_TOLERANCE:
            if not np.isfinite(matrix).all():
                raise MfsymError(f"the entries of M must be finite, got others in {name}")
            advice = "; rescale it, or change the basis"
            if error <= _ALMOST:
                enough = math.ceil(-math.log10(ORTHOGONAL_TOLERANCE / matrix.shape[-1]))
                advice = f", above {ORTHOGONAL_TOLERANCE:.0e}{_written(matrix)}; "
                advice += f"give its entries to {enough} decimals or more"
            raise MfsymError(f"M must be orthogonal: max|M M^T - I| = {error:.1e} for {name}{advice}")


def orthogonality_defects(matrices: Floats) -> Floats:
    """max|M M^T - I| of each of the matrices (m, q, q); NaN where entries are not finite."""
    gram = np.array([matrix @ matrix.T for matrix in matrices]).reshape(matrices.shape)
    return np.asarray(np.abs(gram - np.eye(matrices.shape[-1])).max(axis=(-1, -2), initial=0.0))


def nearest_orthogonal(matrices: Floats) -> Floats:
    """The orthogonal matrices (..., q, q) nearest to ``matrices``, for any that are nonsingular."""
    left, _, right = np.linalg.svd(matrices)
    return np.asarray(left @ right)


def decimals(matrix: Floats) -> int | None:
    """Decimals that all entries are written to; 7 for single precision, None for 13 and more.

    >>> decimals(np.array([[0.25, -1.125]]))
    3
    """
    for count in range(_MOST_DECIMALS + 1):
        if np.array_equal(np.round(matrix, count), matrix):
            return count
    with np.errstate(over="ignore"):
        single = np.array_equal(matrix.astype(np.float32), matrix)
    return _SINGLE_DECIMALS if single else None


def accuracy_of(matrix: Floats) -> float:
    """How far (Frobenius norm) the matrix meant may lie from an orthogonal matrix (k, k) that was handed over.

    EXACT for one that is orthogonal to the last bits. Else half a unit of its last decimal in every entry, or 10 times
    its distance from orthogonality where the entries have all digits.
    """
    defect = float(orthogonality_defects(matrix[None])[0])
    if defect <= ROUNDING:
        return EXACT
    written = decimals(matrix)
    if written is None:
        return max(EXACT, 10.0 * defect)
    return 0.5 * 10.0**-written * matrix.shape[-1]


def rounding_of(length: int) -> float:
    """Largest error of a product of so many matrices in their last bits that counts as rounding."""
    return ROUNDING * max(1.0, length / 100.0)


def smallest_gap(limit: int) -> float:
    """Smallest distance |g - I| (Frobenius norm) of a g other than I in any group of up to ``limit`` matrices."""
    return float(2.0 * np.sqrt(2.0) * np.sin(np.pi / max(2, limit)))


@dataclass(frozen=True)
class Evidence:
    """What speaks for a finite group found from generators that are known to some accuracy.

    length : letters of the longest word.  accuracy : of the generators as given.  moved : farthest that one of them
    is from the group found.  gap : smallest distance of two elements, of this group and of any other up to the limit.
    All distances in Frobenius norm.
    """

    length: int
    accuracy: float
    moved: float
    gap: float

    @property
    def holds(self) -> bool:
        """Whether no other group up to the limit has generators that close, and few infinite ones do.

        Two groups whose generators differ by e have words that differ by e a letter. A relation w l = w' of one, a
        product of at most 2 length + 1 letters, then holds in the other to less than its gap, so exactly: each is a
        quotient of the other. Of rotations by any angle, a share of about length^2 accuracy / 10 is as near as this to
        one by a fraction of a turn.
        """
        certain = (2 * self.length + 1) * (self.accuracy + self.moved) < self.gap
        return certain and self.length**2 * self.accuracy <= _ACCIDENTS and self.moved <= 2.0 * self.accuracy

    def decimals_needed(self, size: int) -> int:
        """Decimals of k x k matrices, k = ``size``, with which the evidence would hold."""
        wanted = min(self.gap / (4 * self.length + 2), _ACCIDENTS / max(1, self.length) ** 2) / 2.0
        return max(9, math.ceil(-math.log10(2.0 * wanted / size)))


def _written(matrix: Floats) -> str:
    count = decimals(matrix)
    return "" if count is None else f", as entries of {count} decimals leave it"
