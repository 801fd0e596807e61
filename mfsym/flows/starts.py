"""Particle quadratures of the initial laws: quasi-Monte-Carlo Gaussian clouds with the symmetry of their law.

A cloud closed under G stays closed under G along the flow of an invariant functional, so its law is exactly weakly
invariant, not only on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfsym.arguments import as_choice, as_whole
from mfsym.ensembles import INIT_SCALE
from mfsym.flows.quadratures import sobol_normals
from mfsym.representations import Subspace
from mfsym.typing import Floats
from mfsym.units import Unit

START_LAWS = ("wi", "si", "zero")
"""N(0, I / 16); its projection on E^G; every particle at 0."""

ANGLES = 16
"""Order of the subgroup of a continuous group under which a weakly invariant cloud is closed, if there is one."""


@dataclass(frozen=True)
class StartCloud:
    """Particles z (N, p) of equal weight: ``base`` particles and their images.

    matrices : (K, p, p) with z[k base + i] = matrices[k] z[i], N = K base.
    """

    z: Floats
    matrices: Floats

    @property
    def base(self) -> int:
        """Number of particles of which the others are images."""
        return len(self.z) // len(self.matrices)


def start_cloud(unit: Unit, init: str, n: int, subspace: Subspace | None = None) -> StartCloud:
    """A quasi-Monte-Carlo cloud of about n particles of the initial law.

    "wi" : the Gaussian N(0, I / 16), closed under G; n is rounded up to a multiple of the number of images.
    "si" : its projection on E^G (or on ``subspace``), a Gaussian there.  "zero" : every particle at 0.
    """
    as_choice(init, "init", START_LAWS)
    n = as_whole(n, "n", 1)
    if init == "wi":
        matrices = _closure(unit, n)
        base = INIT_SCALE * sobol_normals(-(-n // len(matrices)), unit.p)
        return StartCloud(np.concatenate([base @ matrix.T for matrix in matrices]), matrices)
    inside = unit.fixed_subspace if subspace is None else subspace
    coordinates = np.zeros((n, inside.dimension))
    if init == "si":
        coordinates = INIT_SCALE * sobol_normals(n, inside.dimension)
    return StartCloud(coordinates @ inside.basis.T, np.eye(unit.p)[None])


def _closure(unit: Unit, n: int) -> Floats:
    """The matrices (K, p, p) of a finite subgroup, the identity first: the whole group if finite and not too large."""
    group = unit.action.group
    if group.order is None and group.dimension != 1:
        return np.eye(unit.p)[None]
    rule = group.quadrature(ANGLES - 1)
    if len(rule) > n or not np.allclose(rule.weights, rule.weights[0]):
        return np.eye(unit.p)[None]
    matrices = unit.action(rule.elements)
    first = int(np.argmin(np.abs(matrices - np.eye(unit.p)).sum(axis=(1, 2))))
    return np.concatenate([matrices[first : first + 1], matrices[:first], matrices[first + 1 :]])
