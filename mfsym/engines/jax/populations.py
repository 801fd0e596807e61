"""Predictions and population gradients in JAX, in double precision, whatever the setting of the process is.

The formulas are those of ``mfsym.kernels.population``. Samples are taken a few at a time, so that memory grows with the
number of particles and not with that of samples; the derivative of the prediction comes from ``jax.vjp``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from mfsym.accelerate.xla import in_double
from mfsym.engines.jax.devices import devices_of
from mfsym.engines.jax.memory import explained
from mfsym.engines.jax.units import Outputs, outputs_of
from mfsym.kernels.population import LiftedNodes
from mfsym.typing import Floats
from mfsym.units import Unit
from mfsym.units.base import rows_of
from mfsym.units.functions import next_power

Value = Any

VALUES_AT_A_TIME = 1 << 20
"""Values of samples and particles that a pass may hold, should XLA not fuse it."""


def predictor_of(unit: Unit) -> Callable[[ArrayLike, ArrayLike], Floats]:
    """Phi of a unit: x (Q, d) and z (N, p) to (Q, c). Raises MfsymError for a unit that JAX does not know."""
    outputs, (device, *_) = outputs_of(unit), devices_of(None)

    def predict(x: ArrayLike, z: ArrayLike) -> Floats:
        inputs, particles = rows_of("x", x, unit.d), rows_of("z", z, unit.p)
        if not len(inputs):
            return np.zeros((0, unit.c))
        rows = min(_rows(len(particles) * outputs.width), next_power(len(inputs)))
        with in_double(), explained(device, _sizes(particles, rows), 8):
            cloud = jnp.asarray(particles.T)
            groups = (_filled(inputs[k : k + rows], rows) for k in range(0, len(inputs), rows))
            parts = [_means(outputs, group, cloud) for group in groups]
            return np.concatenate([np.asarray(part) for part in parts])[: len(inputs)]

    return predict


class PopulationPasses:
    """The population gradient of a unit on lifted nodes, x (B K, d) neither padded nor scaled.

    Raises MfsymError for a unit that JAX does not know.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit, self.outputs = unit, outputs_of(unit)
        self.device, *_ = devices_of(None)
        self._placed = lru_cache(maxsize=4)(self._on_device)

    def inputs(self, x: Floats) -> Floats:
        """Inputs (M, d), unchanged."""
        return x

    def gradient(self, z: Floats, nodes: LiftedNodes) -> tuple[Floats, float]:
        """The gradient (N, p) of the risk on particles z (N, p), and the risk."""
        rows = min(_rows(len(z) * len(nodes.node_weights) * self.outputs.width), next_power(len(nodes.y)))
        with in_double(), explained(self.device, _sizes(z, rows * len(nodes.node_weights)), 8):
            placed = self._placed(_ByIdentity(nodes), rows)
            slope, risk = _gradient(self.outputs, jnp.asarray(z.T), placed)
            return np.ascontiguousarray(np.asarray(slope).T), float(risk)

    def _on_device(self, held: _ByIdentity, rows: int) -> tuple[Value, ...]:
        """The nodes cut into groups of rows samples, the last filled up with samples of weight 0."""
        nodes, count = held.nodes, len(held.nodes.y)
        groups = -(-count // rows)
        x = nodes.x.reshape(count, -1, self.unit.d)
        weights = np.zeros(groups * rows)
        weights[:count] = nodes.sample_weights
        cut = [_filled(part, groups * rows).reshape(groups, rows, *part.shape[1:]) for part in (x, nodes.y)]
        parts = (*cut, weights.reshape(groups, rows), nodes.rho, nodes.node_weights)
        return tuple(jnp.asarray(part) for part in parts)


class _ByIdentity:
    """Nodes as a key of a cache: equal if they are the same object."""

    def __init__(self, nodes: LiftedNodes) -> None:
        self.nodes = nodes

    def __hash__(self) -> int:
        return id(self.nodes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.nodes is self.nodes


def _mean(outputs: Outputs, z: Value, x: Value) -> Value:
    """Phi (c,) at one input x (d,), of particles z (p, N)."""
    return jnp.stack([output.mean() for output in outputs(list(x), list(z))])


@partial(jax.jit, static_argnums=0)
def _means(outputs: Outputs, x: Value, z: Value) -> Value:
    """Phi (Q, c) at inputs x (Q, d), of particles z (p, N)."""
    return jax.vmap(lambda point: _mean(outputs, z, point))(x)


@partial(jax.jit, static_argnums=0)
def _gradient(outputs: Outputs, z: Value, placed: tuple[Value, ...]) -> tuple[Value, Value]:
    """The gradient (p, N) and the risk, summed group by group."""
    xs, ys, weights, rho, masses = placed

    def add(sums: tuple[Value, Value], group: tuple[Value, ...]) -> tuple[tuple[Value, Value], None]:
        x, y, w = group

        def model(particles: Value) -> Value:
            views = jax.vmap(jax.vmap(lambda point: _mean(outputs, particles, point)))(x)
            return jnp.einsum("k,kij,bki->bj", masses, rho, views)

        prediction, pull = jax.vjp(model, z)
        error = prediction - y
        (slope,) = pull(2.0 * z.shape[1] * w[:, None] * error)
        return (sums[0] + slope, sums[1] + w @ (error**2).sum(axis=1)), None

    sums, _ = jax.lax.scan(add, (jnp.zeros_like(z), jnp.zeros(())), (xs, ys, weights))
    return sums


def _rows(width: int) -> int:
    """The largest power of two of samples of this width that VALUES_AT_A_TIME allows; 1 at least."""
    return 1 << (max(1, VALUES_AT_A_TIME // width).bit_length() - 1)


def _sizes(z: Floats, samples: int) -> str:
    """The sizes that decide how much memory a pass takes."""
    return f"N = {len(z)} particles of {z.shape[1]} numbers and {samples} samples at a time"


def _filled(rows: Floats, count: int) -> Floats:
    """count rows: the given ones, then copies of the last."""
    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])
