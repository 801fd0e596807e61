"""A binary heap of numbered items with keys that may decrease."""

from __future__ import annotations

from typing import NamedTuple

from mfsym.accelerate import exact
from mfsym.transport.kernels.packs import Floats, Ints, Numbers


class Heap(NamedTuple):
    """Items in heap order, their keys, each item's position (-1 where absent), and the heap's size."""

    item: Numbers  # (items,)
    key: Floats  # (items,) by item
    place: Numbers  # (items,) by item
    size: Ints  # (1,)


@exact
def precedes(a: int, b: int, key: Floats) -> bool:
    """Whether item a is popped before item b: by key, then by number (columns before virtual items)."""
    return key[a] < key[b] or (key[a] == key[b] and a < b)


@exact
def push(item: int, key: float, heap: Heap) -> None:
    """Insert an item, or decrease its key."""
    heap.key[item] = key
    place = heap.place[item]
    if place < 0:
        place = heap.size[0]
        heap.size[0] += 1
    while place > 0:
        above = (place - 1) >> 1
        other = heap.item[above]
        if not precedes(item, other, heap.key):
            break
        heap.item[place] = other
        heap.place[other] = place
        place = above
    heap.item[place] = item
    heap.place[item] = place


@exact
def pop(heap: Heap) -> int:
    """Remove and return an item with the smallest key."""
    answer = heap.item[0]
    heap.place[answer] = -1
    heap.size[0] -= 1
    size = heap.size[0]
    if size > 0:
        item = heap.item[size]
        place = 0
        while True:
            below = 2 * place + 1
            if below >= size:
                break
            if below + 1 < size and precedes(heap.item[below + 1], heap.item[below], heap.key):
                below += 1
            other = heap.item[below]
            if not precedes(other, item, heap.key):
                break
            heap.item[place] = other
            heap.place[other] = place
            place = below
        heap.item[place] = item
        heap.place[item] = place
    return answer


@exact
def clear(heap: Heap) -> None:
    """Remove every item."""
    for t in range(heap.size[0]):
        heap.place[heap.item[t]] = -1
    heap.size[0] = 0
