"""Schemes: where the group enters training. Three hooks: lift the batch, project the particles, read the prediction.

Maass Martínez & Fontbona 2024, section 2.2: vanilla, data augmentation (exact orbit average, and one Haar draw per
sample), feature averaging, equivariant architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats
from mfsym.configurations import names
from mfsym.configurations.names import bound
from mfsym.engines.contract import LiftedBatches
from mfsym.errors import MfsymError
from mfsym.groups.base import Elements
from mfsym.groups.cells import judging_rule
from mfsym.kernels.images import image_of_each
from mfsym.representations import Representation
from mfsym.schemes.marks import Mark, marks_for
from mfsym.schemes.orbits import Orbit
from mfsym.streams import stream_key
from mfsym.units import Unit

Floats = NDArray[np.float64]

HAAR_DRAWS = 20480
"""Approximate number of Haar draws per block; each depends on (step, sample) only, not on the block."""

MATRIX_NUMBERS = 1 << 22
"""Largest number of entries in the matrices of Haar draws held at once (32 MiB)."""


ROUNDED = 1e-10
"""Entries of projectors that differ by less than this count as equal."""


PROPERTIES = ("readout", "projector", "nodes", "widths", "preserves_fixed", "population", "orbit", "judges")
"""Names of the properties of a Scheme; a method of this name in a subclass is refused."""


class Scheme:
    """No symmetry: plain noisy SGD. This is "vanilla" and the base class of all schemes: each hook is the identity.

    unit : the Unit, with its group.  order : of the Haar quadrature if the group is infinite.
    Other code reads the properties of a scheme and never tests its name. A subclass overrides the hooks, and all
    dynamics, flows and measures follow. It sets a unique ``name``, used in results, and may set the other attributes:
    needs_quadrature : whether training needs a quadrature of the group.  mark : plot style of the scheme; None leaves
    it to ``marks_for``.  projects : whether the class overrides ``projector``; detected, not set by hand.
    What is a property here must be a property, or a plain value, in a subclass: MfsymError where it is a method.
    """

    name: str = "vanilla"
    needs_quadrature: ClassVar[bool] = False
    projects: ClassVar[bool] = False
    mark: ClassVar[Mark | None] = Mark("vanilla", "#D55E00", "o")

    def __init__(self, unit: Unit, order: int | None = None) -> None:
        self.unit = unit
        self.order = order

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {self.unit!r}>"

    @cached_property
    def orbit(self) -> Orbit:
        """Quadrature nodes of the group, on the unit's inputs and outputs."""
        return Orbit(self.unit.rho_x, self.unit.rho_y, self.order)

    @cached_property
    def judges(self) -> tuple[Orbit, ...]:
        """Orbits to test equivariance on: a finite group as a whole; for an infinite one, two other, finer quadratures.

        A model averaged over the nodes of ``orbit`` is equivariant at these nodes, but not between them.
        """
        group, (rho_x, rho_y) = self.unit.rho_x.group, (self.unit.rho_x, self.unit.rho_y)
        if group.order is not None:
            return (self.orbit,)
        return tuple(Orbit(rho_x, rho_y, rule=judging_rule(group, number)) for number in range(2))

    def __init_subclass__(cls, **options: Any) -> None:
        """Detect whether the subclass projects, and do not inherit the mark of the parent."""
        super().__init_subclass__(**options)
        for name in PROPERTIES:
            if isinstance(cls.__dict__.get(name), FunctionType):
                raise MfsymError(f"{cls.__name__}.{name} must be a property, got a method; write @property above it")
        cls.mark = cls.__dict__.get("mark")
        cls.projects = cls.projector is not Scheme.projector

    @property
    def readout(self) -> Orbit | None:
        """The orbit over which the scheme's model is averaged; None if the model is the bare prediction."""
        return None

    @cached_property
    def nodes(self) -> int:
        """Forward passes per sample, found by lifting one sample: |G| or the number of nodes for da and fa."""
        one = self.lift(np.zeros((1, 1, self.unit.d)), np.zeros((1, 1, self.unit.c)), stream_key(0, "haar"), 0)
        return int(one.x.shape[1] * one.x.shape[2])

    @property
    def widths(self) -> tuple[int, int]:
        """Lengths of x and y of one sample of the data: d and c, unless ``lift`` expects more."""
        return self.unit.d, self.unit.c

    @property
    def preserves_fixed(self) -> bool:
        """Whether particles in E^G stay there, up to rounding, as long as the noise does."""
        return self.projector is not None

    @property
    def population(self) -> Scheme:
        """The deterministic scheme with the same population risk as this one."""
        return self

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        """The batches x (S, B, d), y (S, B, c) of the steps from first_step on, as this scheme presents them."""
        return self._plain(x, y)

    @property
    def projector(self) -> Floats | None:
        """(p, p) orthogonal projector onto E^G or a subspace of it, or None.

        With a projector the start (by ``particles``) and every force are projected, and the noise is noise in E^G.
        """
        return None

    def particles(self, z: ArrayLike) -> Floats:
        """The particles (N, p) of this scheme's model: z, projected if the scheme has a projector.

        Raises MfsymError if the projector has another shape than (p, p).
        """
        given, projector = as_floats(z, "particles"), self.projector
        if projector is None:
            return given
        matrix, p = as_floats(projector, "projector"), self.unit.p
        if matrix.shape != (p, p):
            raise MfsymError(f"the projector of {self.name!r} must have shape ({p}, {p}), got {matrix.shape}")
        return given @ matrix.T

    def read(self, x: ArrayLike, z: ArrayLike) -> Floats:
        """The model of the scheme at x (Q, d): (Q, c), averaged over ``readout`` if there is one."""
        inside = self.particles(z)
        if self.readout is None:
            return self.unit.predict(x, inside)
        return self.readout.average(lambda points: self.unit.predict(points, inside), x)

    def _plain(self, x: Floats, y: Floats, sample_weights: Floats | None = None) -> LiftedBatches:
        batch = x.shape[1]
        weights = np.full(batch, 1.0 / batch) if sample_weights is None else sample_weights
        return LiftedBatches(x[:, :, None, :], y, np.eye(y.shape[2])[None], np.ones(1), weights)


