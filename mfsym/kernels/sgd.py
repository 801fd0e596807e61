"""Noisy SGD on an ensemble: the compiled time loop.

Each step, for the lifted batch x_{bk}, y_b with node weights w_k, sample weights q_b and matrices rho_k on outputs:

    e_b      = sum_k w_k rho_k^T Phi(x_bk) - y_b
    force_i  = P sum_{b,k} 2 q_b w_k D_z sigma(x_bk, z_i)^T rho_k e_b + 2 tau z_i
    z_i     <- z_i - rate force_i + amplitude W eta_i,     eta_i ~ N(0, I_m)

(Maass Martínez & Fontbona 2024, equation of the noisy SGD of section 2 with one lifted batch per step.)

The tape of the forward pass is kept for the backward pass while it fits the cache (``KEPT_TAPE_BYTES``); past that each
block's forward pass is run again, so memory stays proportional to one block. Sums over particles are partial sums of
one block each, added in order: their bits do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel, parallel_kernel, prange
from mfsym.kernels.elementary import like
from mfsym.kernels.noise import GROUP, LANES, normal_group
from mfsym.kernels.rows import axpy, clear, decay_axpy, zero_or_nan
from mfsym.kernels.units import (
    backward_block,
    block_shape,
    forward_block,
    predict_block,
    recompute_block,
    tape_rows,
)

KEPT_TAPE_BYTES = 1 << 22


class Batches(NamedTuple):
    """Lifted batches of S consecutive steps, M = B K samples padded to a multiple of 4.

    x : (S, M, d), sample (b, k) at b K + k (for the uv unit divided by d).  y : (S, B, c).
    rho : (K, c, c).  node_weights : (K,).  sample_weights : (B,).
    """

    x: np.ndarray
    y: np.ndarray
    rho: np.ndarray
    node_weights: np.ndarray
    sample_weights: np.ndarray


class Motion(NamedTuple):
    """How particles move: rates (S, 2) of force and noise, twice tau, P (p, p) or (0, 0), W (p, m), key, first step."""

    rates: np.ndarray
    penalty: np.ndarray
    projector: np.ndarray
    noise_map: np.ndarray
    key: np.ndarray
    step: int


class Workspace(NamedTuple):
    """Scratch of a run: made once, never allocated in the time loop. T threads.

    tape (flat, all blocks, empty unless kept), scratch (T, 8 L), forces (T, (2 p + 4) L), normals (T, .),
    words (T, 4, LANES), phi (blocks, M, c), r (M, c),
    weights (2, L): rows of ones, and of ones up to the last particle of the last block.
    """

    tape: np.ndarray
    scratch: np.ndarray
    forces: np.ndarray
    normals: np.ndarray
    words: np.ndarray
    phi: np.ndarray
    r: np.ndarray
    weights: np.ndarray


class Shape(NamedTuple):
    """Sizes: codes of unit and activation, particles n, parameters p, lanes L, blocks, and whether the tape is kept."""

    code: int
    activation: int
    n: int
    p: int
    lanes: int
    blocks: int
    kept: bool


def plan(unit: tuple[int, int], n: int, p: int, d: int, c: int, samples: int, item: int) -> Shape:
    """The Shape of a run of n particles with ``samples`` lifted samples per step and items of ``item`` bytes."""
    blocks, lanes = block_shape(n)
    kept = blocks * lanes * tape_rows(unit[0], c, samples) * item <= KEPT_TAPE_BYTES
    return Shape(*unit, n, p, lanes, blocks, kept)


def workspace(shape: Shape, c: int, samples: int, noise_dimension: int, dtype: Any, threads: int = 1) -> Workspace:
    """Scratch arrays for a run of this shape on ``threads`` threads."""
    L = shape.lanes
    rows = tape_rows(shape.code, c, samples)
    noise_rows = 2 * ((noise_dimension + 1) // 2)
    weights = np.ones((2, L), dtype)
    weights[1, shape.n - (shape.blocks - 1) * L :] = 0
    return Workspace(
        np.zeros(shape.blocks * rows * L if shape.kept else 0, dtype),
        np.zeros((threads, 0 if shape.kept else 8 * L), dtype),
        np.zeros((threads, (2 * shape.p + 4) * L), dtype),
        np.zeros((threads, noise_rows * (-(-L // GROUP) * GROUP)), dtype),
        np.zeros((threads, 4, LANES), np.uint32),
        np.zeros((shape.blocks, samples, c), dtype),
        np.zeros((samples, c), dtype),
        weights,
    )


@kernel
def _forward(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    """Partial prediction of one block, into work.phi[block]; leaves its tape where tapes are kept."""
    L = np.uintp(shape.lanes)
    o = np.uintp(block * shape.p * shape.lanes)
    unit, phi = (shape.code, shape.activation), work.phi[block]
    phi[:] = like(z[0], 0.0)
    weights = work.weights[1 if block == shape.blocks - 1 else 0]
    if shape.kept:
        q = np.uintp(block * (work.tape.shape[0] // shape.blocks))
        forward_block(unit, z, o, L, x, weights, work.tape, q, phi)
    else:
        predict_block(unit, z, o, L, x, weights, work.scratch[thread], phi)


@kernel
def _cotangents(shape: Any, batches: Any, s: Any, work: Any) -> Any:
    """Turn the blocks' partial sums into r_bk = 2 q_b w_k rho_k e_b; false if a prediction is not finite."""
    y, rho, w = batches.y[s], batches.rho, batches.node_weights
    B, c = y.shape
    K = w.shape[0]
    total, r = work.phi[0], work.r
    zero = like(total[0, 0], 0.0)
    scale = like(total[0, 0], shape.n)
    for b in range(1, shape.blocks):
        total += work.phi[b]
    check = zero
    for b in range(B):
        for j in range(c):
            e = -y[b, j]
            for k in range(K):
                for i in range(c):
                    e += w[k] * rho[k, i, j] * (total[b * K + k, i] / scale)
            check += e * zero
            r[b * K, j] = e
        for j in range(c):
            total[b * K, j] = r[b * K, j]
        for k in range(K - 1, -1, -1):
            factor = like(zero, 2.0) * batches.sample_weights[b] * w[k]
            for i in range(c):
                value = zero
                for j in range(c):
                    value += rho[k, i, j] * total[b * K, j]
                r[b * K + k, i] = factor * value
    return check == zero


