"""SIMD lanes against arrays of eight."""

from __future__ import annotations

import numpy as np
import pytest

from mfsym.accelerate import JIT_DISABLED, exact
from mfsym.streams import normals, stream_key
from mfsym.transport.kernels.lanes import at_most, broadcast, load, lowest_bit, maximum, minimum, store
from tests.tolerances import ROUNDOFF

KEY = stream_key(19, "teacher")


@exact
def _formula(a: np.ndarray, x: float, out: np.ndarray) -> int:
    total = broadcast(x) - load(a, 0)
    total += 2.0 * load(a, 8) * load(a, 16) - x
    total = minimum(maximum(total, -1.0), load(a, 16) + 1.0)
    store(out, 8, total)
    return at_most(total, load(a, 0))


def test_lanes_are_arrays_of_eight():
    a, out = normals(KEY, 1, 24, 1)[:, 0].copy(), np.zeros(16)
    marks = _formula(a, 0.3, out)
    expected = np.minimum(np.maximum(0.3 - a[:8] + (2.0 * a[8:16] * a[16:] - 0.3), -1.0), a[16:] + 1.0)
    assert np.abs(out[8:] - expected).max() <= ROUNDOFF
    assert (out[:8] == 0.0).all()
    assert marks == sum(1 << t for t in range(8) if expected[t] <= a[t])


@pytest.mark.skipif(JIT_DISABLED, reason="arrays of any layout do without compiled code")
def test_lanes_of_other_than_contiguous_arrays_are_refused():
    with pytest.raises(TypeError, match="contiguous"):
        _formula(np.zeros(48)[::2], 0.3, np.zeros(16))


@exact
def _marks(a: np.ndarray, bound: float) -> int:
    return at_most(load(a, 0), bound)


@exact
def _lowest(mask: int) -> int:
    return lowest_bit(mask)


def test_nan_is_below_nothing_and_infinity_below_itself():
    a = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0, -1.0, 0.0, 2.0])
    assert _marks(a, 0.0) == 0b01101100
    assert _marks(a, np.inf) == 0b11111110
    assert _marks(a, np.nan) == 0


@pytest.mark.parametrize("mask", [1, 2, 12, 128, 255])
def test_the_lowest_bit(mask):
    assert 2 ** _lowest(mask) == mask & -mask
