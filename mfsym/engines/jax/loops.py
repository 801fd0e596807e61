"""The time loop in JAX: ``mfsym.kernels.sgd`` on arrays that XLA compiles.

Particles lie in two halves (``engines.jax.streams``), one array (length,) per parameter and half. A step is two passes
over them: the outputs of all particles, summed; and the force, by differentiating the outputs again, with penalty,
projection and noise. Outputs of single particles are never kept: XLA makes each pass one loop.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfsym.engines.jax.losses import cotangents
from mfsym.engines.jax.plans import JaxChunk, JaxPlan, Pattern
from mfsym.engines.jax.streams import block_words, normal_pair
from mfsym.streams import LANES

Value = Any
Half = tuple[Value, ...]
Halves = tuple[Half, Half]


@lru_cache(maxsize=128)
def compiled(plan: JaxPlan) -> Any:
    """The time loop of a plan: (halves, chunk) -> (halves, steps done, whether all is finite); takes the halves."""
    return jax.jit(partial(run, plan), donate_argnums=0)


def run(plan: JaxPlan, z: Halves, chunk: JaxChunk) -> tuple[Halves, Value, Value]:
    """Make the steps of a chunk until the state is not finite."""

    def going(carry: tuple[Halves, Value, Value]) -> Value:
        return carry[2] & (carry[1] < chunk.steps)

    def step(carry: tuple[Halves, Value, Value]) -> tuple[Halves, Value, Value]:
        z, k, _ = carry
        moved, good = one_step(plan, z, k, chunk)
        return moved, k + good.astype(jnp.int32), good

    z, done, _ = lax.while_loop(going, step, (z, jnp.int32(0), jnp.bool_(True)))
    return z, done, (done == chunk.steps) & all_finite(z)


def one_step(plan: JaxPlan, z: Halves, k: Value, chunk: JaxChunk) -> tuple[Halves, Value]:
    """The particles after step k, or as they are where they or their prediction are not finite; whether they moved."""
    x = chunk.x[k]
    phi = sums(plan, z, x) / plan.n
    nodes = None if plan.plain else (chunk.rho[k % len(chunk.rho)], chunk.node_weights[k % len(chunk.node_weights)])
    r = cotangents(plan.loss, phi, chunk.y[k], nodes, chunk.sample_weights)
    good = all_finite(z) & jnp.isfinite(phi).all()
    rate, amplitude = chunk.rates[k, 0], chunk.rates[k, 1]
    keep = 1.0 - rate * chunk.penalty[0]
    now, matrix = chunk.step + k.astype(jnp.uint64), chunk.noise_map * amplitude
    kicks = None if plan.noise is None else noise(plan, plan.noise, matrix, chunk.key, now)
    halves = []
    for h, half in enumerate(z):
        force = projected(plan, pulled(plan, half, x, r), chunk.projector)
        inside = is_inside(plan, h)
        moves = good if inside is None else good & inside
        new = [keep * row - rate * g for row, g in zip(half, force, strict=True)]
        if kicks is not None:
            new = [row + kick for row, kick in zip(new, kicks[h], strict=True)]
        halves.append(tuple(jnp.where(moves, row, old) for row, old in zip(new, half, strict=True)))
    return (halves[0], halves[1]), good


def all_finite(z: Halves) -> Value:
    """Whether all particles are finite."""
    return jnp.stack([jnp.isfinite(row).all() for half in z for row in half]).all()


def is_inside(plan: JaxPlan, half: int) -> Value:
    """Which places (length,) of a half hold particles; None if all do."""
    if plan.n == 2 * plan.length:
        return None
    q = lax.iota(jnp.int32, plan.length)
    return q // LANES * (2 * LANES) + half * LANES + q % LANES < plan.n


def sums(plan: JaxPlan, z: Halves, x: Value) -> Value:
    """sum_i sigma(x_m, z_i): (M, c)."""

    def outputs(h: int, point: Value) -> list[Value]:
        mask, outs = is_inside(plan, h), plan.outputs(list(point), z[h])
        return outs if mask is None else [jnp.where(mask, out, 0.0) for out in outs]

    rows = [[(a + b).sum() for a, b in zip(outputs(0, point), outputs(1, point), strict=True)] for point in x]
    return jnp.stack([jnp.stack(row) for row in rows])


def pulled(plan: JaxPlan, half: Half, x: Value, r: Value) -> Half:
    """sum_m D_z sigma(x_m, z_i)^T r_m for the particles of a half."""

    def paired(z: Half) -> Value:
        parts = [out * r[m, j] for m in range(x.shape[0]) for j, out in enumerate(plan.outputs(list(x[m]), z))]
        return sum(parts[1:], parts[0])

    value, pull = jax.vjp(paired, half)
    return pull(jnp.ones_like(value))[0]


def projected(plan: JaxPlan, force: Half, projector: Value) -> Half:
    """P force."""
    if plan.projector is None:
        return force
    return mapped(plan.projector, projector, force)


def mapped(pattern: Pattern, matrix: Value, rows: Any) -> Half:
    """The matrix, whose nonzero entries have a pattern, times the vector of rows, by their number."""
    products = []
    for k, columns in enumerate(pattern):
        parts = [matrix[k, i] * rows[i] for i in columns]
        products.append(sum(parts[1:], parts[0]) if parts else jnp.zeros((), matrix.dtype))
    return tuple(products)


def noise(plan: JaxPlan, pattern: Pattern, matrix: Value, key: Value, step: Value) -> Halves:
    """The kicks of a step: a matrix of the pattern of W times standard normals, for both halves."""
    counters = lax.iota(jnp.uint32, plan.length)
    words = (step.astype(jnp.uint32), (step >> jnp.uint64(32)).astype(jnp.uint32))
    drawn: tuple[dict[int, Value], dict[int, Value]] = ({}, {})
    for pair in sorted({i // 2 for columns in pattern for i in columns}):
        block = block_words(counters, jnp.uint32(pair), words, key)
        for h, normals in enumerate(drawn):
            both = normal_pair(block[2 * h], block[2 * h + 1], np.dtype(plan.dtype))
            normals[2 * pair], normals[2 * pair + 1] = both
    return mapped(pattern, matrix, drawn[0]), mapped(pattern, matrix, drawn[1])
