"""The time loop on an NVIDIA GPU: two kernels a step, each of which reads a tile of particles once.

XLA's own loops read the particles anew for every sample. Here a tile stays in registers while the samples pass: the
first kernel sums the outputs, the second moves the particles and draws their noise where they lie. The kernels are
written in Pallas and made of the pointwise functions of ``engines.jax.loops``; partial sums are added in a fixed order.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas
from jax.experimental.pallas import triton

from mfsym.engines.jax.activations import ACTIVATIONS, from_value
from mfsym.engines.jax.loops import Halves, all_finite, is_inside, kicks_at, projected, pulled
from mfsym.engines.jax.losses import cotangents
from mfsym.engines.jax.plans import JaxChunk, JaxPlan
from mfsym.engines.jax.units import POINTWISE

Value = Any

TILE, WARPS = 256, 4
"""Particles of each half in a tile, and warps of 32 threads that share it."""

PIECE = 64
"""Steps of one compiled loop: its length is known, so that the device runs it without asking the host."""

MOST_NUMBERS = 8
"""Most parameters or outputs of a unit whose tiles stay in registers."""

MOST_SAMPLES = 64
"""Most lifted samples of a step: they are written out one after the other."""


def has_tiles(devices: list[Any]) -> bool:
    """Whether a run on these devices can be made of tiles: one GPU that CUDA drives."""
    return len(devices) == 1 and "cuda" in str(getattr(devices[0].client, "platform_version", "")).lower()


def fits(plan: JaxPlan, samples: int) -> bool:
    """Whether a plan can run in tiles: single precision and a small unit of pointwise operations."""
    small = plan.p <= MOST_NUMBERS and plan.c <= MOST_NUMBERS and samples <= MOST_SAMPLES
    return small and isinstance(plan.outputs, POINTWISE) and plan.dtype == "float32" and plan.length % TILE == 0


def run_pieces(plan: JaxPlan, z: Any, chunk: JaxChunk, interpret: bool = False) -> tuple[Any, Value, Value]:
    """As ``loops.run``, in pieces that follow one another on the device. interpret : without a GPU, for tests."""
    chunk = jax.tree.map(jnp.asarray, chunk)
    done, finite = jnp.int32(0), jnp.bool_(True)
    for first in range(0, int(chunk.steps), PIECE):
        z, done, finite = _compiled(plan, interpret)(z, chunk, jnp.int32(first), done, finite)
    return z, done, finite & all_finite(z)


@lru_cache(maxsize=128)
def _compiled(plan: JaxPlan, interpret: bool) -> Any:
    """PIECE steps of a plan: (halves, chunk, first step, done, finite) -> (halves, done, finite); takes the halves."""
    return jax.jit(partial(_run_piece, plan if interpret else _faster(plan), interpret), donate_argnums=0)


def _run_piece(
    plan: JaxPlan, interpret: bool, z: Halves, chunk: JaxChunk, first: Value, done: Value, finite: Value
) -> tuple[Halves, Value, Value]:
    """Make those of PIECE steps from the first that are in the chunk, until the state is not finite."""
    words = _words(chunk)

    def step(carry: tuple[Halves, Value, Value], k: Value) -> tuple[tuple[Halves, Value, Value], None]:
        z, done, finite = carry
        phi, sound = _means(plan, z, chunk.x, k, interpret)
        finite = finite & sound & jnp.isfinite(phi).all()
        moves = finite & (k < chunk.steps)
        nodes = None if plan.plain else (chunk.rho[k % len(chunk.rho)], chunk.node_weights[k % len(chunk.node_weights)])
        r = cotangents(plan.loss, phi, chunk.y[k], nodes, chunk.sample_weights)
        control = jnp.stack([k, moves.astype(jnp.int32)])
        return (_moved(plan, z, r, control, words, chunk, interpret), done + control[1], finite), None

    carry, _ = lax.scan(step, (z, done, finite), first + jnp.arange(PIECE, dtype=jnp.int32))
    return carry


def _words(chunk: JaxChunk) -> Value:
    """(steps, 2) the two words of the number of every step."""
    steps = chunk.step + jnp.arange(len(chunk.x), dtype=jnp.uint64)
    return jnp.stack([steps.astype(jnp.uint32), (steps >> jnp.uint64(32)).astype(jnp.uint32)], axis=1)


def _means(plan: JaxPlan, z: Halves, x: Value, k: Value, interpret: bool) -> tuple[Value, Value]:
    """The means (M, c) of the outputs over the particles on x[k], and whether all particles are finite."""
    (_, samples, d), c = x.shape, plan.c
    width = 1 << (samples * c).bit_length()

    def kernel(step: Value, points: Value, *tiles: Value) -> None:
        now, out, masks = step[0], tiles[-1], [_inside(plan, h) for h in (0, 1)]
        halves = _halves(plan, [tile[...] for tile in tiles[:-1]])
        for m in range(samples):
            both = [plan.outputs([points[now, m, i] for i in range(d)], half) for half in halves]
            for j in range(c):
                parts = [
                    outs[j] if mask is None else jnp.where(mask, outs[j], 0.0)
                    for outs, mask in zip(both, masks, strict=True)
                ]
                out[0, m * c + j] = jnp.sum(parts[0] + parts[1])
        out[0, samples * c] = jnp.sum(sum(row * 0.0 for half in halves for row in half))

    rows = [row for half in z for row in half]
    partials = _call(
        kernel,
        [k[None], x],
        rows,
        pallas.BlockSpec((1, width), lambda i: (i, 0)),
        jax.ShapeDtypeStruct((plan.length // TILE, width), jnp.float32),
        interpret,
    )
    totals = partials.sum(axis=0)
    return totals[: samples * c].reshape(samples, c) / plan.n, totals[samples * c] == 0.0


def _moved(
    plan: JaxPlan, z: Halves, r: Value, control: Value, words: Value, chunk: JaxChunk, interpret: bool
) -> Halves:
    """The particles after step control[0], or as they are where control[1] is 0."""
    (_, samples, d), c = chunk.x.shape, plan.c
    given = [control, chunk.x, r, chunk.rates, chunk.penalty, words, chunk.key]
    given += [part for part, used in ((chunk.projector, plan.projector), (chunk.noise_map, plan.noise)) if used]

    def kernel(*refs: Value) -> None:
        now, point, slope, rates, penalty, step, key = refs[:7]
        matrices, tiles = refs[7 : len(given)], refs[len(given) :]
        k, moves = now[0], now[1] != 0
        halves = _halves(plan, [tile[...] for tile in tiles[: 2 * plan.p]])
        x = [[point[k, m, i] for i in range(d)] for m in range(samples)]
        rs = [[slope[m, j] for j in range(c)] for m in range(samples)]
        rate, keep = rates[k, 0], 1.0 - rates[k, 0] * penalty[0]
        moved = [
            [
                keep * row - rate * force
                for row, force in zip(half, projected(plan, pull, matrices[0] if matrices else None), strict=True)
            ]
            for half, pull in ((half, pulled(plan, half, x, rs)) for half in halves)
        ]
        if plan.noise is not None:
            counters = pallas.program_id(0).astype(jnp.uint32) * jnp.uint32(TILE) + lax.iota(jnp.uint32, TILE)
            seed = (step[k, 0], step[k, 1]), (key[0], key[1])
            kicks = kicks_at(counters, *seed, plan.noise, matrices[-1], plan.dtype)
            moved = [
                [row + rates[k, 1] * kick for row, kick in zip(half, ours, strict=True)]
                for half, ours in zip(moved, kicks, strict=True)
            ]
        for h, half in enumerate(halves):
            mask = _inside(plan, h)
            for i, row in enumerate(half):
                taken = moves if mask is None else moves & mask
                tiles[(2 + h) * plan.p + i][...] = jnp.where(taken, moved[h][i], row)

    rows = [row for half in z for row in half]
    shapes = [jax.ShapeDtypeStruct(row.shape, row.dtype) for row in rows]
    outs = _call(
        kernel, given, rows, [_tile() for _ in rows], shapes, interpret, {len(given) + i: i for i in range(len(rows))}
    )
    return _halves(plan, outs)


def _call(
    kernel: Any, given: list[Value], rows: list[Value], out: Any, shape: Any, interpret: bool, aliases: Any = None
) -> Any:
    """A kernel on every tile of the rows, with whole arrays beside them."""
    whole = [pallas.BlockSpec(part.shape, partial(lambda sides, i: (0,) * sides, part.ndim)) for part in given]
    return pallas.pallas_call(
        kernel,
        grid=(rows[0].size // TILE,),
        in_specs=[*whole, *(_tile() for _ in rows)],
        out_specs=out,
        out_shape=shape,
        input_output_aliases=aliases or {},
        interpret=interpret,
        compiler_params=triton.CompilerParams(num_warps=WARPS),
    )(*given, *rows)


def _tile() -> Any:
    return pallas.BlockSpec((TILE,), lambda i: (i,))


def _inside(plan: JaxPlan, half: int) -> Value:
    return is_inside(plan, half, pallas.program_id(0) * TILE + lax.iota(jnp.int32, TILE))


def _halves(plan: JaxPlan, rows: list[Value]) -> Halves:
    return tuple(rows[: plan.p]), tuple(rows[plan.p :])


def _instruction(name: str, a: Value) -> Value:
    """An instruction of the GPU on every number of a tile."""
    shape = jax.ShapeDtypeStruct(a.shape, a.dtype)
    call = triton.elementwise_inline_asm
    return call(f"{name} $0, $1;", args=[a], constraints="=f,f", pack=1, result_shape_dtypes=[shape])[0]


def _sigmoid(a: Value) -> Value:
    """1 / (1 + exp(-a)) by two instructions of the GPU, to 2 units in the last place of single precision."""
    power = _instruction("ex2.approx.ftz.f32", a * np.float32(-np.log2(np.e)))
    return _instruction("rcp.approx.ftz.f32", 1.0 + power)


_FASTER = {ACTIVATIONS["sigmoid"]: from_value(_sigmoid, lambda a, s: s * (1.0 - s))}


def _faster(plan: JaxPlan) -> JaxPlan:
    """The plan with the activations for which the GPU has instructions."""
    outputs: Any = plan.outputs
    return replace(plan, outputs=replace(outputs, s=_FASTER.get(outputs.s, outputs.s)))
