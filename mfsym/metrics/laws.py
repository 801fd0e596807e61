"""Distances from a law on parameters to the strongly and to the weakly invariant laws.

Maass Martínez & Fontbona 2024, sections 2.3 and 4 (RMD to the projected and to the symmetrised law).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats
from mfsym.ensembles import symmetrised
from mfsym.metrics.orbit_laws import Estimated, symmetrised_w2, wi_bounds
from mfsym.representations import Representation, Subspace
from mfsym.transport import W2Result, distance_to_wi, rmd2_from, w2
from mfsym.transport.images import check_images
from mfsym.typing import Floats


class Interval(NamedTuple):
    """A certified interval [lower, upper]; the ends are equal if the value is known exactly."""

    lower: float
    upper: float


def distance2_to_si(z: ArrayLike, subspace: Subspace) -> float:
    """Squared W2 distance from an empirical law to the strongly invariant laws, (1/N) sum_i |z_i - P z_i|^2.

    z : (N, p) particles.  subspace : E^G.  In units of |z|^2; 0 iff the law is strongly invariant.

    >>> round(distance2_to_si([[1.0, 0.0]], Subspace([[1.0], [1.0]])), 12)
    0.5
    """
    particles = as_floats(z, "particles")
    return float(np.mean(np.sum((particles - subspace.project(particles)) ** 2, axis=1)))


def rmd2_si(z: ArrayLike, subspace: Subspace, zero: float = 0.0) -> float:
    """RMD^2 between the law of z (N, p) and its projection on E^G, in [0, 1]; no transport solve is needed.

    zero : second moment below which a cloud is zero up to rounding and its RMD^2 is 0; see
    ``precision.rounding_floor``.
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
    """Squared W2 between the law of z (N, p) and its symmetrised law under a finite group, and the latter's atoms.

    TransportFailed if float64 rounding of the images of distant atoms may change the value by more than a relative
    1e-6.
    """
    particles = as_floats(z, "particles")
    other = symmetrised(particles, action)
    result = w2(particles, other.z, weights_b=other.weights)
    return check_images(result, particles, other.z, action.matrices), other.z


def distance_wi(z: ArrayLike, action: Representation, rounds: int = 3) -> Interval:
    """W2 distance (not squared) from the law of z (N, p) to the weakly invariant laws.

    Exact for a group of two elements: half the distance to the image. Otherwise certified bounds: for finite groups
    from couplings with all images and from their free-support barycentre (``rounds`` fixed-point iterations, see
    ``transport.distance_to_wi``), for infinite ones from ``orbit_laws.wi_bounds``.
    """
    particles = as_floats(z, "particles")
    group = action.group
    if group.order is not None:
        found = distance_to_wi(particles, action.matrices, rounds=rounds)
        return Interval(found.upper if group.order <= 2 else found.lower, found.upper)
    return Interval(*wi_bounds(particles, action))
