"""Learned denoisers of shapes: a multi-layer perceptron trained by one of four losses. Needs the extra ``jax``.

The network maps the coordinates of a cloud and the time to a cloud; it has no built-in equivariance. Batches, noise,
times and initial weights come from ``mfsym.streams``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_number, as_whole
from mfsym.errors import MfsymError
from mfsym.quotients.losses import loss_of
from mfsym.quotients.templates import Templates
from mfsym.streams import normals, stream_key, uniforms

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

WIDTH, DEPTH = 192, 3
"""Units of a hidden layer, and hidden layers."""

AT_ONCE = 100
"""Steps whose batches are drawn together and that run as one compiled loop."""

WAVES = 4
"""Number of sines and of cosines of the time among the network's inputs, besides the time itself."""


def require_jax() -> tuple[Any, Any, Any]:
    """The modules jax, equinox and optax; MfsymError that says what to install where one is missing."""
    try:
        import equinox
        import jax
        import optax
    except ImportError as error:
        raise MfsymError(
            f"learned denoisers need jax, equinox and optax ({error.name} is missing): pip install 'mfsym[jax]'"
        ) from None
    return jax, equinox, optax


class LearnedDenoiser:
    """D(x, t) of a trained network: clouds x (N, n d) or (N, n, d) and t in [0, 1) to denoised ones of that shape.

    loss : the name of the loss it was trained by.  history : (K,) the mean loss of each hundred steps, |x|^2.
    """

    def __init__(self, network: Any, templates: Templates, loss: str, history: Floats) -> None:
        jax, equinox, _ = require_jax()
        self.templates, self.loss, self.history = templates, loss, history
        self._apply = equinox.filter_jit(partial(_denoised, jax, network))

    def __call__(self, x: ArrayLike, t: float) -> Floats:
        given = as_floats(x, "x")
        rows = given.reshape(len(given), -1).astype(np.float32)
        times = np.full(len(rows), as_number(t, "t", least=0.0), dtype=np.float32)
        return np.asarray(self._apply(rows, times), dtype=np.float64).reshape(given.shape)

    def __repr__(self) -> str:
        return f"<LearnedDenoiser of {self.templates!r}, loss {self.loss}>"


