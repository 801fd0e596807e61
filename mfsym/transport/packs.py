"""Construction of the compiled solver's data (``kernels.packs``) from atoms and masses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfsym.transport.kernels.augmenting_paths import SINKS, ShortestPaths
from mfsym.transport.kernels.binary_heap import Heap
from mfsym.transport.kernels.blocking_flows import DepthFirstSearch
from mfsym.transport.kernels.kd_tree import NodeRanges, bound_leaves, bound_parents, fill_leaves, tree_order
from mfsym.transport.kernels.packs import CandidateLists, ColumnTree, PartialCoupling, SearchBuffers, SolverState
from mfsym.transport.kernels.sinkhorn import NearPairs
from mfsym.transport.results import FloatArray, IntArray

NumberArray = NDArray[np.int32]

LEAF_SIZE = 16
"""Largest number of atoms in a leaf."""

SPARE_CELLS = 4
"""Spare cells per row and column if masses may split."""

LONGEST_SEARCH = 256
"""Largest number of columns that one search of a Dijkstra phase finds."""


def leaf_counts(count: int) -> tuple[int, int]:
    """Number of leaves of a tree over ``count`` atoms, and of those below a child of the root: a power of eight."""
    least, queued = -(-count // LEAF_SIZE), 1
    while 8 * queued < least:
        queued *= 8
    return -(-least // queued) * queued, queued


def kd_order(atoms: FloatArray) -> IntArray:
    """Permutation of atoms (N, p) along a kd-tree: atoms near in space are near in the order."""
    order: IntArray = tree_order(atoms, *leaf_counts(atoms.shape[0]))
    return order


def column_tree(atoms: FloatArray, matrices: FloatArray | None, ordered: bool = False) -> tuple[ColumnTree, IntArray]:
    """The columns in kd-tree order with zero duals, and the permutation to that order.

    matrices : (K, p, p) group whose images M_g y_j all belong to column j, or None.
    ordered : keep the given order.
    """
    order = np.arange(atoms.shape[0]) if ordered else kd_order(atoms)
    points, column, images = atoms[order], np.arange(atoms.shape[0]), 1
    if matrices is not None:
        images = matrices.shape[0]
        points = np.ascontiguousarray(np.einsum("kab,jb->jka", matrices, points).reshape(-1, atoms.shape[1]))
        column = np.repeat(column, images)
    count, p = points.shape
    leaves, queued = leaf_counts(count)
    octets = (count + 8 * leaves - 1) // (8 * leaves)
    flat, owner = np.zeros(leaves * 8 * octets * p), np.zeros(leaves * 8 * octets, dtype=np.int32)
    fill_leaves(points, tree_order(points, leaves, queued), leaves, 8 * octets, flat, owner)
    first = (8 * queued - 1) // 7
    nodes = -(-(first - 1 + leaves) // 8) * 8
    span = NodeRanges(np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int32))
    low, high = np.zeros(nodes * p), np.zeros(nodes * p)
    bound_leaves(flat, owner, first, 8 * octets, span, low, high)
    bound_parents(first, span, low, high)
    occupied, constant = np.flatnonzero(owner >= 0), np.where(span.atoms > 0, 0.0, -np.inf)
    owner[occupied] = column[owner[occupied]]
    place = occupied[np.argsort(owner[occupied], kind="stable")].reshape(-1, images).astype(np.int32)
    columns = ColumnTree(
        points=flat,
        column=owner,
        dual=np.where(owner >= 0, 0.0, -np.inf),
        v=np.zeros(atoms.shape[0]),
        place=place,
        first=first,
        octets=octets,
        begin=span.begin,
        end=span.end,
        atoms=span.atoms,
        low=low,
        high=high,
        quadratic=np.zeros(nodes * p),
        linear=np.zeros(nodes * p),
        inverse=np.ones(nodes * p),
        constant=constant,
        upper=constant.copy(),
        visible=_children(span.atoms, first),
    )
    return columns, order


def _children(atoms: NumberArray, first: int) -> NumberArray:
    """Number of children with atoms of every node; of a leaf, number of atoms."""
    children = atoms.copy()
    for h in range(1, first):
        children[h - 1] = np.count_nonzero(atoms[8 * h : 8 * h + 8])
    return children


def initial_state(x: FloatArray, columns: ColumnTree, supply: IntArray, demand: IntArray, listed: int) -> SolverState:
    """State before the solve: empty lists with room for at least ``listed`` columns, all rows unassigned."""
    n, m = supply.size, demand.size
    lists = empty_lists(supply, demand, listed)
    extra = SPARE_CELLS * (n + m) + 64 if _splits(supply, demand) else 0
    chain = np.full(m + extra, -1, dtype=np.int32)
    chain[m:-1] = np.arange(m + 1, m + extra) if extra else ()
    coupling = PartialCoupling(
        demand=demand,
        excess=supply.copy(),
        residual=demand.copy(),
        row=np.zeros(m + extra, dtype=np.int32),
        flow=np.zeros(m + extra, dtype=np.int64),
        cost=np.zeros(m + extra),
        chain=chain,
        spare=np.array([m if extra else -1], dtype=np.int32),
        queue=np.arange(n - 1, -1, -1, dtype=np.int32),
        queued=np.array([n]),
    )
    return SolverState(x, np.zeros(n), columns, lists, coupling, _buffers_for(lists, m))


def with_list_length(state: SolverState, listed: int) -> SolverState:
    """State before the solve with empty lists of another length."""
    lists = empty_lists(state.coupling.excess, state.coupling.demand, listed)
    return state._replace(lists=lists, found=_buffers_for(lists, state.columns.v.size))


def _splits(supply: IntArray, demand: IntArray) -> bool:
    """Whether masses may split: not if all are one unit."""
    return bool((supply > 1).any() or (demand > 1).any())


def empty_lists(supply: IntArray, demand: IntArray, listed: int) -> CandidateLists:
    """Empty lists with room for ``listed`` columns, and for all columns that may be wholly assigned to one row."""
    n, m = supply.size, demand.size
    wholly = np.zeros(n, dtype=np.int64)
    if _splits(supply, demand):
        wholly = np.searchsorted(np.cumsum(np.sort(demand)), supply, side="right")
    start = np.concatenate([[0], np.cumsum(np.minimum(listed + wholly + 1, m))])
    return CandidateLists(
        start,
        np.zeros(n, dtype=np.int32),
        np.full(n, -np.inf),
        np.zeros(start[-1], dtype=np.int32),
        np.zeros(start[-1]),
    )


def _buffers_for(lists: CandidateLists, m: int) -> SearchBuffers:
    return search_buffers(max(int(np.diff(lists.start).max()), min(m, LONGEST_SEARCH)))


def search_buffers(room: int) -> SearchBuffers:
    """Buffers for searches of at most ``room`` columns."""
    return SearchBuffers(
        value=np.zeros(room),
        cost=np.zeros(room),
        column=np.zeros(room, dtype=np.int32),
        node=np.zeros(128, dtype=np.int64),
        bound=np.zeros(128),
        lane=np.zeros(16),
    )


def empty_paths(n: int, m: int) -> ShortestPaths:
    """Labels of Dijkstra phases over n rows and m columns, all unset."""
    rows, columns = np.zeros((2, n), dtype=np.int32), np.zeros((4, m), dtype=np.int32)
    heap = Heap(
        np.zeros(n + m, dtype=np.int32),
        np.zeros(n + m),
        np.full(n + m, -1, dtype=np.int32),
        np.zeros(1, dtype=np.int64),
    )
    return ShortestPaths(
        heap=heap,
        distance=np.full(m, np.inf),
        predecessor=columns[0],
        edge_cost=np.zeros(m),
        parent=np.full(n, -2, dtype=np.int32),
        root=rows[0],
        offset=np.zeros(n),
        unmet=np.zeros(n, dtype=np.int64),
        targets=columns[1],
        reached=columns[2],
        settled=columns[3],
        rows=rows[1],
        next_size=np.zeros(n, dtype=np.int32),
        counts=np.zeros(4, dtype=np.int64),
        sinks=np.zeros(SINKS),
        search=DepthFirstSearch(
            complete=np.zeros(n, dtype=np.uint8),
            visited_row=np.zeros(n, dtype=np.uint8),
            visited_column=np.zeros(m, dtype=np.uint8),
            row=np.zeros(n, dtype=np.int32),
            entry=np.zeros(n, dtype=np.int32),
            column=np.zeros(n, dtype=np.int32),
            cell=np.zeros(n, dtype=np.int32),
            edge_cost=np.zeros(n),
        ),
    )


def listed_pairs(state: SolverState) -> NearPairs:
    """All pairs of a row and a column on its candidate list."""
    lists = state.lists
    size = lists.size.astype(np.int64)
    row = np.repeat(np.arange(size.size, dtype=np.int32), size)
    entry = np.arange(row.size) + np.repeat(lists.start[:-1] - np.cumsum(size) + size, size)
    return NearPairs(row, lists.column[entry], lists.cost[entry])


def concatenated(forth: NearPairs, back: NearPairs) -> NearPairs:
    """The pairs listed for rows, and those listed for columns with their ends exchanged."""
    return NearPairs(
        np.concatenate([forth.row, back.column]),
        np.concatenate([forth.column, back.row]),
        np.concatenate([forth.cost, back.cost]),
    )
