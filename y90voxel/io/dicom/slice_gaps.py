"""Slices that lie farther apart than they are thick: by design, or because every second one is missing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import gcd

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import number
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.geometry import Stack
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.notices import warn

__all__ = ["check_gaps"]

# Thickness is the nominal one and is rounded; a step beyond it by this part is a gap.
GAP_TOLERANCE = 0.2
FEWEST_SLICES = 3  # two slices have one distance, which cannot be compared with another
# Positions and spacing are written with few digits.
SPACING_TOLERANCE = 0.05


def check_gaps(series: SeriesRecord, stack: Stack, *, emission: bool) -> list[Notice]:
    """Return a warning where slices lie farther apart than they are thick.

    Raises
    ------
    DicomError
        If slices of an emission image are missing throughout: their numbers advance by two or more, and the distance
        is as many times the thickness.
    """
    first = stack.frames[0].instance
    few = len(stack.frames) < FEWEST_SLICES
    if first.is_multiframe_enhanced or few or stack.of_several_thicknesses:
        return []
    thickness = number(first.header, "SliceThickness", first.source)
    step = stack.grid.spacing_mm[0]
    notes = _spacing_contradicted(stack, step)
    if thickness is None or thickness <= 0:
        return notes
    if emission and step < (1 - GAP_TOLERANCE) * thickness:
        message = (
            f"slices lie {step:.2f} mm apart and are {thickness:.2f} mm thick; they are taken as {step:.2f} mm thick. Check that "
            "ImagePositionPatient is right."
        )
        name = first.source.name
        return [
            *notes,
            warn("slices-overlap", message, file=name, tag="SliceThickness", value=f"{thickness:g}"),
        ]
    if step <= (1 + GAP_TOLERANCE) * thickness:
        return notes
    stride = _stride(stack.frames)
    numbered = stride > 1 and abs(step / thickness / stride - 1) <= GAP_TOLERANCE
    stated = number(first.header, "NumberOfSlices", first.source) or 0.0
    halved = stated >= 2 * len(stack.frames) - 1
    apart = f"slices lie {step:.2f} mm apart and are {thickness:.2f} mm thick"
    if emission and (numbered or halved):
        thickness_text = (
            f"InstanceNumber advances by {stride}"
            if numbered
            else f"NumberOfSlices is {stated:g}, {len(stack.frames)} are here"
        )
        raise DicomError(
            f"{apart}, and {thickness_text}: slices between them are missing. Export the complete series.",
            file=first.source.name,
            tag="InstanceNumber" if numbered else "NumberOfSlices",
        )
    return [
        *notes,
        warn(
            "slice-gaps",
            f"{apart}: between them nothing was {'measured' if emission else 'imaged or exported'}; each slice stands for the "
            "whole distance. If the series had more slices, export all of them.",
            file=series.first.source.name,
            tag="SliceThickness",
            value=f"{thickness:g}",
        ),
    ]


def _spacing_contradicted(stack: Stack, step_mm: float) -> list[Notice]:
    """Return a warning where SpacingBetweenSlices is not the distance of the positions."""
    first = stack.frames[0].instance
    stated = number(first.header, "SpacingBetweenSlices", first.source)
    if not stated or abs(abs(stated) / step_mm - 1) <= SPACING_TOLERANCE:
        return []
    message = (
        f"SpacingBetweenSlices is {abs(stated):.2f} mm, but slices lie {step_mm:.2f} mm apart by ImagePositionPatient, which "
        "counts."
    )
    name = first.source.name
    return [
        warn("spacing-contradicts-positions", message, file=name, tag="SpacingBetweenSlices", value=stated)
    ]


def _stride(frames: Sequence[Frame]) -> int:
    """Return by how much the numbers of slices advance along the stack: 1 where one of them follows another."""
    numbers = []
    for frame in frames:
        try:
            numbers.append(int(frame.instance.text("InstanceNumber")))
        except ValueError:  # a DicomError is one too
            return 1
    steps = {abs(after - before) for before, after in itertools.pairwise(numbers)}
    return gcd(*steps) if steps else 1
