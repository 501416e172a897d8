"""Whose counts stand for the activity of a relative calibration."""

from __future__ import annotations

from y90voxel.errors import InputError
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import CalibrationRegion
from y90voxel.quantification.calibration_spread import MARGIN_FWHM, CalibrationSpread, calibration_factors
from y90voxel.quantification.lung_view import lung_view
from y90voxel.quantification.measurement import Injection, Measurement
from y90voxel.quantification.scaling import sum_within
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

__all__ = [
    "calibration_region",
    "calibration_spread",
    "check_facts_are_stated",
    "given_activity",
    "liver_and_lungs",
]


def given_activity(administration: Administration) -> float:
    """Return the administered activity [Bq].

    Raises
    ------
    InputError
        If it is not known: relative calibration cannot do without it.
    """
    if administration.activity_bq is None:
        raise _no_activity()
    return administration.activity_bq


def _no_activity() -> InputError:
    """What is said where the activity is not known."""
    return InputError(
        "relative calibration needs the administered activity. Give --activity, such as --activity '2.4 GBq'.",
        tag="administration.activity",
    )


def _no_shunt() -> InputError:
    """What is said where the share of the lungs is not known."""
    return InputError(
        "relative calibration over the liver needs the lung shunt fraction. Give --lung-shunt 0.06 (a fraction, "
        "0 for none), or --lung-shunt spect or planar to measure it.",
        tag="administration.lung_shunt_fraction",
    )


def check_facts_are_stated(region: CalibrationRegion, *, activity: bool, shunt: bool) -> None:
    """Check, before any image is read, that what a relative calibration divides is stated.

    Parameters
    ----------
    region : CalibrationRegion
        Whose counts stand for the activity.
    activity, shunt : bool
        Whether the activity is stated, and the lung shunt or how it is measured.

    Raises
    ------
    InputError
        With the words of the calibration itself.
    """
    if not activity:
        raise _no_activity()
    if region is CalibrationRegion.LIVER and not shunt:
        raise _no_shunt()


def calibration_region(
    measurement: Measurement, injection: Injection, regions: Regions, administration: Administration
) -> tuple[Mask | None, float]:
    """Return the region (None: the whole image) and the activity it holds [Bq].

    Raises
    ------
    InputError
        If the region is not drawn, or activity or shunt are not known.
    """
    net, shunt = given_activity(administration), administration.lung_shunt_fraction
    region = measurement.calibration.region
    if region is CalibrationRegion.LIVER:
        hepatic = _hepatic_mask(regions, injection)
        if shunt is None:
            raise _no_shunt()
        return hepatic, net * (1.0 - shunt)
    if region is CalibrationRegion.LIVER_AND_LUNGS:
        return liver_and_lungs(regions), net
    mask = None
    if region is CalibrationRegion.BODY:
        mask = regions.mask_of(Role.BODY)
        if mask is None or any(body.from_ct for body in regions.with_role(Role.BODY)):
            raise InputError(
                "calibration over the body needs a body region; none is drawn, and one segmented from the CT ends with it. "
                "Use --calibration-region fov.",
                tag="dose.calibration_region",
            )
    view = lung_view(regions, measurement.lung_masses_g)
    if view.share == 1.0:
        return mask, net
    if shunt is None:
        raise InputError(
            f"calibration over {region.value} without both lungs in view needs the lung shunt fraction. "
            "Give --lung-shunt (0 for none).",
            tag="administration.lung_shunt_fraction",
        )
    return mask, view.activity_in_view(net, shunt)


def calibration_spread(
    measurement: Measurement,
    injection: Injection,
    counts: CountMap | ActivityMap,
    regions: Regions,
    administration: Administration,
) -> CalibrationSpread | None:
    """Return what the other calibration regions would make of the counts; None where the one in use holds none.

    Parameters
    ----------
    measurement, injection : Measurement and Injection
        What is calibrated, and how.
    counts : CountMap or ActivityMap
        The emission image on the grid of ``regions``.
    regions : Regions
        On the grid of the emission image.
    administration : Administration
        Activity and lung shunt.
    """
    chosen = measurement.calibration.region
    net, shunt = given_activity(administration), administration.lung_shunt_fraction
    view = lung_view(regions, measurement.lung_masses_g)
    margin_mm = MARGIN_FWHM * measurement.emission_fwhm_mm
    hepatic = None if regions.mask_of(Role.LIVER) is None else _hepatic_mask(regions, injection)
    factor_by_region = calibration_factors(counts, regions, hepatic, net, shunt, view, margin_mm)
    if chosen is CalibrationRegion.LIVER_AND_LUNGS:
        inside = sum_within(counts.array, liver_and_lungs(regions).array)
        factor_by_region = (
            {chosen.value: net / inside, **factor_by_region} if inside > 0 else factor_by_region
        )
    if chosen.value not in factor_by_region:
        return None
    factors = {name: factor / factor_by_region[chosen.value] for name, factor in factor_by_region.items()}
    if shunt is None or chosen not in (CalibrationRegion.BODY, CalibrationRegion.FIELD_OF_VIEW):
        return CalibrationSpread(chosen.value, factors, margin_mm)
    return CalibrationSpread(
        chosen.value, factors, margin_mm, view.share, view.low, view.high, view.relative_range(shunt)
    )


def liver_and_lungs(regions: Regions) -> Mask:
    """Return liver and lungs together.

    Raises
    ------
    InputError
        If the liver is not drawn, or one of the lungs not wholly in view.
    """
    if regions.mask_of(Role.LIVER) is None or not regions.both_lungs_in_view:
        raise InputError(
            "calibration over liver and lungs needs a liver region and both lungs wholly in view. "
            "Use --calibration-region liver with --lung-shunt.",
            tag="dose.calibration_region",
        )
    mask = regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED, Role.LUNG)
    assert mask is not None  # liver and lungs are parts of it
    return mask


def _hepatic_mask(regions: Regions, injection: Injection) -> Mask:
    """Liver, tumours and perfused volume together, or the injection's own territory."""
    if injection.territory is not None:
        return regions[injection.territory].mask
    if regions.mask_of(Role.LIVER) is None:
        raise InputError(
            "calibration over the liver needs a liver region; the regions are: "
            f"{', '.join(f'{r.name} ({r.role.value})' for r in regions.drawn) or 'none'}. "
            "Name it with --role 'NAME=liver', or use --calibration-region body or fov.",
            tag="dose.calibration_region",
        )
    mask = regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED)
    assert mask is not None  # the liver is part of it
    return mask
