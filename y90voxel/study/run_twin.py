"""The digital twin of a phantom as a folder: images, filling record, truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.case.filling_record import read_toml
from y90voxel.case.twin_settings import TwinSettings
from y90voxel.io.atomic import check_output_folder, output_folder
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.twin_writer import TwinHeader, write_twin_image
from y90voxel.io.nifti import write_nifti
from y90voxel.io.result_tables import write_json
from y90voxel.io.toml_files import toml_text
from y90voxel.phantoms.twin_study import TwinStudy
from y90voxel.version import __version__
from y90voxel.volumes.volume import Volume

__all__ = ["FILLING_FILE", "run_twin", "write_twin"]

FILLING_FILE = "filling.toml"


def run_twin(
    description: str | Path | None, out: str | Path, progress: Callable[[str, float], None] | None = None
) -> dict[str, Any]:
    """Write the digital twin that a TOML file describes; return its truth.

    Parameters
    ----------
    description : path-like or None
        TOML file of `TwinSettings`; None takes a NEMA IEC phantom with Y-90 at 8:1 in a PET scanner of 6 mm.
    out : path-like
        Folder to write, all or nothing: ``filling.toml``, ``truth.json``, a folder of DICOM for each acquisition, its halves
        as NIfTI where they are asked for.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the description cannot be used, or the folder.
    """
    settings = (
        TwinSettings()
        if description is None
        else read_toml(description, TwinSettings, "description of a twin")
    )
    return write_twin(settings, out, progress)


def write_twin(
    settings: TwinSettings, out: str | Path, progress: Callable[[str, float], None] | None = None
) -> dict[str, Any]:
    """Write the digital twin of settings; see `run_twin`."""
    check_output_folder(out)
    report_progress = progress or (lambda what, done: None)
    study = TwinStudy(settings)
    filling, grid, camera = study.filling, study.grid, settings.camera
    identity = StudyIdentity(patient_name="PHANTOM^TWIN", patient_id="TWIN", patient_sex="O")
    truth = {
        "schema_version": 1,
        "kind": "twin",
        "version": __version__,
        **study.truth(),
        "seed": settings.seed,
    }
    report_progress("computing the images", 0.0)
    with output_folder(out, "twin") as folder:
        for number, frame in enumerate(study.frames(), start=1):
            header = TwinHeader(
                nuclide=filling.nuclide,
                filled=filling.reference_time,
                start=frame.start,
                duration_s=camera.duration_s,
                total_bq=filling.total_bq,
                reconstruction=camera.reconstruction,
                filter=camera.filter,
                number=number,
            )
            write_twin_image(
                frame.values, grid, camera.modality, header, identity, folder / f"acquisition_{number}"
            )
            for name, half in zip("ab", frame.halves, strict=False):
                made = Volume(half.astype(np.float32), grid)
                write_nifti(made, folder / f"acquisition_{number}_half_{name}.nii.gz")
            report_progress("writing the images", number / len(settings.hours))
        record = settings.filling.model_dump(mode="python", exclude_none=True, exclude_defaults=True)
        (folder / FILLING_FILE).write_text(toml_text(_written(record)), encoding="utf-8")
        write_json(truth, folder / "truth.json")
    return truth


def _written(record: dict[str, Any]) -> dict[str, Any]:
    """A filling record as its file has it: activities with their unit, in full."""
    return {
        key: _written(value)
        if isinstance(value, dict)
        else f"{value!r} Bq"
        if key in ("activity", "residual") and isinstance(value, float) and "volume_ml" in record
        else str(value)
        if isinstance(value, Path)
        else value
        for key, value in record.items()
    }
