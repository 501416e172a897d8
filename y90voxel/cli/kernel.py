"""``y90voxel kernel``: voxel S values with provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

__all__ = ["kernel"]


def kernel(
    *,
    out: Annotated[Path, Option("-o", "--out", help="File to write: .csv (one octant) or .npz.")],
    spacing: Annotated[str, Option(help="Voxel size in mm: one number, or three (slice,row,column).")],
    nuclide: Annotated[str, Option(help="Y-90 or Ho-166.")] = "Y-90",
    medium: Annotated[str, Option(help="water, liver, lung, bone or soft tissue.")] = "water",
    as_json: Annotated[bool, Option("--json", help="Print the provenance, and errors as JSON.")] = False,
) -> None:
    """Write voxel S values [Gy/(Bq s)] of a uniform medium for any voxel size."""
    import json

    import typer

    from y90voxel.errors import InputError
    from y90voxel.io.kernel_files import write_kernel
    from y90voxel.reference.kernel import voxel_kernel

    try:
        sizes = [float(part) for part in spacing.replace("x", ",").split(",")]
    except ValueError as error:
        raise InputError(
            f"--spacing {spacing!r} is not one or three numbers in mm, such as 4.8 or 3,4.07,4.07."
        ) from error
    if len(sizes) not in (1, 3):
        raise InputError(
            f"--spacing takes one number or three (slice,row,column), got {len(sizes)}.", tag="--spacing"
        )
    made = voxel_kernel(nuclide, sizes[0] if len(sizes) == 1 else sizes, medium)
    write_kernel(made, out)
    if as_json:
        typer.echo(json.dumps(dict(made.provenance)))
    else:
        centre = made.s_values[made.half_shape]
        shape = " × ".join(str(n) for n in made.s_values.shape)
        typer.echo(f"{out}: {shape} voxels, S(0,0,0) = {centre * 1e9:.4g} mGy/(MBq·s)")
