"""Distances of clouds from each other and from the symmetric laws: what ``mfsym distance`` prints."""

from __future__ import annotations

import time as clock

from numpy.typing import ArrayLike

from mfsym.data.teachers import reference_unit
from mfsym.errors import MfsymError
from mfsym.metrics import distance2_to_si, distance_wi, w2_symmetrised
from mfsym.metrics.nulls import null_level
from mfsym.metrics.orbit_laws import symmetrised_w2
from mfsym.representations import Representation
from mfsym.transport import W2Result, rmd2_from, second_moment, w2
from mfsym.transport.atoms import as_atoms
from mfsym.transport.loading import load_auction, load_simplex
from mfsym.transport.results import FloatArray
from mfsym.units import Unit


def distance_between(a: ArrayLike, b: ArrayLike, weights_b: ArrayLike | None = None) -> dict[str, float | str]:
    """W2^2, RMD^2 and the certificate between two clouds (N, p), (M, p): what ``mfsym distance A B`` prints."""
    return _record(w2(a, b, weights_b=weights_b), a, b)


def _record(result: W2Result, a: ArrayLike, b: ArrayLike) -> dict[str, float | str]:
    """The printed fields of a result between clouds a and b."""
    return {
        "w2_squared": result.w2_squared,
        "rmd2": rmd2_from(result.w2_squared, a, b),
        "lower_bound": result.lower_bound,
        "relative_gap": result.relative_gap,
        "method": result.method,
        "seconds": result.seconds,
    }


def distance_to(
    z: ArrayLike, laws: str, unit: str | Unit = "matrix", *, null: int = 0, seed: int = 0
) -> dict[str, float | str]:
    """Distance of a cloud (N, p) to the "si" or "wi" laws, or to its "symmetrised" law, for the group of a unit.

    unit : a Unit, or the name of a reference unit.  null, seed : draws and seed of ``null_level``; 0 draws omit it.
    The nearest SI and WI laws are barycentres, whose second moment is E|z|^2 - d^2; that gives their RMD^2.
    If only bounds on the distance to the WI laws are known, ``w2_squared`` and ``rmd2`` are upper bounds, and
    ``lower_bound`` bounds the squared distance from below. The distance to the symmetrised law of an infinite group is
    an estimate, with its ``error``.
    """
    particles = as_atoms(z)
    reference = reference_unit(unit) if isinstance(unit, str) else unit
    if particles.shape[1] != reference.p:
        raise MfsymError(
            f"the {reference.name} unit has {reference.p} parameters per particle, the cloud {particles.shape[1]}"
        )
    if null:
        level = null_level(particles, reference.action, laws, draws=null, seed=seed)
        return distance_to(particles, laws, reference) | level.record()
    if laws == "symmetrised" and reference.action.group.order is None:
        return _to_symmetrised(particles, reference.action)
    if laws == "symmetrised":
        result, images = w2_symmetrised(particles, reference.action)
        return _record(result, particles, images)
    if laws == "wi":
        load_auction()
        if reference.action.group.order != 2:
            load_simplex()
    started = clock.perf_counter()
    if laws == "si":
        lower = upper = distance2_to_si(particles, reference.fixed_subspace)
        method = "closed form"
    else:
        interval = distance_wi(particles, reference.action)
        lower, upper = interval.lower**2, interval.upper**2
        order = reference.action.group.order
        method = "midpoint" if order is not None and order <= 2 else "bounds"
    moments = 4.0 * second_moment(particles) - 2.0 * upper
    return {
        "w2_squared": upper,
        "rmd2": upper / moments if moments > 0 else 0.0,
        "lower_bound": lower,
        "relative_gap": (upper - lower) / upper if upper > 0 else 0.0,
        "method": method,
        "seconds": clock.perf_counter() - started,
    }


def _to_symmetrised(z: FloatArray, action: Representation) -> dict[str, float | str]:
    """As ``distance_to``, for the symmetrised law of an infinite group: an estimate, its error, a certified bound.

    That law is invariant, so that no lower bound on the distance to the invariant laws exceeds the one to it.
    """
    load_auction()
    started = clock.perf_counter()
    found, lower = symmetrised_w2(z, action), distance_wi(z, action).lower ** 2
    return {
        "w2_squared": found.value,
        "rmd2": rmd2_from(found.value, z, z),
        "lower_bound": lower,
        "relative_gap": (found.value - lower) / found.value if found.value > lower else 0.0,
        "method": "cells",
        "error": found.error,
        "seconds": clock.perf_counter() - started,
    }
