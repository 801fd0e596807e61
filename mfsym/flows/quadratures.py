"""Expectations over the data without sampling: a sequence of rules, each finer than the one before.

Gauss-Hermite tensor rules for Gaussian inputs in few dimensions, quasi-Monte Carlo in many, the whole sample for a
finite data set (then the sequence has one member).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.teachers import Data, Teacher

Floats = NDArray[np.float64]

ORDERS = (20, 30, 44, 64, 92, 132, 188, 268, 382, 544)
"""Nodes per dimension of the successive tensor rules; even, so that no node lies on the kink of relu."""

SAMPLE_LOGARITHMS = tuple(range(10, 18))
"""Quasi-Monte-Carlo rules have 2^m nodes for these m."""

TENSOR_LIMIT = 2_000_000
"""Largest tensor rule that is formed, before nodes of negligible weight are dropped."""

NEGLIGIBLE = 1e-19
"""Nodes of smaller weight are dropped: all of them together weigh less than rounding."""


@dataclass(frozen=True)
class Rule:
    """Nodes x (Q, d), targets y (Q, c) and weights (Q,) summing to 1.

    order : nodes per dimension of a tensor rule, number of nodes otherwise.
    """

    x: Floats
    y: Floats
    weights: Floats
    order: int

    def __len__(self) -> int:
        return len(self.weights)


def rules(data: Data, order: int | None = None) -> Iterator[Rule]:
    """Successively finer rules for a data law; only the rule of this order if one is given.

    A finite data set has one rule, its training samples; otherwise the last rule is the finest that is affordable.
    """
    if not getattr(data, "has_target", True):
        x, y = data.x, data.y  # type: ignore[attr-defined]
        yield Rule(x, y, np.full(len(x), 1.0 / len(x)), len(x))
    elif order is not None:
        order = as_whole(order, "order", 1)
        x, weights = data.quadrature(order)
        yield _rule(data, x, weights, order)
    elif isinstance(data, Teacher) and ORDERS[1] ** data.d > TENSOR_LIMIT:
        yield from _sampled_rules(data)
    else:
        yield from _tensor_rules(data)


def _tensor_rules(data: Data) -> Iterator[Rule]:
    before: Floats | None = None
    for order in ORDERS:
        if isinstance(data, Teacher) and order**data.d > TENSOR_LIMIT:
            return
        x, weights = data.quadrature(order)
        if before is not None and np.array_equal(x, before):
            return
        before = x
        yield _rule(data, x, weights, order)


def _rule(data: Data, x: Floats, weights: Floats, order: int) -> Rule:
    kept = weights > NEGLIGIBLE
    x, weights = np.ascontiguousarray(x[kept]), np.ascontiguousarray(weights[kept])
    return Rule(x, data.target(x), weights, order)


def _sampled_rules(data: Teacher) -> Iterator[Rule]:
    for logarithm in SAMPLE_LOGARITHMS:
        count = 2**logarithm
        x = data.scale * sobol_normals(count, data.d)
        yield Rule(x, data.target(x), np.full(count, 1.0 / count), count)


def sobol_normals(count: int, d: int) -> Floats:
    """The first ``count`` points of the Sobol sequence in d dimensions, as standard normals (count, d).

    Every coordinate of the 2^m points that hold them is moved to the middle of its interval of length 2^-m, so the
    points are deterministic, none lies at 0, and each coordinate alone is balanced.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    if d == 0:
        return np.zeros((count, 0))
    logarithm = max(0, (count - 1).bit_length())
    points = qmc.Sobol(d, scramble=False).random_base2(logarithm)[:count]
    return np.asarray(ndtri(points + 0.5 ** (logarithm + 1)))
