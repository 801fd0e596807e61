"""Forward and backward passes of the units over one block of particles, and predictions of whole ensembles.

Particles lie in blocks of L lanes, one contiguous row per parameter: parameter k of lane l in block b is
z[(b p + k) L + l]. Samples come in fours (the batch is padded with samples of zero weight). A forward pass leaves in
``tape`` what the backward pass needs:

* matrix unit s(z x): slopes s'(a_j), row (j, m) at (j M + m) L; nothing else;
* uv unit v s(u.x / d): values s(a) in rows m, slopes s'(a) in rows M + m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import kernel, kernel_allocating
from mfsym.kernels.activations import slopes_row, sum_row, sum_slopes_row, values_slopes_row
from mfsym.kernels.elementary import like
from mfsym.kernels.planar import planar_kept, planar_pull, planar_pull_kept, planar_sums
from mfsym.kernels.rows import accumulate, axpy, clear, multiply, preactivations, weighted_dot

MATRIX, UV = 0, 1
"""Codes of the units."""

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
def forward_block(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any) -> None:
    """Add sum_i weights_i sigma(x_m, z_i) over the block at z[o:] to phi (M, c), and write the tape at tape[q:].

    unit : (code, activation).  x : (M, d), M a multiple of 4; for the uv unit already divided by d.
    """
    code, activation = unit
    M, d = x.shape
    c = phi.shape[1]
    if code == 0:
        for j in range(c):
            if d == 2:
                planar_kept(activation, z, o, x, weights, tape, q, phi, j)
                q += np.uintp(M) * L
            else:
                for m in range(0, M, 4):
                    preactivations(z, o, L, x, m, tape, q)
                    for s in range(4):
                        phi[m + s, j] += sum_slopes_row(activation, tape, q, weights, L)
                        q += L
            o += np.uintp(d) * L
    else:
        v = o + np.uintp(d) * L
        slopes = tape[np.uintp(M) * L :]
        for m in range(0, M, 4):
            preactivations(z, o, L, x, m, slopes, q)
            for s in range(4):
                values_slopes_row(activation, slopes, q, tape, L)
                for j in range(c):
                    phi[m + s, j] += weighted_dot(tape, q, z, v + np.uintp(j) * L, weights, L)
                q += L


@kernel
def predict_block(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, scratch: Any, phi: Any) -> None:
    """As ``forward_block`` without a tape: scratch (8 L,) is all the memory it needs, and never leaves the cache."""
    code, activation = unit
    M, d = x.shape
    c = phi.shape[1]
    at = np.uintp(0)
    if code == 0:
        for j in range(c):
            if d == 2:
                planar_sums(activation, z, o, x, weights, phi, j)
            else:
                for m in range(0, M, 4):
                    preactivations(z, o, L, x, m, scratch, at)
                    for s in range(4):
                        phi[m + s, j] += sum_row(activation, scratch, np.uintp(s) * L, weights, L)
            o += np.uintp(d) * L
    else:
        v = o + np.uintp(d) * L
        values = scratch[np.uintp(4) * L :]
        for m in range(0, M, 4):
            preactivations(z, o, L, x, m, scratch, at)
            for s in range(4):
                row = np.uintp(s) * L
                values_slopes_row(activation, scratch, row, values, L)
                for j in range(c):
                    phi[m + s, j] += weighted_dot(values, row, z, v + np.uintp(j) * L, weights, L)


@kernel
def _pull_uv(z: Any, v: Any, L: Any, x: Any, r: Any, m: Any, values: Any, q: Any, slopes: Any, g: Any) -> None:
    """Add to g the pullback of the four samples from m on, given their values and slopes at q; uv unit.

    g : (p + 4) L, the last 4 L to work in.
    """
    c, d = r.shape[1], x.shape[1]
    for s in range(4):
        row = np.uintp(c + d + s) * L
        at = q + np.uintp(s) * L
        clear(g, row, L)
        for j in range(c):
            axpy(g, row, r[m + s, j], z, v + np.uintp(j) * L, L)
            axpy(g, np.uintp(d + j) * L, r[m + s, j], values, at, L)
        multiply(g, row, slopes, at, L)
        for k in range(d):
            axpy(g, np.uintp(k) * L, x[m + s, k], g, row, L)


@kernel
def backward_block(code: Any, z: Any, o: Any, L: Any, x: Any, r: Any, tape: Any, q: Any, g: Any) -> None:
    """g[:p L] = sum_m D_z sigma(x_m, z_i)^T r_m over the block at z[o:], from its tape.

    r : (M, c).  g : flat, (p + 4) L, the last 4 L to work in.
    """
    M, d = x.shape
    c = r.shape[1]
    at = np.uintp(0)
    if code == 0:
        clear(g, at, np.uintp(c * d) * L)
        for j in range(c):
            if d == 2:
                planar_pull_kept(tape, q, L, x, r, j, g, at)
            else:
                for m in range(0, M, 4):
                    accumulate(g, at, L, tape, q + np.uintp(m) * L, x, r, m, j)
            q += np.uintp(M) * L
            at += np.uintp(d) * L
    else:
        clear(g, at, np.uintp(c + d) * L)
        slopes = tape[np.uintp(M) * L :]
        for m in range(0, M, 4):
            _pull_uv(z, o + np.uintp(d) * L, L, x, r, m, tape, q, slopes, g)
            q += np.uintp(4) * L


@kernel
def recompute_block(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, scratch: Any, g: Any) -> None:
    """As ``backward_block`` without a tape: four samples at a time are run forward again. scratch : (8 L,)."""
    code, activation = unit
    M, d = x.shape
    c = r.shape[1]
    at, start = np.uintp(0), np.uintp(0)
    if code == 0:
        clear(g, at, np.uintp(c * d) * L)
        for j in range(c):
            if d == 2:
                planar_pull(activation, z, o, L, x, r, j, g, at)
            else:
                for m in range(0, M, 4):
                    preactivations(z, o, L, x, m, scratch, start)
                    for s in range(4):
                        slopes_row(activation, scratch, np.uintp(s) * L, L)
                    accumulate(g, at, L, scratch, start, x, r, m, j)
            o += np.uintp(d) * L
            at += np.uintp(d) * L
    else:
        clear(g, at, np.uintp(c + d) * L)
        values = scratch[np.uintp(4) * L :]
        for m in range(0, M, 4):
            preactivations(z, o, L, x, m, scratch, start)
            for s in range(4):
                values_slopes_row(activation, scratch, np.uintp(s) * L, values, L)
            _pull_uv(z, o + np.uintp(d) * L, L, x, r, m, values, start, scratch, g)


@kernel
def pack(z: Any, n: Any, p: Any, L: Any, blocked: Any) -> None:
    """Copy particles z (n, p) into blocks; lanes past n are zero."""
    blocked[:] = like(blocked[0], 0.0)
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


@kernel_allocating
def predict_blocked(unit: Any, blocked: Any, n: Any, p: Any, L: Any, x: Any, out: Any) -> None:
    """out (Q, c) = (1/n) sum_i sigma(x_q, z_i) for x (Q, d), Q a multiple of 4."""
    one, zero = like(blocked[0], 1.0), like(blocked[0], 0.0)
    scratch = np.empty(8 * L, x.dtype)
    weights = np.empty(L, x.dtype)
    out[:] = zero
    for b in range(blocked.shape[0] // (p * L)):
        for lane in range(L):
            weights[lane] = one if b * L + lane < n else zero
        predict_block(unit, blocked, np.uintp(b * p * L), np.uintp(L), x, weights, scratch, out)
    out /= like(one, n)


@kernel_allocating
def predict_few(activation: Any, z: Any, c: Any, n: Any, x: Any, out: Any) -> None:
    """out (Q, c) = (1/n) sum_i sigma(x_q, z_i) of the matrix unit for x (Q, d), a lane for each sample.

    z : (c n padded to a multiple of 4, d), row i c + j is row j of particle i.
    """
    (Q, d), L, start = x.shape, np.uintp(SAMPLE_LANES), np.uintp(0)
    inputs, sums = np.zeros(d * SAMPLE_LANES, x.dtype), np.empty(c * SAMPLE_LANES, x.dtype)
    scratch, values = np.empty(4 * SAMPLE_LANES, x.dtype), np.empty(4 * SAMPLE_LANES, x.dtype)
    for first in range(0, Q, SAMPLE_LANES):
        here = min(SAMPLE_LANES, Q - first)
        for lane in range(here):
            for k in range(d):
                inputs[k * SAMPLE_LANES + lane] = x[first + lane, k]
        sums[:] = like(x[0, 0], 0.0)
        for m in range(0, z.shape[0], 4):
            preactivations(inputs, start, L, z, m, scratch, start)
            for s in range(min(4, n * c - m)):
                row = np.uintp(s) * L
                values_slopes_row(activation, scratch, row, values, L)
                axpy(sums, np.uintp((m + s) % c) * L, like(x[0, 0], 1.0), values, row, L)
        for lane in range(here):
            for j in range(c):
                out[first + lane, j] = sums[j * SAMPLE_LANES + lane] / n


def _predict_few(activation: int, x: np.ndarray, z: np.ndarray, c: int) -> np.ndarray:
    """As ``predict`` for few particles of the matrix unit."""
    n, d = len(z), x.shape[1]
    rows = np.zeros((-(-n * c // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME, d))
    rows[: n * c] = z.reshape(n * c, d)
    out = np.empty((len(x), c))
    predict_few(activation, rows, c, n, np.ascontiguousarray(x, dtype=np.float64), out)
    return out


def predict(unit: int, activation: int, x: np.ndarray, z: np.ndarray, c: int) -> np.ndarray:
    """Prediction (Q, c) of the ensemble z (N, p) at the inputs x (Q, d), in float64."""
    z = np.ascontiguousarray(z, dtype=np.float64)
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
    predict_blocked((unit, activation), blocked, n, p, L, padded, out)
    return out[:rows]
