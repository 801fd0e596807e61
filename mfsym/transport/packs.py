"""Array packs of the compiled solver, made from atoms and masses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfsym.transport.kernels.augmenting_paths import GOALS, Forest
from mfsym.transport.kernels.blocking_flows import Search
from mfsym.transport.kernels.heap import Heap
from mfsym.transport.kernels.packs import Columns, Found, Lists, Market, Problem
from mfsym.transport.kernels.tree import Span, bound_leaves, bound_parents, fill_leaves, tree_order
from mfsym.transport.results import FloatArray, IntArray

NumberArray = NDArray[np.int32]

LEAF = 16
"""Atoms in a leaf, at most."""

SPARE = 4
"""Spare cells per row and column of a problem whose masses may split."""

FURTHEST = 256
"""Columns that one search of a shortest-path round finds at most."""


def leaves_of(count: int) -> tuple[int, int]:
    """Number of leaves of a tree over so many atoms, and of those below a child of its root: a power of eight."""
    least, top = -(-count // LEAF), 1
    while 8 * top < least:
        top *= 8
    return -(-least // top) * top, top


def order_of(atoms: FloatArray) -> IntArray:
    """Atoms (N, p) in the order of a kd-tree: neighbours in space stand near each other."""
    order: IntArray = tree_order(atoms, *leaves_of(atoms.shape[0]))
    return order


def columns_of(atoms: FloatArray, matrices: FloatArray | None, ordered: bool = False) -> tuple[Columns, IntArray]:
    """The columns' pack with duals of zero, numbered along a kd-tree, and the order in which they are numbered.

    matrices : (K, p, p) group whose images M_g y_j all belong to column j, or None.
    ordered : whether the atoms stand in a good order already, to be kept.
    """
    order = np.arange(atoms.shape[0]) if ordered else order_of(atoms)
    points, column, images = atoms[order], np.arange(atoms.shape[0]), 1
    if matrices is not None:
        images = matrices.shape[0]
        points = np.ascontiguousarray(np.einsum("kab,jb->jka", matrices, points).reshape(-1, atoms.shape[1]))
        column = np.repeat(column, images)
    count, p = points.shape
    leaves, top = leaves_of(count)
    octets = (count + 8 * leaves - 1) // (8 * leaves)
    flat, owner = np.zeros(leaves * 8 * octets * p), np.zeros(leaves * 8 * octets, dtype=np.int32)
    fill_leaves(points, tree_order(points, leaves, top), leaves, 8 * octets, flat, owner)
    first = (8 * top - 1) // 7
    nodes = -(-(first - 1 + leaves) // 8) * 8
    span = Span(np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int32))
    low, high = np.zeros(nodes * p), np.zeros(nodes * p)
    bound_leaves(flat, owner, first, 8 * octets, span, low, high)
    bound_parents(first, span, low, high)
    held, level = np.flatnonzero(owner >= 0), np.where(span.atoms > 0, 0.0, -np.inf)
    owner[held] = column[owner[held]]
    place = held[np.argsort(owner[held], kind="stable")].reshape(-1, images).astype(np.int32)
    columns = Columns(
        points=flat,
        column=owner,
        worth=np.where(owner >= 0, 0.0, -np.inf),
        v=np.zeros(atoms.shape[0]),
        place=place,
        first=first,
        octets=octets,
        begin=span.begin,
        end=span.end,
        atoms=span.atoms,
        low=low,
        high=high,
        curve=np.zeros(nodes * p),
        slope=np.zeros(nodes * p),
        stretch=np.ones(nodes * p),
        level=level,
        offer=level.copy(),
        opened=_children(span.atoms, first),
    )
    return columns, order


def _children(atoms: NumberArray, first: int) -> NumberArray:
    """Children with atoms of every node, of a leaf its atoms."""
    children = atoms.copy()
    for h in range(1, first):
        children[h - 1] = np.count_nonzero(atoms[8 * h : 8 * h + 8])
    return children


def problem_of(x: FloatArray, columns: Columns, supply: IntArray, demand: IntArray, listed: int) -> Problem:
    """A problem at its start: empty lists with room for ``listed`` columns and more, every row waiting."""
    n, m = supply.size, demand.size
    lists = lists_of(supply, demand, listed)
    extra = SPARE * (n + m) + 64 if _splits(supply, demand) else 0
    chain = np.full(m + extra, -1, dtype=np.int32)
    chain[m:-1] = np.arange(m + 1, m + extra) if extra else ()
    market = Market(
        demand=demand,
        deficit=supply.copy(),
        free=demand.copy(),
        row=np.zeros(m + extra, dtype=np.int32),
        flow=np.zeros(m + extra, dtype=np.int64),
        cost=np.zeros(m + extra),
        chain=chain,
        spare=np.array([m if extra else -1], dtype=np.int32),
        waiting=np.arange(n - 1, -1, -1, dtype=np.int32),
        top=np.array([n]),
    )
    return Problem(x, np.zeros(n), columns, lists, market, _found_for(lists, m))


def with_room(problem: Problem, listed: int) -> Problem:
    """A problem at its start with empty lists of another length."""
    lists = lists_of(problem.market.deficit, problem.market.demand, listed)
    return problem._replace(lists=lists, found=_found_for(lists, problem.columns.v.size))


def _splits(supply: IntArray, demand: IntArray) -> bool:
    """Whether masses may split: not where all are one unit."""
    return bool((supply > 1).any() or (demand > 1).any())


def lists_of(supply: IntArray, demand: IntArray, listed: int) -> Lists:
    """Empty lists with room for ``listed`` columns and all that a row may hold wholly."""
    n, m = supply.size, demand.size
    wholly = np.zeros(n, dtype=np.int64)
    if _splits(supply, demand):
        wholly = np.searchsorted(np.cumsum(np.sort(demand)), supply, side="right")
    start = np.concatenate([[0], np.cumsum(np.minimum(listed + wholly + 1, m))])
    return Lists(
        start,
        np.zeros(n, dtype=np.int32),
        np.full(n, -np.inf),
        np.zeros(start[-1], dtype=np.int32),
        np.zeros(start[-1]),
    )


def _found_for(lists: Lists, m: int) -> Found:
    return found_of(max(int(np.diff(lists.start).max()), min(m, FURTHEST)))


def found_of(room: int) -> Found:
    """Room for searches of at most ``room`` columns."""
    return Found(
        value=np.zeros(room),
        cost=np.zeros(room),
        column=np.zeros(room, dtype=np.int32),
        node=np.zeros(128, dtype=np.int64),
        bound=np.zeros(128),
        lane=np.zeros(16),
    )


def forest_of(n: int, m: int) -> Forest:
    """The state of shortest-path rounds over n rows and m columns."""
    rows, columns = np.zeros((2, n), dtype=np.int32), np.zeros((4, m), dtype=np.int32)
    heap = Heap(
        np.zeros(n + m, dtype=np.int32),
        np.zeros(n + m),
        np.full(n + m, -1, dtype=np.int32),
        np.zeros(1, dtype=np.int64),
    )
    return Forest(
        heap=heap,
        distance=np.full(m, np.inf),
        via=columns[0],
        edge=np.zeros(m),
        entry=np.full(n, -2, dtype=np.int32),
        root=rows[0],
        height=np.zeros(n),
        need=np.zeros(n, dtype=np.int64),
        target=columns[1],
        reached=columns[2],
        passed=columns[3],
        rows=rows[1],
        asked=np.zeros(n, dtype=np.int32),
        length=np.zeros(4, dtype=np.int64),
        goals=np.zeros(GOALS),
        search=Search(
            fresh=np.zeros(n, dtype=np.uint8),
            seen_row=np.zeros(n, dtype=np.uint8),
            seen_column=np.zeros(m, dtype=np.uint8),
            row=np.zeros(n, dtype=np.int32),
            entry=np.zeros(n, dtype=np.int32),
            column=np.zeros(n, dtype=np.int32),
            cell=np.zeros(n, dtype=np.int32),
            edge=np.zeros(n),
        ),
    )