def learn(
    templates: Templates,
    loss: str = "quotient",
    *,
    steps: int = 8000,
    batch: int = 256,
    rate: float = 1e-3,
    seed: int = 0,
) -> LearnedDenoiser:
    """Train a denoiser on samples of ``templates``, noised at uniform times: Adam, the rate falling to 0 as a cosine.

    loss : "conventional", "quotient", "geodiff" or "af3", a name of ``mfsym.quotients.losses``.
    steps : rounded up to hundreds.  batch : samples a step.  rate : of Adam at the start.
    The result is a function of these arguments, up to the rounding of the machine's matrix products in float32.
    Raises MfsymError without the extra ``jax``.
    """
    jax, equinox, optax = require_jax()
    name, count = loss_of(loss), -(-as_whole(steps, "steps", 1) // AT_ONCE)
    size, top = as_whole(batch, "batch", 1, 10**6), as_number(rate, "rate", above=0.0)
    optimiser = optax.adam(optax.cosine_decay_schedule(top, count * AT_ONCE))
    weights, rest = equinox.partition(_network(jax, equinox, templates, seed), equinox.is_inexact_array)
    state = optimiser.init(weights)
    advance = jax.jit(_advance(jax, equinox, optax, optimiser, rest, objective(jax, name, templates)))
    history = np.empty(count)
    for chunk in range(count):
        weights, state, found = advance(weights, state, *_batches(templates, seed, chunk, size))
        history[chunk] = float(found)
    if not np.isfinite(history).all():
        raise MfsymError(f"the training did not stay finite at a rate of {top:g}; lower the rate")
    return LearnedDenoiser(equinox.combine(weights, rest), templates, name, history)


def _network(jax: Any, equinox: Any, templates: Templates, seed: int) -> Any:
    """A perceptron whose weights are N(0, 1 / fan-in), biases 0."""
    p, key = templates.points * templates.point_dim, stream_key(seed, "init")
    network = equinox.nn.MLP(p + 1 + 2 * WAVES, p, WIDTH, DEPTH, activation=jax.nn.silu, key=jax.random.key(0))
    layers = []
    for number, layer in enumerate(network.layers):
        rows, columns = layer.weight.shape
        weight = normals(key, number, rows, columns).astype(np.float32) / np.float32(np.sqrt(columns))
        bias = jax.numpy.zeros(rows, dtype=np.float32)
        layers.append(equinox.tree_at(lambda each: (each.weight, each.bias), layer, (jax.numpy.asarray(weight), bias)))
    return equinox.tree_at(lambda each: each.layers, network, tuple(layers))


def _denoised(jax: Any, network: Any, x: Any, t: Any) -> Any:
    """The network's answers (B, p) to rows x (B, p) at times t (B,)."""
    orders = np.pi * np.arange(1, WAVES + 1, dtype=np.float32)
    angles = t[:, None] * orders
    features = [x, t[:, None], jax.numpy.sin(angles), jax.numpy.cos(angles)]
    return jax.vmap(network)(jax.numpy.concatenate(features, axis=1))


def _batches(templates: Templates, seed: int, chunk: int, size: int) -> tuple[Singles, Singles, Singles]:
    """Targets (AT_ONCE, B, n, d), noisy clouds of that shape and times (AT_ONCE, B), all float32."""
    count, (n, d) = AT_ONCE * size, templates.clouds.shape[1:]
    target = templates.draw(seed, count, chunk).clouds.reshape(count, n, d)
    noise = normals(stream_key(seed, "noise"), chunk, count, n * d).reshape(count, n, d)
    if templates.centred:
        noise = noise - noise.mean(axis=1, keepdims=True)
    t = uniforms(stream_key(seed, "nodes"), chunk, count, 1)[:, :1, None]
    x = (1.0 - t) * noise + t * target
    shaped = [each.astype(np.float32).reshape(AT_ONCE, size, *each.shape[1:]) for each in (target, x)]
    return shaped[0], shaped[1], t.astype(np.float32).reshape(AT_ONCE, size)


def objective(jax: Any, name: str, templates: Templates) -> Callable[[Any, Any, Any], Any]:
    """The mean loss over predictions, targets and noisy clouds, each (B, n, d), as a function in JAX.

    name : one of ``losses.LOSSES``.
    """
    generators = np.asarray(templates.quotient.rep.group.algebra, dtype=np.float32)

    def loss(predicted: Any, target: Any, x: Any) -> Any:
        if name == "quotient":
            difference = _projected(jax, generators, x, predicted - target)
        elif name == "conventional":
            difference = predicted - target
        else:
            to = x if name == "geodiff" else predicted
            difference = predicted - _aligned(jax, target, jax.lax.stop_gradient(to))
        return jax.numpy.mean(jax.numpy.sum(difference**2, axis=(1, 2)))

    return loss


def _projected(jax: Any, generators: Singles, x: Any, v: Any) -> Any:
    """P_x v for clouds (B, n, d), through the pseudo-inverse of the Gram matrix."""
    jnp = jax.numpy
    vertical = jnp.einsum("aij,bnj->bani", generators, x)
    gram = jnp.einsum("bani,bcni->bac", vertical, vertical)
    rates = jnp.einsum("bac,bcni,bni->ba", jnp.linalg.pinv(gram, hermitian=True), vertical, v)
    return v - jnp.einsum("ba,bani->bni", rates, vertical)


def _aligned(jax: Any, x: Any, to: Any) -> Any:
    """Clouds x (B, n, d) turned to where they are nearest to others: Kabsch, det = +1."""
    jnp = jax.numpy
    left, _, right = jnp.linalg.svd(jnp.einsum("bni,bnj->bij", to, x))
    sign = jnp.sign(jnp.linalg.det(left @ right))
    left = left.at[:, :, -1].multiply(sign[:, None])
    return jnp.einsum("bij,bnj->bni", left @ right, x)


def _advance(jax: Any, equinox: Any, optax: Any, optimiser: Any, rest: Any, loss: Callable[..., Any]) -> Any:
    """A function that makes as many steps as it is given batches, and the mean loss over them."""

    def objective(weights: Any, target: Any, x: Any, t: Any) -> Any:
        rows = x.reshape(x.shape[0], -1)
        return loss(_denoised(jax, equinox.combine(weights, rest), rows, t).reshape(x.shape), target, x)

    def step(carried: Any, batch: Any) -> Any:
        weights, state = carried
        value, slope = jax.value_and_grad(objective)(weights, *batch)
        updates, state = optimiser.update(slope, state, weights)
        return (optax.apply_updates(weights, updates), state), value

    def advance(weights: Any, state: Any, target: Any, x: Any, t: Any) -> Any:
        (weights, state), values = jax.lax.scan(step, (weights, state), (target, x, t))
        return weights, state, jax.numpy.mean(values)

    return advance
