"""What the values of a PET series are: activity concentration, corrected for attenuation, rescaled in one way."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydicom.dataset import Dataset

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, number, shown, text, texts
from y90voxel.io.dicom.frames import Frame, functional_group
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.notices import warn

__all__ = ["check_mapping", "check_units", "check_values", "gate_of"]

# Slopes are written with so many digits at least.
SLOPE_TOLERANCE = 1e-4
WHY_NOT_UNITS = {
    "CNTS": "counts without a calibration",
    "PROPCNTS": "counts without a calibration",
    "PROPCPS": "count rates without a calibration",
    "CPS": "count rates without a calibration",
    "GML": "a standardised uptake value",
    "CM2ML": "a standardised uptake value",
    "": "no unit at all",
}


def check_units(series: SeriesRecord) -> None:
    """Raise unless every slice is in Bq/mL.

    Raises
    ------
    DicomError
        Naming the unit that was found.
    """
    for instance in series.instances:
        units = instance.text("Units").upper()
        if instance.is_multiframe_enhanced and not units:
            units = _mapped_units(instance)
        if units != "BQML":
            why = WHY_NOT_UNITS.get(units, "not an activity concentration")
            raise DicomError(
                f"the PET image is in {shown(units) or 'unstated units'} ({why}), needed is BQML (Bq/mL). Export the "
                "attenuation-corrected series in Bq/mL.",
                file=instance.source.name,
                tag="Units",
            )
        kind = instance.text("RescaleType").upper()
        if kind in WHY_NOT_UNITS and kind:
            raise DicomError(
                f"Units of {instance.source.name} are BQML, but its RescaleType is {kind} ({WHY_NOT_UNITS[kind]}). One of both "
                "is wrong: export the series in Bq/mL.",
                file=instance.source.name,
                tag="RescaleType",
            )


def check_values(series: SeriesRecord) -> list[Notice]:
    """Return what there is to say about the kind of series.

    Raises
    ------
    DicomError
        If the image is not corrected for attenuation, or is a projection.
    """
    first = series.first
    corrected = texts(first.header, "CorrectedImage", first.source)
    listed = any(corrected) and "ATTN" not in corrected
    if listed or first.text("AttenuationCorrected").upper() == "NO":
        statement = (
            f"CorrectedImage is {shown(', '.join(corrected))}" if listed else "AttenuationCorrected is NO"
        )
        raise DicomError(
            f"the PET image is not corrected for attenuation ({statement}): its values are no activity concentration. Choose "
            "the attenuation-corrected series.",
            file=first.source.name,
            tag="CorrectedImage" if listed else "AttenuationCorrected",
        )
    kind = texts(first.header, "SeriesType", first.source)
    if "REPROJECTION" in kind:
        raise DicomError(
            "the PET series is a reprojection (SeriesType REPROJECTION): a view of the volume, not the volume. Choose "
            "the series of axial slices.",
            file=first.source.name,
            tag="SeriesType",
        )
    if not {"GATED", "DYNAMIC"} & set(kind):
        return []
    return [
        warn(
            "one-phase",
            f"SeriesType is {shown(', '.join(kind))}: this is one gate or time frame of several, with its share of the counts.",
            file=first.source.name,
            tag="SeriesType",
            value="\\".join(kind),
        )
    ]


def gate_of(first: Instance) -> str | None:
    """Return what a header calls one gate of the breathing or heart cycle; None where it does not call it one.

    Parameters
    ----------
    first : Instance
        First object of the series; Series Type (0054,1000) of PS3.3 C.8.9.1.1.4.
    """
    values = texts(first.header, "SeriesType", first.source)
    return f"SeriesType {', '.join(values)}" if "GATED" in values else None


def check_mapping(frames: Sequence[Frame], units: Collection[str] = ("bq/ml",)) -> None:
    """Raise if a slice is mapped to its unit otherwise than it is rescaled: one of both is wrong.

    Parameters
    ----------
    frames : sequence of Frame
        Slices.
    units : collection of str
        UCUM codes of the unit that they are rescaled to, in lower case.

    Raises
    ------
    DicomError
        Naming both slopes and intercepts.
    """
    for frame in frames:
        file = frame.instance.source
        for mapping in _mappings(frame):
            slope = number(mapping, "RealWorldValueSlope", file)
            intercept = number(mapping, "RealWorldValueIntercept", file) or 0.0
            if slope is None or _unit(mapping, file) not in units:
                continue
            if abs(slope - frame.slope) > SLOPE_TOLERANCE * abs(frame.slope) or intercept != frame.intercept:
                unit = "Bq/mL" if "bq/ml" in units else "HU"
                raise DicomError(
                    f"{file.name} is rescaled to {unit} in two ways: RescaleSlope {frame.slope:g} and RescaleIntercept "
                    f"{frame.intercept:g}, but RealWorldValueSlope {slope:g} and RealWorldValueIntercept {intercept:g}. "
                    "Export the series again.",
                    file=file.name,
                    tag="RealWorldValueSlope",
                )


def _mappings(frame: Frame) -> list[Dataset]:
    """Return the real-world value mappings of a slice."""
    instance = frame.instance
    if not instance.is_multiframe_enhanced:
        return items(instance.header, "RealWorldValueMappingSequence", instance.source)
    per_frame = items(instance.header, "PerFrameFunctionalGroupsSequence", instance.source)
    own = items(per_frame[frame.index], "RealWorldValueMappingSequence", instance.source)
    return own or [functional_group(instance, Dataset(), "RealWorldValueMappingSequence")]


def _unit(mapping: Dataset, file: object) -> str:
    """Return the unit code of a mapping, in lower case."""
    codes = items(mapping, "MeasurementUnitsCodeSequence", file)
    return text(codes[0], "CodeValue", file).lower() if codes else ""


def _mapped_units(instance: Instance) -> str:
    """Return BQML when the first frame of an enhanced object is mapped to Bq/mL, else its unit code."""
    per_frame = items(instance.header, "PerFrameFunctionalGroupsSequence", instance.source)
    first = per_frame[0] if per_frame else Dataset()
    unit = _unit(functional_group(instance, first, "RealWorldValueMappingSequence"), instance.source)
    return "BQML" if unit == "bq/ml" else unit.upper()
