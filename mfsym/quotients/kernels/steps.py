"""Langevin steps of clouds, WIDE clouds at a time: noise, drift, and what noise on orbits asks for.

A step is x <- (1 - shrink) x + step force + kick, kick = sigma xi, xi a function of (key, step, cloud, coordinate).
QUOTIENT turns the result to where it is nearest to x; HORIZONTAL takes off the vertical part of the kick and adds
drift grad log vol. Only clouds of the plane (dim 2) and of space (dim 3) know these two.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mfsym.accelerate import kernel
from mfsym.kernels.noise import GROUP, normal_rows
from mfsym.quotients.kernels.inertia import inertias, invert
from mfsym.quotients.kernels.rotations import WIDE, best_rotations, cross_covariances, turn

ISOTROPIC, QUOTIENT, HORIZONTAL = 0, 1, 2
OK, SINGULAR, DIVERGED = 0, 1, 2

GRAM_TOLERANCE = 1e-12
"""Share of an inertia tensor, see ``inertia.invert``, below which its cloud has lost a rank."""

FAR = 1e140
"""Sizes from which a cloud has diverged: products of squares of its coordinates overflow. NaN is not below it."""


class Clouds(NamedTuple):
    """What moves: flat clouds x, the force on them (flat, or empty), and the status and last step of each."""

    x: Any
    force: Any
    codes: Any
    ended: Any


class StepRule(NamedTuple):
    """How a step is made; ``size`` numbers a cloud, ``dim`` a point."""

    size: int
    dim: int
    noise: int
    centred: int
    shrink: float
    step: float
    sigma: float
    drift: float


class Room(NamedTuple):
    """Arrays to write on: (2 pairs GROUP,), (2, GROUP), twice (WIDE size,), (3, 9 WIDE), (5 WIDE,), (2, 4, 4)."""

    normals: Any
    words: Any
    kicks: Any
    fresh: Any
    tables: Any
    share: Any
    square: Any


@kernel
def _propose(clouds: Any, rule: Any, room: Any, first: Any, count: Any) -> None:
    """kicks <- sigma xi and fresh <- x moved by the force, of the clouds first, ..."""
    size, keep, o = rule.size, 1.0 - rule.shrink, first % GROUP
    forced = clouds.force.size > 0
    for c in range(count):
        for j in range(size):
            i = c * size + j
            room.kicks[i] = rule.sigma * room.normals[j * GROUP + o + c]
            room.fresh[i] = keep * clouds.x[(first + c) * size + j]
            if forced:
                room.fresh[i] += rule.step * clouds.force[(first + c) * size + j]


@kernel
def _project_in_plane(clouds: Any, rule: Any, room: Any, first: Any, count: Any) -> None:
    """Take the vertical part off the kicks at planar clouds; add the drift. share <- 0 where x = 0, else 1."""
    size = rule.size
    for c in range(count):
        o, k = (first + c) * size, c * size
        turned, square = 0.0, 0.0
        for j in range(0, size, 2):
            a, b = clouds.x[o + j], clouds.x[o + j + 1]
            turned += a * room.kicks[k + j + 1] - b * room.kicks[k + j]
            square += a * a + b * b
        by = 1.0 / square if square > 0.0 else 0.0
        rate, pull = by * turned, by * rule.drift
        for j in range(0, size, 2):
            a, b = clouds.x[o + j], clouds.x[o + j + 1]
            room.kicks[k + j] += rate * b + pull * a
            room.kicks[k + j + 1] += pull * b - rate * a
        room.share[c] = 1.0 if square > 0.0 else 0.0


@kernel
def _project_in_space(clouds: Any, rule: Any, room: Any, first: Any, count: Any) -> None:
    """Take the vertical part off the kicks at clouds of space; add the drift. share <- that of the inertia tensors."""
    size, tables = rule.size, room.tables
    here = clouds.x[first * size :]
    inertias(here, room.kicks, 0, count, size, tables[0])
    invert(tables[0], tables[1], room.share, tables[2])
    drift = rule.drift
    for c in range(count):
        a, b, d = tables[1, c], tables[1, WIDE + c], tables[1, 2 * WIDE + c]
        e, f, g = tables[1, 3 * WIDE + c], tables[1, 4 * WIDE + c], tables[1, 5 * WIDE + c]
        p, q, r = tables[1, 6 * WIDE + c], tables[1, 7 * WIDE + c], tables[1, 8 * WIDE + c]
        trace = a + e + g
        for i in range(c * size, (c + 1) * size, 3):
            x0, x1, x2 = here[i], here[i + 1], here[i + 2]
            room.kicks[i] -= q * x2 - r * x1
            room.kicks[i + 1] -= r * x0 - p * x2
            room.kicks[i + 2] -= p * x1 - q * x0
            room.kicks[i] += drift * (trace * x0 - (a * x0 + b * x1 + d * x2))
            room.kicks[i + 1] += drift * (trace * x1 - (b * x0 + e * x1 + f * x2))
            room.kicks[i + 2] += drift * (trace * x2 - (d * x0 + f * x1 + g * x2))


@kernel
def _add_kicks(rule: Any, room: Any, count: Any) -> None:
    """fresh <- fresh + kicks, with the mean of its points taken off where clouds are centred."""
    size, dim = rule.size, rule.dim
    for i in range(count * size):
        room.fresh[i] += room.kicks[i]
    if rule.centred:
        for c in range(count):
            for axis in range(dim):
                total = 0.0
                for i in range(c * size + axis, (c + 1) * size, dim):
                    total += room.fresh[i]
                total *= dim / size
                for i in range(c * size + axis, (c + 1) * size, dim):
                    room.fresh[i] -= total


@kernel
def _align_in_plane(clouds: Any, rule: Any, room: Any, first: Any, count: Any) -> None:
    """Turn planar clouds ``fresh`` to x. share <- 0 where fresh = 0, else 1."""
    size = rule.size
    for c in range(count):
        o, k = (first + c) * size, c * size
        real, imaginary, square = 0.0, 0.0, 0.0
        for j in range(0, size, 2):
            u, v = room.fresh[k + j], room.fresh[k + j + 1]
            a, b = clouds.x[o + j], clouds.x[o + j + 1]
            real += u * a + v * b
            imaginary += u * b - v * a
            square += u * u + v * v
        length = np.sqrt(real * real + imaginary * imaginary)
        by = 1.0 / length if length > 0.0 else 0.0
        cosine, sine = (by * real if length > 0.0 else 1.0), by * imaginary
        for j in range(k, k + size, 2):
            u, v = room.fresh[j], room.fresh[j + 1]
            room.fresh[j], room.fresh[j + 1] = cosine * u - sine * v, sine * u + cosine * v
        room.share[c] = 1.0 if square > 0.0 else 0.0


@kernel
def _align_in_space(clouds: Any, rule: Any, room: Any, first: Any, count: Any) -> None:
    """Turn clouds ``fresh`` of space to x. share <- that of their inertia where the rotation was not sure, else 1."""
    size, tables, sure = rule.size, room.tables, room.share
    cross_covariances(room.fresh, clouds.x[first * size :], 0, count, size, tables[0])
    best_rotations(tables[0], tables[1], sure, count, room.square[0], room.square[1])
    hard = 0
    for c in range(count):
        hard += 1 if sure[c] == 0.0 else 0
    turn(room.fresh, tables[1], 0, count, size, room.fresh)
    if hard > 0:
        inertias(room.fresh, room.fresh, 0, count, size, tables[0])
        for c in range(WIDE):
            tables[2, WIDE + c] = sure[c]
        invert(tables[0], tables[1], room.share, tables[2])
        for c in range(WIDE):
            room.share[c] = 1.0 if tables[2, WIDE + c] > 0.0 else room.share[c]


@kernel
def _settle(clouds: Any, rule: Any, room: Any, first: Any, count: Any, step: Any) -> None:
    """x <- fresh where the cloud is well and stays finite. One that lost rank ends: HORIZONTAL before its step."""
    size = rule.size
    for c in range(count):
        if clouds.codes[first + c] == OK:
            total = 0.0
            for i in range(c * size, (c + 1) * size):
                total += abs(room.fresh[i])
            finite = total < FAR
            lost = rule.noise != ISOTROPIC and not room.share[c] >= GRAM_TOLERANCE
            if not finite and not (lost and rule.noise == HORIZONTAL):
                clouds.codes[first + c], clouds.ended[first + c] = DIVERGED, step
            elif lost:
                clouds.codes[first + c], clouds.ended[first + c] = SINGULAR, step
            if finite and not (lost and rule.noise == HORIZONTAL):
                for j in range(size):
                    clouds.x[(first + c) * size + j] = room.fresh[c * size + j]


@kernel
def advance(clouds: Any, rule: Any, room: Any, key: Any, start: Any, steps: Any, group: Any) -> None:
    """Make the steps start, ..., start + steps - 1 of the clouds GROUP group, ..., GROUP group + GROUP - 1."""
    total = clouds.codes.size
    for step in range(start, start + steps):
        for pair in range((rule.size + 1) // 2):
            normal_rows(key, step, group, pair, room.words, room.normals, GROUP, GROUP)
        for first in range(group * GROUP, min(total, (group + 1) * GROUP), WIDE):
            count = min(WIDE, total - first)
            _propose(clouds, rule, room, first, count)
            if rule.noise == HORIZONTAL and rule.dim == 2:
                _project_in_plane(clouds, rule, room, first, count)
            elif rule.noise == HORIZONTAL:
                _project_in_space(clouds, rule, room, first, count)
            _add_kicks(rule, room, count)
            if rule.noise == QUOTIENT and rule.dim == 2:
                _align_in_plane(clouds, rule, room, first, count)
            elif rule.noise == QUOTIENT:
                _align_in_space(clouds, rule, room, first, count)
            _settle(clouds, rule, room, first, count, step)
