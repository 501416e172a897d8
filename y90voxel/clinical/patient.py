"""The patient record: what was stated, by which source, checked for what it can be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.clinical.body_surface import bsa
from y90voxel.clinical.liver_function import albi_grade, albi_score, check_albumin, child_pugh_class
from y90voxel.errors import InputError
from y90voxel.short_repr import short_repr

__all__ = [
    "AfpUnit",
    "AlphaFetoprotein",
    "BclcStage",
    "HepaticVeinInvasion",
    "PatientRecord",
    "PortalVeinInvasion",
    "Response",
    "ResponseCategory",
    "ResponseCriterion",
    "Stated",
]

_Member = TypeVar("_Member", bound=StrEnum)


class BclcStage(StrEnum):
    """Barcelona Clinic Liver Cancer stage."""

    VERY_EARLY = "0"
    EARLY = "A"
    INTERMEDIATE = "B"
    ADVANCED = "C"
    TERMINAL = "D"


class PortalVeinInvasion(StrEnum):
    """Portal vein invasion: beyond second order, second order, first order branches, main trunk."""

    VP0 = "Vp0"
    VP1 = "Vp1"
    VP2 = "Vp2"
    VP3 = "Vp3"
    VP4 = "Vp4"


class HepaticVeinInvasion(StrEnum):
    """Hepatic vein invasion: peripheral vein, major vein, inferior vena cava."""

    VV0 = "Vv0"
    VV1 = "Vv1"
    VV2 = "Vv2"
    VV3 = "Vv3"


class AfpUnit(StrEnum):
    """Unit of alpha-fetoprotein; mass and activity units are not the same number."""

    NG_PER_ML = "ng/mL"
    UG_PER_L = "ug/L"
    KU_PER_L = "kU/L"
    IU_PER_ML = "IU/mL"


class ResponseCriterion(StrEnum):
    """Rule by which a response was judged."""

    RECIST_1_1 = "RECIST 1.1"
    MRECIST = "mRECIST"
    IRECIST = "iRECIST"
    LI_RADS = "LI-RADS"


class ResponseCategory(StrEnum):
    """Judgement of a response."""

    COMPLETE = "CR"
    PARTIAL = "PR"
    STABLE = "SD"
    PROGRESSIVE = "PD"
    VIABLE = "LR-TR viable"
    EQUIVOCAL = "LR-TR equivocal"
    NONVIABLE = "LR-TR nonviable"


_RECIST = {
    ResponseCategory.COMPLETE,
    ResponseCategory.PARTIAL,
    ResponseCategory.STABLE,
    ResponseCategory.PROGRESSIVE,
}


@dataclass(frozen=True)
class Stated:
    """A fact as one source states it; two sources may contradict each other, and both stand.

    Parameters
    ----------
    value : str
        What is stated, in words.
    source : str
        Where, such as ``"table 1"`` or ``"figure 3"``.

    Raises
    ------
    InputError
        If value or source are empty.
    """

    value: str
    source: str

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if not self.value.strip() or not self.source.strip():
            raise InputError(
                f"a statement needs a value and its source, got {self.value!r} and {self.source!r}."
            )


@dataclass(frozen=True)
class AlphaFetoprotein:
    """Alpha-fetoprotein with the unit it was printed in.

    Parameters
    ----------
    value : float
        Zero or more.
    unit : AfpUnit
        Unit.

    Raises
    ------
    InputError
        If the value is negative or the unit unknown.
    """

    value: float
    unit: AfpUnit

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", _member(AfpUnit, self.unit, "the AFP unit"))
        check_not_negative(self.value, "the AFP", self.unit)

    def ng_per_ml(self, ng_per_ku: float | None = None) -> float:
        """Return the value in ng/mL.

        Parameters
        ----------
        ng_per_ku : float or None
            ng/mL per kU/L, about 1.21; depends on the assay's standard and must be given for activity units.

        Raises
        ------
        InputError
            If the factor is needed and not given, or not positive.
        """
        if self.unit in (AfpUnit.NG_PER_ML, AfpUnit.UG_PER_L):
            return self.value
        if ng_per_ku is None:
            raise InputError(f"an AFP in {self.unit} needs the assay's factor to ng/mL (about 1.21).")
        check_positive(ng_per_ku, "the AFP factor", "ng/mL per kU/L")
        return self.value * ng_per_ku


@dataclass(frozen=True)
class Response:
    """A response at a date.

    Parameters
    ----------
    criterion : ResponseCriterion
        The rule.
    category : ResponseCategory
        The judgement, of the kind that the rule gives.
    date : date
        Day of the imaging.

    Raises
    ------
    InputError
        If criterion or category are unknown, or do not belong together.
    """

    criterion: ResponseCriterion
    category: ResponseCategory
    date: date

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "criterion", _member(ResponseCriterion, self.criterion, "the response criterion")
        )
        object.__setattr__(self, "category", _member(ResponseCategory, self.category, "the response"))
        if (self.criterion is ResponseCriterion.LI_RADS) == (self.category in _RECIST):
            raise InputError(f"{self.criterion} does not give {self.category}.")


@dataclass(frozen=True)
class PatientRecord:
    """Optional clinical facts of one patient; no identity.

    Parameters
    ----------
    sex : str or None
        male or female.
    height_m, weight_kg : float or None
        For body surface area and blood volume [m], [kg].
    bclc : BclcStage or None
        Stage.
    portal_vein, hepatic_vein : PortalVeinInvasion, HepaticVeinInvasion or None
        Vascular invasion.
    ecog : int or None
        Performance status, 0 to 4.
    child_pugh_points : int or None
        5 to 15.
    bilirubin_umol_per_l, albumin_g_per_l : float or None
        Blood values [µmol/L], [g/L].
    afp : AlphaFetoprotein or None
        With its unit.
    treatment_date, systemic_therapy_date : date or None
        Radioembolization, and the start of systemic therapy.
    responses : tuple of Response
        In any order.
    statements : tuple of (str, Stated)
        Facts as stated, by field, such as ``("age", Stated("58", "table 1"))``; contradictions stay.
    dated : bool
        Whether dates may be shown; False leaves the days between them.

    Raises
    ------
    InputError
        If a value is unknown or out of range, or a response precedes the treatment.
    """

    sex: str | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    bclc: BclcStage | None = None
    portal_vein: PortalVeinInvasion | None = None
    hepatic_vein: HepaticVeinInvasion | None = None
    ecog: int | None = None
    child_pugh_points: int | None = None
    bilirubin_umol_per_l: float | None = None
    albumin_g_per_l: float | None = None
    afp: AlphaFetoprotein | None = None
    treatment_date: date | None = None
    systemic_therapy_date: date | None = None
    responses: tuple[Response, ...] = ()
    statements: tuple[tuple[str, Stated], ...] = ()
    dated: bool = True

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.sex not in (None, "male", "female"):
            raise InputError(f"the sex must be male or female, got {self.sex!r}.", tag="patient.sex")
        if self.height_m is not None and self.weight_kg is not None:
            bsa(self.height_m, self.weight_kg)
        for field, members in (
            ("bclc", BclcStage),
            ("portal_vein", PortalVeinInvasion),
            ("hepatic_vein", HepaticVeinInvasion),
        ):
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, _member(members, value, field.replace("_", " ")))
        _check_range(self.ecog, range(5), "the ECOG status")
        _check_range(self.child_pugh_points, range(5, 16), "the Child-Pugh points")
        for value, what, unit in (
            (self.bilirubin_umol_per_l, "the bilirubin", "umol/L"),
            (self.albumin_g_per_l, "the albumin", "g/L"),
            (self.height_m, "the height", "m"),
            (self.weight_kg, "the weight", "kg"),
        ):
            if value is not None:
                check_positive(value, what, unit)
        if self.albumin_g_per_l is not None:
            check_albumin(self.albumin_g_per_l)
        for response in self.responses:
            if self.treatment_date is not None and response.date < self.treatment_date:
                raise InputError(
                    f"the response of {response.date} precedes the treatment of {self.treatment_date}; check the dates."
                )

    @property
    def contradictions(self) -> dict[str, tuple[Stated, ...]]:
        """Fields for which sources state different values, each with all its statements."""
        by_field: dict[str, tuple[Stated, ...]] = {}
        for field, stated in self.statements:
            by_field[field] = (*by_field.get(field, ()), stated)
        return {f: statements for f, statements in by_field.items() if len({s.value for s in statements}) > 1}

    @property
    def days_to_systemic_therapy(self) -> int | None:
        """Days from radioembolization to systemic therapy, negative when that came first; None when not known."""
        if self.treatment_date is None or self.systemic_therapy_date is None:
            return None
        return (self.systemic_therapy_date - self.treatment_date).days

    @property
    def body_surface_area_m2(self) -> float | None:
        """Body surface area [m²]; None without height or weight."""
        if self.height_m is None or self.weight_kg is None:
            return None
        return bsa(self.height_m, self.weight_kg)

    @property
    def albi(self) -> float | None:
        """ALBI score; None without bilirubin or albumin."""
        if self.bilirubin_umol_per_l is None or self.albumin_g_per_l is None:
            return None
        return albi_score(self.bilirubin_umol_per_l, self.albumin_g_per_l)

    def anonymous(self) -> PatientRecord:
        """Return the record without dates and without words of its sources."""
        return replace(self, statements=(), dated=False)

    def as_dict(self) -> dict[str, Any]:
        """Return what is known for JSON: the facts, and what follows from them; nothing that is not known."""
        albi, points = self.albi, self.child_pugh_points
        facts: dict[str, Any] = {
            "sex": self.sex,
            "height_m": self.height_m,
            "weight_kg": self.weight_kg,
            "body_surface_area_m2": self.body_surface_area_m2,
            "bclc": self.bclc,
            "portal_vein": self.portal_vein,
            "hepatic_vein": self.hepatic_vein,
            "ecog": self.ecog,
            "child_pugh_points": points,
            "child_pugh_class": None if points is None else child_pugh_class(points),
            "bilirubin_umol_per_l": self.bilirubin_umol_per_l,
            "albumin_g_per_l": self.albumin_g_per_l,
            "albi_score": albi,
            "albi_grade": None if albi is None else albi_grade(albi),
            "afp": None if self.afp is None else {"value": self.afp.value, "unit": self.afp.unit.value},
            "treatment_date": self._shown_date(self.treatment_date),
            "systemic_therapy_date": self._shown_date(self.systemic_therapy_date),
            "days_to_systemic_therapy": self.days_to_systemic_therapy,
            "responses": [self._response(response) for response in self.responses] or None,
            "statements": [
                {"field": field, "value": stated.value, "source": stated.source}
                for field, stated in self.statements
            ]
            or None,
            "contradictions": sorted(self.contradictions) or None,
        }
        return {key: value for key, value in facts.items() if value is not None}

    def _shown_date(self, day: date | None) -> str | None:
        """A date where dates may be shown."""
        return day.isoformat() if day is not None and self.dated else None

    def _response(self, response: Response) -> dict[str, Any]:
        """A response, with the days since treatment where both dates are known."""
        days = None if self.treatment_date is None else (response.date - self.treatment_date).days
        facts = {
            "criterion": response.criterion.value,
            "category": response.category.value,
            "date": self._shown_date(response.date),
            "days_after_treatment": days,
        }
        return {key: value for key, value in facts.items() if value is not None}


def _member(members: type[_Member], value: str, what: str) -> _Member:
    """The member of an enumeration that a text names, or the error that lists them."""
    try:
        return members(value)
    except ValueError as error:
        raise InputError(f"{what} must be one of {', '.join(members)}, got {value!r}.") from error


def _check_range(value: int | None, allowed: range, what: str) -> None:
    """Refuse a whole number outside its scale."""
    if value is not None and value not in allowed:
        raise InputError(f"{what} must lie between {allowed[0]} and {allowed[-1]}, got {value}.")
