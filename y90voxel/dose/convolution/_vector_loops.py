"""Innermost loops of the convolution as explicit vector instructions.

The compiler's own vectoriser gives up on these loops as soon as a filter is longer than it cares to unroll, and then
runs up to fifty times slower. Here each loop says which values stay in registers. Every function has two forms
under one name: the plain one below its docstring, which runs when compilation is switched off and is what the
tests compare with, and one that emits LLVM instructions for compiled code.

Arrays are flat and float32; positions and strides count elements. ``LANES`` is the width of a row in a tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "LANES",
    "MAX_REACH",
    "SLICES_AT_ONCE",
    "VECTOR",
    "Vectors",
    "copy_row",
    "emitter",
    "pair_in_rows",
    "sum_filters",
]  # fmt: skip

# A block holds 2 BLOCK values and BLOCK sums in registers at a time: 32 registers of 16 floats with AVX-512,
# else 16 of 8 (AVX2); on machines with shorter vectors LLVM splits each of 8.
_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
VECTOR = 16 if _WIDE else 8
BLOCK = 8 if _WIDE else 4
LANES = 16  # float32 of a row of a tile: one register of AVX-512, two of AVX2
# Longest half filter with a compiled variant.
MAX_REACH = 12
# Slices of a row that are skipped together where none of them is active.
SLICES_AT_ONCE = 4

_CONTRACT = ("contract",)  # a product and a sum may become one fused operation, which is more accurate


class Vectors:
    """Loads, stores and index arithmetic on vectors of VECTOR floats, as LLVM instructions."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.builder = builder
        self.integer = ir.IntType(64)
        self.vector = ir.VectorType(ir.FloatType(), VECTOR)
        self.zero = ir.Constant(self.vector, [0.0] * VECTOR)
        # Arrays become pointers to their data, the rest are integers or floats.
        self.arguments = [
            context.make_array(kind)(context, builder, value=value).data
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, values, strict=True)
        ]

    def number(self, value: int) -> Any:
        return ir.Constant(self.integer, value)

    def plus(self, value: Any, step: int) -> Any:
        return self.builder.add(value, self.number(step))

    def times(self, value: Any, step: int) -> Any:
        return self.builder.mul(value, self.number(step))

    def loop(self, count: Any) -> Any:
        return cgutils.for_range(self.builder, count, intp=self.integer)

    def pointer(self, data: Any, index: Any, pointee: Any = None) -> Any:
        place = self.builder.gep(data, [index])
        return self.builder.bitcast(place, (pointee or self.vector).as_pointer())

    def load(self, data: Any, index: Any) -> Any:
        value = self.builder.load(self.pointer(data, index))
        value.align = 4
        return value

    def store(self, value: Any, data: Any, index: Any) -> None:
        self.builder.store(value, self.pointer(data, index)).align = 4

    def spread(self, value: Any) -> Any:
        """Return one number in all lanes."""
        undefined = ir.Constant(ir.VectorType(value.type, VECTOR), ir.Undefined)
        lane = self.builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)
        return self.builder.shuffle_vector(lane, undefined, order)

    def spread_from(self, data: Any, index: Any) -> Any:
        return self.spread(self.builder.load(self.builder.gep(data, [index])))

    def multiply_add(self, total: Any, a: Any, b: Any) -> Any:
        product = self.builder.fmul(a, b, flags=_CONTRACT)
        return self.builder.fadd(total, product, flags=_CONTRACT)


