"""Blood, lymphocytes and time to immunotherapy of an evaluation: what its dose map and facts mean for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import cast

from y90voxel.case.evaluation import Evaluation, limiting_lung_dose
from y90voxel.case.immune_settings import ImmuneSettings
from y90voxel.clinical.patient import PatientRecord
from y90voxel.errors import Notice
from y90voxel.immune.blood_dose import free_activity_dose
from y90voxel.immune.blood_summary import BloodAssumptions, BloodSummary, LiverPart, summarise_blood
from y90voxel.immune.immune_relevant_dose import irradiated_tumour, lymphoid_organ_of_name, spared_liver
from y90voxel.immune.immune_report import ImmuneReport
from y90voxel.immune.lymphocyte_forecast import LymphocyteForecast, MeasuredCount
from y90voxel.immune.lymphocyte_pools import POOLS_NOTE, pool_weighted_dose
from y90voxel.immune.lymphocytes import ALPHA_PER_GY
from y90voxel.immune.organ_blood import ORGANS_OF_BLOOD, compartments_of
from y90voxel.immune.reference_blood import Sex, blood_volume_l
from y90voxel.metrics.summary import RegionMetrics
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.roles import Role
from y90voxel.units import BQ_PER_GBQ

__all__ = ["blood_assumptions", "days_after", "stated_sex", "treatment_date", "with_immune"]

# DICOM PatientSex.
SEX_OF_IMAGE = {"M": "male", "F": "female"}


def with_immune(
    evaluation: Evaluation, settings: ImmuneSettings | None = None, image_sex: str = ""
) -> Evaluation:
    """Return the evaluation with what its dose means for blood, lymphocytes and time to immunotherapy.

    Exploratory: no decision may rest on it.

    Parameters
    ----------
    evaluation : Evaluation
        Of `verify`.
    settings : ImmuneSettings or None
        Choices; None takes those of the case.
    image_sex : str
        ``PatientSex`` of the images, M or F; empty where they do not say.

    Returns
    -------
    Evaluation
        With `immune`, or without it and a notice where there is no liver.

    Raises
    ------
    InputError
        If a stated number cannot be, such as a tumour with more blood than the liver has.
    """
    chosen = settings or evaluation.case.settings.immune
    parts = _liver_parts(evaluation)
    if parts is None:
        return evaluation.with_notices(
            Notice(
                "immune-omitted",
                "the dose to blood was asked for and is left out: no liver is among the regions. Name one with --role "
                "'NAME=liver', or draw it.",
            )
        )
    notices: list[Notice] = []
    assumed, source = blood_assumptions(chosen, evaluation.case.patient, image_sex, notices)
    organs, missing = _organ_doses(evaluation, notices)
    half_life_s = nuclide(evaluation.case.nuclide).half_life_s
    liver, tumour, mass_g = parts
    blood = summarise_blood(liver, tumour, organs, mass_g, half_life_s, assumed)
    treated = treatment_date(evaluation)
    report = ImmuneReport(
        half_life_s=half_life_s,
        blood=blood,
        lymphocytes=_lymphocytes(chosen, blood, half_life_s, treated, notices),
        doses_gy=_rated_doses(evaluation, blood),
        cycle_days=_cycle_days(chosen, evaluation.case.patient, treated, notices),
        liver_spared=tuple(_spared(evaluation)),
        tumours=tuple(_irradiated(evaluation)),
        lymphoid_organs=tuple(_lymphoid(evaluation)),
        free_activity_gy=_free_dose(chosen, evaluation, blood),
        sex_source=source,
        not_drawn=missing,
    )
    notices += _staged(evaluation)
    notices += _contradicting_date(evaluation)
    return replace(evaluation, immune=report).with_notices(*notices)


def _staged(evaluation: Evaluation) -> list[Notice]:
    """Say when several injections count as one: with an image each, or followed by one scan."""
    injections = evaluation.case.injections
    number, when = len(injections), "the first"
    if number == 1:
        number, when = (
            len(injections[0].arteries),
            "the last, which the activity of their one scan refers to,",
        )
    if number < 2:
        return []
    return [
        Notice(
            "immune-staged",
            f"{number} injections count as one at the time of {when} for counts, cycles and the spread of the blood dose; the "
            "mean dose to blood does not depend on it.",
        )
    ]


def stated_sex(patient: PatientRecord | None, image_sex: str, notices: list[Notice]) -> tuple[Sex, str]:
    """Return the sex of the reference adult and where it is from: stated, image or assumed; a doubt becomes a notice."""
    stated, image = None if patient is None else patient.sex, SEX_OF_IMAGE.get(image_sex.strip().upper())
    if stated is not None and image is not None and stated != image:
        notices.append(
            Notice(
                "immune-sex",
                f"the patient is stated to be {stated}, the images say {image}: the stated one is used.",
            )
        )
    if stated is not None:
        return cast("Sex", stated), "stated"
    if image is not None:
        return cast("Sex", image), "image"
    notices.append(
        Notice(
            "immune-sex",
            "neither case nor images state the sex: blood and flows are those of the reference man. The reference woman has the "
            "same share of blood in liver and lungs, so the mean dose would stay; state it as patient.sex.",
        )
    )
    return "male", "assumed"


def blood_assumptions(
    chosen: ImmuneSettings, patient: PatientRecord | None, image_sex: str, notices: list[Notice]
) -> tuple[BloodAssumptions, str]:
    """Return what is assumed of the circulation, and where the sex is from.

    The blood volume is the one typed, else Nadler's of height and weight, else the reference adult's.
    """
    sex, source = stated_sex(patient, image_sex, notices)
    volume = chosen.blood_volume_l
    known = patient is not None and patient.height_m is not None and patient.weight_kg is not None
    if volume is None and known and source != "assumed":
        assert patient is not None
        assert patient.height_m is not None
        assert patient.weight_kg is not None
        volume = blood_volume_l(sex, patient.height_m, patient.weight_kg)
    return (
        BloodAssumptions(
            sex=sex,
            total_volume_l=volume,
            cardiac_output_l_per_min=chosen.cardiac_output_l_per_min,
            tumour_relative_blood=chosen.tumour_relative_blood,
            tumour_relative_perfusion=chosen.tumour_relative_perfusion,
            residence=chosen.residence,
        ),
        source,
    )


def treatment_date(evaluation: Evaluation) -> date | None:
    """Return the day of the first injection: by its time, else as the patient's record states it; None where unknown.

    Injections that one scan follows are one, at the time of the last.
    """
    times = [injection.administration.time for injection in evaluation.case.injections]
    days = [time.date() for time in times if time is not None]
    if days:
        return min(days)
    return None if evaluation.case.patient is None else evaluation.case.patient.treatment_date


def _contradicting_date(evaluation: Evaluation) -> list[Notice]:
    """Say that the stated day of the treatment is none of its injections; without a date, which outputs may not show."""
    patient, treated = evaluation.case.patient, treatment_date(evaluation)
    stated = None if patient is None else patient.treatment_date
    injections = evaluation.case.injections
    given = [injection.administration for injection in injections]
    given += [artery.administration for injection in injections for artery in injection.arteries]
    days = {one.time.date() for one in given if one.time is not None}
    if stated is None or treated is None or stated == treated or stated in days:
        return []
    return [
        Notice(
            "immune-treatment-date",
            f"patient.treatment_date lies {(stated - treated).days:+d} days from the time of the injection (--time, or the "
            "images): days are counted from the injection. Mend one of them.",
        )
    ]


def days_after(treated: date | None, dates: Iterable[date]) -> list[float] | None:
    """Return days after the treatment; None where its date is not known."""
    return None if treated is None else [float((day - treated).days) for day in dates]


def _liver_parts(evaluation: Evaluation) -> tuple[LiverPart, LiverPart | None, float] | None:
    """Non-tumour liver, tumours, and the mass of both [g]; None without a liver."""
    regions = evaluation.case.regions
    normal = regions.with_role(Role.NON_TUMOUR_LIVER)
    if not normal:
        return None
    tumours = regions.with_role(Role.TUMOURS)
    histograms = [evaluation.dvh(region.name) for region in (*normal, *tumours)]
    mass = sum(histogram.mass_g or 0.0 for histogram in histograms)
    parts = [LiverPart.from_histogram(histogram) for histogram in histograms]
    return parts[0], parts[1] if len(parts) > 1 else None, mass


def _organ_doses(evaluation: Evaluation, notices: list[Notice]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Doses of other compartments: lungs by the run's lung dose, organs as drawn; and what is not drawn."""
    doses: dict[str, float] = {}
    _, lung = limiting_lung_dose(evaluation.lung, evaluation.case)
    missing = [] if lung is not None else ["lung"]
    if lung is not None:
        doses["lung"] = lung
    else:
        notices.append(
            Notice(
                "immune-no-lungs",
                "the blood in the lungs counts with 0 Gy: no lung shunt is known and the lungs are not wholly in view. The dose "
                "to blood is too low by 10.5 % of the lung dose; give --lung-shunt.",
            )
        )
    drawn: dict[str, list[RegionMetrics]] = {}
    for metrics in evaluation.regions:
        for compartment in compartments_of(metrics.name, Role(metrics.role)):
            drawn.setdefault(compartment, []).append(metrics)
    for compartment, found in drawn.items():
        volume = sum(one.volume_ml for one in found)
        doses[compartment] = sum(one.mean_gy * one.volume_ml for one in found) / volume
    missing += [
        organ for organ, compartments in ORGANS_OF_BLOOD.items() if not drawn.keys() & set(compartments)
    ]
    return doses, tuple(missing)


