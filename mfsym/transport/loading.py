"""Load compiled code and libraries once before the clock starts, so that ``seconds`` measures the solve only."""

from __future__ import annotations

import functools

import numpy as np

from mfsym.accelerate import JIT_DISABLED
from mfsym.transport.initialisers import TransportProblem, initialise_duals, prepare
from mfsym.transport.kernels.augmenting_paths import augment_all
from mfsym.transport.kernels.dense import jonker_volgenant, pair_costs
from mfsym.transport.kernels.lanes import WIDTH
from mfsym.transport.packs import empty_paths
from mfsym.transport.solver import LIST_LENGTH, SHARE, epsilon_scaling, solve


@functools.cache
def load_dense() -> None:
    """Load the kernels of dense assignment."""
    if JIT_DISABLED:
        return
    costs, row, columns = np.empty((1, WIDTH)), np.full(1, -1), np.full((1, WIDTH), np.inf)
    columns[0, 0] = 1.0
    pair_costs(np.zeros((1, 1)), columns, costs)
    jonker_volgenant(costs, np.empty(WIDTH), np.empty(1), row.copy(), row, np.empty((5, WIDTH)))


@functools.cache
def load_simplex() -> None:
    """Load POT and the kernels for cost matrices."""
    import ot  # noqa: F401

    load_dense()


@functools.cache
def load_auction() -> None:
    """Load every kernel of our solver."""
    if JIT_DISABLED:
        return
    load_dense()
    line, ones = np.arange(4.0)[:, None], np.ones(4, dtype=np.int64)
    problem = TransportProblem(line, 2.5 * line, ones, ones)
    solve(problem)
    ordered, state, _, _ = prepare(problem)
    initialise_duals(state, ordered, None, epsilon_scaling)
    epsilon_scaling(state)
    augment_all(SHARE, LIST_LENGTH, state, empty_paths(4, 4))
