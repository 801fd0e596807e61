"""Noisy SGD on an ensemble: the compiled time loop.

Each step, for the lifted batch x_{bk}, y_b with node weights w_k, sample weights q_b and matrices rho_k on outputs:

    e_b      = sum_k w_k rho_k^T Phi(x_bk) - y_b        (half the derivative of the loss, if another than quadratic)
    force_i  = P sum_{b,k} 2 q_b w_k D_z sigma(x_bk, z_i)^T rho_k e_b + 2 tau z_i
    z_i     <- z_i - rate force_i + amplitude W eta_i,     eta_i ~ N(0, I_m)

(Maass Martínez & Fontbona 2024, equation of the noisy SGD of section 2 with one lifted batch per step.)

The tape of the forward pass is kept for the backward pass while it fits the cache (``KEPT_TAPE_BYTES``); past that each
block's forward pass is run again, so memory stays proportional to one block. The backward pass goes through the blocks
from the last to the first: the last tapes are still in the cache.

Threads share the blocks: each makes the same call with its own number, and they meet twice a step (``kernels.gates``).
Sums over particles are partial sums of one block each, added in order: their bits do not depend on the threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel, kernel_allocating
from mfsym.kernels.elementary import like
from mfsym.kernels.gates import meet
from mfsym.kernels.losses import cotangents as _cotangents
from mfsym.kernels.steps import Batches, Motion, Workspace, make_workspace, map_extents, settle
from mfsym.kernels.units import (
    backward_block,
    block_shape,
    forward_block,
    predict_block,
    recompute_block,
    tape_rows,
)

__all__ = ["Batches", "Motion", "Shape", "Workspace", "advance", "plan", "workspace"]

KEPT_TAPE_BYTES = 1 << 23
"""Up to this size writing and reading a tape is faster than running the forward pass again."""


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
    blocks, lanes = block_shape(n, p)
    kept = blocks * lanes * tape_rows(unit[0], c, samples) * item <= KEPT_TAPE_BYTES
    return Shape(*unit, n, p, lanes, blocks, kept)


def workspace(shape: Shape, c: int, samples: int, noise_dimension: int, dtype: Any, threads: int = 1) -> Workspace:
    """Scratch arrays for a run of this shape on ``threads`` threads."""
    rows, scratch = tape_rows(shape.code, c, samples), 0 if shape.kept else 8 * shape.lanes
    return make_workspace(shape, rows, scratch, c, samples, noise_dimension, dtype, threads)


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
def _pull(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    """Pull work.r back to the particles of one block, into work.forces[thread]."""
    L = np.uintp(shape.lanes)
    o = np.uintp(block * shape.p * shape.lanes)
    unit, g = (shape.code, shape.activation), work.forces[thread]
    if shape.kept:
        q = np.uintp(block * (work.tape.shape[0] // shape.blocks))
        backward_block(shape.code, z, o, L, x, work.r, work.tape, q, g)
    else:
        recompute_block(unit, z, o, L, x, work.r, work.scratch[thread], g)


@kernel_allocating
def advance(shape: Any, z: Any, batches: Any, motion: Any, work: Any, thread: Any) -> Any:
    """Move the blocked particles z through the S steps of ``batches``; ``thread`` is this call's number among threads.

    Returns S, or the number of steps after which the state stopped being finite (the run ends there).
    """
    return _advance(shape, z, batches, motion, map_extents(motion), work, thread)


@kernel
def _advance(shape: Any, z: Any, batches: Any, motion: Any, extents: Any, work: Any, thread: Any) -> Any:
    """As ``advance``, with the extents of the motion's maps."""
    threads = work.forces.shape[0]
    first, last = thread * shape.blocks // threads, (thread + 1) * shape.blocks // threads
    for s in range(batches.x.shape[0]):
        x = batches.x[s]
        for block in range(first, last):
            _forward(shape, block, z, x, work, thread)
        meet(work.gate, threads)
        if not work.finite.all():
            return s
        if thread == 0:
            work.finite[threads] = _cotangents(shape, batches, s, work, motion.loss)
        meet(work.gate, threads)
        if not work.finite[threads]:
            return s
        for block in range(last - 1, first - 1, -1):
            _pull(shape, block, z, x, work, thread)
            work.finite[thread] &= settle(shape, block, z, motion, extents, s, work, thread)
    return batches.x.shape[0]
