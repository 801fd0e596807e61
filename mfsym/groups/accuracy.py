"""How exactly the generators of a group are known, and what a closure may be believed of.

Matrices arrive rounded: typed to eight decimals, kept in single precision, or computed to the last bit. What they say
of a group depends on it. A rotation by a five-thousandth of a turn to three decimals is any of a thousand groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.representations.orthogonality import decimals, orthogonality_defects

Floats = NDArray[np.float64]

ROUNDING = 1e-14
"""Entries that miss an identity by no more than this were computed to the last bits."""

EXACT = 5e-13
"""Distance |M - M'| in Frobenius norm below which matrices known to the last bits are the same."""

_ACCIDENTS = 2e-3


def nearest_orthogonal(matrices: Floats) -> Floats:
    """The orthogonal matrices (..., q, q) nearest to ``matrices``, for any that are nonsingular."""
    left, _, right = np.linalg.svd(matrices)
    return np.asarray(left @ right)


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
