"""Warm starts, distances along a run, the choice of a method, memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.streams import normals, stream_key
from mfsym.transport import memory_estimate, w2, w2_along
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA

KEY = stream_key(19, "teacher")

N = sized(400, 210)


def _clouds(steps: int = 3) -> np.ndarray:
    """Snapshots (T, N, 3) of a cloud that moves little at a time."""
    moves = np.stack([0.1 * normals(KEY, 2 + t, N, 3) for t in range(steps)])
    return normals(KEY, 1, N, 3) + np.cumsum(moves, axis=0)


@pytest.mark.parametrize(("tied", "method"), [(True, "dense"), (False, "auction")])
def test_clouds_of_moderate_size_are_solved_over_the_whole_matrix_only_where_atoms_coincide(tied, method):
    n = sized(900, 610)
    a, b = normals(KEY, 70, n, 2), normals(KEY, 71, n, 2)
    if tied:
        a = np.round(a)
    result = w2(a, b)
    assert result.method == method
    assert result.relative_gap <= ALGEBRA


def test_a_warm_start_changes_the_work_and_not_the_value():
    a, b = normals(KEY, 20, N, 3), normals(KEY, 21, N, 3)
    cold = w2(a, b, method="auction")
    assert cold.potentials is not None
    warm = w2(a, b, method="auction", start=cold.potentials[1])
    wrong = w2(a, b, method="auction", start=normals(KEY, 22, 1, N)[0])
    assert warm.method == cold.method == "auction"
    assert warm.iterations < cold.iterations
    for each in (warm, wrong):
        assert abs(each.w2_squared - cold.w2_squared) <= ALGEBRA * cold.w2_squared


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_warm_starts_fit_clouds_that_are_shifted(shift):
    a, b = normals(KEY, 23, N, 3) + shift, normals(KEY, 24, N, 3)
    cold = w2(a, b, method="auction")
    assert cold.potentials is not None
    assert w2(a, b, method="auction", start=cold.potentials[1]).iterations < cold.iterations


def test_distances_along_a_run_are_those_of_its_clouds():
    clouds, reference = _clouds(), normals(KEY, 30, N, 3)
    for t, result in enumerate(w2_along(clouds)):
        assert abs(result.w2_squared - w2(clouds[t], clouds[t + 1]).w2_squared) <= ALGEBRA
    assert t == 1
    for t, result in enumerate(w2_along(clouds, reference)):
        assert abs(result.w2_squared - w2(clouds[t], reference).w2_squared) <= ALGEBRA
    assert t == 2
    with pytest.raises(MfsymError, match="time, particle, param"):
        list(w2_along(clouds[0]))


@compiled
def test_memory_stays_below_the_estimate():
    n = 20_000
    a, b = normals(KEY, 40, n, 4), normals(KEY, 41, n, 4)
    w2(a[:300], b[:300])
    tracemalloc.start()
    w2(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.3 * memory_estimate(n, n, 4) <= peak <= 1.2 * memory_estimate(n, n, 4)
