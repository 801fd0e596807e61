"""The population risk of a scheme and its gradient on every particle, by quadrature over the data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats, as_number
from mfsym.configurations.names import ENGINES
from mfsym.data.expectations import inflation, partner
from mfsym.data.teachers import Data
from mfsym.engines.choices import usable_engine
from mfsym.errors import MfsymError
from mfsym.flows.quadratures import Rule, product, rules, sampled
from mfsym.kernels.population import LiftedNodes, pad_nodes, population_gradient
from mfsym.kernels.units import MATRIX, UV
from mfsym.schemes import AnyScheme, get_scheme
from mfsym.streams import stream_key
from mfsym.typing import Floats
from mfsym.units import Unit

COMPILED = (MATRIX, UV)
"""Codes of the units with a compiled population gradient; other units use their sigma and pullback."""

NODES_AT_A_TIME = 256
"""Nodes that the NumPy gradient processes at once."""

CHECK_LOGARITHM = 12
"""Two nets of 2^m points confirm a gradient on which product rules agree."""

SURE, DOUBT = 5.0, 3.0
"""Differences below SURE errors of a net are insignificant; DOUBT multiplies the error of unconverged product rules."""


class Population:
    """F(mu) = R(mu) + tau E|z|^2 for the scheme's population risk R, and its gradient D_z dF/dmu.

    unit, scheme (a Scheme, its class or its name), data : what is trained, how, on what.
    tau >= 0 : weight of the penalty.
    order : of the data's quadrature; None leaves it to ``resolve``, which refines it from coarse to fine.
    engine : "numba", or "jax" for gradients on JAX's device, in double precision.
    A scheme that draws at random is replaced by the one whose population risk it minimises (``Scheme.population``).
    Maass Martínez & Fontbona 2024, sections 2.1 and 2.2.
    """

    def __init__(
        self,
        unit: Unit,
        scheme: AnyScheme,
        data: Data,
        *,
        tau: float = 0.0,
        order: int | None = None,
        engine: str = ENGINES[0],
    ) -> None:
        if (data.d, data.c) != (unit.d, unit.c):
            raise MfsymError(f"data must be on R^{unit.d} x R^{unit.c}, got R^{data.d} x R^{data.c}")
        self.unit, self.data, self.tau = unit, data, as_number(tau, "tau", least=0.0)
        self.scheme = get_scheme(scheme, unit).population
        self.projector = self.scheme.projector
        self._passes = _passes_of(unit, engine)
        self._given, self._matrices = order is not None, self._closing()
        self._finer: Iterator[Rule] = rules(data, order, self._matrices)
        self.rule = next(self._finer)
        self._nodes = self._lifted(self.rule)
        self._check: LiftedNodes | None = None
        self._factor, self._confirmed = 1.0, False
        self._product: tuple[Rule, LiftedNodes, LiftedNodes | None, float] | None = None

    @property
    def order(self) -> int:
        """Order of the quadrature in use."""
        return self.rule.order

    def gradient(self, z: ArrayLike) -> tuple[Floats, float]:
        """The gradient (N, p) on particles z (N, p), including penalty and projector, and F."""
        return self._gradient(z, self._nodes)

    def field(self, points: ArrayLike, z: ArrayLike) -> Floats:
        """The gradient (M, p) at points (M, p), for the law of particles z (N, p)."""
        places = as_floats(points, "points")
        nodes = self._lifted(self.rule, padded=False)
        slope, _ = plain_gradient(self.unit, as_floats(z, "particles"), nodes, places)
        if self.projector is not None:
            slope = slope @ self.projector.T
        return slope + 2.0 * self.tau * places

    def resolve(self, z: ArrayLike, tolerance: float, scale: float | None = None) -> float:
        """Refine the quadrature until the gradient at z changes by less than ``tolerance`` times its size.

        scale : the reference size; by default the largest entry of the gradient at z.
        Returns the relative error of the gradient. For product rules it is the change at the last refinement. For
        sampled rules, or if no finer rule is affordable or the order is given, it is the difference from another net or
        a coarser order. It is 0 for a finite sample, which defines the law, and NaN if nothing can check the rule.
        """
        here, _ = self.gradient(z)
        for rule in self._finer:
            if rule.kind == "sampled":
                if self.rule.kind == "sampled" and (error := self._error(z, here, scale)) <= tolerance:
                    self._finer = chain([rule], self._finer)
                    return error
                self._sample(rule)
                here, _ = self.gradient(z)
                continue
            nodes = self._lifted(rule)
            there, _ = self._gradient(z, nodes)
            change = _relative(there - here, there, scale)
            if change <= tolerance and self._confirm(z, there, change, scale):
                self._finer = chain([rule], self._finer)
                return change
            self._check, self._factor = self._nodes, self.rule.order / (rule.order - self.rule.order)
            self.rule, self._nodes, here, self._confirmed = rule, nodes, there, False
        if self._product is not None:
            self._choose(z, scale)
            here, _ = self.gradient(z)
        return self._error(z, here, scale)

    def _closing(self) -> Floats | None:
        """The group's matrices on inputs if it is finite and the scheme itself neither averages nor projects."""
        plain = self.projector is None and self.scheme.nodes == 1
        return self.unit.rho_x.matrices if plain and self.unit.rho_x.group.order is not None else None

    def _sample(self, rule: Rule) -> None:
        """Use a sampled rule, checked by another net; keep the current product rule for ``_choose``."""
        if self.rule.kind == "product":
            self._product = (self.rule, self._nodes, self._check, self._factor)
        other = sampled(self.data, rule.order.bit_length() - 1, 1, self._matrices)
        self.rule, self._nodes = rule, self._lifted(rule)
        self._check, self._factor = self._lifted(other), 1.0

    def _choose(self, z: ArrayLike, scale: float | None) -> None:
        """Return to the finest product rule if its error is smaller than that of the largest sampled one."""
        assert self._product is not None
        (rule, nodes, check, factor), self._product = self._product, None
        if check is None:
            return
        here, there = self.gradient(z)[0], self._gradient(z, nodes)[0]
        error = self._error(z, here, scale)
        own = factor * _relative(there - self._gradient(z, check)[0], there, scale)
        if DOUBT * own < error and _relative(there - here, there, scale) <= SURE * error + own:
            self.rule, self._nodes, self._check, self._factor = rule, nodes, check, factor

    def _confirm(self, z: ArrayLike, gradient: Floats, change: float, scale: float | None) -> bool:
        """Whether two small nets are consistent with a gradient on which product rules agree; once per rule."""
        if not self._confirmed and self.data.inputs is not None:
            one, two = (
                self._gradient(z, self._lifted(sampled(self.data, CHECK_LOGARITHM, k, self._matrices)))[0]
                for k in range(2)
            )
            noise = _relative(one - two, gradient, scale)
            self._confirmed = _relative(gradient - one, gradient, scale) <= SURE * noise + change
            return self._confirmed
        return True

    def _error(self, z: ArrayLike, here: Floats, scale: float | None) -> float:
        """Relative difference between the gradients of the current rule and of the rule that checks it."""
        if self.rule.kind == "sample":
            return 0.0
        if self._check is None and self._given:
            coarser = partner(self.rule.order)
            other = product(self.data, coarser)
            if len(other) == len(self.rule) and np.array_equal(other.x, self.rule.x):
                return float("nan")
            self._check, self._factor = self._lifted(other), inflation(self.rule.order, coarser)
        if self._check is None:
            return float("nan")
        return self._factor * _relative(here - self._gradient(z, self._check)[0], here, scale)

    def _gradient(self, z: ArrayLike, nodes: LiftedNodes) -> tuple[Floats, float]:
        particles = as_floats(z, "particles")
        slope, risk = self._passes.gradient(particles, nodes)
        if self.projector is not None:
            slope = slope @ self.projector.T
        moment = float(np.einsum("np,np->", particles, particles)) / len(particles)
        return slope + 2.0 * self.tau * particles, risk + self.tau * moment

    def _lifted(self, rule: Rule, *, padded: bool = True) -> LiftedNodes:
        """The rule as the scheme presents it, one batch whose samples are the nodes; as the passes see it if padded."""
        lifted = self.scheme.lift(rule.x[None], rule.y[None], stream_key(0, "haar"), 0).at(0)
        copies = lifted.y.shape[1] // len(rule)
        weights = np.repeat(rule.weights * len(rule), copies) * lifted.sample_weights
        flat = lifted.x[0].reshape(-1, self.unit.d)
        parts = (lifted.y[0], lifted.rho_y, lifted.node_weights, weights)
        return LiftedNodes(
            self._passes.inputs(flat) if padded else flat, *(np.ascontiguousarray(part) for part in parts)
        )


