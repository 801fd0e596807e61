"""The time loop on an NVIDIA GPU: two kernels a step, each of which reads a tile of particles once.

XLA's own loops read the particles anew for every sample. Here a tile stays in registers while the samples pass: the
first kernel sums the outputs, the second moves the particles and draws their noise where they lie. The kernels are
written in Pallas and made of the pointwise functions of the unit; partial sums are added in a fixed order.
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

from mfsym.engines.jax.activations import ACTIVATIONS, with_slope
from mfsym.engines.jax.loops import all_finite
from mfsym.engines.jax.losses import cotangents
from mfsym.engines.jax.passes import Rows, Value, mapped
from mfsym.engines.jax.plans import Blocks, JaxChunk, JaxPlan
from mfsym.engines.jax.streams import block_words, normal_pair
from mfsym.engines.jax.units import MatrixOutputs, Outputs, UVOutputs
from mfsym.streams import LANES

Halves = tuple[Rows, Rows]

TILE, WARPS = 256, 4
"""Particles of each half in a tile, and warps of 32 threads that share it."""

PIECE = 64
"""Steps of one compiled loop: its length is known, so that the device runs it without asking the host."""

TILED = ("sigmoid", "tanh", "relu", "softplus", "identity")
"""Activations that can be written for a tile; erf cannot."""

MOST_NUMBERS = 8
"""Most parameters or outputs of a unit whose tiles stay in registers."""

MOST_SAMPLES = 64
"""Most lifted samples of a step: they are written out one after the other."""


def has_tiles(devices: tuple[Any, ...]) -> bool:
    """Whether a run on these devices can be made of tiles: one GPU that CUDA drives."""
    return len(devices) == 1 and "cuda" in str(getattr(devices[0].client, "platform_version", "")).lower()


def fits(outputs: Outputs, p: int, dtype: Any, samples: int) -> bool:
    """Whether a unit of p parameters can run in tiles: single precision, small, shallow, an activation in TILED, few
    samples in a step."""
    if not isinstance(outputs, MatrixOutputs | UVOutputs) or dtype != np.float32 or samples > MOST_SAMPLES:
        return False
    known = any(outputs.pointwise is ACTIVATIONS[name] for name in TILED)
    return known and p <= MOST_NUMBERS and outputs.c <= MOST_NUMBERS


def tile_layout(n: int) -> Blocks:
    """The layout of n particles in whole tiles on one device."""
    return Blocks(1, 1, -(-n // (2 * TILE)) * TILE)


def run_pieces(plan: JaxPlan, z: Rows, chunk: JaxChunk, interpret: bool = False) -> tuple[Rows, Value, Value]:
    """As ``loops.run`` for rows (1, 2, lanes), in pieces that follow one another.

    interpret : without a GPU, for tests.
    """
    chunk = jax.tree.map(jnp.asarray, chunk)
    done, finite = jnp.int32(0), jnp.bool_(True)
    for first in range(0, int(chunk.steps), PIECE):
        z, done, finite = _compiled(plan, interpret)(z, chunk, jnp.int32(first), done, finite)
    return z, done, finite & all_finite(plan, z)


@lru_cache(maxsize=128)
def _compiled(plan: JaxPlan, interpret: bool) -> Any:
    """PIECE steps of a plan: (rows, chunk, first step, done, finite) -> (rows, done, finite); takes the rows."""
    return jax.jit(partial(_run_piece, plan if interpret else _faster(plan), interpret), donate_argnums=0)


def _run_piece(
    plan: JaxPlan, interpret: bool, z: Rows, chunk: JaxChunk, first: Value, done: Value, finite: Value
) -> tuple[Rows, Value, Value]:
    """Make those of PIECE steps from the first that are in the chunk, until the state is not finite.

    The steps beyond it read the last row of the chunk, since kernels do not check where they read, and change nothing.
    """
    words = _words(chunk)

    def step(carry: tuple[Rows, Value, Value], k: Value) -> tuple[tuple[Rows, Value, Value], None]:
        z, done, finite = carry
        row, due = jnp.minimum(k, chunk.steps - 1), k < chunk.steps
        phi, sound = _means(plan, z, chunk.x, row, interpret)
        finite = finite & (sound & jnp.isfinite(phi).all() | ~due)
        moves = finite & due
        nodes = None if plan.plain else (_at(chunk.rho, row), _at(chunk.node_weights, row))
        r = cotangents(plan.loss, phi, chunk.y[row], nodes, chunk.sample_weights)
        control = jnp.stack([row, moves.astype(jnp.int32)])
        return (_moved(plan, z, r, control, words, chunk, interpret), done + control[1], finite), None

    carry, _ = lax.scan(step, (z, done, finite), first + jnp.arange(PIECE, dtype=jnp.int32))
    return carry


def _at(parts: Value, k: Value) -> Value:
    """What step k is given of an array with one part for each step, or one for all."""
    return parts[k % len(parts)]


def _words(chunk: JaxChunk) -> Value:
    """(steps, 2) the two words of the number of every step."""
    steps = chunk.step + jnp.arange(len(chunk.x), dtype=jnp.uint64)
    return jnp.stack([steps.astype(jnp.uint32), (steps >> jnp.uint64(32)).astype(jnp.uint32)], axis=1)


def _means(plan: JaxPlan, z: Rows, x: Value, k: Value, interpret: bool) -> tuple[Value, Value]:
    """The means (M, c) of the outputs over the particles on x[k], and whether all particles are finite."""
    outputs: Any = plan.outputs
    (_, samples, d), c = x.shape, outputs.c
    width = 1 << (samples * c).bit_length()

    def kernel(step: Value, points: Value, *tiles: Value) -> None:
        now, out, masks = step[0], tiles[-1], [_inside(plan, h) for h in (0, 1)]
        halves = _halves(tiles[:-1])
        for m in range(samples):
            both = [outputs([points[now, m, i] for i in range(d)], half) for half in halves]
            for j in range(c):
                parts = [
                    outs[j] if mask is None else jnp.where(mask, outs[j], 0.0)
                    for outs, mask in zip(both, masks, strict=True)
                ]
                out[0, m * c + j] = jnp.sum(parts[0] + parts[1])
        out[0, samples * c] = jnp.sum(sum(row * 0.0 for half in halves for row in half))

    tiles = plan.layout.lanes // TILE
    shape = jax.ShapeDtypeStruct((tiles, width), jnp.float32)
    partials = _call(kernel, [k[None], x], z, pallas.BlockSpec((1, width), lambda i: (i, 0)), shape, interpret)
    totals = partials.sum(axis=0)
    return totals[: samples * c].reshape(samples, c) / plan.n, totals[samples * c] == 0.0


def _moved(plan: JaxPlan, z: Rows, r: Value, control: Value, words: Value, chunk: JaxChunk, interpret: bool) -> Rows:
    """The particles after step control[0], or as they are where control[1] is 0."""
    (_, samples, d), c = chunk.x.shape, r.shape[1]
    given = [control, chunk.x, r, chunk.rates, chunk.penalty, words, chunk.key]
    given += [part for part, used in ((chunk.projector, plan.projector), (chunk.noise_map, plan.noise)) if used]

    def kernel(*refs: Value) -> None:
        now, point, slope, rates, penalty, step, key = refs[:7]
        matrices, tiles = refs[7 : len(given)], refs[len(given) :]
        k, moves = now[0], now[1] != 0
        halves = _halves(tiles[: len(z)])
        x = [[point[k, m, i] for i in range(d)] for m in range(samples)]
        rs = [[slope[m, j] for j in range(c)] for m in range(samples)]
        rate, keep = rates[k, 0], 1.0 - rates[k, 0] * penalty[0]
        noise: list[Any] = [None, None]
        if plan.noise is not None:
            noise = _kicks(plan, matrices[-1], (step[k, 0], step[k, 1]), (key[0], key[1]))
        for h, half in enumerate(halves):
            force, mask = _pulled(plan, half, x, rs), _inside(plan, h)
            if plan.projector is not None:
                force = mapped(plan.projector, matrices[0], force)
            for i, (row, g) in enumerate(zip(half, force, strict=True)):
                new = keep * row - rate * g
                if noise[h] is not None:
                    new = new + rates[k, 1] * noise[h][i]
                taken = moves if mask is None else moves & mask
                tiles[len(z) + i][0, h] = jnp.where(taken, new, row)

    shapes = [jax.ShapeDtypeStruct(row.shape, row.dtype) for row in z]
    aliases = {len(given) + i: i for i in range(len(z))}
    return tuple(_call(kernel, given, z, [_tile() for _ in z], shapes, interpret, aliases))


def _pulled(plan: JaxPlan, half: Rows, x: list[list[Value]], r: list[list[Value]]) -> Rows:
    """sum_m D_z sigma(x_m, z_i)^T r_m for the particles of a half of a tile; x and r in scalars."""

    def paired(z: Rows) -> Value:
        parts = [
            out * slope
            for point, row in zip(x, r, strict=True)
            for out, slope in zip(plan.outputs(point, z), row, strict=True)
        ]
        return sum(parts[1:], parts[0])

    value, pull = jax.vjp(paired, half)
    return pull(jnp.ones_like(value))[0]


def _kicks(plan: JaxPlan, matrix: Value, step: tuple[Value, Value], key: tuple[Value, Value]) -> list[Any]:
    """The kicks W xi of both halves of a tile."""
    entries: Any = plan.noise
    counters = pallas.program_id(0).astype(jnp.uint32) * jnp.uint32(TILE) + lax.iota(jnp.uint32, TILE)
    drawn: list[dict[int, Value]] = [{}, {}]
    for pair in sorted({i // 2 for columns in entries for i in columns}):
        block = block_words(counters, jnp.uint32(pair), step, key)
        for h, normals in enumerate(drawn):
            both = normal_pair(block[2 * h], block[2 * h + 1], np.dtype(plan.dtype))
            normals[2 * pair], normals[2 * pair + 1] = both
    return [mapped(entries, matrix, normals) for normals in drawn]


def _call(
    kernel: Any, given: list[Value], rows: Rows, out: Any, shape: Any, interpret: bool, aliases: Any = None
) -> Any:
    """A kernel on every tile of the rows, with whole arrays beside them."""
    whole = [pallas.BlockSpec(part.shape, partial(lambda sides, i: (0,) * sides, part.ndim)) for part in given]
    return pallas.pallas_call(
        kernel,
        grid=(rows[0].shape[2] // TILE,),
        in_specs=[*whole, *(_tile() for _ in rows)],
        out_specs=out,
        out_shape=shape,
        input_output_aliases=aliases or {},
        interpret=interpret,
        compiler_params=triton.CompilerParams(num_warps=WARPS),
    )(*given, *rows)


def _tile() -> Any:
    return pallas.BlockSpec((1, 2, TILE), lambda i: (0, 0, i))


def _halves(tiles: Any) -> Halves:
    """The two halves of tiles of rows: one array (TILE,) per parameter."""
    return tuple(tile[0, 0] for tile in tiles), tuple(tile[0, 1] for tile in tiles)


def _inside(plan: JaxPlan, half: int) -> Value:
    """Which places of a half of a tile hold particles; None if all do."""
    if plan.n == 2 * plan.layout.length:
        return None
    q = pallas.program_id(0) * TILE + lax.iota(jnp.int32, TILE)
    return q // LANES * (2 * LANES) + half * LANES + q % LANES < plan.n


def _instruction(name: str, a: Value) -> Value:
    """An instruction of the GPU on every number of a tile."""
    shape = jax.ShapeDtypeStruct(a.shape, a.dtype)
    call = triton.elementwise_inline_asm
    return call(f"{name} $0, $1;", args=[a], constraints="=f,f", pack=1, result_shape_dtypes=[shape])[0]


def _sigmoid(a: Value) -> Value:
    """1 / (1 + exp(-a)) by two instructions of the GPU; its relative error grows like 1e-7 (1 + |a|) for a < 0."""
    power = _instruction("ex2.approx.ftz.f32", a * np.float32(-np.log2(np.e)))
    return _instruction("rcp.approx.ftz.f32", 1.0 + power)


_FASTER = {ACTIVATIONS["sigmoid"]: with_slope(_sigmoid, lambda a, s: s * (1.0 - s))}


def _faster(plan: JaxPlan) -> JaxPlan:
    """The plan with the activations for which the GPU has instructions."""
    outputs: Any = plan.outputs
    pointwise = _FASTER.get(outputs.pointwise, outputs.pointwise)
    return replace(plan, outputs=replace(outputs, pointwise=pointwise))
