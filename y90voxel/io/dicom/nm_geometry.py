"""Where a nuclear medicine volume lies: position and orientation of its detector, spacing stated once or twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, numbers
from y90voxel.io.dicom.geometry import axes_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.slice_positions import check_position, check_spacing
from y90voxel.io.notices import warn

__all__ = ["detector_geometry", "volume_affine"]


def detector_geometry(
    instance: Instance, detector: int = 0
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return position and orientation of a detector's images, from its item or else from the top level."""
    file = instance.source
    detectors = items(instance.header, "DetectorInformationSequence", file)
    inner = detectors[detector] if detector < len(detectors) else Dataset()
    position = numbers(inner, "ImagePositionPatient", 3, file) or instance.numbers("ImagePositionPatient", 3)
    turn = numbers(inner, "ImageOrientationPatient", 6, file) or instance.numbers(
        "ImageOrientationPatient", 6
    )
    return position, turn


def volume_affine(instance: Instance, notices: list[Notice]) -> NDArray[np.float64]:
    """Return array indices to LPS [mm]."""
    name = instance.source.name
    position, turn = detector_geometry(instance)
    if position is None or turn is None:
        keyword = "ImagePositionPatient" if position is None else "ImageOrientationPatient"
        raise DicomError(
            f"{name} has no {keyword}, neither in DetectorInformationSequence nor at the top level: it is not "
            "known where the image lies in the patient. Export it with geometry, or convert it to a NIfTI "
            "whose position you have checked and give that with --emission.",
            file=name,
            tag=keyword,
        )
    row, column, normal = axes_of(turn, name)
    spacing = instance.numbers("PixelSpacing", 2)
    if spacing is None:
        raise DicomError(
            f"{name} has no PixelSpacing; positive spacing is needed. Export it again.",
            file=name,
            tag="PixelSpacing",
        )
    check_spacing(spacing, name)
    check_position(position, name)
    step = _signed_step(instance, spacing, notices)
    check_spacing([abs(step)], name, "SpacingBetweenSlices")
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([normal * step, column * spacing[0], row * spacing[1]])
    affine[:3, 3] = position
    return affine


def _signed_step(instance: Instance, in_plane_mm: tuple[float, ...], notices: list[Notice]) -> float:
    """Return the step from slice to slice along the normal [mm], negative where frames run against it.

    A volume has no second slice position that could confirm the spacing. Where SliceThickness contradicts it,
    it is believed only if voxels are cubes by it, as SPECT voxels mostly are.
    """
    between = instance.numbers("SpacingBetweenSlices", 1)
    thickness = instance.numbers("SliceThickness", 1)
    name = instance.source.name
    if between is not None and between[0] != 0:
        if thickness is not None and not _alike(between[0], thickness[0]):
            if not all(_alike(between[0], width) for width in in_plane_mm):
                raise DicomError(
                    f"SpacingBetweenSlices of {name} is {between[0]:g} mm, SliceThickness {thickness[0]:g} mm, and pixels "
                    f"are {in_plane_mm[0]:g} x {in_plane_mm[1]:g} mm: which of them places the slices is not known, and "
                    "the dose hangs on it. Correct the header, or convert it to a NIfTI whose spacing you have checked "
                    "and give that with --emission.",
                    file=name,
                    tag="SpacingBetweenSlices",
                )
            notices.append(
                warn(
                    "thickness-differs",
                    f"SliceThickness {thickness[0]:g} mm differs from SpacingBetweenSlices {between[0]:g} mm; the "
                    "spacing places the slices, which makes cubes of the voxels.",
                    file=name,
                    tag="SliceThickness",
                    value=thickness[0],
                )
            )
        return between[0]
    if thickness is not None and thickness[0] > 0:
        notices.append(
            warn(
                "spacing-from-thickness",
                f"SpacingBetweenSlices is missing; SliceThickness {thickness[0]:g} mm is taken as the step, along "
                "row direction × column direction.",
                file=name,
                tag="SpacingBetweenSlices",
                value=thickness[0],
            )
        )
        return thickness[0]
    raise DicomError(
        f"{name} has neither SpacingBetweenSlices nor SliceThickness: the distance between its slices is not known. "
        "Export it with geometry.",
        file=name,
        tag="SpacingBetweenSlices",
    )


def _alike(one_mm: float, other_mm: float) -> bool:
    """Return whether two distances are the same but for rounding and sign."""
    return abs(abs(one_mm) - abs(other_mm)) <= 0.01 * abs(one_mm)
