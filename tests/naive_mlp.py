"""Slow, obvious twins of multi-layer units, losses and residual networks: one sample and one particle at a time."""

from __future__ import annotations

import numpy as np

from mfsym import streams
from mfsym.units import Gated, Normed
from tests.naive import ACTIVATIONS

NAMES = ("sigmoid", "tanh", "relu", "softplus", "erf", "identity")


def function(name, a):
    return ACTIVATIONS[NAMES.index(name)][0](a)


def table(array, o, i_stride, n_stride):
    return (array, o, i_stride, n_stride)


def product(out, start, a, b, rows, columns, M, T):
    def row(operand, i, n):
        array, o, i_stride, n_stride = operand
        return array[o + i * i_stride + n * n_stride :][:T]

    results = [
        (i, n, np.float64(row(start, i, n)) + sum(np.float64(row(a, i, m)) * row(b, m, n) for m in range(M)))
        for i in range(rows)
        for n in range(columns)
    ]
    for i, n, result in results:
        row(out, i, n)[:] = result


def layer_output(parts, activation, h, take):
    """One hidden layer for one particle: ``take`` hands out its next parameters."""
    sizes = [part.rep.dim if isinstance(part, Gated | Normed) else part.dim for part in parts]
    gates = sum(isinstance(part, Gated) for part in parts)
    a = take((sum(sizes) + gates, len(h))) @ h + take.bias(sum(sizes) + gates)
    outputs, first, gate = [], 0, sum(sizes)
    for part, size in zip(parts, sizes, strict=True):
        own = a[first : first + size]
        if isinstance(part, Gated):
            outputs.append(own * function(part.activation, a[gate]))
            gate += 1
        elif isinstance(part, Normed):
            outputs.append(own * function(part.activation, own @ own))
        else:
            outputs.append(function(activation, own))
        first += size
    return np.concatenate(outputs)


class Taker:
    """Hands out consecutive parameters of one particle."""

    def __init__(self, z):
        self.z, self.at, self.biased = z, 0, True

    def __call__(self, shape):
        size = int(np.prod(shape))
        self.at += size
        return self.z[self.at - size : self.at].reshape(shape)

    def bias(self, size):
        return self((size,)) if self.biased else np.zeros(size)


def sigma(hidden, activation, x, z, c, biases=None, output_bias=False, output_linear=True):
    """sigma(x, z) (c,) of one input and one particle, layer after layer."""
    take, h = Taker(z), x
    for k, entry in enumerate(hidden):
        take.biased = True if biases is None else biases[k]
        parts = list(entry) if isinstance(entry, list) else [entry]
        h = layer_output(parts, activation, h, take)
    take.biased = output_bias
    a = take((c, len(h))) @ h + take.bias(c)
    assert take.at == len(z)
    return a if output_linear else function(activation, a)


def cotangents(loss, phi, y, rho, node_weights, sample_weights):
    """r_bk of one step: (B, K, c) from phi (B, K, c), for a loss by name."""
    result = np.zeros(phi.shape)
    for b in range(len(y)):
        prediction = sum(node_weights[k] * rho[k].T @ phi[b, k] for k in range(len(rho)))
        if loss == "quadratic":
            slope = 2.0 * (prediction - y[b])
        elif loss == "cross-entropy":
            slope = np.exp(prediction) / np.exp(prediction).sum() - y[b]
        else:
            slope = 1.0 / (1.0 + np.exp(-prediction)) - (1.0 + y[b]) / 2.0
        for k in range(len(rho)):
            result[b, k] = sample_weights[b] * node_weights[k] * rho[k] @ slope
    return result


def resnet_risk(scheme, x, y, z):
    """Mean squared error of a residual network z (L, N, p), its layers read as the scheme does."""
    h = x
    for layer in z:
        h = h + scheme.read(h, layer) / len(z)
    return np.mean(np.sum((h - y) ** 2, axis=1))


def resnet_step(dynamics, state):
    """Particles (L, N, p) after one noiseless step, with derivatives of the risk by central differences."""
    x, y = dynamics.data.draw(streams.stream_key(state.seed, "data", state.replicate), 0, dynamics.batch_size)
    z, moved = np.float64(state.z), np.empty(state.z.shape)
    depth, n, _ = z.shape
    for index in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[index] += 1e-6
        down[index] -= 1e-6
        slope = (resnet_risk(dynamics.scheme, x, y, up) - resnet_risk(dynamics.scheme, x, y, down)) / 2e-6
        moved[index] = z[index] - dynamics.alpha * (depth * slope + 2.0 * dynamics.tau / n * z[index])
    return moved
