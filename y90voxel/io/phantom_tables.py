"""Tables that a department measured with phantoms: recovery of spheres, dead time of a camera."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from y90voxel.errors import InputError
from y90voxel.quantification.dead_time import DeadTimeCurve
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.quantification.recovery_curve import recovery_of_spheres

__all__ = ["read_dead_time_curve", "read_recovery"]


def read_recovery(path: str | Path, relative_uncertainty: float | None = None) -> RecoveryFit:
    """Return the recovery curve through the spheres of a phantom.

    Parameters
    ----------
    path : path-like
        CSV with a header: ``volume_ml`` or ``diameter_mm`` (inner), ``recovery`` (measured over true concentration), and
        where they are known ``relative_uncertainty`` (as a fraction).
    relative_uncertainty : float or None
        Of every coefficient, where the file has no such column.

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing or a number is not one, or no curve can be fitted.
    PhysicsError
        If recovery does not grow with volume.
    """
    rows = _read(path, {"volume_ml", "diameter_mm", "recovery", "relative_uncertainty"})
    if ("volume_ml" in rows) == ("diameter_mm" in rows) or "recovery" not in rows:
        raise InputError(
            f"{path}: a phantom table needs the columns volume_ml or diameter_mm (one of them) and recovery; it has "
            f"{', '.join(rows)}.",
            file=path,
        )
    volumes = rows.get("volume_ml") or [math.pi * d**3 / 6000.0 for d in rows["diameter_mm"]]
    if "relative_uncertainty" not in rows and relative_uncertainty is None:
        raise InputError(
            f"{path}: how well the recovery coefficients are known is not stated. Add a column relative_uncertainty (0.05 for "
            "5 %), or give partial_volume.recovery_uncertainty.",
            file=path,
            tag="partial_volume.recovery_uncertainty",
        )
    uncertainty = rows.get("relative_uncertainty") or relative_uncertainty
    assert uncertainty is not None  # one of them is there
    return recovery_of_spheres(volumes, rows["recovery"], uncertainty)


def read_dead_time_curve(path: str | Path) -> DeadTimeCurve:
    """Return the dead-time curve of a camera from a CSV with the columns ``observed_cps`` and ``true_cps``.

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing, a number is not one, or rates do not rise.
    """
    rows = _read(path, {"observed_cps", "true_cps"})
    if set(rows) != {"observed_cps", "true_cps"}:
        raise InputError(
            f"{path}: a dead-time curve needs the columns observed_cps and true_cps; it has {', '.join(rows)}.",
            file=path,
        )
    return DeadTimeCurve(tuple(rows["observed_cps"]), tuple(rows["true_cps"]), Path(path).name)


def _read(path: str | Path, wanted: set[str]) -> dict[str, list[float]]:
    """The known columns of a CSV as numbers; lines that begin with # are comments."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the table {path} cannot be read: {error}.", file=path) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    reader = csv.DictReader(lines, skipinitialspace=True)
    columns = [name for name in reader.fieldnames or () if name and name.strip() in wanted]
    table: dict[str, list[float]] = {name.strip(): [] for name in columns}
    for row in reader:
        for name in columns:
            try:
                value = float(row[name] or "")
            except ValueError as error:
                raise InputError(
                    f"{path}, line {reader.line_num} without comments: {name.strip()} is {row[name]!r}, not a number.",
                    file=path,
                ) from error
            table[name.strip()].append(value)
    return table
