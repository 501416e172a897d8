"""Opposite planar views, for the planar lung shunt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, number, text
from y90voxel.io.dicom.ct import raise_refusals
from y90voxel.io.dicom.geometry import axes_of
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.dicom.nm_geometry import detector_geometry
from y90voxel.io.dicom.pixels import stored_values
from y90voxel.io.dicom.several_drugs import SURROGATE_PHOTON_KEV
from y90voxel.io.notices import warn
from y90voxel.quantification.emission import PlanarImage
from y90voxel.volumes.grid import Grid

__all__ = ["plan_planar", "read_planar"]

# View codes of DICOM PS3.16 CID 26, in SNOMED CT and in the older SRT.
ANTERIOR_CODES = {"399321004", "399348003", "R-10206"}
POSTERIOR_CODES = {"272479007", "399022004", "R-10214"}
# Rows and columns of opposite views run along each other, either way, within 45 degrees [cosine].
ALONG = 0.7
SAME_PIXELS = 0.01  # chosen: pixels that differ by less than this fraction differ by rounding


@dataclass(frozen=True, eq=False)
class View:
    """One planar frame: where it is stored, what it sees, and which way its rows run.

    Parameters
    ----------
    instance : Instance
        The file.
    frame : int
        Frame number in it, from 0.
    anterior : bool
        Seen from the front, else from the back.
    position_mm, orientation : tuple of float or None
        Geometry of the detector, where stated.
    """

    instance: Instance
    frame: int
    anterior: bool
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None


def read_planar(series: SeriesRecord) -> tuple[PlanarImage, tuple[Notice, ...]]:
    """Return both planar views as seen from the front, and what was noticed.

    Raises
    ------
    DicomError
        If the series does not hold one anterior and one posterior view of the same size and plane.
    """
    front, back, notices = plan_planar(series)
    anterior, posterior = _counts(front), _counts(back)
    down, along = _runs(front, back)
    return PlanarImage(anterior, posterior[::down, ::along], _grid(front, anterior.shape)), notices


def plan_planar(series: SeriesRecord) -> tuple[View, View, tuple[Notice, ...]]:
    """Return the anterior and the posterior view of a series from its headers alone.

    Raises
    ------
    DicomError
        If there is not exactly one of each, or they differ in size, pixels or plane.
    """
    raise_refusals(series)
    views = [view for instance in series.instances for view in _views(instance)]
    front = [v for v in views if v.anterior]
    back = [v for v in views if not v.anterior]
    if len(front) != 1 or len(back) != 1:
        raise DicomError(
            f"the planar series has {len(front)} anterior and {len(back)} posterior views; the planar lung shunt "
            "needs one of each (photopeak only). Choose another series or give --lung-shunt.",
            file=series.first.source.name,
            tag="DetectorVector",
        )
    _check_alike(front[0], back[0])
    notices = list(series.notices)
    if front[0].orientation is None or back[0].orientation is None:
        notices.append(
            warn(
                "planar-without-orientation",
                "the planar views carry no orientation; the posterior one is taken as seen from behind and mirrored.",
                file=back[0].instance.source.name,
                tag="ImageOrientationPatient",
            )
        )
    if front[0].position_mm is None or front[0].instance.numbers("PixelSpacing", 2) is None:
        notices.append(
            warn(
                "planar-without-position",
                "the planar views carry no position, so no region can be projected onto them.",
                file=front[0].instance.source.name,
                tag="ImagePositionPatient",
            )
        )
    return front[0], back[0], tuple(notices)


def _views(instance: Instance) -> list[View]:
    """Return the frames of the photopeak window with a known view."""
    frames, _, _ = instance.matrix_size()
    detectors = _vector(instance, "DetectorVector", frames)
    if min(detectors) < 1:
        raise DicomError(
            f"DetectorVector of {instance.source.name} holds {min(detectors)}; detectors are counted from 1. Export it again.",
            file=instance.source.name,
            tag="DetectorVector",
        )
    windows = _vector(instance, "EnergyWindowVector", frames)
    peak = _photopeak(instance, sorted(set(windows)))
    views = []
    for frame in range(frames):
        if windows[frame] != peak:
            continue
        position, turn = detector_geometry(instance, detectors[frame] - 1)
        anterior = _is_anterior(instance, detectors[frame] - 1, turn)
        views.append(View(instance, frame, anterior, position, turn))
    return views


def _vector(instance: Instance, keyword: str, frames: int) -> list[int]:
    """Return a frame vector; all ones where it is absent."""
    values = instance.numbers(keyword)
    if values is None:
        return [1] * frames
    if len(values) != frames:
        raise DicomError(
            f"{keyword} of {instance.source.name} has {len(values)} values for {frames} frames. Export it again.",
            file=instance.source.name,
            tag=keyword,
        )
    return [int(v) for v in values]


def _photopeak(instance: Instance, windows: Sequence[int]) -> int:
    """Return the number of the energy window that holds the surrogate's line; the only one if there is one."""
    if len(windows) == 1:
        return windows[0]
    file = instance.source
    described = items(instance.header, "EnergyWindowInformationSequence", file)
    holding = []
    for window in windows:
        inner = described[window - 1] if 0 < window <= len(described) else Dataset()
        for limits in items(inner, "EnergyWindowRangeSequence", file):
            low, high = (
                number(limits, "EnergyWindowLowerLimit", file),
                number(limits, "EnergyWindowUpperLimit", file),
            )
            if low is not None and high is not None and low <= SURROGATE_PHOTON_KEV <= high:
                holding.append(window)
    if len(holding) != 1:
        raise DicomError(
            f"{file.name} has {len(windows)} energy windows, of which {len(holding)} hold {SURROGATE_PHOTON_KEV:g} keV; the "
            "photopeak cannot be told. Export the photopeak alone.",
            file=file.name,
            tag="EnergyWindowVector",
        )
    return holding[0]


