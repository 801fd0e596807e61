"""Forward and backward passes of units with one layer, a block of particles at a time.

The tape of the forward pass is kept for the backward pass while it fits the cache (``KEPT_TAPE_BYTES``); past that each
block's forward pass is run again, so memory stays proportional to one block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel
from mfsym.kernels.elementary import like
from mfsym.kernels.steps import Workspace, make_workspace
from mfsym.kernels.units import (
    backward_block,
    block_shape,
    forward_block,
    predict_block,
    recompute_block,
    tape_rows,
)

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
def forward_shallow(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
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
def pull_shallow(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    """Pull work.r back to the particles of one block, into work.forces[thread]."""
    L = np.uintp(shape.lanes)
    o = np.uintp(block * shape.p * shape.lanes)
    unit, g = (shape.code, shape.activation), work.forces[thread]
    if shape.kept:
        q = np.uintp(block * (work.tape.shape[0] // shape.blocks))
        backward_block(shape.code, z, o, L, x, work.r, work.tape, q, g)
    else:
        recompute_block(unit, z, o, L, x, work.r, work.scratch[thread], g)
