"""Blocks of particles, whose passes ``kernels.blocks`` makes: their sizes, packing, and predictions of ensembles."""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import kernel
from mfsym.kernels.activations import KINDS, values_slopes_row
from mfsym.kernels.blocks import MATRIX, UV, predict_block, unit_kind
from mfsym.kernels.elementary import like
from mfsym.kernels.rows import axpy, clear, clear_table, preactivations

__all__ = ["MATRIX", "UV", "block_shape", "pack", "predict", "predict_blocked", "predict_few", "tape_rows", "unpack"]

MAX_LANES = 1024
"""Lanes of a full block: long enough to amortise a row call, short enough for the cache."""

MANY, FEW_LANES = 64, 128
"""Particles of more than MANY parameters lie in blocks of at most FEW_LANES lanes: less memory per block."""

SAMPLES_AT_A_TIME = 4

FEW, SAMPLE_LANES = 64, 128
"""A matrix unit's ensemble of at most FEW particles is read with SAMPLE_LANES samples in the lanes."""


def block_shape(n: int, p: int = 1) -> tuple[int, int]:
    """Number of blocks and of lanes per block for n particles of p parameters: little padding, whole vectors.

    One block of whole vectors (16 lanes) up to MAX_LANES (fewer where p > MANY), then blocks of equal size, a multiple
    of 128 lanes, and an even number of them that two threads can share.
    """
    largest = MAX_LANES if p <= MANY else FEW_LANES
    if n <= largest:
        return 1, max(1, -(-n // 16)) * 16
    least = 2 * -(-n // (2 * largest))
    sizes = [-(-n // (128 * blocks)) * 128 for blocks in (least, least + 2, least + 4)]
    lanes = min(sizes, key=lambda size: 2 * -(-n // (2 * size)) * size)
    return -(-n // lanes), lanes


def tape_rows(unit: int, c: int, samples: int) -> int:
    """Rows of tape of one block."""
    return samples * (c if unit == MATRIX else 2)


@kernel
def pack(z: Any, n: Any, p: Any, L: Any, blocked: Any) -> None:
    """Copy particles z (n, p) into blocks; lanes past n are zero."""
    clear(blocked, np.uintp(0), np.uintp(blocked.shape[0]))
    for i in range(n):
        for k in range(p):
            blocked[(i // L * p + k) * L + i % L] = z[i, k]


@kernel
def unpack(blocked: Any, L: Any, z: Any) -> None:
    """Copy blocks into particles z (n, p)."""
    n, p = z.shape
    for i in range(n):
        for k in range(p):
            z[i, k] = blocked[(i // L * p + k) * L + i % L]


@kernel
def predict_blocked(unit: Any, blocked: Any, n: Any, p: Any, L: Any, x: Any, work: Any, out: Any) -> None:
    """out (Q, c) = (1/n) sum_i sigma(x_q, z_i) for x (Q, d), Q a multiple of 4. work : (9 L,) scratch."""
    one, zero = like(blocked[0], 1.0), like(blocked[0], 0.0)
    weights, scratch = work[:L], work[L:]
    clear_table(out)
    for b in range(blocked.shape[0] // (p * L)):
        for lane in range(L):
            weights[lane] = one if b * L + lane < n else zero
        predict_block(unit, blocked, np.uintp(b * p * L), np.uintp(L), x, weights, scratch, out)
    for m in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[m, j] /= like(one, n)


@kernel
def predict_few(activation: Any, z: Any, c: Any, n: Any, x: Any, work: Any, out: Any) -> None:
    """out (Q, c) = (1/n) sum_i sigma(x_q, z_i) of the matrix unit for x (Q, d), a lane for each sample.

    z : (c n padded to a multiple of 4, d), row i c + j is row j of particle i.
    work : scratch of ``few_work`` numbers, zero at first.
    """
    (Q, d), L, start = x.shape, np.uintp(SAMPLE_LANES), np.uintp(0)
    scratch, values = work[: 4 * SAMPLE_LANES], work[4 * SAMPLE_LANES : 8 * SAMPLE_LANES]
    sums, inputs = work[8 * SAMPLE_LANES : (8 + c) * SAMPLE_LANES], work[(8 + c) * SAMPLE_LANES :]
    for first in range(0, Q, SAMPLE_LANES):
        here = min(SAMPLE_LANES, Q - first)
        for lane in range(here):
            for k in range(d):
                inputs[k * SAMPLE_LANES + lane] = x[first + lane, k]
        clear(sums, start, np.uintp(c) * L)
        for m in range(0, z.shape[0], 4):
            preactivations(inputs, start, L, z, m, scratch, start)
            for s in range(min(4, n * c - m)):
                row = np.uintp(s) * L
                values_slopes_row(activation, scratch, row, values, L)
                axpy(sums, np.uintp((m + s) % c) * L, like(x[0, 0], 1.0), values, row, L)
        for lane in range(here):
            for j in range(c):
                out[first + lane, j] = sums[j * SAMPLE_LANES + lane] / n


def few_work(d: int, c: int) -> np.ndarray:
    """Scratch of ``predict_few`` for inputs in R^d and c outputs."""
    return np.zeros((8 + c + d) * SAMPLE_LANES)


def _predict_few(activation: int, x: np.ndarray, z: np.ndarray, c: int) -> np.ndarray:
    """As ``predict`` for few particles of the matrix unit."""
    n, d = len(z), x.shape[1]
    rows = np.zeros((-(-n * c // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME, d))
    rows[: n * c] = z.reshape(n * c, d)
    out = np.empty((len(x), c))
    predict_few(KINDS[activation], rows, c, n, as_block(x), few_work(d, c), out)
    return out


def as_block(values: np.ndarray) -> np.ndarray:
    """Float64, in one piece, and a copy where it cannot be written: a kernel is compiled again for such arrays."""
    return np.require(values, np.float64, ["C", "W"])


def predict(unit: int, activation: int, x: np.ndarray, z: np.ndarray, c: int) -> np.ndarray:
    """Prediction (Q, c) of the ensemble z (N, p) at the inputs x (Q, d), in float64."""
    z = as_block(z)
    n, p = z.shape
    if unit == MATRIX and n <= FEW:
        return _predict_few(activation, x, z, c)
    blocks, L = block_shape(n)
    blocked = np.empty(blocks * p * L)
    pack(z, n, p, L, blocked)
    rows = len(x)
    padded = np.zeros((-(-rows // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME, x.shape[1]))
    padded[:rows] = x if unit == MATRIX else x / x.shape[1]
    out = np.empty((len(padded), c))
    predict_blocked(unit_kind((unit, activation), x.shape[1]), blocked, n, p, L, padded, np.empty(9 * L), out)
    return out[:rows]
