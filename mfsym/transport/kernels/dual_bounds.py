"""Quadratic upper bounds on the duals v over the nodes of the columns' tree.

On node h, with coefficients q (quadratic), l (linear) and c (constant),

    v_j <= sum_a (q_ha y_ja + l_ha) y_ja + c_h,   q_ha < 1.   Then

    |x - y_j|^2 - v_j  >=  sum_a min_y [(x_a - y)^2 - (q_ha y + l_ha) y] - c_h,   y in the box of h,

a convex problem on an interval for each axis, solved by clipping. The bound is tight up to the distance of v from such
a quadratic. Where the optimal map is nearly a translation, v is nearly affine (q = 0, its gradient is twice the
displacement); where it is nearly constant, |y|^2 - v is nearly affine (q = 1). Duals only decrease, so a valid bound
stays valid; ``tighten_constants`` makes it sharp again.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact, exact_part
from mfsym.transport.kernels.kd_tree import index_of
from mfsym.transport.kernels.lanes import broadcast, load, maximum, minimum, store
from mfsym.transport.kernels.packs import ColumnTree, Floats

INFLATION = 1e-14
"""Relative amount by which a constant is raised to cover the rounding of the bound."""


@exact_part
def child_bounds(x: Floats, h: int, columns: ColumnTree) -> Floats:
    """Lower bounds on c_ij - v_j over the atoms of node h's eight children, as lanes; inf where all are hidden."""
    p = x.size
    total = 0.0 - load(columns.upper, 8 * h)
    for axis in range(p):
        o, z = 8 * (h * p + axis), x[axis]
        linear = load(columns.linear, o)
        y = (z + 0.5 * linear) * load(columns.inverse, o)
        y = minimum(maximum(y, load(columns.low, o)), load(columns.high, o))
        difference = z - y
        total += difference * difference - (load(columns.quadratic, o) * y + linear) * y
    return total


@exact
def least_constant(h: int, columns: ColumnTree, lane: Floats) -> float:
    """The smallest constant valid with node h's other coefficients at the present duals. lane : (16,) work space."""
    p = columns.low.size // columns.constant.size
    constant, size = broadcast(-np.inf), broadcast(0.0)
    for o in range(columns.begin[h - 1], columns.end[h - 1], 8):
        rest = load(columns.dual, o)
        for axis in range(p):
            here, y = index_of(h - 1, axis, p), load(columns.points, o * p + 8 * axis)
            part = (columns.quadratic[here] * y + columns.linear[here]) * y
            size = maximum(size, maximum(part, 0.0 - part))
            rest -= part
        constant = maximum(constant, rest)
    return inflated(constant, size, lane)


@exact_part
def inflated(constant: Floats, size: Floats, lane: Floats) -> float:
    """The largest lane of a constant, raised to cover the rounding of sums of terms up to ``size``."""
    store(lane, 0, constant)
    store(lane, 8, size)
    largest, terms = lane[0], lane[8]
    for t in range(1, 8):
        largest, terms = max(largest, lane[t]), max(terms, lane[8 + t])
    return largest + INFLATION * (abs(largest) + terms)


@exact
def tighten_constants(columns: ColumnTree, lane: Floats) -> None:
    """Lower every node's constant as far as its other coefficients allow. No column may be hidden."""
    for h in range(1, columns.constant.size + 1):
        columns.constant[h - 1] = least_constant(h, columns, lane) if columns.atoms[h - 1] > 0 else -np.inf
        columns.upper[h - 1] = columns.constant[h - 1]
