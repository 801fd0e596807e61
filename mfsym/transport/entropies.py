"""Differential entropy of a law from its particles, for the entropy term of the free energy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mfsym.errors import MfsymError
from mfsym.transport.atoms import as_atoms


class Entropy(NamedTuple):
    """Entropy -E log density in nats, and the standard error of its mean over the particles."""

    value: float
    standard_error: float


def knn_entropy(z: ArrayLike, neighbours: int = 3) -> Entropy:
    """Kozachenko–Leonenko estimate of the differential entropy of the law that drew z (N, p).

    H = digamma(N) - digamma(k) + log(volume of the unit ball of R^p) + (p / N) sum_i log(distance to k-th neighbour).
    Particles on a subspace have no density in R^p: pass coordinates in it. It is -inf if k + 1 particles coincide.
    Kozachenko & Leonenko 1987; Kraskov, Stögbauer & Grassberger 2004 (arXiv:cond-mat/0305641).
    """
    from scipy.spatial import cKDTree  # loaded where it is used: distances need none
    from scipy.special import digamma, gammaln

    atoms = as_atoms(z)
    n, p = atoms.shape
    if not 1 <= neighbours < n:
        raise MfsymError(f"neighbours must lie between 1 and N - 1 = {n - 1}, got {neighbours}")
    distance = cKDTree(atoms).query(atoms, k=[neighbours + 1])[0][:, 0]
    if (distance == 0.0).any():
        return Entropy(float("-inf"), float("nan"))
    local = p * np.log(distance)
    ball = 0.5 * p * np.log(np.pi) - gammaln(0.5 * p + 1.0)
    value = digamma(n) - digamma(neighbours) + ball + local.mean()
    return Entropy(float(value), float(local.std(ddof=1) / np.sqrt(n)))
