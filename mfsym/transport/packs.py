"""Array packs of the compiled solver, made from atoms and masses."""

from __future__ import annotations

import numpy as np

from mfsym.kernels.ot_forest import Forest
from mfsym.kernels.ot_heap import Heap
from mfsym.kernels.ot_problem import Columns, Found, Lists, Market, Problem
from mfsym.kernels.ot_tree import LEAF, tree_order
from mfsym.transport.results import FloatArray, IntArray

SPARE = 4
"""Spare cells per row and column of a problem whose masses may split."""

FURTHEST = 256
"""Columns that one search of a shortest-path round finds at most."""


def depth_of(count: int) -> int:
    """Levels below the root of a tree over so many atoms."""
    return max(0, int(np.ceil(np.log2(max(1, -(-count // LEAF))))))


def order_of(atoms: FloatArray) -> IntArray:
    """Atoms (N, p) in the order of a kd-tree: neighbours in space stand near each other."""
    order: IntArray = tree_order(atoms, depth_of(atoms.shape[0]))[0]
    return order


def columns_of(atoms: FloatArray, matrices: FloatArray | None, ordered: bool = False) -> tuple[Columns, IntArray]:
    """The columns' pack, numbered along a kd-tree, and the order in which they are numbered.

    matrices : (K, p, p) group whose images M_g y_j all belong to column j, or None.
    ordered : whether the atoms stand in a good order already, to be kept.
    """
    order = np.arange(atoms.shape[0]) if ordered else order_of(atoms)
    points, column = atoms[order], np.arange(atoms.shape[0])
    images = 1
    if matrices is not None:
        images = matrices.shape[0]
        points = np.ascontiguousarray(np.einsum("kab,jb->jka", matrices, points).reshape(-1, atoms.shape[1]))
        column = np.repeat(column, images)
    count, p = points.shape
    inner, start, stop, low, high = tree_order(points, depth_of(count))
    leaves = -(-count // LEAF)
    padded = np.full((leaves * LEAF, p), np.inf)
    padded[:count] = points[inner]
    owner = np.zeros(leaves * LEAF, dtype=np.int32)
    owner[:count] = column[inner]
    last = np.arange(start.size // 2, start.size)
    last = last[stop[last] > start[last]]
    place = np.argsort(owner[:count], kind="stable").reshape(-1, images).astype(np.int32)
    columns = Columns(
        points=padded.reshape(leaves, LEAF, p).transpose(0, 2, 1).reshape(-1),
        column=owner,
        leaf=last[np.argsort(start[last])].astype(np.int32),
        start=start,
        stop=stop,
        low=low,
        high=high,
        v=np.zeros(atoms.shape[0]),
        curve=np.zeros((start.size, p)),
        slope=np.zeros((start.size, p)),
        level=np.zeros(start.size),
        stretch=np.ones((start.size, p)),
        place=place,
        closed=np.zeros(atoms.shape[0], dtype=np.uint8),
        opened=(stop - start).astype(np.int32),
    )
    return columns, order


def problem_of(x: FloatArray, columns: Columns, supply: IntArray, demand: IntArray, listed: int) -> Problem:
    """A problem at its start: empty lists with room for ``listed`` columns and more, every row waiting."""
    n, m = supply.size, demand.size
    splits = bool((supply > 1).any() or (demand > 1).any())
    wholly = (
        np.searchsorted(np.cumsum(np.sort(demand)), supply, side="right") if splits else np.zeros(n, dtype=np.int64)
    )
    room = np.minimum(listed + wholly + 1, m)
    start = np.concatenate([[0], np.cumsum(room)])
    extra = SPARE * (n + m) + 64 if splits else 0
    chain = np.full(m + extra, -1, dtype=np.int32)
    chain[m:-1] = np.arange(m + 1, m + extra) if extra else ()
    lists = Lists(
        start,
        np.zeros(n, dtype=np.int32),
        np.full(n, -np.inf),
        np.zeros(start[-1], dtype=np.int32),
        np.zeros(start[-1]),
    )
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
    return Problem(x, columns, lists, market, found_of(max(int(room.max()), min(m, FURTHEST))))


def found_of(room: int) -> Found:
    """Room for searches of at most ``room`` columns."""
    return Found(
        value=np.zeros(room),
        cost=np.zeros(room),
        column=np.zeros(room, dtype=np.int32),
        node=np.zeros(128, dtype=np.int64),
        bound=np.zeros(128),
        lane=np.zeros(8),
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
    )