@kernel
def _draw(shape: Any, block: Any, motion: Any, s: Any, work: Any, thread: Any) -> None:
    """Normals of the block's particles at this step, one row per noise coordinate."""
    normals = work.normals[thread]
    m = motion.noise_map.shape[1]
    pairs = (m + 1) // 2
    if pairs == 0:
        return
    stride = normals.shape[0] // (2 * pairs)
    for group in range(stride // GROUP):
        at = block * shape.lanes // GROUP + group
        for pair in range(pairs):
            normal_group(motion.key, motion.step + s, at, pair, work.words[thread], normals[group * GROUP :], stride)


@kernel
def _move(shape: Any, block: Any, z: Any, x: Any, motion: Any, s: Any, work: Any, thread: Any) -> Any:
    """Backward pass, projection, penalty and noise of one block; false if a particle is not finite."""
    L, p = np.uintp(shape.lanes), shape.p
    unit, g, normals = (shape.code, shape.activation), work.forces[thread], work.normals[thread]
    o = np.uintp(block * p * shape.lanes)
    if shape.kept:
        q = np.uintp(block * (work.tape.shape[0] // shape.blocks))
        backward_block(shape.code, z, o, L, x, work.r, work.tape, q, g)
    else:
        recompute_block(unit, z, o, L, x, work.r, work.scratch[thread], g)
    at = np.uintp(0)
    if motion.projector.shape[0] > 0:
        source, at = at, np.uintp(g.shape[0]) - np.uintp(p) * L
        clear(g, at, np.uintp(p) * L)
        for k in range(p):
            for i in range(p):
                if motion.projector[k, i] != 0:
                    axpy(g, at + np.uintp(k) * L, motion.projector[k, i], g, source + np.uintp(i) * L, L)
    rate, amplitude = motion.rates[s, 0], motion.rates[s, 1]
    keep = like(rate, 1.0) - rate * motion.penalty[0]
    if amplitude != 0:
        _draw(shape, block, motion, s, work, thread)
    m = motion.noise_map.shape[1]
    stride = np.uintp(normals.shape[0] // (2 * ((m + 1) // 2))) if m > 0 else np.uintp(0)
    for k in range(p):
        row = o + np.uintp(k) * L
        decay_axpy(z, row, keep, -rate, g, at + np.uintp(k) * L, L)
        if amplitude != 0:
            for i in range(m):
                if motion.noise_map[k, i] != 0:
                    axpy(z, row, amplitude * motion.noise_map[k, i], normals, np.uintp(i) * stride, L)
    check = like(rate, 0.0)
    inside = min(shape.lanes, shape.n - block * shape.lanes)
    for k in range(p):
        row = o + np.uintp(k) * L
        if inside < shape.lanes:
            clear(z, row + np.uintp(inside), np.uintp(shape.lanes - inside))
        check += zero_or_nan(z, row, L)
    return check == like(rate, 0.0)


@kernel
def advance(shape: Any, z: Any, batches: Any, motion: Any, work: Any) -> Any:
    """Move the blocked particles z through the S steps of ``batches``.

    Returns S, or the number of steps after which the state stopped being finite (the run ends there).
    """
    for s in range(batches.x.shape[0]):
        x = batches.x[s]
        for block in range(shape.blocks):
            _forward(shape, block, z, x, work, 0)
        if not _cotangents(shape, batches, s, work):
            return s
        finite = True
        for block in range(shape.blocks):
            finite &= _move(shape, block, z, x, motion, s, work, 0)
        if not finite:
            return s + 1
    return batches.x.shape[0]


@parallel_kernel
def advance_threads(shape: Any, z: Any, batches: Any, motion: Any, work: Any) -> Any:
    """As ``advance``, the blocks of each pass shared between threads; the same bits."""
    threads = work.forces.shape[0]
    finite = np.ones(threads, np.bool_)
    for s in range(batches.x.shape[0]):
        x = batches.x[s]
        for thread in prange(threads):
            for block in range(thread * shape.blocks // threads, (thread + 1) * shape.blocks // threads):
                _forward(shape, block, z, x, work, thread)
        if not _cotangents(shape, batches, s, work):
            return s
        for thread in prange(threads):
            for block in range(thread * shape.blocks // threads, (thread + 1) * shape.blocks // threads):
                finite[thread] &= _move(shape, block, z, x, motion, s, work, thread)
        if not finite.all():
            return s + 1
    return batches.x.shape[0]
