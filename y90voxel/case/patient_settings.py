"""The patient table of a case file."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from y90voxel.case.setting_types import Group
from y90voxel.clinical.liver_function import albumin_g_per_l, bilirubin_umol_per_l
from y90voxel.clinical.patient import AlphaFetoprotein, PatientRecord, Response, Stated

__all__ = ["PatientSettings"]


class QuantitySettings(Group):
    """A blood value with the unit it was printed in."""

    value: float
    unit: str


class ResponseSettings(Group):
    """One response."""

    criterion: Literal["RECIST 1.1", "mRECIST", "iRECIST", "LI-RADS"]
    category: str
    date: date


class StatementSettings(Group):
    """A fact as one source states it."""

    field: str
    value: str
    source: str


class PatientSettings(Group):
    """Optional clinical facts; every one is checked when the record is made, which happens on reading."""

    height_m: float | None = None
    weight_kg: float | None = None
    bclc: str | None = None
    portal_vein: str | None = None
    hepatic_vein: str | None = None
    ecog: int | None = None
    child_pugh_points: int | None = None
    bilirubin_umol_per_l: float | None = None
    bilirubin_mg_per_dl: float | None = None
    albumin_g_per_l: float | None = None
    albumin_g_per_dl: float | None = None
    afp: QuantitySettings | None = None
    treatment_date: date | None = None
    systemic_therapy_date: date | None = None
    response: list[ResponseSettings] = Field(default_factory=list)
    stated: list[StatementSettings] = Field(default_factory=list)

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
