"""One colour and line per region, the same in overlays, histograms and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from y90voxel.regions.roles import ORGANS, Role

__all__ = ["RegionStyle", "region_styles"]


@dataclass(frozen=True)
class RegionStyle:
    """How a region is drawn.

    Parameters
    ----------
    colour : str
        Hexadecimal RGB.
    dash : tuple of float
        Lengths of strokes and gaps in line widths; empty for a solid line.
    """

    colour: str
    dash: tuple[float, ...] = ()


# Cool colours and greys, because the dose is shown in warm ones: blue against yellow is the axis that the common
# colour-vision deficiencies keep. Dashes tell regions of one family apart without any colour.
_BY_ROLE = {
    Role.LIVER: RegionStyle("#2f9be0"),
    Role.NON_TUMOUR_LIVER: RegionStyle("#1261a8"),
    Role.UNPERFUSED_LIVER: RegionStyle("#1261a8", (1.2, 1.6)),
    Role.PERFUSED: RegionStyle("#9a7be0"),
    Role.PERFUSED_NON_TUMOUR_LIVER: RegionStyle("#7450c4", (5.0, 1.8)),
    Role.LUNG: RegionStyle("#8b98a3", (3.0, 1.6)),
    Role.LUNGS: RegionStyle("#6b7780"),
    Role.BODY: RegionStyle("#b4bcc3", (1.2, 1.6)),
    Role.TUMOURS: RegionStyle("#0a6b4b", (1.2, 1.6)),
}
_TUMOURS = ("#10a872", "#9fb508", "#00b3bd", "#d0479b", "#5b54d6")
_OTHERS = ("#8c6d46", "#a08a9c", "#7c8f5a", "#4f7d8c")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 1.8), (1.2, 1.6), (6.0, 1.5, 1.2, 1.5))


def region_styles(roles: Iterable[tuple[str, Role]]) -> dict[str, RegionStyle]:
    """Return the style of each region by name.

    Parameters
    ----------
    roles : iterable of (str, Role)
        Names and roles in the order of the case; tumours, organs and others take the colours of their family in turn.

    Examples
    --------
    >>> styles = region_styles([("Liver", Role.LIVER), ("GTV1", Role.TUMOUR), ("GTV2", Role.TUMOUR)])
    >>> styles["GTV1"].colour != styles["GTV2"].colour
    True
    """
    styles: dict[str, RegionStyle] = {}
    counts = {Role.TUMOUR: 0, Role.OTHER: 0, Role.LUNG: 0}
    for name, role in roles:
        family = Role.OTHER if role in ORGANS else role
        turn = counts.get(family, 0)
        counts[family] = turn + 1
        if role is Role.TUMOUR:
            styles[name] = RegionStyle(_TUMOURS[turn % len(_TUMOURS)], _DASHES[turn // len(_TUMOURS) % 4])
        elif role is Role.LUNG:
            styles[name] = RegionStyle(_BY_ROLE[role].colour, _DASHES[(turn + 1) % 4])
        else:
            styles[name] = _BY_ROLE.get(role) or RegionStyle(
                _OTHERS[turn % len(_OTHERS)], _DASHES[(turn + 1) % 4]
            )
    return styles
