"""Settings of what is said about blood, lymphocytes and time to immunotherapy; exploratory, off by default."""

from __future__ import annotations

from datetime import date as calendar_date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from y90voxel.case.setting_types import Fraction, Group, Positive, Setting

__all__ = ["CountSettings", "ImmuneSettings"]


class CountSettings(Group):
    """One lymphocyte count of the patient, by its date or its day."""

    giga_per_l: Annotated[Positive, Setting("Lymphocytes [10^9/L].")]
    date: Annotated[calendar_date | None, Setting("Day of the sample.")] = None
    day: Annotated[float | None, Setting("Days after the injection instead; 0 or less is before it.")] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a count that has two moments, or none."""
        if (self.date is None) == (self.day is None):
            raise ValueError("a count needs its date or its day, one of them")
        return self


class ImmuneSettings(Group):
    """Dose to blood and lymphocytes, and the drug's cycles: exploratory, no decision may rest on it."""

    report: Annotated[
        bool,
        Setting(
            "Dose to blood and lymphocytes, dose left at cycles of immunotherapy: exploratory.",
            "--immune",
            ("dose", "plan", "batch"),
            sets=True,
        ),
    ] = False
    blood_volume_l: Annotated[
        Positive | None,
        Setting("Blood volume [L].  [default: by Nadler from height and weight, else the reference adult's]"),
    ] = None
    cardiac_output_l_per_min: Annotated[
        Positive | None, Setting("Cardiac output [L/min].  [default: as the blood volume]")
    ] = None
    tumour_relative_blood: Annotated[
        Positive, Setting("Blood per volume of tumour over the mean of liver and tumour.")
    ] = 1.0
    tumour_relative_perfusion: Annotated[
        Positive, Setting("Flow per volume of tumour over the mean of liver and tumour.")
    ] = 1.0
    residence: Annotated[
        Literal["exponential", "weibull-2"], Setting("Law of residence times in compartments: {choices}.")
    ] = "exponential"
    free_activity: Annotated[
        Fraction | None,
        Setting("Share of the activity that circulates free, such as '0.5%'; an upper bound."),
    ] = None
    alpha_per_gy: Annotated[
        Positive | None, Setting("Sensitivity of lymphocytes [1/Gy].  [default: 0.40, Jin 2020]")
    ] = None
    slow_share: Annotated[
        Fraction | None, Setting("Share of lymphocytes that recovers slowly; adds the curve of two pools.")
    ] = None
    pool_weighted: Annotated[
        bool, Setting("Dose weighted by numbers of lymphocytes in organs; these numbers are UNVERIFIED.")
    ] = False
    cycle_dates: Annotated[list[calendar_date], Setting("Days on which immunotherapy is given.")] = Field(
        default_factory=list
    )
    cycle_days: Annotated[
        list[float], Setting("The same as days after the injection; negative before it.")
    ] = Field(default_factory=list)
    count: Annotated[list[CountSettings], Setting("Lymphocyte counts of the patient.")] = Field(
        default_factory=list
    )
