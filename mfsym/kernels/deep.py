"""Forward and backward passes of multi-layer units, a block of particles at a time.

The passes over samples are those of ``kernels.mlp``. A pass copies a *tile* of T lanes of a block's parameters into
scratch, unless the tile is the block, and takes the samples through it a few at a time, so that parameters, activations
and gradients of the tile stay in the nearest caches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel, written_out
from mfsym.kernels.elementary import like
from mfsym.kernels.mlp import SAMPLES, Network, copy_rows, fill, load_samples, run_backward, run_forward
from mfsym.kernels.rows import clear_table
from mfsym.kernels.steps import Workspace, make_workspace
from mfsym.kernels.units import FEW_LANES, SAMPLES_AT_A_TIME, as_block, block_shape, pack

TILE_BYTES = 1 << 18
"""Bytes that a tile's parameters, gradients and tape may take: well within the second level of cache."""

KEPT_BYTES = 1 << 22
"""Tapes are kept from the forward to the backward pass up to this size; past it, forward passes are run again."""


class DeepShape(NamedTuple):
    """A Network with the sizes of a run: tile lanes, particles n, lanes L, blocks, and whether the tape is kept."""

    layers: np.ndarray
    maps: np.ndarray
    p: int
    rows: int
    wide: int
    tile: int
    n: int
    lanes: int
    blocks: int
    kept: bool


