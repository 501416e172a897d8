"""Spatial Registration: the rigid motion that brought the CT of the regions to the emission image's frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import DeformableSpatialRegistrationStorage, SpatialRegistrationStorage

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
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.image_registration import Alignment
from y90voxel.volumes.transform import Deformation

__all__ = ["write_registration"]

SERIES_NUMBER = 9004  # chosen: above those of scanners, so that derived series stand last
# DICOM PS3.16 CID 7100: how a registration was found; and the one for a frame registered to itself.
IDENTITY = ("125021", "Frame of Reference Identity")
CONTENT = ("125024", "Image Content-based Alignment")


def write_registration(
    alignment: Alignment | DeformableAlignment,
    path: str | Path,
    *,
    identity: StudyIdentity | None = None,
    references: Sequence[SourceSeries] = (),
    created: datetime | None = None,
) -> None:
    """Write an alignment as DICOM Spatial Registration, rigid or deformable, in the frame of reference of the fixed CT.

    Parameters
    ----------
    alignment : Alignment or DeformableAlignment
        A rigid one takes points of the moving CT's frame to the frame of the fixed one by a matrix; a deformable one holds the
        grid of offsets that takes points of the fixed CT's frame to the moving one's, as the standard wants it.
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
    deformed = isinstance(alignment, DeformableAlignment)
    rigid = alignment.rigid if isinstance(alignment, DeformableAlignment) else alignment
    fixed, _ = frame_of_reference(rigid.fixed.grid, whose)
    moving, _ = frame_of_reference(rigid.moving.grid, whose)
    storage = DeformableSpatialRegistrationStorage if deformed else SpatialRegistrationStorage
    dataset = new_object(whose, storage, "REG", "y90voxel CT to CT (research use)", SERIES_NUMBER, created)
    dataset.Laterality = ""
    dataset.FrameOfReferenceUID = fixed
    dataset.PositionReferenceIndicator = ""
    dataset.ContentLabel = "CT TO CT"
    dataset.ContentDescription = long_string(
        "Deformable, demons around the liver" if deformed else "Rigid, mutual information around the liver"
    )
    dataset.ContentCreatorName = ""
    add_references(dataset, whose, references)
    if isinstance(alignment, DeformableAlignment):
        dataset.DeformableRegistrationSequence = Items([_deformable_item(moving, alignment.pull)])
    else:
        dataset.RegistrationSequence = Items(
            [
                _item(fixed, np.eye(4).tolist(), IDENTITY),
                _item(moving, rigid.transform.matrix.tolist(), CONTENT),
            ]
        )
    save(dataset, path)


def _deformable_item(frame: str, pull: Deformation) -> Dataset:
    """Return the grid of offsets to a source frame, between its two matrices (PS3.3 C.20.3)."""
    grid, (slices, rows, columns, _) = pull.grid, pull.offsets_mm.shape
    field, item = Dataset(), Dataset()
    field.ImagePositionPatient = [decimal(value) for value in grid.origin_mm]
    directions = grid.affine[:3, :3] / np.array(grid.spacing_mm)
    field.ImageOrientationPatient = [decimal(value) for value in (*directions[:, 2], *directions[:, 1])]
    field.GridDimensions = [columns, rows, slices]
    field.GridResolution = [float(step) for step in reversed(grid.spacing_mm)]
    field.VectorGridData = np.ascontiguousarray(pull.offsets_mm, "<f4").tobytes()
    item.SourceFrameOfReferenceUID = frame
    item.DeformableRegistrationGridSequence = Items([field])
    item.RegistrationTypeCodeSequence = Items([code(*CONTENT, scheme="DCM")])
    for keyword, side in (("Pre", pull.before), ("Post", pull.after)):
        matrix = Dataset()
        matrix.FrameOfReferenceTransformationMatrix = [
            decimal(value) for row in side.matrix.tolist() for value in row
        ]
        matrix.FrameOfReferenceTransformationMatrixType = "RIGID"
        setattr(item, f"{keyword}DeformationMatrixRegistrationSequence", Items([matrix]))
    return item


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
