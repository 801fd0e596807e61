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
    """The columns' atoms in a tree of eight children a node, their duals, and bounds on the duals per node.

    Node 0 is the root, node h has children 8 h + 1 .. 8 h + 8, and the leaves are the nodes from ``first`` on; leaf l
    holds the places l r .. (l + 1) r - 1 with r = 8 ``octets``. What is kept per node lies as ``at(h - 1, axis, p)``
    tells (the root has nothing), so that the eight children of a node are read at once, as the atoms of an octet are.
    Places left over in a leaf hold a copy of its first atom, column -1, of worth -inf.

    On every node h, v_j <= sum_a (curve_ha y_ja + slope_ha) y_ja + level_h holds for all its atoms y_j.
    """

    points: Floats  # (places p,) see ``at``
    column: Numbers  # (places,) the column of each atom
    worth: Floats  # (places,) its dual; -inf where searches pass it by
    v: Floats  # (M,) duals
    place: Numbers  # (M, K) where a column's atoms stand
    first: int  # number of the first leaf
    octets: int  # per leaf
    begin: Ints  # (nodes,) first place below a node
    end: Ints  # (nodes,) one past its last
    atoms: Numbers  # (nodes,) atoms among them
    low: Floats  # (nodes p,) its box
    high: Floats  # (nodes p,)
    curve: Floats  # (nodes p,) below 1
    slope: Floats  # (nodes p,)
    stretch: Floats  # (nodes p,) 1 / (1 - curve)
    level: Floats  # (nodes,)
    offer: Floats  # (nodes,) the level while any of its atoms is open, otherwise -inf
    opened: Numbers  # (nodes,) children that are open, of a leaf atoms


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
    lane: Floats  # (16,) values and costs of an octet


class Problem(NamedTuple):
    """All of it."""

    x: Floats  # (N, p) rows
    u: Floats  # (N,) their duals, at most min_j c_ij - v_j
    columns: Columns
    lists: Lists
    market: Market
    found: Found
