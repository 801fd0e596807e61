"""Quadratic upper bounds on the duals v over the nodes of the columns' tree.

On node h, v_j <= sum_a (curve_ha y_ja + slope_ha) y_ja + level_h with curve_ha < 1. Then

    |x - y_j|^2 - v_j  >=  sum_a min_y [(x_a - y)^2 - (curve_ha y + slope_ha) y] - level_h,   y in the box of h,

a convex problem on an interval for each axis, solved by clipping. The bound is tight to second order in what v differs
from such a quadratic. Where mass stays together v is nearly affine (curve 0, its gradient twice the displacement);
where it is drawn from one spot |y|^2 - v is (curve 1). Duals only decrease, so a bound once valid stays valid;
``refresh_levels`` keeps it sharp.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact, exact_part
from mfsym.transport.kernels.lanes import eight, keep, least, most, spread
from mfsym.transport.kernels.packs import Columns, Floats
from mfsym.transport.kernels.tree import at

INFLATION = 1e-14
"""Relative amount by which a level is raised against the rounding of the bound."""


@exact_part
def child_bounds(x: Floats, h: int, columns: Columns) -> Floats:
    """Lower bounds on c_ij - v_j over the atoms of node h's eight children, as lanes; inf where none is open."""
    p = x.size
    total = 0.0 - eight(columns.offer, 8 * h)
    for axis in range(p):
        o, z = 8 * (h * p + axis), x[axis]
        slope = eight(columns.slope, o)
        y = (z + 0.5 * slope) * eight(columns.stretch, o)
        y = least(most(y, eight(columns.low, o)), eight(columns.high, o))
        difference = z - y
        total += difference * difference - (eight(columns.curve, o) * y + slope) * y
    return total


@exact
def level_of_atoms(h: int, columns: Columns, lane: Floats) -> float:
    """The smallest level that curve and slope of node h allow under the present duals. lane : (16,) to work in."""
    p = columns.low.size // columns.level.size
    level, size = spread(-np.inf), spread(0.0)
    for o in range(columns.begin[h - 1], columns.end[h - 1], 8):
        rest = eight(columns.worth, o)
        for axis in range(p):
            here, y = at(h - 1, axis, p), eight(columns.points, o * p + 8 * axis)
            part = (columns.curve[here] * y + columns.slope[here]) * y
            size = most(size, most(part, 0.0 - part))
            rest -= part
        level = most(level, rest)
    return raised(level, size, lane)


@exact_part
def raised(level: Floats, size: Floats, lane: Floats) -> float:
    """The largest lane of a level, raised against the rounding of sums of terms up to ``size``."""
    keep(lane, 0, level)
    keep(lane, 8, size)
    largest, terms = lane[0], lane[8]
    for t in range(1, 8):
        largest, terms = max(largest, lane[t]), max(terms, lane[8 + t])
    return largest + INFLATION * (abs(largest) + terms)


@exact
def refresh_levels(columns: Columns, lane: Floats) -> None:
    """Lower every node's level as far as its curve and slope allow. All columns must be open."""
    for h in range(1, columns.level.size + 1):
        columns.level[h - 1] = level_of_atoms(h, columns, lane) if columns.atoms[h - 1] > 0 else -np.inf
        columns.offer[h - 1] = columns.level[h - 1]
