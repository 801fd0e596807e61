"""Kinds of noise: what xi is in theta <- theta - ... + sqrt(2 alpha s(t) beta / N) xi.

``isotropic`` noise is standard normal on R^p; ``fixed`` noise is its projection P xi on E^G, in which the equivariant
architecture lives (Maass Martinez & Fontbona 2024, section 2.2). The other kinds are modulo the group, which acts on
particles by the unit's action M: see ``mfsym.dynamics.orbits``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice
from mfsym.configurations import names
from mfsym.configurations.names import AUTO, bound
from mfsym.errors import MfsymError
from mfsym.representations import Subspace

Floats = NDArray[np.float64]

FRAME_LIMIT = 16
"""Up to this many parameters, noise is drawn in a frame adapted to E^G: fixed noise then draws dim E^G normals."""


@dataclass(frozen=True)
class Noise:
    """A kind of noise: xi = W eta with W (p, m) and eta standard normal, and what the orbits of the group make of it.

    said : what results say of it.  keeps_fixed : whether it leaves particles in E^G where they are in it.
    matrix : W from E^G. The same eta gives the noise of every kind, so that P xi is exactly the fixed noise.
    horizontal : whether xi is projected off the orbit of its particle.  aligned : whether a step ends where the new
    orbit is nearest to where it began.  curvature : c, adds c beta grad log vol to the drift.
    """

    said: str
    keeps_fixed: bool
    matrix: Callable[[Subspace], Floats]
    horizontal: bool = False
    aligned: bool = False
    curvature: float = 0.0


def _isotropic(subspace: Subspace) -> Floats:
    p = subspace.ambient
    return np.eye(p) if p > FRAME_LIMIT else subspace.frame


def _fixed(subspace: Subspace) -> Floats:
    return subspace.projector if subspace.ambient > FRAME_LIMIT else subspace.basis


NOISES: Mapping[str, Noise] = bound(
    names.NOISES,
    {
        "isotropic": Noise("isotropic", False, _isotropic),
        "fixed": Noise("projected", True, _fixed),
        "horizontal": Noise("horizontal", False, _isotropic, horizontal=True),
        "quotient": Noise("quotient", False, _isotropic, aligned=True),
        "drift-form": Noise("drift-form", False, _isotropic, horizontal=True, curvature=1.0),
    },
)
"""Kinds of noise by name."""


def noise_name(noise: str, projected_noise: bool | None = None) -> str:
    """A name in NOISES, or "auto": "fixed" from starts that lie in E^G, "isotropic" from others.

    projected_noise : the older way to say it, True for "fixed" and False for "isotropic"; None for neither.
    Raises MfsymError for an unknown name, and where both are given.
    """
    name = as_choice(noise, "noise", (AUTO, *NOISES))
    if projected_noise is None:
        return name
    if name != AUTO:
        raise MfsymError(f"projected_noise must be left out beside noise = {name!r}, got {projected_noise}")
    return "fixed" if projected_noise else "isotropic"
