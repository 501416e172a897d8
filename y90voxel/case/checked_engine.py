"""A dose beside that of the exact engine: the numbers of a comparison that was asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["CheckedRegion", "EngineCheck"]


@dataclass(frozen=True)
class CheckedRegion:
    """The mean dose of a region by both engines; the attributes are the keys of ``metrics.json``.

    Parameters
    ----------
    name : str
        The region.
    mass_weighted_mean_gy, verified_gy : float
        By the engine that ran, and by the exact one [Gy].
    sigma_gy : float
        Standard uncertainty of the latter, statistics and kernel [Gy].
    change : float or None
        The latter over the former, less 1; None without dose.
    change_sigma : float or None
        Its standard uncertainty.
    """

    name: str
    mass_weighted_mean_gy: float
    verified_gy: float
    sigma_gy: float
    change: float | None
    change_sigma: float | None


@dataclass(frozen=True)
class EngineCheck:
    """A dose beside that of the exact engine.

    Parameters
    ----------
    engine : str
        What it is compared with.
    histories : int
        Of that engine.
    seed : int
        Of them.
    regions : tuple of CheckedRegion
        As in the metrics.
    """

    engine: str
    histories: int
    seed: int
    regions: tuple[CheckedRegion, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes for JSON."""
        return asdict(self) | {"regions": [asdict(region) for region in self.regions]}
