"""Cotangents of the losses in JAX: see ``mfsym.kernels.losses``, whose codes and formulas these are."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mfsym.kernels.losses import CROSS_ENTROPY, LIKELIHOOD, LOGISTIC, QUADRATIC, SQUARES

Value = Any


def half_slopes(loss: int, prediction: Value, y: Value) -> Value:
    """Half the derivative of a loss that is no mixture at predictions (B, c), y (B, c)."""
    if loss == QUADRATIC:
        return prediction - y
    if loss == CROSS_ENTROPY:
        return 0.5 * (jax.nn.softmax(prediction, axis=1) - y)
    if loss != LOGISTIC:
        raise ValueError(f"a loss must have a code from {QUADRATIC} to {SQUARES}, got {loss}")
    a = jnp.where(prediction > -80.0, -prediction, 80.0)
    return 0.5 * (1.0 / (1.0 + jnp.exp(a)) - 0.5 * (1.0 + y))


def cotangents(loss: int, phi: Value, y: Value, nodes: tuple[Value, Value] | None, weights: Value) -> Value:
    """r (B K, c) from the means phi (B K, c) of the outputs of the particles.

    y : (B, c).  nodes : rho (K, c, c) and their weights (K,), None for one whose matrix is the identity.
    weights : of the samples (B,).
    """
    if loss >= LIKELIHOOD:
        return _of_mixtures(loss, phi, y, nodes, weights)
    if nodes is None:
        return 2.0 * weights[:, None] * half_slopes(loss, phi, y)
    rho, masses = nodes
    views = phi.reshape(len(y), len(masses), -1)
    prediction = (masses[:, None, None] * rho * views[..., None]).sum(axis=(1, 2))
    e = half_slopes(loss, prediction, y)
    spread = (rho * e[:, None, None, :]).sum(axis=3)
    return (2.0 * weights[:, None, None] * masses[:, None] * spread).reshape(phi.shape)


def _of_mixtures(loss: int, phi: Value, y: Value, nodes: tuple[Value, Value] | None, weights: Value) -> Value:
    """The same for mixtures over the orbit: scores phi (B K, 1), y (B, K c)."""
    scores = phi.reshape(len(y), -1)
    masses = jnp.ones((1,), phi.dtype) if nodes is None else nodes[1]
    shares = masses * jnp.exp(scores - scores.max(axis=1, keepdims=True))
    shares = shares / shares.sum(axis=1, keepdims=True)
    values = y.reshape(*scores.shape, -1)
    mean = (shares[..., None] * values).sum(axis=1, keepdims=True)
    factor = -1.0 / mean if loss == LIKELIHOOD else 2.0 * mean
    slopes = (factor * (values - mean)).sum(axis=2)
    return (weights[:, None] * shares * slopes).reshape(phi.shape)
