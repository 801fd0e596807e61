"""Effects of rounding on a run: the rounding floor, and drift out of E^G.

If E^G is unstable, rounding errors grow exponentially until a run that should stay in E^G leaves it. Squares are
compared, in units of |z|^2: the squared distance to E^G with E|z|^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.ensembles import INIT_SCALE
from mfsym.representations import Subspace

DRIFT_LIMIT = 1e-6
"""Share of E|z|^2 off E^G above which a run counts as drifted: the relative error of risks is then of this order."""

START_LIMIT = 1e-6
"""Relative distance to E^G up to which a start lies in it: allows for particles given in float32."""


def share_off_subspace(z: NDArray[np.floating], subspace: Subspace) -> float:
    """E|z - P z|^2 / E|z|^2 for particles z (N, p), with a denominator at least that of an initial law."""
    particles = np.asarray(z, dtype=np.float64)
    off = particles - particles @ subspace.projector
    return float(np.vdot(off, off)) / len(particles) / max(_second_moment(particles), _start_moment(subspace.ambient))


def has_drifted(z: NDArray[np.floating], subspace: Subspace) -> bool:
    """Whether particles (N, p) of a run that should stay in a subspace have left it. O(N p r)."""
    return share_off_subspace(z, subspace) > DRIFT_LIMIT


def starts_in(z: NDArray[np.floating], subspace: Subspace) -> bool:
    """Whether particles (N, p) lie in a subspace to rounding."""
    return share_off_subspace(z, subspace) <= START_LIMIT**2


def rounding_floor(z: NDArray[np.floating], steps: int, dtype: Any = None) -> float:
    """Second moment, in units of |z|^2, of the rounding error of particles z (N, p) after ``steps`` steps.

    Each step rounds each number to the nearest, an error of variance ulp^2 / 12, and the errors accumulate: (steps + 1)
    eps^2 / 12 times E|z|^2, or times that of an initial law if the particles are smaller. Growth of the error by an
    instability is not included.
    dtype : of the arithmetic, by default that of z.
    """
    eps = float(np.finfo(z.dtype if dtype is None else dtype).eps)
    size = max(_second_moment(np.asarray(z, dtype=np.float64)), _start_moment(z.shape[-1]))
    return (steps + 1) * eps**2 / 12.0 * size


def rmd2_floor(z: NDArray[np.floating], steps: int) -> float:
    """Squared RMD, at most 1/2, below which values are rounding noise: ``rounding_floor`` over 2 E|z|^2."""
    moment, floor = _second_moment(np.asarray(z, dtype=np.float64)), rounding_floor(z, steps)
    return 0.5 if moment <= floor else 0.5 * floor / moment


def _second_moment(z: NDArray[np.float64]) -> float:
    return float(np.vdot(z, z)) / len(z)


def _start_moment(p: int) -> float:
    """E|z|^2 of the weakly invariant initial law on R^p."""
    return p * INIT_SCALE**2
