"""Reading two halves of an emission image, for histograms without noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from y90voxel.case.halves import Halves
from y90voxel.errors import InputError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.images import is_image_file, read_emission_file
from y90voxel.quantification.emission import EmissionImage
from y90voxel.study.study import Study, file_record

__all__ = ["read_halves"]


def read_halves(study: Study, paths: tuple[Path, Path] | None) -> tuple[Study, Halves | None]:
    """Return the study with both halves among its inputs, and the halves; None where none are named.

    Parameters
    ----------
    study : Study
        With the image of all counts.
    paths : tuple of Path or None
        NIfTI, NRRD, MetaImage, or a DICOM file or folder with one emission series, each.

    Raises
    ------
    InputError
        If a half does not exist, cannot be read, or is of another patient than the study or the other half.
    """
    if paths is None:
        return study, None
    images = []
    known = [("the study", study.identity)] if study.sources else []
    for name, path in zip("AB", paths, strict=True):
        if not path.exists():
            raise InputError(f"half {name} {path} does not exist.", file=path, tag="noise.halves")
        image, study = _read(study, path, f"half {name}", known)
        images.append(image)
    return study, (images[0], images[1])


def _read(
    study: Study, path: Path, role: str, known: list[tuple[str, StudyIdentity]]
) -> tuple[EmissionImage, Study]:
    """One half, and the study that names it among its inputs; ``known`` gets whose it is."""
    notices = list(study.notices)
    if is_image_file(path):
        image = read_emission_file(path, notices=notices)
        record = file_record(path, role)
    else:
        half = DicomStudy.open(path)
        for what, identity in known:
            identity.check_patient(half.identity, what, str(path))
        known.append((role, half.identity))
        image = half.emission()
        (record,) = ({**item, "role": role} for item in half.inputs() if item["role"] == "emission")
    all_notices = tuple(dict.fromkeys((*study.notices, *notices)))
    return image, replace(study, inputs=(*study.inputs, record), notices=all_notices)
