"""Doses that studies of radioembolization with immunotherapy ask for: spared liver, irradiated tumour, lymphoid organs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from y90voxel.immune.organ_blood import compartments_of
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.regions.roles import Role, normalised_name

__all__ = ["IRRADIATED_GY", "SPARED_GY", "irradiated_tumour", "lymphoid_organ_of_name", "spared_liver"]

# Levels that studies ask for, not thresholds: none of them is known to decide anything [Gy].
SPARED_GY = (10.0, 20.0, 30.0)
IRRADIATED_GY = (20.0, 50.0, 100.0, 205.0)  # [Gy]; the last is DOSISPHERE's goal
# Whole names, normalised, by what they are.
_DUCT_NAMES = frozenset({"thoracic duct", "ductus thoracicus", "duct thoracic"})
_NODE_WORDS = frozenset(
    {"node", "nodes", "lymphnode", "lymphnodes", "lymphknoten", "ganglion", "linfonodo", "ln", "lns"}
)


def lymphoid_organ_of_name(name: str) -> str | None:
    """Return spleen, thoracic duct or lymph nodes by a region's name, None for other names.

    A name that says where nodes lie is one of nodes: ``LN_hilar``, ``lymph nodes portal``.

    Examples
    --------
    >>> lymphoid_organ_of_name("Spleen"), lymphoid_organ_of_name("LN_hilar"), lymphoid_organ_of_name("Liver")
    ('spleen', 'lymph nodes', None)
    """
    words = normalised_name(name)
    if compartments_of(name, Role.OTHER) == ("spleen",):
        return "spleen"
    if words in _DUCT_NAMES:
        return "thoracic duct"
    return "lymph nodes" if _NODE_WORDS & set(words.split()) else None


def spared_liver(dvh: DoseVolumeHistogram, levels_gy: Sequence[float] = SPARED_GY) -> list[dict[str, Any]]:
    """Return how much of a region stays below dose levels, a row a level: ``below_gy``, ``volume_ml``, ``percent``.

    Parameters
    ----------
    dvh : DoseVolumeHistogram
        Of the non-tumour liver.
    levels_gy : sequence of float
        Levels [Gy].
    """
    rows = []
    for level in levels_gy:
        share = 1.0 - dvh.volume_at_dose(level)
        rows.append({"below_gy": level, "volume_ml": share * dvh.volume_ml, "percent": 100.0 * share})
    return rows


def irradiated_tumour(dvh: DoseVolumeHistogram, levels_gy: Sequence[float] = IRRADIATED_GY) -> dict[str, Any]:
    """Return how much of a tumour reaches dose levels, and how unequal its dose is.

    Keys: ``fraction_percent`` by level, ``cv`` (standard deviation over mean) and ``homogeneity_index``, (D2 − D98) / D50 as ICRU
    Report 83 has it; both are those of the voxels, with their noise and blur. An index is None where its divisor is 0.

    Parameters
    ----------
    dvh : DoseVolumeHistogram
        Of the tumour.
    levels_gy : sequence of float
        Levels [Gy].
    """
    d2, d50, d98 = (dvh.dose_at_volume(percent) for percent in (2, 50, 98))
    return {
        "fraction_percent": {f"{level:g}": 100.0 * dvh.volume_at_dose(level) for level in levels_gy},
        "cv": dvh.sd_gy / dvh.mean_gy if dvh.mean_gy > 0 else None,
        "homogeneity_index": (d2 - d98) / d50 if d50 > 0 else None,
    }
