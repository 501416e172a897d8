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
    "BLOCK", "LANES", "MAX_TERMS", "VECTOR",
    "add_columns", "join_words", "keep_lanes", "mark_active", "pair_in_rows", "weigh_rows",
]  # fmt: skip

# A block holds 2 BLOCK values and BLOCK sums in registers at a time: 32 registers of 16 floats with AVX-512,
# else 16 of 8 (AVX2); on machines with shorter vectors LLVM splits each of 8.
_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
VECTOR = 16 if _WIDE else 8
BLOCK = 8 if _WIDE else 4
LANES = 16
# Rows that weigh_rows filters at once, and the terms for which their sums still fit the registers.
ROWS_AT_ONCE = 4
MAX_TERMS = 4

_CONTRACT = ("contract",)  # a product and a sum may become one fused operation, which is more accurate


class _Vectors:
    """Loads, stores and index arithmetic on vectors of VECTOR floats, as LLVM instructions."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.builder = builder
        self.integer = ir.IntType(64)
        self.vector = ir.VectorType(ir.FloatType(), VECTOR)
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
        """Return one float in all lanes."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        lane = self.builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)
        return self.builder.shuffle_vector(lane, undefined, order)

    def spread_from(self, data: Any, index: Any) -> Any:
        return self.spread(self.builder.load(self.builder.gep(data, [index])))

    def multiply_add(self, total: Any, a: Any, b: Any) -> Any:
        product = self.builder.fmul(a, b, flags=_CONTRACT)
        return self.builder.fadd(total, product, flags=_CONTRACT)


