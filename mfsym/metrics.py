"""Measures of a trained ensemble: how far its law is from symmetric, and how well its model predicts.

Laws: Maass Martínez & Fontbona 2024, sections 2.3 and 4 (RMD to the projected and to the symmetrised law).
Models: expectations over x by the data's quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.ensembles import symmetrised
from mfsym.losses import get_loss
from mfsym.orbit_laws import Estimated, symmetrised_w2, wi_bounds
from mfsym.representations import Representation, Subspace
from mfsym.schemes import Orbit, Scheme
from mfsym.teachers import QUADRATURE_ORDER, Data
from mfsym.transport import W2Result, distance_to_wi, rmd2_from, w2
from mfsym.transport.images import check_images

Floats = NDArray[np.float64]

_IDENTITY = 1e-9


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
    particles = as_floats(z, "particles")
    return float(np.mean(np.sum((particles - subspace.project(particles)) ** 2, axis=1)))


def rmd2_si(z: ArrayLike, subspace: Subspace, zero: float = 0.0) -> float:
    """RMD^2 between the law of z (N, p) and its projection on E^G, in [0, 1]; no transport solve is needed.

    zero : second moment up to which a cloud is zero to rounding and its RMD^2 is 0, see ``precision.rounding_floor``.
    """
    particles = as_floats(z, "particles")
    return rmd2_from(distance2_to_si(particles, subspace), particles, subspace.project(particles), zero)


def rmd2_symmetrised(z: ArrayLike, action: Representation, zero: float = 0.0) -> float:
    """RMD^2 between the law of z (N, p) and its symmetrised law, in [0, 1]; zero : as in ``rmd2_si``.

    Exact for a finite group (N against |G| N atoms), otherwise an estimate: see ``rmd2_symmetrised_estimate``.
    """
    return rmd2_symmetrised_estimate(z, action, zero).value


def rmd2_symmetrised_estimate(z: ArrayLike, action: Representation, zero: float = 0.0) -> Estimated:
    """``rmd2_symmetrised`` with the error of the quadrature over the group: see ``orbit_laws.symmetrised_w2``."""
    particles = as_floats(z, "particles")
    if action.group.order is not None:
        result, images = w2_symmetrised(particles, action)
        return Estimated(rmd2_from(result.w2_squared, particles, images, zero), 0.0)
    found = symmetrised_w2(particles, action)
    value, error = (rmd2_from(square, particles, particles, zero) for square in found)
    return Estimated(value, error)


def w2_symmetrised(z: ArrayLike, action: Representation) -> tuple[W2Result, Floats]:
    """Squared W2 between the law of z (N, p) and its symmetrised law under a finite group, and the atoms of that.

    TransportFailed where the rounding of far atoms' images to float64 may change more than 1e-6 of the value.
    """
    particles = as_floats(z, "particles")
    other = symmetrised(particles, action)
    result = w2(particles, other.z, weights_b=other.weights)
    return check_images(result, particles, other.z, action.matrices), other.z


def distance_wi(z: ArrayLike, action: Representation, rounds: int = 3) -> Interval:
    """W2 distance (not squared) from the law of z (N, p) to the weakly invariant laws.

    Exact for a group of two elements: half the distance to the image. Otherwise certified bounds, for finite groups
    from couplings with all images and from a free-support barycentre of them (``rounds`` of its fixed-point iteration,
    see ``transport.distance_to_wi``), for infinite ones as ``orbit_laws.wi_bounds`` says.
    """
    particles = as_floats(z, "particles")
    group = action.group
    if group.order is not None:
        found = distance_to_wi(particles, action.matrices, rounds=rounds)
        return Interval(found.upper if group.order <= 2 else found.lower, found.upper)
    return Interval(*wi_bounds(particles, action))


@dataclass(frozen=True)
class Evaluation:
    """A scheme's model on a data law: everything about predictions, from one set of evaluations.

    risk : E loss(model(x), y), of the scheme's own model; for the quadratic loss E|model(x) - y|^2.
    risk_bare : the same of the bare prediction Phi.
    l2_symmetrisation : |model - Q_G model|.  l2_target : |model - f_*|.  l2_symmetrised_target : |model - Q_G f_*|.
    equivariance_error : (integral over g of |rho_hat_g^-1 model(rho_g .) - model|^2)^(1/2).  equivariance_error_group :
    how far two rules for the integral over an infinite group differ there, 0 for a finite one; integrals over g are by
    rules with other nodes than training's (``Scheme.judges``).
    accuracy : share of x whose class is predicted, for classes only.  accuracy_moved : the same on rho_g x, averaged
    over the nodes of the group other than the identity.
    All norms are those of L^2(x), not squared. NaN where a number has no meaning: f_* of a finite sample, no classes.
    """

    risk: float
    risk_bare: float
    l2_symmetrisation: float
    l2_target: float
    l2_symmetrised_target: float
    equivariance_error: float
    equivariance_error_group: float
    accuracy: float
    accuracy_moved: float


def evaluate(
    scheme: Scheme, data: Data, z: ArrayLike, order: int = QUADRATURE_ORDER, loss: str = "quadratic"
) -> Evaluation:
    """The Evaluation of particles z (N, p) trained by a scheme on a data law, by a quadrature of this order."""
    x, y, weights = data.evaluation(order)
    orbit = scheme.judges[0]
    averaged_target = orbit.average(data.target, x) if data.has_target else np.full_like(y, np.nan)
    model, values = scheme.read(x, z), get_loss(loss).values
    table = orbit.table(lambda points: scheme.read(points, z), x)
    averaged = np.einsum("k,kqc->qc", orbit.weights, table)
    tables = [table, *(other.table(lambda points: scheme.read(points, z), x) for other in scheme.judges[1:])]
    defects = [_defect(weights, other, one, model) for other, one in zip(scheme.judges, tables, strict=True)]
    classes = data.classes is not None
    return Evaluation(
        risk=float(weights @ values(model, y)),
        risk_bare=float(weights @ values(scheme.unit.predict(x, z), y)),
        l2_symmetrisation=_mean_square(weights, model - averaged) ** 0.5,
        l2_target=_mean_square(weights, model - y) ** 0.5 if data.has_target else float("nan"),
        l2_symmetrised_target=_mean_square(weights, model - averaged_target) ** 0.5,
        equivariance_error=float(np.mean(np.square(defects))) ** 0.5,
        equivariance_error_group=max(defects) - min(defects),
        accuracy=accuracy(model, y, weights) if classes else float("nan"),
        accuracy_moved=_accuracy_moved(orbit, table, y, weights) if classes else float("nan"),
    )


def risks(
    scheme: Scheme, data: Data, z: ArrayLike, order: int = QUADRATURE_ORDER, loss: str = "quadratic"
) -> tuple[float, float]:
    """Population risk of the scheme's model and of the bare prediction Phi (without tau r and entropy)."""
    x, y, weights = data.evaluation(order)
    values = get_loss(loss).values
    model, bare = (float(weights @ values(read(x, z), y)) for read in (scheme.read, scheme.unit.predict))
    return model, bare