def _is_anterior(instance: Instance, detector: int, turn: tuple[float, ...] | None) -> bool:
    """Return whether a detector sees the patient from the front: by view code, orientation, then words."""
    file = instance.source
    detectors = items(instance.header, "DetectorInformationSequence", file)
    inner = detectors[detector] if detector < len(detectors) else Dataset()
    for code in items(inner, "ViewCodeSequence", file):
        value, meaning = text(code, "CodeValue", file).upper(), text(code, "CodeMeaning", file).lower()
        if value in ANTERIOR_CODES or meaning.startswith("ant"):
            return True
        if value in POSTERIOR_CODES or meaning.startswith("post"):
            return False
    if turn is not None:
        toward_back = axes_of(turn, file.name)[2][1]  # the normal of an anterior view points to the back
        if abs(toward_back) > 0.7:
            return bool(toward_back > 0)
    words = instance.text("SeriesDescription").lower()
    front, back = "ant" in words, "post" in words
    if front != back:
        return front
    raise DicomError(
        f"{file.name}: it cannot be told whether detector {detector + 1} sees the patient from the front or from "
        "behind (no ViewCodeSequence, no orientation). Export the views with it, or give --lung-shunt.",
        file=file.name,
        tag="ViewCodeSequence",
    )


def _check_alike(front: View, back: View) -> None:
    """Raise unless the pixels of both views are as many, as large, and lie opposite to each other."""
    name = back.instance.source.name
    sizes = [view.instance.matrix_size()[1:] for view in (front, back)]
    if sizes[0] != sizes[1]:
        raise DicomError(
            f"the anterior view has {sizes[0]} pixels, the posterior {sizes[1]}; they must be alike.",
            file=name,
            tag="Rows",
        )
    one, other = (view.instance.numbers("PixelSpacing", 2) for view in (front, back))
    if one is not None and other is not None and not np.allclose(other, one, rtol=SAME_PIXELS, atol=0):
        raise DicomError(
            f"pixels of the anterior view are {one[0]:g} x {one[1]:g} mm, those of the posterior {other[0]:g} x {other[1]:g} mm; "
            "they must be alike. Export both views with one zoom.",
            file=name,
            tag="PixelSpacing",
        )
    if 0 in _runs(front, back):
        raise DicomError(
            f"the planar views do not lie opposite to each other: ImageOrientationPatient is {front.orientation} for the "
            f"anterior, {back.orientation} for the posterior one. Export them again.",
            file=name,
            tag="ImageOrientationPatient",
        )


def _runs(front: View, back: View) -> tuple[int, int]:
    """Return which way columns and rows of the posterior view run: 1 as those of the anterior one, -1 against, 0 neither.

    Without an orientation it is taken as seen from behind.
    """
    if front.orientation is None or back.orientation is None:
        return 1, -1
    pairs = (slice(3, 6), slice(3))
    down, along = (float(np.dot(front.orientation[part], back.orientation[part])) for part in pairs)
    return _way(down), _way(along)


def _way(cosine: float) -> int:
    """Return 1 for directions that run along each other, -1 against, 0 for neither."""
    return 0 if abs(cosine) < ALONG else 1 if cosine > 0 else -1


def _counts(view: View) -> NDArray[np.float64]:
    """Return the counts of one view, (rows, columns)."""
    slope = view.instance.numbers("RescaleSlope", 1) or (1.0,)
    intercept = view.instance.numbers("RescaleIntercept", 1) or (0.0,)
    stored: NDArray[Any] = stored_values(view.instance)[view.frame]
    return np.asarray(stored.astype(np.float64) * slope[0] + intercept[0])


def _grid(front: View, shape: tuple[int, ...]) -> Grid | None:
    """Return the plane of the anterior view as a grid of one slice, None without position or spacing."""
    spacing = front.instance.numbers("PixelSpacing", 2)
    if front.position_mm is None or front.orientation is None or spacing is None or min(spacing) <= 0:
        return None
    row, column, normal = axes_of(front.orientation, front.instance.source.name)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([normal * spacing[0], column * spacing[0], row * spacing[1]])
    affine[:3, 3] = front.position_mm
    return Grid((1, shape[0], shape[1]), affine, front.instance.text("FrameOfReferenceUID") or None)
