"""The layers of a residual network in JAX, one layer at a time, on one device."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mfsym.accelerate.xla import in_double
from mfsym.engines.contract import StepParameters, in_precision
from mfsym.engines.jax.devices import devices_of
from mfsym.engines.jax.engine import ParticlePlaces
from mfsym.engines.jax.loops import Given, all_finite, mapped_blocks, moved, over_blocks
from mfsym.engines.jax.passes import Rows, Value, sums
from mfsym.engines.jax.plans import JaxChunk, JaxPlan, layout_of, pattern
from mfsym.engines.jax.units import outputs_of
from mfsym.kernels.losses import QUADRATIC
from mfsym.typing import Floats
from mfsym.units import Unit


class JaxLayers:
    """The ensembles of a network's layers, which share one unit; as ``engines.layers.CpuLayers``.

    z : (L, N, p).  samples : largest number of inputs of a layer in one pass.
    device : as in ``JaxEngine``; the first of a platform.
    """

    input_scale = 1.0

    def __init__(self, unit: Unit, z: NDArray[np.floating], samples: int, device: str | None = None) -> None:
        self._outputs, self._dtype = outputs_of(unit), z.dtype
        depth, n, p = z.shape
        devices = devices_of(device)[:1]
        layout = layout_of(n, samples * self._outputs.width, z.dtype.itemsize, 1, devices[0].platform)
        self._places = ParticlePlaces(n, p, layout, devices)
        with in_double():
            self._layers = [self._places.packed(layer) for layer in z]
        self._inputs: list[Any] = [None] * depth

    def particles(self) -> NDArray[np.floating]:
        """The particles (L, N, p)."""
        return np.stack([self._places.unpacked(rows) for rows in self._layers])

    def forward(self, layer: int, x: Floats) -> Floats:
        """The bare prediction (M, c) of one layer at x (M, d); x is kept for ``backward``."""
        self._inputs[layer] = x.astype(self._dtype)
        with in_double():
            found = layer_forward(self._plan(None))(self._layers[layer], self._inputs[layer])
        return np.asarray(found, np.float64)

    def backward(self, layer: int, r: Floats, parameters: StepParameters) -> tuple[bool, Floats]:
        """Advance one layer by the pullback of r (M, c); whether it stays finite, and the pullback (M, d) to its
        inputs."""
        told = in_precision(parameters, self._dtype)
        constants = JaxChunk(
            *(None,) * 6, told.penalty, told.projector, told.noise_map, np.asarray(told.key, np.uint32), None, None
        )
        given = Given(self._inputs[layer], r.astype(self._dtype), told.rates[0], np.uint64(told.step), np.bool_(True))
        with in_double():
            advance = layer_backward(self._plan(told))
            self._layers[layer], finite, slopes = advance(self._layers[layer], given, constants)
        return bool(finite), np.asarray(slopes, np.float64) / self._places.n

    def _plan(self, told: StepParameters | None) -> JaxPlan:
        """The plan of a pass: forward, or backward with these parameters."""
        projector = noise = None
        if told is not None:
            projector = pattern(told.projector) if told.projector.size else None
            noise = pattern(told.noise_map) if told.noise_map.size and told.rates[0, 1] else None
        places = self._places
        return JaxPlan(self._outputs, places.n, places.layout, self._dtype.name, QUADRATIC, True, projector, noise)


@lru_cache(maxsize=64)
def layer_forward(plan: JaxPlan) -> Any:
    """(rows, x (M, d)) -> the bare prediction (M, c)."""

    def forward(z: Rows, x: Value) -> Value:
        return over_blocks(plan, lambda block, first: sums(plan, block, x, first), z) / plan.n

    return jax.jit(forward)


@lru_cache(maxsize=64)
def layer_backward(plan: JaxPlan) -> Any:
    """(rows, given, chunk) -> (rows, whether they are finite, sum_i D_x sigma(x_m, z_i)^T r_m); takes the rows."""
    return jax.jit(partial(_backward, plan), donate_argnums=0)


def _backward(plan: JaxPlan, z: Rows, given: Given, chunk: JaxChunk) -> tuple[Rows, Value, Value]:
    def slopes(block: Rows, first: Value) -> Value:
        return jax.vjp(lambda x: sums(plan, block, x, first), given.x)[1](given.r)[0]

    new = mapped_blocks(plan, lambda block, first: moved(plan, block, first, given, chunk), z)
    return new, all_finite(plan, new), jnp.asarray(over_blocks(plan, slopes, z))
