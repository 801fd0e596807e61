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
from numpy import uintp as U

from mfsym.accelerate import exact
from mfsym.kernels.ot_problem import Columns, Floats

INFLATION = 1e-14
"""Relative amount by which a level is raised against the rounding of the bound."""


@exact
def coordinate(t: int, axis: int, p: int) -> int:
    """Where a coordinate of the atom number t of the tree stands among the points."""
    return ((t >> 3) * p + axis) * 8 + (t & 7)


@exact
def node_bound(x: Floats, columns: Columns, h: int) -> float:
    """A lower bound on c_ij - v_j over the atoms of node h; inf where it has none to look at."""
    if columns.opened[h] == 0:
        return np.inf
    total, node = -columns.level[h], U(h)
    for a in range(x.size):
        axis = U(a)
        slope = columns.slope[node, axis]
        y = (x[axis] + 0.5 * slope) * columns.stretch[node, axis]
        y = min(max(y, columns.low[node, axis]), columns.high[node, axis])
        difference = x[axis] - y
        total += difference * difference - (columns.curve[node, axis] * y + slope) * y
    return total


@exact
def level_of_atoms(h: int, columns: Columns) -> float:
    """The smallest level that curve and slope of node h allow under the present duals."""
    level, size, p = -np.inf, 0.0, columns.slope.shape[1]
    for t in range(columns.start[h], columns.stop[h]):
        rest = columns.v[columns.column[t]]
        size = max(size, abs(rest))
        for axis in range(p):
            y = columns.points[coordinate(t, axis, p)]
            part = (columns.curve[h, axis] * y + columns.slope[h, axis]) * y
            size = max(size, abs(part))
            rest -= part
        level = max(level, rest)
    return level + INFLATION * size


@exact
def highest(curve: float, slope: float, low: float, high: float) -> float:
    """The maximum of (curve y + slope) y over low <= y <= high."""
    best = max((curve * low + slope) * low, (curve * high + slope) * high)
    if curve < 0.0:
        y = min(max(-0.5 * slope / curve, low), high)
        best = max(best, (curve * y + slope) * y)
    return best


@exact
def level_of_children(h: int, columns: Columns) -> float:
    """A level for node h from its children's: the most by which their bounds exceed its own in their boxes."""
    level, size = -np.inf, 0.0
    for child in range(2 * h + 1, 2 * h + 3):
        if columns.stop[child] > columns.start[child]:
            rest = columns.level[child]
            size = max(size, abs(rest))
            for axis in range(columns.slope.shape[1]):
                bend = columns.curve[child, axis] - columns.curve[h, axis]
                tilt = columns.slope[child, axis] - columns.slope[h, axis]
                part = highest(bend, tilt, columns.low[child, axis], columns.high[child, axis])
                size = max(size, abs(part))
                rest += part
            level = max(level, rest)
    return level + INFLATION * size


@exact
def refresh_levels(columns: Columns) -> None:
    """Lower every node's level as far as its curve and slope allow."""
    for h in range(columns.start.size):
        columns.level[h] = level_of_atoms(h, columns)


@exact
def tighten(j: int, columns: Columns) -> None:
    """Lower the levels of the nodes above column j after its dual has decreased."""
    for t in range(columns.place.shape[1]):
        h = columns.leaf[columns.place[j, t] >> 3]
        level = level_of_atoms(h, columns)
        while level < columns.level[h]:
            columns.level[h] = level
            if h == 0:
                break
            h = (h - 1) >> 1
            level = level_of_children(h, columns)
