"""The dose of earlier results, for runs in which only the report changes: it is read, not computed again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.case.case import Case
from y90voxel.dose.engine import PlainDose
from y90voxel.errors import InputError, Notice
from y90voxel.io.json_files import read_json
from y90voxel.io.nifti import NiftiImage, read_nifti
from y90voxel.io.result_marks import checksum, read_mark
from y90voxel.version import __version__
from y90voxel.volumes.volume import DoseMap

__all__ = ["earlier_dose"]

METRICS, DOSE, UNCERTAINTY = "metrics.json", "dose.nii.gz", "dose_uncertainty.nii.gz"
# What engines say of a run, as it stands among the warnings of its results.
SAID_BY_ENGINES = {"monte-carlo-uncertainty", "exact-uncertainty", "exact-parts", "exact-metal"}


def earlier_dose(folder: Path, case: Case, engine: str) -> PlainDose | None:
    """Return what an engine gave for a case by the results in a folder; None where they cannot be relied upon.

    Whether they are those of the case, only who calls can know: same files, same settings but those of the report.

    Parameters
    ----------
    folder : Path
        Results of `dose`.
    case : Case
        Gives the grid; NIfTI holds it in single precision.
    engine : str
        Name of the engine that would compute.
    """
    checksums = read_mark(folder).get("checksums", {})
    with suppress(InputError, OSError, KeyError, TypeError, ValueError):
        for name in (METRICS, DOSE, *({UNCERTAINTY} & checksums.keys())):
            if checksum(folder / name) != checksums[name][1]:
                return None
        metrics = read_json(folder / METRICS)
        dose = read_nifti(folder / DOSE)
        spread = read_nifti(folder / UNCERTAINTY) if UNCERTAINTY in checksums else None
        computed_by = (metrics["kind"], metrics["engine"], metrics["provenance"]["version"])
        if computed_by == ("dose", engine, __version__) and all(
            _fits(v, case) for v in (dose, spread) if v is not None
        ):
            return _simulated_dose(case, metrics, dose, spread)
    return None


def _fits(image: NiftiImage, case: Case) -> bool:
    """Return whether an image has the shape of a case, in single precision as we write it."""
    return image.array.shape == (1, *case.grid.shape) and image.array.dtype == np.float32


def _simulated_dose(
    case: Case, metrics: dict[str, Any], dose: NiftiImage, spread: NiftiImage | None
) -> PlainDose:
    """What the engine gave."""
    uncertain = {region["name"]: region["relative_uncertainty"] for region in metrics["regions"]}
    return PlainDose(
        DoseMap(dose.array[0], case.grid, None if spread is None else spread.array[0]),
        {name: value for name, value in uncertain.items() if value is not None},
        tuple(
            Notice(warning["code"], warning["message"])
            for warning in metrics["warnings"]
            if warning["code"] in SAID_BY_ENGINES
        ),
    )