class _CompiledPasses:
    """The gradient by compiled kernels, for units whose code is in COMPILED."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    def inputs(self, x: Floats) -> Floats:
        """Inputs (M, d) as the kernels see them."""
        return np.asarray(pad_nodes(self.unit.code, x))

    def gradient(self, z: Floats, nodes: LiftedNodes) -> tuple[Floats, float]:
        """The gradient (N, p) of the risk on particles z (N, p), and the risk."""
        slope, risk = population_gradient((self.unit.code, self.unit.activation_code), z, nodes)
        return slope, risk


class _PlainPasses:
    """The gradient by a unit's own ``predict`` and ``pullback``."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    def inputs(self, x: Floats) -> Floats:
        """Inputs (M, d), unchanged."""
        return x

    def gradient(self, z: Floats, nodes: LiftedNodes) -> tuple[Floats, float]:
        """The gradient (N, p) of the risk on particles z (N, p), and the risk."""
        return plain_gradient(self.unit, z, nodes)


def _passes_of(unit: Unit, engine: str) -> Any:
    """The passes of a unit on an engine; MfsymError for a unit or an engine that cannot be used."""
    if usable_engine(engine) == "jax":
        from mfsym.engines.jax.populations import PopulationPasses

        return PopulationPasses(unit)
    return _CompiledPasses(unit) if unit.code in COMPILED and unit.compiled else _PlainPasses(unit)


