"""Settings completed from the scanner file that `y90voxel commission` wrote; what both state is refused."""

from __future__ import annotations

from typing import Any

from y90voxel.case.settings import StudySettings
from y90voxel.case.uncertainty_settings import DeadTimeSettings
from y90voxel.errors import InputError, Notice
from y90voxel.quantification.scanner import Scanner
from y90voxel.reference.nuclide_records import surrogate_nuclides

__all__ = ["with_scanner"]

# Measured over true Bq/mL further from one than this many of its standard uncertainties gives a notice; nothing is scaled by it.
NOTICED_DEVIATIONS = 2.0


def with_scanner(
    settings: StudySettings, scanner: Scanner, *, plans: bool = False
) -> tuple[StudySettings, list[Notice]]:
    """Return the settings with those of a scanner file, and notices.

    Recovery comes from the scanner's table. Counts are calibrated by its factor, with its dead time, unless relative calibration
    is asked for; the uncertainty of the calibration is the scanner's unless one is given.

    Parameters
    ----------
    settings : StudySettings
        As given.
    scanner : Scanner
        What the commissioning of the camera found.
    plans : bool
        Whether the settings are for `y90voxel plan`: it corrects tumour-to-normal ratios, which no calibration changes.

    Raises
    ------
    InputError
        If the settings state what the scanner states, or recovery would correct spill-out of the liver twice.
    """
    dose, changes, notices = settings.dose, dict[str, dict[str, Any]](), list[Notice]()
    plans_or_tracer = plans or scanner.nuclide in surrogate_nuclides()
    _check_stated_once(settings, scanner)
    update: dict[str, Any] = {}
    if scanner.recovery_file is not None:
        changes["partial_volume"] = {"recovery": scanner.recovery_file}
    if (
        scanner.factor_cps_per_mbq is not None
        and not plans_or_tracer
        and dose.calibration in (None, "factor")
    ):
        changes["dose"] = {"calibration": "factor", "calibration_factor": scanner.factor_cps_per_mbq}
        if scanner.time_constant_us is not None:
            rate = None if settings.dead_time is None else settings.dead_time.observed_rate_cps
            update["dead_time"] = DeadTimeSettings(
                time_constant_us=scanner.time_constant_us, observed_rate_cps=rate
            )
    relative = dose.calibration == "relative" or (dose.calibration is None and "dose" not in changes)
    if scanner.modality == "PT" and dose.calibration is None:
        relative = False  # Bq/mL are absolute where nothing else is asked for
    if not plans and scanner.recovery_file is not None and relative and dose.calibration_region == "liver":
        raise InputError(
            f"{scanner.path.name} has recovery, and the calibration is relative over the liver: its counts are scaled to all "
            "activity, so that recovery would correct spill-out a second time. Give --calibration factor (counts), "
            "absolute (Bq/mL), or --calibration-region body or fov.",
            file=scanner.path,
            tag="dose.calibration_region",
        )
    measured = "dose" in changes or scanner.shown_over_true is not None  # of counts, or of Bq/mL
    if not plans and not relative and measured and settings.uncertainty.calibration is None:
        changes["uncertainty"] = {"calibration": scanner.relative_uncertainty}
    if not plans and scanner.factor_cps_per_mbq is not None and "dose" not in changes:
        notices.append(
            Notice(
                "scanner-calibration-unused",
                f"calibration and dead time of {scanner.path.name} are not used: the calibration is "
                f"{'relative' if relative else dose.calibration}.",
            )
        )
    notices += _cross_calibration_notices(scanner)
    return settings.changed(**changes).model_copy(update=update), notices


def _check_stated_once(settings: StudySettings, scanner: Scanner) -> None:
    """Refuse settings that state what the scanner states."""
    dead_time = settings.dead_time  # the observed rate is of the image, which the scanner does not know
    describes = dead_time is not None and (dead_time.time_constant_us, dead_time.curve) != (None, None)
    stated = {
        "partial_volume.recovery": settings.partial_volume.recovery is not None
        and scanner.recovery_file is not None,
        "dose.calibration_factor": settings.dose.calibration_factor is not None
        and scanner.factor_cps_per_mbq is not None,
        "dead_time": describes and scanner.time_constant_us is not None,
    }
    twice = [name for name, both in stated.items() if both]
    if twice:
        raise InputError(
            f"{', '.join(twice)} is given, and {scanner.path.name} states it too: leave one of them out.",
            file=scanner.path,
            tag=twice[0],
        )


def _cross_calibration_notices(scanner: Scanner) -> list[Notice]:
    """A notice where the Bq/mL of the images deviate from the true ones."""
    ratio, uncertainty = scanner.shown_over_true, scanner.relative_uncertainty
    if ratio is None or abs(ratio - 1.0) <= NOTICED_DEVIATIONS * uncertainty:
        return []
    return [
        Notice(
            "scanner-shows-other-activity",
            f"images of the camera hold {ratio:.3f} ± {uncertainty * ratio:.3f} times the true Bq/mL, says {scanner.path.name}. "
            "Nothing is scaled by it: correct the scanner's cross calibration.",
        )
    ]
