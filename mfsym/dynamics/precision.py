"""What rounding does to a run: its floor, and whether a run has left E^G by it.

Where E^G is unstable, the rounding of a run that ought to stay in it grows exponentially, until the run is somewhere
else. Squares are compared, in units of |z|^2: those of the distance to E^G with E|z|^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.ensembles import INIT_SCALE
from mfsym.representations import Subspace

LEFT = 1e-6
"""Share of E|z|^2 off E^G from which a run has left it: risks are then wrong by about as much."""

STARTS = 1e-6
"""Relative distance to E^G up to which a start lies in it: the rounding of particles handed over in float32."""


def share_off(z: NDArray[np.floating], subspace: Subspace) -> float:
    """E|z - P z|^2 over E|z|^2 for particles z (N, p), the latter no smaller than that of a start law."""
    particles = np.asarray(z, dtype=np.float64)
    off = particles - particles @ subspace.projector
    return float(np.vdot(off, off)) / len(particles) / max(_second_moment(particles), _start_moment(subspace.ambient))


def has_left(z: NDArray[np.floating], subspace: Subspace) -> bool:
    """Whether particles (N, p) of a run that ought to stay in a subspace have left it. Costs O(N p r)."""
    return share_off(z, subspace) > LEFT


def starts_in(z: NDArray[np.floating], subspace: Subspace) -> bool:
    """Whether particles (N, p) lie in a subspace to rounding."""
    return share_off(z, subspace) <= STARTS**2


def rounding_floor(z: NDArray[np.floating], steps: int, dtype: Any = None) -> float:
    """Second moment, in units of |z|^2, that rounding alone gives particles z (N, p) after so many steps.

    Each step rounds each number to the nearest, an error of variance ulp^2 / 12, and the errors of the steps add up:
    (steps + 1) eps^2 / 12 times E|z|^2, or that of a start law where the particles are smaller. What an instability
    makes of it is not in it.  dtype : of the arithmetic, that of z by default.
    """
    eps = float(np.finfo(z.dtype if dtype is None else dtype).eps)
    size = max(_second_moment(np.asarray(z, dtype=np.float64)), _start_moment(z.shape[-1]))
    return (steps + 1) * eps**2 / 12.0 * size


def rmd2_floor(z: NDArray[np.floating], steps: int) -> float:
    """Squared RMD, at most 1/2, below which rounding decides: ``rounding_floor`` over 2 E|z|^2."""
    moment, floor = _second_moment(np.asarray(z, dtype=np.float64)), rounding_floor(z, steps)
    return 0.5 if moment <= floor else 0.5 * floor / moment


def _second_moment(z: NDArray[np.float64]) -> float:
    return float(np.vdot(z, z)) / len(z)


def _start_moment(p: int) -> float:
    """E|z|^2 of the weakly invariant start law on R^p."""
    return p * INIT_SCALE**2
