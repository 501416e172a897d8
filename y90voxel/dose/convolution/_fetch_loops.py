"""A hint that brings memory into the caches before it is needed.

The rows of a box in an image are too short for the processor to foresee the next one: without the hint, two thirds of
the time of copying a small box were spent waiting.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from y90voxel.dose.convolution._vector_loops import Vectors, emitter

__all__ = ["fetch"]


def fetch(values: NDArray[Any], at: int, stride: int, count: int) -> None:
    """Bring ``count`` elements from ``at`` on, ``stride`` apart, into the caches; they need not exist."""


@intrinsic
def _emit_fetch(typing_context, values, at, stride, count):  # type: ignore[no-untyped-def]
    def generate(v: Vectors) -> None:
        values, at, stride, count = v.arguments
        builder, number, byte = v.builder, ir.IntType(32), ir.IntType(8).as_pointer()
        signature = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
        hints = [ir.Constant(number, value) for value in (0, 3, 1)]  # to read, into all caches, data
        with v.loop(count) as loop:
            place = builder.gep(values, [builder.add(at, builder.mul(loop.index, stride))])
            builder.call(prefetch, [builder.bitcast(place, byte), *hints])

    return types.void(values, at, stride, count), emitter(generate)


@overload(fetch)
def _compile_fetch(values, at, stride, count):  # type: ignore[no-untyped-def]
    def compiled(values, at, stride, count):  # type: ignore[no-untyped-def]
        _emit_fetch(values, at, stride, count)

    return compiled
