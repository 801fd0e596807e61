"""Residual networks of mean-field layers, trained by noisy SGD under every scheme, applied layer by layer.

    h_0 = x,     h_l = h_{l-1} + (1 / (L N)) sum_i sigma(h_{l-1}, z_il),     prediction h_L

With the unit's rho_x = rho_y the network is equivariant where each layer is. Each layer reads its law as the scheme
does (Maass Martínez & Fontbona 2024, section 2.2, for one layer): Q_G of the layer's map for feature averaging,
projected particles for the equivariant architecture; data augmentation moves the samples. Particles feel L N times the
derivative of the risk, so that t = k / N is the time of every layer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_whole
from mfsym.data.teachers import Data
from mfsym.dynamics.precision import has_left
from mfsym.dynamics.sgd import NoisySGD
from mfsym.dynamics.states import State
from mfsym.engines.contract import StepParameters
from mfsym.engines.layers import CpuLayers, network_of
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.kernels.losses import QUADRATIC, half_slopes
from mfsym.schemes import Scheme
from mfsym.streams import layer_key
from mfsym.units import Unit

Floats = NDArray[np.float64]

LOOK = 64
"""Steps between two looks at the layers' distance to E^G, where it ought to be that of rounding."""


def init_layers(unit: Unit, init: str, depth: int, n: int, seed: int, replicate: int = 0) -> Floats:
    """Start particles (L, N, p): independent layers, each from the start law "wi" or "si" of ``init_particles``."""
    if init not in ("wi", "si"):
        raise MfsymError(f"init must be wi or si, got {init!r}")
    depth, n = as_whole(depth, "depth", 1), as_whole(n, "n", 1)
    return init_particles(unit, init, depth * n, seed, replicate).reshape(depth, n, unit.p)


def predict(scheme: Scheme, x: ArrayLike, z: ArrayLike) -> Floats:
    """The network's prediction (Q, c) at x (Q, d), its layers z (L, N, p) read as the scheme does; float64."""
    layers, h = as_floats(z, "particles"), as_floats(x, "x")
    for layer in layers:
        h = h + scheme.read(h, layer) / len(layers)
    return h


