"""The nouns of an exact transport problem with integer masses, as packs of arrays that compiled code can take.

Rows i = 0..N-1 ship to columns j = 0..M-1 at cost c_ij = |x_i - y_j|^2, or the smallest over the several atoms of a
column. A row's dual is u_i = min_j c_ij - v_j; **the duals v only decrease** while a problem is solved, and everything
here rests on that: what was a lower bound on c_ij - v_j stays one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = NDArray[np.int32]
Flags = NDArray[np.uint8]


class Columns(NamedTuple):
    """The columns' atoms as a kd-tree with eight atoms a leaf, their duals, and bounds on the duals per node.

    On every node h, v_j <= sum_a (curve_ha y_ja + slope_ha) y_ja + level_h holds for all its atoms y_j.
    """

    points: Floats  # (leaves p 8,) leaf by leaf, axis by axis: eight atoms in tree order, padded with inf
    column: Numbers  # (leaves 8,) the column of each atom, padded with 0
    leaf: Numbers  # (leaves,) node of each leaf
    start: Ints  # (H,) first atom of the node
    stop: Ints  # (H,) one past its last
    low: Floats  # (H, p) its box
    high: Floats  # (H, p)
    v: Floats  # (M,) duals
    curve: Floats  # (H, p) below 1
    slope: Floats  # (H, p)
    level: Floats  # (H,)
    stretch: Floats  # (H, p) 1 / (1 - curve)
    place: Numbers  # (M, K) where a column's atoms stand in the tree order
    closed: Flags  # (M,) 1 where searches pass the column by
    opened: Numbers  # (H,) atoms of the node whose columns are not closed


class Lists(NamedTuple):
    """Columns near to each row. Every column outside row i's list has c_ij - v_j >= tau_i.

    Row i's list stands at start_i .. start_i + size_i - 1 of the shared arrays; size_i = 0 where it certifies nothing.
    """

    start: Ints  # (N + 1,) room is start_i+1 - start_i
    size: Numbers  # (N,)
    tau: Floats  # (N,)
    column: Numbers  # shared
    cost: Floats  # shared


class Market(NamedTuple):
    """Who holds what: the partial coupling.

    Column j's holders are a chain of cells; the first cell of column j is cell j, empty where its flow is 0. Always
    sum of flows in column j + free_j = demand_j  and  sum of flows of row i + deficit_i = supply_i.
    """

    demand: Ints  # (M,)
    deficit: Ints  # (N,)
    free: Ints  # (M,)
    row: Numbers  # (cells,)
    flow: Ints  # (cells,)
    cost: Floats  # (cells,)
    chain: Numbers  # (cells,) next cell of the column, or of the spare ones; -1 at the end
    spare: Numbers  # (1,) first spare cell, -1 where none is left
    waiting: Numbers  # (N,) stack of the rows with a deficit
    top: Ints  # (1,) height of the stack


class Found(NamedTuple):
    """What one search finds, in increasing order of value, and the room it works in."""

    value: Floats  # (k_max,) c_ij - v_j
    cost: Floats  # (k_max,) c_ij
    column: Numbers  # (k_max,)
    node: Ints  # stack of nodes
    bound: Floats  # their bounds
    lane: Floats  # (8,) costs of a leaf


class Problem(NamedTuple):
    """All of it."""

    x: Floats  # (N, p) rows
    columns: Columns
    lists: Lists
    market: Market
    found: Found
