"""The page of a cohort: what to look at first, distributions, histograms, outcomes, every study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from y90voxel.cohort.cohort import (
    QUANTITIES,
    Outlier,
    StudySummary,
    alike,
    count_studies,
    one_a_patient,
    outliers,
)
from y90voxel.cohort.cohort_outcomes import OUTCOME_NAMES
from y90voxel.cohort.pooled_agreement import LEAST_PATIENTS, PooledAgreement, pooled_agreement
from y90voxel.metrics.robust import FEWEST_FOR_OUTLIERS, OUTLIER_SCORE
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.regions.roles import Role
from y90voxel.report.cohort_figures import pooled_agreement_png, population_dvh_png
from y90voxel.report.cohort_strips import strips
from y90voxel.report.dose_content import DISCLAIMER, PREDICTED
from y90voxel.report.dose_page import embedded, render_page
from y90voxel.report.formatting import MISSING, date_and_time, number
from y90voxel.report.outcome_section import outcome_section
from y90voxel.report.patients_section import patients_section

__all__ = ["render_cohort_page"]

# Rows of the tables at the top; the table of all studies at the end has everything.
MOST_ROWS = 40
# Studies that are named one by one beside a warning or a reason.
MOST_NAMED = 12
BYTES_PER_MB = 1e6  # exact
# The fact ``calibration`` of doses whose liver holds the net activity without the lungs' share, whatever the image shows.
OVER_LIVER = "relative over liver"


def render_cohort_page(
    studies: Sequence[StudySummary],
    *,
    title: str,
    version: str,
    computed: datetime,
    examples: Mapping[str, str] | None = None,
) -> str:
    """Return the page of a cohort with everything inside.

    Parameters
    ----------
    studies : sequence of StudySummary
        Every study, however it ended.
    title : str
        Heading.
    version : str
        Of the program.
    computed : datetime
        When the page was made.
    examples : mapping of str to str
        One message for every warning code.
    """
    kind, comparable = alike(studies)
    odd = outliers(comparable)
    figures: dict[str, bytes] = {}
    population = population_dvh_png(comparable)
    if population is not None:
        figures["population.png"] = population
    pooled = pooled_agreement(studies)
    agreement = pooled_agreement_png(pooled)
    if agreement is not None:
        figures["agreement.png"] = agreement
    outcome = outcome_section(one_a_patient(studies), figures)
    content = {
        "heading": title,
        "label": _how_many(studies),
        "subtitle": "Dose, outliers and outcome over a cohort",
        "predicted": _predicted(studies),
        "unlike": _unlike(studies),
        "disclaimer": DISCLAIMER,
        "lung_mass": limiting_convention().mass_text,
        "version": version,
        "computed": date_and_time(computed.isoformat()),
        "cards": _cards(studies, comparable, odd),
        "distributions": _distributions(studies, comparable, kind),
        "outliers": _outlier_rows(odd[:MOST_ROWS]),
        "more_outliers": max(0, len(odd) - MOST_ROWS),
        "outlier_rule": _rule(len(comparable)),
        "problems": _grouped((s.status, s.reason or MISSING, s) for s in studies if s.status != "done"),
        "missed": _grouped((name, "", s) for s in studies for name in s.missed),
        "warning_rows": _warning_rows(studies, examples or {}),
        "strips": strips(comparable, QUANTITIES, odd),
        "agreement": [_agreement_row(one) for one in pooled],
        "sloped": "; ".join(one.title for one in pooled if one.proportional and one.proportional.is_clear),
        "scaled_over_liver": _scaled_over_liver(studies, pooled),
        "least_patients": LEAST_PATIENTS,
        "outcome": outcome,
        "patients": patients_section(studies),
        "outcome_names": OUTCOME_NAMES,
        "quantities": [q for q in QUANTITIES if any(q.key in s.values for s in studies)],
        "studies": _study_rows(studies, odd),
        "figures": embedded(figures),
    }
    return render_page("cohort.html.j2", content)


def _how_many(studies: Sequence[StudySummary]) -> str:
    """Studies and patients in words."""
    count, patients = count_studies(studies), len({study.whose for study in studies})
    words = f"{count} {'study' if count == 1 else 'studies'}"
    return (
        words if patients == count else f"{words} of {patients} {'patient' if patients == 1 else 'patients'}"
    )


def _predicted(studies: Sequence[StudySummary]) -> str | None:
    """What is said when doses are predictions."""
    done = count_studies(study for study in studies if study.facts)
    predicted = count_studies(study for study in studies if study.predicted)
    if predicted == 0:
        return None
    return PREDICTED if predicted == done else f"{predicted} of {done} studies are {PREDICTED}"


def _unlike(studies: Sequence[StudySummary]) -> list[str]:
    """Facts in which the studies differ, with how many have each."""
    sentences = []
    for fact in dict.fromkeys(key for study in studies for key in study.facts):
        values = dict.fromkeys(study.facts[fact] for study in studies if fact in study.facts)
        counts = Counter(
            {value: count_studies(s for s in studies if s.facts.get(fact) == value) for value in values}
        )
        if len(counts) > 1:
            sentences.append(
                f"{fact}: " + ", ".join(f"{value} {count}" for value, count in counts.most_common())
            )
    return sentences


def _distributions(
    studies: Sequence[StudySummary], comparable: Sequence[StudySummary], kind: str
) -> str | None:
    """What outliers, distributions and histograms are of, where some results are of another kind."""
    others = sum(1 for study in studies if study.values) - len(comparable)
    if not others:
        return None
    return (
        f"Outliers, distributions and histograms are of the {len(comparable)} {kind}; {others} other results "
        "(predictions, plans) stand in the table of all studies."
    )


def _cards(
    studies: Sequence[StudySummary], comparable: Sequence[StudySummary], odd: Sequence[Outlier]
) -> list[dict[str, str]]:
    """The few numbers that are read first."""
    statuses = dict.fromkeys(study.status for study in studies)
    ended = Counter({status: count_studies(s for s in studies if s.status == status) for status in statuses})
    without = count_studies(study for study in studies if study.status != "done")
    kinds = ", ".join(f"{count} {status}" for status, count in ended.items() if status != "done")
    names = count_studies(o.study for o in odd)
    cards = [
        {
            "label": "Studies with results",
            "value": f"{ended['done']}",
            "note": f"of {count_studies(studies)}",
            "status": "",
        },
        {
            "label": "Without results",
            "value": str(without),
            "note": kinds or "none",
            "status": "not-met" if without else "met",
        },
        {
            "label": "Outlying studies",
            "value": str(names),
            "note": f"{len(odd)} numbers far from the others",
            "status": "not-met" if names else "met",
        },
    ]
    for quantity in QUANTITIES[:1] + QUANTITIES[2:4]:
        values = [study.values[quantity.key] for study in comparable if quantity.key in study.values]
        if values:
            low, middle, high = np.percentile(values, (25, 50, 75)).tolist()
            note = f"quartiles {number(low)} to {number(high)}"
            cards.append(
                {
                    "label": f"{quantity.title} (median of studies)",
                    "value": f"{number(middle)} {quantity.unit}",
                    "note": note,
                    "status": "",
                }
            )
    return cards


def _rule(done: int) -> str:
    """How outliers are found, in words."""
    if done < FEWEST_FOR_OUTLIERS:
        return f"Outliers are sought from {FEWEST_FOR_OUTLIERS} studies with results on; there are {done}."
    return (
        f"Outlier: modified z-score 0.6745 (x − median) / MAD beyond ±{OUTLIER_SCORE:g}, of the logarithm where all values are "
        "positive (Iglewicz and Hoaglin 1993). It marks what to look at, not what is wrong."
    )


def _named(study: StudySummary) -> dict[str, Any]:
    """A study as a link."""
    return {"label": study.label, "id": study.study_id, "link": study.link}


def _outlier_rows(odd: Sequence[Outlier]) -> list[dict[str, Any]]:
    """Outliers study by study, the study with the farthest number first; its first row says how many it has."""
    by_study: dict[str, list[Outlier]] = {}
    for outlier in odd:
        by_study.setdefault(outlier.study.study_id, []).append(outlier)
    return [
        _outlier_row(outlier) | {"rows": 0 if place else len(members)}
        for members in by_study.values()
        for place, outlier in enumerate(members)
    ]


def _outlier_row(outlier: Outlier) -> dict[str, Any]:
    """One number that stands out."""
    unit = outlier.quantity.unit
    times = outlier.value / outlier.median if outlier.median else None
    return _named(outlier.study) | {
        "quantity": outlier.quantity.title,
        "value": f"{number(outlier.value)} {unit}".strip(),
        "median": f"{number(outlier.median)} {unit}".strip(),
        "times": MISSING if times is None else f"× {number(times, 2)}",
        "score": f"{'+' if outlier.score > 0 else '−'}{abs(outlier.score):.1f}",
        "high": outlier.score > 0,
    }


def _grouped(entries: Iterable[tuple[str, str, StudySummary]]) -> list[dict[str, Any]]:
    """Equal entries as one row with the studies that they are of, the commonest first."""
    rows: dict[tuple[str, str], list[StudySummary]] = {}
    for what, why, study in entries:
        rows.setdefault((what, why), []).append(study)
    ordered = sorted(rows.items(), key=lambda item: -len(item[1]))
    return [
        {
            "what": what,
            "why": why,
            "count": count_studies(members),
            "studies": [_named(study) for study in members[:MOST_NAMED]],
            "more": max(0, len(members) - MOST_NAMED),
        }
        for (what, why), members in ordered[:MOST_ROWS]
    ]


def _warning_rows(studies: Sequence[StudySummary], examples: Mapping[str, str]) -> list[dict[str, Any]]:
    """Warnings with the studies that have them, the rarest first: what all have says nothing about one."""
    rows = _grouped((code, examples.get(code, ""), study) for study in studies for code in study.warnings)
    return sorted(rows, key=lambda row: row["count"])


def _study_rows(studies: Sequence[StudySummary], odd: Sequence[Outlier]) -> list[dict[str, Any]]:
    """Every study, in the order of the cohort."""
    flagged = {(o.study.study_id, o.quantity.key) for o in odd}
    shown = [q for q in QUANTITIES if any(q.key in s.values for s in studies)]
    return [
        _named(study)
        | {
            "status": study.status,
            "predicted": study.predicted,
            "cells": [
                {
                    "text": number(study.values.get(q.key)),
                    "sort": study.values.get(q.key, ""),
                    "odd": (study.study_id, q.key) in flagged,
                }
                for q in shown
            ],
            "warnings": len(study.warnings),
            "missed": len(study.missed),
            "seconds": number(study.seconds),
            "memory": MISSING
            if study.peak_memory_bytes is None
            else number(study.peak_memory_bytes / BYTES_PER_MB),
        }
        for study in studies
    ]


# predicted against delivered


def _scaled_over_liver(studies: Sequence[StudySummary], pooled: Sequence[PooledAgreement]) -> int:
    """How many doses are scaled so that the liver holds what the activity and the shunt say; none where it is not pooled."""
    if not any(pair.role == Role.LIVER for one in pooled for pair in one.pairs):
        return 0
    return sum(study.facts.get("calibration") == OVER_LIVER for study in studies)


def _agreement_row(one: PooledAgreement) -> dict[str, Any]:
    """One region of the table."""
    gy, ratio, slope = one.bland_altman, one.bland_altman_ratio, one.proportional
    return {
        "title": one.title,
        "patients": len(one.pairs),
        "bias": MISSING if gy is None else f"{gy.bias:+.3g} Gy".replace("-", "−"),
        "limits": MISSING if gy is None else f"{number(gy.lower)} to {number(gy.upper)} Gy",
        "ratio": MISSING if ratio is None else f"× {number(ratio.bias)}",
        "ratio_limits": MISSING if ratio is None else f"× {number(ratio.lower)} to × {number(ratio.upper)}",
        "slope": MISSING
        if slope is None
        else f"{slope.slope:+.2g} ({slope.lower:+.2g} to {slope.upper:+.2g})".replace("-", "−"),
        "concordance": MISSING if one.concordance is None else f"{one.concordance:.3f}",
    }
