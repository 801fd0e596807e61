"""SIMD vectors of eight float64 lanes: compiled searches treat eight atoms or eight nodes at once.

Compilers vectorise a loop over the eight only if it is the innermost one and has no branches; these functions emit the
instructions explicitly. ``load(a, o)`` reads a[o:o+8]; +, -, * work lane by lane, and a scalar operand is broadcast.
With the JIT off lanes are arrays of eight, and the same kernels run as plain Python.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from mfsym.accelerate import JIT_DISABLED, intrinsic, ir, overload, primitive, types

WIDTH = 8
"""Lanes of a vector. Narrower hardware splits it."""

_BYTES = 8
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_PLACES = ir.VectorType(ir.IntType(32), WIDTH)
LANES = primitive("Lanes", _VECTOR)


def _broadcast(builder: Any, kind: Any, value: Any) -> Any:
    """Lanes from lanes or from one scalar."""
    if kind == LANES:
        return value
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_PLACES, None))


def _lane_by_lane(plain: Callable[[Any, Any], Any], emit: Callable[[Any, Any, Any], Any]) -> Any:
    """A function of two operands, each lanes or a scalar."""

    def emitted(context: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return emit(builder, *map(_broadcast, (builder, builder), signature.args, values))

        return LANES(a, b), codegen

    return plain if JIT_DISABLED else intrinsic(emitted)


def _select(comparison: str) -> Callable[[Any, Any, Any], Any]:
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(comparison, a, b), a, b)


minimum = _lane_by_lane(np.minimum, _select("<"))
maximum = _lane_by_lane(np.maximum, _select(">"))


def _operator(emit: Callable[[Any, Any, Any], Any], *operations: Any) -> None:
    """Overload operators for lanes."""
    emitted = _lane_by_lane(operations[0], emit)

    def chooser(a: Any, b: Any) -> Any:
        return (lambda a, b: emitted(a, b)) if LANES in (a, b) else None

    for operation in operations:
        overload(operation, strict=False)(chooser)


if not JIT_DISABLED:
    _operator(lambda builder, a, b: builder.fadd(a, b), operator.add, operator.iadd)
    _operator(lambda builder, a, b: builder.fsub(a, b), operator.sub, operator.isub)
    _operator(lambda builder, a, b: builder.fmul(a, b), operator.mul, operator.imul)


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    if kind.layout != "C":
        raise TypeError(f"lanes must be read from and written to contiguous arrays, got {kind}")
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _broadcast_plain(value: float) -> Any:
    return np.full(WIDTH, value)


def _load(a: Any, o: int) -> Any:
    return a[o : o + WIDTH].copy()


def _store(a: Any, o: int, lanes: Any) -> None:
    a[o : o + WIDTH] = lanes


def _at_most(lanes: Any, bound: Any) -> int:
    return sum(1 << t for t, near in enumerate(lanes <= bound) if near)


def _lowest_bit(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _emitted_broadcast(context: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _broadcast(builder, signature.args[0], values[0])

    return LANES(types.float64), codegen


def _emitted_load(context: Any, a: Any, o: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *values), align=_BYTES)

    return LANES(a, o), codegen


def _emitted_store(context: Any, a: Any, o: Any, lanes: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _address(context, builder, signature.args[0], *values[:2]), align=_BYTES)
        return context.get_dummy_value()

    return types.void(a, o, lanes), codegen


def _emitted_at_most(context: Any, lanes: Any, bound: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        bounds = _broadcast(builder, signature.args[1], values[1])
        marks = builder.bitcast(builder.fcmp_ordered("<=", values[0], bounds), ir.IntType(WIDTH))
        return builder.zext(marks, ir.IntType(64))

    return types.int64(lanes, bound), codegen


def _emitted_lowest_bit(context: Any, mask: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.IntType(1)(1))

    return types.int64(mask), codegen


broadcast = _broadcast_plain if JIT_DISABLED else intrinsic(_emitted_broadcast)
"""broadcast(value): eight equal lanes."""

load = _load if JIT_DISABLED else intrinsic(_emitted_load)
"""load(a, o): lanes a[o:o+8]."""

store = _store if JIT_DISABLED else intrinsic(_emitted_store)
"""store(a, o, lanes): a[o:o+8] = lanes."""

at_most = _at_most if JIT_DISABLED else intrinsic(_emitted_at_most)
"""at_most(lanes, bound): an int64 mask whose bit t says whether lane t is <= bound (not where one is NaN)."""

lowest_bit = _lowest_bit if JIT_DISABLED else intrinsic(_emitted_lowest_bit)
"""lowest_bit(mask): position of the lowest set bit of a nonzero mask."""
