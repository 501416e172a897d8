"""The file ``scanner.toml`` that a commissioning wrote."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from y90voxel.errors import InputError
from y90voxel.io.phantom_tables import read_recovery
from y90voxel.quantification.emission import Reconstruction
from y90voxel.quantification.scanner import Scanner

__all__ = ["read_scanner"]

# The curve of recovery.csv against that of scanner.toml: digits of the table, no other measurement.
SAME_CURVE = 0.01


def read_scanner(path: str | Path) -> Scanner:
    """Return what a commissioning knows of a camera.

    Raises
    ------
    InputError
        If the file cannot be read, is no scanner file, lacks an entry, or the table beside it is another one.
    """
    source = Path(path)
    try:
        document: dict[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"the scanner file {source} cannot be read: {error}.", file=source, tag="scanner"
        ) from error
    if document.get("kind") != "scanner" or document.get("schema_version") != 1:
        raise InputError(
            f"{source} is no scanner file of this version (kind {document.get('kind')!r}, schema_version "
            f"{document.get('schema_version')!r}). Give scanner.toml of a folder that `y90voxel commission` wrote.",
            file=source,
            tag="scanner",
        )
    try:
        return _scanner(source, document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"the scanner file {source} is damaged: an entry is missing or misplaced ({error}). Commission again.",
            file=source,
            tag="scanner",
        ) from error


def _scanner(source: Path, document: dict[str, Any]) -> Scanner:
    """The record of a document."""
    made, calibration = document["reconstruction"], document["calibration"]
    recovery, dead = document.get("recovery"), document.get("dead_time")
    resolution = document.get("resolution") or {}
    table = None if recovery is None else source.parent / str(recovery["file"])
    if recovery is not None and table is not None:
        fit = read_recovery(table)
        for name, own in (("b1_ml", fit.b1_ml), ("b2", fit.b2)):
            if abs(own / float(recovery[name]) - 1.0) > SAME_CURVE:
                raise InputError(
                    f"{table} gives {name} = {own:.4g}, {source.name} has {float(recovery[name]):.4g}: the table is not that of "
                    "this commissioning. Copy both from one folder.",
                    file=table,
                    tag="scanner",
                )
    return Scanner(
        path=source,
        nuclide=str(document["nuclide"]),
        modality=str(document["modality"]),
        reconstruction=Reconstruction(made.get("method", ""), made.get("filter", ""), made.get("camera", "")),
        voxel_mm=tuple(float(v) for v in made["voxel_mm"]),
        factor_cps_per_mbq=_number(calibration, "factor_cps_per_mbq"),
        shown_over_true=_number(calibration, "shown_over_true"),
        relative_uncertainty=float(calibration["relative_uncertainty"]),
        recovery_file=table,
        volumes_ml=None
        if recovery is None
        else (float(recovery["smallest_ml"]), float(recovery["largest_ml"])),
        time_constant_us=None if dead is None else float(dead["time_constant_us"]),
        highest_rate_cps=None if dead is None else float(dead["highest_rate_cps"]),
        fwhm_mm=_number(resolution, "fwhm_mm"),
        one_gaussian_fits=bool(resolution.get("one_gaussian_fits", True)),
    )


def _number(table: dict[str, Any], key: str) -> float | None:
    """A number of a table, None where it is not there."""
    return None if table.get(key) is None else float(table[key])
