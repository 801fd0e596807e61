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

from mfsym.arguments import as_whole
from mfsym.dynamics import NoisySGD, State
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.kernels import deep, steps
from mfsym.kernels.losses import QUADRATIC, half_slopes
from mfsym.kernels.units import SAMPLES_AT_A_TIME, pack, unpack
from mfsym.schemes import FeatureAveraging, Scheme
from mfsym.streams import stream_key
from mfsym.teachers import Data
from mfsym.units import MatrixUnit, MLPUnit, Unit, UVUnit

Floats = NDArray[np.float64]

LAYER_KEY = 0x9E3779B9
"""Layer l draws its noise with the second word of the noise key moved by l times this."""


def init_layers(unit: Unit, init: str, depth: int, n: int, seed: int, replicate: int = 0) -> Floats:
    """Start particles (L, N, p): independent layers, each from the start law "wi" or "si" of ``init_particles``."""
    if init not in ("wi", "si"):
        raise MfsymError(f"init must be wi or si, got {init!r}")
    depth, n = as_whole(depth, "depth", 1), as_whole(n, "n", 1)
    return init_particles(unit, init, depth * n, seed, replicate).reshape(depth, n, unit.p)


def predict(scheme: Scheme, x: ArrayLike, z: ArrayLike) -> Floats:
    """The network's prediction (Q, c) at x (Q, d), its layers z (L, N, p) read as the scheme does; float64."""
    layers, h = np.asarray(z, dtype=np.float64), np.asarray(x, dtype=np.float64)
    for layer in layers:
        h = h + scheme.read(h, layer) / len(layers)
    return h


