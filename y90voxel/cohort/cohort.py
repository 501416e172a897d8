"""A cohort of dose calculations: what each study contributes, and which ones stand out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from y90voxel.metrics.robust import FEWEST_FOR_OUTLIERS, OUTLIER_SCORE, modified_z_scores
from y90voxel.regions.roles import Role

__all__ = [
    "DELIVERED",
    "DVH_DOSES_GY",
    "DVH_ROLES",
    "PREDICTED",
    "QUANTITIES",
    "Outlier",
    "Pair",
    "Quantity",
    "StudySummary",
    "alike",
    "count_studies",
    "of_patients",
    "one_a_patient",
    "outliers",
]

# Doses at which population histograms are formed [Gy]: finer where lungs and liver lie.
DVH_DOSES_GY = np.concatenate([np.arange(0.0, 60.0, 0.5), np.arange(60.0, 1001.0, 2.0)])
# Values of the fact ``dose``.
PREDICTED, DELIVERED = "predicted", "delivered"
PLANNED = "plan"  # value of the fact ``job``
DVH_ROLES = (Role.TUMOURS, Role.NON_TUMOUR_LIVER, Role.LUNGS)


@dataclass(frozen=True)
class Quantity:
    """A number of every study that is looked at over the cohort.

    Parameters
    ----------
    key : str
        Its key in `StudySummary.values`.
    title : str
        What it is, for people.
    unit : str
        Its unit; empty for a ratio.
    logarithmic : bool
        Whether outliers are sought among its logarithms: a dose spreads by factors.
    """

    key: str
    title: str
    unit: str
    logarithmic: bool = True


QUANTITIES = (
    Quantity("tumour_gy", "Tumour, mean", "Gy"),
    Quantity("tumour_d70_gy", "Tumour, D70", "Gy"),
    Quantity("non_tumour_liver_gy", "Non-tumour liver, mean", "Gy"),
    Quantity("lung_gy", "Lungs, mean", "Gy"),
    Quantity("activity_gbq", "Net activity", "GBq"),
    Quantity("lung_shunt_percent", "Lung shunt", "%"),
    Quantity("tumour_ml", "Tumour volume", "mL"),
    Quantity("liver_ml", "Liver volume", "mL"),
    Quantity("map_over_net", "Activity in the map over net", ""),
)


@dataclass(frozen=True)
class Pair:
    """A region of a patient that was predicted and delivered.

    Parameters
    ----------
    role, region : str
        The region.
    predicted_gy, delivered_gy : float
        Mean doses by volume [Gy], the predicted one as it was scaled.
    """

    role: str
    region: str
    predicted_gy: float
    delivered_gy: float


@dataclass(frozen=True, eq=False)
class StudySummary:
    """One study of a cohort, as its page shows it.

    Parameters
    ----------
    study_id, label : str
        The study.
    status : str
        done, failed or refused.
    reason : str or None
        Why there are no results.
    link : str or None
        Address of the study's report relative to the page.
    columns : mapping
        Columns of the manifest, and ``patient_…`` from the patient record.
    facts : mapping of str to str
        How it was computed: nuclide, engine, calibration, dose (predicted or delivered).
    values : mapping of str to float
        By key of `QUANTITIES`; what is unknown is absent.
    warnings : tuple of str
        Codes of the study's warnings.
    missed : tuple of str
        Limits and goals that are not met.
    histograms : mapping of Role to ndarray, (points,)
        Cumulative histograms in percent at `DVH_DOSES_GY`, by role of `DVH_ROLES`.
    seconds : float or None
        Wall-clock time [s].
    peak_memory_bytes : int or None
        Greatest resident memory [bytes].
    study : str
        The same for all variants of a study; empty for its ``study_id``.
    variant : str
        Which of several calculations of one study.
    patient : str
        Whose it is; empty where that is not known.
    pairs : tuple of Pair
        Of a comparison, its regions.
    """

    study_id: str
    label: str
    status: str
    reason: str | None = None
    link: str | None = None
    columns: Mapping[str, str | float | int | bool | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    histograms: Mapping[Role, NDArray[np.float32]] = field(default_factory=dict)
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    study: str = ""
    variant: str = ""
    patient: str = ""
    pairs: tuple[Pair, ...] = ()

    @property
    def whose(self) -> str:
        """The patient; the study where that is not known."""
        return self.patient or f"study {self.study or self.study_id}"

    @property
    def predicted(self) -> bool:
        """Whether a surrogate was imaged, so that the doses are predictions."""
        return self.facts.get("dose") == PREDICTED


def alike(studies: Sequence[StudySummary]) -> tuple[str, list[StudySummary]]:
    """Return what may stand in one distribution, and what it is: delivered doses; without any, predicted; without these, plans.

    A plan's dose is what was asked for, and a prediction is of another image: between delivered doses they are no outliers.

    Parameters
    ----------
    studies : sequence of StudySummary
        The cohort.
    """
    having = [study for study in studies if study.values]
    plans = [study for study in having if study.facts.get("job") == PLANNED]
    computed = [study for study in having if study.facts.get("job") != PLANNED]
    delivered = [study for study in computed if not study.predicted]
    if delivered:
        return "delivered doses", delivered
    return ("predicted doses", computed) if computed else ("plans", plans)


@dataclass(frozen=True)
class Outlier:
    """A number of one study that lies far from those of the others.

    Parameters
    ----------
    study : StudySummary
        Whose.
    quantity : Quantity
        Which.
    value, median : float
        The number, and the cohort's median.
    score : float
        Modified z-score.
    """

    study: StudySummary
    quantity: Quantity
    value: float
    median: float
    score: float


def count_studies(studies: Iterable[StudySummary]) -> int:
    """Return how many studies there are: variants of one study are one."""
    return len({study.study or study.study_id for study in studies})


def of_patients(studies: Iterable[StudySummary]) -> dict[tuple[str, str], list[StudySummary]]:
    """Return the studies of each patient, by patient and variant, in the order of the cohort."""
    grouped: dict[tuple[str, str], list[StudySummary]] = {}
    for study in studies:
        grouped.setdefault((study.whose, study.variant), []).append(study)
    return grouped


def one_a_patient(studies: Iterable[StudySummary]) -> list[StudySummary]:
    """Return one study of every patient: the first that was delivered, else the first; of the patient's first variant.

    It has the columns of all of the patient's studies, its own first. For what counts patients, such as survival: a
    patient who was imaged twice died once.
    """
    chosen: dict[str, StudySummary] = {}
    columns: dict[str, dict[str, str | float | int | bool | None]] = {}
    for study in studies:
        known_columns = columns.setdefault(study.whose, {})
        for name, value in study.columns.items():
            if known_columns.get(name) is None:
                known_columns[name] = value
        known = chosen.get(study.whose)
        better = known is not None and known.variant == study.variant and _rank(study) < _rank(known)
        if known is None or better:
            chosen[study.whose] = study
    return [
        replace(study, columns=columns[who] | {k: v for k, v in study.columns.items() if v is not None})
        for who, study in chosen.items()
    ]


def _rank(study: StudySummary) -> int:
    """Doses that were delivered first, then predictions, then studies without results."""
    return 2 if not study.values else int(study.predicted)


def outliers(studies: Sequence[StudySummary]) -> tuple[Outlier, ...]:
    """Return the numbers whose modified z-score is beyond 3.5, farthest first.

    Scores are those of logarithms where a quantity spreads by factors and every value is positive. A quantity that
    fewer than eight studies have has no outliers.

    Parameters
    ----------
    studies : sequence of StudySummary
        The cohort.

    References
    ----------
    Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, section 3.3.
    """
    outlying = []
    for quantity in QUANTITIES:
        having = [study for study in studies if quantity.key in study.values]
        if len(having) < FEWEST_FOR_OUTLIERS:
            continue
        values = np.array([study.values[quantity.key] for study in having])
        scale = np.log(values) if quantity.logarithmic and (values > 0).all() else values
        median = float(np.median(values))
        scores = modified_z_scores(scale)
        outlying += [
            Outlier(study, quantity, float(value), median, float(score))
            for study, value, score in zip(having, values, scores, strict=True)
            if abs(score) > OUTLIER_SCORE
        ]
    return tuple(sorted(outlying, key=lambda o: (-abs(o.score), o.study.study_id)))
