"""Deterministic expectations over the data: a sequence of successively finer rules.

In low dimension, product rules followed by scrambled Sobol nets of the data's input law; in high dimension, nets only.
For a finite data set, the whole sample is the only rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mfsym.arguments import as_whole
from mfsym.data.inputs import MAX_NODES
from mfsym.data.nets import net_points
from mfsym.data.teachers import Data
from mfsym.errors import MfsymError
from mfsym.typing import Floats

ORDERS = (20, 30, 44, 64, 92, 132, 188, 268, 382, 544)
"""Nodes per dimension of successive product rules; even, so that no node lies on the kink of relu."""

LOW_ORDERS = (8, 11, 16)
"""Nodes per dimension of successive product rules on R^4."""

SAMPLE_LOGARITHMS = tuple(range(10, 18))
"""Sampled rules have 2^m nodes for these m, without the last one if product rules come first."""

CLOSED = 8
"""Largest group under which sampled rules are closed: images of a point carry less information than new points."""

TENSOR_LIMIT = 2_000_000
"""Largest product rule of given order, before nodes of negligible weight are dropped."""

NEGLIGIBLE = 1e-19
"""Nodes of smaller weight are dropped: their total weight is below rounding."""


@dataclass(frozen=True)
class Rule:
    """Nodes x (Q, d), targets y (Q, c) and weights (Q,) summing to 1.

    order : nodes per dimension of a product rule, otherwise the number of nodes (the requested 2^m, if sampled).
    kind : "product", "sampled" (a scrambled net), "sample" (a finite data set, which defines the law) or "own" (the
    data's built-in quadrature).
    """

    x: Floats
    y: Floats
    weights: Floats
    order: int
    kind: str = "product"

    def __len__(self) -> int:
        return len(self.weights)


def rules(data: Data, order: int | None = None, matrices: Floats | None = None) -> Iterator[Rule]:
    """Successively finer rules for a data law; only the product rule of order ``order`` if it is given.

    matrices : matrices of a finite group on R^d under which sampled rules are closed, see ``sampled``. A finite data
    set has one rule, its training samples; otherwise the last rule is the finest affordable one. Raises MfsymError for
    an order that needs more than TENSOR_LIMIT nodes.
    """
    if not getattr(data, "has_target", True):
        x, y = data.x, data.y  # type: ignore[attr-defined]
        yield Rule(x, y, np.full(len(x), 1.0 / len(x)), len(x), "sample")
    elif order is not None:
        yield product(data, as_whole(order, "order", 1))
    elif data.inputs is None:
        yield from _built_in_rules(data)
    else:
        for each in orders_of(data):
            yield product(data, each)
        for logarithm in SAMPLE_LOGARITHMS[: -1 if orders_of(data) else None]:
            yield sampled(data, logarithm, matrices=matrices)


def orders_of(data: Data) -> tuple[int, ...]:
    """Orders of the product rules used for a data law."""
    law = data.inputs
    if law is None or data.d > 4 or not (law.is_product or law.has_products(data.d)):
        return ()
    return tuple(order for order in (LOW_ORDERS if data.d == 4 else ORDERS) if order**data.d <= MAX_NODES)


def product(data: Data, order: int) -> Rule:
    """The product rule of exactly this order, or the data's built-in quadrature if it has one."""
    if data.inputs is None:
        x, weights = data.quadrature(order)
        return _rule(data, x, weights, order, "own")
    if float(order) ** data.d > TENSOR_LIMIT:
        raise MfsymError(
            f"a product rule of order {order} on R^{data.d} needs {float(order) ** data.d:.3g} nodes, more than "
            f"{TENSOR_LIMIT}; lower the order, or leave it out"
        )
    x, weights = data.inputs.product_rule(data.d, order)
    return _rule(data, x, weights, order, "product")


def sampled(data: Data, logarithm: int, repetition: int = 0, matrices: Floats | None = None) -> Rule:
    """2^logarithm points of one scrambled net as draws of the data's input law.

    matrices : (K, d, d), a finite group. If the input law is invariant under it and K <= CLOSED, the points are about
    2^logarithm / K points of a net and all their images: a symmetric problem stays symmetric to rounding.
    """
    assert data.inputs is not None
    closed = matrices is not None and len(matrices) <= CLOSED and data.inputs.invariant_under(matrices)
    copies = matrices if closed and matrices is not None else np.eye(data.d)[None]
    count = 1 << (logarithm - (len(copies) - 1).bit_length())
    x = data.inputs.of_uniforms(net_points(data.d, 0, count, repetition + 1)[repetition])
    x = np.einsum("kij,nj->nki", copies, x).reshape(-1, data.d)
    atom, weights = data.inputs.atom(data.d), np.full(len(x), 1.0 / len(x))
    if atom > 0.0:
        x = np.concatenate([x, np.zeros((1, data.d))])
        weights = np.append((1.0 - atom) * weights, atom)
    return Rule(x, data.target(x), weights, 1 << logarithm, "sampled")


def _built_in_rules(data: Data) -> Iterator[Rule]:
    before: Floats | None = None
    for order in ORDERS:
        x, weights = data.quadrature(order)
        if before is not None and np.array_equal(x, before):
            return
        before = x
        yield _rule(data, x, weights, order, "own")


def _rule(data: Data, x: Floats, weights: Floats, order: int, kind: str) -> Rule:
    kept = weights > NEGLIGIBLE
    x, weights = np.ascontiguousarray(x[kept]), np.ascontiguousarray(weights[kept])
    return Rule(x, data.target(x), weights, order, kind)


def sobol_normals(count: int, d: int) -> Floats:
    """The first ``count`` points of the Sobol sequence in d dimensions, as standard normals (count, d).

    Each coordinate of the enclosing 2^m points is moved to the midpoint of its interval of length 2^-m, so the points
    are deterministic, none lies at 0, and each coordinate is balanced.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    if d == 0:
        return np.zeros((count, 0))
    logarithm = max(0, (count - 1).bit_length())
    points = qmc.Sobol(d, scramble=False).random_base2(logarithm)[:count]
    return np.asarray(ndtri(points + 0.5 ** (logarithm + 1)))
