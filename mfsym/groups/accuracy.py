"""Accuracy of the generators of a group, and whether they determine the group they generate.

Users give rounded matrices: to eight decimals, in single precision, or correct to the last bit. The rounding limits
which group they can identify. A rotation by 1/5000 of a turn, given to three decimals, fits a thousand different
groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mfsym.representations.orthogonality import decimals, orthogonality_defects
from mfsym.typing import Floats

ROUNDING = 1e-14
"""Matrices that satisfy an identity to within this are accurate to the last bits."""

EXACT = 5e-13
"""Frobenius distance below which two matrices accurate to the last bits are equal."""

_CHANCE_LIMIT = 2e-3


def nearest_orthogonal(matrices: Floats) -> Floats:
    """The orthogonal matrices (..., q, q) nearest to ``matrices``, which must be nonsingular."""
    left, _, right = np.linalg.svd(matrices)
    return np.asarray(left @ right)


def accuracy_of(matrix: Floats) -> float:
    """Bound on the Frobenius distance between a given orthogonal matrix (k, k) and the one its author meant.

    EXACT if the matrix is orthogonal to the last bits. Otherwise half a unit in the last decimal of every entry, or 10
    times the distance from orthogonality if the entries have full precision.
    """
    defect = float(orthogonality_defects(matrix[None])[0])
    if defect <= ROUNDING:
        return EXACT
    written = decimals(matrix)
    if written is None:
        return max(EXACT, 10.0 * defect)
    return 0.5 * 10.0**-written * matrix.shape[-1]


def rounding_of(length: int) -> float:
    """Largest error that rounding may explain in a product of ``length`` matrices accurate to the last bits."""
    return ROUNDING * max(1.0, length / 100.0)


def smallest_gap(limit: int) -> float:
    """Smallest Frobenius distance |g - I| over all g != I in all groups of at most ``limit`` matrices."""
    return float(2.0 * np.sqrt(2.0) * np.sin(np.pi / max(2, limit)))


@dataclass(frozen=True)
class Evidence:
    """Evidence that generators of limited accuracy generate the finite group that was found.

    length : letters in the longest word.
    accuracy : of the given generators.
    moved : largest distance from a given generator to the group found.
    gap : smallest distance between two elements, of this group and of any other up to the limit.

    All distances are Frobenius norms.
    """

    length: int
    accuracy: float
    moved: float
    gap: float

    @property
    def holds(self) -> bool:
        """Whether no other group up to the limit, and only few infinite groups, have generators this close.

        If the generators of two groups differ by e, their words differ by at most e per letter. A relation w l = w' of
        one group, a product of at most 2 length + 1 letters, then holds in the other to within less than its gap, hence
        exactly, so each group is a quotient of the other. Among rotations by an arbitrary angle, a fraction of about
        length^2 accuracy / 10 is this close to a rational fraction of a turn.
        """
        certain = (2 * self.length + 1) * (self.accuracy + self.moved) < self.gap
        return certain and self.length**2 * self.accuracy <= _CHANCE_LIMIT and self.moved <= 2.0 * self.accuracy

    def decimals_needed(self, size: int) -> int:
        """Decimals to which k x k generators, k = ``size``, must be given for the evidence to hold."""
        wanted = min(self.gap / (4 * self.length + 2), _CHANCE_LIMIT / max(1, self.length) ** 2) / 2.0
        return max(9, math.ceil(-math.log10(2.0 * wanted / size)))
