"""Units in JAX: what one particle computes, written for arrays of particles and differentiable in them.

A unit becomes a function (x, z) -> outputs of one sample: x holds d scalars and z one array (L,) per parameter; the
outputs are c arrays (L,). Every operation is pointwise over the particles, so that one loop makes all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce, singledispatch
from operator import add
from typing import Any

import jax
import jax.numpy as jnp

from mfsym.engines.jax.activations import ACTIVATIONS
from mfsym.errors import MfsymError
from mfsym.units import FunctionUnit, MatrixUnit, Unit, UVUnit

Value = Any
Outputs = Callable[[Sequence[Value], Sequence[Value]], list[Value]]


@singledispatch
def outputs_of(unit: Unit) -> Outputs:
    """The function of a unit; equal units have equal functions, so that they share what is compiled."""
    raise MfsymError(f"engine 'jax' does not know the unit {unit!r}; use engine='numba'")


@dataclass(frozen=True)
class _Matrix:
    """s(z x), z (c, d) row by row."""

    activation: str
    d: int
    c: int

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        s = ACTIVATIONS[self.activation]
        return [s(_dot(z[j * self.d : (j + 1) * self.d], x)) for j in range(self.c)]


@dataclass(frozen=True)
class _UV:
    """v s(u.x / d)."""

    activation: str
    d: int
    c: int

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        s = ACTIVATIONS[self.activation](_dot(z[: self.d], [coordinate / self.d for coordinate in x]))
        return [v * s for v in z[self.d :]]


@dataclass(frozen=True)
class PerParticle:
    """A function (x (d,), z (p,)) -> (c,) in jax.numpy, for one sample and one particle."""

    function: Callable[[Value, Value], Value]

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        return list(jax.vmap(self.function, (None, -1), 0)(jnp.stack(x), jnp.stack(z)).T)


@outputs_of.register
def _(unit: MatrixUnit) -> Outputs:
    return _Matrix(unit.activation, unit.d, unit.c)


@outputs_of.register
def _(unit: UVUnit) -> Outputs:
    return _UV(unit.activation, unit.d, unit.c)


@outputs_of.register
def _(unit: FunctionUnit) -> Outputs:
    return PerParticle(unit.passes.one)


def _dot(z: Sequence[Value], x: Sequence[Value]) -> Value:
    return reduce(add, [a * b for a, b in zip(z, x, strict=True)])
