"""The two passes of a step over one block of particles, and its noise.

Particles lie in two halves (``engines.jax.streams``): one array (2, lanes) per parameter. The outputs of all samples
are summed over the particles; the force is the derivative of the outputs, paired with the cotangents.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfsym.engines.jax.plans import JaxPlan, Pattern
from mfsym.engines.jax.streams import block_words, normal_pair
from mfsym.streams import LANES

Value = Any
Rows = tuple[Value, ...]


def outputs_at(plan: JaxPlan, x: Value, z: Rows) -> list[Value]:
    """The c outputs (M, 2, lanes) of the particles at x (M, d)."""
    return jax.vmap(lambda point: plan.outputs(list(point), z))(x)


def is_inside(plan: JaxPlan, first: Value) -> Value:
    """Which of the places (2, lanes) from ``first`` on hold particles; None if all do."""
    if plan.n == 2 * plan.layout.length:
        return None
    q = first + lax.iota(jnp.uint32, plan.layout.lanes)
    rows = q // LANES * (2 * LANES) + q % LANES
    return jnp.stack([rows, rows + LANES]) < plan.n


def sums(plan: JaxPlan, z: Rows, x: Value, first: Value) -> Value:
    """sum_i sigma(x_m, z_i) (M, c) over the block whose places begin at ``first``."""
    mask, outs = is_inside(plan, first), outputs_at(plan, x, z)
    kept = outs if mask is None else [jnp.where(mask, out, 0.0) for out in outs]
    return jnp.stack([out.sum(axis=(1, 2)) for out in kept], axis=1)


def pulled(plan: JaxPlan, z: Rows, x: Value, r: Value) -> Rows:
    """sum_m D_z sigma(x_m, z_i)^T r_m, one array (2, lanes) per parameter."""
    if plan.recompute:
        z = lax.optimization_barrier(z)

    def paired(z: Rows) -> Value:
        parts = [r[:, j, None, None] * out for j, out in enumerate(outputs_at(plan, x, z))]
        return sum(parts[1:], parts[0]).sum(axis=0)

    value, pull = jax.vjp(paired, z)
    return pull(jnp.ones_like(value))[0]


def mapped(entries: Pattern, matrix: Value, rows: Any) -> Rows:
    """The matrix, whose nonzero entries have a pattern, times the vector of rows, by their number."""
    products = []
    for k, columns in enumerate(entries):
        parts = [matrix[k, i] * rows[i] for i in columns]
        products.append(sum(parts[1:], parts[0]) if parts else jnp.zeros((), matrix.dtype))
    return tuple(products)


def kicks(plan: JaxPlan, entries: Pattern, matrix: Value, at: tuple[Value, Value], key: Value) -> Rows:
    """A matrix with the pattern ``entries`` times the standard normals of a block.

    at : the first place of the block, and the step, uint64.
    """
    lanes, step = plan.layout.lanes, at[1]
    pairs = sorted({i // 2 for columns in entries for i in columns})
    counters = jnp.broadcast_to(at[0] + lax.iota(jnp.uint32, lanes), (len(pairs), lanes))
    coordinates = jnp.broadcast_to(jnp.asarray(pairs, jnp.uint32)[:, None], counters.shape)
    halves = (step.astype(jnp.uint32), (step >> jnp.uint64(32)).astype(jnp.uint32))
    w = block_words(counters, coordinates, halves, key)
    both = normal_pair(jnp.stack([w[0], w[2]], axis=1), jnp.stack([w[1], w[3]], axis=1), np.dtype(plan.dtype))
    drawn = {2 * pair + c: both[c][q] for q, pair in enumerate(pairs) for c in (0, 1)}
    return mapped(entries, matrix, drawn)