def accuracy(prediction: ArrayLike, y: ArrayLike, weights: ArrayLike) -> float:
    """Share of the weights (Q,) where prediction (Q, c) names the class of y (Q, c): largest entry, or sign if c = 1.

    >>> accuracy([[0.1, 0.7], [0.9, 0.2]], [[0.0, 1.0], [0.0, 1.0]], [0.5, 0.5])
    0.5
    """
    named, true = _classes(as_floats(prediction, "prediction")), _classes(as_floats(y, "y"))
    return float(as_floats(weights, "weights")[named == true].sum())


def _classes(values: Floats) -> NDArray[np.intp]:
    if values.shape[1] == 1:
        return (values[:, 0] > 0.0).astype(np.intp)
    return np.argmax(values, axis=1)


def _accuracy_moved(orbit: Orbit, table: Floats, y: Floats, weights: Floats) -> float:
    """Accuracy on rho_k x with the classes of rho_hat_k y, averaged over nodes k other than the identity.

    table : (K, Q, c), rho_hat_k^T model(rho_k x).
    """
    still = np.abs(orbit.nodes_x - np.eye(orbit.nodes_x.shape[1])).max(axis=(1, 2)) < _IDENTITY
    nodes = np.flatnonzero(~still) if not still.all() else np.arange(len(still))
    turned = [(table[k] @ orbit.nodes_y[k].T, y @ orbit.nodes_y[k].T) for k in nodes]
    shares = [accuracy(prediction, labels, weights) for prediction, labels in turned]
    return float(np.average(shares, weights=orbit.weights[nodes]))


def _defect(weights: Floats, orbit: Orbit, table: Floats, model: Floats) -> float:
    """The equivariance error over one orbit, from table (K, Q, c) and model (Q, c)."""
    spread = np.einsum("k,kq->q", orbit.weights, ((table - model) ** 2).sum(axis=2))
    return float(weights @ spread) ** 0.5


def _mean_square(weights: Floats, residual: Floats) -> float:
    return float(weights @ np.sum(residual**2, axis=1))
