"""Ensembles: N particles as an empirical law, and the initial laws of trainings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats, as_number, as_whole
from mfsym.configurations import names
from mfsym.errors import MfsymError
from mfsym.representations import Representation, Subspace
from mfsym.streams import normals, stream_key
from mfsym.typing import Floats
from mfsym.units import Unit

INITS = (*names.INITS, "wi-orbit")
"""Names of the start laws, see ``init_particles``."""

INSIDE = ("si", "zero")
"""Names of the start laws that lie in E^G; "zero", every particle at 0, is one of ``flows.starts``."""

INIT_SCALE = 0.25
"""Standard deviation of the entries of the initial law: N(0, 1/16), Maass Martínez & Fontbona 2024, appendix F."""


@dataclass(frozen=True)
class Ensemble:
    """The empirical law sum_i w_i delta_{z_i} of N particles in R^p.

    z : (N, p), float64.  weights : (N,) positive, summing to 1; None for equal weights.
    """

    z: Floats
    weights: Floats | None = None

    def __post_init__(self) -> None:
        z = as_floats(self.z, "particles")
        if z.ndim != 2 or z.shape[0] < 1:
            raise MfsymError(f"particles must be an array (N, p) with N >= 1, got shape {z.shape}")
        object.__setattr__(self, "z", z)
        if self.weights is not None:
            weights = as_floats(self.weights, "weights")
            if weights.shape != z.shape[:1]:
                raise MfsymError(f"weights must have shape ({z.shape[0]},), got {weights.shape}")
            object.__setattr__(self, "weights", weights)

    @property
    def n(self) -> int:
        """Number of particles N."""
        return int(self.z.shape[0])

    @property
    def p(self) -> int:
        """Number of parameters of one particle."""
        return int(self.z.shape[1])

    def push(self, matrix: ArrayLike) -> Ensemble:
        """The pushforward M # mu, the law of M z, for a matrix M (q, p)."""
        return Ensemble(self.z @ as_floats(matrix, "matrix").T, self.weights)

    def orbit(self, action: Representation, order: int | None = None) -> Ensemble:
        """The symmetrised law mu^G = integral of M_g # mu dHaar(g): K N atoms, ordered by the nodes of the quadrature.

        Exact for a finite group (K is its order); otherwise by the quadrature of the given ``order`` (see
        ``Group.quadrature``).
        """
        rule = action.group.quadrature(order)
        atoms = np.einsum("kpq,nq->knp", action(rule.elements), self.z).reshape(-1, self.p)
        if rule.exact and self.weights is None:
            return Ensemble(atoms)
        return Ensemble(atoms, np.outer(rule.weights, self._mass).ravel())

    def project(self, subspace: Subspace) -> Ensemble:
        """The projected law P # mu, supported on the subspace."""
        return Ensemble(subspace.project(self.z), self.weights)

    def second_moment(self) -> float:
        """E|z|^2."""
        return float(self._mass @ np.einsum("np,np->n", self.z, self.z))

    @property
    def _mass(self) -> Floats:
        return np.full(self.n, 1.0 / self.n) if self.weights is None else self.weights


def symmetrised(z: ArrayLike, action: Representation, order: int | None = None) -> Ensemble:
    """The symmetrised law of the empirical law of particles z (N, p): see ``Ensemble.orbit``."""
    return Ensemble(as_floats(z, "particles")).orbit(action, order)


def gaussian(key: NDArray[np.uint32], n: int, p: int, scale: float = INIT_SCALE) -> Floats:
    """n independent particles (n, p) from N(0, scale^2 I): a pure function of the key; smaller n give a prefix."""
    n, p = as_whole(n, "n", 0), as_whole(p, "p", 0)
    return as_number(scale, "scale", least=0.0) * normals(key, 0, n, p)


def init_particles(unit: Unit, init: str, n: int, seed: int, replicate: int = 0) -> Floats:
    """Initial particles (n, p) of one replicate, from its stream "init".

    "wi" : iid N(0, I / 16), a weakly invariant law.  "si" : the same draws projected on E^G.
    "wi-orbit" : n / K Gaussian particles and their images under all K elements of a finite group:
    the empirical law is itself weakly invariant; n must be a multiple of K.
    """
    as_choice(init, "init", INITS)
    n = as_whole(n, "n", 1)
    key = stream_key(seed, "init", replicate)
    if init == "wi-orbit":
        order = unit.action.group.order
        if order is None or n % order:
            size = "an infinite group" if order is None else f"order {order}"
            raise MfsymError(f"wi-orbit needs n to be a multiple of the order of a finite group, got n = {n}, {size}")
        return Ensemble(gaussian(key, n // order, unit.p)).orbit(unit.action).z
    z = gaussian(key, n, unit.p)
    return unit.fixed_subspace.project(z) if init == "si" else z
