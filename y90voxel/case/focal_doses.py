"""Foci of uptake with their doses, and what the first screen says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from y90voxel.case.case import Case
from y90voxel.errors import Notice
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.quantification.focal_uptake import Focus, find_foci
from y90voxel.regions.roles import Role
from y90voxel.volumes.resample import resample
from y90voxel.volumes.volume import DoseMap

__all__ = ["FIRST_SCREEN", "FocalDose", "first_screen", "focal_doses", "focal_notices", "mean_in_focus"]

# What stands above the numbers of a dose, on the terminal and on the page.
FIRST_SCREEN = ("focal-uptake", "free-pertechnetate")
# Foci with a line of their own; of more, the number is said.
MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class FocalDose:
    """A focus of uptake and its mean dose.

    Parameters
    ----------
    focus : Focus
        Where it is and what it holds.
    mean_gy : float or None
        Volume-weighted mean over its core [Gy]; None where it lies outside the dose grid.
    """

    focus: Focus
    mean_gy: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {**self.focus.as_dict(), "mean_gy": self.mean_gy}


def focal_doses(case: Case, dose: DoseMap) -> tuple[FocalDose, ...]:
    """Return the foci of every emission image with their doses, the greatest share of an image's counts first.

    There are none where no liver is drawn.

    Parameters
    ----------
    case : Case
        Images and regions.
    dose : DoseMap
        On the grid of the case [Gy].
    """
    foci: list[Focus] = []
    for injection in case.injections:
        regions = injection.regions or case.regions
        volume = injection.emission.volume
        counts = volume if volume.grid.is_same_as(regions.grid) else resample(volume, regions.grid)
        foci += find_foci(counts, regions, case.emission_fwhm_mm) or ()
    foci.sort(key=lambda focus: focus.share, reverse=True)
    return tuple(FocalDose(focus, mean_in_focus(focus, dose)) for focus in foci)


def mean_in_focus(focus: Focus, dose: DoseMap) -> float | None:
    """Return the volume-weighted mean dose over the core of a focus [Gy]; None where it lies outside the dose grid.

    Parameters
    ----------
    focus : Focus
        With its core on the grid of its image.
    dose : DoseMap
        [Gy].
    """
    same = focus.core.grid.is_same_as(dose.grid)
    mask = focus.core if same else resample(focus.core, dose.grid)
    return DoseVolumeHistogram.from_dose(dose, mask).mean_gy if mask.array.any() else None


def focal_notices(foci: Sequence[FocalDose], *, confirmed: bool = False, unit: str = "Gy") -> list[Notice]:
    """Return what has to be read before the numbers: each focus with volume, share and dose, and what it may be.

    Parameters
    ----------
    foci : sequence of FocalDose
        Those with the most counts first.
    confirmed : bool
        Whether a focus was confirmed as gastrointestinal.
    unit : str
        Of the doses, such as ``"Gy per GBq"``.
    """
    notices = [Notice("focal-uptake", _sentence(one, unit, confirmed=confirmed)) for one in foci[:MOST_NAMED]]
    if len(foci) > MOST_NAMED:
        more = len(foci) - MOST_NAMED
        text = (
            f"{more} more foci of uptake outside lungs and liver: is the image noisy, or are regions missing?"
        )
        notices.append(Notice("focal-uptake", text))
    return [*notices, *_pertechnetate(foci)]


def first_screen(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """Return the notices of a dose that stand above its numbers.

    Parameters
    ----------
    notices : iterable of Notice
        All of a result.
    """
    return tuple(notice for notice in notices if notice.code in FIRST_SCREEN)


def _sentence(one: FocalDose, unit: str, *, confirmed: bool) -> str:
    """One focus in words."""
    focus = one.focus
    x, y, z = focus.centre_mm
    names = " and ".join(repr(name) for name, _ in focus.organs)
    where = f"in {names}" if names else f"at x {x:.0f}, y {y:.0f}, z {z:.0f} mm"
    over = "no counts around it" if focus.ratio is None else f"{focus.ratio:.3g} times its surroundings"
    dose = "outside the dose grid" if one.mean_gy is None else f"{one.mean_gy:.3g} {unit}"
    end = (
        "A focus is confirmed as gastrointestinal."
        if confirmed
        else "If it is gastrointestinal, plan with --gastrointestinal-focus: no treatment until the vessel is closed."
    )
    return (
        f"focal uptake outside lungs and liver, {where}: {focus.volume_ml:.3g} mL with {100 * focus.share:.3g} % of the counts, "
        f"{over}, {dose}. {end}"
    )


def _pertechnetate(foci: Sequence[FocalDose]) -> list[Notice]:
    """Stomach and thyroid or kidneys together look like technetium that left its particles."""
    names = {role: name for one in foci for name, role in one.focus.organs}
    others = [names[role] for role in ("thyroid", Role.KIDNEY.value) if role in names]
    if Role.STOMACH.value not in names or not others:
        return []
    lit = " and ".join(repr(name) for name in (names[Role.STOMACH.value], *others))
    text = (
        f"free pertechnetate? {lit} light up together: technetium that left its particles goes there, microspheres would not. "
        "Check the labelling and the time to the scan before the stomach is taken for embolised."
    )
    return [Notice("free-pertechnetate", text)]
