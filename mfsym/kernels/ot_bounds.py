"""Quadratic upper bounds on the duals v over the nodes of the columns' tree.

On node h, v_j <= sum_a (curve_ha y_ja + slope_ha) y_ja + level_h with curve_ha < 1. Then

    |x - y_j|^2 - v_j  >=  sum_a min_y [(x_a - y)^2 - (curve_ha y + slope_ha) y] - level_h,   y in the box of h,

a convex problem on an interval for each axis, solved by clipping. The bound is tight to second order in what v differs
from such a quadratic. Where mass stays together v is nearly affine (curve 0, its gradient twice the displacement);
where it is drawn from one spot |y|^2 - v is (curve 1). Duals only decrease, so a bound once valid stays valid;
``tighten`` and ``refresh_levels`` keep it sharp.
"""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact, exact_part
from mfsym.kernels.lanes import eight, keep, least, most, spread
from mfsym.kernels.ot_problem import Columns, Floats
from mfsym.kernels.ot_tree import at

INFLATION = 1e-14
"""Relative amount by which a level is raised against the rounding of the bound."""

NO_CURVE = 1e-250
"""Stands for curves that do not bend down, whose highest value is at an end."""


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
def highest(curve: Floats, slope: Floats, low: Floats, high: Floats) -> Floats:
    """The maximum of (curve y + slope) y over low <= y <= high, lane by lane."""
    top = least(most(0.5 * slope / most(0.0 - curve, NO_CURVE), low), high)
    best = most((curve * low + slope) * low, (curve * high + slope) * high)
    return most(best, (curve * top + slope) * top)


@exact
def level_of_children(h: int, columns: Columns, lane: Floats) -> float:
    """A level for node h from its children's: the most by which their bounds exceed its own in their boxes."""
    p = columns.low.size // columns.level.size
    rest, size = eight(columns.level, 8 * h), spread(0.0)
    for axis in range(p):
        here, o = at(h - 1, axis, p), 8 * (h * p + axis)
        bend = eight(columns.curve, o) - columns.curve[here]
        tilt = eight(columns.slope, o) - columns.slope[here]
        part = highest(bend, tilt, eight(columns.low, o), eight(columns.high, o))
        size = most(size, most(part, 0.0 - part))
        rest += part
    return raised(rest, size, lane)


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


@exact
def tighten(j: int, columns: Columns, lane: Floats) -> None:
    """Lower the levels of the nodes above column j after its dual has decreased."""
    for t in range(columns.place.shape[1]):
        h = columns.first + columns.place[j, t] // (8 * columns.octets)
        level = level_of_atoms(h, columns, lane)
        while level < columns.level[h - 1]:
            columns.level[h - 1] = columns.offer[h - 1] = level
            h = (h - 1) >> 3
            if h == 0:
                break
            level = level_of_children(h, columns, lane)
