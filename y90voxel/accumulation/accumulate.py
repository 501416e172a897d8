"""Doses of several treatments summed on one grid, as absorbed dose and as biologically effective dose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from y90voxel.accumulation.cumulative_limits import CumulativeLimit, LimitResult, judge_limits
from y90voxel.accumulation.effective_dose import summed_bed
from y90voxel.accumulation.region_sums import RegionSum, region_sum
from y90voxel.accumulation.treatment import FOCAL, LIVER_SETS, EffectParameters, Treatment
from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.metrics.radiobiology import eqd2
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.regions.roles import Role
from y90voxel.short_repr import short_repr
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.resample import coverage, resample
from y90voxel.volumes.volume import DoseMap, Volume
from y90voxel.volumes.warp import energy_over_mass, pulled_back

__all__ = ["Accumulation", "accumulate", "liver_has_changed", "reference_of"]

Carry = Literal["point", "energy"]

# Liver that changed by more than this share is another organ: points of one have no place in the other.
MOST_LIVER_CHANGE = 0.15
# A voxel counts as reached by a map when at least this share of it is.
_WHOLLY = 0.999
# A region that a treatment reaches by less than this share gives a notice.
_REACHED = 0.99
# BED of the isodoses of changes in MRI, cirrhotic and normal liver [Gy] (PMC4915544, abstract).
FOCAL_BED_GY = (40.0, 70.0)
# What is said of doses that came through a registration.
CARRY_RULES: dict[Carry, str] = {
    "point": "the dose of each point of tissue was read where that tissue was (carry = point, for treatments weeks apart)",
    "energy": "energy and mass were carried along and divided (carry = energy, for breathing and positioning)",
}
MODEL_VALUE = "model value: products and beams are not equivalent per Gy"


@dataclass(frozen=True, eq=False)
class Accumulation:
    """What several treatments gave together.

    Parameters
    ----------
    treatments : tuple of Treatment
        In the order of their dates.
    reference : str
        Name of the treatment whose grid and regions the sum is on.
    regions : tuple of RegionSum
        Doses of every region.
    limits : tuple of LimitResult
        Cumulative limits with what is left.
    physical : DoseMap or None
        Sum of the absorbed doses [Gy]; None where voxels cannot be added.
    bed, eqd2 : DoseMap or None
        With the first parameters of liver everywhere [Gy].
    focal_liver_ml : mapping of float to float
        Volume of non-tumour liver below each BED with α/β 2 Gy [mL]; display only.
    notices : tuple of Notice
        What was assumed or must be known.
    """

    treatments: tuple[Treatment, ...]
    reference: str
    regions: tuple[RegionSum, ...]
    limits: tuple[LimitResult, ...]
    physical: DoseMap | None
    bed: DoseMap | None
    eqd2: DoseMap | None
    focal_liver_ml: dict[float, float]
    notices: tuple[Notice, ...]

    __repr__ = short_repr

    @property
    def mixed(self) -> bool:
        """Whether products differ, or beams are among the treatments."""
        return len({treatment.nuclide for treatment in self.treatments}) > 1

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``accumulate.json``, but for provenance."""
        return {
            "schema_version": 1,
            "kind": "accumulate",
            "treatments": [treatment.as_dict() for treatment in self.treatments],
            "reference": self.reference,
            "voxels_summed": self.physical is not None,
            "model_value": MODEL_VALUE if self.mixed else None,
            "parameters": [p.as_dict() for p in _sets(self.regions)],
            "regions": [region.as_dict() for region in self.regions],
            "focal_liver": {
                **FOCAL.as_dict(),
                "volume_below_ml": {f"{level:g}": ml for level, ml in self.focal_liver_ml.items()},
            },
            "limits": [limit.as_dict() for limit in self.limits],
            "warnings": [{"code": n.code, "message": n.message} for n in self.notices],
        }


