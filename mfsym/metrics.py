"""Measures of a trained ensemble: how far its law is from symmetric, and how well its model predicts.

Laws: Maass Martínez & Fontbona 2024, sections 2.3 and 4 (RMD to the projected and to the symmetrised law).
Models: expectations over x by the data's quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.ensembles import symmetrised
from mfsym.representations import Representation, Subspace
from mfsym.schemes import Orbit, Scheme
from mfsym.teachers import QUADRATURE_ORDER, Data
from mfsym.transport import rmd2_from, w2

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A certified interval [lower, upper]; the ends are equal where the value is known exactly."""

    lower: float
    upper: float


def distance2_to_si(z: ArrayLike, subspace: Subspace) -> float:
    """Squared W2 distance from an empirical law to the strongly invariant laws, (1/N) sum_i |z_i - P z_i|^2.

    z : (N, p) particles.  subspace : E^G.  In units of |z|^2; 0 iff the law is strongly invariant.

    >>> distance2_to_si([[1.0, 0.0]], Subspace([[1.0], [1.0]]))
    0.5
    """
    particles = np.asarray(z, dtype=np.float64)
    return float(np.mean(np.sum((particles - subspace.project(particles)) ** 2, axis=1)))


def rmd2_si(z: ArrayLike, subspace: Subspace) -> float:
    """RMD^2 between the law of z (N, p) and its projection on E^G, in [0, 1]; no transport solve is needed."""
    particles = np.asarray(z, dtype=np.float64)
    return rmd2_from(distance2_to_si(particles, subspace), particles, subspace.project(particles))


def rmd2_symmetrised(z: ArrayLike, action: Representation) -> float:
    """RMD^2 between the law of z (N, p) and its symmetrised law (N against |G| N atoms), in [0, 1]."""
    particles = np.asarray(z, dtype=np.float64)
    other = symmetrised(particles, action)
    return rmd2_from(w2(particles, other.z, weights_b=other.weights).w2_squared, particles, other.z)


def distance_wi(z: ArrayLike, action: Representation) -> Interval:
    """W2 distance (not squared) from the law of z (N, p) to the weakly invariant laws.

    Exact for a group of two elements: half the distance to the image. Bounds otherwise, from W2(mu, mu^G).
    """
    particles = np.asarray(z, dtype=np.float64)
    group = action.group
    if group.order == 1:
        return Interval(0.0, 0.0)
    if group.order == 2:
        half = w2(particles, particles @ action.matrices[1].T).value / 2.0
        return Interval(half, half)
    other = symmetrised(particles, action)
    distance = w2(particles, other.z, weights_b=other.weights).value
    return Interval(distance / 2.0, distance)


@dataclass(frozen=True)
class Evaluation:
    """A scheme's model on a data law: everything about predictions, from one set of evaluations.

    risk : E|model(x) - f_*(x)|^2, of the scheme's own model.  risk_bare : the same of the bare prediction Phi.
    l2_symmetrisation : |model - Q_G model|.  l2_target : |model - f_*|.  l2_symmetrised_target : |model - Q_G f_*|.
    equivariance_error : (integral over g of |rho_hat_g^-1 model(rho_g .) - model|^2)^(1/2).
    All norms are those of L^2(x), not squared.
    """

    risk: float
    risk_bare: float
    l2_symmetrisation: float
    l2_target: float
    l2_symmetrised_target: float
    equivariance_error: float


def evaluate(scheme: Scheme, data: Data, z: ArrayLike, order: int = QUADRATURE_ORDER) -> Evaluation:
    """The Evaluation of particles z (N, p) trained by a scheme on a data law, by a quadrature of this order."""
    x, weights = data.quadrature(order)
    orbit = scheme.orbit
    target, averaged_target = _targets(data, orbit, order)
    model = scheme.read(x, z)
    table = orbit.table(lambda points: scheme.read(points, z), x)
    averaged = np.einsum("k,kqc->qc", orbit.weights, table)
    spread = np.einsum("k,kq->q", orbit.weights, ((table - model) ** 2).sum(axis=2))
    return Evaluation(
        risk=_mean_square(weights, model - target),
        risk_bare=_mean_square(weights, scheme.unit.predict(x, z) - target),
        l2_symmetrisation=_mean_square(weights, model - averaged) ** 0.5,
        l2_target=_mean_square(weights, model - target) ** 0.5,
        l2_symmetrised_target=_mean_square(weights, model - averaged_target) ** 0.5,
        equivariance_error=float(weights @ spread) ** 0.5,
    )


def risks(scheme: Scheme, data: Data, z: ArrayLike, order: int = QUADRATURE_ORDER) -> tuple[float, float]:
    """Population risk of the scheme's model and of the bare prediction Phi (without tau r and entropy)."""
    x, weights = data.quadrature(order)
    target = data.target(x)
    model, bare = scheme.read(x, z), scheme.unit.predict(x, z)
    return _mean_square(weights, model - target), _mean_square(weights, bare - target)


def _targets(data: Data, orbit: Orbit, order: int) -> tuple[Floats, Floats]:
    x, _ = data.quadrature(order)
    return data.target(x), orbit.average(data.target, x)


def _mean_square(weights: Floats, residual: Floats) -> float:
    return float(weights @ np.sum(residual**2, axis=1))
