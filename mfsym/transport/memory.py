"""Memory that an exact distance will take, known before it starts."""

from __future__ import annotations

from mfsym.transport.starts import LISTED, NEAR


def memory_estimate(n: int, m: int, p: int, images: int = 1) -> int:
    """Bytes that the own solver needs beside the clouds themselves, for N against M atoms of dimension p.

    images : number of elements of the group of a quotient distance. A sorted solve (p = 1) takes less.
    """
    atoms = m * images
    both = atoms + n * images
    lists = (8 + 4) * ((LISTED + 1) * n + (NEAR + 1) * m)
    sweeps = 56 * NEAR * (n + m)
    tree = both * (8 * p + 8) + both / 3.0 * (5 * 8 * p + 8 * 3 + 4)
    state = n * 70 + m * 90
    copies = 4 * 8 * p * (n + atoms)
    return int(lists + sweeps + tree + state + copies)


def dense_estimate(n: int, m: int) -> int:
    """Bytes that methods on the whole cost matrix need, for N against M atoms: five matrices, as POT's solver."""
    return 5 * 8 * n * m
