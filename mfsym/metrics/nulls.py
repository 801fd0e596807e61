"""Null levels: the distance to the weakly invariant laws that is due to sampling alone.

The empirical law of N independent particles drawn from an invariant law still has a positive distance from its
symmetrisation. Under this null hypothesis, transforming each particle by an independent Haar element, z_i -> M_{g_i}
z_i, does not change the distribution of the cloud. The distances of transformed clouds are thus a sample from the null
distribution of the observed distance: an exact randomisation test (Lehmann & Romano 2005, Testing Statistical
Hypotheses, section 15.2), for any law of the orbits.
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
from mfsym.typing import Floats

DRAWS = 200
"""Number of transformed clouds for a null level."""

BAND = 0.95
"""Probability of the band under the null hypothesis; the rest is split equally between the two sides."""

LEVEL = 0.05
"""p-values up to this level indicate asymmetry beyond sampling."""

TIED = 1e-12
"""Values of RMD^2 that differ by less than this are ties, as when the group fixes all particles up to rounding."""

NULL_MEASURES = ("null_symmetrised", "null_symmetrised_lower", "null_symmetrised_upper", "p_value_symmetrised")
"""Variables for the null level of rmd2_symmetrised: level, band, p-value."""

_AT_ONCE = 256

NULL_LAWS = ("symmetrised", "wi")
"""Target laws that have a null level. The distance to the SI laws is unchanged when particles are transformed."""


@dataclass(frozen=True)
class NullLevel:
    """An observed squared RMD, and those of clouds whose particles were transformed by independent Haar elements.

    statistic : its name, in words.
    observed : its value.
    values : (draws,), its values on the transformed clouds.
    """

    statistic: str
    observed: float
    values: Floats

    @property
    def level(self) -> float:
        """Median over the transformed clouds: the distance due to sampling alone."""
        return float(np.median(self.values))

    @property
    def lower(self) -> float:
        """Lower end of the band that contains clouds from an invariant law with probability BAND (draws >= 39)."""
        return float(np.sort(self.values)[self._outside - 1])

    @property
    def upper(self) -> float:
        """Upper end of the band."""
        return float(np.sort(self.values)[-self._outside])

    @property
    def _outside(self) -> int:
        """k, with (1 + draws) P(below the k-th smallest) = (1 + draws) P(above the k-th largest) = k."""
        return max(1, int(np.floor((1.0 - BAND) / 2.0 * (1 + len(self.values)) + TIED)))

    @property
    def p_value(self) -> float:
        """(1 + number of transformed clouds at least as far) / (1 + draws); ties count as at least as far.

        P(p <= a) <= a for every a if the particles are independent draws of a weakly invariant law.
        """
        return float((1 + np.count_nonzero(self.values >= self.observed - TIED)) / (1 + len(self.values)))

    @property
    def within_sampling(self) -> bool:
        """Whether sampling alone can explain the distance: p > LEVEL."""
        return self.p_value > LEVEL

    def record(self) -> dict[str, float | int | str | bool]:
        """The fields that ``mfsym distance --null`` adds to its JSON."""
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
    """The null level of the distance from particles z (N, p) to a weakly invariant law, and its p-value.

    action : M, of a finite or infinite group.  to : "symmetrised", RMD^2 to the symmetrised law; or "wi", RMD^2 of the
    lower bound (1 / 2K) sum_g W2^2(mu, M_g # mu) on the squared distance to the WI laws, which equals that distance for
    K = 2 elements; for infinite groups "wi" also uses the symmetrised law.
    draws : number of transformed clouds, one distance each.
    seed, replicate : identify the stream of the Haar elements.

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
    """The null level of rmd2_symmetrised, under the variable names of NULL_MEASURES."""
    found = null_level(z, action, draws=draws, seed=seed, replicate=replicate)
    return dict(zip(NULL_MEASURES, (found.level, found.lower, found.upper, found.p_value), strict=True))


def moved(z: Floats, action: Representation, key: NDArray[np.uint32], draw: int) -> Floats:
    """Particles (N, p), each transformed by an independent Haar element: a function of the key and the draw index."""
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
        why = "; the distance to the SI laws is unchanged when particles are transformed" if to == "si" else ""
        raise MfsymError(f"a null level needs to = {' or '.join(NULL_LAWS)}, got {to!r}{why}")
    order = action.group.order
    if to == "symmetrised" or order is None:
        return "rmd2 to the symmetrised law", rmd2_symmetrised
    return "rmd2 to the WI laws" if order <= 2 else "rmd2 of the lower bound to the WI laws", _to_wi


def _to_wi(z: Floats, action: Representation) -> float:
    """RMD^2 of (1 / 2K) sum_g W2^2(mu, M_g # mu). The terms of g and g^-1 are equal, so only one is solved."""
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
