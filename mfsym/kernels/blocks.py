"""Forward and backward passes of the units over one block of particles.

Particles lie in blocks of L lanes, one contiguous row per parameter: parameter k of lane l in block b is
z[(b p + k) L + l]. Samples come in fours (the batch is padded with samples of zero weight). A forward pass leaves in
``tape`` what the backward pass needs:

* matrix unit s(z x): slopes s'(a_j), row (j, m) at (j M + m) L; nothing else;
* uv unit v s(u.x / d): values s(a) in rows m, slopes s'(a) in rows M + m.

The type of the unit, and of its activation, chooses the code when a kernel is compiled: one combination at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import by_type, class_of, kernel
from mfsym.kernels.activations import KINDS, slopes_row, sum_row, sum_slopes_row, values_slopes_row
from mfsym.kernels.planar import planar_kept, planar_pull, planar_pull_kept, planar_sums
from mfsym.kernels.rows import accumulate, axpy, clear, multiply, preactivations, weighted_dot

MATRIX, UV = 0, 1
"""Codes of the units."""


class MatrixKind(NamedTuple):
    """The unit s(z x)."""

    activation: Any
    code: int = MATRIX


class PlanarKind(NamedTuple):
    """The unit s(z x) for inputs in the plane."""

    activation: Any
    code: int = MATRIX


class UVKind(NamedTuple):
    """The uv unit v s(u.x / d)."""

    activation: Any
    code: int = UV


Kind = MatrixKind | PlanarKind | UVKind
"""A unit as kernels know it."""


def unit_kind(unit: tuple[int, int], d: int) -> Kind:
    """The unit of a code and a code of activation, for inputs in R^d: its type is what kernels are compiled for."""
    code, activation = unit
    kind = UVKind if code == UV else PlanarKind if d == 2 else MatrixKind
    return kind(KINDS[activation])


def _chosen(unit: Any, *by_kind: Callable[..., Any]) -> Callable[..., Any]:
    """Of the code for a matrix unit, in the plane, and for a uv unit, the one for this unit or its type."""
    return by_kind[(MatrixKind, PlanarKind, UVKind).index(class_of(unit))]


def _forward_planar(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any) -> None:
    for j in range(phi.shape[1]):
        planar_kept(unit.activation, z, o, x, weights, tape, q, phi, j)
        q += np.uintp(x.shape[0]) * L
        o += np.uintp(2) * L


def _forward_matrix(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any) -> None:
    M, d = x.shape
    for j in range(phi.shape[1]):
        for m in range(0, M, 4):
            preactivations(z, o, L, x, m, tape, q)
            for s in range(4):
                phi[m + s, j] += sum_slopes_row(unit.activation, tape, q, weights, L)
                q += L
        o += np.uintp(d) * L


def _forward_uv(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any) -> None:
    M, d = x.shape
    v = o + np.uintp(d) * L
    slopes = tape[np.uintp(M) * L :]
    for m in range(0, M, 4):
        preactivations(z, o, L, x, m, slopes, q)
        for s in range(4):
            values_slopes_row(unit.activation, slopes, q, tape, L)
            for j in range(phi.shape[1]):
                phi[m + s, j] += weighted_dot(tape, q, z, v + np.uintp(j) * L, weights, L)
            q += L


def _choose_forward(unit: Any, *rest: Any) -> Callable[..., Any]:
    return _chosen(unit, _forward_matrix, _forward_planar, _forward_uv)


@by_type(_choose_forward)
def _forward(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any) -> None:
    _choose_forward(unit)(unit, z, o, L, x, weights, tape, q, phi)


@kernel
def forward_block(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, tape: Any, q: Any, phi: Any) -> None:
    """Add sum_i weights_i sigma(x_m, z_i) over the block at z[o:] to phi (M, c), and write the tape at tape[q:].

    unit : a Kind.  x : (M, d), M a multiple of 4; for the uv unit already divided by d.
    """
    _forward(unit, z, o, L, x, weights, tape, q, phi)


def _predict_planar(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, scratch: Any, phi: Any) -> None:
    for j in range(phi.shape[1]):
        planar_sums(unit.activation, z, o, x, weights, phi, j)
        o += np.uintp(2) * L


def _predict_matrix(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, scratch: Any, phi: Any) -> None:
    (M, d), at = x.shape, np.uintp(0)
    for j in range(phi.shape[1]):
        for m in range(0, M, 4):
            preactivations(z, o, L, x, m, scratch, at)
            for s in range(4):
                phi[m + s, j] += sum_row(unit.activation, scratch, np.uintp(s) * L, weights, L)
        o += np.uintp(d) * L


def _predict_uv(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, scratch: Any, phi: Any) -> None:
    (M, d), at = x.shape, np.uintp(0)
    v = o + np.uintp(d) * L
    values = scratch[np.uintp(4) * L :]
    for m in range(0, M, 4):
        preactivations(z, o, L, x, m, scratch, at)
        for s in range(4):
            row = np.uintp(s) * L
            values_slopes_row(unit.activation, scratch, row, values, L)
            for j in range(phi.shape[1]):
                phi[m + s, j] += weighted_dot(values, row, z, v + np.uintp(j) * L, weights, L)


def _choose_predict(unit: Any, *rest: Any) -> Callable[..., Any]:
    return _chosen(unit, _predict_matrix, _predict_planar, _predict_uv)


@by_type(_choose_predict)
def _predict(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, scratch: Any, phi: Any) -> None:
    _choose_predict(unit)(unit, z, o, L, x, weights, scratch, phi)


@kernel
def predict_block(unit: Any, z: Any, o: Any, L: Any, x: Any, weights: Any, scratch: Any, phi: Any) -> None:
    """As ``forward_block`` without a tape: scratch (8 L,) is all the memory it needs, and never leaves the cache."""
    _predict(unit, z, o, L, x, weights, scratch, phi)


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


def _backward_planar(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, tape: Any, q: Any, g: Any) -> None:
    at = np.uintp(0)
    clear(g, at, np.uintp(2 * r.shape[1]) * L)
    for j in range(r.shape[1]):
        planar_pull_kept(tape, q, L, x, r, j, g, at)
        q += np.uintp(x.shape[0]) * L
        at += np.uintp(2) * L


def _backward_matrix(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, tape: Any, q: Any, g: Any) -> None:
    (M, d), at = x.shape, np.uintp(0)
    clear(g, at, np.uintp(r.shape[1] * d) * L)
    for j in range(r.shape[1]):
        for m in range(0, M, 4):
            accumulate(g, at, L, tape, q + np.uintp(m) * L, x, r, m, j)
        q += np.uintp(M) * L
        at += np.uintp(d) * L


def _backward_uv(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, tape: Any, q: Any, g: Any) -> None:
    M, d = x.shape
    clear(g, np.uintp(0), np.uintp(r.shape[1] + d) * L)
    slopes = tape[np.uintp(M) * L :]
    for m in range(0, M, 4):
        _pull_uv(z, o + np.uintp(d) * L, L, x, r, m, tape, q, slopes, g)
        q += np.uintp(4) * L


def _choose_backward(unit: Any, *rest: Any) -> Callable[..., Any]:
    return _chosen(unit, _backward_matrix, _backward_planar, _backward_uv)


@by_type(_choose_backward)
def _backward(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, tape: Any, q: Any, g: Any) -> None:
    _choose_backward(unit)(unit, z, o, L, x, r, tape, q, g)


@kernel
def backward_block(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, tape: Any, q: Any, g: Any) -> None:
    """g[:p L] = sum_m D_z sigma(x_m, z_i)^T r_m over the block at z[o:], from its tape.

    r : (M, c).  g : flat, (p + 4) L, the last 4 L to work in.
    """
    _backward(unit, z, o, L, x, r, tape, q, g)


def _recompute_planar(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, scratch: Any, g: Any) -> None:
    at = np.uintp(0)
    clear(g, at, np.uintp(2 * r.shape[1]) * L)
    for j in range(r.shape[1]):
        planar_pull(unit.activation, z, o, L, x, r, j, g, at)
        o += np.uintp(2) * L
        at += np.uintp(2) * L


def _recompute_matrix(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, scratch: Any, g: Any) -> None:
    (M, d), at, start = x.shape, np.uintp(0), np.uintp(0)
    clear(g, at, np.uintp(r.shape[1] * d) * L)
    for j in range(r.shape[1]):
        for m in range(0, M, 4):
            preactivations(z, o, L, x, m, scratch, start)
            for s in range(4):
                slopes_row(unit.activation, scratch, np.uintp(s) * L, L)
            accumulate(g, at, L, scratch, start, x, r, m, j)
        o += np.uintp(d) * L
        at += np.uintp(d) * L


def _recompute_uv(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, scratch: Any, g: Any) -> None:
    (M, d), start = x.shape, np.uintp(0)
    clear(g, start, np.uintp(r.shape[1] + d) * L)
    values = scratch[np.uintp(4) * L :]
    for m in range(0, M, 4):
        preactivations(z, o, L, x, m, scratch, start)
        for s in range(4):
            values_slopes_row(unit.activation, scratch, np.uintp(s) * L, values, L)
        _pull_uv(z, o + np.uintp(d) * L, L, x, r, m, values, start, scratch, g)


def _choose_recompute(unit: Any, *rest: Any) -> Callable[..., Any]:
    return _chosen(unit, _recompute_matrix, _recompute_planar, _recompute_uv)


@by_type(_choose_recompute)
def _recompute(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, scratch: Any, g: Any) -> None:
    _choose_recompute(unit)(unit, z, o, L, x, r, scratch, g)


@kernel
def recompute_block(unit: Any, z: Any, o: Any, L: Any, x: Any, r: Any, scratch: Any, g: Any) -> None:
    """As ``backward_block`` without a tape: four samples at a time are run forward again. scratch : (8 L,)."""
    _recompute(unit, z, o, L, x, r, scratch, g)
