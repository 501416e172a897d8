"""Whether CT and contours show lungs and liver at one place, or in two breathing positions."""

from __future__ import annotations

from y90voxel.dose.ct_tissue import CtTissue
from y90voxel.errors import Notice
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role

__all__ = ["disagreements"]

# Volume wholly inside the liver's contour that the CT shows as lung or air: gas in bile ducts and after embolisation
# is a few mL, a breath at the dome 10 mL and more a millimetre.
LEAST_LIGHT_ML, LEAST_LIGHT_SHARE = 5.0, 0.004
# Vessels and airways' walls of a lung take up to a tenth of its volume; a breath adds more.
LEAST_DENSE_SHARE = 0.15


def disagreements(shown: CtTissue | None, regions: Regions) -> list[Notice]:
    """Return what CT and contours say differently about liver and lungs; nothing where shapes are not known.

    Parameters
    ----------
    shown : CtTissue or None
        What the CT shows within the contours.
    regions : Regions
        Roles by name.
    """
    if shown is None:
        return []
    parts = []
    liver = shown.liver
    if liver is not None and liver.light_ml > max(LEAST_LIGHT_ML, LEAST_LIGHT_SHARE * liver.ct_volume_ml):
        parts.append(f"{liver.light_ml:.0f} mL within liver and tumours are lung or air by the CT")
    for region in regions.drawn:
        lung = shown.regions.get(region.name) if region.role is Role.LUNG else None
        if lung is not None and lung.dense_ml > LEAST_DENSE_SHARE * lung.ct_volume_ml:
            parts.append(f"{lung.dense_ml:.0f} mL of {region.name!r} are soft tissue by the CT")
    if not parts:
        return []
    return [
        Notice(
            "ct-contours-disagree",
            f"CT and contours disagree: {'; '.join(parts)}. The CT was taken in another breathing position, ends there, or "
            "belongs to other contours. Liver and tumours have their own density wherever they are drawn, so their doses "
            "hold; doses and masses of the lungs are not reliable.",
        )
    ]