def _lymphocytes(
    chosen: ImmuneSettings,
    blood: BloodSummary,
    half_life_s: float,
    treated: date | None,
    notices: list[Notice],
) -> LymphocyteForecast:
    """Counts that the blood dose would mean, with those that were measured."""
    measured = []
    for one in chosen.count:
        day = one.day
        if one.date is not None:
            days = days_after(treated, [one.date])
            day = None if days is None else days[0]
        if day is not None:
            measured.append(MeasuredCount(day, one.giga_per_l))
    forecast = LymphocyteForecast(
        dose_gy=blood.mean_gy,
        half_life_s=half_life_s,
        alpha_per_gy=chosen.alpha_per_gy or ALPHA_PER_GY,
        slow_share=chosen.slow_share,
        measured=tuple(measured),
        pools_gy=_pools(blood) if chosen.pool_weighted else None,
    )
    if len(measured) < len(chosen.count):
        notices.append(_undated("lymphocyte counts", len(chosen.count) - len(measured), "immune.count"))
    elif measured and not forecast.followed:
        notices.append(
            Notice(
                "immune-counts",
                f"{len(measured)} lymphocyte counts are given, but not one before the injection and one after it: measured and "
                "predicted counts are not compared.",
            )
        )
    return forecast


def _undated(what: str, number: int, key: str) -> Notice:
    """The notice that dates cannot be counted from the treatment."""
    return Notice(
        "immune-undated",
        f"{number} {what} are left out: the date of the treatment that they would be counted from is not known. Give --time or "
        f"patient.treatment_date, or days in place of dates: {key}.",
    )