def deep_plan(network: Network, n: int, samples: int, item: int) -> DeepShape:
    """The DeepShape of a run of n particles with ``samples`` lifted samples per step and items of ``item`` bytes."""
    per_lane = item * (2 * network.p + SAMPLES * (network.rows + 3 * network.wide) + 1)
    tile = min(FEW_LANES, max(16, TILE_BYTES // per_lane // 16 * 16))
    blocks, lanes = block_shape(n, network.p)
    kept = blocks * lanes * samples * network.rows * item <= KEPT_BYTES
    return DeepShape(*network, tile, n, lanes, blocks, kept)


def scratch_size(shape: DeepShape) -> int:
    """Scratch of one thread: zeros, parameters, gradients, three tables, and a tape of SAMPLES if none is kept."""
    tape = 0 if shape.kept else SAMPLES * shape.rows
    return (1 + 2 * shape.p + 3 * SAMPLES * shape.wide + tape) * shape.tile


def deep_workspace(
    shape: DeepShape, c: int, samples: int, noise_dimension: int, dtype: Any, threads: int = 1
) -> Workspace:
    """Scratch arrays for a run of this shape on ``threads`` threads."""
    rows = shape.rows * samples
    return make_workspace(shape, rows, scratch_size(shape), c, samples, noise_dimension, dtype, threads)


@kernel
def _weighted_sum(a: Any, o: Any, weights: Any, first: Any, n: Any) -> Any:
    """sum_i weights[first + i] a[o + i], i < n."""
    total, at, by = like(a[0], 0.0), np.uintp(o), np.uintp(first)
    for lane in range(n):
        total += weights[by + np.uintp(lane)] * a[at + np.uintp(lane)]
    return total


@written_out
def _place(shape: Any, block: Any, first: Any, M: Any, m: Any, T: Any) -> Any:
    """Where the tape of the samples from the m-th on begins: in the kept tape, or at the end of scratch."""
    if shape.kept:
        return shape.rows * (M * (block * shape.lanes + first) + m * T)
    return (1 + 2 * shape.p + 3 * SAMPLES * shape.wide) * T


@kernel
def deep_sums(shape: Any, block: Any, z: Any, x: Any, weights: Any, work: Any, thread: Any) -> None:
    """Add sum_i weights_i sigma(x_m, z_i) over one block to work.phi[block]; keep the tape where tapes are kept."""
    scratch, phi = work.scratch[thread], work.phi[block]
    tape = work.tape if shape.kept else scratch
    M, c = phi.shape
    values = shape.layers[shape.layers.shape[0] - 1, 4]
    for first in range(0, shape.lanes, shape.tile):
        T = min(shape.tile, shape.lanes - first)
        fill(scratch, 0, like(z[0], 0.0), T)
        particles, o = z, block * shape.p * shape.lanes
        if T < shape.lanes:
            copy_rows(scratch, T, T, z, o + first, shape.lanes, shape.p, T)
            particles, o = scratch, T
        for m in range(0, M, SAMPLES):
            S = min(SAMPLES, M - m)
            q = _place(shape, block, first, M, m, T)
            load_samples(shape, scratch, x, m, S, T)
            run_forward(shape, scratch, particles, o, tape, q, S, T)
            for j in range(c):
                for s in range(S):
                    phi[m + s, j] += _weighted_sum(tape, q + (S * (values + j) + s) * T, weights, first, T)


@kernel
def deep_force(shape: Any, block: Any, z: Any, x: Any, r: Any, work: Any, thread: Any, dx: Any, weights: Any) -> None:
    """work.forces[thread][:p L] = sum_m D_z sigma(x_m, z_i)^T r_m over one block.

    dx : (M, d), gains sum_i weights_i D_x sigma(x_m, z_i)^T r_m, unless it has no rows.
    """
    scratch, g = work.scratch[thread], work.forces[thread]
    tape = work.tape if shape.kept else scratch
    M, d = x.shape
    p = shape.p
    for first in range(0, shape.lanes, shape.tile):
        T = min(shape.tile, shape.lanes - first)
        fill(scratch, 0, like(z[0], 0.0), T)
        particles, o, gradients, to = z, block * p * shape.lanes, g, 0
        if T < shape.lanes:
            copy_rows(scratch, T, T, z, o + first, shape.lanes, p, T)
            particles, o, gradients, to = scratch, T, scratch, (1 + p) * T
        fill(gradients, to, like(z[0], 0.0), p * T)
        for m in range(0, M, SAMPLES):
            S = min(SAMPLES, M - m)
            q = _place(shape, block, first, M, m, T)
            load_samples(shape, scratch, x, m, S, T)
            if not shape.kept:
                run_forward(shape, scratch, particles, o, tape, q, S, T)
            at = run_backward(shape, scratch, particles, o, gradients, to, r[m : m + S], tape, q, T, dx.shape[0] > 0)
            if dx.shape[0] > 0:
                for k in range(d):
                    for s in range(S):
                        dx[m + s, k] += _weighted_sum(scratch, at + (S * k + s) * T, weights, first, T)
        if T < shape.lanes:
            copy_rows(g, first, shape.lanes, scratch, to, T, p, T)


@kernel
def forward_deep(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    """Partial prediction of one block, into work.phi[block]; leaves its tape where tapes are kept."""
    clear_table(work.phi[block])
    deep_sums(shape, block, z, x, work.weights[1 if block == shape.blocks - 1 else 0], work, thread)


@kernel
def pull_deep(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    """Pull work.r back to the particles of one block, into work.forces[thread]."""
    deep_force(shape, block, z, x, work.r, work, thread, x[:0], work.weights[0])


class _PredictionWork(NamedTuple):
    """The part of a Workspace that predictions need."""

    tape: np.ndarray
    scratch: np.ndarray
    phi: np.ndarray
    weights: np.ndarray


@kernel
def predict_deep(shape: Any, blocked: Any, x: Any, work: Any) -> None:
    """work.phi[0] (Q, c) = (1/n) sum_i sigma(x_q, z_i) for x (Q, d), Q a multiple of 4."""
    one, zero = like(blocked[0], 1.0), like(blocked[0], 0.0)
    size, L, weights, phi = shape.p * shape.lanes, shape.lanes, work.weights, work.phi[0]
    for b in range(shape.blocks):
        for lane in range(L):
            weights[lane] = one if b * L + lane < shape.n else zero
        deep_sums(shape, 0, blocked[b * size : (b + 1) * size], x, weights, work, 0)
    for m in range(phi.shape[0]):
        for j in range(phi.shape[1]):
            phi[m, j] /= like(one, shape.n)


def predict_network(network: Network, x: np.ndarray, z: np.ndarray, c: int) -> np.ndarray:
    """Prediction (Q, c) of the ensemble z (N, p) of such units at the inputs x (Q, d), in float64."""
    n, p = z.shape
    shape = deep_plan(network, n, 0, 8)._replace(kept=False)
    blocked = np.empty(shape.blocks * p * shape.lanes)
    pack(as_block(z), n, p, shape.lanes, blocked)
    padded = np.zeros((-(-len(x) // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME, x.shape[1]))
    padded[: len(x)] = x
    scratch, phi = np.zeros((1, scratch_size(shape))), np.zeros((1, len(padded), c))
    work = _PredictionWork(np.zeros(0), scratch, phi, np.empty(shape.lanes))
    predict_deep(shape, blocked, padded, work)
    return work.phi[0, : len(x)]
