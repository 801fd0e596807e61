"""Lane-wise matrix products in registers: the one place where vector instructions are written out.

An operand is a tuple (array, o, i_stride, n_stride): a table of rows of T lanes in a flat array, row (i, n) at
o + i i_stride + n n_stride. A product is

    out[i, n] = start[i, n] + sum_m a[i, m] b[m, n]        lane by lane, i < rows, n < columns, m < M.

A tile of up to 4 x 4 sums stays in registers while m runs, so that each load serves up to four products; compilers do
not find this from loops, since the loop to vectorise (over lanes) is not the innermost one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mfsym.accelerate import JIT_DISABLED, cgutils, intrinsic, ir, kernel, types, written_out

VECTOR_BYTES = 64
"""Bytes of one vector; lanes come in multiples of 16. Narrower hardware splits it."""


class _Tile:
    """Emits the code of one tile of sums."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.builder = builder
        self.operands = []
        for kind, value in zip(signature.args[:4], values[:4], strict=True):
            array, *strides = cgutils.unpack_tuple(builder, value)
            self.operands.append((context.make_array(kind[0])(context, builder, array).data, strides))
        single = signature.args[0][0].dtype == types.float32
        self.bytes = 4 if single else 8
        self.width = VECTOR_BYTES // self.bytes
        self.vector = ir.VectorType(ir.FloatType() if single else ir.DoubleType(), self.width)
        self.count, self.lanes = values[4:]

    def _index(self, operand: int, i: Any, n: Any, lane: Any = None) -> Any:
        o, *strides = self.operands[operand][1]
        for position, stride in zip((i, n), strides, strict=True):
            place = position if isinstance(position, ir.Value) else o.type(position)
            o = self.builder.add(o, self.builder.mul(place, stride))
        return o if lane is None else self.builder.add(o, lane)

    def _address(self, operand: int, i: Any, n: Any, lane: Any) -> Any:
        element = self.builder.gep(self.operands[operand][0], [self._index(operand, i, n, lane)])
        return self.builder.bitcast(element, self.vector.as_pointer())

    def _row(self, operand: int, i: Any, n: Any, lane: Any) -> Any:
        return self.builder.load(self._address(operand, i, n, lane), align=self.bytes)

    def emit(self, rows: int, columns: int) -> None:
        builder, integer = self.builder, self.count.type
        slots = [(i, n) for i in range(rows) for n in range(columns)]
        sums = {slot: cgutils.alloca_once(builder, self.vector) for slot in slots}
        with cgutils.for_range_slice(builder, integer(0), self.lanes, integer(self.width)) as (lane, _):
            for slot in slots:
                builder.store(self._row(1, *slot, lane), sums[slot])
            with cgutils.for_range(builder, self.count) as loop:
                m = loop.index
                left = [self._row(2, i, m, lane) for i in range(rows)]
                right = [self._row(3, m, n, lane) for n in range(columns)]
                for i, n in slots:
                    product = builder.fmul(left[i], right[n], flags=("contract",))
                    builder.store(builder.fadd(builder.load(sums[i, n]), product, flags=("contract",)), sums[i, n])
            for slot in slots:
                builder.store(builder.load(sums[slot]), self._address(0, *slot, lane), align=self.bytes)


def _tile(rows: int, columns: int) -> Callable[..., None]:
    """A function (out, start, a, b, M, T) for one tile of sums."""

    def plain(out: Any, start: Any, a: Any, b: Any, count: int, lanes: int) -> None:
        for i in range(rows):
            for n in range(columns):
                total = _lanes(start, i, n, lanes).copy()
                for m in range(count):
                    total += _lanes(a, i, m, lanes) * _lanes(b, m, n, lanes)
                _lanes(out, i, n, lanes)[:] = total

    def emitted(context: Any, out: Any, start: Any, a: Any, b: Any, count: Any, lanes: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            _Tile(context, builder, signature, values).emit(rows, columns)
            return context.get_dummy_value()

        return types.void(out, start, a, b, types.int64, types.int64), codegen

    return plain if JIT_DISABLED else intrinsic(emitted)


def _lanes(operand: Any, i: int, n: int, lanes: int) -> Any:
    array, o, i_stride, n_stride = operand
    at = o + i * i_stride + n * n_stride
    return array[at : at + lanes]


_FOUR_FOUR, _TWO_FOUR, _ONE_FOUR = _tile(4, 4), _tile(2, 4), _tile(1, 4)
_FOUR_ONE, _TWO_ONE, _ONE_ONE = _tile(4, 1), _tile(2, 1), _tile(1, 1)


@written_out
def table(array: Any, o: Any, i_stride: Any, n_stride: Any) -> Any:
    """An operand."""
    return (array, np.int64(o), np.int64(i_stride), np.int64(n_stride))


@written_out
def _part(operand: Any, i: Any, n: Any) -> Any:
    """The operand from row (i, n) on."""
    return table(operand[0], operand[1] + i * operand[2] + n * operand[3], operand[2], operand[3])


@kernel
def product(out: Any, start: Any, a: Any, b: Any, rows: Any, columns: Any, M: Any, T: Any) -> None:
    """out[i, n] = start[i, n] + sum_m a[i, m] b[m, n], lane by lane; T a multiple of 16. See the module."""
    i = 0
    while i < rows:
        height = 4 if rows - i >= 4 else (2 if rows - i >= 2 else 1)
        left = _part(a, i, 0)
        n = 0
        while n < columns:
            width = 4 if columns - n >= 4 else 1
            to, begin, right = _part(out, i, n), _part(start, i, n), _part(b, 0, n)
            if width == 4:
                if height == 4:
                    _FOUR_FOUR(to, begin, left, right, M, T)
                elif height == 2:
                    _TWO_FOUR(to, begin, left, right, M, T)
                else:
                    _ONE_FOUR(to, begin, left, right, M, T)
            elif height == 4:
                _FOUR_ONE(to, begin, left, right, M, T)
            elif height == 2:
                _TWO_ONE(to, begin, left, right, M, T)
            else:
                _ONE_ONE(to, begin, left, right, M, T)
            n += width
        i += height
