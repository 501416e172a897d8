"""Blood, lymphocytes and time to immunotherapy in words and numbers, for the page of a dose; exploratory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from y90voxel.immune.immune_relevant_dose import IRRADIATED_GY
from y90voxel.immune.immune_report import EXPLORATORY, LEFT_DAYS, ImmuneReport, drug_cycles
from y90voxel.immune.lymphocyte_cohorts import TARE_COHORTS
from y90voxel.immune.lymphocyte_forecast import BOUND
from y90voxel.report.formatting import MISSING, dose_text, number

__all__ = ["immune_section"]


def immune_section(report: ImmuneReport | None) -> dict[str, Any] | None:
    """Return what the page says of blood, lymphocytes and immunotherapy; None where nobody asked."""
    if report is None:
        return None
    return {
        "statement": EXPLORATORY,
        "assumptions": report.assumptions,
        "blood": _blood_rows(report),
        "counts_meaning": _counts_meaning(report),
        "counts": [_count_row(row) for row in report.lymphocytes.rows()],
        "with_pools": report.lymphocytes.slow_share is not None,
        "measured": [_measured_row(row) for row in report.lymphocytes.followed],
        "cohorts": _cohorts(),
        "cycle_names": list(report.doses_gy),
        "cycles": _cycle_rows(report),
        "cycles_are_given": bool(report.cycle_days),
        "spared": _spared(report.liver_spared),
        "levels": [f"{level:g}" for level in IRRADIATED_GY],
        "tumours": [_tumour_row(row) for row in report.tumours],
        "lymphoid": [_lymphoid_row(row) for row in report.lymphoid_organs],
    }


def _blood_rows(report: ImmuneReport) -> list[dict[str, str]]:
    """What the blood gets, by part, and its range."""
    blood = report.blood
    rows = [
        {
            "name": "Mean dose to blood after full decay",
            "value": dose_text(blood.mean_gy),
            "note": f"{dose_text(blood.low_gy)} to {dose_text(blood.high_gy)} Gy over what literature leaves open: the large "
            "vessels of the liver, and the liver's share of the blood with its mass",
        },
    ]
    rows += [
        {"name": f"of it from {name}", "value": dose_text(dose), "note": ""}
        for name, dose in blood.by_part_gy.items()
    ]
    rows.append(
        {
            "name": "Spread over cells",
            "value": dose_text(blood.sd_gy),
            "note": "standard deviation over cells that stay in the circulation throughout; not an uncertainty of the mean",
        }
    )
    if report.free_activity_gy is not None:
        rows.append(
            {
                "name": "Free activity, apart",
                "value": dose_text(report.free_activity_gy),
                "note": "upper bound: the stated share circulates until all has decayed; not in the numbers above",
            }
        )
    pools = report.lymphocytes.pools_gy
    if pools is not None:
        rows.append(
            {
                "name": "Weighted by lymphocytes in organs",
                "value": dose_text(float(pools["dose_gy"])),
                "note": f"{dose_text(float(pools['without_thymus_gy']))} Gy without the thymus. {pools['label']}",
            }
        )
    return rows


def _counts_meaning(report: ImmuneReport) -> str:
    """What the curves of counts are."""
    alpha = report.lymphocytes.alpha_per_gy
    return f"With the full dose of the blood: {BOUND}. Middle curves with α {alpha:g} /Gy; range over α and recovery."


def _share(ratio: float | None) -> str:
    """A ratio of counts in percent."""
    return MISSING if ratio is None else number(100.0 * ratio, 2)


def _count_row(row: Mapping[str, Any]) -> dict[str, str]:
    """Counts of one day."""
    return {
        "day": f"{row['day']:g}",
        "fast": _share(row["fast"]),
        "slow": _share(row["slow"]),
        "pools": _share(row["two_pools"]),
        "range": f"{_share(row['low'])} to {_share(row['high'])}",
    }


def _measured_row(row: Mapping[str, Any]) -> dict[str, str]:
    """One count of the patient beside the range predicted."""
    inside = row["low"] <= row["ratio"] <= row["high"]
    return {
        "day": f"{row['day']:g}",
        "count": number(row["giga_per_l"]),
        "ratio": _share(row["ratio"]),
        "range": f"{_share(row['low'])} to {_share(row['high'])}",
        "where": "within" if inside else "above" if row["ratio"] > row["high"] else "below",
    }


def _cohorts() -> list[str]:
    """A sentence a cohort."""
    return [
        f"{cohort.name}: {', '.join(f'{_share(r)} % at day {d}' for d, r in zip(cohort.days, cohort.ratios, strict=True))}; "
        f"as an effective dose {dose_text(cohort.effective_dose_gy)} Gy ({cohort.source})."
        for cohort in TARE_COHORTS
    ]


def _cycle_rows(report: ImmuneReport) -> list[dict[str, Any]]:
    """Dose left and rates at the cycles, or at a few days where no cycle is given."""
    rows = report.cycles or drug_cycles(report.doses_gy, LEFT_DAYS, report.half_life_s)
    return [
        {
            "day": f"{row['day']:g}".replace("-", "−"),
            "left": number(row["dose_left_percent"]),
            "rates": [number(1000.0 * rate) for rate in row["gy_per_h"].values()],
        }
        for row in rows
    ]


def _spared(rows: Sequence[Mapping[str, Any]]) -> str:
    """How much of the non-tumour liver stays below dose levels, in a sentence."""
    return "; ".join(
        f"below {row['below_gy']:g} Gy {number(row['volume_ml'])} mL ({number(row['percent'])} %)"
        for row in rows
    )


def _tumour_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Irradiated fraction and heterogeneity of one tumour."""
    return {
        "region": row["region"],
        "fractions": [number(value) for value in row["fraction_percent"].values()],
        "cv": number(row["cv"], 2),
        "index": number(row["homogeneity_index"], 2),
    }


def _lymphoid_row(row: Mapping[str, Any]) -> dict[str, str]:
    """Dose of one lymphoid organ."""
    return {
        "region": row["region"],
        "organ": row["organ"],
        "volume": number(row["volume_ml"]),
        "mean": dose_text(row["mean_gy"]),
        "d2": dose_text(row["d2_gy"]),
    }
