"""Units in JAX: what one particle computes, written for arrays of particles and differentiable in them.

A unit becomes a function (x, z) -> outputs of one sample: x holds d scalars and z one array per parameter; the
outputs are c arrays of the same shape. Every operation is pointwise over the particles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce, singledispatch
from operator import add
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from mfsym.engines.jax.activations import Pointwise, pointwise_of
from mfsym.engines.jax.tracing import check_traceable, traced, written
from mfsym.kernels.mlp import GATED, POINTWISE
from mfsym.units import FunctionUnit, MatrixUnit, MLPUnit, Unit, UserUnit, UVUnit

Value = Any


class Outputs(Protocol):
    """The outputs of one sample: (d scalars, p arrays) -> c arrays of their shape.

    width : values per sample and particle that a step may have to hold.
    """

    @property
    def width(self) -> int:
        """See above."""

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]: ...


@singledispatch
def outputs_of(unit: Unit) -> Outputs:
    """The function of a unit; equal units have equal functions, so that they share what is compiled.

    MfsymError for a unit of one's own that JAX cannot trace.
    """
    function = OwnSigma(unit)
    check_traceable(function, ((unit.d,), (unit.p,)), f"unit {unit.name!r}")
    return PerParticle(function, unit.p + unit.c)


@dataclass(frozen=True)
class MatrixOutputs:
    """s(z x), z (c, d) row by row."""

    pointwise: Pointwise
    d: int
    c: int

    @property
    def width(self) -> int:
        """One value per output."""
        return self.c

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        return [self.pointwise(_dot(z[j * self.d : (j + 1) * self.d], x)) for j in range(self.c)]


@dataclass(frozen=True)
class UVOutputs:
    """v s(u.x / d)."""

    pointwise: Pointwise
    d: int
    c: int

    @property
    def width(self) -> int:
        """The activation, and a value per output."""
        return 1 + self.c

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        s = self.pointwise(_dot(z[: self.d], [coordinate / self.d for coordinate in x]))
        return [v * s for v in z[self.d :]]


@dataclass(frozen=True)
class LayerTable:
    """An affine layer and its maps: places of weights and biases (None for none) in z, and the width above it.

    maps : (kind, first neuron, size, gate, activation) as in ``kernels.mlp``.
    """

    inputs: int
    outputs: int
    weights: int
    biases: int | None
    carried: int
    maps: tuple[tuple[int, int, int, int, Pointwise], ...]

    def __call__(self, h: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        """The neurons of this layer from those below."""
        rows = [z[self.weights + j * self.inputs : self.weights + (j + 1) * self.inputs] for j in range(self.outputs)]
        a = [_dot(row, h) for row in rows]
        if self.biases is not None:
            a = [neuron + z[self.biases + j] for j, neuron in enumerate(a)]
        above = a[: self.carried]
        for kind, first, size, gate, pointwise in self.maps:
            part = a[first : first + size]
            if kind == POINTWISE:
                above[first : first + size] = [pointwise(neuron) for neuron in part]
            else:
                factor = pointwise(a[gate] if kind == GATED else _dot(part, part))
                above[first : first + size] = [neuron * factor for neuron in part]
        return above


@dataclass(frozen=True)
class NetworkOutputs:
    """Layer after layer."""

    layers: tuple[LayerTable, ...]

    @property
    def width(self) -> int:
        """The neurons of all layers, twice: before and after their maps."""
        return 2 * sum(layer.outputs for layer in self.layers)

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        return reduce(lambda h, layer: layer(h, z), self.layers, list(x))


@dataclass(frozen=True)
class PerParticle:
    """A function (x (d,), z (p,)) -> (c,) of arrays of JAX, for one sample and one particle."""

    function: Callable[[Value, Value], Value]
    width: int

    def __call__(self, x: Sequence[Value], z: Sequence[Value]) -> list[Value]:
        rows = jnp.stack(z)
        outs = jax.vmap(self.function, (None, 1), 1)(jnp.stack(x), rows.reshape(len(z), -1))
        return list(outs.astype(rows.dtype).reshape(-1, *rows.shape[1:]))


@dataclass(frozen=True)
class OwnSigma:
    """``_sigma`` of a unit of one's own, for one sample and one particle."""

    unit: Unit

    def __call__(self, x: Value, z: Value) -> Value:
        return traced(self.unit._sigma)(x[None], z[None])[0, 0]


@dataclass(frozen=True)
class OwnForward:
    """``forward`` of a UserUnit."""

    unit: UserUnit

    def __call__(self, x: Value, z: Value) -> Value:
        forward = getattr(self.unit.forward, "py_func", self.unit.forward)
        return written(forward, self.unit.c)(x, z)


@outputs_of.register
def _(unit: MatrixUnit) -> Outputs:
    if not unit._computes_as(MatrixUnit):
        return outputs_of.dispatch(Unit)(unit)
    return MatrixOutputs(pointwise_of(unit.pointwise), unit.d, unit.c)


@outputs_of.register
def _(unit: UVUnit) -> Outputs:
    if not unit._computes_as(UVUnit):
        return outputs_of.dispatch(Unit)(unit)
    return UVOutputs(pointwise_of(unit.pointwise), unit.d, unit.c)


@outputs_of.register
def _(unit: MLPUnit) -> Outputs:
    if not unit._computes_as(MLPUnit):
        return outputs_of.dispatch(Unit)(unit)
    tables = []
    for layer in unit.layers:
        maps = [(each.kind, each.first, each.size, each.gate, pointwise_of(each.activation)) for each in layer.maps]
        biases = layer.biases if layer.bias else None
        tables.append(LayerTable(layer.inputs, layer.outputs, layer.weights, biases, layer.width, tuple(maps)))
    return NetworkOutputs(tuple(tables))


@outputs_of.register
def _(unit: UserUnit) -> Outputs:
    function = OwnForward(unit)
    check_traceable(function, ((unit.d,), (unit.p,)), "forward(x, z, out)")
    return PerParticle(function, unit.p + unit.c)


@outputs_of.register
def _(unit: FunctionUnit) -> Outputs:
    return PerParticle(unit.passes.one, unit.p + unit.c)


def _dot(z: Sequence[Value], x: Sequence[Value]) -> Value:
    return reduce(add, [a * b for a, b in zip(z, x, strict=True)])