def _pools(blood: BloodSummary) -> dict[str, float | str]:
    """Dose weighted by numbers of lymphocytes; unverified."""
    fractions = dict(zip(blood.body.names, blood.body.fractions, strict=True))

    def mean(*organs: str) -> float:
        members = [name for name in blood.body.names if name.partition(" part ")[0] in organs]
        total = sum(fractions[name] for name in members)
        return float(sum(fractions[name] * blood.doses_gy.get(name, 0.0) for name in members) / total)

    doses = {
        "blood": blood.mean_gy,
        "lung": mean("lung"),
        "liver": mean("liver", "tumour"),
        "spleen": mean("spleen"),
        "gut": mean("small intestine", "large intestine"),
    }
    return {
        "dose_gy": pool_weighted_dose(doses),
        "without_thymus_gy": pool_weighted_dose(doses, ("thymus",)),
        "label": POOLS_NOTE,
    }


def _rated_doses(evaluation: Evaluation, blood: BloodSummary) -> dict[str, float]:
    """Mean doses whose rates are told at cycles [Gy]."""
    names = {Role.TUMOURS: "tumour", Role.NON_TUMOUR_LIVER: "non-tumour liver"}
    found = {names[Role(m.role)]: m.mean_gy for m in evaluation.regions if Role(m.role) in names}
    return {**found, "blood": blood.mean_gy}


def _cycle_days(
    chosen: ImmuneSettings, patient: PatientRecord | None, treated: date | None, notices: list[Notice]
) -> tuple[float, ...]:
    """Days of the drug: as given, else the first day of systemic therapy; a notice where there is none."""
    dates = list(chosen.cycle_dates)
    if (
        not dates
        and not chosen.cycle_days
        and patient is not None
        and patient.systemic_therapy_date is not None
    ):
        dates = [patient.systemic_therapy_date]
    counted = days_after(treated, dates)
    if dates and counted is None:
        notices.append(_undated("cycle dates", len(dates), "immune.cycle_days"))
    days = {*chosen.cycle_days, *(counted or ())}
    if not days and not dates:
        notices.append(
            Notice(
                "immune-no-cycles",
                "no cycles of immunotherapy are given (immune.cycle_dates or immune.cycle_days): the dose left is told for "
                "days 7, 14 and 21 alone.",
            )
        )
    return tuple(sorted(days))


def _spared(evaluation: Evaluation) -> list[dict[str, float]]:
    """How much of the non-tumour liver stays below dose levels."""
    return [
        row
        for region in evaluation.case.regions.with_role(Role.NON_TUMOUR_LIVER)
        for row in spared_liver(evaluation.dvh(region.name))
    ]


def _irradiated(evaluation: Evaluation) -> list[dict[str, object]]:
    """Irradiated fraction and heterogeneity of every tumour."""
    return [
        {"region": region.name, **irradiated_tumour(evaluation.dvh(region.name))}
        for region in evaluation.case.regions.with_role(Role.TUMOUR)
    ]


def _lymphoid(evaluation: Evaluation) -> list[dict[str, object]]:
    """Mean and near-maximum dose of spleen, thoracic duct and nodes, where they are drawn."""
    return [
        {"region": m.name, "organ": organ, "volume_ml": m.volume_ml, "mean_gy": m.mean_gy, "d2_gy": m.d_gy[2]}
        for m in evaluation.regions
        if Role(m.role) is Role.OTHER and (organ := lymphoid_organ_of_name(m.name)) is not None
    ]


def _free_dose(chosen: ImmuneSettings, evaluation: Evaluation, blood: BloodSummary) -> float | None:
    """Dose to blood by the free share of the activity, where it is given [Gy]."""
    if chosen.free_activity is None:
        return None
    energy = evaluation.energy_per_activity_j_per_gbq / BQ_PER_GBQ
    return free_activity_dose(
        evaluation.net_activity_bq, chosen.free_activity, energy, blood.body.total_volume_l
    )