class ResNetSGD(NoisySGD):
    """Noisy SGD on residual networks of ``depth`` mean-field layers of one unit: matrix, uv or mlp, with rho_x = rho_y.

    The other arguments, and ``flow``, are those of ``NoisySGD``; states hold particles (L, N, p).

    >>> from mfsym.teachers import reference_teacher
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
        self.depth = depth
        self.network, self.input_scale = _network(unit)
        averaged = isinstance(self.scheme, FeatureAveraging)
        self.nodes: Floats = self.scheme.orbit.nodes_x if averaged else np.eye(unit.d)[None]
        self.node_weights: Floats = self.scheme.orbit.weights if averaged else np.ones(1)

    def init(self, z: ArrayLike, seed: int = 0, replicate: int = 0) -> State:
        """The state at time 0: particles z (L, N, p), projected where the scheme lives in E^G."""
        start = np.asarray(z, dtype=np.float64)
        if start.ndim != 3 or start.shape[0] != self.depth or start.shape[1] < 1 or start.shape[2] != self.unit.p:
            raise MfsymError(f"particles must be an array ({self.depth}, N, {self.unit.p}), got shape {start.shape}")
        flat = super().init(start.reshape(-1, self.unit.p), seed, replicate)
        return replace(flat, z=flat.z.reshape(start.shape))

    def step(self, state: State, n: int = 1) -> State:
        """The state n steps later; a diverged state stays where it diverged."""
        n = as_whole(n, "n")
        if state.status != "ok" or n <= 0:
            return state
        run = _ResNetRun(self, state)
        for done in range(n):
            with np.errstate(over="ignore", invalid="ignore"):
                finite = run.step(state.step + done)
            if not finite:
                reached = state.step + done + 1
                return replace(state, z=run.particles(), step=reached, status="diverged", diverged_step=reached)
        return replace(state, z=run.particles(), step=state.step + n)


class _ResNetRun:
    """One call of ``ResNetSGD.step``: every layer in blocks; the loop over layers is Python around compiled passes."""

    def __init__(self, dynamics: ResNetSGD, state: State) -> None:
        self.dynamics, self.state = dynamics, state
        depth, n, p = state.z.shape
        x, _, _ = self._batch(state.step)
        samples = -(-len(x) * len(dynamics.nodes) // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME
        plan = deep.deep_plan(dynamics.network, n, samples, dynamics.dtype.itemsize)
        self.shape = plan._replace(kept=False)
        noise = dynamics.noise_map.shape[1]
        self.work = deep.deep_workspace(self.shape, dynamics.unit.c, samples, noise, dynamics.dtype)
        self.layers = np.empty((depth, self.shape.blocks * p * self.shape.lanes), dynamics.dtype)
        for blocked, z in zip(self.layers, state.z, strict=True):
            pack(np.ascontiguousarray(z), n, p, self.shape.lanes, blocked)
        self.inputs = np.zeros((depth, samples, dynamics.unit.d), dynamics.dtype)
        self.slopes = np.zeros((samples, dynamics.unit.d), dynamics.dtype)

    def particles(self) -> NDArray[np.floating]:
        """The particles (L, N, p)."""
        z = np.empty(self.state.z.shape, self.dynamics.dtype)
        for blocked, layer in zip(self.layers, z, strict=True):
            unpack(blocked, self.shape.lanes, layer)
        return z

    def step(self, k: int) -> bool:
        """Make step k; false if the network is no longer finite."""
        dynamics = self.dynamics
        h, y, weights = self._batch(k)
        for layer in range(dynamics.depth):
            h = h + self._forward(layer, h) / dynamics.depth
        e = h - y
        if dynamics.loss.code != QUADRATIC:
            e = h.copy()
            for row, target in zip(e, y, strict=True):
                half_slopes(dynamics.loss.code, row, target)
        if not np.isfinite(e).all():
            return False
        r = 2.0 * weights[:, None] * e
        finite = True
        for layer in range(dynamics.depth - 1, -1, -1):
            moved, r_below = self._backward(layer, r, k)
            finite &= moved
            r = r + r_below / dynamics.depth
        return finite

    def _forward(self, layer: int, h: Floats) -> Floats:
        """The layer's map at h (B, d), read as the scheme does: (B, c); its lifted inputs are kept."""
        nodes, shape, work = self.dynamics.nodes, self.shape, self.work
        lifted = np.einsum("kij,bj->bki", nodes, h * self.dynamics.input_scale)
        count = lifted.shape[0] * lifted.shape[1]
        x = self.inputs[layer]
        x[:count] = lifted.reshape(count, -1)
        work.phi[:] = 0.0
        for block in range(shape.blocks):
            deep.deep_sums(shape, block, self.layers[layer], x, self._lanes(block), work, 0)
        phi = work.phi.sum(axis=0, dtype=np.float64)[:count].reshape(lifted.shape) / shape.n
        return np.einsum("k,kij,bki->bj", self.dynamics.node_weights, nodes, phi)

    def _backward(self, layer: int, r: Floats, k: int) -> tuple[bool, Floats]:
        """Move the layer's particles by the pullback of r (B, c); whether they are finite, and the pullback to h."""
        nodes, shape, work = self.dynamics.nodes, self.shape, self.work
        lifted = np.einsum("k,kij,bj->bki", self.dynamics.node_weights, nodes, r)
        count = lifted.shape[0] * lifted.shape[1]
        work.r[:count] = lifted.reshape(count, -1)
        motion, finite = self._motion(layer, k), True
        extents = steps.map_extents(motion)
        self.slopes[:] = 0.0
        for block in range(shape.blocks):
            weights = self._lanes(block)
            z = self.layers[layer]
            deep.deep_force(shape, block, z, self.inputs[layer], work.r, work, 0, self.slopes, weights)
            finite &= bool(steps.settle(shape, block, z, motion, extents, 0, work, 0))
        slopes = np.float64(self.slopes[:count]).reshape(lifted.shape) * (self.dynamics.input_scale / shape.n)
        return finite, np.einsum("kij,bki->bj", nodes, slopes)

    def _lanes(self, block: int) -> NDArray[Any]:
        return self.work.weights[1 if block == self.shape.blocks - 1 else 0]

    def _batch(self, k: int) -> tuple[Floats, Floats, Floats]:
        """Samples x (B, d), y (B, c) and weights (B,) of step k, as the scheme presents them to the first layer."""
        dynamics, state = self.dynamics, self.state
        size = dynamics.batch_size
        x, y = dynamics.data.draw(stream_key(state.seed, "data", state.replicate), k * size, size)
        if dynamics.loss.code != QUADRATIC:
            dynamics.loss.check_targets(y)
        if isinstance(dynamics.scheme, FeatureAveraging):
            return x, y, np.full(size, 1.0 / size)
        haar = stream_key(state.seed, "haar", state.replicate)
        lifted = dynamics.scheme.lift(x[None], y[None], haar, k)
        return lifted.x[0, :, 0], lifted.y[0], lifted.sample_weights

    def _motion(self, layer: int, k: int) -> steps.Motion:
        dynamics, dtype = self.dynamics, self.dynamics.dtype
        projector = np.zeros((0, 0)) if dynamics.projector is None else dynamics.projector
        key = stream_key(self.state.seed, "noise", self.state.replicate)
        return steps.Motion(
            dynamics.rates(k, 1, self.shape.n).astype(dtype),
            np.array([2.0 * dynamics.tau]).astype(dtype),
            projector.astype(dtype),
            dynamics.noise_map.astype(dtype),
            key + np.array([0, layer * LAYER_KEY & 0xFFFFFFFF], dtype=np.uint32),
            k,
        )


def _network(unit: Unit) -> tuple[Any, float]:
    """The tables of a unit as a multi-layer network with the same parameters, and the factor of its inputs."""
    if isinstance(unit, MLPUnit):
        return unit.network, 1.0
    if isinstance(unit, MatrixUnit):
        return MLPUnit(unit.activation, unit.rho_x, unit.rho_y, [], output_linear=False).network, 1.0
    if isinstance(unit, UVUnit):
        neuron = unit.rho_x.group.trivial(1)
        return MLPUnit(unit.activation, unit.rho_x, unit.rho_y, [neuron], biases=False).network, 1.0 / unit.d
    raise MfsymError(f"a residual network needs a matrix, uv or mlp unit, got {unit.name}")
