"""Schemes: where the group enters training. Three hooks: lift the batch, project the particles, read the prediction.

Maass Martínez & Fontbona 2024, section 2.2: vanilla, data augmentation (exact orbit average, and one Haar draw per
sample), feature averaging, equivariant architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats
from mfsym.configurations import names
from mfsym.configurations.names import bound
from mfsym.engines.contract import LiftedBatches
from mfsym.groups.base import Elements
from mfsym.groups.cells import judging_rule
from mfsym.kernels.images import image_of_each
from mfsym.representations import Representation
from mfsym.schemes.orbits import Orbit
from mfsym.units import Unit

Floats = NDArray[np.float64]

HAAR_DRAWS = 20480
"""About as many Haar draws are made at once: draws belong to (step, sample), whatever the chunks of a run."""

MATRIX_NUMBERS = 1 << 22
"""Numbers in the matrices of the Haar draws that are held at once (32 MiB)."""


ROUNDED = 1e-10
"""Entries of projectors that differ by less are equal: rounding."""


class Scheme:
    """No symmetry: plain noisy SGD ("vanilla"). The base of every scheme: each hook is the identity.

    unit : the Unit, with its group.  order : of the Haar quadrature where the group is infinite.
    A scheme is asked by property, never by its name: a subclass changes the hooks, and all dynamics, flows and measures
    follow.  needs_quadrature : whether training needs a quadrature of the group.
    """

    name: ClassVar[str] = "vanilla"
    needs_quadrature: ClassVar[bool] = False

    def __init__(self, unit: Unit, order: int | None = None) -> None:
        self.unit = unit
        self.order = order

    @cached_property
    def orbit(self) -> Orbit:
        """Quadrature nodes of the group, on the unit's inputs and outputs."""
        return Orbit(self.unit.rho_x, self.unit.rho_y, self.order)

    @cached_property
    def judges(self) -> tuple[Orbit, ...]:
        """Orbits to judge a model by: all of a finite group; of an infinite one two, with other and more nodes.

        A model that is averaged over the nodes of ``orbit`` is equivariant on them, and not between them.
        """
        group, (rho_x, rho_y) = self.unit.rho_x.group, (self.unit.rho_x, self.unit.rho_y)
        if group.order is not None:
            return (self.orbit,)
        return tuple(Orbit(rho_x, rho_y, rule=judging_rule(group, number)) for number in range(2))

    @property
    def readout(self) -> Orbit | None:
        """The orbit over which the scheme's model is averaged; None where it is the bare prediction."""
        return None

    @property
    def widths(self) -> tuple[int, int]:
        """Numbers in the x and in the y of one sample of the data: d and c, unless ``lift`` takes more than that."""
        return self.unit.d, self.unit.c

    @property
    def preserves_fixed(self) -> bool:
        """Whether particles in E^G stay there, up to rounding, as long as the noise does."""
        return self.projector is not None

    @property
    def population(self) -> Scheme:
        """The scheme without randomness of its own whose population risk this one minimises."""
        return self

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        """The batches x (S, B, d), y (S, B, c) of the steps from first_step on, as this scheme presents them."""
        return self._plain(x, y)

    @property
    def projector(self) -> Floats | None:
        """(p, p) projector of start, force and noise, or None."""
        return None

    def particles(self, z: ArrayLike) -> Floats:
        """The particles (N, p) of this scheme's model."""
        return as_floats(z, "particles")

    def read(self, x: ArrayLike, z: ArrayLike) -> Floats:
        """The scheme's own model at x (Q, d): (Q, c), averaged over ``readout`` where there is one."""
        inside = self.particles(z)
        if self.readout is None:
            return self.unit.predict(x, inside)
        return self.readout.average(lambda points: self.unit.predict(points, inside), x)

    def _plain(self, x: Floats, y: Floats, sample_weights: Floats | None = None) -> LiftedBatches:
        batch = x.shape[1]
        weights = np.full(batch, 1.0 / batch) if sample_weights is None else sample_weights
        return LiftedBatches(x[:, :, None, :], y, np.eye(y.shape[2])[None], np.ones(1), weights)


