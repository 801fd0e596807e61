"""The pointwise activations in JAX: values and slopes as ``mfsym.units.activations`` defines them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfsym.configurations import names
from mfsym.configurations.names import bound
from mfsym.engines.jax.tracing import check_traceable, traced
from mfsym.units import AnyActivation

Value = Any
Pointwise = Callable[[Value], Value]


def _sigmoid(a: Value) -> Value:
    return 1.0 / (1.0 + jnp.exp(-a))


def _softplus(a: Value) -> Value:
    return jnp.where(a < 0.0, 0.0, a) + jnp.log1p(jnp.exp(-jnp.abs(a)))


def with_slope(function: Pointwise, slope: Callable[[Value, Value], Value]) -> Pointwise:
    """The function with the derivative ``slope(a, s(a))``, pointwise."""
    differentiable = jax.custom_jvp(function)

    def tangents(at: tuple[Value], along: tuple[Value]) -> tuple[Value, Value]:
        value = function(at[0])
        return value, slope(at[0], value) * along[0]

    differentiable.defjvp(tangents)
    return differentiable


ACTIVATIONS: Mapping[str, Pointwise] = bound(
    names.ACTIVATIONS,
    {
        "sigmoid": with_slope(_sigmoid, lambda a, s: s * (1.0 - s)),
        "tanh": with_slope(jnp.tanh, lambda a, s: 1.0 - s * s),
        "relu": with_slope(lambda a: jnp.where(a <= 0.0, 0.0, a), lambda a, s: jnp.where(a > 0.0, 1.0, 0.0 * a)),
        "softplus": with_slope(_softplus, lambda a, s: _sigmoid(a)),
        "erf": with_slope(jax.scipy.special.erf, lambda a, s: 2.0 / np.sqrt(np.pi).item() * jnp.exp(-(a * a))),
        "identity": lambda a: a,
    },
)
"""Activations by name, with their derivatives (relu's is 0 at 0)."""


@lru_cache(maxsize=64)
def pointwise_of(activation: AnyActivation) -> Pointwise:
    """The function of an activation, with its derivative; MfsymError for one's own that JAX cannot trace."""
    if isinstance(activation, str):
        return ACTIVATIONS[activation]
    function, slope = traced(activation.function), traced(activation.slope)
    for what, each in (("function", function), ("slope", slope)):
        check_traceable(each, ((4,),), f"the {what} of the activation {activation.name!r}")
    return with_slope(
        lambda a: function(a).astype(a.dtype),
        lambda a, s: slope(a).astype(a.dtype),
    )
