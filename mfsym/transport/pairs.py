"""Pairs of near atoms, taken from lists, for Sinkhorn sweeps."""

from __future__ import annotations

import numpy as np

from mfsym.transport.kernels.packs import Problem
from mfsym.transport.kernels.sinkhorn import Pairs


def pairs_of(problem: Problem) -> Pairs:
    """All listed pairs of a problem."""
    lists = problem.lists
    size = lists.size.astype(np.int64)
    row = np.repeat(np.arange(size.size, dtype=np.int32), size)
    entry = np.arange(row.size) + np.repeat(lists.start[:-1] - np.cumsum(size) + size, size)
    return Pairs(row, lists.column[entry], lists.cost[entry])


def joined(forth: Pairs, back: Pairs) -> Pairs:
    """The pairs of both directions."""
    return Pairs(
        np.concatenate([forth.row, back.column]),
        np.concatenate([forth.column, back.row]),
        np.concatenate([forth.cost, back.cost]),
    )
