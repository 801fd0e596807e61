"""The time loop in JAX: ``mfsym.kernels.sgd`` in code that XLA compiles.

A step goes twice over the blocks of particles: for the prediction, and for force and noise. The values of single
particles are made again in the second pass and never outlive their block.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from mfsym.engines.jax.devices import sharded
from mfsym.engines.jax.losses import cotangents
from mfsym.engines.jax.passes import Rows, Value, is_inside, kicks, mapped, pulled, sums
from mfsym.engines.jax.plans import JaxChunk, JaxPlan

AXIS = "particles"
"""Name of the axis of devices."""


class Given(NamedTuple):
    """What one step is given, beside particles: x (M, d), r (M, c), rates (2,), its number, and whether it is made."""

    x: Value
    r: Value
    rates: Value
    step: Value
    moves: Value


@lru_cache(maxsize=128)
def compiled(plan: JaxPlan, devices: tuple[Any, ...]) -> Any:
    """The time loop of a plan: (rows, chunk) -> (rows, steps done, whether all is finite); takes the rows."""
    made: Any = partial(run, plan)
    if plan.layout.devices > 1:
        made = sharded(made, devices, AXIS)
    return jax.jit(made, donate_argnums=0)


def run(plan: JaxPlan, z: Rows, chunk: JaxChunk) -> tuple[Rows, Value, Value]:
    """Make the steps of a chunk until the state is not finite; z : arrays (blocks, 2, lanes)."""

    def going(carry: tuple[Rows, Value, Value]) -> Value:
        return carry[2] & (carry[1] < chunk.steps)

    def step(carry: tuple[Rows, Value, Value]) -> tuple[Rows, Value, Value]:
        z, k, _ = carry
        moved, good = one_step(plan, z, k, chunk)
        return moved, k + good.astype(jnp.int32), good

    z, done, _ = lax.while_loop(going, step, (z, jnp.int32(0), jnp.bool_(True)))
    return z, done, (done == chunk.steps) & all_finite(plan, z)


def one_step(plan: JaxPlan, z: Rows, k: Value, chunk: JaxChunk) -> tuple[Rows, Value]:
    """The particles after step k, or as they are where they or their prediction are not finite; whether they moved."""
    x = chunk.x[k]
    phi = total(plan, over_blocks(plan, lambda block, first: sums(plan, block, x, first), z)) / plan.n
    nodes = None if plan.plain else (chunk.rho[k % len(chunk.rho)], chunk.node_weights[k % len(chunk.node_weights)])
    r = cotangents(plan.loss, phi, chunk.y[k], nodes, chunk.sample_weights)
    good = all_finite(plan, z) & jnp.isfinite(phi).all()
    given = Given(x, r, chunk.rates[k], chunk.step + k.astype(jnp.uint64), good)
    return mapped_blocks(plan, lambda block, first: moved(plan, block, first, given, chunk), z), good


def moved(plan: JaxPlan, z: Rows, first: Value, given: Given, chunk: JaxChunk) -> Rows:
    """The particles of the block whose places begin at ``first`` after a step; zeros beyond the last particle."""
    rate, amplitude = given.rates[0], given.rates[1]
    keep = 1.0 - rate * chunk.penalty[0]
    force = pulled(plan, z, given.x, given.r)
    if plan.projector is not None:
        force = mapped(plan.projector, chunk.projector, force)
    new = [keep * row - rate * g for row, g in zip(z, force, strict=True)]
    if plan.noise is not None:
        noise = kicks(plan, plan.noise, chunk.noise_map * amplitude, (first, given.step), chunk.key)
        new = [row + kick for row, kick in zip(new, noise, strict=True)]
    mask = is_inside(plan, first)
    moves = given.moves if mask is None else given.moves & mask
    return tuple(jnp.where(moves, row, old) for row, old in zip(new, z, strict=True))


def first_places(plan: JaxPlan) -> Value:
    """The first place of each block of this device: (blocks,) uint32."""
    layout = plan.layout
    starts = lax.iota(jnp.uint32, layout.blocks) * jnp.uint32(layout.lanes)
    if layout.devices == 1:
        return starts
    return starts + lax.axis_index(AXIS).astype(jnp.uint32) * jnp.uint32(layout.blocks * layout.lanes)


def over_blocks(plan: JaxPlan, partial_sum: Any, z: Rows) -> Value:
    """The sum over the blocks of this device, in order."""
    places = first_places(plan)
    if plan.layout.blocks == 1:
        return partial_sum(_block(z, 0), places[0])
    start = partial_sum(_block(z, 0), places[0])
    later = jax.tree.map(lambda part: part[1:], (z, places))
    return lax.scan(lambda found, now: (found + partial_sum(*now), None), start, later)[0]


def mapped_blocks(plan: JaxPlan, move: Any, z: Rows) -> Rows:
    """The blocks of this device, each moved."""
    places = first_places(plan)
    if plan.layout.blocks == 1:
        return jax.tree.map(lambda row: row[None], move(_block(z, 0), places[0]))
    return lax.map(lambda now: move(*now), (z, places))


def total(plan: JaxPlan, part: Value) -> Value:
    """The sum over the devices, in their order."""
    return part if plan.layout.devices == 1 else lax.all_gather(part, AXIS).sum(axis=0)


def all_finite(plan: JaxPlan, z: Rows) -> Value:
    """Whether all particles are finite."""
    broken = jnp.stack([(~jnp.isfinite(row)).any() for row in z]).any()
    return total(plan, broken.astype(jnp.int32)) == 0


def _block(z: Rows, b: int) -> Rows:
    return jax.tree.map(lambda row: row[b], z)
