"""Quadratic bounds on the duals hold for every atom below a node."""

from __future__ import annotations

import numpy as np

from mfsym.accelerate import exact
from mfsym.transport.kernels.dual_bounds import child_bounds
from mfsym.transport.kernels.dual_fits import copy_dual
from mfsym.transport.kernels.kd_tree import index_of
from mfsym.transport.kernels.lanes import store
from mfsym.transport.kernels.packs import ColumnTree
from tests.tolerances import ROUNDOFF
from tests.unit.transport.states import N, P, searched_state, squared_costs, unsearched_state


def test_bounds_on_the_duals_hold_for_every_atom_of_every_node():
    _, _, state = unsearched_state()
    columns, p = state.columns, 3
    flat = columns.points.reshape(-1, p, 8).transpose(0, 2, 1).reshape(-1, p)
    for h in np.flatnonzero(columns.atoms):
        quadratic, linear = (
            [each[index_of(h, axis, p)] for axis in range(p)] for each in (columns.quadratic, columns.linear)
        )
        for t in range(columns.begin[h], columns.end[h]):
            if columns.column[t] >= 0:
                v = columns.v[columns.column[t]]
                assert columns.dual[t] == v
                assert v <= (np.array(quadratic) * flat[t] + linear) @ flat[t] + columns.constant[h] + ROUNDOFF


@exact
def _bounds(x: np.ndarray, h: int, columns: ColumnTree, out: np.ndarray) -> None:
    store(out, 0, child_bounds(x, h, columns))


def test_bounds_of_children_hold_for_every_atom_also_after_duals_have_fallen():
    state, _ = searched_state()
    columns, bounds = state.columns, np.empty(8)
    atoms = columns.points.reshape(-1, P, 8).transpose(0, 2, 1).reshape(-1, P)
    for j in range(0, N, 5):
        columns.v[j] -= 0.1 * (j % 7)
        copy_dual(j, columns)
    for i in range(0, N, 11):
        for h in range(columns.first):
            _bounds(state.x[i], h, columns, bounds)
            for child in range(8 * h, min(8 * h + 8, columns.atoms.size)):
                if columns.atoms[child] == 0:
                    assert bounds[child - 8 * h] == np.inf
                    continue
                below = slice(columns.begin[child], columns.end[child])
                values = squared_costs(state.x[i : i + 1], atoms[below])[0] - columns.dual[below]
                assert bounds[child - 8 * h] <= values.min() + ROUNDOFF
