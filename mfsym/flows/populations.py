"""The population risk of a scheme and its gradient on every particle, by a quadrature of the data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_number
from mfsym.errors import MfsymError
from mfsym.flows.quadratures import Rule, rules
from mfsym.kernels.population import LiftedNodes, pad_nodes, population_gradient
from mfsym.kernels.units import MATRIX, UV
from mfsym.schemes import Scheme, get_scheme
from mfsym.streams import stream_key
from mfsym.teachers import Data
from mfsym.units import Unit

Floats = NDArray[np.float64]


COMPILED = (MATRIX, UV)
"""Codes of the units whose population gradient is compiled; others go through their own sigma and pullback."""

NODES_AT_A_TIME = 256
"""Nodes that the plain gradient holds at once."""


class Population:
    """F(mu) = R(mu) + tau E|z|^2 for the scheme's population risk R, and its gradient D_z dF/dmu.

    unit, scheme (a Scheme or its name), data : what is trained, how, on what.  tau >= 0 : weight of the penalty.
    order : of the data's quadrature; None leaves it to ``resolve``, which refines it from coarse to fine.
    A scheme that draws at random is replaced by the one whose population risk it minimises (``Scheme.population``).
    Maass Martínez & Fontbona 2024, sections 2.1 and 2.2.
    """

    def __init__(
        self, unit: Unit, scheme: Scheme | str, data: Data, *, tau: float = 0.0, order: int | None = None
    ) -> None:
        if (data.d, data.c) != (unit.d, unit.c):
            raise MfsymError(f"data must be on R^{unit.d} x R^{unit.c}, got R^{data.d} x R^{data.c}")
        self.unit, self.data, self.tau = unit, data, as_number(tau, "tau", least=0.0)
        self.scheme = (get_scheme(scheme, unit) if isinstance(scheme, str) else scheme).population
        self.projector = self.scheme.projector
        self._finer: Iterator[Rule] = rules(data, order)
        self.rule = next(self._finer)
        self._nodes = self._lifted(self.rule)

    @property
    def order(self) -> int:
        """Order of the quadrature in use."""
        return self.rule.order

    def gradient(self, z: ArrayLike) -> tuple[Floats, float]:
        """The gradient (N, p) on particles z (N, p), penalty and projector included, and F."""
        return self._gradient(z, self._nodes)

    def field(self, points: ArrayLike, z: ArrayLike) -> Floats:
        """The gradient (M, p) that a particle would feel at each of points (M, p), the law being that of z (N, p)."""
        places = as_floats(points, "points")
        nodes = self._lifted(self.rule, compiled=False)
        slope, _ = plain_gradient(self.unit, as_floats(z, "particles"), nodes, places)
        if self.projector is not None:
            slope = slope @ self.projector.T
        return slope + 2.0 * self.tau * places

    def resolve(self, z: ArrayLike, tolerance: float, scale: float | None = None) -> float:
        """Refine the quadrature until the gradient at z changes by less than ``tolerance`` times its size.

        scale : the size to compare with; by default the largest entry of the gradient at z.
        Returns the last relative change, 0 where the rule is exact or its order was given; it is larger than the
        tolerance only where no finer rule is affordable.
        """
        change = 0.0
        here, _ = self.gradient(z)
        for rule in self._finer:
            nodes = self._lifted(rule)
            there, _ = self._gradient(z, nodes)
            size = float(np.abs(there).max()) if scale is None else scale
            change = float(np.abs(there - here).max()) / max(size, 1e-300)
            if change <= tolerance:
                self._finer = chain([rule], self._finer)
                break
            self.rule, self._nodes, here = rule, nodes, there
        return change

    def _gradient(self, z: ArrayLike, nodes: LiftedNodes) -> tuple[Floats, float]:
        particles = as_floats(z, "particles")
        if self.unit.code in COMPILED:
            slope, risk = population_gradient((self.unit.code, self.unit.activation_code), particles, nodes)
        else:
            slope, risk = plain_gradient(self.unit, particles, nodes)
        if self.projector is not None:
            slope = slope @ self.projector.T
        moment = float(np.einsum("np,np->", particles, particles)) / len(particles)
        return slope + 2.0 * self.tau * particles, risk + self.tau * moment

    def _lifted(self, rule: Rule, *, compiled: bool = True) -> LiftedNodes:
        """The rule as the scheme presents it, one batch whose samples are the nodes; as kernels see it if compiled."""
        lifted = self.scheme.lift(rule.x[None], rule.y[None], stream_key(0, "haar"), 0)
        copies = lifted.y.shape[1] // len(rule)
        weights = np.repeat(rule.weights * len(rule), copies) * lifted.sample_weights
        flat = lifted.x[0].reshape(-1, self.unit.d)
        parts = (lifted.y[0], lifted.rho_y, lifted.node_weights, weights)
        inputs = pad_nodes(self.unit.code, flat) if compiled and self.unit.code in COMPILED else flat
        return LiftedNodes(inputs, *(np.ascontiguousarray(part) for part in parts))


def plain_gradient(unit: Unit, z: Floats, nodes: LiftedNodes, points: Floats | None = None) -> tuple[Floats, float]:
    """As ``population_gradient`` for any unit, in plain NumPy; nodes.x : (B K, d), neither padded nor scaled.

    points : (M, p) where the gradient is wanted, the particles z themselves if None.
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