class ResNetSGD(NoisySGD):
    """Noisy SGD on residual networks of ``depth`` mean-field layers of one unit: matrix, uv or mlp, with rho_x = rho_y.

    The other arguments, and ``flow``, are those of ``NoisySGD``; states hold particles (L, N, p).

    >>> from mfsym.data.teachers import reference_teacher
    >>> teacher = reference_teacher("wi")
    >>> dynamics = ResNetSGD(teacher.unit, "fa", teacher, depth=3, alpha=1.0)
    >>> dynamics.step(dynamics.init(np.zeros((3, 8, 4))), 4).time
    0.5
    """

    def __init__(self, unit: Unit, scheme: Scheme | str, data: Data, *, depth: int, **options: Any) -> None:
        super().__init__(unit, scheme, data, **options)
        depth = as_whole(depth, "depth", 1)
        moves = [(rep.generator_matrices, rep.algebra_matrices) for rep in (unit.rho_x, unit.rho_y)]
        if unit.d != unit.c or not all(np.array_equal(a, b) for a, b in zip(*moves, strict=True)):
            raise MfsymError(
                f"a residual layer needs rho_x = rho_y, got {unit.rho_x.name} and {unit.rho_y.name}; "
                "embed inputs and outputs in one representation"
            )
        if self.orbits is not None:
            raise MfsymError(f"noise of a residual network must be isotropic or fixed, got {self.noise_name!r}")
        self.depth = depth
        network_of(unit)
        orbit = self.scheme.readout
        self.nodes: Floats = np.eye(unit.d)[None] if orbit is None else orbit.nodes_x
        self.node_weights: Floats = np.ones(1) if orbit is None else orbit.weights

    def init(self, z: ArrayLike, seed: int = 0, replicate: int = 0) -> State:
        """The state at time 0: particles z (L, N, p), projected where the scheme lives in E^G."""
        start = as_floats(z, "particles")
        if start.ndim != 3 or start.shape[0] != self.depth or start.shape[1] < 1 or start.shape[2] != self.unit.p:
            raise MfsymError(f"particles must be an array ({self.depth}, N, {self.unit.p}), got shape {start.shape}")
        flat = super().init(start.reshape(-1, self.unit.p), seed, replicate)
        return replace(flat, z=flat.z.reshape(start.shape))

    def _advance(self, state: State, n: int) -> State:
        samples = self._batch(state, state.step)[0].shape[0] * len(self.nodes)
        layers = CpuLayers(self.unit, state.z, samples, self.noise_map(state).shape[1])
        left = state.drifted_step
        for reached in range(state.step + 1, state.step + n + 1):
            with np.errstate(over="ignore", invalid="ignore"):
                finite = self._move(layers, state, reached - 1)
            if not finite:
                ended = replace(state, z=layers.particles(), step=reached, drifted_step=left)
                return replace(ended, status="diverged", diverged_step=reached)
            if left is None and state.watched and (reached % LOOK == 0 or reached == state.step + n):
                seen = layers.particles().reshape(-1, self.unit.p)
                left = reached if has_left(seen, self.unit.fixed_subspace) else None
        status = "ok" if left is None else "drifted"
        return replace(state, z=layers.particles(), step=state.step + n, status=status, drifted_step=left)

    def _move(self, layers: CpuLayers, state: State, k: int) -> bool:
        """Make step k; false if the network is no longer finite."""
        h, y, weights = self._batch(state, k)
        for layer in range(self.depth):
            phi = layers.forward(layer, self._lifted(h * layers.input_scale)).reshape(len(h), len(self.nodes), -1)
            h = h + np.einsum("k,kij,bki->bj", self.node_weights, self.nodes, phi) / self.depth
        e = self._half_slopes(h, y)
        if not np.isfinite(e).all():
            return False
        r, finite = 2.0 * weights[:, None] * e, True
        for layer in range(self.depth - 1, -1, -1):
            lifted = np.einsum("k,kij,bj->bki", self.node_weights, self.nodes, r).reshape(-1, r.shape[1])
            moved, slopes = layers.backward(layer, lifted, self._layer_parameters(state, k, layer))
            finite &= moved
            below = np.einsum("kij,bki->bj", self.nodes, slopes.reshape(len(r), len(self.nodes), -1))
            r = r + below / self.depth
        return finite

    def _lifted(self, h: Floats) -> Floats:
        """The images (B K, d) of h (B, d) at the nodes of the scheme's readout."""
        return np.asarray(np.einsum("kij,bj->bki", self.nodes, h).reshape(-1, h.shape[1]))

    def _half_slopes(self, h: Floats, y: Floats) -> Floats:
        """Half the derivative of the loss at the predictions h (B, c)."""
        if self.loss.code == QUADRATIC:
            return h - y
        e = h.copy()
        for row, target in zip(e, y, strict=True):
            half_slopes(self.loss.code, row, target)
        return e

    def _batch(self, state: State, k: int) -> tuple[Floats, Floats, Floats]:
        """Samples x (B, d), y (B, c) and weights (B,) of step k, as the scheme presents them to the first layer.

        A scheme with a readout is averaged layer by layer, so that its samples enter as they are.
        """
        scheme = Scheme(self.unit) if self.scheme.readout is not None else self.scheme
        lifted = self.batches(state, k, 1, scheme)
        return lifted.x[0, :, 0], lifted.y[0], lifted.sample_weights

    def _layer_parameters(self, state: State, k: int, layer: int) -> StepParameters:
        parameters = self.step_parameters(state, k, 1)
        return parameters._replace(key=layer_key(parameters.key, layer))
