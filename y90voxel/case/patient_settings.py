"""The patient table of a case file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from y90voxel.case.setting_types import Group, Setting
from y90voxel.clinical.liver_function import albumin_g_per_l, bilirubin_umol_per_l
from y90voxel.clinical.patient import AlphaFetoprotein, PatientRecord, Response, Stated

__all__ = ["PatientSettings"]


class QuantitySettings(Group):
    """A blood value with the unit it was printed in."""

    value: Annotated[float, Setting("The number.")]
    unit: Annotated[str, Setting("ng/mL, ug/L, kU/L or IU/mL.")]


class ResponseSettings(Group):
    """One response."""

    criterion: Annotated[
        Literal["RECIST 1.1", "mRECIST", "iRECIST", "LI-RADS"],
        Setting("Rule by which it was judged: {choices}."),
    ]
    category: Annotated[str, Setting("CR, PR, SD, PD, or a LI-RADS category.")]
    date: Annotated[date, Setting("When it was judged.")]


class StatementSettings(Group):
    """A fact as one source states it."""

    field: Annotated[str, Setting("What the fact is about.")]
    value: Annotated[str, Setting("What is stated, in words.")]
    source: Annotated[str, Setting("Where it is stated.")]


class PatientSettings(Group):
    """Optional clinical facts; every one is checked when the record is made, which happens on reading."""

    sex: Annotated[
        Literal["male", "female"] | None,
        Setting("{choices}: whose blood is the reference.  [default: as the images state it]"),
    ] = None
    height_m: Annotated[float | None, Setting("Height [m], for the BSA rules.", "--height", ("plan",))] = None
    weight_kg: Annotated[float | None, Setting("Weight [kg], for the BSA rules.", "--weight", ("plan",))] = (
        None
    )
    bclc: Annotated[str | None, Setting("BCLC stage: 0, A, B, C or D.")] = None
    portal_vein: Annotated[str | None, Setting("Portal vein invasion: Vp0 to Vp4.")] = None
    hepatic_vein: Annotated[str | None, Setting("Hepatic vein invasion: Vv0 to Vv3.")] = None
    ecog: Annotated[int | None, Setting("ECOG performance status, 0 to 5.")] = None
    child_pugh_points: Annotated[int | None, Setting("Child-Pugh points, 5 to 15.")] = None
    bilirubin_umol_per_l: Annotated[
        float | None, Setting("Total bilirubin [umol/L].", "--bilirubin", ("dose", "plan"))
    ] = None
    bilirubin_mg_per_dl: Annotated[float | None, Setting("Total bilirubin [mg/dL], instead.")] = None
    albumin_g_per_l: Annotated[float | None, Setting("Albumin [g/L].")] = None
    albumin_g_per_dl: Annotated[float | None, Setting("Albumin [g/dL], instead.")] = None
    ascites: Annotated[
        Literal["none", "present"] | None, Setting("Ascites: {choices}.", "--ascites", ("plan",))
    ] = None
    bilirubin_reversible: Annotated[
        bool | None, Setting("Whether a raised bilirubin has a reversible cause, such as an obstruction.")
    ] = None
    afp: Annotated[QuantitySettings | None, Setting("Alpha-fetoprotein with its unit.")] = None
    treatment_date: Annotated[date | None, Setting("Day of the treatment.")] = None
    systemic_therapy_date: Annotated[date | None, Setting("First day of systemic therapy.")] = None
    response: Annotated[list[ResponseSettings], Setting("Responses.")] = Field(default_factory=list)
    stated: Annotated[list[StatementSettings], Setting("Facts as single sources state them.")] = Field(
        default_factory=list
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse what no patient record can hold, with the record's own words."""
        for one, other in (
            ("bilirubin_umol_per_l", "bilirubin_mg_per_dl"),
            ("albumin_g_per_l", "albumin_g_per_dl"),
        ):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"{one} and {other} are both given; give one of them")
        self.record()
        return self

    def record(self) -> PatientRecord:
        """Return the record.

        Raises
        ------
        InputError
            If a value is unknown or out of range.
        """
        same = (
            "sex",
            "height_m",
            "weight_kg",
            "ecog",
            "child_pugh_points",
            "treatment_date",
            "systemic_therapy_date",
        )
        facts: dict[str, Any] = {
            name: getattr(self, name) for name in (*same, "bclc", "portal_vein", "hepatic_vein")
        }
        bilirubin, albumin = self.bilirubin_umol_per_l, self.albumin_g_per_l
        if self.bilirubin_mg_per_dl is not None:
            bilirubin = bilirubin_umol_per_l(self.bilirubin_mg_per_dl)
        if self.albumin_g_per_dl is not None:
            albumin = albumin_g_per_l(self.albumin_g_per_dl)
        return PatientRecord(
            **facts,
            bilirubin_umol_per_l=bilirubin,
            albumin_g_per_l=albumin,
            afp=None if self.afp is None else AlphaFetoprotein(self.afp.value, self.afp.unit),  # type: ignore[arg-type]
            responses=tuple(Response(r.criterion, r.category, r.date) for r in self.response),  # type: ignore[arg-type]
            statements=tuple((s.field, Stated(s.value, s.source)) for s in self.stated),
        )
