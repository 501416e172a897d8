"""How much of the lungs an emission image sees: what share of a shunt its counts hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from y90voxel.reference.tissue import LUNG_DENSITY_G_PER_ML
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role

__all__ = ["REFERENCE_LUNG_MASS_G", "LungView", "lung_view"]

# Both lungs, adult reference: at least this much is there where contours end at the edge of an image [g].
REFERENCE_LUNG_MASS_G = 1000.0


@dataclass(frozen=True)
class LungView:
    """The share of the lungs' mass that an emission image sees; uptake counts as uniform by mass.

    Parameters
    ----------
    share : float
        s, 0 to 1.
    low, high : float
        The least and the greatest of the shares by the contour alone, by the reference mass, and all of the lungs.
    """

    share: float
    low: float
    high: float

    def activity_in_view(self, net_bq: float, shunt: float, share: float | None = None) -> float:
        """Return net activity × (1 − shunt × (1 − s)), what the image holds [Bq].

        Parameters
        ----------
        net_bq : float
            Net activity [Bq].
        shunt : float
            Lung shunt fraction.
        share : float or None
            Another share than the one of the view.
        """
        return net_bq * (1.0 - shunt * (1.0 - (self.share if share is None else share)))

    def relative_range(self, shunt: float) -> float:
        """Return half the range of the activity in view over that activity."""
        in_view = self.activity_in_view(1.0, shunt)
        ends = [self.activity_in_view(1.0, shunt, share) for share in (self.low, self.high)]
        return 0.5 * (ends[1] - ends[0]) / in_view


# No drawn lungs, no lungs in the view that anybody vouches for; but they may be there.
UNKNOWN = LungView(0.0, 0.0, 1.0)


def lung_view(regions: Regions, masses_g: Mapping[str, float | None] | None = None) -> LungView:
    """Return the share of the lungs that an image sees.

    The mass of the drawn lungs in the image over that of the drawn lungs; where a contour touches the edge of an image, over
    1.0 kg at least.

    Parameters
    ----------
    regions : Regions
        On the grid of the emission image.
    masses_g : mapping of str to float, optional
        Masses of the lungs by CT, all that is drawn of them [g]; those that are missing have the density of the reference lung.
    """
    lungs = [region for region in regions.drawn if region.role is Role.LUNG and not region.from_ct]
    if not lungs:
        return UNKNOWN
    if regions.both_lungs_drawn_in_view:
        return LungView(1.0, 1.0, 1.0)
    drawn = {}
    for lung in lungs:
        by_ct = (masses_g or {}).get(lung.name)
        volume = lung.mask.volume_ml / max(lung.fraction_in_image, 1e-6)
        drawn[lung.name] = LUNG_DENSITY_G_PER_ML * volume if by_ct is None else by_ct
    whole = sum(drawn.values())
    seen = sum(drawn[lung.name] * lung.fraction_in_image for lung in lungs)
    by_contour = min(1.0, seen / whole)
    by_reference = min(1.0, seen / max(whole, REFERENCE_LUNG_MASS_G))
    one_side_only = not any(lung.truncated for lung in lungs)
    at_an_edge = any(lung.cut_off for lung in lungs)
    share = by_reference if at_an_edge or one_side_only else by_contour
    return LungView(share, min(by_contour, by_reference), 1.0)
