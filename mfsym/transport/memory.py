"""Memory that an exact distance will take, known before it starts."""

from __future__ import annotations

from mfsym.transport.starts import LISTED


def memory_estimate(n: int, m: int, p: int, images: int = 1) -> int:
    """Bytes that the own solver needs beside the clouds themselves, for N against M atoms of dimension p.

    images : number of elements of the group of a quotient distance. A sorted solve (p = 1) takes less.
    """
    atoms = m * images
    nodes = atoms / 3.0
    lists = (LISTED + 1) * (8 + 4) * n
    sweeps = 8 * (LISTED + 1) * n
    tree = atoms * (8 * p + 8) + nodes * (3 * 8 * p + 8 * 3 + 4)
    state = n * 70 + m * 90
    copies = 4 * 8 * p * (n + atoms)
    return int(lists + sweeps + tree + state + copies)
