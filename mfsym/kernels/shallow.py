"""Forward and backward passes of units with one layer, a block of particles at a time.

The tape of the forward pass is kept for the backward pass while it fits the cache (``KEPT_TAPE_BYTES``); past that each
block's forward pass is run again, so memory stays proportional to one block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import by_type, class_of, kernel
from mfsym.kernels.blocks import Kind, backward_block, forward_block, predict_block, recompute_block, unit_kind
from mfsym.kernels.rows import clear_table
from mfsym.kernels.steps import Workspace, make_workspace
from mfsym.kernels.units import block_shape, tape_rows

KEPT_TAPE_BYTES = 1 << 23
"""Up to this size writing and reading a tape is faster than running the forward pass again."""


class Kept(NamedTuple):
    """The tape is kept."""

    kept: bool = True


class Recomputed(NamedTuple):
    """The forward pass is run again instead."""

    kept: bool = False


class Shape(NamedTuple):
    """Sizes: particles n, parameters p, lanes L, blocks. The types of ``unit`` and ``tape`` choose the code."""

    unit: Kind
    n: int
    p: int
    lanes: int
    blocks: int
    tape: Kept | Recomputed

    @property
    def kept(self) -> bool:
        """Whether the tape is kept."""
        return self.tape.kept


def plan(unit: tuple[int, int], n: int, p: int, d: int, c: int, samples: int, item: int) -> Shape:
    """The Shape of a run of n particles with ``samples`` lifted samples per step and items of ``item`` bytes."""
    blocks, lanes = block_shape(n, p)
    kept = blocks * lanes * tape_rows(unit[0], c, samples) * item <= KEPT_TAPE_BYTES
    return Shape(unit_kind(unit, d), n, p, lanes, blocks, Kept() if kept else Recomputed())


def workspace(shape: Shape, c: int, samples: int, noise_dimension: int, dtype: Any, threads: int = 1) -> Workspace:
    """Scratch arrays for a run of this shape on ``threads`` threads."""
    rows, scratch = tape_rows(shape.unit.code, c, samples), 0 if shape.kept else 8 * shape.lanes
    return make_workspace(shape, rows, scratch, c, samples, noise_dimension, dtype, threads)


def _forward_kept(tape: Any, shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    o, q = np.uintp(block * shape.p * shape.lanes), np.uintp(block * (work.tape.shape[0] // shape.blocks))
    weights = work.weights[1 if block == shape.blocks - 1 else 0]
    forward_block(shape.unit, z, o, np.uintp(shape.lanes), x, weights, work.tape, q, work.phi[block])


def _forward_alone(tape: Any, shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    o = np.uintp(block * shape.p * shape.lanes)
    weights = work.weights[1 if block == shape.blocks - 1 else 0]
    predict_block(shape.unit, z, o, np.uintp(shape.lanes), x, weights, work.scratch[thread], work.phi[block])


def _pull_kept(tape: Any, shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    o, q = np.uintp(block * shape.p * shape.lanes), np.uintp(block * (work.tape.shape[0] // shape.blocks))
    backward_block(shape.unit, z, o, np.uintp(shape.lanes), x, work.r, work.tape, q, work.forces[thread])


def _pull_alone(tape: Any, shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    o = np.uintp(block * shape.p * shape.lanes)
    recompute_block(shape.unit, z, o, np.uintp(shape.lanes), x, work.r, work.scratch[thread], work.forces[thread])


def _choose_forward(tape: Any, *rest: Any) -> Callable[..., Any]:
    return _forward_kept if class_of(tape) is Kept else _forward_alone


def _choose_pull(tape: Any, *rest: Any) -> Callable[..., Any]:
    return _pull_kept if class_of(tape) is Kept else _pull_alone


@by_type(_choose_forward)
def _forward(tape: Any, shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    _choose_forward(tape)(tape, shape, block, z, x, work, thread)


@by_type(_choose_pull)
def _pull(tape: Any, shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    _choose_pull(tape)(tape, shape, block, z, x, work, thread)


@kernel
def forward_shallow(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    """Partial prediction of one block, into work.phi[block]; leaves its tape where tapes are kept."""
    clear_table(work.phi[block])
    _forward(shape.tape, shape, block, z, x, work, thread)


@kernel
def pull_shallow(shape: Any, block: Any, z: Any, x: Any, work: Any, thread: Any) -> None:
    """Pull work.r back to the particles of one block, into work.forces[thread]."""
    _pull(shape.tape, shape, block, z, x, work, thread)
