"""The lung shunt of every injection by each method that its images allow, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from y90voxel.case.case import Case
from y90voxel.errors import InputError
from y90voxel.quantification.lung_shunt import resolve_shunt
from y90voxel.quantification.measurement import Injection
from y90voxel.volumes.resample import resample

__all__ = ["ShuntMethod", "shunt_methods"]

CAVEATS = {
    "given": "as given",
    "planar": "geometric mean net of background, corrected for attenuation by the CT where there is one; no scatter correction",
    "planar-left": "as planar, the left lung for both: liver shines through the right one",
    "spect": "right only with scatter and attenuation correction; breathing puts liver counts into the lung base",
}


@dataclass(frozen=True)
class ShuntMethod:
    """The lung shunt of one injection by one method.

    Parameters
    ----------
    injection, method : str
        Which injection; ``given``, ``planar`` or ``spect``.
    fraction : float or None
        The shunt, 0 to 1; None when the method cannot be used.
    dome_margin_mm : float or None
        Lung closer to the liver was left out and scaled for [mm]; SPECT only.
    caveat : str
        What must be read with it.
    reason : str
        Why it cannot be used; empty when it can.
    used : bool
        Whether the plan uses it.
    standard_error : float or None
        Standard uncertainty of the shunt, where it is known.
    """

    injection: str
    method: str
    fraction: float | None
    dome_margin_mm: float | None
    caveat: str
    reason: str = ""
    used: bool = False
    standard_error: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of ``plan.json``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "reason": self.reason or None
        }


def shunt_methods(
    case: Case, names: tuple[str, ...], used: tuple[tuple[float, str], ...]
) -> tuple[ShuntMethod, ...]:
    """Return the shunt of every injection: given, by planar views (both lungs, left one), by SPECT with and without a margin.

    Parameters
    ----------
    case : Case
        Images and regions.
    names : tuple of str, (injections,)
        What the injections are called.
    used : tuple of (float, str), (injections,)
        Fraction that the plan uses, and its source.
    """
    methods = []
    for name, injection, (fraction, source) in zip(names, case.injections, used, strict=True):
        if source == "given":
            methods.append(ShuntMethod(name, "given", fraction, None, CAVEATS["given"], used=True))
        margin = case.dome_margin_mm
        planar, left = (_measured(case, injection, name, how, None) for how in ("planar", "planar-left"))
        with_margin, whole = (_measured(case, injection, name, "spect", mm) for mm in (margin, 0.0))
        methods += [
            replace(planar, used=source == "planar"),
            replace(left, used=source == "planar-left"),
            replace(with_margin, used=source == "spect"),
            whole,
        ]
    return tuple(methods)


def _measured(
    case: Case, injection: Injection, name: str, method: str, margin_mm: float | None
) -> ShuntMethod:
    """One measurement, or why it cannot be made."""
    regions = injection.regions or case.regions
    emission = injection.emission
    on_regions = emission.grid.is_same_as(regions.grid)
    counts = emission.volume if on_regions else resample(emission.volume, regions.grid)
    asked = replace(injection.administration, lung_shunt_fraction=None, shunt_source=method)
    try:
        setup = case.planar_setup if margin_mm is None else replace(case.planar_setup, margin_mm=margin_mm)
        resolved, _ = resolve_shunt(asked, counts, regions, setup, needed=True)
    except InputError as error:
        return ShuntMethod(name, method, None, margin_mm, CAVEATS[method], reason=error.message)
    fraction, spread = resolved.lung_shunt_fraction, resolved.shunt_error
    return ShuntMethod(name, method, fraction, margin_mm, CAVEATS[method], standard_error=spread)
