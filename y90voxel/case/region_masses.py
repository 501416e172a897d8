"""The mass of whole regions by CT, and what has to be said where that in the dose grid differs."""

from __future__ import annotations

from collections.abc import Mapping

from y90voxel.case.case import Case
from y90voxel.errors import Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.roles import Role

__all__ = ["mass_notices", "whole_mass_g"]

# Masses of one region in the dose grid and on the CT that differ by more give a notice.
LARGEST_DIFFERENCE = 0.01


def whole_mass_g(case: Case, name: str) -> float | None:
    """Return the mass of a region by CT on its own grid [g]; None where it was not measured.

    Parameters
    ----------
    case : Case
        With what the CT shows of its regions.
    name : str
        A lung, both lungs together, or a region without a role: all others have a given density.
    """
    if case.ct_tissue is None:
        return None
    names = [name]
    if name in {region.name for region in case.regions.with_role(Role.LUNGS)}:
        names = [region.name for region in case.regions.drawn if region.role is Role.LUNG]
    parts = [case.ct_tissue.regions.get(one) for one in names]
    masses = [part.ct_mass_g for part in parts if part is not None]
    return sum(masses) if masses and len(masses) == len(parts) else None


def mass_notices(case: Case, histograms: Mapping[str, DoseVolumeHistogram]) -> list[Notice]:
    """Return which regions weigh less or more in the dose grid than on the CT, in one notice.

    Parameters
    ----------
    case : Case
        With what the CT shows of its regions.
    histograms : mapping of str to DoseVolumeHistogram
        By region name.
    """
    parts = []
    for name, histogram in histograms.items():
        whole, here = whole_mass_g(case, name), histogram.mass_g
        if whole and here and abs(here / whole - 1.0) > LARGEST_DIFFERENCE:
            parts.append(f"{name} {here:.0f} g of {whole:.0f} g")
    if not parts:
        return []
    return [
        Notice(
            "mass-in-grid",
            f"the dose grid holds another mass than the CT shows of the whole region: {', '.join(parts)}. Doses by mass are "
            "those of the part in the dose grid.",
        )
    ]
