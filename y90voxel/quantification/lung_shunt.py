"""The lung shunt of an injection: given, or measured on the images when asked to."""

from __future__ import annotations

from dataclasses import replace

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.lung_measures import lung_shunt_fraction_spect
from y90voxel.quantification.lung_view import LungView
from y90voxel.quantification.planar_shunt import PlanarSetup, PlanarShunt, planar_shunt
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import Volume

__all__ = ["SHUNT_METHODS", "resolve_shunt"]

# How a shunt is measured: counts of the emission image, planar views, planar views of the left lung alone.
SHUNT_METHODS = ("spect", "planar", "planar-left")

# With less of the lungs in view, what is seen says too little of the rest.
LEAST_SHARE_IN_VIEW = 0.25


def resolve_shunt(
    administration: Administration,
    counts: Volume,
    regions: Regions,
    planar: PlanarSetup,
    *,
    needed: bool,
    view: LungView | None = None,
) -> tuple[Administration, list[Notice]]:
    """Return the administration with a shunt fraction, measured where that is asked for or needed.

    Parameters
    ----------
    administration : Administration
        A given fraction is returned unchanged; the shunt source ``spect``, ``planar`` or ``planar-left`` asks for a measurement.
    counts : Volume
        The emission on the dose grid.
    regions : Regions
        Liver and lungs on the dose grid.
    planar : PlanarSetup
        Opposite views and what they are measured with; regions of None take ``regions``. Its margin is that of ``spect`` too:
        lung closer to the liver is left out and scaled for.
    view : LungView or None
        How much of the lungs the emission image sees: a shunt of ``spect`` that was asked for is corrected for the rest.
    needed : bool
        Whether the calibration needs a shunt: then one that was not given is measured, on the emission image
        when it shows both lungs, else on planar views, when the study has what that takes.

    Raises
    ------
    InputError
        If the images or regions that a measurement asked for needs are missing, or the liver holds no counts.
    """
    if administration.lung_shunt_fraction is not None:
        return administration, []
    source = administration.shunt_source
    if source not in SHUNT_METHODS:
        source = _possible_source(regions, planar) if needed else "none"
    if source == "none":
        return administration, []
    seen = regions if source == "spect" else planar.regions or regions
    lungs, liver = seen.mask_of(Role.LUNG), seen.mask_of(Role.LIVER, Role.TUMOUR)
    if lungs is None or liver is None or not seen.with_role(Role.LIVER):  # tumours alone are no liver
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
        fraction, error = lung_shunt_fraction_spect(counts, lungs, liver, planar.margin_mm, share), None
        how = (
            f"counts of the emission image, lung within {planar.margin_mm:g} mm of the liver left out; right only with "
            "scatter and attenuation correction"
        )
        if in_part:
            how += f"; {100 * share:.0f} % of the lungs' mass is in view, their counts were divided by that"
    else:
        by_views = planar_shunt(replace(planar, regions=seen), left_only=source == "planar-left")
        fraction, error, how = by_views.fraction, by_views.standard_error, _planar_words(by_views, planar)
    if fraction >= 1.0:
        raise InputError(
            f"the {source} lung shunt is {fraction:g}: the liver holds no counts. Check that images and regions belong together.",
            tag="administration.lung_shunt_fraction",
        )
    how += "" if error is None else f"; standard uncertainty {100 * error:.2g} points"
    asked = "" if administration.shunt_source == source else "was not given and "
    if any(lung.from_ct for lung in seen.with_role(Role.LUNG)):
        how += "; the lungs were segmented from the CT, not drawn"
    notice = Notice(
        "lung-shunt-measured", f"the lung shunt fraction {asked}is {fraction:.4f}, measured: {how}."
    )
    measured = replace(administration, lung_shunt_fraction=fraction, shunt_source=source, shunt_error=error)
    return measured, [notice]


def _possible_source(regions: Regions, planar: PlanarSetup) -> str:
    """How the shunt can be measured: spect, planar or none."""
    if regions.mask_of(Role.LIVER) is None:
        return "none"
    if regions.both_lungs_drawn_in_view:
        return "spect"
    has_views = planar.image is not None and planar.image.grid is not None
    return "planar" if has_views and (planar.regions or regions).both_lungs_drawn_in_view else "none"


def _percent(fraction: float | None) -> str:
    """A fraction in percent."""
    return "not known" if fraction is None else f"{100 * fraction:.2f} %"


def _planar_words(shunt: PlanarShunt, setup: PlanarSetup) -> str:
    """How a planar shunt was measured, what the others of its kind give, and what its uncertainty is made of."""
    front, back = shunt.background
    corrected = (
        f"corrected for attenuation along the rays of the CT ({setup.attenuation_per_cm:g} per cm at 1 g/mL)"
        if shunt.attenuation_corrected
        else "not corrected for attenuation, there is no CT: it reads too high"
    )
    parts = ", ".join(f"{name} {100 * part:.2g}" for name, part in shunt.errors.items())
    return (
        f"geometric mean of planar views, {corrected}, net of a background of {front:.3g} and {back:.3g} counts per pixel; "
        f"pixels within {setup.margin_mm:g} mm of the liver's shadow are the liver's. Both lungs {_percent(shunt.both_lungs)}, "
        f"left lung alone {_percent(shunt.left_lung)}, the views as they are {_percent(shunt.plain)} (parts of the "
        f"uncertainty in points: {parts}; scatter is not corrected)"
    )
