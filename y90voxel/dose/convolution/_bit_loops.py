"""Which voxels are active and which a kernel reaches, as one bit a column.

The innermost loops are made as those of ``_vector_loops.py``, two forms under one name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from y90voxel.compiled import njit
from y90voxel.dose.convolution._vector_loops import BLOCK, LANES, VECTOR, Vectors, emitter

__all__ = ["copy_row", "join_words", "keep_lanes", "mark_reached"]


def copy_row(
    source: NDArray[Any], at: int, first: int, last: int, row: NDArray[Any], row_at: int, bits: NDArray[Any],
    bits_at: int, count: int,
) -> None:  # fmt: skip
    """Set row[row_at + i], i below 16 * ``count``, to source[at + i] where first <= i < last, else to zero, and mark it.

    Bit i % 16 of bits[bits_at + i // 16] (uint16) tells where it is not zero. ``source`` is float32 or float64; what
    lies outside first to last is not read and need not exist.
    """
    values = np.zeros(16 * count, np.float32)
    first, last = max(first, 0), min(last, 16 * count)
    if first < last:
        values[first:last] = source[at + first : at + last]
    row[row_at : row_at + 16 * count] = values
    bits[bits_at : bits_at + count] = ((values.reshape(count, 16) != 0) * (1 << np.arange(16))).sum(axis=1)


@intrinsic
def _emit_copy_row(typing_context, source, at, first, last, row, row_at, bits, bits_at, count):  # type: ignore[no-untyped-def]
    double = source.dtype == types.float64

    def generate(v: Vectors) -> None:
        source, at, first, last, row, row_at, bits, bits_at, count = v.arguments
        builder, word, index = v.builder, ir.IntType(VECTOR), ir.IntType(32)
        kind = ir.VectorType(ir.DoubleType() if double else ir.FloatType(), VECTOR)
        flags = ir.VectorType(ir.IntType(1), VECTOR)
        signature = ir.FunctionType(kind, [kind.as_pointer(), index, flags, kind])
        name = f"llvm.masked.load.v{VECTOR}{'f64' if double else 'f32'}.p0"
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
            nothing = ir.Constant(kind, [0.0] * VECTOR)
            values = builder.call(
                masked_load, [place, ir.Constant(index, 8 if double else 4), inside, nothing]
            )
            if double:
                values = builder.fptrunc(values, v.vector)
            v.store(values, row, builder.add(row_at, start))
            marks = builder.bitcast(builder.fcmp_unordered("!=", values, v.zero), word)
            builder.store(marks, builder.gep(target, [loop.index])).align = 1

    return types.void(source, at, first, last, row, row_at, bits, bits_at, count), emitter(generate)


@overload(copy_row)
def _compile_copy_row(source, at, first, last, row, row_at, bits, bits_at, count):  # type: ignore[no-untyped-def]
    def compiled(source, at, first, last, row, row_at, bits, bits_at, count):  # type: ignore[no-untyped-def]
        _emit_copy_row(source, at, first, last, row, row_at, bits, bits_at, count)

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
    def generate(v: Vectors) -> None:
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

    return types.void(source, offsets, number, out, at, blocks), emitter(generate)


@overload(join_words)
def _compile_join_words(source, offsets, number, out, at, blocks):  # type: ignore[no-untyped-def]
    def compiled(source, offsets, number, out, at, blocks):  # type: ignore[no-untyped-def]
        _emit_join_words(source, offsets, number, out, at, blocks)

    return compiled


def keep_lanes(
    values: NDArray[Any], start: int, rows: int, bits: NDArray[Any], at: int, width: int, floor: float
) -> None:
    """Raise rows of LANES values to ``floor`` and zero the lanes whose bit is not set.

    Row r begins at values[start + r * LANES]; its bits (uint16, one for each lane) are bits[at + r * width].
    """
    flags = (bits[at : at + rows * width : width, None] >> np.arange(LANES)) & 1
    table = values[start : start + rows * LANES].reshape(rows, LANES)
    table[...] = np.where(flags != 0, np.maximum(table, np.float32(floor)), np.float32(0))


@intrinsic
def _emit_keep_lanes(typing_context, values, start, rows, bits, at, width, floor):  # type: ignore[no-untyped-def]
    def generate(v: Vectors) -> None:
        values, start, rows, bits, at, width, floor = v.arguments
        word, flag = ir.IntType(VECTOR), ir.VectorType(ir.IntType(1), VECTOR)
        lowest = v.spread(floor)
        with v.loop(rows) as loop:
            source = v.builder.gep(bits, [v.builder.add(at, v.builder.mul(loop.index, width))])
            source = v.builder.bitcast(source, word.as_pointer())
            for part, lane in enumerate(range(0, LANES, VECTOR)):
                stored = v.builder.load(v.builder.gep(source, [v.number(part)]))
                stored.align = 1
                place = v.plus(v.builder.add(start, v.times(loop.index, LANES)), lane)
                value = v.load(values, place)
                value = v.builder.select(v.builder.fcmp_ordered(">", value, lowest), value, lowest)
                kept = v.builder.select(v.builder.bitcast(stored, flag), value, v.zero)
                v.store(kept, values, place)

    return types.void(values, start, rows, bits, at, width, floor), emitter(generate)


@overload(keep_lanes)
def _compile_keep_lanes(values, start, rows, bits, at, width, floor):  # type: ignore[no-untyped-def]
    def compiled(values, start, rows, bits, at, width, floor):  # type: ignore[no-untyped-def]
        _emit_keep_lanes(values, start, rows, bits, at, width, np.float32(floor))

    return compiled


@njit(cache=True, nogil=True)
def _spread_by_one(bits, spread):  # type: ignore[no-untyped-def]
    """Widen every run of set bits by one on both sides; what leaves a row of words enters the next."""
    n = bits.size
    one, top = np.uint64(1), np.uint64(63)
    inner, before, after, wider = bits[1 : n - 1], bits[: n - 2], bits[2:], spread[1 : n - 1]
    for i in range(n - 2):
        word = inner[i]
        wider[i] = word | (word << one) | (word >> one) | (before[i] >> top) | (after[i] << top)
    first, last = bits[0], bits[n - 1]
    spread[0] = first | (first << one) | (first >> one) | (bits[1] << top)
    spread[n - 1] = last | (last << one) | (last >> one) | (bits[n - 2] >> top)
    bits[:] = spread


@njit(cache=True, nogil=True)
def _is_full(words, half, rows, slices, columns):  # type: ignore[no-untyped-def]
    """Return whether every voxel under the output is active, so that all of it is reached."""
    hz, hy, hx = half
    for w in range(words.shape[2]):
        first, last = max(hx - 64 * w, 0), min(hx + columns - 64 * w, 64)
        if last <= first:
            continue
        expected = (~np.uint64(0) >> np.uint64(64 - last + first)) << np.uint64(first)
        for y in range(hy, hy + rows):
            for z in range(hz, hz + slices):
                if words[y, z, w] & expected != expected:
                    return False
    return True


@njit(cache=True, nogil=True)
def mark_reached(bits, half, columns, in_row, scratch, offsets, reached):  # type: ignore[no-untyped-def]
    """Mark, one bit a column, which output columns of the strip activity reaches.

    ``in_row[dz, dy]`` is how far the kernel reaches along the row, -1 for not at all. Bits that spill from one row
    of words into the next stay within the halo of half_x columns.
    """
    hz, hy, hx = half
    rows, slices, words = reached.shape
    grown, spread = scratch[0].reshape(-1), scratch[1].reshape(-1)
    active = bits.view(np.uint64)
    plane = bits.shape[1] * words
    flat = reached.reshape(-1)
    if _is_full(active, half, rows, slices, columns):
        flat[:] = ~np.uint64(0)
        return
    grown[:] = active.reshape(-1)
    flat[:] = 0
    for reach in range(in_row.max() + 1):
        number = 0
        for dz in range(-hz, hz + 1):
            for dy in range(-hy, hy + 1):
                if in_row[abs(dz), abs(dy)] == reach:
                    offsets[number] = (hy + dy) * plane + (hz + dz) * words
                    number += 1
        for y in range(rows):
            join_words(grown[y * plane :], offsets, number, flat, y * slices * words, slices * words // BLOCK)
        if reach < in_row.max():
            _spread_by_one(grown, spread)
    if hx > 0:  # output column x is strip column x + hx
        by, rest = np.uint64(hx), np.uint64(64 - hx)
        for i in range(flat.size - 1):
            flat[i] = (flat[i] >> by) | (flat[i + 1] << rest)
        flat[flat.size - 1] >>= by
