"""All images of a digital twin over its days, and the truth that they were made from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.twin_settings import TwinSettings
from y90voxel.phantoms.blurred_shapes import sphere_recovery
from y90voxel.phantoms.filling import Filling, filling_of, layout_of
from y90voxel.phantoms.phantom_layout import PhantomLayout, Pose
from y90voxel.phantoms.twin import TwinCamera, twin_concentration, twin_frame
from y90voxel.volumes.grid import Grid

__all__ = ["TwinFrame", "TwinStudy"]

_MARGIN_MM = 20.0  # around the phantom [mm]; chosen: blur ends within the image


@dataclass(frozen=True, eq=False)
class TwinFrame:
    """One acquisition of a twin.

    Parameters
    ----------
    values : ndarray, (slices, rows, columns)
        Counts (NM) or Bq/mL at the start of the acquisition (PT).
    start : datetime
        Start of the acquisition.
    halves : tuple of ndarray
        Two images of independent noise that make it up, where they are asked for: half the counts each, or Bq/mL.
    """

    values: NDArray[np.float64]
    start: datetime
    halves: tuple[NDArray[np.float64], ...] = ()


@dataclass(frozen=True, eq=False)
class TwinStudy:
    """A twin, ready to be imaged.

    Parameters
    ----------
    settings : TwinSettings
        As declared.
    """

    settings: TwinSettings

    @property
    def layout(self) -> PhantomLayout:
        """The phantom."""
        return layout_of(self.settings.filling)

    @property
    def filling(self) -> Filling:
        """What it holds."""
        return filling_of(self.settings.filling)

    @property
    def pose(self) -> Pose:
        """How it lies."""
        place = self.settings.place
        return Pose.turned(place.angles_deg, place.shift_mm, place.mirrored)

    @property
    def camera(self) -> TwinCamera:
        """What sees it."""
        stated = self.settings.camera.model_dump(exclude={"reconstruction", "filter"})
        return TwinCamera(**stated)

    @property
    def grid(self) -> Grid:
        """The voxels of the image: about the origin, or about the phantom where no field is stated."""
        field, layout = self.settings.place.field_mm, self.layout
        if field is None:
            wide = layout.half_width_mm
            ends = np.array(
                [
                    (x, y, z)
                    for x in (-wide, wide)
                    for y in (-wide, wide)
                    for z in (layout.low_mm, layout.high_mm)
                ]
            )
            points = self.pose.to_image(ends)
            low, high = points.min(axis=0) - _MARGIN_MM, points.max(axis=0) + _MARGIN_MM
        else:
            high = 0.5 * np.array(field[::-1])
            low = -high
        spacing = np.array(self.settings.camera.voxel_mm)
        shape = np.maximum(2, np.ceil((high - low)[::-1] / spacing)).astype(int)
        origin = 0.5 * (low + high) - 0.5 * ((shape - 1) * spacing)[::-1]
        return Grid.from_spacing(shape.tolist(), spacing.tolist(), origin.tolist())

    def frames(self) -> Iterator[TwinFrame]:
        """Yield the acquisitions in order."""
        filling, camera, grid = self.filling, self.camera, self.grid
        spheres = [filling.sphere_bq_per_ml or 0.0] * len(self.layout.spheres)
        seen = twin_concentration(
            self.layout, self.pose, grid, camera.fwhm_mm, spheres, filling.background_bq_per_ml
        )
        rng = np.random.default_rng(self.settings.seed)
        hours = sorted(self.settings.hours)
        wanted = 2 if self.settings.halves else 1
        # a half of the counts varies by √2 as much, so that both together vary as stated
        camera = replace(camera, noise_cv=math.sqrt(wanted) * camera.noise_cv)
        for hour in hours:
            made = [
                twin_frame(
                    seen,
                    grid,
                    camera,
                    activity_mbq=1e-6 * filling.total_bq,
                    elapsed_s=3600.0 * hour,
                    first_elapsed_s=3600.0 * hours[0],
                    half_life_s=filling.half_life_s,
                    reference=filling.background_bq_per_ml or spheres[0],
                    rng=rng,
                )
                for _ in range(wanted)
            ]
            values = np.asarray(sum(made) / wanted)
            share = 0.5 if camera.modality == "NM" else 1.0
            halves = tuple(share * half for half in made) if self.settings.halves else ()
            yield TwinFrame(values, filling.reference_time + timedelta(hours=hour), halves)

    def truth(self) -> dict[str, Any]:
        """Return what is known, for JSON: positions, concentrations, analytic recovery of each sphere, the camera."""
        filling, camera, pose = self.filling, self.camera, self.pose
        return {
            "nuclide": filling.nuclide,
            "reference_time": filling.reference_time.isoformat(),
            "sphere_bq_per_ml": filling.sphere_bq_per_ml,
            "background_bq_per_ml": filling.background_bq_per_ml,
            "total_bq": filling.total_bq,
            "camera": self.settings.camera.model_dump(mode="json"),
            "spheres": [
                {
                    "diameter_mm": sphere.diameter_mm,
                    "centre_mm": pose.to_image(np.array(sphere.centre_mm)).tolist(),
                    "recovery": sphere_recovery(sphere.diameter_mm, camera.fwhm_mm),
                    "mean_over_true": sphere_recovery(sphere.diameter_mm, camera.fwhm_mm, filling.ratio),
                }
                for sphere in self.layout.spheres
            ],
        }
