"""The slices of a series, one entry each, whether a file holds one of them or all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import items, number, numbers
from y90voxel.io.dicom.headers import Instance

__all__ = ["Frame", "frames_of"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice: where it lies and how its stored values become real ones.

    Parameters
    ----------
    instance : Instance
        The file that holds it.
    index : int
        Frame number within the file, from 0.
    position_mm : tuple of float, (3,)
        Centre of the first voxel in LPS [mm].
    orientation : tuple of float, (6,)
        Direction along a row (rising column index), then down a column (rising row index), in LPS.
    spacing_mm : tuple of float, (2,)
        Distance between rows and between columns [mm]: DICOM's order of Pixel Spacing.
    slope, intercept : float
        Real value = slope × stored value + intercept.
    rescaled : bool
        Whether the file states both; else they are 1 and 0.
    """

    instance: Instance
    index: int
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    slope: float
    intercept: float
    rescaled: bool = True


def frames_of(instances: Sequence[Instance]) -> list[Frame]:
    """Return the slices of all objects, in the order of the files.

    Raises
    ------
    DicomError
        If a slice lacks position, orientation or spacing, or one of them is malformed.
    """
    frames: list[Frame] = []
    for instance in instances:
        if instance.is_multiframe_enhanced:
            frames += _enhanced(instance)
        else:
            frames.append(_classic(instance))
    return frames


def _required(values: tuple[float, ...] | None, keyword: str, instance: Instance) -> tuple[float, ...]:
    """Return the values, or raise because a slice cannot be placed without them."""
    if values is None:
        raise DicomError(
            f"{instance.source.name} has no {keyword}, so it is not known where its voxels lie. Export the "
            "series with its geometry.",
            file=instance.source.name,
            tag=keyword,
        )
    return values


def _classic(instance: Instance) -> Frame:
    """Return the only slice of a single-frame object."""
    frames, _, _ = instance.matrix_size()
    if frames != 1:
        raise DicomError(
            f"{instance.source.name} holds {frames} frames but no position for each of them "
            "(PerFrameFunctionalGroupsSequence). Export the series again.",
            file=instance.source.name,
            tag="NumberOfFrames",
        )
    slope, intercept = instance.numbers("RescaleSlope", 1), instance.numbers("RescaleIntercept", 1)
    return Frame(
        instance,
        0,
        _required(instance.numbers("ImagePositionPatient", 3), "ImagePositionPatient", instance),
        _required(instance.numbers("ImageOrientationPatient", 6), "ImageOrientationPatient", instance),
        _required(instance.numbers("PixelSpacing", 2), "PixelSpacing", instance),
        1.0 if slope is None else slope[0],
        0.0 if intercept is None else intercept[0],
        slope is not None and intercept is not None,
    )


def functional_group(instance: Instance, per_frame: Dataset, macro: str) -> Dataset:
    """Return the first item of a functional group of a frame, or the shared one; empty where absent."""
    file = instance.source
    own = items(per_frame, macro, file)
    if own:
        return own[0]
    shared = items(instance.header, "SharedFunctionalGroupsSequence", file)
    common = items(shared[0], macro, file) if shared else []
    return common[0] if common else Dataset()


def _enhanced(instance: Instance) -> list[Frame]:
    """Return the slices of an enhanced multi-frame object."""
    file = instance.source
    per_frame = items(instance.header, "PerFrameFunctionalGroupsSequence", file)
    frames, _, _ = instance.matrix_size()
    if len(per_frame) != frames:
        raise DicomError(
            f"{file.name} holds {frames} frames but positions of {len(per_frame)}. The file is damaged.",
            file=file.name,
            tag="PerFrameFunctionalGroupsSequence",
        )
    slices = []
    for index, groups in enumerate(per_frame):
        place = functional_group(instance, groups, "PlanePositionSequence")
        turn = functional_group(instance, groups, "PlaneOrientationSequence")
        measures = functional_group(instance, groups, "PixelMeasuresSequence")
        values = functional_group(instance, groups, "PixelValueTransformationSequence")
        slope, intercept = number(values, "RescaleSlope", file), number(values, "RescaleIntercept", file)
        slices.append(
            Frame(
                instance,
                index,
                _required(numbers(place, "ImagePositionPatient", 3, file), "ImagePositionPatient", instance),
                _required(
                    numbers(turn, "ImageOrientationPatient", 6, file), "ImageOrientationPatient", instance
                ),
                _required(numbers(measures, "PixelSpacing", 2, file), "PixelSpacing", instance),
                1.0 if slope is None else slope,
                0.0 if intercept is None else intercept,
                slope is not None and intercept is not None,
            )
        )
    return slices
