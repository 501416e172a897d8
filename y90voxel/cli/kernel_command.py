"""``y90voxel kernel``: voxel S values with provenance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from y90voxel.errors import alternatives
from y90voxel.reference.nuclide_records import therapy_nuclides

__all__ = ["kernel"]


def kernel(
    *,
    out: Annotated[Path, Option("-o", "--out", help="File to write: .csv (one octant) or .npz.")],
    spacing: Annotated[
        str | None, Option(help="Voxel size in mm: one number, or three (slice,row,column).")
    ] = None,
    nuclide: Annotated[str, Option(help=f"{alternatives(therapy_nuclides())}.")] = "Y-90",
    medium: Annotated[str, Option(help="water, liver, lung, bone or soft tissue.")] = "water",
    from_monte_carlo: Annotated[
        bool,
        Option("--from-monte-carlo", help="Compute a radial kernel (.csv) of any shipped spectrum instead."),
    ] = False,
    histories: Annotated[int, Option(help="Decays to simulate, with --from-monte-carlo.")] = 1_000_000,
    seed: Annotated[int, Option(help="Same seed, same kernel, with --from-monte-carlo.")] = 0,
    as_json: Annotated[bool, Option("--json", help="Print the provenance, and errors as JSON.")] = False,
) -> None:
    """Write voxel S values [Gy/(Bq s)] of a uniform medium for any voxel size, or a radial kernel."""
    import typer

    if from_monte_carlo:
        provenance, sentence = _radial_kernel(out, nuclide, medium, histories, seed, as_json)
    else:
        provenance, sentence = _voxel_kernel(out, nuclide, medium, spacing)
    typer.echo(json.dumps(provenance) if as_json else sentence)


def _radial_kernel(
    out: Path, nuclide: str, medium: str, histories: int, seed: int, quiet: bool
) -> tuple[dict[str, Any], str]:
    """Compute and write a radial kernel."""
    from y90voxel.cli.progress import progress
    from y90voxel.dose.monte_carlo.radial_simulation import radial_kernel_from_monte_carlo
    from y90voxel.io.kernel_files import check_radial_file, write_radial_kernel

    check_radial_file(out)  # before minutes of work, not after
    with progress(quiet=quiet) as report_progress:
        made = radial_kernel_from_monte_carlo(nuclide, medium, histories, seed, progress=report_progress)
    write_radial_kernel(made, out)
    radii = ", ".join(f"R{100 * part:.0f} {made.radius_mm(part):.3f} mm" for part in (0.5, 0.9))
    return dict(made.provenance), f"{out}: {made.nuclide} in {made.medium}, {radii} (electrons)"


def _voxel_kernel(out: Path, nuclide: str, medium: str, spacing: str | None) -> tuple[dict[str, Any], str]:
    """Integrate and write a voxel kernel."""
    from y90voxel.errors import InputError
    from y90voxel.io.kernel_files import write_kernel
    from y90voxel.reference.voxel_kernel import voxel_kernel

    if spacing is None:
        raise InputError(
            "a voxel kernel needs the voxel size: --spacing 4.8 or --spacing 3,4.07,4.07.", tag="--spacing"
        )
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
    centre = made.s_values[made.half_shape]
    shape = " × ".join(str(n) for n in made.s_values.shape)
    return dict(made.provenance), f"{out}: {shape} voxels, S(0,0,0) = {centre * 1e9:.4g} mGy/(MBq·s)"
