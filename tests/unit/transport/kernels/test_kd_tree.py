"""The tree of columns against slow twins: leaves, places, bounding boxes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mfsym.streams import normals, stream_key
from mfsym.transport.kernels.kd_tree import NodeRanges, bound_leaves, bound_parents, fill_leaves, index_of, tree_order
from mfsym.transport.packs import LEAF_SIZE, column_tree, leaf_counts
from tests.sizes import sized

N = sized(300, 24)

KEY = stream_key(7, "teacher")


@pytest.mark.parametrize("p", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 15, 17, 130, N, 1100])
def test_a_tree_holds_every_atom_once_in_leaves_of_even_size_and_boxes_hold_their_atoms(n, p):
    columns, order = column_tree(normals(KEY, 4, n, p), None)
    assert sorted(order) == list(range(n))
    points = normals(KEY, 4, n, p)[order]
    flat = columns.points.reshape(-1, p, 8).transpose(0, 2, 1).reshape(-1, p)
    assigned = columns.column >= 0
    assert sorted(columns.column[assigned]) == list(range(n))
    assert np.array_equal(flat[assigned], points[columns.column[assigned]])
    assert np.array_equal(columns.column[columns.place[:, 0]], np.arange(n))
    low, high = (box.reshape(-1, p, 8).transpose(0, 2, 1).reshape(-1, p) for box in (columns.low, columns.high))
    leaves = columns.atoms[columns.first - 1 :]
    assert leaves[leaves > 0].max() <= leaves[leaves > 0].min() + 1 <= LEAF_SIZE + 1
    for h in np.flatnonzero(columns.atoms):
        below = slice(columns.begin[h], columns.end[h])
        assert assigned[below].sum() == columns.atoms[h]
        assert (flat[below] >= low[h]).all()
        assert (flat[below] <= high[h]).all()


def test_a_tree_is_cut_as_often_as_it_has_leaves_each_time_at_the_middle_of_its_longest_side():
    """Slow twin: the same cuts by sorting."""
    points = normals(KEY, 5, 200, 3)
    leaves, top = leaf_counts(200)

    def cut(atoms: np.ndarray, first: int, last: int) -> list[set[int]]:
        if last - first == 1:
            return [set(atoms)]
        half = (last - first + top) // top // 2 * top if last - first > top else (last - first) // 2
        count = (first + half) * 200 // leaves - first * 200 // leaves
        axis = np.argmax(np.ptp(points[atoms], axis=0))
        atoms = atoms[np.argsort(points[atoms, axis])]
        return cut(atoms[:count], first, first + half) + cut(atoms[count:], first + half, last)

    order = tree_order(points, leaves, top)
    edges = np.arange(leaves + 1) * 200 // leaves
    assert [set(order[a:b]) for a, b in itertools.pairwise(edges)] == cut(np.arange(200), 0, leaves)


def test_leaves_are_filled_up_with_copies_and_boxes_are_those_of_their_atoms():
    points, room, leaves = normals(KEY, 6, 20, 2), 8, 3
    flat, owner = np.zeros(leaves * room * 2), np.zeros(leaves * room, dtype=np.int32)
    fill_leaves(points, np.arange(20)[::-1].copy(), leaves, room, flat, owner)
    assert list(owner[:8]) == [19, 18, 17, 16, 15, 14, -1, -1]
    places = flat.reshape(-1, 2, 8).transpose(0, 2, 1).reshape(-1, 2)
    assert np.array_equal(places[6:8], points[[19, 19]])
    span = NodeRanges(np.zeros(16, dtype=np.int64), np.zeros(16, dtype=np.int64), np.zeros(16, dtype=np.int32))
    low, high = np.zeros(32), np.zeros(32)
    bound_leaves(flat, owner, 9, room, span, low, high)
    bound_parents(9, span, low, high)
    assert list(span.atoms) == [20, *[0] * 7, 6, 7, 7, *[0] * 5]
    assert (span.begin[0], span.end[0]) == (0, 24)
    for h, inside in ((0, points), (8, points[14:]), (10, points[:7])):
        assert [low[index_of(h, axis, 2)] for axis in range(2)] == list(inside.min(axis=0))
        assert [high[index_of(h, axis, 2)] for axis in range(2)] == list(inside.max(axis=0))


def test_the_children_of_a_node_share_its_atoms():
    columns, _ = column_tree(normals(KEY, 4, 1100, 3), None)
    for h in range(1, columns.first):
        children = slice(8 * h, 8 * h + 8)
        assert columns.atoms[h - 1] == columns.atoms[children].sum()
        assert columns.visible[h - 1] == (columns.atoms[children] > 0).sum()
        if columns.atoms[h - 1] > 0:
            assert columns.end[h - 1] == columns.end[children].max()