class DataAugmentation(Scheme):
    """Exact data augmentation: every sample is replaced by its whole orbit (quadrature nodes if infinite)."""

    name = "da"
    needs_quadrature = True

    @cached_property
    def preserves_fixed(self) -> bool:
        """Whether the quadrature averages to the projector on E^G: see ``averages_to_projector``."""
        return averages_to_projector(self.unit, self.order)

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

    @property
    def population(self) -> Scheme:
        return DataAugmentation(self.unit, self.order)

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        steps, batch = x.shape[:2]
        together = max(1, HAAR_DRAWS // batch)
        xs, ys = np.empty(x.shape), np.empty(y.shape)
        done = 0
        while done < steps:
            block, offset = divmod(first_step + done, together)
            taken = min(steps - done, together - offset)
            draws = self._block(tuple(key), block, together * batch)[offset * batch : (offset + taken) * batch]
            for rho, samples, moved in ((self.unit.rho_x, x, xs), (self.unit.rho_y, y, ys)):
                flat = np.ascontiguousarray(samples[done : done + taken]).reshape(-1, samples.shape[2])
                images, rows = moved[done : done + taken].reshape(flat.shape), _rows_at_once(rho)
                for first in range(0, len(flat), rows):
                    part = slice(first, first + rows)
                    image_of_each(rho(draws[part]), flat[part], images[part])
            done += taken
        return self._plain(xs, ys)

    def _drawn(self, key: tuple[np.uint32, ...], block: int, count: int) -> Elements:
        """The Haar draws of one block of steps."""
        return self.unit.rho_x.group.haar(np.array(key, dtype=np.uint32), block, count)


class FeatureAveraging(Scheme):
    """Feature averaging: the model is Q_G Phi(x) = integral of rho_hat_g^-1 Phi(rho_g x) dHaar(g)."""

    name = "fa"
    needs_quadrature = True

    @cached_property
    def preserves_fixed(self) -> bool:
        """Whether the quadrature averages to the projector on E^G: see ``averages_to_projector``."""
        return averages_to_projector(self.unit, self.order)

    @property
    def readout(self) -> Orbit | None:
        return self.orbit

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        orbit = self.orbit.images(self.orbit.nodes_x, x)
        weights = np.full(x.shape[1], 1.0 / x.shape[1])
        return LiftedBatches(orbit, y, self.orbit.nodes_y, self.orbit.weights, weights)


class EquivariantArchitecture(Scheme):
    """Equivariant architecture: particles live in E^G; start, force and noise are projected."""

    name = "ea"

    @property
    def projector(self) -> Floats | None:
        return self.unit.fixed_subspace.projector

    def particles(self, z: ArrayLike) -> Floats:
        return self.unit.fixed_subspace.project(as_floats(z, "particles"))


_CLASSES = (Scheme, DataAugmentation, SampledDataAugmentation, FeatureAveraging, EquivariantArchitecture)

SCHEMES: Mapping[str, type[Scheme]] = bound(names.SCHEMES, {scheme.name: scheme for scheme in _CLASSES})
"""Schemes by name."""


def averages_to_projector(unit: Unit, order: int | None = None) -> bool:
    """Whether the group's quadrature of this order averages the unit's action to the projector on E^G.

    On E^G the gradient at rho_k x is M_k times that at x, so that a gradient averaged over the nodes k stays in E^G if
    the mean of the M_k is that projector: for a finite group, and where the quadrature is fine enough.
    """
    rule = unit.action.group.quadrature(order)
    mean = np.einsum("k,kij->ij", rule.weights, unit.action(rule.elements))
    return bool(np.abs(mean - unit.fixed_subspace.projector).max() < ROUNDED)


def _rows_at_once(rho: Representation) -> int:
    """Samples that are moved at once by a matrix of their own each."""
    return max(1, MATRIX_NUMBERS // rho.dim**2)


def get_scheme(name: str, unit: Unit, order: int | None = None) -> Scheme:
    """The scheme of this name on this unit; MfsymError names the known ones."""
    return SCHEMES[as_choice(name, "scheme", SCHEMES)](unit, order)
