"""Units that are themselves multi-layer networks: forward and backward passes over one block of particles.

Particles lie in blocks as for the other units (``kernels.units``). A pass copies a *tile* of T lanes of a block's
parameters into scratch, contiguous, and takes the samples through it a few at a time, so that parameters, activations
and gradients of the tile stay in the nearest cache. Row (j, s) of a table of activations holds neuron j at sample s.

A network is two integer tables. One line of ``layers`` per affine layer:

    inputs, outputs, row of the weights, row of the biases (-1: none), values, slopes, first map, last map

and one line of ``maps`` per nonlinearity, on the neurons ``first`` .. ``first + size`` - 1 of its layer:

    kind, first, size, gate, activation

kind POINTWISE: h = s(a).  GATED: h = a s(a_gate).  NORMED: h = a s(|a|^2), whose argument takes the row ``gate``.
``values`` and ``slopes`` are rows of the tape: the layer's outputs (and s(gate)), and the slopes s'
(and the preactivations a under a gate). A layer without maps is affine, and both name its preactivations. IN_PLACE is
POINTWISE with values in place of the preactivations, and slopes from values: both names are one again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel, written_out
from mfsym.kernels.activations import pull_values_row, values_row, values_slopes_by_code
from mfsym.kernels.elementary import like
from mfsym.kernels.rows import multiply
from mfsym.kernels.vectors import product, table

POINTWISE, GATED, NORMED, IN_PLACE = 0, 1, 2, 3
"""Kinds of maps."""

SAMPLES = 4
"""Samples taken through a tile at a time, 4 or this many."""


class Network(NamedTuple):
    """A unit for the kernels: the tables of layers and maps, parameters p, rows of tape per sample, widest table."""

    layers: np.ndarray
    maps: np.ndarray
    p: int
    rows: int
    wide: int


@kernel
def copy_rows(out: Any, o: Any, out_stride: Any, a: Any, q: Any, stride: Any, rows: Any, T: Any) -> None:
    """out[o + k out_stride :][:T] = a[q + k stride :][:T] for k < rows."""
    for k in range(rows):
        to, at = np.uintp(o + k * out_stride), np.uintp(q + k * stride)
        for lane in range(T):
            i = np.uintp(lane)
            out[to + i] = a[at + i]


@kernel
def fill(out: Any, o: Any, value: Any, n: Any) -> None:
    """out[o:o+n] = value."""
    to = np.uintp(o)
    for lane in range(n):
        out[to + np.uintp(lane)] = value


@kernel
def _open(kind: Any, first: Any, size: Any, gate: Any, code: Any, tape: Any, v: Any, s: Any, G: Any) -> None:
    """One gated or normed map forward; values at tape[v:], preactivations and slopes at tape[s:], G lanes per row."""
    slopes = tape[s - v :]
    if kind == NORMED:
        fill(tape, s + gate * G, like(tape[0], 0.0), G)
        for k in range(first, first + size):
            total, row = np.uintp(s + gate * G), np.uintp(s + k * G)
            for lane in range(G):
                i = np.uintp(lane)
                tape[total + i] += tape[row + i] * tape[row + i]
    values_slopes_by_code(code, slopes, np.uintp(v + gate * G), tape, np.uintp(G))
    copy_rows(tape, v + first * G, G, tape, s + first * G, G, size, G)
    for k in range(first, first + size):
        multiply(tape, np.uintp(v + k * G), tape, np.uintp(v + gate * G), np.uintp(G))


@kernel
def _close(kind: Any, first: Any, size: Any, gate: Any, tape: Any, v: Any, s: Any, e: Any, o: Any, G: Any) -> None:
    """One gated or normed map backward: cotangents e[o:] of its outputs become those of its preactivations."""
    total = np.uintp(o + gate * G)
    fill(e, o + gate * G, like(tape[0], 0.0), G)
    for k in range(first, first + size):
        to, row = np.uintp(o + k * G), np.uintp(s + k * G)
        for lane in range(G):
            i = np.uintp(lane)
            e[total + i] += e[to + i] * tape[row + i]
        multiply(e, to, tape, np.uintp(v + gate * G), np.uintp(G))
    multiply(e, total, tape, np.uintp(s + gate * G), np.uintp(G))
    if kind == NORMED:
        for k in range(first, first + size):
            to, row = np.uintp(o + k * G), np.uintp(s + k * G)
            for lane in range(G):
                i = np.uintp(lane)
                e[to + i] += like(tape[0], 2.0) * e[total + i] * tape[row + i]


@written_out
def _map(line: Any) -> Any:
    return line[0], line[1], line[2], line[3], line[4]


@written_out
def load_samples(net: Any, scratch: Any, x: Any, m: Any, S: Any, T: Any) -> None:
    """Spread S samples from the m-th of x (M, d) over the lanes: row (k, s) of scratch's first table is x[m + s, k]."""
    for k in range(x.shape[1]):
        for sample in range(S):
            fill(scratch, (1 + 2 * net.p + S * k + sample) * T, x[m + sample, k], T)


