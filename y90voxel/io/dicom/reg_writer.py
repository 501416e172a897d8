"""Spatial Registration: the rigid motion that brought the CT of the regions to the emission image's frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import SpatialRegistrationStorage

from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.new_object import (
    add_references,
    code,
    decimal,
    frame_of_reference,
    long_string,
    new_object,
    save,
)
from y90voxel.volumes.image_registration import Alignment

__all__ = ["write_registration"]

SERIES_NUMBER = 9004  # chosen: above those of scanners, so that derived series stand last
# DICOM PS3.16 CID 7100: how a registration was found; and the one for a frame registered to itself.
IDENTITY = ("125021", "Frame of Reference Identity")
CONTENT = ("125024", "Image Content-based Alignment")


def write_registration(
    alignment: Alignment,
    path: str | Path,
    *,
    identity: StudyIdentity | None = None,
    references: Sequence[SourceSeries] = (),
    created: datetime | None = None,
) -> None:
    """Write an alignment as DICOM Spatial Registration in the frame of reference of the fixed CT.

    Parameters
    ----------
    alignment : Alignment
        Its matrix takes points of the moving CT's frame to the frame of the fixed one.
    path : path-like
        The file to write.
    identity : StudyIdentity, optional
        Patient and study; nobody's in a new study by default.
    references : sequence of SourceSeries
        What the registration was made from.
    created : datetime, optional
        When it was made; now by default.
    """
    whose = identity or StudyIdentity()
    fixed, _ = frame_of_reference(alignment.fixed.grid, whose)
    moving, _ = frame_of_reference(alignment.moving.grid, whose)
    dataset = new_object(
        whose, SpatialRegistrationStorage, "REG", "y90voxel CT to CT (research use)", SERIES_NUMBER, created
    )
    dataset.Laterality = ""
    dataset.FrameOfReferenceUID = fixed
    dataset.PositionReferenceIndicator = ""
    dataset.ContentLabel = "CT TO CT"
    dataset.ContentDescription = long_string("Rigid, mutual information around the liver")
    dataset.ContentCreatorName = ""
    add_references(dataset, whose, references)
    dataset.RegistrationSequence = Items(
        [
            _item(fixed, np.eye(4).tolist(), IDENTITY),
            _item(moving, alignment.transform.matrix.tolist(), CONTENT),
        ]
    )
    save(dataset, path)


def _item(frame: str, matrix: list[list[float]], method: tuple[str, str]) -> Dataset:
    """Return the registration of one frame to that of the object."""
    one, group, item = Dataset(), Dataset(), Dataset()
    one.FrameOfReferenceTransformationMatrix = [decimal(value) for row in matrix for value in row]
    one.FrameOfReferenceTransformationMatrixType = "RIGID"
    group.MatrixSequence = Items([one])
    group.RegistrationTypeCodeSequence = Items([code(*method, scheme="DCM")])
    item.FrameOfReferenceUID = frame
    item.MatrixRegistrationSequence = Items([group])
    return item