def emitter(generate: Callable[[Vectors], None]) -> Callable[..., Any]:
    """Wrap a function of Vectors as the code generator of a void intrinsic."""

    def run(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        generate(Vectors(context, builder, signature, values))
        return context.get_dummy_value()

    return run


def _filter_block(
    v: Vectors, sums: list[Any], value: Callable[[int], Any], taps: Any, taps_at: Any, half: int
) -> None:
    """Add to BLOCK neighbouring sums a symmetric filter of the values; ``value(j)`` emits what loads value j."""
    loaded: dict[int, Any] = {}

    def at(j: int) -> Any:
        if j not in loaded:
            loaded[j] = value(j)
        return loaded[j]

    # From the ends of the filter inwards: a value is needed for BLOCK steps and then leaves its register.
    for d in range(half, -1, -1):
        tap = v.spread_from(taps, v.plus(taps_at, d))
        for b in range(BLOCK):
            pair = v.builder.fadd(at(b + half - d), at(b + half + d)) if d else at(b + half)
            sums[b] = v.multiply_add(sums[b], tap, pair)


def _for_each_reach(v: Vectors, reach: Any, generate: Callable[[int], None]) -> None:
    """Emit a variant for every reach up to MAX_REACH and a jump to the one that is asked for."""
    done = v.builder.append_basic_block("filtered")
    switch = v.builder.switch(reach, done)
    for half in range(MAX_REACH + 1):
        block = v.builder.append_basic_block(f"reach{half}")
        switch.add_case(v.number(half), block)
        v.builder.position_at_end(block)
        generate(half)
        v.builder.branch(done)
    v.builder.position_at_end(done)


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """Return the elements of an array and what lies in gaps between its rows."""
    elements = (
        1 + sum((n - 1) * step for n, step in zip(array.shape, array.strides, strict=True)) // array.itemsize
    )
    return np.lib.stride_tricks.as_strided(array, (elements,), (array.itemsize,))


def sum_filters(
    start: NDArray[Any], start_at: int, start_stride: int, out: NDArray[Any], out_at: int, out_stride: int,
    source: NDArray[Any], at: int, filters: NDArray[Any], first: int, last: int, taps: NDArray[Any],
) -> None:  # fmt: skip
    """Set BLOCK vectors of ``out`` to those of ``start`` plus the symmetric filters ``first`` to ``last``.

    ``filters[4 i : 4 i + 4] = up, down, reach, tap``. With T[j] = source[at + up + j * LANES : + VECTOR] + source[at +
    down + j * LANES : + VECTOR], filter i adds Σ_d taps[tap + d] * (T[b + reach - d] + T[b + reach + d]), d = 0 counted
    once, to vector b. Vector b lies at ``start_at + b * start_stride`` and goes to ``out_at + b * out_stride``. The
    sums stay in registers; no reach may exceed MAX_REACH. ``out`` may have several dimensions and gaps between its
    rows: positions count from its first element.
    """
    lanes = np.arange(VECTOR)
    out = _flat(out)
    for b in range(BLOCK):
        total = start[start_at + b * start_stride + lanes]
        for up, down, reach, tap in filters[4 * first : 4 * last].reshape(-1, 4):
            for d in range(reach + 1):
                for j in {b + reach - d, b + reach + d}:
                    place = at + j * LANES + lanes
                    total = total + taps[tap + d] * (source[up + place] + source[down + place])
        out[out_at + b * out_stride + lanes] = total


@intrinsic
def _emit_sum_filters(  # type: ignore[no-untyped-def]
    typing_context, start, start_at, start_stride, out, out_at, out_stride, source, at, filters, first, last, taps,
):  # fmt: skip
    def generate(v: Vectors) -> None:
        start, start_at, start_stride, out, out_at, out_stride, source, at, filters, first, last, taps = (
            v.arguments
        )
        builder, add = v.builder, v.builder.add
        places = [cgutils.alloca_once(builder, v.vector) for _ in range(BLOCK)]  # registers once optimised
        for b, place in enumerate(places):
            builder.store(v.load(start, add(start_at, v.times(start_stride, b))), place)
        current = cgutils.alloca_once_value(builder, first)

        def field(number: int) -> Any:
            entry = v.plus(v.times(builder.load(current), 4), number)
            return builder.load(builder.gep(filters, [entry]))

        def more() -> Any:
            return builder.icmp_signed("<", builder.load(current), last)

        def variant(half: int) -> None:
            # Filters of one reach in a row stay inside their variant, and the sums in their registers.
            same, done = (builder.append_basic_block(f"{name}{half}") for name in ("same", "other"))
            builder.branch(same)
            builder.position_at_end(same)
            up, down = (builder.gep(source, [add(at, field(n))]) for n in (0, 1))

            def value(j: int) -> Any:
                return builder.fadd(v.load(up, v.number(j * LANES)), v.load(down, v.number(j * LANES)))

            sums = [builder.load(place) for place in places]
            _filter_block(v, sums, value, taps, field(3), half)
            for total, place in zip(sums, places, strict=True):
                builder.store(total, place)
            builder.store(v.plus(builder.load(current), 1), current)
            with builder.if_then(more()):
                again = builder.icmp_signed("==", field(2), v.number(half))
                builder.cbranch(again, same, done)
            builder.branch(done)
            builder.position_at_end(done)

        head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
        builder.branch(head)
        builder.position_at_end(head)
        builder.cbranch(more(), body, end)
        builder.position_at_end(body)
        _for_each_reach(v, field(2), variant)
        builder.branch(head)
        builder.position_at_end(end)
        for b, place in enumerate(places):
            v.store(builder.load(place), out, add(out_at, v.times(out_stride, b)))

    signature = types.void(
        start, start_at, start_stride, out, out_at, out_stride, source, at, filters, first, last, taps
    )
    return signature, emitter(generate)


@overload(sum_filters)
def _compile_sum_filters(  # type: ignore[no-untyped-def]
    start, start_at, start_stride, out, out_at, out_stride, source, at, filters, first, last, taps
):
    def compiled(  # type: ignore[no-untyped-def]
        start, start_at, start_stride, out, out_at, out_stride, source, at, filters, first, last, taps
    ):
        _emit_sum_filters(
            start, start_at, start_stride, out, out_at, out_stride, source, at, filters, first, last, taps
        )  # fmt: skip

    return compiled


def pair_in_rows(
    source: NDArray[Any], low: int, high: int, width: int, rows: int, pairs: NDArray[Any], at: int
) -> None:
    """Set pairs[at + r * LANES + i] = source[low + r * width + i] + source[high + r * width + i]."""
    lanes = np.arange(LANES)
    for r in range(rows):
        pairs[at + r * LANES + lanes] = source[low + r * width + lanes] + source[high + r * width + lanes]


@intrinsic
def _emit_pair_in_rows(typing_context, source, low, high, width, rows, pairs, at):  # type: ignore[no-untyped-def]
    def generate(v: Vectors) -> None:
        source, low, high, width, rows, pairs, at = v.arguments
        with v.loop(rows) as loop:
            line = v.builder.mul(loop.index, width)
            for lane in range(0, LANES, VECTOR):
                here = v.plus(line, lane)
                first = v.load(source, v.builder.add(low, here))
                second = v.load(source, v.builder.add(high, here))
                target = v.plus(v.builder.add(at, v.times(loop.index, LANES)), lane)
                v.store(v.builder.fadd(first, second), pairs, target)

    return types.void(source, low, high, width, rows, pairs, at), emitter(generate)


@overload(pair_in_rows)
def _compile_pair_in_rows(source, low, high, width, rows, pairs, at):  # type: ignore[no-untyped-def]
    def compiled(source, low, high, width, rows, pairs, at):  # type: ignore[no-untyped-def]
        _emit_pair_in_rows(source, low, high, width, rows, pairs, at)

    return compiled


def copy_row(
    source: NDArray[Any], at: int, first: int, last: int, row: NDArray[Any], row_at: int, bits: NDArray[Any],
    bits_at: int, count: int,
) -> None:  # fmt: skip
    """Set row[row_at + i], i below 16 * ``count``, to source[at + i] where first <= i < last, else to zero, and mark it.

    Bit i % 16 of bits[bits_at + i // 16] (uint16) tells where it is not zero. What lies outside first to last
    is not read and need not exist.
    """
    values = np.zeros(16 * count, np.float32)
    first, last = max(first, 0), min(last, 16 * count)
    if first < last:
        values[first:last] = source[at + first : at + last]
    row[row_at : row_at + 16 * count] = values
    bits[bits_at : bits_at + count] = ((values.reshape(count, 16) != 0) * (1 << np.arange(16))).sum(axis=1)


@intrinsic
def _emit_copy_row(typing_context, source, at, first, last, row, row_at, bits, bits_at, count):  # type: ignore[no-untyped-def]
    def generate(v: Vectors) -> None:
        source, at, first, last, row, row_at, bits, bits_at, count = v.arguments
        builder, word, index = v.builder, ir.IntType(VECTOR), ir.IntType(32)
        kind = v.vector
        flags = ir.VectorType(ir.IntType(1), VECTOR)
        signature = ir.FunctionType(kind, [kind.as_pointer(), index, flags, kind])
        name = f"llvm.masked.load.v{VECTOR}f32.p0"
        masked_load = cgutils.get_or_insert_function(builder.module, signature, name)
        lanes = ir.Constant(ir.VectorType(v.integer, VECTOR), list(range(VECTOR)))
        low, high = v.spread(first), v.spread(last)
        target = builder.bitcast(builder.gep(bits, [bits_at]), word.as_pointer())
        with v.loop(v.times(count, 16 // VECTOR)) as loop:
            start = v.times(loop.index, VECTOR)
            column = builder.add(v.spread(start), lanes)
            inside = builder.and_(
                builder.icmp_signed(">=", column, low), builder.icmp_signed("<", column, high)
            )
            place = v.pointer(source, builder.add(at, start), kind)
            values = builder.call(masked_load, [place, ir.Constant(index, 4), inside, v.zero])
            v.store(values, row, builder.add(row_at, start))
            marks = builder.bitcast(builder.fcmp_unordered("!=", values, v.zero), word)
            builder.store(marks, builder.gep(target, [loop.index])).align = 1

    return types.void(source, at, first, last, row, row_at, bits, bits_at, count), emitter(generate)


@overload(copy_row)
def _compile_copy_row(source, at, first, last, row, row_at, bits, bits_at, count):  # type: ignore[no-untyped-def]
    def compiled(source, at, first, last, row, row_at, bits, bits_at, count):  # type: ignore[no-untyped-def]
        _emit_copy_row(source, at, first, last, row, row_at, bits, bits_at, count)

    return compiled
