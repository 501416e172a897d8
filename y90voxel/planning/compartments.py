"""What a plan without voxels knows of the patient: masses, volumes, and what each injection reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from y90voxel.bounds import check_fraction, check_not_negative, check_positive, exceeds
from y90voxel.errors import InputError, RegionError
from y90voxel.short_repr import short_repr

__all__ = ["Anatomy", "Territory", "TumourUptake"]

# Parts may exceed a liver by this fraction: each is rasterised by itself.
MASS_TOLERANCE = 0.01
# No liver is denser as a whole [g/mL]: 1.03 to 1.06, with iron a little more.
GREATEST_DENSITY_G_PER_ML = 1.1


@dataclass(frozen=True)
class TumourUptake:
    """A tumour, or the part of it that one injection reaches.

    Parameters
    ----------
    name : str
        Which tumour.
    mass_kg : float
        Perfused (viable) mass within the territory [kg].
    ratio : float or None
        Tumour-to-normal ratio of concentrations per mass; None when it is not known.

    Raises
    ------
    InputError
        If the mass is negative or the ratio not positive.
    """

    name: str
    mass_kg: float
    ratio: float | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_not_negative(self.mass_kg, f"the mass of {self.name}", "kg", tag="plan.anatomy")
        if self.ratio is not None:
            check_positive(self.ratio, f"the tumour-to-normal ratio of {self.name}", "", tag="plan.anatomy")


@dataclass(frozen=True)
class Territory:
    """What one injection reaches.

    Parameters
    ----------
    name : str
        The injection, for people.
    lung_shunt_fraction : float
        L, 0 to below 1.
    tumours : tuple of TumourUptake
        Tumours within it.
    normal_kg : float or None
        Normal liver within it [kg]; None when it is not known.

    Raises
    ------
    InputError
        If the shunt lies outside 0 to 1, the mass is negative, or two tumours have one name.
    """

    name: str
    lung_shunt_fraction: float
    tumours: tuple[TumourUptake, ...] = ()
    normal_kg: float | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_fraction(
            self.lung_shunt_fraction,
            f"the lung shunt fraction of {self.name}",
            whole=False,
            tag="administration.lung_shunt_fraction",
        )
        if self.normal_kg is not None:
            check_not_negative(self.normal_kg, f"the normal liver of {self.name}", "kg", tag="plan.anatomy")
        names = [tumour.name for tumour in self.tumours]
        if len(set(names)) < len(names):
            raise InputError(
                f"{self.name} reaches several tumours of one name ({', '.join(names)}): give each a name of its own.",
                tag="plan.anatomy",
            )

    @property
    def mass_kg(self) -> float | None:
        """Tumour and normal liver within the territory [kg]; None when either is not known."""
        if self.normal_kg is None:
            return None
        return sum(tumour.mass_kg for tumour in self.tumours) + self.normal_kg

    @property
    def missing(self) -> str:
        """What partition lacks here; empty when nothing."""
        if self.normal_kg is None:
            return f"the mass of normal liver that {self.name} reaches is not known"
        if not any(tumour.mass_kg for tumour in self.tumours):
            return f"{self.name} reaches no tumour"
        unknown = [tumour.name for tumour in self.tumours if tumour.ratio is None]
        return f"no tumour-to-normal ratio is known for {', '.join(unknown)}" if unknown else ""


@dataclass(frozen=True)
class Anatomy:
    """Masses and volumes of the patient; None is not known.

    Parameters
    ----------
    tumour_masses_kg : mapping of str to float
        Whole mass of each tumour [kg]; what two of them share counts in one of them, or in parts.
    perfused_normal_kg, whole_normal_kg : float or None
        Normal liver that is treated, and all of it [kg]; never the one for the other.
    perfused_kg : float or None
        All that is treated, tumours included [kg]; for a single injection it follows from what that reaches.
    lung_ct_kg : float or None
        Lungs from CT [kg].
    liver_volume_ml, perfused_volume_ml : float or None
        Whole liver and treated part, tumours included [mL].
    tumour_volume_ml, tumour_volume_in_perfused_ml : float or None
        All tumours, and their part in the treated part [mL].
    perfused_name : str
        What the treated part is called.
    liver_kg : float or None
        Whole liver, tumours included [kg].

    Raises
    ------
    InputError
        If a mass or volume is negative, or the volume of the liver 0.
    RegionError
        If a part is larger than its whole.
    """

    tumour_masses_kg: Mapping[str, float] = field(default_factory=dict)
    perfused_normal_kg: float | None = None
    whole_normal_kg: float | None = None
    perfused_kg: float | None = None
    lung_ct_kg: float | None = None
    liver_volume_ml: float | None = None
    perfused_volume_ml: float | None = None
    tumour_volume_ml: float | None = None
    tumour_volume_in_perfused_ml: float | None = None
    perfused_name: str = "perfused volume"
    liver_kg: float | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        for name, mass in self.tumour_masses_kg.items():
            check_positive(mass, f"the mass of {name}", "kg", tag="plan.anatomy")
        for what, value, unit in (
            ("the perfused normal liver", self.perfused_normal_kg, "kg"),
            ("the whole normal liver", self.whole_normal_kg, "kg"),
            ("all that is perfused", self.perfused_kg, "kg"),
            ("the liver with its tumours", self.liver_kg, "kg"),
            ("the lungs from CT", self.lung_ct_kg, "kg"),
            ("the perfused volume", self.perfused_volume_ml, "mL"),
            ("the tumours", self.tumour_volume_ml, "mL"),
            ("the tumours in the perfused volume", self.tumour_volume_in_perfused_ml, "mL"),
        ):
            if value is not None:
                check_not_negative(value, what, unit, tag="plan.anatomy")
        if self.liver_volume_ml is not None:
            check_positive(self.liver_volume_ml, "the liver", "mL", tag="plan.anatomy")
        _check_part(
            "the perfused normal liver", self.perfused_normal_kg, "the whole", self.whole_normal_kg, "kg"
        )
        _check_part("the perfused volume", self.perfused_volume_ml, "the liver", self.liver_volume_ml, "mL")
        _check_part("the tumours", self.tumour_volume_ml, "the liver", self.liver_volume_ml, "mL")
        within = self.tumour_volume_in_perfused_ml
        for of, whole in (
            ("all tumours", self.tumour_volume_ml),
            ("the perfused volume", self.perfused_volume_ml),
        ):
            _check_part("the tumour in the perfused volume", within, of, whole, "mL")

    def check_masses(self) -> None:
        """Refuse tumours and normal liver that do not fit into the liver.

        Raises
        ------
        RegionError
            If tumours and normal liver together exceed its mass by more than 1 %; where only its volume is known, if
            the tumours exceed what that can weigh.
        """
        tumours_kg = sum(self.tumour_masses_kg.values())
        tumours = f"the tumours ({', '.join(self.tumour_masses_kg)}) weigh {tumours_kg:.4g} kg"
        advice = (
            "State each tumour once, without what it shares with another, and normal liver without tumours."
        )
        if self.liver_kg is not None and self.whole_normal_kg is not None:
            both_kg = tumours_kg + self.whole_normal_kg
            if both_kg > self.liver_kg * (1.0 + MASS_TOLERANCE):
                raise RegionError(
                    f"masses contradict each other: {tumours}, normal liver {self.whole_normal_kg:.4g} kg, together "
                    f"{both_kg:.4g} kg, but the liver with its tumours only {self.liver_kg:.4g} kg. {advice}",
                    tag="plan.anatomy",
                )
        elif self.liver_volume_ml is not None:
            most_kg = self.liver_volume_ml * GREATEST_DENSITY_G_PER_ML / 1000.0
            if tumours_kg > most_kg:
                raise RegionError(
                    f"masses contradict each other: {tumours}, but the whole liver of {self.liver_volume_ml:.4g} mL can "
                    f"weigh no more than {most_kg:.4g} kg ({GREATEST_DENSITY_G_PER_ML:g} g/mL). {advice}",
                    tag="plan.anatomy",
                )

    def check_territories(self, territories: tuple[Territory, ...]) -> None:
        """Refuse territories that hold what the anatomy does not.

        Raises
        ------
        InputError
            If there is no territory, or one holds an unknown tumour.
        RegionError
            If one holds more of a tumour or of normal liver than there is.
        """
        if not territories:
            raise InputError("a plan needs at least one injection.", tag="injection")
        for territory in territories:
            _check_part(
                f"the normal liver of {territory.name}",
                territory.normal_kg,
                "all that is perfused",
                self.perfused_normal_kg,
                "kg",
            )
            for tumour in territory.tumours:
                if tumour.name not in self.tumour_masses_kg:
                    raise InputError(
                        f"{territory.name} reaches {tumour.name}, whose whole mass is not given.",
                        tag="plan.anatomy",
                    )
                whole = self.tumour_masses_kg[tumour.name]
                _check_part(
                    f"the part of {tumour.name} that {territory.name} reaches",
                    tumour.mass_kg,
                    "the whole",
                    whole,
                    "kg",
                )


def _check_part(what: str, part: float | None, of: str, whole: float | None, unit: str) -> None:
    """Refuse a part that is larger than its whole."""
    if part is not None and whole is not None and exceeds(part, whole):
        raise RegionError(
            f"{what} ({part:g} {unit}) is larger than {of} ({whole:g} {unit}).", tag="plan.anatomy"
        )
