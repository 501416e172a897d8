"""What no treatment is: activities, livers and doses that a slip of units makes; refused until accepted by name.

One judge for whatever an activity or a volume comes from: image, option, contours.
"""

from __future__ import annotations

from collections.abc import Collection

from y90voxel.errors import InputError, Notice
from y90voxel.units import BQ_PER_GBQ, format_activity

__all__ = [
    "ACCEPTABLE",
    "check_activity",
    "check_dose",
    "check_liver_volume",
    "check_units",
    "refuse_unless",
]

# Refusals that --accept overrides.
ACTIVITY, LIVER, UNITS = "activity-beyond-reason", "liver-beyond-reason", "units-swapped"
ACCEPTABLE = (ACTIVITY, LIVER, UNITS)
# The largest vial is 20 GBq of Y-90 at calibration (docs/inputs.md); nobody is given more than this [Bq].
LARGEST_ACTIVITY_BQ = 30e9
# The smallest activity that a slip of a factor of 1,000 is told by [Bq].
SMALLEST_THERAPY_BQ = 0.05e9
# Adult livers have about 1,500 mL; polycystic ones reach 8,000 mL [mL].
LIVER_ML, USUAL_LIVER_ML = (20.0, 10_000.0), (300.0, 6_000.0)
# The hottest voxels of radioembolizations stay below it [Gy].
HIGHEST_DOSE_GY = 5_000.0
# An image that holds so many times the stated activity is in other units; the rest is calibration.
POWERS = (1e-6, 1e-3, 0.1, 10.0, 1e3, 1e6)
# Factor; chosen: images and calibrators agree to 20 % (`quantify.IMAGE_OVER_ADMINISTERED`).
POWER_TOLERANCE = 1.25


def refuse_unless(accepted: Collection[str], code: str, message: str, *, tag: str) -> list[Notice]:
    """Return the notice that stays of a refusal which was accepted by name.

    Parameters
    ----------
    accepted : collection of str
        Codes that were accepted.
    code : str
        That of this refusal.
    message : str
        What is wrong, with values and units, and the likely cause.
    tag : str
        Where it was found.

    Raises
    ------
    InputError
        If the code is not among them.
    """
    if code in accepted:
        return [Notice(code, f"{message} Accepted as asked (--accept {code}).")]
    raise InputError(f"{message} If it is meant, accept it by name: --accept {code}.", tag=tag)


def check_activity(activity_bq: float, what: str, accepted: Collection[str], *, tag: str) -> list[Notice]:
    """Return nothing for an activity that a patient can get, else refuse it with the likely cause.

    Parameters
    ----------
    activity_bq : float
        Net activity, or that of a whole map [Bq].
    what : str
        Whose activity it is, such as ``"the image"``.
    accepted : collection of str
        Codes of refusals that were accepted.
    tag : str
        Setting or attribute that it comes from.
    """
    if activity_bq <= LARGEST_ACTIVITY_BQ:
        return []
    cause = "the units of the image, the slope of its values, and which image it is"
    if SMALLEST_THERAPY_BQ <= activity_bq / 1e3 <= LARGEST_ACTIVITY_BQ:
        cause = "whether kBq stand for Bq, or TBq for GBq (a factor of 1,000)"
    message = (
        f"the activity of {what} is {format_activity(activity_bq)}, more than the {LARGEST_ACTIVITY_BQ / BQ_PER_GBQ:g} GBq that "
        f"anybody is given. Check {cause}; an FDG PET scaled as Y-90 looks like this too."
    )
    return refuse_unless(accepted, ACTIVITY, message, tag=tag)


def check_units(image_bq: float, given_bq: float, accepted: Collection[str]) -> list[Notice]:
    """Return nothing unless an image holds a power of ten times what was given, which is a slip of units.

    Parameters
    ----------
    image_bq, given_bq : float
        Activity of the whole image and net activity as stated, both at administration [Bq].
    accepted : collection of str
        Codes of refusals that were accepted.
    """
    ratio = image_bq / given_bq
    near = [power for power in POWERS if 1 / POWER_TOLERANCE <= ratio / power <= POWER_TOLERANCE]
    if not near:
        return []
    message = (
        f"the image holds {format_activity(image_bq)}, {ratio:.4g} times the {format_activity(given_bq)} that were given: a "
        f"factor of {near[0]:g} is a slip of units (kBq/mL for Bq/mL, MBq for GBq, cm for mm)."
    )
    return refuse_unless(accepted, UNITS, message, tag="administration.activity")


def check_liver_volume(volume_ml: float, accepted: Collection[str]) -> list[Notice]:
    """Return a notice for an unusual liver; refuse one that no patient has.

    Parameters
    ----------
    volume_ml : float
        Volume of the liver region [mL].
    accepted : collection of str
        Codes of refusals that were accepted.
    """
    low, high = LIVER_ML
    if not low <= volume_ml <= high:
        usual = USUAL_LIVER_ML
        cause = "Check that the region is the liver, and its role"
        for factor, slip in (
            (1e3, "contours in cm where mm are meant"),
            (1e-3, "contours in mm where cm are meant"),
        ):
            if usual[0] <= volume_ml * factor <= usual[1]:
                cause = f"{slip.capitalize()} make it so (a factor of 10 in length)"
        message = f"the liver has {volume_ml:.4g} mL; livers have {low:g} to {high:,.0f} mL. {cause}."
        return refuse_unless(accepted, LIVER, message, tag="regions.roles")
    low, high = USUAL_LIVER_ML
    if low <= volume_ml <= high:
        return []
    message = (
        f"the liver has {volume_ml:.4g} mL, outside {low:g} to {high:,.0f} mL: check that the region is the whole liver, and "
        "its units."
    )
    return [Notice("liver-unusual", message)]


def check_dose(highest_gy: float) -> list[Notice]:
    """Return a notice for a voxel dose that hardly any treatment gives.

    Parameters
    ----------
    highest_gy : float
        Highest dose of a voxel [Gy].
    """
    if highest_gy <= HIGHEST_DOSE_GY:
        return []
    message = (
        f"the highest voxel dose is {highest_gy:,.0f} Gy, beyond {HIGHEST_DOSE_GY:,.0f} Gy: check units and activity, and "
        "whether the hottest voxels are noise."
    )
    return [Notice("dose-unusual", message)]