@written_out
def run_forward(net: Any, scratch: Any, z: Any, o: Any, tape: Any, q: Any, S: Any, T: Any) -> None:
    """Take S samples through a tile of T lanes whose parameters lie at z[o:]; their tape goes to tape[q:].

    scratch : T zeros, room for the tile's parameters and gradients (p rows each), then the table of the samples.
    """
    G = S * T
    below = table(scratch, (1 + 2 * net.p) * T, G, T)
    for k in range(net.layers.shape[0]):
        layer = net.layers[k]
        inputs, outputs, bias = layer[0], layer[1], layer[3]
        v, s = q + layer[4] * G, q + layer[5] * G
        start = table(scratch, 0, 0, 0)
        if bias >= 0:
            start = table(z, o + bias * T, T, 0)
        product(table(tape, s, G, T), start, table(z, o + layer[2] * T, inputs * T, T), below, outputs, S, inputs, T)
        for line in range(layer[6], layer[7]):
            kind, first, size, gate, code = _map(net.maps[line])
            if kind == IN_PLACE:
                values_row(code, tape, np.uintp(v + first * G), np.uintp(size * G))
            elif kind == POINTWISE:
                values_slopes_by_code(code, tape[s - v :], np.uintp(v + first * G), tape, np.uintp(size * G))
            else:
                _open(kind, first, size, gate, code, tape, v, s, G)
        below = table(tape, v, G, T)


@kernel
def _sum_samples(g: Any, o: Any, e: Any, q: Any, rows: Any, S: Any, T: Any) -> None:
    """g[o + j T :][:T] += sum over S samples, a multiple of 4, of the rows (j, s) of e[q:]."""
    for j in range(rows):
        to = np.uintp(o + j * T)
        for sample in range(0, S, 4):
            row = np.uintp(q + (S * j + sample) * T)
            for lane in range(T):
                i = np.uintp(lane)
                a, b = row + i, row + i + np.uintp(2 * T)
                g[to + i] += (e[a] + e[a + np.uintp(T)]) + (e[b] + e[b + np.uintp(T)])


@written_out
def run_backward(
    net: Any, scratch: Any, z: Any, o: Any, g: Any, at: Any, r: Any, tape: Any, q: Any, T: Any, down: Any
) -> Any:
    """Add to the tile's gradients at g[at:] the pullback of r (S, c) through the tape at tape[q:].

    z, scratch : as in ``run_forward``; in scratch, two tables of ``wide`` neurons follow.
    down : whether cotangents of the inputs are wanted.  Returns where in scratch they are.
    """
    S = r.shape[0]
    G = S * T
    samples = (1 + 2 * net.p) * T
    up, free = samples + net.wide * G, samples + 2 * net.wide * G
    for j in range(r.shape[1]):
        for sample in range(S):
            fill(scratch, up + j * G + sample * T, r[sample, j], T)
    for k in range(net.layers.shape[0] - 1, -1, -1):
        layer = net.layers[k]
        inputs, outputs, weights, bias = layer[0], layer[1], layer[2], layer[3]
        v, s = q + layer[4] * G, q + layer[5] * G
        for line in range(layer[6], layer[7]):
            kind, first, size, gate, code = _map(net.maps[line])
            if kind == IN_PLACE:
                here = np.uintp(up + first * G)
                pull_values_row(code, scratch, here, tape, np.uintp(v + first * G), np.uintp(size * G))
            elif kind == POINTWISE:
                multiply(scratch, np.uintp(up + first * G), tape, np.uintp(s + first * G), np.uintp(size * G))
            else:
                _close(kind, first, size, gate, tape, v, s, scratch, up, G)
        below = table(scratch, samples, T, G)
        if k > 0:
            below = table(tape, q + net.layers[k - 1, 4] * G, T, G)
        e, gradient = table(scratch, up, G, T), table(g, at + weights * T, inputs * T, T)
        product(gradient, gradient, e, below, outputs, inputs, S, T)
        if bias >= 0:
            _sum_samples(g, at + bias * T, scratch, up, outputs, S, T)
        if k > 0 or down:
            transposed = table(z, o + weights * T, T, inputs * T)
            product(table(scratch, free, G, T), table(scratch, 0, 0, 0), transposed, e, inputs, S, outputs, T)
            up, free = free, up
    return up
