"""What forbids a treatment outright: no model gives an activity then, whatever its limits allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from y90voxel.bounds import ROUNDING, check_fraction, exceeds
from y90voxel.clinical.limits import ClinicalContext, Scenario
from y90voxel.clinical.limits_table import FRACTION_TABLE, LUNGS_ALL_TREATMENTS_GY, FractionLimit
from y90voxel.short_repr import short_repr

__all__ = ["STOP_RULES", "Stop", "stop_of"]

# 2 mg/dL.
_BILIRUBIN_UMOL_PER_L = 34.2
_LABEL = "SIR-Spheres, contraindications, sirtex.com, approved indication"
# Read in a list of contraindications (seekhealthz.com), not in a label; the label of resin says "markedly abnormal
# excretory liver function tests".
_LIST = "lists of contraindications of radioembolisation (secondary source; no label was read that prints it)"

# The limits on fractions that are contraindications.
STOP_RULES: tuple[FractionLimit, ...] = tuple(
    limit for limit in FRACTION_TABLE if limit.contraindication and limit.quantity == "lung shunt fraction"
)


@dataclass(frozen=True)
class Stop:
    """A contraindication that a patient has.

    Parameters
    ----------
    reason : str
        What forbids the treatment, with both values where there are two.
    source : str
        Where the rule comes from.
    lung_shunt_fraction : float or None
        Shunt of all injections together that rules were held against; None where it is not known.
    """

    reason: str
    source: str
    lung_shunt_fraction: float | None = None

    __repr__ = short_repr

    def __str__(self) -> str:
        """Return the reason and the source."""
        return f"{self.reason} ({self.source})"


def stop_of(
    device: str | None, lung_shunt_fraction: float, context: ClinicalContext | None = None
) -> Stop | None:
    """Return the first contraindication that holds, None when there is none.

    Parameters
    ----------
    device : str or None
        Device; no rule of a device holds for None.
    lung_shunt_fraction : float
        Shunt of all injections together, 0 to 1; the value of a rule itself is allowed.
    context : ClinicalContext or None
        What is stated of the patient.

    Raises
    ------
    InputError
        If the fraction lies outside 0 to 1.

    Examples
    --------
    >>> stop_of("resin", 0.20) is None, str(stop_of("resin", 0.25)).partition(":")[0]
    (True, 'the lung shunt of 25 % exceeds 20 %')
    """
    check_fraction(lung_shunt_fraction, "the lung shunt fraction")
    for rule in STOP_RULES:
        if rule.device == device and exceeds(lung_shunt_fraction, rule.value):
            return Stop(
                f"the {rule.quantity.removesuffix(' fraction')} of {100 * lung_shunt_fraction:.4g} % exceeds "
                f"{100 * rule.value:g} %: no treatment with {rule.device}",
                rule.source,
            )
    patient = context or ClinicalContext()
    stops = (rule(patient) for rule in _OF_PATIENTS)
    return next((stop for stop in stops if stop is not None), None)


def _lungs_used_up(context: ClinicalContext) -> Stop | None:
    """Earlier treatments that leave nothing of the lungs' limit over all treatments."""
    earlier = sum(context.previous_lung_doses_gy or ())
    if earlier < LUNGS_ALL_TREATMENTS_GY * (1.0 - ROUNDING):
        return None
    text = (
        f"earlier treatments gave the lungs {earlier:.4g} Gy: nothing is left of {LUNGS_ALL_TREATMENTS_GY:g} Gy over all "
        "treatments"
    )
    return Stop(text, "Kis et al. 2024, doi 10.1016/j.jvir.2024.08.031; rests on few patients")


def _lobar(context: ClinicalContext) -> bool:
    """Whether the treatment is, or may be, of a lobe or more."""
    return context.scenario is not Scenario.SEGMENTECTOMY


def _ascites(context: ClinicalContext) -> Stop | None:
    """Ascites in a treatment of a lobe or more."""
    if not context.ascites or not _lobar(context):
        return None
    return Stop("ascites: no treatment of a lobe or more" + _unless_segment(context), _LABEL)


def _bilirubin(context: ClinicalContext) -> Stop | None:
    """Bilirubin above 2 mg/dL without a reversible cause, in a treatment of a lobe or more."""
    value = context.bilirubin_umol_per_l
    if value is None or not exceeds(value, _BILIRUBIN_UMOL_PER_L):
        return None
    if context.bilirubin_reversible or not _lobar(context):
        return None
    return Stop(
        f"bilirubin of {value:.3g} µmol/L ({value / 17.1:.2g} mg/dL) exceeds 2 mg/dL, and no reversible cause is stated "
        f"(patient.bilirubin_reversible): no treatment of a lobe or more{_unless_segment(context)}",
        _LIST,
    )


def _unless_segment(context: ClinicalContext) -> str:
    """What to state where the scenario is open."""
    return "; state --scenario if it is a segmentectomy" if context.scenario is None else ""


def _focus(context: ClinicalContext) -> Stop | None:
    """A focus of uptake that was confirmed as gastrointestinal."""
    if not context.gastrointestinal_focus:
        return None
    text = "a focus of uptake is confirmed as gastrointestinal: no treatment until the vessel is closed"
    return Stop(text, _LABEL)


_OF_PATIENTS: tuple[Callable[[ClinicalContext], Stop | None], ...] = (
    _lungs_used_up,
    _ascites,
    _bilirubin,
    _focus,
)
