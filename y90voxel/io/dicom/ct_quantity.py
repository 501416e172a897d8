"""What the values of a CT series are: Hounsfield units, or a derived map of something else.

Perfusion, iodine, effective atomic number and the like come as CT objects. Hounsfield units are meant where RescaleType is HU,
or is absent and the image is ORIGINAL PRIMARY (DICOM PS3.3 C.11.1.1.2); RescaleType, ImageType and the unit of the real-world
value mapping are compared.
"""

from __future__ import annotations

import re

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, shown, text, texts
from y90voxel.io.dicom.frames import Frame, functional_group
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.index import SeriesRecord
from y90voxel.io.notices import warn

__all__ = ["HU_UNITS", "check_quantity", "is_other_quantity"]

# UCUM codes of Hounsfield units, and codes that state no unit.
HU_UNITS, NO_UNITS = {"[hnsf'u]", "hnsf'u", "hu"}, {"", "1", "{counts}"}
# Values of ImageType that name another quantity, and what that is.
OTHER_QUANTITIES = {
    r"IODINE|IOD(?:INE)?_?(?:MAP|NOWATER)?|IMD|I_?MAP": "iodine concentration",
    r"Z_?EFF(?:ECTIVE)?|EFF_?Z|RHO_?Z|Z_?MAP": "effective atomic number",
    r"VNC|VUE|VIRTUAL_(?:NON_?CONTRAST|UNENHANCED)|VIRTUALNONCONTRAST": "a virtual image without contrast agent",
    r"PERFUSION|PERF|R?CBF|R?CBV|BLOOD_?(?:FLOW|VOLUME)|MTT|TTP|TTS|TMAX|TTD|PERMEABILITY|FLOW_?EXT": "perfusion",
    r"ELECTRON_?DENSITY|RHO|EDW?|ED_?MAP": "electron density",
    r"PBV|FAT_?MAP|FAT_?FRACTION|CALCIUM|CA_?MAP|URIC_?ACID|WATER_?MAP|MATERIAL_?(?:MAP|DENSITY)|MD_?MAP": "a material",
    r"OVERLAY|COLOU?R_?MAP|SUBTRACTION|DIFFERENCE|DVF|UNCERTAINTY": "a map",
}


def check_quantity(series: SeriesRecord, frames: tuple[Frame, ...]) -> list[Notice]:
    """Return a warning where it is not sure that a CT series is in Hounsfield units.

    Raises
    ------
    DicomError
        If its header names another quantity, with the attribute that does.
    """
    notes: dict[str, Notice] = {}
    for frame in frames:
        instance = frame.instance
        doubt = _named(instance, _rescale_type(frame), _mapped_unit(frame))
        if doubt is not None:
            tag, value, what = doubt
            raise DicomError(
                f"the CT series {shown(series.description)!r} is not in Hounsfield units: {tag} of {instance.source.name} is "
                f"{shown(value)} ({what}). Tissue densities cannot be taken from it: choose the plain CT (--ct-series), or leave "
                "this series out.",
                file=instance.source.name,
                tag=tag,
            )
        for note in _doubts(instance, _rescale_type(frame)):
            notes.setdefault(note.code, note)
    return [*notes.values(), *_several_slopes(frames)]


def _several_slopes(frames: tuple[Frame, ...]) -> list[Notice]:
    """Return a warning where slices of a CT are scaled differently: scanners write one RescaleSlope."""
    low, high = min(frames, key=lambda f: f.slope), max(frames, key=lambda f: f.slope)
    if low.slope == high.slope:
        return []
    name = high.instance.source.name
    return [
        warn(
            "ct-slopes-differ",
            f"RescaleSlope is {low.slope:g} in {low.instance.source.name} and {high.slope:g} in {name}; each slice is scaled "
            "with its own. A scanner writes one for all: check the densities of lung and soft tissue.",
            file=name,
            tag="RescaleSlope",
            value=f"{high.slope:g}",
        )
    ]


def is_other_quantity(series: SeriesRecord) -> bool:
    """Return whether the first image of a CT series names another quantity than Hounsfield units."""
    first = series.first
    return (
        not first.is_multiframe_enhanced
        and _named(first, first.text("RescaleType"), _classic_unit(first)) is not None
    )


def _named(instance: Instance, rescale_type: str, unit: str) -> tuple[str, str, str] | None:
    """Return the attribute that names another quantity, its value and what that is."""
    kind = rescale_type.upper()
    if kind not in ("", "HU", "US", "HU_MOD"):
        return "RescaleType", kind, "another quantity"
    for value in texts(instance.header, "ImageType", instance.source)[2:]:
        for pattern, what in OTHER_QUANTITIES.items():
            if re.fullmatch(pattern, value.strip().upper().replace(" ", "_").replace("-", "_")):
                return "ImageType", value, what
    if unit.lower() not in HU_UNITS | NO_UNITS:
        return "MeasurementUnitsCodeSequence", unit, "the unit of its real-world values"
    return None


def _doubts(instance: Instance, rescale_type: str) -> list[Notice]:
    """Return a warning where Hounsfield units are likely and not stated."""
    kind, image = rescale_type.upper(), instance.image_type[:2]
    if kind == "HU" or (not kind and image == ("ORIGINAL", "PRIMARY")):
        return []
    named = (
        f"RescaleType {kind}" if kind else f"no RescaleType, ImageType {shown('/'.join(image)) or 'missing'}"
    )
    return [
        warn(
            "ct-quantity-unstated",
            f"the CT does not say that it is in Hounsfield units ({named}, RescaleType HU is expected); it is taken so. Check "
            "the densities of lung and soft tissue.",
            file=instance.source.name,
            tag="RescaleType",
            value=kind,
        )
    ]


def _rescale_type(frame: Frame) -> str:
    """Return the RescaleType of a slice."""
    instance, file = frame.instance, frame.instance.source
    if not instance.is_multiframe_enhanced:
        return instance.text("RescaleType")
    groups = items(instance.header, "PerFrameFunctionalGroupsSequence", file)
    return text(
        functional_group(instance, groups[frame.index], "PixelValueTransformationSequence"),
        "RescaleType",
        file,
    )


def _mapped_unit(frame: Frame) -> str:
    """Return the unit code of the first real-world value mapping of a slice, empty where there is none."""
    instance, file = frame.instance, frame.instance.source
    if not instance.is_multiframe_enhanced:
        return _classic_unit(instance)
    groups = items(instance.header, "PerFrameFunctionalGroupsSequence", file)
    mapping = functional_group(instance, groups[frame.index], "RealWorldValueMappingSequence")
    codes = items(mapping, "MeasurementUnitsCodeSequence", file)
    return text(codes[0], "CodeValue", file) if codes else ""


def _classic_unit(instance: Instance) -> str:
    """Return the unit code of the first real-world value mapping of a classic image."""
    for mapping in items(instance.header, "RealWorldValueMappingSequence", instance.source):
        codes = items(mapping, "MeasurementUnitsCodeSequence", instance.source)
        return text(codes[0], "CodeValue", instance.source) if codes else ""
    return ""
