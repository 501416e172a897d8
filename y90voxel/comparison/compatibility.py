"""What must and what should be the same in two doses that are compared."""

from __future__ import annotations

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.voxel_agreement import GammaCriteria
from y90voxel.errors import InputError, Notice
from y90voxel.units import format_activity
from y90voxel.volumes.volume import DoseMap

__all__ = ["check_facts", "gamma_notices"]

# Relative; chosen: a dose calibrator reads to a few per cent, so 1 % is the same activity.
ACTIVITY_TOLERANCE = 0.01
# Of the fraction; chosen: a tenth of a per cent of the activity, the digit that shunts are written with.
SHUNT_TOLERANCE = 0.001
# Relative; chosen: the same record computed twice differs by rounding, two nuclides' by far more.
CONSTANT_TOLERANCE = 1e-4


def check_facts(predicted: ComparedDose, delivered: ComparedDose, *, scaled: bool) -> list[Notice]:
    """Return what differs between the two calculations besides the dose.

    Parameters
    ----------
    predicted, delivered : ComparedDose
        The two sides.
    scaled : bool
        Whether the prediction is brought to the delivered activity or liver dose.

    Raises
    ------
    InputError
        If the nuclides differ, or the prediction stands in the place of the delivered dose.
    """
    one, other = predicted.nuclide, delivered.nuclide
    if one is not None and other is not None and one != other:
        raise InputError(
            f"the predicted dose is for {one}, the delivered one for {other}: their difference means nothing. "
            "Compute the prediction for the nuclide that was given.",
            tag="administration.nuclide",
        )
    return [
        *_check_order(predicted, delivered),
        *([] if scaled else _activities(predicted, delivered)),
        *_shunts(predicted, delivered),
        *_methods(predicted, delivered),
    ]


def gamma_notices(given: GammaCriteria | None, used: GammaCriteria, *doses: DoseMap) -> list[Notice]:
    """Say that criteria were not given, and when the distance is below a voxel."""
    notices = []
    if given is None:
        message = f"gamma uses {used}: there are no agreed criteria for radioembolization, give your own where it matters."
        notices.append(Notice("gamma-criteria-default", message))
    voxel = max(max(dose.grid.spacing_mm) for dose in doses)
    if used.distance_mm < voxel:
        message = (
            f"the gamma distance of {used.distance_mm:g} mm is below the coarser image's voxel of {voxel:.2f} mm; "
            "it then tests little but the dose."
        )
        notices.append(Notice("gamma-distance-below-voxel", message))
    return notices


def _check_order(predicted: ComparedDose, delivered: ComparedDose) -> list[Notice]:
    """Refuse swapped sides; say when both are of one kind."""
    one, other = predicted.is_prediction, delivered.is_prediction
    if one is False and other is True:
        raise InputError(
            "the first dose was delivered and the second one is a prediction. Give the prediction first, then what was "
            "delivered."
        )
    if one is True and other is True:
        return [
            Notice("both-predicted", "both doses are predictions from a surrogate; neither was delivered.")
        ]
    if one is False:
        return [Notice("both-delivered", "both doses are of a therapy image; neither is a prediction.")]
    return []


def _activities(predicted: ComparedDose, delivered: ComparedDose) -> list[Notice]:
    """Say when the doses belong to different activities."""
    one, other = predicted.activity_bq, delivered.activity_bq
    if one is None or other is None or abs(one - other) <= ACTIVITY_TOLERANCE * max(one, other):
        return []
    message = (
        f"the predicted dose is for {format_activity(one)}, the delivered one for {format_activity(other)}: their "
        "difference holds the activity as well as its distribution. Normalise by activity to see the latter alone."
    )
    return [Notice("activities-differ", message)]


def _shunts(predicted: ComparedDose, delivered: ComparedDose) -> list[Notice]:
    """Say when the calculations put different parts of the activity into the lungs."""
    one, other = predicted.lung_shunt_fraction, delivered.lung_shunt_fraction
    if one is None or other is None or abs(one - other) <= SHUNT_TOLERANCE:
        return []
    message = (
        f"lung shunt {one:.4g} in the prediction, {other:.4g} in the delivered dose: that alone changes relatively "
        f"calibrated liver doses by {100 * ((1 - other) / (1 - one) - 1):+.1f} %."
    )
    return [Notice("shunts-differ", message)]


def _methods(predicted: ComparedDose, delivered: ComparedDose) -> list[Notice]:
    """Say when dose engines or energies per activity differ."""
    notices = []
    if predicted.engine and delivered.engine and predicted.engine != delivered.engine:
        message = f"the engines differ: {predicted.engine} (predicted), {delivered.engine} (delivered)."
        notices.append(Notice("engines-differ", message))
    one, other = predicted.energy_per_activity_j_per_gbq, delivered.energy_per_activity_j_per_gbq
    if one is not None and other is not None and abs(one - other) > CONSTANT_TOLERANCE * other:
        message = (
            f"the energies per activity differ: {one:.2f} J/GBq (predicted), {other:.2f} J/GBq (delivered); that alone "
            f"changes doses by {100 * (other / one - 1):+.2f} %."
        )
        notices.append(Notice("energies-differ", message))
    return notices
