"""What the camera saw of a treatment: an image for each injection, and what it takes to make activity of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from y90voxel.quantification.administration import Administration
from y90voxel.quantification.arteries import Artery
from y90voxel.quantification.calibration import Calibration
from y90voxel.quantification.dead_time import DeadTime
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.planar_shunt import PlanarSetup
from y90voxel.regions.regions import Regions
from y90voxel.short_repr import short_repr
from y90voxel.volumes.grid import Grid

__all__ = ["Injection", "Measurement"]


@dataclass(frozen=True, eq=False)
class Injection:
    """One injection: what was given, what the camera saw of it, and where it went.

    Parameters
    ----------
    emission : EmissionImage
        The image of this injection, on its own grid.
    administration : Administration
        Net activity, time and lung shunt.
    territory : str or None
        Name of the region whose counts stand for this injection in a relative calibration over the
        liver; None takes liver, tumours and perfused volume together.
    regions : Regions or None
        The regions on the grid of the emission, for calibration and for what the camera saw of them; None
        when the dose grid serves for both.
    arteries : tuple of Artery
        The single injections, where the image follows several: ``administration`` is all of them at the time of the last.
    """

    emission: EmissionImage
    administration: Administration
    territory: str | None = None
    regions: Regions | None = None
    arteries: tuple[Artery, ...] = ()

    __repr__ = short_repr


class Measurement(Protocol):
    """What quantification asks of a case; see `y90voxel.case.case.Case` for each attribute."""

    @property
    def nuclide(self) -> str:
        """The therapy nuclide."""

    @property
    def injections(self) -> tuple[Injection, ...]:
        """At least one, each with its image."""

    @property
    def regions(self) -> Regions:
        """On the dose grid."""

    @property
    def grid(self) -> Grid:
        """The dose grid."""

    @property
    def calibration(self) -> Calibration:
        """How counts become activity."""

    @property
    def planar_setup(self) -> PlanarSetup:
        """Opposite planar views and what a shunt is measured with; lung closer to the liver than its margin is scaled for."""

    @property
    def emission_fwhm_mm(self) -> float:
        """Resolution of the emission image, as given or assumed [mm]."""

    @property
    def lung_masses_g(self) -> Mapping[str, float | None]:
        """Mass of what is drawn of each lung by CT [g], by its name."""

    @property
    def dead_time(self) -> DeadTime | None:
        """How the camera loses counts."""

    @property
    def accepted(self) -> Collection[str]:
        """Codes of refusals that are overridden."""
