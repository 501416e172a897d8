"""Spatial registration objects with known maps, for tests. Imports nothing from the package."""

from __future__ import annotations

import dicom_factory as factory
import numpy as np
from dicom_factory import item
from pydicom.sequence import Sequence

RIGID_CLASS = "1.2.840.10008.5.1.4.1.1.66.1"
DEFORMABLE_CLASS = "1.2.840.10008.5.1.4.1.1.66.3"


def rigid(angles=(0.1, -0.2, 0.3), shift=(12.0, -30.0, 55.0)) -> np.ndarray:
    """A matrix that turns and shifts."""
    matrix = np.eye(4)
    matrix[:3, :3] = factory.oblique_affine((1, 1, 1), (0, 0, 0), angles)[:3, [2, 1, 0]]
    matrix[:3, 3] = shift
    return matrix


def applied(matrix, points) -> np.ndarray:
    """Points under a matrix."""
    return np.asarray(points, float) @ matrix[:3, :3].T + matrix[:3, 3]


def matrix_item(matrix, kind="RIGID"):
    return item(
        FrameOfReferenceTransformationMatrix=factory.decimal(np.ravel(matrix), 9),
        FrameOfReferenceTransformationMatrixType=kind,
    )


def matrices(*values, kind="RIGID"):
    return Sequence([item(MatrixSequence=Sequence([matrix_item(value, kind) for value in values]))])


def reg(items, own=factory.FRAME, series="reg", **attributes):
    """A rigid registration: [(frame or None, matrices, referenced SOP instance UIDs), ...] to its own frame."""
    made = factory.header(RIGID_CLASS, "REG", series, "0", FrameOfReferenceUID=own)
    group = []
    for frame, values, images in items:
        one = item(MatrixRegistrationSequence=values)
        if frame is not None:
            one.FrameOfReferenceUID = frame
        if images:
            one.ReferencedImageSequence = Sequence(
                [item(ReferencedSOPClassUID=factory.CT_CLASS, ReferencedSOPInstanceUID=uid) for uid in images]
            )
        group.append(one)
    made.RegistrationSequence = Sequence(group)
    return factory.change(made, **attributes)


def deformable(source, offsets, grid_affine, own=factory.FRAME, before=None, after=None, series="dreg"):
    """A deformable registration: offsets (slices, rows, columns, 3) on a grid in its own frame, to a source frame."""
    made = factory.header(DEFORMABLE_CLASS, "REG", series, "0", FrameOfReferenceUID=own)
    orientation, spacing, _ = factory.directions(grid_affine)
    slices, rows, columns, _ = offsets.shape
    field = item(
        ImagePositionPatient=factory.decimal(grid_affine[:3, 3]),
        ImageOrientationPatient=factory.decimal(orientation),
        GridDimensions=[columns, rows, slices],
        GridResolution=[spacing[1], spacing[0], float(np.linalg.norm(grid_affine[:3, 0]))],
        VectorGridData=offsets.astype("<f4").tobytes(),
    )
    one = item(SourceFrameOfReferenceUID=source, DeformableRegistrationGridSequence=Sequence([field]))
    for keyword, matrix in (("Pre", before), ("Post", after)):
        if matrix is not None:
            setattr(one, f"{keyword}DeformationMatrixRegistrationSequence", Sequence([matrix_item(matrix)]))
    made.DeformableRegistrationSequence = Sequence([one])
    return made
