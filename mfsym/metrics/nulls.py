"""Null levels: the distance to the weakly invariant laws that sampling alone gives.

N independent particles of a law that is exactly invariant still lie at a distance from their symmetrised law. Moving
each particle by its own Haar element, z_i -> M_{g_i} z_i, changes nothing in distribution under that hypothesis, so
that the distances of moved clouds are a sample of what the observed one is drawn from: an exact randomisation test
(Lehmann & Romano 2005, Testing Statistical Hypotheses, section 15.2), whatever the law of the orbits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError
from mfsym.metrics.laws import rmd2_symmetrised
from mfsym.representations import Representation
from mfsym.streams import stream_key
from mfsym.transport import second_moment, w2
from mfsym.transport.atoms import as_atoms

Floats = NDArray[np.float64]

DRAWS = 200
"""Moved clouds behind a null level."""

BAND = 0.95
"""Probability of the band under the null, the rest half below and half above."""

LEVEL = 0.05
"""p-values at most this speak of asymmetry beyond sampling."""

TIED = 1e-12
"""RMD^2 that differ by less than this are equal: rounding, as where every particle is fixed by the group."""

NULL_MEASURES = ("null_symmetrised", "null_symmetrised_lower", "null_symmetrised_upper", "p_value_symmetrised")
"""What a training says of the null level of its rmd2_symmetrised: level, band, p-value."""

_AT_ONCE = 256

NULL_LAWS = ("symmetrised", "wi")
"""Laws whose distance has a null level. That to the SI laws does not change when particles are moved."""


@dataclass(frozen=True)
class NullLevel:
    """An observed squared RMD among those of clouds whose particles were moved by independent Haar elements.

    statistic : in words, what is compared.  observed : its value.  values : (draws,), the same of the moved clouds.
    """

    statistic: str
    observed: float
    values: Floats

    @property
    def level(self) -> float:
        """Median of the moved clouds: the distance that sampling alone gives."""
        return float(np.median(self.values))

    @property
    def lower(self) -> float:
        """Lower end of the band that clouds of an invariant law fall into with probability BAND (draws >= 39)."""
        return float(np.sort(self.values)[self._outside - 1])

    @property
    def upper(self) -> float:
        """Upper end of that band."""
        return float(np.sort(self.values)[-self._outside])

    @property
    def _outside(self) -> int:
        """k, with (1 + draws) P(below the k-th smallest) = (1 + draws) P(above the k-th largest) = k."""
        return max(1, int(np.floor((1.0 - BAND) / 2.0 * (1 + len(self.values)) + TIED)))

    @property
    def p_value(self) -> float:
        """(1 + number of moved clouds at least as far) / (1 + draws), ties counted as at least as far.

        P(p <= a) <= a for every a if the particles are independent draws of a weakly invariant law.
        """
        return float((1 + np.count_nonzero(self.values >= self.observed - TIED)) / (1 + len(self.values)))

    @property
    def within_sampling(self) -> bool:
        """Whether sampling alone may explain the distance: p > LEVEL."""
        return self.p_value > LEVEL

    def record(self) -> dict[str, float | int | str | bool]:
        """What ``mfsym distance --null`` adds to its JSON."""
        return {
            "null_statistic": self.statistic,
            "null_observed": self.observed,
            "null_level": self.level,
            "null_lower": self.lower,
            "null_upper": self.upper,
            "null_p_value": self.p_value,
            "null_draws": len(self.values),
            "null_within_sampling": self.within_sampling,
            "null_reading": str(self),
        }

    def __str__(self) -> str:
        verdict = "within sampling" if self.within_sampling else "asymmetric beyond sampling"
        return (
            f"{verdict}: {self.statistic} {self.observed:.4g}, null level {self.level:.4g} "
            f"[{self.lower:.4g}, {self.upper:.4g}], p = {self.p_value:.3g} ({len(self.values)} draws)"
        )


def null_level(
    z: ArrayLike,
    action: Representation,
    to: str = "symmetrised",
    *,
    draws: int = DRAWS,
    seed: int = 0,
    replicate: int = 0,
) -> NullLevel:
    """The null level of the distance of particles z (N, p) to a weakly invariant law, and its p-value.

    action : M, of a finite or infinite group.  to : "symmetrised", RMD^2 to the symmetrised law; or "wi", RMD^2 of the
    lower bound (1 / 2K) sum_g W2^2(mu, M_g # mu) on the squared distance to the WI laws, which is that distance itself
    for K = 2 elements; for infinite groups again the symmetrised law.  draws : moved clouds, one distance each.
    seed, replicate : name the stream of the Haar elements.

    >>> from mfsym.groups import cyclic
    >>> null_level([[1.0, 0.0], [0.0, 1.0]], cyclic(2).permutation(), draws=19).p_value
    1.0
    """
    statistic, measure = _statistic(to, action)
    particles, count = as_atoms(z), as_whole(draws, "draws", 1)
    if particles.shape[1] != action.dim:
        raise MfsymError(f"particles must have the {action.dim} parameters of the action, got {particles.shape[1]}")
    key = stream_key(seed, "null", replicate)
    values = np.array([measure(moved(particles, action, key, draw), action) for draw in range(count)])
    return NullLevel(statistic, measure(particles, action), values)


def null_measures(
    z: ArrayLike, action: Representation, *, draws: int, seed: int = 0, replicate: int = 0
) -> dict[str, float]:
    """The null level of rmd2_symmetrised by the names of the data dictionary."""
    found = null_level(z, action, draws=draws, seed=seed, replicate=replicate)
    return dict(zip(NULL_MEASURES, (found.level, found.lower, found.upper, found.p_value), strict=True))


def moved(z: Floats, action: Representation, key: NDArray[np.uint32], draw: int) -> Floats:
    """Particles (N, p), each moved by a Haar element of its own: a function of the key and the number of the draw."""
    elements = action.group.haar(key, draw, len(z))
    result = np.empty_like(z)
    if action.group.order is None:
        for k in range(0, len(z), _AT_ONCE):
            part = slice(k, k + _AT_ONCE)
            result[part] = np.einsum("npq,nq->np", action(elements[part]), z[part])
        return result
    for element in np.unique(elements):
        chosen = elements == element
        result[chosen] = z[chosen] @ action(element).T
    return result


def _statistic(to: str, action: Representation) -> tuple[str, Callable[[Floats, Representation], float]]:
    if to not in NULL_LAWS:
        why = "; the distance to the SI laws does not change when particles are moved" if to == "si" else ""
        raise MfsymError(f"a null level needs to = {' or '.join(NULL_LAWS)}, got {to!r}{why}")
    order = action.group.order
    if to == "symmetrised" or order is None:
        return "rmd2 to the symmetrised law", rmd2_symmetrised
    return "rmd2 to the WI laws" if order <= 2 else "rmd2 of the lower bound to the WI laws", _to_wi


def _to_wi(z: Floats, action: Representation) -> float:
    """RMD^2 of (1 / 2K) sum_g W2^2(mu, M_g # mu); g and its inverse have equal terms, so one of the two is solved."""
    group, total = action.group, 0.0
    elements = action.quadrature.elements
    for element, inverse in zip(elements, group.inverse(elements), strict=True):
        matrix = action(element)
        if element > inverse or np.array_equal(matrix, np.eye(action.dim)):
            continue
        total += (1.0 if element == inverse else 2.0) * w2(z, z @ matrix.T).w2_squared
    square = total / (2.0 * len(elements))
    moments = 4.0 * second_moment(z) - 2.0 * square
    return square / moments if moments > 0.0 else 0.0
