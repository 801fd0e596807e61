"""Sparse Sinkhorn iterations against dense ones."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals
from mfsym.transport.kernels.sinkhorn import NearPairs, sinkhorn_sweeps
from tests.tolerances import ALGEBRA
from tests.unit.transport.states import KEY, N, P, squared_costs


def test_sweeps_are_sinkhorn_steps():
    rows, columns = np.divmod(np.arange(N * N, dtype=np.int32), N)
    costs = squared_costs(normals(KEY, 40, N, P), normals(KEY, 41, N, P))
    pairs = NearPairs(rows.astype(np.int32), columns.astype(np.int32), costs.ravel())
    v, ones = np.zeros(N), np.ones(N, dtype=np.int64)
    sinkhorn_sweeps(1.0, 3, pairs, ones, ones, v)
    scaling, weight = np.ones(N), np.exp(-(costs - costs.min(axis=1)[:, None]))
    for _ in range(3):
        scaling = np.clip(1.0 / (weight.T @ (1.0 / (weight @ scaling))), 1e-3, 1e3)
    assert np.abs(v - np.log(scaling)).max() <= ALGEBRA
