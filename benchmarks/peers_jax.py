"""The training in JAX: one jitted ``lax.scan`` over a chunk of steps, buffers donated, data and noise drawn inside.

Three layouts of the particles and three ways to draw the noise are tried on the vanilla scheme at each N, and the
fastest is timed ("form"). ``plain`` is what one writes at first: einsum, ``jax.random.normal`` with the default
generator, a key a step. Replicates are one more axis of every array, which is what ``vmap`` makes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import BATCH, SCALE, Array, Case, OneStep, start, teacher_particles
from benchmarks.contract import Contender, seconds_per_step

Value = Any
PLAIN = ("einsum", "normal", "threefry2x32")


class Einsum:
    """z (R, N, 2, 2), as the mathematics is written."""

    @staticmethod
    def pack(z: Value) -> Value:
        return z.reshape(*z.shape[:2], 2, 2)

    @staticmethod
    def values(z: Value, x: Value) -> Value:
        return jax.nn.sigmoid(jnp.einsum("rmd,rncd->rmnc", x, z))

    @staticmethod
    def mean(s: Value) -> Value:
        return s.mean(axis=2)

    @staticmethod
    def pull(s: Value, r: Value, x: Value) -> Value:
        return jnp.einsum("rmnc,rmd->rncd", s * (1 - s) * r[:, :, None, :], x)

    @staticmethod
    def swap(z: Value) -> Value:
        return z[:, :, ::-1, ::-1]

    @staticmethod
    def embed(eta: Value) -> Value:
        return jnp.stack([eta, eta[..., ::-1]], axis=2)

    noise_shape = staticmethod(lambda r, n: (r, n, 2))

    @staticmethod
    def unpack(z: Value) -> Value:
        return z.reshape(*z.shape[:2], 4)


class Rows:
    """z (R, 2, 2, N), one contiguous row per parameter, products written out."""

    @staticmethod
    def pack(z: Value) -> Value:
        return jnp.moveaxis(z.reshape(*z.shape[:2], 2, 2), 1, 3)

    @staticmethod
    def values(z: Value, x: Value) -> Value:
        return jax.nn.sigmoid(x[:, :, 0, None, None] * z[:, None, :, 0] + x[:, :, 1, None, None] * z[:, None, :, 1])

    @staticmethod
    def mean(s: Value) -> Value:
        return s.mean(axis=3)

    @staticmethod
    def pull(s: Value, r: Value, x: Value) -> Value:
        t = s * (1 - s) * r[..., None]
        return jnp.stack([(t * x[:, :, k, None, None]).sum(1) for k in (0, 1)], axis=2)

    @staticmethod
    def swap(z: Value) -> Value:
        return z[:, ::-1, ::-1]

    @staticmethod
    def embed(eta: Value) -> Value:
        return jnp.stack([eta, eta[:, ::-1]], axis=1)

    noise_shape = staticmethod(lambda r, n: (r, 2, n))

    @staticmethod
    def unpack(z: Value) -> Value:
        return jnp.moveaxis(z, 3, 1).reshape(z.shape[0], z.shape[3], 4)


class Products:
    """z (R, 2, 2 N), both passes as matrix products."""

    @staticmethod
    def pack(z: Value) -> Value:
        return jnp.transpose(z.reshape(*z.shape[:2], 2, 2), (0, 3, 2, 1)).reshape(z.shape[0], 2, -1)

    @staticmethod
    def values(z: Value, x: Value) -> Value:
        return jax.nn.sigmoid(x @ z).reshape(*x.shape[:2], 2, -1)

    @staticmethod
    def mean(s: Value) -> Value:
        return s.mean(axis=3)

    @staticmethod
    def pull(s: Value, r: Value, x: Value) -> Value:
        t = (s * (1 - s) * r[..., None]).reshape(*x.shape[:2], -1)
        return jnp.swapaxes(x, 1, 2) @ t

    @staticmethod
    def swap(z: Value) -> Value:
        return z.reshape(*z.shape[:2], 2, -1)[:, ::-1, ::-1].reshape(z.shape)

    @staticmethod
    def embed(eta: Value) -> Value:
        return jnp.stack([eta, eta[:, ::-1]], axis=1).reshape(eta.shape[0], 2, -1)

    noise_shape = staticmethod(lambda r, n: (r, 2, n))

    @staticmethod
    def unpack(z: Value) -> Value:
        return jnp.transpose(z.reshape(z.shape[0], 2, 2, -1), (0, 3, 2, 1)).reshape(z.shape[0], -1, 4)


LAYOUTS: dict[str, Any] = {"einsum": Einsum, "rows": Rows, "products": Products}


def box_muller(key: Value, shape: tuple[int, ...], dtype: Any) -> Value:
    """Normals by Box-Muller on 32-bit words: an alternative to ``jax.random.normal``, which inverts erf."""
    half = -(-int(np.prod(shape)) // 2)
    a, b = jax.random.bits(key, (2, half), jnp.uint32).astype(dtype)
    radius, angle = jnp.sqrt(-2 * jnp.log((a + 0.5) * 2.0**-32)), b * (2 * np.pi * 2.0**-32)
    both = jnp.concatenate([radius * jnp.cos(angle), radius * jnp.sin(angle)])
    return both[: int(np.prod(shape))].reshape(shape)


def lift(scheme: str, x: Value, y: Value, swaps: Value) -> tuple[Value, Value]:
    """As ``cases.lift``."""
    if scheme == "da":
        return jnp.concatenate([x, x[..., ::-1]], -2), jnp.concatenate([y, y[..., ::-1]], -2)
    if scheme == "fa":
        return jnp.concatenate([x, x[..., ::-1]], -2), y
    if scheme == "da-sampled":
        chosen = swaps[..., None]
        return jnp.where(chosen, x[..., ::-1], x), jnp.where(chosen, y[..., ::-1], y)
    return x, y


def moved(case: Case, layout: Any, z: Value, x: Value, y: Value) -> Value:
    """z after the deterministic part of a step on the lifted samples x (R, M, 2), y (R, M or B, 2)."""
    s = layout.values(z, x)
    phi = layout.mean(s)
    if case.scheme == "fa":
        error = (phi[:, :BATCH] + phi[:, BATCH:, ::-1]) / 2 - y
        r = jnp.concatenate([error, error[..., ::-1]], 1) / BATCH
    else:
        r = (2 / x.shape[1]) * (phi - y)
    force = layout.pull(s, r, x)
    if case.scheme == "ea":
        force = (force + layout.swap(force)) / 2
    return case.keep * z - case.rate * force


def trainer(case: Case, form: tuple[str, str, str], chunk: int) -> Callable[[Value, Value], tuple[Value, Value]]:
    """The jitted training of ``chunk`` steps: (z, key) to (z, key)."""
    layout, noise = LAYOUTS[form[0]], form[1]
    dtype, replicates = jnp.dtype(case.dtype), case.replicates
    teacher = jnp.asarray(teacher_particles().reshape(-1, 2, 2), dtype)
    ea = case.scheme == "ea"
    draw = box_muller if "box-muller" in noise else jax.random.normal
    empty = jax.eval_shape(layout.pack, jax.ShapeDtypeStruct((replicates, case.n, 4), dtype)).shape
    shape = layout.noise_shape(replicates, case.n) if ea else empty

    def steered(eta: Value) -> Value:
        return case.amplitude * (layout.embed(eta) * np.sqrt(0.5).item() if ea else eta)

    def train(z: Value, key: Value) -> tuple[Value, Value]:
        key, key_x, key_swaps, key_noise = jax.random.split(key, 4)
        x = SCALE * jax.random.normal(key_x, (chunk, replicates, BATCH, 2), dtype)
        y = jax.nn.sigmoid(jnp.einsum("srbd,tcd->srbtc", x, teacher)).mean(3)
        swaps = jax.random.bernoulli(key_swaps, 0.5, x.shape[:-1]) if case.scheme == "da-sampled" else None
        x, y = lift(case.scheme, x, y, swaps)
        ahead = "ahead" in noise
        given = draw(key_noise, (chunk, *shape), dtype) if ahead else jax.random.split(key_noise, chunk)

        def step(z: Value, now: Value) -> tuple[Value, None]:
            eta = now[2] if ahead else draw(now[2], shape, dtype)
            return moved(case, layout, z, now[0], now[1]) + steered(eta), None

        return jax.lax.scan(step, z, (x, y, given))[0], key

    return jax.jit(train, donate_argnums=(0, 1))


class Jax(Contender):
    """All cores. plain : no choice of form."""

    def __init__(self, plain: bool = False) -> None:
        self.plain = plain
        self.chosen: dict[tuple[int, int, str], tuple[str, str, str]] = {}
        self.z: Value = None
        self.key: Value = None

    def one_step(self, case: Case, given: OneStep) -> Array:
        jax.config.update("jax_enable_x64", case.dtype == "float64")
        results = []
        for layout in LAYOUTS.values():
            z, x, y = (jnp.asarray(part[None], case.dtype) for part in (given.z, given.x, given.y))
            step = jax.jit(lambda z, x, y, layout=layout: layout.unpack(moved(case, layout, layout.pack(z), x, y)))
            results.append(np.asarray(step(z, *lift(case.scheme, x, y, jnp.asarray(given.swaps[None]))))[0])
        spread = max(float(np.abs(result - results[0]).max()) for result in results)
        if not spread <= 100 * np.finfo(case.dtype).eps * max(1.0, case.rate):
            raise RuntimeError(f"the layouts must agree, they differ by {spread:.1e}")
        return results[0]

    def prepare(self, case: Case) -> str:
        jax.config.update("jax_enable_x64", case.dtype == "float64")
        place = (case.n, case.replicates, case.dtype)
        if place not in self.chosen:
            self.chosen[place] = PLAIN if self.plain else self._fastest(replace(case, scheme="vanilla"))
        self._settle(case, self.chosen[place])
        return " ".join(self.chosen[place])

    def run(self, steps: int) -> int:
        calls = -(-steps // self.chunk)
        for _ in range(calls):
            self.z, self.key = self.train(self.z, self.key)
        jax.block_until_ready(self.z)
        return calls * self.chunk

    def _fastest(self, case: Case) -> tuple[str, str, str]:
        noises = ("normal", "box-muller", "normal ahead") if case.n <= 1000 else ("normal", "box-muller")
        times = []
        for form in product(LAYOUTS, noises, ("rbg",)):
            self._settle(case, form)
            times.append((seconds_per_step(self), form))
        return min(times)[1]

    def _settle(self, case: Case, form: tuple[str, str, str]) -> None:
        self.chunk = max(2, min(500, 1_000_000 // (case.n * case.samples * case.replicates)))
        self.train = trainer(case, form, self.chunk)
        z = np.stack([start(case, k) for k in range(case.replicates)])
        self.z = LAYOUTS[form[0]].pack(jnp.asarray(z, case.dtype))
        self.key = jax.random.key(0, impl=form[2])
        self.run(1)