def accumulate(
    treatments: Sequence[Treatment],
    reference: str | None = None,
    limits: Sequence[CumulativeLimit] = (),
    *,
    frames_joined: bool = True,
    carry: Carry = "point",
    progress: Callable[[str, float], None] | None = None,
) -> Accumulation:
    """Return what several treatments gave together, on the grid and in the regions of one of them.

    Absorbed doses come onto the common grid first, effective dose is formed there. Where voxels cannot be added (frames
    without registration, a liver that changed by more than 15 %) region means stand beside each other and are added, without
    effective dose.

    Parameters
    ----------
    treatments : sequence of Treatment
        Two or more, in any order.
    reference : str or None
        Whose grid and regions are used; None takes the latest one that has regions.
    limits : sequence of CumulativeLimit
        In addition to the lungs' 50 Gy.
    frames_joined : bool
        Whether transforms between all frames are known, so that voxels may be added.
    carry : {'point', 'energy'}
        How a dose comes through a registration: that of the material point (treatments weeks apart), or energy over mass in
        tissue of even density (breathing and positioning).
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If there are fewer than two treatments, two share a name, the reference is none of them or none has regions, or
        a dose does not overlap the reference.
    """
    ordered = _checked(treatments)
    base = reference_of(ordered, reference)
    notices, summed = _summable(ordered, base, frames_joined)
    report_progress = progress or (lambda what, done: None)
    doses: list[NDArray[Any]] | None = None
    if summed:
        doses = []
        notices += _carried(ordered, carry)
        for number, treatment in enumerate(ordered):
            report_progress(f"moving the dose of {treatment.name}", 0.2 + 0.4 * number / len(ordered))
            moved, new_notices = _on_reference(treatment, base, carry)
            doses.append(moved)
            notices += new_notices
    report_progress("adding regions", 0.6)
    regions = tuple(region_sum(region, ordered, doses, base) for region in base.regions)
    report_progress("adding voxels", 0.8)
    physical, bed, equivalent = (None, None, None) if doses is None else _maps(doses, ordered, base.dose.grid)
    notices += _assumed(ordered, regions)
    return Accumulation(
        ordered,
        base.name,
        regions,
        judge_limits(limits, ordered, regions),
        physical,
        bed,
        equivalent,
        {} if doses is None else _focal(doses, ordered, base),
        tuple(dict.fromkeys(notices)),
    )


def _checked(treatments: Sequence[Treatment]) -> tuple[Treatment, ...]:
    """Treatments by date; names are unique."""
    if len(treatments) < 2:
        raise InputError(f"an accumulation needs two treatments or more, got {len(treatments)}.")
    names = [treatment.name for treatment in treatments]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two treatments are named {twice!r}: give each a name of its own.")
    return tuple(sorted(treatments, key=lambda treatment: treatment.course_start_s))


def reference_of(treatments: Sequence[Treatment], name: str | None) -> Treatment:
    """Return the treatment whose grid and regions are used: that of a name, else the latest one with regions.

    Raises
    ------
    InputError
        If there is none of that name, or it has no regions, or none has any.
    """
    with_regions = [treatment for treatment in treatments if treatment.regions]
    if name is None:
        if not with_regions:
            raise InputError(
                "no treatment has regions: give a result folder of `y90voxel dose` among them, or regions (--regions)."
            )
        return max(with_regions, key=lambda treatment: treatment.course_start_s)
    for treatment in treatments:
        if treatment.name == name:
            if not treatment.regions:
                raise InputError(f"{name} has no regions: take another reference.", tag="reference")
            return treatment
    names = ", ".join(treatment.name for treatment in treatments)
    raise InputError(
        f"there is no treatment {name!r} to be the reference; there are {names}.", tag="reference"
    )


def liver_has_changed(treatment: Treatment, base: Treatment) -> bool:
    """Return whether the liver of a treatment has another volume than that of the reference, by more than 15 %."""
    volume, other = base.liver_volume_ml, treatment.liver_volume_ml
    return volume is not None and other is not None and abs(other - volume) > MOST_LIVER_CHANGE * volume


def _summable(
    treatments: Sequence[Treatment], base: Treatment, frames_joined: bool
) -> tuple[list[Notice], bool]:
    """Whether voxels may be added, and why not."""
    if not frames_joined:
        message = (
            "voxel doses are not added: the frames of reference differ and no registration joins them. Means of regions with "
            "the same name are added; for maps, histograms and effective dose give a registration (--registration FILE)."
        )
        return [Notice("voxels-not-added", message)], False
    for treatment in treatments:
        if not liver_has_changed(treatment, base):
            continue
        message = (
            f"voxel doses are not added: the liver has {treatment.liver_volume_ml:.0f} mL for {treatment.name} and "
            f"{base.liver_volume_ml:.0f} mL for {base.name}, "
            f"more than {100 * MOST_LIVER_CHANGE:g} % apart (resection, growth or another contour), so points of one have no "
            "place in the other. Means of regions with the same name are added."
        )
        return [Notice("liver-changed", message)], False
    return [], True


def _carried(treatments: Sequence[Treatment], carry: Carry) -> list[Notice]:
    """Say by which rule doses came through registrations."""
    moved = [treatment.name for treatment in treatments if treatment.pull is not None]
    if not moved:
        return []
    return [Notice("doses-carried", f"{', '.join(moved)}: {CARRY_RULES[carry]}.")]


