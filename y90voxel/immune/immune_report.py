"""Everything that is said of blood, lymphocytes and time to immunotherapy for one dose map, together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from y90voxel.immune.blood_dose import blood_dose_growth, fraction_of_blood_seen
from y90voxel.immune.blood_summary import BloodSummary
from y90voxel.immune.drug_cycles import dose_rate_gy_per_h, share_of_dose_left
from y90voxel.immune.lymphocyte_forecast import LymphocyteForecast
from y90voxel.short_repr import short_repr

__all__ = ["EXPLORATORY", "ImmuneReport", "drug_cycles"]

EXPLORATORY = "exploratory, no decision may rest on it"
# When the growth of the blood dose is told [h]; chosen: an hour, a day, about a half-life, a week, all of it.
GROWTH_HOURS = (1.0, 24.0, 72.0, 168.0, 720.0)
SEEN_S = (60.0, 600.0, 1200.0)  # [s]; chosen: a third, nearly all, all of the blood has passed the liver
LEFT_DAYS = (7, 14, 21)  # [d]; chosen: weeks, in which cycles of drugs are counted


@dataclass(frozen=True, eq=False)
class ImmuneReport:
    """The block ``immune`` of ``metrics.json``.

    Parameters
    ----------
    half_life_s : float
        Physical half-life [s].
    blood : BloodSummary
        Dose to blood.
    lymphocytes : LymphocyteForecast
        Counts that it would mean.
    doses_gy : mapping of str to float
        Means whose rates are told: tumour, non-tumour liver, blood [Gy].
    cycle_days : tuple of float
        Days of the drug after the injection; negative before it.
    liver_spared, tumours, lymphoid_organs : tuple of mapping
        Rows of immune-relevant doses; see `y90voxel.immune.immune_relevant_dose`.
    free_activity_gy : float or None
        Dose to blood by free activity, an upper bound; None unless its share is given [Gy].
    sex_source : str
        Where the sex is from: stated, image or assumed.
    not_drawn : tuple of str
        Organs of the circulation that would count and are not drawn; their blood gets 0 Gy here.
    """

    half_life_s: float
    blood: BloodSummary
    lymphocytes: LymphocyteForecast
    doses_gy: Mapping[str, float]
    cycle_days: tuple[float, ...] = ()
    liver_spared: tuple[Mapping[str, Any], ...] = ()
    tumours: tuple[Mapping[str, Any], ...] = ()
    lymphoid_organs: tuple[Mapping[str, Any], ...] = ()
    free_activity_gy: float | None = None
    sex_source: str = "stated"
    not_drawn: tuple[str, ...] = ()

    __repr__ = short_repr

    @property
    def assumptions(self) -> tuple[str, str]:
        """What is assumed, and what is not known, a line each."""
        chosen = self.blood.assumptions
        missing = f"; not drawn and taken as 0 Gy: {', '.join(self.not_drawn)}" if self.not_drawn else ""
        adult = "man" if chosen.sex == "male" else "woman"
        return (
            f"Assumed: blood and flows of the reference {adult} of ICRP 89 (sex {self.sex_source}), "
            f"{self.blood.body.total_volume_l:.2f} L, {100 * self.blood.liver_fraction:.3g} % of it in the liver and "
            f"{100 * self.blood.tumour_fraction:.3g} % in tumours; blood gets the dose of the tissue it is in{missing}.",
            "Not known of this patient: how long lymphocytes stay in blood and organs, their sensitivity (0.30 to 0.68 /Gy) and "
            "recovery (0.0015 to 0.02 /d): ranges from external beams, cells in vitro and cohorts, not fitted to the patient.",
        )

    @property
    def cycles(self) -> list[dict[str, Any]]:
        """What is left of the dose at each cycle of the drug; see `drug_cycles`."""
        return drug_cycles(self.doses_gy, self.cycle_days, self.half_life_s)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        blood, life = self.blood, self.half_life_s
        means, spreads = blood_dose_growth(
            blood.body, blood.doses_gy, life, np.multiply(GROWTH_HOURS, 3600.0)
        )
        hepatic = [name for name in blood.body.names if name.partition(" part ")[0] in ("liver", "tumour")]
        seen = fraction_of_blood_seen(blood.body, hepatic, SEEN_S)
        left = share_of_dose_left(LEFT_DAYS, life)
        return {
            "statement": EXPLORATORY,
            "assumptions": list(self.assumptions),
            "blood": {
                **blood.as_dict(),
                "sex_source": self.sex_source,
                "not_drawn": list(self.not_drawn),
                "free_activity_gy": self.free_activity_gy,
                "growth": [
                    {"hours": hours, "mean_gy": float(mean), "sd_gy": float(sd)}
                    for hours, mean, sd in zip(GROWTH_HOURS, means, spreads, strict=True)
                ],
                "passed_liver_percent": {
                    f"{s:g}": 100.0 * float(f) for s, f in zip(SEEN_S, seen, strict=True)
                },
            },
            "lymphocytes": self.lymphocytes.as_dict(),
            "dose_left_percent": {f"{d}": 100.0 * float(f) for d, f in zip(LEFT_DAYS, left, strict=True)},
            "cycles": self.cycles,
            "liver_spared": [dict(row) for row in self.liver_spared],
            "tumours": [dict(row) for row in self.tumours],
            "lymphoid_organs": [dict(row) for row in self.lymphoid_organs],
        }


def drug_cycles(
    doses_gy: Mapping[str, float], days: Sequence[float], half_life_s: float
) -> list[dict[str, Any]]:
    """Return what is left of the dose, and its rates, on the days of a drug, a row a day.

    Keys: ``day``; ``dose_left_percent``, all of it before the injection; ``gy_per_h`` by name, 0 before the injection.

    Parameters
    ----------
    doses_gy : mapping of str to float
        Doses after full decay by name [Gy].
    days : sequence of float
        Days after the injection; negative before it.
    half_life_s : float
        Physical half-life [s].

    Raises
    ------
    InputError
        If a dose is negative or the half-life not positive.

    Examples
    --------
    >>> (row,) = drug_cycles({"blood": 3.3}, [7], 64.05 * 3600)
    >>> round(row["dose_left_percent"], 1), round(row["gy_per_h"]["blood"], 4)
    (16.2, 0.0058)
    """
    rows = []
    for day in sorted(days):
        left = 1.0 if day < 0 else float(share_of_dose_left(day, half_life_s)[0])
        rates = {
            name: 0.0 if day < 0 else float(dose_rate_gy_per_h(dose, day, half_life_s)[0])
            for name, dose in doses_gy.items()
        }
        rows.append({"day": float(day), "dose_left_percent": 100.0 * left, "gy_per_h": rates})
    return rows
