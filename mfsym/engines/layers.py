"""The layers of a residual network on the CPU: compiled passes, one layer at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.engines.contract import StepParameters, in_precision
from mfsym.errors import MfsymError
from mfsym.kernels import deep, steps
from mfsym.kernels.units import SAMPLES_AT_A_TIME, pack, unpack
from mfsym.typing import Floats
from mfsym.units import MatrixUnit, MLPUnit, Unit, UVUnit


class CpuLayers:
    """The ensembles of a network's layers, which share one unit: matrix, uv or mlp.

    samples : largest number of inputs of a layer in one pass.
    noise_dimension : normals drawn per particle and step.
    input_scale : the factor that multiplies the inputs of a layer (1 / d for uv units).
    """

    def __init__(self, unit: Unit, z: NDArray[np.floating], samples: int, noise_dimension: int) -> None:
        depth, n, p = z.shape
        self._unit, self._z_shape, self._dtype = unit, z.shape, z.dtype
        network, self.input_scale = network_of(unit)
        room = -(-samples // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME
        self._shape = deep.deep_plan(network, n, room, z.dtype.itemsize)._replace(kept=False)
        self._work = deep.deep_workspace(self._shape, unit.c, room, noise_dimension, z.dtype)
        self._layers = np.empty((depth, self._shape.blocks * p * self._shape.lanes), z.dtype)
        for blocked, layer in zip(self._layers, z, strict=True):
            pack(np.ascontiguousarray(layer), n, p, self._shape.lanes, blocked)
        self._inputs = np.zeros((depth, room, unit.d), z.dtype)
        self._slopes = np.zeros((room, unit.d), z.dtype)

    def particles(self) -> NDArray[np.floating]:
        """The particles (L, N, p)."""
        z = np.empty(self._z_shape, self._dtype)
        for blocked, layer in zip(self._layers, z, strict=True):
            unpack(blocked, self._shape.lanes, layer)
        return z

    def forward(self, layer: int, x: Floats) -> Floats:
        """The bare prediction (M, c) of one layer at x (M, d) / input_scale; x is kept for ``backward``."""
        shape, work, inputs = self._shape, self._work, self._inputs[layer]
        inputs[: len(x)] = x
        work.phi[:] = 0.0
        for block in range(shape.blocks):
            deep.deep_sums(shape, block, self._layers[layer], inputs, self._lanes(block), work, 0)
        return np.asarray(work.phi.sum(axis=0, dtype=np.float64)[: len(x)] / shape.n)

    def backward(self, layer: int, r: Floats, parameters: StepParameters) -> tuple[bool, Floats]:
        """Advance one layer by the pullback of r (M, c); whether it stays finite, and the pullback (M, d) to its
        inputs."""
        shape, work, z = self._shape, self._work, self._layers[layer]
        converted, finite = in_precision(parameters, self._dtype), True
        work.r[: len(r)] = r
        extents = work.extents[0]
        steps.map_extents(converted, extents)
        self._slopes[:] = 0.0
        for block in range(shape.blocks):
            deep.deep_force(shape, block, z, self._inputs[layer], work.r, work, 0, self._slopes, self._lanes(block))
            finite &= bool(steps.update_block(shape, block, z, converted, extents, 0, work, 0))
        return finite, self._slopes[: len(r)].astype(np.float64) * (self.input_scale / shape.n)

    def _lanes(self, block: int) -> NDArray[Any]:
        return self._work.weights[1 if block == self._shape.blocks - 1 else 0]


def network_of(unit: Unit) -> tuple[Any, float]:
    """The tables of a unit as a multi-layer network with the same parameters, and the factor of its inputs.

    Raises MfsymError for a unit that the kernels do not know.
    """
    if not unit.compiled:
        raise MfsymError(f"a residual network needs a compiled unit, got {unit!r}; use an activation of the package")
    if isinstance(unit, MLPUnit):
        return unit.network, 1.0
    if isinstance(unit, MatrixUnit):
        return MLPUnit(unit.activation, unit.rho_x, unit.rho_y, [], output_linear=False).network, 1.0
    if isinstance(unit, UVUnit):
        neuron = unit.rho_x.group.trivial(1)
        return MLPUnit(unit.activation, unit.rho_x, unit.rho_y, [neuron], biases=False).network, 1.0 / unit.d
    raise MfsymError(f"a residual network needs a matrix, uv or mlp unit, got {unit.name}")
