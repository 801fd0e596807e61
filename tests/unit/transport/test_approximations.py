"""Sinkhorn divergence and sliced W2 say what they are."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals, stream_key
from mfsym.transport import sinkhorn, sliced, w2
from tests.tolerances import STAT

KEY = stream_key(19, "teacher")


def test_approximations_say_what_they_are():
    a, b = normals(KEY, 50, 60, 2), normals(KEY, 51, 60, 2) + 1.0
    exact = w2(a, b).w2_squared
    smooth = sinkhorn(a, b, regularisation=0.2)
    assert np.isnan(smooth.relative_gap)
    assert smooth.lower_bound <= exact
    assert abs(smooth.w2_squared - exact) <= 0.1 * exact
    lines = sliced(a, b, projections=300)
    assert lines.method == "sliced"
    assert lines.standard_error > 0.0
    assert lines.lower_bound <= exact
    again = sliced(a, b, projections=300, seed=1)
    assert abs(lines.w2_squared - again.w2_squared) <= STAT * np.hypot(lines.standard_error, again.standard_error)
