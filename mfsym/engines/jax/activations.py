"""The pointwise activations in JAX: values and slopes as ``mfsym.units.activations`` defines them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfsym.configurations import names
from mfsym.configurations.names import bound

Value = Any


def _sigmoid(a: Value) -> Value:
    return 1.0 / (1.0 + jnp.exp(-a))


def _softplus(a: Value) -> Value:
    return jnp.where(a < 0.0, 0.0, a) + jnp.log1p(jnp.exp(-jnp.abs(a)))


def from_value(function: Callable[[Value], Value], slope: Callable[[Value, Value], Value]) -> Callable[[Value], Value]:
    """The function with the derivative ``slope(a, s(a))``, pointwise."""
    differentiable = jax.custom_jvp(function)

    def tangents(at: tuple[Value], along: tuple[Value]) -> tuple[Value, Value]:
        value = function(at[0])
        return value, slope(at[0], value) * along[0]

    differentiable.defjvp(tangents)
    return differentiable


ACTIVATIONS: Mapping[str, Callable[[Value], Value]] = bound(
    names.ACTIVATIONS,
    {
        "sigmoid": from_value(_sigmoid, lambda a, s: s * (1.0 - s)),
        "tanh": from_value(jnp.tanh, lambda a, s: 1.0 - s * s),
        "relu": from_value(lambda a: jnp.where(a <= 0.0, 0.0, a), lambda a, s: jnp.where(a > 0.0, 1.0, 0.0 * a)),
        "softplus": from_value(_softplus, lambda a, s: _sigmoid(a)),
        "erf": from_value(jax.scipy.special.erf, lambda a, s: 2.0 / np.sqrt(np.pi).item() * jnp.exp(-(a * a))),
        "identity": lambda a: a,
    },
)
"""Activations by name, with their derivatives (relu's is 0 at 0)."""
