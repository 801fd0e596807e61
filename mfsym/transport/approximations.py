"""Approximations of W2, used only on request: the Sinkhorn divergence and sliced W2, both by POT."""

from __future__ import annotations

import time
import warnings

import numpy as np
from numpy.typing import ArrayLike

from mfsym.errors import TransportFailed
from mfsym.streams import normals, stream_key
from mfsym.transport.atoms import PointCloud, pair
from mfsym.transport.dense import dual_value, squared_distances
from mfsym.transport.results import FloatArray, W2Result


def sinkhorn(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    regularisation: float = 0.01,
) -> W2Result:
    """Debiased Sinkhorn divergence S(a, b) = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2 of the entropic problem.

    regularisation : in units of the mean squared distance between the clouds; the smaller, the closer to W2^2.
    ``lower_bound`` is a valid bound on W2^2 (c-transform of the entropic potentials); the divergence itself is
    no bound, so ``relative_gap`` is NaN. O(N M) memory. Feydy et al. 2019 (arXiv:1810.08278).
    """
    started = time.perf_counter()
    first, second = pair(a, b, weights_a, weights_b)
    between = squared_distances(first.z, second.z)
    epsilon = regularisation * (float(between.mean()) or 1.0)
    cross, v, iterations = _entropic(between, first, second, epsilon)
    own = [_entropic(squared_distances(c.z, c.z), c, c, epsilon)[0] for c in (first, second)]
    u = (between - v).min(axis=1)
    return W2Result(
        w2_squared=max(cross - 0.5 * sum(own), 0.0),
        lower_bound=dual_value(u, v, first, second),
        relative_gap=float("nan"),
        method="sinkhorn",
        seconds=time.perf_counter() - started,
        potentials=(u, v),
        iterations=iterations,
    )


def _entropic(cost: FloatArray, a: PointCloud, b: PointCloud, epsilon: float) -> tuple[float, FloatArray, int]:
    """Entropic transport cost including the entropy term, the second potential, and the number of iterations."""
    import ot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan, log = ot.bregman.sinkhorn_log(
            a.mass(), b.mass(), cost, epsilon, numItermax=10_000, stopThr=1e-9, log=True, warn=False
        )
    if not np.isfinite(plan).all():
        raise TransportFailed("the Sinkhorn iteration must stay finite; raise regularisation")
    reference = a.mass()[:, None] * b.mass()[None, :]
    positive = plan > 0.0
    entropy = float((plan[positive] * np.log(plan[positive] / reference[positive])).sum())
    return float((plan * cost).sum()) + epsilon * entropy, epsilon * np.asarray(log["log_v"]), int(log["niter"])


def sliced(
    a: ArrayLike,
    b: ArrayLike,
    *,
    weights_a: ArrayLike | None = None,
    weights_b: ArrayLike | None = None,
    projections: int = 200,
    seed: int = 0,
) -> W2Result:
    """Sliced W2^2: the mean over random unit directions of the W2^2 of the projected clouds.

    standard_error : that of the mean over directions. ``lower_bound`` is Gelbrich's bound on W2^2 from means
    and covariances. Directions come from the stream "haar" of ``seed``. O(projections N log N).
    """
    started = time.perf_counter()
    first, second = pair(a, b, weights_a, weights_b)
    import ot

    directions = normals(stream_key(seed, "haar"), 0, projections, first.z.shape[1]).T
    directions = directions / np.linalg.norm(directions, axis=0)
    line = ot.wasserstein_1d(first.z @ directions, second.z @ directions, first.mass(), second.mass(), p=2)
    return W2Result(
        w2_squared=float(np.mean(line)),
        lower_bound=gelbrich_bound(first, second),
        relative_gap=float("nan"),
        method="sliced",
        seconds=time.perf_counter() - started,
        iterations=projections,
        standard_error=float(np.std(line, ddof=1) / np.sqrt(projections)) if projections > 1 else float("inf"),
    )


def gelbrich_bound(a: PointCloud, b: PointCloud) -> float:
    """|mean difference|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2) <= W2^2 (Gelbrich 1990), never negative."""
    from scipy.linalg import sqrtm  # loaded where it is used: most distances need none

    means, covariances = [], []
    for cloud in (a, b):
        mean = cloud.mass() @ cloud.z
        centred = cloud.z - mean
        means.append(mean)
        covariances.append((centred * cloud.mass()[:, None]).T @ centred)
    root = np.real(sqrtm(covariances[0]))
    cross = np.linalg.eigvalsh(root @ covariances[1] @ root)
    bures = np.trace(covariances[0]) + np.trace(covariances[1]) - 2.0 * np.sqrt(np.maximum(cross, 0.0)).sum()
    return float(((means[0] - means[1]) ** 2).sum() + max(float(bures), 0.0))