def _emitter(generate: Callable[[_Vectors], None]) -> Callable[..., Any]:
    """Wrap a function of _Vectors as the code generator of a void intrinsic."""

    def run(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        generate(_Vectors(context, builder, signature, values))
        return context.get_dummy_value()

    return run


def add_columns(
    out: NDArray[Any], out_at: int, out_stride: int, out_step: int,
    source: NDArray[Any], up: int, down: int, stride: int, step: int,
    count: int, taps: NDArray[Any], taps_at: int, reach: int, paired: bool,
) -> None:  # fmt: skip
    """Add a symmetric filter along a strided axis to BLOCK neighbours of ``count`` vectors.

    With T[j] = source[up + j * stride : + VECTOR], plus source[down + j * stride : + VECTOR] when ``paired``:
    out[out_at + b * out_stride : + VECTOR] += Σ_d taps[taps_at + d] * (T[b + reach - d] + T[b + reach + d]), d = 0
    counted once, for b below BLOCK. The next vector lies ``step`` further in source and ``out_step`` in out.
    ``reach`` and ``paired`` must be literals.
    """
    lanes = np.arange(VECTOR)
    for i in range(count):
        for b in range(BLOCK):
            for d in range(reach + 1):
                for j in {b + reach - d, b + reach + d}:
                    value = source[up + i * step + j * stride + lanes]
                    if paired:
                        value = value + source[down + i * step + j * stride + lanes]
                    out[out_at + i * out_step + b * out_stride + lanes] += taps[taps_at + d] * value


@intrinsic(prefer_literal=True)
def _emit_add_columns(  # type: ignore[no-untyped-def]
    typing_context, out, out_at, out_stride, out_step, source, up, down, stride, step,
    count, taps, taps_at, reach, paired,
):  # fmt: skip
    half, both_sides = reach.literal_value, bool(paired.literal_value)

    def generate(v: _Vectors) -> None:
        out, out_at, out_stride, out_step, source, up, down, stride, step, count, taps, taps_at = v.arguments[
            :12
        ]
        add, multiply = v.builder.add, v.builder.mul
        with v.loop(count) as loop:
            along = multiply(loop.index, step)
            first = add(out_at, multiply(loop.index, out_step))
            targets = [add(first, v.times(out_stride, b)) for b in range(BLOCK)]
            sums = [v.load(out, target) for target in targets]
            loaded: dict[int, Any] = {}

            def value(j: int) -> Any:
                if j not in loaded:
                    offset = add(along, v.times(stride, j))
                    loaded[j] = v.load(source, add(up, offset))
                    if both_sides:
                        loaded[j] = v.builder.fadd(loaded[j], v.load(source, add(down, offset)))
                return loaded[j]

            # From the ends of the filter inwards: a value is needed for BLOCK steps and then leaves its register.
            for d in range(half, -1, -1):
                tap = v.spread_from(taps, v.plus(taps_at, d))
                for b in range(BLOCK):
                    pair = value(b + half)
                    if d:
                        pair = v.builder.fadd(value(b + half - d), value(b + half + d))
                    sums[b] = v.multiply_add(sums[b], tap, pair)
            for total, target in zip(sums, targets, strict=True):
                v.store(total, out, target)

    signature = types.void(
        out, out_at, out_stride, out_step, source, up, down, stride, step, count, taps, taps_at, reach, paired
    )
    return signature, _emitter(generate)


@overload(add_columns, prefer_literal=True)
def _compile_add_columns(  # type: ignore[no-untyped-def]
    out, out_at, out_stride, out_step, source, up, down, stride, step, count, taps, taps_at, reach, paired
):
    def compiled(  # type: ignore[no-untyped-def]
        out, out_at, out_stride, out_step, source, up, down, stride, step, count, taps, taps_at, reach, paired
    ):
        _emit_add_columns(
            out,
            out_at,
            out_stride,
            out_step,
            source,
            up,
            down,
            stride,
            step,
            count,
            taps,
            taps_at,
            reach,
            paired,
        )

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
    def generate(v: _Vectors) -> None:
        source, low, high, width, rows, pairs, at = v.arguments
        with v.loop(rows) as loop:
            line = v.builder.mul(loop.index, width)
            for lane in range(0, LANES, VECTOR):
                here = v.plus(line, lane)
                first = v.load(source, v.builder.add(low, here))
                second = v.load(source, v.builder.add(high, here))
                target = v.plus(v.builder.add(at, v.times(loop.index, LANES)), lane)
                v.store(v.builder.fadd(first, second), pairs, target)

    return types.void(source, low, high, width, rows, pairs, at), _emitter(generate)


@overload(pair_in_rows)
def _compile_pair_in_rows(source, low, high, width, rows, pairs, at):  # type: ignore[no-untyped-def]
    def compiled(source, low, high, width, rows, pairs, at):  # type: ignore[no-untyped-def]
        _emit_pair_in_rows(source, low, high, width, rows, pairs, at)

    return compiled


def weigh_rows(
    source: NDArray[Any], at: int, width: int, rows: int, taps: NDArray[Any], taps_at: int, length: int,
    out: NDArray[Any], out_at: int, out_stride: int, terms: int,
) -> None:  # fmt: skip
    """Filter rows along themselves with several symmetric filters at once.

    out[out_at + t * out_stride + r * LANES + i] = Σ_d taps[taps_at + t * length + d] * (source[at + r * width + i - d]
    + source[at + r * width + i + d]) for d below ``length`` (so the tap at d = 0 comes halved), t below ``terms``
    (a literal) and ``rows`` a multiple of ROWS_AT_ONCE.
    """
    lanes = np.arange(LANES)
    for t in range(terms):
        for r in range(rows):
            total = np.zeros(LANES, np.float32)
            for d in range(length):
                here = at + r * width + lanes
                total += taps[taps_at + t * length + d] * (source[here - d] + source[here + d])
            out[out_at + t * out_stride + r * LANES + lanes] = total


@intrinsic(prefer_literal=True)
def _emit_weigh_rows(  # type: ignore[no-untyped-def]
    typing_context, source, at, width, rows, taps, taps_at, length, out, out_at, out_stride, terms
):
    number = terms.literal_value

    def generate(v: _Vectors) -> None:
        source, at, width, rows, taps, taps_at, length, out, out_at, out_stride = v.arguments[:10]
        add, multiply, builder = v.builder.add, v.builder.mul, v.builder
        zero = ir.Constant(v.vector, [0.0] * VECTOR)
        grid = [(q, t) for q in range(ROWS_AT_ONCE) for t in range(number)]
        sums = {cell: cgutils.alloca_once(builder, v.vector) for cell in grid}  # registers once optimised
        with v.loop(builder.udiv(rows, v.number(ROWS_AT_ONCE))) as block:
            row = v.times(block.index, ROWS_AT_ONCE)
            for lane in range(0, LANES, VECTOR):
                starts = [v.plus(add(at, multiply(v.plus(row, q), width)), lane) for q in range(ROWS_AT_ONCE)]
                for place in sums.values():
                    builder.store(zero, place)
                with v.loop(length) as tap_loop:
                    d = tap_loop.index
                    weights = [
                        v.spread_from(taps, add(add(taps_at, v.times(length, t)), d)) for t in range(number)
                    ]
                    for q, start in enumerate(starts):
                        pair = builder.fadd(
                            v.load(source, builder.sub(start, d)), v.load(source, add(start, d))
                        )
                        for t, weight in enumerate(weights):
                            place = sums[q, t]
                            builder.store(v.multiply_add(builder.load(place), weight, pair), place)
                for (q, t), place in sums.items():
                    target = add(add(out_at, v.times(out_stride, t)), v.times(v.plus(row, q), LANES))
                    v.store(builder.load(place), out, v.plus(target, lane))

    signature = types.void(source, at, width, rows, taps, taps_at, length, out, out_at, out_stride, terms)
    return signature, _emitter(generate)


@overload(weigh_rows, prefer_literal=True)
def _compile_weigh_rows(  # type: ignore[no-untyped-def]
    source, at, width, rows, taps, taps_at, length, out, out_at, out_stride, terms
):
    def compiled(source, at, width, rows, taps, taps_at, length, out, out_at, out_stride, terms):  # type: ignore[no-untyped-def]
        _emit_weigh_rows(source, at, width, rows, taps, taps_at, length, out, out_at, out_stride, terms)

    return compiled


def mark_active(source: NDArray[Any], bits: NDArray[Any], count: int) -> None:
    """Set bit i % 16 of bits[i // 16] (uint16) where source[i] is not zero, for i below 16 * ``count``."""
    flags = source[: 16 * count].reshape(count, 16) != 0
    bits[:count] = (flags * (1 << np.arange(16))).sum(axis=1)


@intrinsic
def _emit_mark_active(typing_context, source, bits, count):  # type: ignore[no-untyped-def]
    def generate(v: _Vectors) -> None:
        source, bits, count = v.arguments
        zero = ir.Constant(v.vector, [0.0] * VECTOR)
        word = ir.IntType(VECTOR)
        with v.loop(count) as loop:
            target = v.builder.bitcast(v.builder.gep(bits, [loop.index]), word.as_pointer())
            for part, lane in enumerate(range(0, 16, VECTOR)):
                values = v.load(source, v.plus(v.times(loop.index, 16), lane))
                flags = v.builder.fcmp_unordered("!=", values, zero)
                v.builder.store(
                    v.builder.bitcast(flags, word), v.builder.gep(target, [v.number(part)])
                ).align = 1

    return types.void(source, bits, count), _emitter(generate)


@overload(mark_active)
def _compile_mark_active(source, bits, count):  # type: ignore[no-untyped-def]
    def compiled(source, bits, count):  # type: ignore[no-untyped-def]
        _emit_mark_active(source, bits, count)

    return compiled


def join_words(
    source: NDArray[Any], offsets: NDArray[Any], number: int, out: NDArray[Any], at: int, blocks: int
) -> None:
    """OR source[offsets[j] + i] (uint64), j below ``number``, into out[at + i], i below BLOCK * ``blocks``."""
    words = np.arange(BLOCK * blocks)
    for offset in offsets[:number]:
        out[at + words] |= source[offset + words]


@intrinsic
def _emit_join_words(typing_context, source, offsets, number, out, at, blocks):  # type: ignore[no-untyped-def]
    def generate(v: _Vectors) -> None:
        source, offsets, number, out, at, blocks = v.arguments
        builder, words = v.builder, ir.VectorType(ir.IntType(64), BLOCK)
        joined = cgutils.alloca_once(builder, words)  # a register once optimised
        with v.loop(blocks) as loop:
            along = v.times(loop.index, BLOCK)
            target = v.pointer(out, builder.add(at, along), words)
            first = builder.load(target)
            first.align = 8
            builder.store(first, joined)
            with v.loop(number) as inner:
                offset = builder.load(builder.gep(offsets, [inner.index]))
                more = builder.load(v.pointer(source, builder.add(offset, along), words))
                more.align = 8
                builder.store(builder.or_(builder.load(joined), more), joined)
            builder.store(builder.load(joined), target).align = 8

    return types.void(source, offsets, number, out, at, blocks), _emitter(generate)


@overload(join_words)
def _compile_join_words(source, offsets, number, out, at, blocks):  # type: ignore[no-untyped-def]
    def compiled(source, offsets, number, out, at, blocks):  # type: ignore[no-untyped-def]
        _emit_join_words(source, offsets, number, out, at, blocks)

    return compiled


def keep_lanes(
    values: NDArray[Any], rows: int, bits: NDArray[Any], at: int, width: int, floor: float
) -> None:
    """Raise rows of LANES values to ``floor`` and zero the lanes whose bit is not set.

    The bits (uint16, one for each lane) of row r are bits[at + r * width].
    """
    flags = (bits[at : at + rows * width : width, None] >> np.arange(LANES)) & 1
    table = values[: rows * LANES].reshape(rows, LANES)
    table[...] = np.where(flags != 0, np.maximum(table, np.float32(floor)), np.float32(0))


@intrinsic
def _emit_keep_lanes(typing_context, values, rows, bits, at, width, floor):  # type: ignore[no-untyped-def]
    def generate(v: _Vectors) -> None:
        values, rows, bits, at, width, floor = v.arguments
        zero = ir.Constant(v.vector, [0.0] * VECTOR)
        word, flag = ir.IntType(VECTOR), ir.VectorType(ir.IntType(1), VECTOR)
        lowest = v.spread(floor)
        with v.loop(rows) as loop:
            source = v.builder.gep(bits, [v.builder.add(at, v.builder.mul(loop.index, width))])
            source = v.builder.bitcast(source, word.as_pointer())
            for part, lane in enumerate(range(0, LANES, VECTOR)):
                stored = v.builder.load(v.builder.gep(source, [v.number(part)]))
                stored.align = 1
                place = v.plus(v.times(loop.index, LANES), lane)
                value = v.load(values, place)
                value = v.builder.select(v.builder.fcmp_ordered(">", value, lowest), value, lowest)
                kept = v.builder.select(v.builder.bitcast(stored, flag), value, zero)
                v.store(kept, values, place)

    return types.void(values, rows, bits, at, width, floor), _emitter(generate)


@overload(keep_lanes)
def _compile_keep_lanes(values, rows, bits, at, width, floor):  # type: ignore[no-untyped-def]
    def compiled(values, rows, bits, at, width, floor):  # type: ignore[no-untyped-def]
        _emit_keep_lanes(values, rows, bits, at, width, np.float32(floor))

    return compiled
