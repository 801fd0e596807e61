"""Schemes: where the group enters training. Three hooks: lift the batch, project the particles, read the prediction.

Maass Martínez & Fontbona 2024, section 2.2: vanilla, data augmentation (exact orbit average, and one Haar draw per
sample), feature averaging, equivariant architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice
from mfsym.groups.base import Elements
from mfsym.kernels.images import image_of_each, images_of
from mfsym.units import Unit

Floats = NDArray[np.float64]
Model = Callable[[Floats], Floats]

HAAR_DRAWS = 20480
"""About as many Haar draws are made at once: draws belong to (step, sample), whatever the chunks of a run."""

MATRIX_NUMBERS = 1 << 22
"""Numbers in the matrices of the Haar draws that are held at once (32 MiB)."""


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

    def images(self, nodes: Floats, x: Floats) -> Floats:
        """(S, B, K, q): the images of samples x (S, B, q) under matrices (K, q, q)."""
        images = np.empty((*x.shape[:2], *nodes.shape[:2]))
        images_of(nodes, np.ascontiguousarray(x).reshape(-1, x.shape[2]), images.reshape(-1, *nodes.shape[:2]))
        return images

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
        xs = self.orbit.images(self.orbit.nodes_x, x).reshape(steps, -1, x.shape[2])
        ys = self.orbit.images(self.orbit.nodes_y, y).reshape(steps, -1, y.shape[2])
        return self._plain(xs, ys, np.tile(self.orbit.weights / batch, batch))


class SampledDataAugmentation(Scheme):
    """Data augmentation as practised: one Haar-random element per sample, drawn afresh."""

    name = "da-sampled"

    def __init__(self, unit: Unit, order: int | None = None) -> None:
        super().__init__(unit, order)
        self._block = lru_cache(maxsize=1)(self._drawn)

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        steps, batch = x.shape[:2]
        together = max(1, HAAR_DRAWS // batch)
        xs, ys = np.empty(x.shape), np.empty(y.shape)
        done = 0
        while done < steps:
            block, offset = divmod(first_step + done, together)
            taken = min(steps - done, together - offset, max(1, MATRIX_NUMBERS // (batch * x.shape[2] ** 2)))
            draws = self._block(tuple(key), block, together * batch)[offset * batch : (offset + taken) * batch]
            for rho, samples, moved in ((self.unit.rho_x, x, xs), (self.unit.rho_y, y, ys)):
                flat = np.ascontiguousarray(samples[done : done + taken]).reshape(-1, samples.shape[2])
                image_of_each(rho(draws), flat, moved[done : done + taken].reshape(flat.shape))
            done += taken
        return self._plain(xs, ys)

    def _drawn(self, key: tuple[np.uint32, ...], block: int, count: int) -> Elements:
        """The Haar draws of one block of steps."""
        return self.unit.rho_x.group.haar(np.array(key, dtype=np.uint32), block, count)


class FeatureAveraging(Scheme):
    """Feature averaging: the model is Q_G Phi(x) = integral of rho_hat_g^-1 Phi(rho_g x) dHaar(g)."""

    name = "fa"

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        orbit = self.orbit.images(self.orbit.nodes_x, x)
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
    return SCHEMES[as_choice(name, "scheme", SCHEMES)](unit, order)
