"""What forbids a treatment outright: no model gives an activity then, whatever its limits allow."""

from __future__ import annotations

from dataclasses import dataclass

from y90voxel.bounds import check_fraction
from y90voxel.clinical.limits_table import FRACTION_TABLE, FractionLimit, Sense

__all__ = ["STOP_RULES", "Stop", "stop_of"]

# As for limits: what equals the value up to rounding does not exceed it.
_ROUNDING = 1e-9

# The limits on fractions that are contraindications. Anything else that forbids a treatment is added here.
STOP_RULES: tuple[FractionLimit, ...] = tuple(
    limit
    for limit in FRACTION_TABLE
    if (limit.device, limit.quantity, limit.sense) == ("resin", "lung shunt fraction", Sense.BELOW)
)


@dataclass(frozen=True)
class Stop:
    """A contraindication that a patient has.

    Parameters
    ----------
    rule : FractionLimit
        What forbids the treatment.
    value : float
        What was found.
    """

    rule: FractionLimit
    value: float

    def __str__(self) -> str:
        """Return both values, the device and the source."""
        return (
            f"the {self.rule.quantity.removesuffix(' fraction')} of {100 * self.value:.3g} % exceeds "
            f"{100 * self.rule.value:g} %: no treatment with {self.rule.device} ({self.rule.source})"
        )


def stop_of(device: str | None, lung_shunt_fraction: float) -> Stop | None:
    """Return the first contraindication that holds, None when there is none.

    Parameters
    ----------
    device : str or None
        Device; no rule holds for None.
    lung_shunt_fraction : float
        Shunt of all injections together, 0 to 1; the value of a rule itself is allowed.

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
        if rule.device == device and lung_shunt_fraction > rule.value * (1.0 + _ROUNDING):
            return Stop(rule, lung_shunt_fraction)
    return None
