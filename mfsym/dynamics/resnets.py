"""Residual networks of mean-field layers, trained by noisy SGD with any scheme applied layer by layer.

    h_0 = x,     h_l = h_{l-1} + (1 / (L N)) sum_i sigma(h_{l-1}, z_il),     prediction h_L

For a unit with rho_x = rho_y, the network is equivariant if each layer is. The scheme acts on each layer as it does on
a single one (Maass Martínez & Fontbona 2024, section 2.2): Q_G of the layer's map for feature averaging, projected
particles for the equivariant architecture, transformed samples for data augmentation. The force on particles is L N
times the derivative of the risk, so t = k / N is the time of every layer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats, as_whole
from mfsym.data.teachers import Data
from mfsym.dynamics.precision import has_drifted
from mfsym.dynamics.sgd import NoisySGD
from mfsym.dynamics.states import State
from mfsym.engines import Layers, StepParameters, make_layers
from mfsym.engines.layers import network_of
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.kernels.losses import QUADRATIC, half_slopes
from mfsym.schemes import AnyScheme, Scheme
from mfsym.streams import layer_key
from mfsym.typing import Floats
from mfsym.units import Unit

CHECK_INTERVAL = 64
"""Steps between two checks for drift out of E^G, in runs that should stay in it."""


def init_layers(unit: Unit, init: str, depth: int, n: int, seed: int, replicate: int = 0) -> Floats:
    """Initial particles (L, N, p): independent layers, each from the law "wi" or "si" of ``init_particles``."""
    if init not in ("wi", "si"):
        raise MfsymError(f"init must be wi or si, got {init!r}")
    depth, n = as_whole(depth, "depth", 1), as_whole(n, "n", 1)
    return init_particles(unit, init, depth * n, seed, replicate).reshape(depth, n, unit.p)


def predict(scheme: Scheme, x: ArrayLike, z: ArrayLike) -> Floats:
    """The prediction (Q, c) at x (Q, d) of the network with layers z (L, N, p) under the scheme; float64."""
    layers, h = as_floats(z, "particles"), as_floats(x, "x")
    for layer in layers:
        h = h + scheme.read(h, layer) / len(layers)
    return h


class LayerBatch(NamedTuple):
    """One step of a residual network: samples h (B, d), y (B, c) and weights (B,); nodes (K, d, d) and masses (K,).

    Each layer reads h at every node, moves its outputs back, and averages: sum_k masses_k nodes_k^T Phi(nodes_k h).
    """

    h: Floats
    y: Floats
    weights: Floats
    nodes: Floats
    masses: Floats


class ResNetSGD(NoisySGD):
    """Noisy SGD on residual networks of ``depth`` mean-field layers of one unit: matrix, uv or mlp, with rho_x = rho_y.

    The other arguments, and ``flow``, are those of ``NoisySGD``; states hold particles (L, N, p).

    >>> from mfsym.data.teachers import reference_teacher
    >>> teacher = reference_teacher("wi")
    >>> dynamics = ResNetSGD(teacher.unit, "fa", teacher, depth=3, alpha=1.0)
    >>> dynamics.step(dynamics.init(np.zeros((3, 8, 4))), 4).time
    0.5
    """

    def __init__(self, unit: Unit, scheme: AnyScheme, data: Data, *, depth: int, **options: Any) -> None:
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

    def init(self, z: ArrayLike, seed: int = 0, replicate: int = 0) -> State:
        """The state at time 0: particles z (L, N, p), projected if the scheme works in E^G."""
        start = as_floats(z, "particles")
        if start.ndim != 3 or start.shape[0] != self.depth or start.shape[1] < 1 or start.shape[2] != self.unit.p:
            raise MfsymError(f"particles must be an array ({self.depth}, N, {self.unit.p}), got shape {start.shape}")
        flat = super().init(start.reshape(-1, self.unit.p), seed, replicate)
        return replace(flat, z=flat.z.reshape(start.shape))

    def _advance(self, state: State, n: int) -> State:
        samples = self._batch(state, state.step)
        rows, normals = len(samples.h) * len(samples.nodes), self.noise_map(state).shape[1]
        layers = make_layers(self.engine, self.unit, state.z, rows, normals, self.device)
        left = state.drifted_step
        for reached in range(state.step + 1, state.step + n + 1):
            with np.errstate(over="ignore", invalid="ignore"):
                finite = self._move(layers, state, reached - 1)
            if not finite:
                ended = replace(state, z=layers.particles(), step=reached, drifted_step=left)
                return replace(ended, status="diverged", diverged_step=reached)
            if left is None and state.watched and (reached % CHECK_INTERVAL == 0 or reached == state.step + n):
                seen = layers.particles().reshape(-1, self.unit.p)
                left = reached if has_drifted(seen, self.unit.fixed_subspace) else None
        status = "ok" if left is None else "drifted"
        return replace(state, z=layers.particles(), step=state.step + n, status=status, drifted_step=left)

    def _move(self, layers: Layers, state: State, k: int) -> bool:
        """Make step k; false if the network is no longer finite."""
        h, y, weights, nodes, masses = self._batch(state, k)
        for layer in range(self.depth):
            images = np.einsum("kij,bj->bki", nodes, h * layers.input_scale).reshape(-1, h.shape[1])
            phi = layers.forward(layer, images).reshape(len(h), len(nodes), -1)
            h = h + np.einsum("k,kij,bki->bj", masses, nodes, phi) / self.depth
        e = self._half_slopes(h, y)
        if not np.isfinite(e).all():
            return False
        r, finite = 2.0 * weights[:, None] * e, True
        for layer in range(self.depth - 1, -1, -1):
            lifted = np.einsum("k,kij,bj->bki", masses, nodes, r).reshape(-1, r.shape[1])
            moved, slopes = layers.backward(layer, lifted, self._layer_parameters(state, k, layer))
            finite &= moved
            below = np.einsum("kij,bki->bj", nodes, slopes.reshape(len(r), len(nodes), -1))
            r = r + below / self.depth
        return finite

    def _half_slopes(self, h: Floats, y: Floats) -> Floats:
        """Half the derivative of the loss at the predictions h (B, c)."""
        if self.loss.code == QUADRATIC:
            return h - y
        e = h.copy()
        for row, target in zip(e, y, strict=True):
            half_slopes(self.loss.code, row, target)
        return e

    def _batch(self, state: State, k: int) -> LayerBatch:
        """The batch of step k as the scheme lifts it, its samples moved back from the first node: see LayerBatch."""
        lifted = self.batches(state, k, 1).at(0)
        h = lifted.x[0, :, 0] @ lifted.rho_y[0]
        return LayerBatch(h, lifted.y[0], lifted.sample_weights, lifted.rho_y, lifted.node_weights)

    def _layer_parameters(self, state: State, k: int, layer: int) -> StepParameters:
        parameters = self.step_parameters(state, k, 1)
        return parameters._replace(key=layer_key(parameters.key, layer))
