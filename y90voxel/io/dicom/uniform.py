"""What the slices of one series must all say alike, and what contradicts the order they lie in.

Every slice carries the facts of the whole series. Where one of them says something else, one of them is wrong,
and which one cannot be known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, shown, texts
from y90voxel.io.dicom.frames import Frame
from y90voxel.io.dicom.headers import MOST_VOXELS, Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.notices import warn

__all__ = ["check_numbering", "check_rescaled", "check_size", "check_uniform", "one_slice", "slices_missing"]

_EVERY_SERIES = (
    "FrameOfReferenceUID", "PatientPosition", "PhotometricInterpretation", "BitsStored", "PixelRepresentation",
)  # fmt: skip
_EMISSION = (
    "Units",
    "DecayCorrection",
    "SeriesDate",
    "SeriesTime",
    "CorrectedImage",
    "TimezoneOffsetFromUTC",
)
_DRUG = (
    "RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime", "RadionuclideTotalDose",
    "RadionuclideHalfLife", "RadionuclidePositronFraction",
)  # fmt: skip
# So many slices may be numbered against their position before the numbers count as arbitrary.
FEW_OUT_OF_ORDER = 2
# Chosen: three times as many as may be out of order, so that the others are a majority.
FEWEST_SLICES_TO_JUDGE = 6


def check_uniform(series: SeriesRecord, *, emission: bool) -> None:
    """Raise if slices contradict each other in what holds for all of them.

    Raises
    ------
    DicomError
        Naming two files, the attribute and both values.
    """
    keywords = _EVERY_SERIES + _EMISSION if emission else _EVERY_SERIES
    first = series.first
    expected = {k: texts(first.header, k, first.source) for k in keywords}
    drugs = _drug(first) if emission else {}
    for instance in series.instances[1:]:
        for keyword, value in expected.items():
            _compare(keyword, value, texts(instance.header, keyword, instance.source), first, instance)
        for keyword, value in drugs.items():
            _compare(keyword, value, _drug(instance)[keyword], first, instance)


def _drug(instance: Instance) -> dict[str, tuple[str, ...]]:
    """Return what a slice says about its radiopharmaceuticals."""
    file = instance.source
    stated: dict[str, tuple[str, ...]] = dict.fromkeys((*_DRUG, "RadionuclideCodeSequence"), ())
    for item in items(instance.header, "RadiopharmaceuticalInformationSequence", file) or [Dataset()]:
        codes = items(item, "RadionuclideCodeSequence", file)
        for keyword in _DRUG:
            stated[keyword] += texts(item, keyword, file)
        stated["RadionuclideCodeSequence"] += texts(codes[0], "CodeValue", file) if codes else ()
    return stated


def _compare(
    keyword: str, expected: tuple[str, ...], found: tuple[str, ...], first: Instance, other: Instance
) -> None:
    """Raise if two slices differ in an attribute."""
    if found == expected:
        return
    values = [shown("\\".join(v)) or "missing" for v in (expected, found)]
    raise DicomError(
        f"slices of one series contradict each other: {keyword} is {values[0]} in {first.source.name}, {values[1]} in "
        f"{other.source.name}. Export the series again.",
        file=other.source.name,
        tag=keyword,
    )


def check_rescaled(frames: Sequence[Frame], *, emission: bool) -> None:
    """Raise unless every slice says how stored values become real ones.

    Raises
    ------
    DicomError
        If slope or intercept is missing, a slope is zero, a PET slope is negative or a PET intercept not zero
        (DICOM PS3.3 C.8.9.4), or intercepts differ under one slope.
    """
    for frame in frames:
        file = frame.instance.source.name
        if not frame.rescaled:
            missing = "RescaleSlope" if "RescaleIntercept" in frame.instance.header else "RescaleIntercept"
            raise DicomError(
                f"{file} lacks RescaleSlope or RescaleIntercept: what its stored values mean is not known. Export the "
                "series again.",
                file=file,
                tag=missing,
            )
        if frame.slope == 0 or (emission and frame.slope < 0):
            raise DicomError(
                f"RescaleSlope of {file} is {frame.slope:g}; it must be {'positive' if emission else 'other than 0'}. "
                "Export the series again.",
                file=file,
                tag="RescaleSlope",
            )
        if emission and frame.intercept != 0:
            raise DicomError(
                f"RescaleIntercept of {file} is {frame.intercept:g}; in PET images it is always 0. Export the series "
                "again.",
                file=file,
                tag="RescaleIntercept",
            )

    first = frames[0]
    other = next((f for f in frames if f.intercept != first.intercept), None)
    if other is not None and all(f.slope == first.slope for f in frames):
        raise DicomError(
            f"RescaleIntercept is {first.intercept:g} in {first.instance.source.name}, {other.intercept:g} in "
            f"{other.instance.source.name}, with one RescaleSlope in all slices: one of them is wrong. Export the series "
            "again.",
            file=other.instance.source.name,
            tag="RescaleIntercept",
        )


def check_size(frames: Sequence[Frame]) -> None:
    """Raise if the slices together have more voxels than any image of a patient."""
    _, rows, columns = frames[0].instance.matrix_size()
    if len(frames) * rows * columns > MOST_VOXELS:
        file = frames[0].instance.source.name
        raise DicomError(
            f"the series claims {len(frames)} slices of {rows} x {columns} pixels, more than any image of a patient. "
            "The files are damaged.",
            file=file,
            tag="Rows",
        )


def check_numbering(frames: Sequence[Frame]) -> None:
    """Raise if a few slices, sorted by position, are numbered against all the others: two may be swapped.

    Series whose numbers follow no order at all are left alone: some exporters number at random.

    Raises
    ------
    DicomError
        Naming the slice that stands out.
    """
    if len(frames) < FEWEST_SLICES_TO_JUDGE or any(f.instance.is_multiframe_enhanced for f in frames):
        return
    numbers = [number for frame in frames for number in _number(frame.instance)]
    if len(numbers) < len(frames):
        return
    rising, falling = _in_order(numbers), _in_order([-n for n in numbers])
    in_order = rising if len(rising) >= len(falling) else falling
    out = sorted(set(range(len(numbers))) - set(in_order))
    if not out or len(out) > max(FEW_OUT_OF_ORDER, len(numbers) // 20):
        return
    worst = frames[out[0]].instance
    raise DicomError(
        f"{worst.source.name} has InstanceNumber {numbers[out[0]]:g}, which contradicts its ImagePositionPatient: the "
        f"other {len(in_order)} slices are numbered in order of their position. Slices may be swapped: export the series "
        "again.",
        file=worst.source.name,
        tag="InstanceNumber",
    )


def _number(instance: Instance) -> Iterator[float]:
    """Yield the instance number, nothing where it is no number."""
    try:
        yield float(instance.text("InstanceNumber"))
    except ValueError:  # a DicomError is one too
        return


def _in_order(numbers: Sequence[float]) -> list[int]:
    """Return the places of a longest subsequence that does not fall (patience sorting)."""
    tails: list[float] = []
    places: list[int] = []
    before: list[int | None] = []
    for place, number in enumerate(numbers):
        pile = bisect_right(tails, number)
        before.append(places[pile - 1] if pile else None)
        tails[pile : pile + 1] = [number]
        places[pile : pile + 1] = [place]
    chain: list[int] = []
    last: int | None = places[-1] if places else None
    while last is not None:
        chain.append(last)
        last = before[last]
    return chain[::-1]


def one_slice(instance: Instance) -> DicomError:
    """Return the error for an emission image of a single slice."""
    return DicomError(
        f"{instance.source.name} is a single slice: that is no volume whose dose could be computed. Export the whole "
        "series.",
        file=instance.source.name,
        tag="NumberOfFrames",
    )


def slices_missing(series: SeriesRecord, slice_count: int) -> list[Notice]:
    """Return a warning when a series says that it has more slices than there are."""
    stated = series.first.numbers("NumberOfSlices", 1)
    if stated is None or stated[0] <= slice_count:
        return []
    return [
        warn(
            "slices-missing",
            f"NumberOfSlices is {stated[0]:g}, but there are {slice_count} slices: the image may end too early. Regions that "
            "it does not cover are refused.",
            file=series.first.source.name,
            tag="NumberOfSlices",
            value=f"{stated[0]:g}",
        )
    ]
