"""Affine upper bounds on the duals v over the nodes of the columns' tree.

On node h, v_j <= slope_h . y_j + level_h - |slope_h|^2 / 4. Completing the square,

    |x - y_j|^2 - v_j  >=  dist(x + slope_h / 2, box_h)^2 - slope_h . x - level_h,

which is tight to second order in the size of the box where v is smooth: the gradient of v is twice the displacement
of the optimal map. Duals only decrease, so a bound once valid stays valid; ``tighten`` and ``refresh_levels`` keep it
sharp.
"""

from __future__ import annotations

import numpy as np

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
    total = -columns.level[h]
    for axis in range(x.size):
        slope = columns.slope[h, axis]
        q = x[axis] + 0.5 * slope
        gap = max(columns.low[h, axis] - q, q - columns.high[h, axis])
        if gap > 0.0:
            total += gap * gap
        total -= slope * x[axis]
    return total


@exact
def quarter_square(h: int, columns: Columns) -> float:
    """|slope_h|^2 / 4."""
    total = 0.0
    for axis in range(columns.slope.shape[1]):
        total += columns.slope[h, axis] * columns.slope[h, axis]
    return 0.25 * total


@exact
def level_of_atoms(h: int, columns: Columns) -> float:
    """The smallest level that the slope of node h allows under the present duals."""
    level, size, p = -np.inf, 0.0, columns.slope.shape[1]
    for t in range(columns.start[h], columns.stop[h]):
        rest = columns.v[columns.column[t]]
        size = max(size, abs(rest))
        for axis in range(p):
            part = columns.slope[h, axis] * columns.points[coordinate(t, axis, p)]
            size = max(size, abs(part))
            rest -= part
        level = max(level, rest)
    square = quarter_square(h, columns)
    return level + square + INFLATION * (size + square)


@exact
def level_of_children(h: int, columns: Columns) -> float:
    """A level for node h from its children's: their affine bounds against its own at their boxes' worst corners."""
    level, size = -np.inf, 0.0
    for child in range(2 * h + 1, 2 * h + 3):
        if columns.stop[child] > columns.start[child]:
            rest = columns.level[child] - quarter_square(child, columns)
            size = max(size, abs(rest))
            for axis in range(columns.slope.shape[1]):
                change = columns.slope[child, axis] - columns.slope[h, axis]
                part = change * (columns.high[child, axis] if change > 0.0 else columns.low[child, axis])
                size = max(size, abs(part))
                rest += part
            level = max(level, rest)
    square = quarter_square(h, columns)
    return level + square + INFLATION * (size + square)


@exact
def refresh_levels(columns: Columns) -> None:
    """Lower every node's level as far as its slope allows."""
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