def _relative(difference: Floats, gradient: Floats, scale: float | None) -> float:
    """Largest entry of a difference, divided by the scale or by the largest entry of the gradient."""
    size = float(np.abs(gradient).max()) if scale is None else scale
    return float(np.abs(difference).max()) / max(size, 1e-300)


def plain_gradient(unit: Unit, z: Floats, nodes: LiftedNodes, points: Floats | None = None) -> tuple[Floats, float]:
    """``population_gradient`` for any unit, in plain NumPy; nodes.x : (B K, d), neither padded nor scaled.

    points : (M, p) at which the gradient is evaluated; the particles z if None.
    """
    places = z if points is None else points
    copies = len(nodes.node_weights)
    phi = unit.predict(nodes.x, z).reshape(len(nodes.y), copies, unit.c)
    error = np.einsum("k,kij,bki->bj", nodes.node_weights, nodes.rho, phi) - nodes.y
    risk = float(nodes.sample_weights @ np.sum(error**2, axis=1))
    turned = np.einsum("b,k,kij,bj->bki", 2.0 * nodes.sample_weights, nodes.node_weights, nodes.rho, error)
    r, slope = turned.reshape(-1, unit.c), np.zeros_like(places)
    for first in range(0, len(r), NODES_AT_A_TIME):
        part = slice(first, first + NODES_AT_A_TIME)
        slope += unit.pullback(nodes.x[part], places, r[part])
    return slope, risk
