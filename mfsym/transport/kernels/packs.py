"""The data of a transport problem with integer masses, as named tuples of arrays that compiled code can take.

Rows i = 0..N-1 are sources, columns j = 0..M-1 are sinks, at cost c_ij = |x_i - y_j|^2, or the smallest over the images
of a column under a group. A row's dual is u_i = min_j c_ij - v_j. **The duals v only decrease** during a solve, and the
algorithm depends on it: a lower bound on c_ij - v_j stays valid.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = NDArray[np.int32]
Flags = NDArray[np.uint8]


class ColumnTree(NamedTuple):
    """The columns' atoms in a tree with eight children a node, their duals, and bounds on the duals per node.

    Node 0 is the root, node h has children 8 h + 1 .. 8 h + 8, and the leaves are the nodes from ``first`` on; leaf l
    holds the places l r .. (l + 1) r - 1 with r = 8 ``octets``. Node data stand at ``index_of(h - 1, axis, p)`` (none
    for the root), so that one load reads the eight children of a node, or the eight atoms of an octet. Unused places
    of a leaf hold a copy of its first atom, with column -1 and dual -inf.

    On every node h, v_j <= sum_a (quadratic_ha y_ja + linear_ha) y_ja + constant_h holds for all its atoms y_j.
    Searches do not find hidden columns; a node is hidden if all its atoms are.
    """

    points: Floats  # (places p,) see ``index_of``
    column: Numbers  # (places,) the column of each atom
    dual: Floats  # (places,) its dual; -inf where hidden
    v: Floats  # (M,) duals
    place: Numbers  # (M, K) places of a column's atoms
    first: int  # number of the first leaf
    octets: int  # octets of atoms per leaf
    begin: Ints  # (nodes,) first place below a node
    end: Ints  # (nodes,) one past its last
    atoms: Numbers  # (nodes,) number of atoms among them
    low: Floats  # (nodes p,) lower corner of its bounding box
    high: Floats  # (nodes p,) upper corner
    quadratic: Floats  # (nodes p,) below 1
    linear: Floats  # (nodes p,)
    inverse: Floats  # (nodes p,) 1 / (1 - quadratic)
    constant: Floats  # (nodes,)
    upper: Floats  # (nodes,) the constant, or -inf where hidden
    visible: Numbers  # (nodes,) children that are not hidden, of a leaf atoms


class CandidateLists(NamedTuple):
    """The best columns of each row. Every column outside row i's list has c_ij - v_j >= tau_i.

    Row i's list stands at start_i .. start_i + size_i - 1 of the shared arrays; size_i = 0 if it has not been searched.
    """

    start: Ints  # (N + 1,) room is start_i+1 - start_i
    size: Numbers  # (N,)
    tau: Floats  # (N,)
    column: Numbers  # shared
    cost: Floats  # shared


class PartialCoupling(NamedTuple):
    """The flow assigned so far. Always

        sum_i flow_ij + residual_j = demand_j   and   sum_j flow_ij + excess_i = supply_i.

    Flows are stored in cells. The cells of column j form a linked list whose first cell is cell j, empty if its flow
    is 0.
    """

    demand: Ints  # (M,)
    excess: Ints  # (N,) supply not assigned yet
    residual: Ints  # (M,) demand not met yet; a column is saturated where it is 0
    row: Numbers  # (cells,) row of the flow
    flow: Ints  # (cells,)
    cost: Floats  # (cells,) c_ij
    chain: Numbers  # (cells,) next cell of the column, or next spare cell; -1 at the end
    spare: Numbers  # (1,) first spare cell, -1 where none is left
    queue: Numbers  # (N,) unassigned rows, those with excess: last in, first out
    queued: Ints  # (1,) length of the queue


class SearchBuffers(NamedTuple):
    """Results of one search, in increasing order of value, and its work space."""

    value: Floats  # (k_max,) c_ij - v_j
    cost: Floats  # (k_max,) c_ij
    column: Numbers  # (k_max,)
    node: Ints  # stack of nodes
    bound: Floats  # lower bounds of these nodes
    lane: Floats  # (16,) values and costs of an octet


class SolverState(NamedTuple):
    """State of the solver: rows, duals, columns, candidate lists, flows, and buffers of searches."""

    x: Floats  # (N, p) rows
    u: Floats  # (N,) duals of the rows, at most min_j c_ij - v_j
    columns: ColumnTree
    lists: CandidateLists
    coupling: PartialCoupling
    found: SearchBuffers
