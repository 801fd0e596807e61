"""A three-layer mlp unit against JAX: noisy SGD of one ensemble, both in float32, the whole loop compiled.

    python -m benchmarks.mlp [N ...]

The unit is tanh, 2 -> 8 -> 8 -> 2 with biases (p = 112, C_2 acting by the swap), B = 20 fresh samples a step, targets
from a teacher of three particles, noise on. JAX runs ``lax.scan`` over steps, jitted, on all cores, in three forms
(particles first, particles last, neurons written out); the fastest counts. Figures are nanoseconds of processor time,
and of wall time, per particle and sample, the least of several runs taken in turn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from mfsym.accelerate import available_threads
from mfsym.data.teachers import Teacher
from mfsym.dynamics import NoisySGD
from mfsym.groups import cyclic
from mfsym.streams import normals, stream_key
from mfsym.units import MLPUnit

ALPHA, TAU, BETA, BATCH, WIDTH = 1.0, 1e-4, 1e-6, 20, 8
KEY = stream_key(0, "teacher")
ROUNDS = 7


def make_unit() -> MLPUnit:
    """The unit."""
    swap = cyclic(2).permutation()
    hidden = swap + swap + swap + swap
    return MLPUnit("tanh", swap, swap, [hidden, hidden])


def ours(unit: MLPUnit, teacher: Teacher, z: np.ndarray, threads: int = 1) -> Callable[[int], np.ndarray]:
    """Runs that many steps of mfsym on so many threads; returns the particles."""
    options = {"alpha": ALPHA, "tau": TAU, "beta": BETA, "batch_size": BATCH}
    dynamics = NoisySGD(unit, "vanilla", teacher, threads=threads, **options)

    def run(steps: int) -> np.ndarray:
        return np.asarray(dynamics.step(dynamics.init(z), steps).z)

    return run


def split(z: np.ndarray, last: bool) -> list[np.ndarray]:
    """Particles (N, 112) as W_1, b_1, W_2, b_2, W_3, particles first or last."""
    shapes, parts, start = [(WIDTH, 2), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (2, WIDTH)], [], 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        part = z[:, start:stop].reshape(-1, *shape)
        parts.append(np.ascontiguousarray(np.moveaxis(part, 0, -1) if last else part, dtype=np.float32))
        start = stop
    return parts


def jax_runs(teacher: Teacher, z: np.ndarray) -> dict[str, Callable[[int], object]]:
    """The forms of the JAX program by name: each runs that many steps and waits for them."""
    import jax
    import jax.numpy as jnp

    def forward(weights, x, last):
        w1, b1, w2, b2, w3 = weights
        if last:
            h = jnp.tanh(jnp.einsum("jkn,bk->jbn", w1, x) + b1[:, None])
            h = jnp.tanh(jnp.einsum("jkn,kbn->jbn", w2, h) + b2[:, None])
            return jnp.einsum("jkn,kbn->bj", w3, h) / w1.shape[-1]
        h = jnp.tanh(jnp.einsum("njk,bk->nbj", w1, x) + b1[:, None])
        h = jnp.tanh(jnp.einsum("njk,nbk->nbj", w2, h) + b2[:, None])
        return jnp.einsum("njk,nbk->bj", w3, h) / w1.shape[0]

    def unrolled(weights, x):
        w1, b1, w2, b2, w3 = weights
        h = [jnp.tanh(sum(w1[j, k] * x[:, k, None] for k in range(2)) + b1[j]) for j in range(WIDTH)]
        h = [jnp.tanh(sum(w2[j, k] * h[k] for k in range(WIDTH)) + b2[j]) for j in range(WIDTH)]
        return jnp.stack([sum(w3[j, k] * h[k] for k in range(WIDTH)).mean(axis=1) for j in range(2)], axis=1)

    def program(model, last):
        students = [jnp.asarray(part) for part in split(z, last)]
        teachers = [jnp.asarray(part) for part in split(teacher.particles, last)]
        n = len(z)

        def risk(weights, x, y):
            return jnp.mean(jnp.sum((model(weights, x) - y) ** 2, axis=1))

        def step(carry, _):
            weights, key = carry
            key, draw, *noises = jax.random.split(key, 7)
            x = jax.random.normal(draw, (BATCH, 2), jnp.float32)
            slopes = jax.grad(risk)(weights, x, model(teachers, x))
            moved = [
                w
                - ALPHA * (g + 2.0 * TAU / n * w)
                + np.float32(np.sqrt(2 * ALPHA * BETA / n)) * jax.random.normal(k, w.shape)
                for w, g, k in zip(weights, slopes, noises, strict=True)
            ]
            return (moved, key), None

        compiled = jax.jit(lambda carry, steps: jax.lax.scan(step, carry, None, length=steps)[0], static_argnums=1)

        def run(steps):
            return jax.block_until_ready(compiled((students, jax.random.key(0)), steps))

        return run

    return {
        "einsum, particles first": program(lambda w, x: forward(w, x, False), False),
        "einsum, particles last": program(lambda w, x: forward(w, x, True), True),
        "unrolled, particles last": program(unrolled, True),
    }


def compare(n: int) -> dict[str, tuple[float, float]]:
    """(processor, wall) nanoseconds per particle and sample by contender, at N = n."""
    unit = make_unit()
    teacher = Teacher(unit, normals(KEY, 0, 3, unit.p), 1.0)
    z = 0.25 * normals(KEY, 1, n, unit.p)
    runs: dict[str, Callable[[int], object]] = {
        "mfsym, one thread": ours(unit, teacher, z),
        "mfsym, all cores": ours(unit, teacher, z, available_threads()),
    }
    runs |= {f"jax, {name}": run for name, run in jax_runs(teacher, z).items()}
    steps = max(10, 50_000 // n)
    best = dict.fromkeys(runs, (np.inf, np.inf))
    for k in range(ROUNDS + 1):
        for name, run in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            run(steps)
            spent = (time.process_time() - processor, time.perf_counter() - wall)
            if k:
                best[name] = tuple(
                    min(a, 1e9 * b / (steps * n * BATCH)) for a, b in zip(best[name], spent, strict=True)
                )
    return best


def main(sizes: list[int]) -> None:
    """Print the table."""
    for n in sizes:
        table = compare(n)
        for name, (processor, wall) in table.items():
            print(f"N = {n:5d}  {name:32s} {processor:8.1f} ns of processor  {wall:8.1f} ns of wall")
        best = [
            [min(row[k] for name, row in table.items() if name.startswith(who)) for who in ("jax", "mfsym")]
            for k in (0, 1)
        ]
        ratios = [jax / ours for jax, ours in best]
        print(
            f"N = {n:5d}  fastest JAX / fastest mfsym: {ratios[0]:.1f} in processor time, {ratios[1]:.1f} in wall time"
        )


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [100, 1000])
