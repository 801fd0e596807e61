"""The heap against a sorted list."""

from __future__ import annotations

import heapq

import numpy as np

from mfsym.streams import uniforms
from mfsym.transport.kernels.binary_heap import Heap, clear, pop, push
from tests.unit.transport.states import KEY


def test_the_heap_gives_items_in_the_order_of_a_sorted_list():
    keys = np.round(uniforms(KEY, 20, 60, 1)[:, 0], 1)
    heap = Heap(np.zeros(60, np.int32), np.zeros(60), np.full(60, -1, np.int32), np.zeros(1, np.int64))
    for item, key in enumerate(keys):
        push(item, key + 1.0, heap)
    for item in range(0, 60, 2):
        push(item, keys[item], heap)
    slow = [(keys[item] + (item % 2), item) for item in range(60)]
    heapq.heapify(slow)
    for _ in range(40):
        assert pop(heap) == heapq.heappop(slow)[1]
    clear(heap)
    assert heap.size[0] == 0
    assert (heap.place == -1).all()
