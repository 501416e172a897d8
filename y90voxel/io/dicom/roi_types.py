"""What DICOM objects say that a region is, beside its name: interpreted type of an ROI, property type of a segment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from y90voxel.errors import Notice
from y90voxel.io.dicom.attributes import items, shown, text, whole_number
from y90voxel.io.dicom.sources import SourceFile
from y90voxel.io.notices import warn
from y90voxel.regions.declared_types import contradicts_tumour, declared_role, is_tumour_code
from y90voxel.regions.regions import DERIVED_NAMES
from y90voxel.regions.roles import Role

__all__ = ["DeclaredRegion", "declared_notices", "interpreted_tumours", "is_tumour_segment"]


@dataclass(frozen=True)
class DeclaredRegion:
    """Name of an ROI or segment, and whether its file says that it is a tumour."""

    name: str
    tumour: bool

    @property
    def role(self) -> Role | None:
        """The role that this makes, None where the name decides."""
        return declared_role(self.name, tumour=self.tumour)


def interpreted_tumours(dataset: Dataset, file: SourceFile) -> set[int]:
    """Return the numbers of the ROIs whose every stated RTROIInterpretedType is GTV."""
    types: dict[int, set[str]] = {}
    for item in items(dataset, "RTROIObservationsSequence", file):
        number = whole_number(item, "ReferencedROINumber", file)
        kind = text(item, "RTROIInterpretedType", file).upper()
        if number is not None and kind:
            types.setdefault(number, set()).add(kind)
    return {number for number, kinds in types.items() if kinds == {"GTV"}}


def is_tumour_segment(segment: Dataset, file: SourceFile) -> bool:
    """Return whether the property type of a segment is a neoplasm or gross tumour volume."""
    codes = items(segment, "SegmentedPropertyTypeCodeSequence", file)
    return any(
        is_tumour_code(text(code, "CodingSchemeDesignator", file), text(code, "CodeValue", file))
        for code in codes
    )


def declared_notices(regions: Iterable[DeclaredRegion], file: SourceFile, tag: str) -> list[Notice]:
    """Return what has to be said about regions that are tumours by their type, or by their type and not their name."""
    declared = [region for region in regions if region.tumour]
    taken = [region.name for region in declared if region.role is Role.TUMOUR]
    against = [r.name for r in declared if contradicts_tumour(r.name) and r.name not in DERIVED_NAMES]
    what = f"{tag} of {file.name}"
    notices = []
    if taken:
        message = (
            f"{_listed(taken)}: no role was recognised by name, and {what} says that these are tumours: they count as "
            "tumours where --role NAME=ROLE says nothing else."
        )
        notices.append(warn("tumours-by-type", message, file=file.name, tag=tag))
    if against:
        message = (
            f"{_listed(against)}: {what} says tumour, the name says something else: the name counts. Give --role "
            "NAME=tumour where one is a tumour."
        )
        notices.append(warn("type-contradicts-name", message, file=file.name, tag=tag))
    return notices


def _listed(names: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(repr(shown(name)) for name in names)
