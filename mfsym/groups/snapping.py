"""Restore the exact homomorphism of a finite group from matrices that are one up to rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mfsym.groups.accuracy import nearest_orthogonal, rounding_of
from mfsym.groups.closure import Closure
from mfsym.typing import Floats

PART = 1 << 22
"""Number of table entries processed at once (32 MiB)."""

_ROUNDS = 8
_SHIFTS = 16


def relation_defect(closure: Closure, table: Floats, generators: Floats) -> tuple[float, int, int]:
    """The largest |rho(g) rho(s) - rho(g s)| over elements g and generators s of a table (n, q, q), its g and its s."""
    worst = (0.0, 0, 0)
    for part in parts(table):
        for k, generator in enumerate(generators):
            error = np.abs(table[part] @ generator - table[closure.right[k, part]]).max(axis=(1, 2), initial=0.0)
            g = int(np.argmax(error))
            if not error[g] <= worst[0]:
                worst = (float(error[g]), part.start + g, k)
    return worst


def snap(closure: Closure, table: Floats, generators: Floats) -> tuple[Floats, Floats]:
    """A table (n, q, q) and generators (m, q, q) near the given ones that preserve all products to the last bits.

    Each generator becomes the orthogonal matrix nearest to the mean of rho(s h) rho(h)^T over the group, which squares
    the error (Grove, Karcher & Ruh, Math. Ann. 211 (1974), 7-21), and this repeats until only rounding remains.
    Rounding accumulates along long words, so a final mean over a few elements corrects each element separately.
    """
    enough, defect, least = rounding_of(closure.length), np.inf, np.inf
    for _ in range(_ROUNDS):
        generators = nearest_orthogonal(_means(closure, table))
        table = closure.tabulate(generators)
        defect = relation_defect(closure, table, generators)[0]
        if not enough < defect < 0.5 * least:
            break
        least = defect
    if defect > enough:
        table = _polished(closure, table)
        generators = table[closure.right[:, 0]]
    return table, generators


def parts(table: Floats) -> Iterator[slice]:
    """Slices of the rows of a table (n, q, q) with at most PART entries each."""
    step = max(1, PART // max(1, table[0].size))
    return (slice(start, min(start + step, len(table))) for start in range(0, len(table), step))


def _means(closure: Closure, table: Floats) -> Floats:
    """The mean over h of rho(s h) rho(h)^T for every generator s: (m, q, q)."""
    total = np.zeros((len(closure.left), *table.shape[1:]))
    for part in parts(table):
        here = table[part]
        for k, moved in enumerate(closure.left):
            total[k] += np.tensordot(table[moved[part]], here, axes=([0, 2], [0, 2]))
    return total / len(table)


def _polished(closure: Closure, table: Floats) -> Floats:
    """The mean over a few elements h, evenly spaced in the enumeration, of rho(h)^T rho(h g), for every g."""
    total = np.zeros_like(table)
    for h in np.unique(np.linspace(0, len(table) - 1, _SHIFTS).astype(np.intp)):
        moved = closure.shifted(int(h))
        for part in parts(table):
            total[part] += table[h].T @ table[moved[part]]
    return np.concatenate([nearest_orthogonal(total[part]) for part in parts(table)])
