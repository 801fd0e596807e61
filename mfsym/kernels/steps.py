"""What every time loop shares: its records, and how a force moves particles.

A *shape* is the NamedTuple by which a kind of unit describes a run; all have n particles, p parameters, lanes L, blocks
and ``kept``, whether the tape of the forward pass is kept for the backward pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel
from mfsym.kernels.elementary import like
from mfsym.kernels.losses import QUADRATIC
from mfsym.kernels.noise import GROUP, normal_rows
from mfsym.kernels.rows import axpy, clear, decay_axpy, zero_or_nan


class Batches(NamedTuple):
    """Lifted batches of S consecutive steps, M = B K samples padded to a multiple of 4.

    x : (S, M, d), sample (b, k) at b K + k (for the uv unit divided by d).  y : (S, B, c).
    rho : (S, K, c, c) and node_weights : (S, K), or (1, K, c, c) and (1, K) for all steps.  sample_weights : (B,).
    """

    x: np.ndarray
    y: np.ndarray
    rho: np.ndarray
    node_weights: np.ndarray
    sample_weights: np.ndarray


class StepParameters(NamedTuple):
    """What S consecutive steps need beside their batches.

    rates : (S, 2), of force and noise.  penalty : (1,), twice tau.  projector : P (p, p), or (0, 0) for none.
    noise_map : W (p, m), so that xi = W eta.  key : of the noise.  step : the first step.
    loss : its code, see ``kernels.losses``.
    """

    rates: np.ndarray
    penalty: np.ndarray
    projector: np.ndarray
    noise_map: np.ndarray
    key: np.ndarray
    step: int
    loss: int = QUADRATIC


class Workspace(NamedTuple):
    """Scratch of a run: made once, never allocated in the time loop. T threads.

    tape (flat, all blocks, empty unless kept), scratch (T, .), forces (T, (2 p + 4) L), normals (T, .),
    words (T, 2, .), phi (blocks, M, c), r (M, c),
    weights (2, L): rows of ones, and of ones up to the last particle of the last block.
    gate (1,): where the threads meet.  finite (T + 1,): what each thread last moved, and the last prediction.
    extents (T, 2, p, 2): see ``map_extents``.
    """

    tape: np.ndarray
    scratch: np.ndarray
    forces: np.ndarray
    normals: np.ndarray
    words: np.ndarray
    phi: np.ndarray
    r: np.ndarray
    weights: np.ndarray
    gate: np.ndarray
    finite: np.ndarray
    extents: np.ndarray


class Sizes(NamedTuple):
    """The shape of a run whose passes no kernel makes: particles n, parameters p, lanes L, blocks."""

    n: int
    p: int
    lanes: int
    blocks: int

    @property
    def kept(self) -> bool:
        """No tape is kept."""
        return False


def make_workspace(
    shape: Any, rows: int, scratch: int, c: int, samples: int, noise_dimension: int, dtype: Any, threads: int
) -> Workspace:
    """A Workspace for ``rows`` rows of tape per block and ``scratch`` numbers per thread."""
    L = shape.lanes
    noise_rows, drawn = 2 * ((noise_dimension + 1) // 2), -(-L // GROUP) * GROUP
    weights = np.ones((2, L), dtype)
    weights[1, shape.n - (shape.blocks - 1) * L :] = 0
    return Workspace(
        np.zeros(shape.blocks * rows * L if shape.kept else 0, dtype),
        np.zeros((threads, scratch), dtype),
        np.zeros((threads, (2 * shape.p + 4) * L), dtype),
        np.zeros((threads, noise_rows * drawn), dtype),
        np.zeros((threads, 2, drawn), np.uint32),
        np.zeros((shape.blocks, samples, c), dtype),
        np.zeros((samples, c), dtype),
        weights,
        np.zeros(1, np.int64),
        np.ones(threads + 1, np.bool_),
        np.zeros((threads, 2, shape.p, 2), np.int64),
    )


@kernel
def draw(shape: Any, block: Any, parameters: Any, s: Any, work: Any, thread: Any) -> None:
    """Normals of the block's particles at this step, one row per noise coordinate."""
    normals, words = work.normals[thread], work.words[thread]
    pairs = (parameters.noise_map.shape[1] + 1) // 2
    for pair in range(pairs):
        stride = normals.shape[0] // (2 * pairs)
        at = block * shape.lanes // GROUP
        normal_rows(parameters.key, parameters.step + s, at, pair, words, normals, stride, shape.lanes)


@kernel
def map_extents(parameters: Any, extents: Any) -> None:
    """Write to extents (2, p, 2) where the nonzero entries of each row of P and of W begin and end.

    P without rows has none.
    """
    for k in range(extents.shape[1]):
        for which in range(2):
            extents[which, k, 0] = 0
            extents[which, k, 1] = 0
    for which, matrix in enumerate((parameters.projector, parameters.noise_map)):
        for k in range(matrix.shape[0]):
            for i in range(matrix.shape[1]):
                if matrix[k, i] != 0:
                    if extents[which, k, 1] == 0:
                        extents[which, k, 0] = i
                    extents[which, k, 1] = i + 1


@kernel
def update_block(shape: Any, block: Any, z: Any, parameters: Any, extents: Any, s: Any, work: Any, thread: Any) -> Any:
    """Move one block by its force, with projection, penalty and noise; false if a particle is not finite."""
    L, p = np.uintp(shape.lanes), shape.p
    g, normals = work.forces[thread], work.normals[thread]
    o = np.uintp(block * p * shape.lanes)
    at = np.uintp(0)
    if parameters.projector.shape[0] > 0:
        source, at = at, np.uintp(g.shape[0]) - np.uintp(p) * L
        clear(g, at, np.uintp(p) * L)
        for k in range(p):
            for i in range(extents[0, k, 0], extents[0, k, 1]):
                if parameters.projector[k, i] != 0:
                    axpy(g, at + np.uintp(k) * L, parameters.projector[k, i], g, source + np.uintp(i) * L, L)
    rate, amplitude = parameters.rates[s, 0], parameters.rates[s, 1]
    keep = like(rate, 1.0) - rate * parameters.penalty[0]
    if amplitude != 0:
        draw(shape, block, parameters, s, work, thread)
    m = parameters.noise_map.shape[1]
    stride = np.uintp(normals.shape[0] // (2 * ((m + 1) // 2))) if m > 0 else np.uintp(0)
    for k in range(p):
        row = o + np.uintp(k) * L
        decay_axpy(z, row, keep, -rate, g, at + np.uintp(k) * L, L)
        if amplitude != 0:
            for i in range(extents[1, k, 0], extents[1, k, 1]):
                if parameters.noise_map[k, i] != 0:
                    axpy(z, row, amplitude * parameters.noise_map[k, i], normals, np.uintp(i) * stride, L)
    check = like(rate, 0.0)
    inside = min(shape.lanes, shape.n - block * shape.lanes)
    for k in range(p):
        row = o + np.uintp(k) * L
        if inside < shape.lanes:
            clear(z, row + np.uintp(inside), np.uintp(shape.lanes - inside))
        check += zero_or_nan(z, row, L)
    return check == like(rate, 0.0)
