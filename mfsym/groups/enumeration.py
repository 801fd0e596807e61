"""From generators to a finite group: close, make exact, and believe it or say what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.groups.accuracy import (
    EXACT,
    ROUNDING,
    Evidence,
    accuracy_of,
    nearest_orthogonal,
    rounding_of,
    smallest_gap,
)
from mfsym.groups.closure import Closure, Finder, close
from mfsym.groups.snapping import relation_defect, snap
from mfsym.representations.orthogonality import check_orthogonal, orthogonality_defects

Floats = NDArray[np.float64]

_WIDEST = 1e-4
_FINDING = 1e-5


def enumerate_group(given: Floats, name: str, names: Sequence[str], limit: int) -> tuple[Closure, Floats, Floats]:
    """The group that generators (m, k, k) generate: its closure, matrices (n, k, k) and exact generators (m, k, k).

    Matrices that are orthogonal and closed to rounding stay as they are. Others become those of the exact group near
    them, if it is the only one of up to ``limit`` elements that they can mean (see ``Evidence``). MfsymError says
    whether orthogonality, digits or finiteness is missing.
    """
    check_orthogonal(given, names)
    inexact = orthogonality_defects(given) > ROUNDING
    generators = given.copy()
    generators[inexact] = nearest_orthogonal(given[inexact])
    accuracy = max(map(accuracy_of, given), default=EXACT)
    gap = smallest_gap(limit)
    found = close(generators, min(_WIDEST, gap / 4.0), limit)
    if found is None:
        raise MfsymError(_endless(generators, name, names, limit, accuracy))
    closure, matrices = found
    size = given.shape[-1]
    if not closure.is_group():
        raise MfsymError(_undecided(Evidence(closure.length, accuracy, np.inf, gap), name, size))
    if relation_defect(closure, matrices, generators)[0] > rounding_of(closure.length):
        matrices, generators = snap(closure, matrices, generators)
    moved = float(np.linalg.norm(generators - given, axis=(1, 2)).max(initial=0.0))
    evidence = Evidence(closure.length, accuracy, moved, min(gap, _gap(matrices)))
    if not evidence.holds:
        raise MfsymError(_undecided(evidence, name, size))
    return closure, matrices, generators


def finder_of(matrices: Floats) -> Finder:
    """A Finder of the elements (n, k, k) of a group by their matrices."""
    finder = Finder(matrices.shape[-1], min(_FINDING, _gap(matrices) / 4.0))
    rows = np.ascontiguousarray(matrices).reshape(len(matrices), -1)
    for row, place in zip(rows, finder.places(rows), strict=True):
        finder.add(row, place)
    return finder


def _gap(matrices: Floats) -> float:
    """The smallest |g - I| (Frobenius norm) of elements (n, k, k) other than the first, the identity."""
    traces = np.trace(matrices[1:], axis1=1, axis2=2)
    size = matrices.shape[-1]
    return float(np.sqrt(max(0.0, 2.0 * (size - traces.max(initial=-float(size))))))


def _undecided(evidence: Evidence, name: str, size: int) -> str:
    """Why generators that close within the tolerance are not believed."""
    if evidence.accuracy <= EXACT or 2.0 * evidence.accuracy < evidence.moved < np.inf:
        missed = f" and miss it by {evidence.moved:.1e} a generator" if evidence.moved < np.inf else ""
        return (
            f"the generators of {name} must generate a finite group: they come near one{missed}, where their entries "
            f"are known to {evidence.accuracy:.0e}; their angles must be fractions of a turn to all digits"
        )
    return (
        f"the generators of {name} must say which group they generate: known to {evidence.accuracy:.0e}, they close to "
        f"words of {evidence.length} letters, in which that error adds up to the distance of two elements; "
        f"give their entries to {evidence.decimals_needed(size)} decimals"
    )


def _endless(generators: Floats, name: str, names: Sequence[str], limit: int, accuracy: float) -> str:
    """Why generators pass the limit: an angle that is no fraction of a turn, too few digits, or the group itself."""
    text = f"the generators of {name} must generate a finite group, got more than {limit} elements"
    digits = "" if accuracy <= EXACT else f" (or give more digits: the entries are known to {accuracy:.0e})"
    for label, matrix in zip(names, generators, strict=True):
        for angle in np.abs(np.angle(np.linalg.eigvals(matrix))):
            turn = float(angle) / (2.0 * np.pi)
            miss = abs(turn - float(Fraction(turn).limit_denominator(limit)))
            if 2.0 * np.pi * miss > 2.0 * accuracy:
                return (
                    f"{text}: {label} turns a plane by {turn:.12g} of a turn, which must be a fraction of denominator "
                    f"up to {limit}{digits}"
                )
    return f"{text}: it is infinite or larger than this limit; take generators of a smaller group{digits}"
