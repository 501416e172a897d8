"""Dose files of any kind: RTDOSE, or a volume in Gy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from y90voxel.errors import InputError, Notice, UnitError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.rtdose import read_dose_origin, read_rtdose
from y90voxel.io.images import is_image_file, read_layers, single_volume
from y90voxel.io.notices import add_notice
from y90voxel.volumes.volume import DoseMap

__all__ = ["read_dose", "read_dose_identity"]

OUR_DESCRIPTION = "y90voxel: "


def read_dose_identity(path: str | Path) -> StudyIdentity | None:
    """Return whose dose a file holds; None where the format does not say."""
    return None if is_image_file(path) else read_dose_origin(path).identity


def read_dose(path: str | Path, *, notices: list[Notice] | None = None) -> DoseMap:
    """Return the dose in a file [Gy].

    Parameters
    ----------
    path : path-like
        RTDOSE, or NIfTI, NRRD or MetaImage. Images carry no unit: their values are taken as Gy, unless the file says
        that it is another quantity of this program.
    notices : list of Notice, optional
        Receives what was assumed; warned when it is not given.

    Raises
    ------
    InputError
        If the file cannot be read (see :func:`~y90voxel.io.dicom.rtdose.read_rtdose` and
        :func:`~y90voxel.io.images.read_values`).
    UnitError
        If the file says that it holds something else than dose in Gy.
    """
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}.", file=path)
    if not is_image_file(path):
        return read_rtdose(path, notices=notices)
    image = read_layers(path)
    description = image.description
    if description.startswith(OUR_DESCRIPTION) and not description.endswith("[Gy]"):
        raise UnitError(
            f"{path} holds {description.removeprefix(OUR_DESCRIPTION)}, not a dose in Gy. Give dose.nii.gz or dose.dcm.",
            file=path,
        )
    array, grid = single_volume(image, path, notices)
    ours = description.startswith(OUR_DESCRIPTION)
    if array.min() < 0 and not ours:
        raise InputError(
            f"{path}: {int(np.count_nonzero(array < 0))} of {array.size} voxels are below 0, down to {array.min():.4g} Gy; an "
            "absorbed dose is 0 or more. Give a dose, not a difference, and not stored values without their scaling.",
            file=path,
        )
    if not ours:
        add_notice(
            notices, "dose-unit-assumed", f"{path} does not state its unit; its values are taken as Gy."
        )
    return DoseMap(array.astype(np.float64), grid)
