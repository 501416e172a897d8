"""The lung shunt of an injection: given, or measured on the images when asked to."""

from __future__ import annotations

from dataclasses import replace

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.emission import PlanarImage
from y90voxel.quantification.lung_measures import (
    lung_shunt_fraction_planar,
    lung_shunt_fraction_spect,
    project_onto_planar,
)
from y90voxel.quantification.lung_view import LungView
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Mask, Volume

__all__ = ["resolve_shunt"]

# With less of the lungs in view, what is seen says too little of the rest.
LEAST_SHARE_IN_VIEW = 0.25


def resolve_shunt(
    administration: Administration,
    counts: Volume,
    regions: Regions,
    planar: PlanarImage | None,
    planar_regions: Regions | None,
    dome_margin_mm: float,
    *,
    needed: bool,
    view: LungView | None = None,
) -> tuple[Administration, list[Notice]]:
    """Return the administration with a shunt fraction, measured where that is asked for or needed.

    Parameters
    ----------
    administration : Administration
        A given fraction is returned unchanged; the shunt source ``spect`` or ``planar`` asks for a measurement.
    counts : Volume
        The emission on the dose grid.
    regions : Regions
        Liver and lungs on the dose grid.
    planar : PlanarImage or None
        Opposite views, for ``planar``.
    planar_regions : Regions or None
        The regions in full, for their shadows on the views; None takes ``regions``.
    dome_margin_mm : float
        Lung closer to the liver is left out and scaled for, in ``spect`` [mm].
    view : LungView or None
        How much of the lungs the emission image sees: a shunt of ``spect`` that was asked for is corrected for the rest.
    needed : bool
        Whether the calibration needs a shunt: then one that was not given is measured, on the emission image
        when it shows both lungs, else on planar views, when the study has what that takes.

    Raises
    ------
    InputError
        If the images or regions that a measurement asked for needs are missing.
    """
    if administration.lung_shunt_fraction is not None:
        return administration, []
    source = administration.shunt_source
    if source not in ("spect", "planar"):
        source = _possible_source(regions, planar, planar_regions or regions) if needed else "none"
    if source == "none":
        return administration, []
    seen = (planar_regions or regions) if source == "planar" else regions
    lungs, liver = seen.mask_of(Role.LUNG), seen.mask_of(Role.LIVER, Role.TUMOUR)
    if lungs is None or liver is None:
        raise InputError(
            f"the {source} lung shunt needs regions of the lungs and the liver. Draw them, or give --lung-shunt as a number.",
            tag="administration.lung_shunt_fraction",
        )
    in_part = source == "spect" and view is not None and LEAST_SHARE_IN_VIEW <= view.share < 1.0
    if not seen.both_lungs_in_view and not in_part:
        raise InputError(
            f"the {source} lung shunt needs both lungs drawn whole. Give --lung-shunt as a number.",
            tag="administration.lung_shunt_fraction",
        )
    if source == "spect":
        share = view.share if in_part and view is not None else 1.0
        fraction = lung_shunt_fraction_spect(counts, lungs, liver, dome_margin_mm, share)
        how = (
            f"counts of the emission image, lung within {dome_margin_mm:g} mm of the liver left out; right only with "
            "scatter and attenuation correction"
        )
        if in_part:
            how += f"; {100 * share:.0f} % of the lungs' mass is in view, their counts were divided by that"
    else:
        fraction = _from_planar(planar, lungs, liver)
        how = (
            "geometric mean of planar views, without background; liver shine-through and attenuation raise it"
        )
    asked = "" if administration.shunt_source == source else "was not given and "
    if any(lung.from_ct for lung in seen.with_role(Role.LUNG)):
        how += "; the lungs were segmented from the CT, not drawn"
    notice = Notice(
        "lung-shunt-measured", f"the lung shunt fraction {asked}is {fraction:.4f}, measured: {how}."
    )
    return replace(administration, lung_shunt_fraction=fraction, shunt_source=source), [notice]


def _possible_source(regions: Regions, planar: PlanarImage | None, planar_regions: Regions) -> str:
    """How the shunt can be measured: spect, planar or none."""
    if regions.mask_of(Role.LIVER) is None:
        return "none"
    if regions.both_lungs_drawn_in_view:
        return "spect"
    has_views = planar is not None and planar.grid is not None
    return "planar" if has_views and planar_regions.both_lungs_drawn_in_view else "none"


def _from_planar(planar: PlanarImage | None, lungs: Mask, liver: Mask) -> float:
    """Shunt from the shadows of the regions on the planar views; where they overlap, the liver wins."""
    if planar is None or planar.grid is None:
        raise InputError(
            "the planar lung shunt needs anterior and posterior views with their position "
            f"({'none was found' if planar is None else 'the views have no position in their header'}). "
            "Give --lung-shunt as a number.",
            tag="administration.lung_shunt_fraction",
        )
    shape = (planar.grid.shape[1], planar.grid.shape[2])
    on_liver = project_onto_planar(liver, planar.grid.affine, shape)
    on_lung = project_onto_planar(lungs, planar.grid.affine, shape) & ~on_liver
    views = (planar.anterior, planar.posterior)
    lung_a, lung_p = (float(view[on_lung].sum()) for view in views)
    liver_a, liver_p = (float(view[on_liver].sum()) for view in views)
    return lung_shunt_fraction_planar(lung_a, lung_p, liver_a, liver_p)
