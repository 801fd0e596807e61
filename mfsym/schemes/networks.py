"""A small network with hand-written gradients: the score of lambda, and a trainable backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.data.datasets import permutation
from mfsym.schemes.arrays import Array, like, namespace
from mfsym.streams import normals, stream_key

Floats = NDArray[np.float64]

_DECAYS = (0.9, 0.999)
_DAMPING = 1e-8


@dataclass(frozen=True)
class ScoreNetwork:
    """Affine layers with tanh between them, R^a -> R^b; on arrays of any library, in their dtype.

    layers : pairs (weights (inputs, outputs), bias (outputs,)) in float64, from input to output.
    """

    layers: tuple[tuple[Floats, Floats], ...]

    @classmethod
    def drawn(cls, widths: Sequence[int], seed: int = 0) -> ScoreNetwork:
        """A network of these widths, input and output included: weights N(0, 1 / inputs), zero bias."""
        sizes = [as_whole(width, "a width", 1) for width in widths]
        key = stream_key(seed, "init")
        pairs = pairwise(sizes)
        return cls(tuple((normals(key, k, a, b) / np.sqrt(a), np.zeros(b)) for k, (a, b) in enumerate(pairs)))

    def __call__(self, x: Array) -> Array:
        """(R, b) from (R, a)."""
        for k, (weights, bias) in enumerate(self.layers):
            x = namespace(x).matmul(x, like(weights, x)) + like(bias, x)
            x = x if k == len(self.layers) - 1 else namespace(x).tanh(x)
        return x

    def gradient(self, x: Floats, r: Floats) -> ScoreNetwork:
        """sum_i d(r_i . network(x_i)) / d(parameters), for x (R, a) and r (R, b), as a network."""
        inputs = [x]
        for weights, bias in self.layers[:-1]:
            inputs.append(np.tanh(inputs[-1] @ weights + bias))
        found = []
        for (weights, _), below in zip(self.layers[::-1], inputs[::-1], strict=True):
            found.append((below.T @ r, r.sum(axis=0)))
            r = (r @ weights.T) * (1.0 - below**2)
        return ScoreNetwork(tuple(found[::-1]))

    def descend(self, step: ScoreNetwork) -> ScoreNetwork:
        """The network with parameters minus those of ``step``."""
        pairs = zip(self.layers, step.layers, strict=True)
        return ScoreNetwork(tuple((w - dw, b - db) for (w, b), (dw, db) in pairs))


class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) for networks, with decoupled weight decay (AdamW)."""

    def __init__(self, rate: float, decay: float = 0.0) -> None:
        self.rate, self.decay, self.count = rate, decay, 0
        self.means: list[Floats] = []
        self.squares: list[Floats] = []

    def step(self, network: ScoreNetwork, gradient: ScoreNetwork) -> ScoreNetwork:
        """The network after one more step."""
        slopes = [part for layer in gradient.layers for part in layer]
        values = [part for layer in network.layers for part in layer]
        if not self.count:
            self.means, self.squares = ([np.zeros_like(part) for part in slopes] for _ in range(2))
        self.count += 1
        moves = []
        for k, (slope, value) in enumerate(zip(slopes, values, strict=True)):
            self.means[k] = _DECAYS[0] * self.means[k] + (1.0 - _DECAYS[0]) * slope
            self.squares[k] = _DECAYS[1] * self.squares[k] + (1.0 - _DECAYS[1]) * slope**2
            mean, square = (
                part / (1.0 - decay**self.count)
                for part, decay in zip((self.means[k], self.squares[k]), _DECAYS, strict=True)
            )
            decayed = self.decay * value if value.ndim == 2 else 0.0
            moves.append(self.rate * (mean / (np.sqrt(square) + _DAMPING) + decayed))
        return network.descend(ScoreNetwork(tuple(zip(moves[::2], moves[1::2], strict=True))))


@dataclass(frozen=True)
class AdamTraining:
    """Training of a network by Adam on mini-batches, with a cosine schedule of the rate down to 0.

    epochs >= 1.  batch_size >= 1.  rate > 0.  decay >= 0 : of weights, not biases.  seed : of the initial weights and
    the order of samples.
    """

    epochs: int = 60
    batch_size: int = 100
    rate: float = 1e-2
    decay: float = 1e-2
    seed: int = 0

    def run(
        self, network: ScoreNetwork, count: int, slope: Callable[[ScoreNetwork, NDArray[np.intp]], ScoreNetwork]
    ) -> ScoreNetwork:
        """The network after training on ``count`` samples; slope(network, rows) is the gradient of the mean loss."""
        optimiser, key = Adam(self.rate, self.decay), stream_key(self.seed, "data")
        steps = self.epochs * -(-count // self.batch_size)
        for epoch in range(self.epochs):
            order = permutation(key, epoch, count)
            for first in range(0, count, self.batch_size):
                optimiser.rate = self.rate * 0.5 * (1.0 + np.cos(np.pi * optimiser.count / steps))
                network = optimiser.step(network, slope(network, order[first : first + self.batch_size]))
        return network