class DataAugmentation(Scheme):
    """Exact data augmentation: each sample is replaced by its whole orbit (by quadrature nodes if G is infinite)."""

    name = "da"
    needs_quadrature = True
    mark = Mark("DA", "#0072B2", "s")

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
    """Sampled data augmentation: one independent Haar-random element per sample and step."""

    name = "da-sampled"
    mark = Mark("sampled DA", "#56B4E9", "D")

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
    mark = Mark("FA", "#009E73", "^")

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
    """Equivariant architecture: the particles stay in E^G; start, force and noise are projected onto it."""

    name = "ea"
    mark = Mark("EA", "#CC79A7", "v")

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

    On E^G the gradient at rho_k x is M_k times that at x. So a gradient averaged over the nodes k stays in E^G if the
    mean of the M_k is the projector: for a finite group, or if the quadrature is fine enough.
    """
    rule = unit.action.group.quadrature(order)
    mean = np.einsum("k,kij->ij", rule.weights, unit.action(rule.elements))
    return bool(np.abs(mean - unit.fixed_subspace.projector).max() < ROUNDED)


def _rows_at_once(rho: Representation) -> int:
    """Number of samples per block when each sample is moved by its own matrix."""
    return max(1, MATRIX_NUMBERS // rho.dim**2)


def marks_of(names: Iterable[str], own: Mapping[str, Mark] = MappingProxyType({})) -> dict[str, Mark]:
    """A mark for each name of a scheme, as ``marks_for``.  own : marks of user-defined schemes."""
    package = {name: scheme.mark for name, scheme in SCHEMES.items() if scheme.mark is not None}
    return marks_for(names, package | dict(own))


AnyScheme = str | type[Scheme] | Scheme
"""Accepted forms of a scheme: a name in SCHEMES, a class called with (unit, order), or a Scheme."""


def get_scheme(scheme: AnyScheme, unit: Unit, order: int | None = None) -> Scheme:
    """The scheme with this name or class on this unit; a Scheme instance is returned unchanged.

    Raises MfsymError for an unknown name, with a list of the known ones, and for a Scheme whose unit has other sizes.
    """
    if isinstance(scheme, type) and issubclass(scheme, Scheme):
        return scheme(unit, order)
    if not isinstance(scheme, Scheme):
        return SCHEMES[as_choice(scheme, "scheme", SCHEMES)](unit, order)
    sizes = [(each.d, each.c, each.p) for each in (scheme.unit, unit)]
    if sizes[0] != sizes[1]:
        raise MfsymError(
            f"the scheme {scheme.name!r} must be made of the unit it trains: its own has (d, c, p) = {sizes[0]}, "
            f"got a unit of {sizes[1]}; hand over the class"
        )
    return scheme


def name_of(scheme: AnyScheme, what: str = "scheme") -> str:
    """The name of a scheme in results.  what : the first word of error messages.

    A subclass that sets no name uses its class name. MfsymError if ``scheme`` is not a scheme, or if a user-defined
    scheme has the name of one in the package.
    """
    own = scheme if isinstance(scheme, type) else type(scheme)
    if not issubclass(own, Scheme):
        return as_choice(scheme, what, SCHEMES)
    stated = "name" in own.__dict__ or "name" in getattr(scheme, "__dict__", {})
    name = scheme.name if stated else own.__name__  # type: ignore[union-attr]
    if SCHEMES.get(name, own) is not own:
        raise MfsymError(f"a scheme of your own needs a name of its own, got {name!r}, which is one of the package")
    return str(name)
