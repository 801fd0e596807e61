"""Schemes: where the group enters training. Three hooks: lift the batch, project the particles, read the prediction.

Maass Martínez & Fontbona 2024, section 2.2: vanilla, data augmentation (exact orbit average, and one Haar draw per
sample), feature averaging, equivariant architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.errors import MfsymError
from mfsym.units import Unit

Floats = NDArray[np.float64]
Model = Callable[[Floats], Floats]

HAAR_STEPS = 1024
"""Steps whose Haar draws are made at once: draws belong to (step, sample), whatever the chunks of a run."""


@dataclass(frozen=True)
class LiftedBatches:
    """What the kernels see of S batches: they know no group.

    x : (S, B', K, d).  y : (S, B', c).  rho_y : (K, c, c).  node_weights : (K,), sample_weights : (B',), sums 1.
    The prediction is sum_k node_weights_k rho_y_k^T Phi(x_bk).
    """

    x: Floats
    y: Floats
    rho_y: Floats
    node_weights: Floats
    sample_weights: Floats


class Orbit:
    """The quadrature nodes of a group on inputs and outputs: averages over the orbit of an input.

    nodes_x : (K, d, d).  nodes_y : (K, c, c).  weights : (K,), sum 1.  order : of the rule, if the group is infinite.
    """

    def __init__(self, unit: Unit, order: int | None = None) -> None:
        rule = unit.rho_x.group.quadrature(order)
        self.nodes_x: Floats = unit.rho_x(rule.elements)
        self.nodes_y: Floats = unit.rho_y(rule.elements)
        self.weights: Floats = rule.weights

    def table(self, model: Model, x: ArrayLike) -> Floats:
        """(K, Q, c): rho_hat_k^T model(rho_k x) for every node k; constant in k iff the model is equivariant."""
        points = np.asarray(x, dtype=np.float64)
        pairs = zip(self.nodes_x, self.nodes_y, strict=True)
        return np.stack([model(points @ rho_x.T) @ rho_y for rho_x, rho_y in pairs])

    def average(self, model: Model, x: ArrayLike) -> Floats:
        """Q_G model at x (Q, d): (Q, c)."""
        return np.asarray(np.einsum("k,kqc->qc", self.weights, self.table(model, x)))


class Scheme:
    """Training as is (vanilla): the base of the others, every hook the identity.

    unit : the Unit, with its group.  order : of the Haar quadrature where the group is infinite.
    """

    name: ClassVar[str] = "vanilla"

    def __init__(self, unit: Unit, order: int | None = None) -> None:
        self.unit = unit
        self.order = order

    @cached_property
    def orbit(self) -> Orbit:
        """Quadrature nodes of the group."""
        return Orbit(self.unit, self.order)

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        """The batches x (S, B, d), y (S, B, c) of the steps from first_step on, as this scheme presents them."""
        return self._plain(x, y)

    @property
    def projector(self) -> Floats | None:
        """(p, p) projector of start, force and noise, or None."""
        return None

    def particles(self, z: ArrayLike) -> Floats:
        """The particles (N, p) of this scheme's model."""
        return np.asarray(z, dtype=np.float64)

    def read(self, x: ArrayLike, z: ArrayLike) -> Floats:
        """The scheme's own model at x (Q, d): (Q, c)."""
        return self.unit.predict(x, self.particles(z))

    def _plain(self, x: Floats, y: Floats, sample_weights: Floats | None = None) -> LiftedBatches:
        batch = x.shape[1]
        weights = np.full(batch, 1.0 / batch) if sample_weights is None else sample_weights
        return LiftedBatches(x[:, :, None, :], y, np.eye(y.shape[2])[None], np.ones(1), weights)


class DataAugmentation(Scheme):
    """Exact data augmentation: every sample is replaced by its whole orbit (quadrature nodes if infinite)."""

    name = "da"

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        steps, batch = x.shape[:2]
        xs = np.einsum("kij,sbj->sbki", self.orbit.nodes_x, x).reshape(steps, -1, x.shape[2])
        ys = np.einsum("kij,sbj->sbki", self.orbit.nodes_y, y).reshape(steps, -1, y.shape[2])
        return self._plain(xs, ys, np.tile(self.orbit.weights / batch, batch))


class SampledDataAugmentation(Scheme):
    """Data augmentation as practised: one Haar-random element per sample, drawn afresh."""

    name = "da-sampled"

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        steps, batch = x.shape[:2]
        group = self.unit.rho_x.group
        xs, ys = np.empty_like(x), np.empty_like(y)
        done = 0
        while done < steps:
            block, offset = divmod(first_step + done, HAAR_STEPS)
            taken = min(steps - done, HAAR_STEPS - offset)
            draws = group.haar(key, block, (offset + taken) * batch)[offset * batch :]
            part = slice(done, done + taken)
            xs[part] = np.einsum("nij,nj->ni", self.unit.rho_x(draws), x[part].reshape(-1, x.shape[2])).reshape(
                taken, batch, -1
            )
            ys[part] = np.einsum("nij,nj->ni", self.unit.rho_y(draws), y[part].reshape(-1, y.shape[2])).reshape(
                taken, batch, -1
            )
            done += taken
        return self._plain(xs, ys)


class FeatureAveraging(Scheme):
    """Feature averaging: the model is Q_G Phi(x) = integral of rho_hat_g^-1 Phi(rho_g x) dHaar(g)."""

    name = "fa"

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        orbit = np.einsum("kij,sbj->sbki", self.orbit.nodes_x, x)
        weights = np.full(x.shape[1], 1.0 / x.shape[1])
        return LiftedBatches(orbit, y, self.orbit.nodes_y, self.orbit.weights, weights)

    def read(self, x: ArrayLike, z: ArrayLike) -> Floats:
        return self.orbit.average(lambda points: self.unit.predict(points, z), x)


class EquivariantArchitecture(Scheme):
    """Equivariant architecture: particles live in E^G; start, force and noise are projected."""

    name = "ea"

    @property
    def projector(self) -> Floats | None:
        return self.unit.fixed_subspace.projector

    def particles(self, z: ArrayLike) -> Floats:
        return self.unit.fixed_subspace.project(z)


SCHEMES: Mapping[str, type[Scheme]] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (Scheme, DataAugmentation, SampledDataAugmentation, FeatureAveraging, EquivariantArchitecture)
    }
)
"""Schemes by name."""


def get_scheme(name: str, unit: Unit, order: int | None = None) -> Scheme:
    """The scheme of this name on this unit; MfsymError names the known ones."""
    if name not in SCHEMES:
        raise MfsymError(f"scheme must be one of {', '.join(SCHEMES)}, got {name!r}")
    return SCHEMES[name](unit, order)
