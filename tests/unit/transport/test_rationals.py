"""Transport in integer arithmetic: float64 numbers are dyadic rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mfsym.errors import MfsymError
from mfsym.groups import cyclic
from mfsym.streams import normals, stream_key
from mfsym.transport import w2
from mfsym.transport.atoms import as_cloud
from mfsym.transport.rationals import PAIRS, as_integers, integer_costs, integer_masses, scaled
from tests.rational_transport import exact_costs

KEY = stream_key(41, "teacher")


def test_scaled_integers_are_exact():
    values = np.append(normals(KEY, 15, 20, 1)[:, 0] * 10.0 ** np.arange(-10, 10), [0.0, -0.0, 5e-324, 1e300])
    found = as_integers(values.tolist())
    assert [Fraction(number) * Fraction(2) ** found.exponent for number in found.numbers] == [*map(Fraction, values)]
    x, y = normals(KEY, 16, 3, 2), normals(KEY, 17, 4, 2)
    for matrices in (None, cyclic(3).vector().matrices):
        costs, exponent = integer_costs(x, y, matrices)
        twin = [[float(cost) for cost in line] for line in exact_costs(x, y, matrices)]
        assert [[scaled(cost, 1, exponent) for cost in line] for line in costs] == twin
    supply, demand = integer_masses(as_cloud(x, [0.1, 0.2, 0.3]), as_cloud(y))
    assert sum(supply) == sum(demand)
    assert len(set(demand)) == 1


def test_integer_arithmetic_is_for_small_problems():
    many = np.zeros((PAIRS, 2))
    with pytest.raises(MfsymError, match="at most"):
        w2(many, np.zeros((2, 2)), method="rational")
