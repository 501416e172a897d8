"""Each patient of a cohort: what was predicted, what was delivered, and how the two compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from y90voxel.cohort.cohort import (
    DELIVERED,
    PLANNED,
    PREDICTED,
    QUANTITIES,
    Pair,
    StudySummary,
    count_studies,
    of_patients,
)
from y90voxel.regions.roles import Role

__all__ = ["PatientDoses", "agreed", "patient_doses"]

Cell = str | float | int | bool | None


@dataclass(frozen=True, eq=False)
class PatientDoses:
    """The studies of one patient, or of one variant of them.

    Parameters
    ----------
    whose : str
        The patient; ``study …`` where that is not known.
    variant : str
        Which of several calculations.
    studies : tuple of StudySummary
        All of them, in the order of the cohort.
    delivered, predicted : StudySummary or None
        The first that was delivered and the first that was predicted, of those that are done: a dose before a plan.
    delivered_count, predicted_count : int
        How many there are of either.
    compared : StudySummary or None
        The first comparison.
    """

    whose: str
    variant: str
    studies: tuple[StudySummary, ...]
    delivered: StudySummary | None
    predicted: StudySummary | None
    delivered_count: int
    predicted_count: int
    compared: StudySummary | None

    @property
    def plan_factor(self) -> float | None:
        """By what the doses of a plan are multiplied to stand beside delivered ones: delivered over planned activity.

        None where no plan alone predicts, where nothing was delivered, an activity is not known, or the nuclides differ.
        """
        if not self.is_planned or self.predicted is None or self.delivered is None:
            return None
        planned, given = (one.values.get("activity_gbq") for one in (self.predicted, self.delivered))
        nuclides = {one.facts.get("nuclide") for one in (self.predicted, self.delivered)}
        if planned is None or given is None or planned <= 0 or len(nuclides) > 1:
            return None
        return given / planned

    @property
    def predicted_values(self) -> Mapping[str, float]:
        """The numbers that were predicted, by key of `QUANTITIES`; doses and activity of a plan as they were scaled.

        Doses, that of the lungs by MIRD too, are proportional to the activity.
        """
        values = {} if self.predicted is None else self.predicted.values
        factor = self.plan_factor
        if factor is None:
            return values
        of_activity = {quantity.key for quantity in QUANTITIES if quantity.unit in ("Gy", "GBq")}
        return {key: value * factor if key in of_activity else value for key, value in values.items()}

    @property
    def tumour_ratio(self) -> float | None:
        """Delivered over predicted tumour dose of the comparison, None without one."""
        pair = self.pair(Role.TUMOURS)
        return None if pair is None or pair.predicted_gy <= 0 else pair.delivered_gy / pair.predicted_gy

    @property
    def is_planned(self) -> bool:
        """Whether a plan alone predicts: its own doses are at its own activity, not at what was delivered."""
        return self.predicted is not None and self.predicted.facts.get("job") == PLANNED

    def pair(self, role: Role) -> Pair | None:
        """Return the mean doses of a role that were compared, None where there are none."""
        pairs = () if self.compared is None else self.compared.pairs
        return next((pair for pair in pairs if pair.role == role), None)


def patient_doses(studies: Sequence[StudySummary]) -> list[PatientDoses]:
    """Return the patients of a cohort in its order.

    Parameters
    ----------
    studies : sequence of StudySummary
        The cohort. A study whose patient is not known is a patient of its own.
    """
    patients = []
    for (whose, variant), own in of_patients(studies).items():
        done = [study for study in own if study.status == "done"]
        sides = {
            side: sorted(
                (study for study in done if study.facts.get("dose") == side),
                key=lambda study: study.facts.get("job") == PLANNED,
            )
            for side in (DELIVERED, PREDICTED)
        }
        first = {side: found[0] if found else None for side, found in sides.items()}
        patients.append(
            PatientDoses(
                whose,
                variant,
                tuple(own),
                first[DELIVERED],
                first[PREDICTED],
                count_studies(sides[DELIVERED]),
                count_studies(sides[PREDICTED]),
                next((study for study in done if study.pairs), None),
            )
        )
    return patients


def agreed(values: Iterable[Cell]) -> Cell:
    """Return the value that all studies of a patient have in a column; several as text.

    Examples
    --------
    >>> agreed([None, "PR", "PR"]), agreed(["PR", "SD"]), agreed([None])
    ('PR', 'PR; SD', None)
    """
    known = list(dict.fromkeys(value for value in values if value is not None))
    return known[0] if len(known) == 1 else "; ".join(map(str, known)) or None