def _on_reference(treatment: Treatment, base: Treatment, carry: Carry) -> tuple[NDArray[Any], list[Notice]]:
    """The dose of a treatment on the reference grid [Gy], and where it does not reach."""
    dose = treatment.dose.with_array(np.maximum(treatment.dose.array, 0.0))
    grid = base.dose.grid
    if treatment.pull is not None and carry == "energy":
        even = np.full(dose.grid.shape, dose.grid.voxel_volume_ml)  # mass of tissue of even density
        array, mass = energy_over_mass(dose.array, even, dose.grid, grid, treatment.pull.inverse())
        reached = mass > 0
        moved = DoseMap(array, grid)
    elif treatment.pull is not None:
        array, known = pulled_back(dose.array, dose.grid, grid, treatment.pull)
        reached = known >= _WHOLLY
        moved = DoseMap(np.where(reached, array, 0.0), grid)
    elif dose.grid.is_same_as(grid):
        return dose.array, []
    else:
        same = replace(dose.grid, frame_of_reference_uid=grid.frame_of_reference_uid)
        reached = coverage(same, grid).array >= _WHOLLY
        # As a plain intensive quantity: means where voxels are larger, so that energy is kept in even tissue.
        moved = DoseMap(resample(Volume(dose.array, same), grid, fill=0.0).array, grid)
    if not reached.any():
        raise GeometryError(
            f"the dose of {treatment.name} ({treatment.dose.grid}) does not overlap that of {base.name} ({grid}): check "
            "the registration, and that both are of one patient."
        )
    return moved.array, _unreached(treatment, base, reached)


def _unreached(treatment: Treatment, base: Treatment, reached: NDArray[np.bool_]) -> list[Notice]:
    """Say which regions a dose reaches in part."""
    parts = []
    for region in base.regions:
        weights = region.mask.array
        share = float(weights[reached].sum() / weights.sum())
        if share < _REACHED:
            parts.append(f"{region.name} {100 * share:.3g} %")
    if not parts:
        return []
    message = f"the dose of {treatment.name} covers regions in part ({', '.join(parts)}); beyond it it counts as 0 Gy."
    return [Notice("dose-covers-part", message)]


def _maps(
    doses: Sequence[NDArray[Any]], treatments: Sequence[Treatment], grid: Grid
) -> tuple[DoseMap, DoseMap, DoseMap]:
    """Absorbed, biologically effective and 2 Gy-equivalent dose."""
    parameters = LIVER_SETS[0]
    bed = summed_bed(doses, treatments, parameters)
    physical = np.sum(np.asarray(doses, np.float64), axis=0)
    return DoseMap(physical, grid), DoseMap(bed, grid), DoseMap(eqd2(bed, parameters.alpha_beta_gy), grid)


def _focal(
    doses: Sequence[NDArray[Any]], treatments: Sequence[Treatment], base: Treatment
) -> dict[float, float]:
    """Non-tumour liver below the isodoses of changes in MRI [mL]."""
    region = next((r for r in base.regions if r.role is Role.NON_TUMOUR_LIVER), None)
    if region is None:
        return {}
    bed = summed_bed(doses, treatments, FOCAL)
    weights = region.mask.array * base.dose.grid.voxel_volume_ml
    return {level: float(weights[bed < level].sum()) for level in FOCAL_BED_GY}


def _assumed(treatments: Sequence[Treatment], regions: Sequence[RegionSum]) -> list[Notice]:
    """What every reader must know: the model, its parameters, predictions among the treatments."""
    sets = "; ".join(
        f"{p.name}: α/β {p.alpha_beta_gy:g} Gy, repair {p.repair_half_time_s / 3600:g} h ({p.source})"
        for p in _sets(regions)
    )
    notices = []
    if sets:
        notices.append(Notice("effect-parameters", f"effective doses are model values with {sets}."))
    if len({treatment.nuclide for treatment in treatments}) > 1:
        notices.append(
            Notice("mixed-sum", f"{MODEL_VALUE}; absorbed doses of each treatment stand beside the sums.")
        )
    of_map = [t.name for t in treatments if t.nuclide is not None and t.lung_mean_gy is None]
    if of_map:
        message = (
            f"{', '.join(of_map)}: no lung dose in the convention of the limit ({limiting_convention().mass_text}) is stated; "
            "the mean of the dose map over the lungs counts instead."
        )
        notices.append(Notice("lung-dose-of-map", message))
    guessed = [treatment.name for treatment in treatments if treatment.predicted]
    if guessed:
        notices.append(
            Notice("predicted-dose", f"{', '.join(guessed)}: predicted from a surrogate, not delivered.")
        )
    return notices


def _sets(regions: Sequence[RegionSum]) -> list[EffectParameters]:
    """The parameters that regions are shown with, each once."""
    return list(dict.fromkeys(effect.parameters for region in regions for effect in region.effects))
