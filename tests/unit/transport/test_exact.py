"""Our solver against dense solvers, and its warm starts and memory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mfsym.streams import normals, stream_key
from mfsym.transport import symmetrised_atoms, w2
from mfsym.transport.atoms import as_cloud
from mfsym.transport.exact import solve_by_auction
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF
from tests.unit.transport.states import squared_costs

N = sized(300, 24)

KEY = stream_key(7, "teacher")

FAMILIES = {
    "independent": lambda p: (normals(KEY, 10, N, p), normals(KEY, 11, N, p)),
    "ties": lambda p: (np.round(normals(KEY, 12, N, p)), np.round(normals(KEY, 13, N, p))),
    "equal": lambda p: (np.ones((N, p)), np.ones((N, p))),
    "collinear": lambda p: (normals(KEY, 14, N, 1) * np.ones(p), normals(KEY, 15, N, 1) * np.ones(p)),
    "far apart": lambda p: (normals(KEY, 16, N, p), normals(KEY, 17, N, p) + 1e4),
    "tiny": lambda p: (1e-8 * normals(KEY, 18, N, p), 1e-8 * normals(KEY, 19, N, p)),
    "huge": lambda p: (1e8 * normals(KEY, 20, N, p), 1e8 * normals(KEY, 21, N, p)),
    "concentrated": lambda p: (
        np.hstack([normals(KEY, 22, N, 2), 1e-4 * normals(KEY, 23, N, p - 2)]),
        np.hstack([normals(KEY, 24, N, 2), 1e-4 * normals(KEY, 25, N, p - 2)]),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("p", [4])
def test_the_solver_agrees_with_a_dense_assignment(family, p):
    a, b = FAMILIES[family](p)
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    cost = squared_costs(a, b)
    rows, columns = linear_sum_assignment(cost)
    optimum = cost[rows, columns].mean()
    scale = np.square(a).sum(axis=1).max() + np.square(b).sum(axis=1).max()
    assert abs(result.w2_squared - optimum) <= ALGEBRA * optimum + ROUNDOFF * scale
    assert result.lower_bound <= result.w2_squared


def test_a_worse_matching_is_seen():
    a, b = FAMILIES["independent"](4)
    worse = squared_costs(a, b)[np.arange(N), np.arange(N)].mean()
    assert worse > solve_by_auction(as_cloud(a), as_cloud(b)).w2_squared * (1 + ALGEBRA)


@pytest.mark.parametrize("counts", [(1, 1), (1, 7), (12, 18), (40, 25)])
def test_unequal_counts_agree_with_the_network_simplex(counts):
    a, b = normals(KEY, 30, counts[0], 3), normals(KEY, 31, counts[1], 3)
    ours = solve_by_auction(as_cloud(a), as_cloud(b)).w2_squared
    assert abs(ours - w2(a, b, method="emd").w2_squared) <= ALGEBRA * ours


def _symmetric_but_for_rounding(seed, scale):
    """A cloud near the fixed space of x -> x reversed, as single precision leaves it, and its symmetrised atoms."""
    n = sized(500, 20)
    z = scale * normals(stream_key(seed, "data"), 0, n, 4)
    z = (z + z[:, ::-1]) / 2 + 2.0**-23 * np.round(0.6 * normals(stream_key(seed, "data"), 1, n, 4))
    return z, symmetrised_atoms(z, np.array([np.eye(4), np.eye(4)[::-1]]))


@pytest.mark.parametrize(("seed", "scale"), [(14, 3.0), (27, 1.0)])
def test_clouds_that_differ_by_rounding_get_a_full_coupling(seed, scale):
    """Their distance is about as large as the rounding of its proof: no gap is small enough for it."""
    a, b = _symmetric_but_for_rounding(seed, scale)
    result = w2(a, b, method="auction")
    assert result.plan.mass.sum() == pytest.approx(1.0, abs=ROUNDOFF)
    assert abs(result.w2_squared - w2(a, b, method="emd").w2_squared) <= ROUNDOFF * np.square(a).sum(axis=1).mean()


def test_clouds_whose_nearest_atoms_pair_up_have_zero_duals():
    """And not where two rows share their nearest column: then duals must fall."""
    a = normals(KEY, 90, N, 3)
    b = a[::-1] + 1e-9 * normals(KEY, 91, N, 3)
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    assert np.array_equal(result.plan.columns[np.argsort(result.plan.rows)], np.arange(N)[::-1])
    assert (result.potentials[1] == 0.0).all()
    assert result.relative_gap == 0.0
    assert result.iterations == N
    b[0] = a[0] + 1e-9
    result = solve_by_auction(as_cloud(a), as_cloud(b))
    assert (result.potentials[1] < 0.0).any()
    assert result.relative_gap <= ROUNDOFF
