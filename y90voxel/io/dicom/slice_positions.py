"""Positions of slices along their normal and the distances between them: even, uneven, of several thicknesses, or one missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, number
from y90voxel.io.dicom.frames import Frame, functional_group
from y90voxel.io.notices import warn

__all__ = ["ROUNDING_MM", "EvenSteps", "check_position", "check_spacing", "even_steps"]

Floats = NDArray[np.floating[Any]]

# Slices this close to even positions are even (rounding of the file) [mm].
ROUNDING_MM = 0.01
# Up to this part of a step off an even position, CT numbers stay and activity is settled linearly; beyond it both
# are interpolated to even positions. (A GE PET with steps of 3.19 to 3.29 mm: 0.04 mm off, 1.2 %.)
ACCEPTED_UNEVENNESS = 0.015
# A step outside these multiples of the median step is a missing or an extra slice.
SMALLEST_STEP, LARGEST_STEP = 0.5, 1.5
# Distances between voxels and from the scanner's origin beyond which a header is damaged [mm].
SMALLEST_SPACING_MM, LARGEST_SPACING_MM, FARTHEST_MM = 0.01, 200.0, 1e5
# Slices of several thicknesses touch each other: a step is that of its two slices but for this part.
TOUCHING_TOLERANCE = 0.2
# So many times the thinnest slice is the thickest of a series (1 mm through the lungs, 10 mm below); thicknesses within a
# tenth of each other are one.
LARGEST_THICKNESS_RATIO, SAME_THICKNESS = 10.0, 1.1


@dataclass(frozen=True)
class EvenSteps:
    """The even positions that slices stand for or are brought to.

    Parameters
    ----------
    start_mm : float
        First even position along the normal [mm].
    step_mm : float
        Distance between them [mm].
    count : int
        How many there are.
    uneven : bool
        Whether values must be interpolated to them.
    """

    start_mm: float
    step_mm: float
    count: int
    uneven: bool


def check_spacing(spacing_mm: Sequence[float], file: str, keyword: str = "PixelSpacing") -> None:
    """Raise unless distances between voxels are those of an image of a patient (0.01 to 200 mm).

    Raises
    ------
    DicomError
        For a distance that is zero, negative or absurd.
    """
    if min(spacing_mm) >= SMALLEST_SPACING_MM and max(spacing_mm) <= LARGEST_SPACING_MM:
        return
    spacing_text = " x ".join(f"{v:g}" for v in spacing_mm)
    raise DicomError(
        f"{keyword} of {file} is {spacing_text} mm; it must be positive, from {SMALLEST_SPACING_MM:g} to "
        f"{LARGEST_SPACING_MM:g} mm. The file is damaged: export it again.",
        file=file,
        tag=keyword,
    )


def check_position(position_mm: Sequence[float], file: str) -> None:
    """Raise if an image lies farther from the scanner's origin than any table moves (100 m).

    Raises
    ------
    DicomError
        For an absurd position.
    """
    if max(abs(v) for v in position_mm) > FARTHEST_MM:
        raise DicomError(
            f"ImagePositionPatient of {file} is {[f'{v:g}' for v in position_mm]} mm, out of reach of any scanner. The "
            "file is damaged: export it again.",
            file=file,
            tag="ImagePositionPatient",
        )


def even_steps(
    frames: Sequence[Frame],
    heights: Floats,
    single_step_mm: float | None,
    notices: list[Notice],
    *,
    several_thicknesses: bool = False,
) -> EvenSteps:
    """Return the best even positions of sorted slices.

    Parameters
    ----------
    frames : sequence of Frame
        Sorted along the normal.
    heights : ndarray, (slices,)
        Where they lie along it [mm].
    single_step_mm : float or None
        Thickness of a single slice [mm].
    notices : list of Notice
        Gets what was noticed.
    several_thicknesses : bool
        Whether parts may be scanned with another thickness and distance (CT).

    Raises
    ------
    DicomError
        If slices are missing, lie at one position, or a single one has no thickness.
    """
    if several_thicknesses:
        mixed = _mixed_steps(frames, heights, notices)
        if mixed is not None:
            return mixed
    step = _median_step(frames, heights, single_step_mm)
    start, step, uneven = _even_positions(frames, heights, step, notices)
    return EvenSteps(start, step, len(frames), uneven)


def _mixed_steps(frames: Sequence[Frame], heights: Floats, notices: list[Notice]) -> EvenSteps | None:
    """Return steps of the thinnest slices for slices of several thicknesses that touch each other; None for other series.

    A distance of twice the thickness is a missing slice, one of twice the distance elsewhere between slices of twice the
    thickness is none.
    """
    stated = [_thickness(frame) for frame in frames]
    thickness = np.array([value or 0.0 for value in stated])
    if len(frames) < 2 or thickness.min() <= 0:
        return None
    ratio = thickness.max() / thickness.min()
    if not SAME_THICKNESS < ratio <= LARGEST_THICKNESS_RATIO:
        return None
    steps = np.diff(heights)
    if steps.max() <= SAME_THICKNESS * steps.min():
        return None
    low, high = np.minimum(thickness[:-1], thickness[1:]), np.maximum(thickness[:-1], thickness[1:])
    if (steps < (1 - TOUCHING_TOLERANCE) * low).any() or (steps > (1 + TOUCHING_TOLERANCE) * high).any():
        return None
    first, last = heights[0] - steps[0] / 2, heights[-1] + steps[-1] / 2
    count = round((last - first) / steps.min())
    step = float((last - first) / count)
    file = frames[int(thickness.argmax())].instance.source.name
    check_spacing([float(steps.min())], file, "ImagePositionPatient")
    notices.append(
        warn(
            "several-thicknesses",
            f"slices are {thickness.min():g} to {thickness.max():g} mm thick and {steps.min():.2f} to {steps.max():.2f} mm "
            f"apart; they are interpolated to {count} even slices of {step:.2f} mm from their true positions.",
            file=file,
            tag="SliceThickness",
            value=f"{thickness.max():g}",
        )
    )
    return EvenSteps(float(first) + step / 2, step, count, True)


def _thickness(frame: Frame) -> float | None:
    """Return the thickness of a slice [mm]."""
    instance, file = frame.instance, frame.instance.source
    if not instance.is_multiframe_enhanced:
        return number(instance.header, "SliceThickness", file)
    groups = items(instance.header, "PerFrameFunctionalGroupsSequence", file)
    own = groups[frame.index] if frame.index < len(groups) else Dataset()
    return number(functional_group(instance, own, "PixelMeasuresSequence"), "SliceThickness", file)


def _median_step(frames: Sequence[Frame], heights: Floats, single_step_mm: float | None) -> float:
    """Return the usual distance between slices; raise for slices missing or at one position."""
    if len(frames) == 1:
        if single_step_mm is None or single_step_mm <= 0:
            raise DicomError(
                f"{frames[0].instance.source.name} is the only slice and has no positive SliceThickness. Give "
                "the whole series.",
                file=frames[0].instance.source.name,
                tag="SliceThickness",
            )
        check_spacing([single_step_mm], frames[0].instance.source.name, "SliceThickness")
        return single_step_mm
    steps = np.diff(heights)
    median = float(np.median(steps))
    for i, step in enumerate(steps):
        one, other = frames[i].instance.source.name, frames[i + 1].instance.source.name
        if step < ROUNDING_MM:
            raise DicomError(
                f"{one} and {other} are different images at one position ({heights[i]:.2f} mm along the "
                "normal). Several volumes share this series: export each as its own series.",
                file=other,
                tag="ImagePositionPatient",
            )
        if not SMALLEST_STEP <= step / median <= LARGEST_STEP:
            missing = round(step / median) - 1
            what = f"{missing} slice(s) missing" if missing > 0 else "an extra slice"
            raise DicomError(
                f"{what} between {one} and {other}: they lie {step:.2f} mm apart, the others {median:.2f} mm. "
                "Export the complete series.",
                file=other,
                tag="ImagePositionPatient",
            )
    check_spacing([median], frames[0].instance.source.name, "ImagePositionPatient")
    return median


def _even_positions(
    frames: Sequence[Frame], heights: Floats, step: float, notices: list[Notice]
) -> tuple[float, float, bool]:
    """Return start and step of the best even positions, and whether values must be interpolated to them."""
    count = len(heights)
    if count == 1:
        return float(heights[0]), step, False
    index = np.arange(count)
    even = (heights[-1] - heights[0]) / (count - 1)
    if np.abs(heights - heights[0] - index * even).max() <= ROUNDING_MM:
        return float(heights[0]), float(even), False
    slope, start = (float(v) for v in np.polyfit(index, heights, 1))
    worst = np.abs(heights - start - index * slope)
    off = float(worst.max())
    steps = np.diff(heights)
    file = frames[int(worst.argmax())].instance.source.name
    deviation_text = (
        f"slices are {steps.min():.3f} to {steps.max():.3f} mm apart, up to {off:.3f} mm off even positions"
    )
    if off <= ACCEPTED_UNEVENNESS * step:
        action = (
            f"taken as even steps of {slope:.4f} mm (tolerance {100 * ACCEPTED_UNEVENNESS:.1f} % of a step; activity "
            "moves linearly between neighbours, its sum is kept)"
        )
        notices.append(
            warn(
                "uneven-slices",
                f"{deviation_text}; {action}.",
                file=file,
                tag="ImagePositionPatient",
                value=f"{off:.3f}",
            )
        )
        return start, slope, False
    action = f"interpolated to even steps of {slope:.4f} mm from the true positions"
    notices.append(
        warn(
            "uneven-slices",
            f"{deviation_text}; {action}.",
            file=file,
            tag="ImagePositionPatient",
            value=f"{off:.3f}",
        )
    )
    return start, slope, True
