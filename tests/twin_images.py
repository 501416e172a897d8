"""Images of the digital twin in memory, small enough for every run, and recovery by brute force."""

from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from y90voxel.case.filling_record import FillingRecord
from y90voxel.case.twin_settings import TwinSettings
from y90voxel.phantoms.twin_study import TwinStudy
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.volumes.volume import ActivityMap, CountMap

FILLED = datetime(2026, 3, 2, 12)
SPHERES = {"activity": "200 MBq", "activity_time": FILLED, "volume_ml": 100}
BACKGROUND = {"activity": "2.34 GBq", "activity_time": FILLED, "volume_ml": 9363.15}
RECORD = {"nuclide": "Y-90", "spheres": SPHERES, "background": BACKGROUND}
CAMERA = {"voxel_mm": (5, 5, 5), "fwhm_mm": 8.0}
FIELD = (140, 270, 330)
HOURS = (2.0,)


def record(**more):
    """A filling record, 8:1."""
    return FillingRecord.model_validate(RECORD | more)


def study(camera=None, place=None, hours=HOURS, seed=0, filling=None):
    """A twin."""
    settings = {
        "filling": record(**(filling or {})),
        "camera": CAMERA | (camera or {}),
        "place": {"field_mm": FIELD, "shift_mm": (2, -30, 4)} | (place or {}),
        "hours": list(hours),
        "seed": seed,
    }
    return TwinStudy(TwinSettings.model_validate(settings))


def images(twin, **changed):
    """The acquisitions of a twin as images that were read."""
    made = []
    camera, grid = twin.camera, twin.grid
    for frame in twin.frames():
        counts = camera.modality == "NM"
        volume = (
            CountMap(frame.values, grid) if counts else ActivityMap(frame.values * grid.voxel_volume_ml, grid)
        )
        facts = {
            "volume": volume,
            "modality": camera.modality,
            "imaged_nuclide": twin.filling.nuclide,
            "decay_reference": None if counts else DecayReference.START,
            "acquisition_start": frame.start,
            "series_start": frame.start,
            "frame_duration_s": camera.duration_s,
        }
        made.append(EmissionImage(**(facts | changed)))
    return made


def true_centres(twin):
    """Centres of the spheres, LPS [mm]."""
    return [twin.pose.to_image(np.array(sphere.centre_mm)) for sphere in twin.layout.spheres]


@lru_cache(maxsize=32)
def brute_recovery(diameter, fwhm, voxel, offset):
    """Mean over a sphere on voxels by a fine grid: a ball of 0.5 mm cells blurred, averaged, and taken by its samples."""
    from scipy.ndimage import gaussian_filter

    cell = 0.5
    fine = round(voxel / cell)
    half = int(np.ceil((0.5 * diameter + 2.2 * fwhm) / voxel)) + 1
    count = (2 * half + 1) * fine
    line = (np.arange(count) - 0.5 * (count - 1)) * cell
    z, y, x = (line - o for o in offset)
    radius = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None] ** 2)
    # cells at the surface by how deep they lie: better than all or nothing
    ball = np.clip(0.5 + (0.5 * diameter - radius) / cell, 0, 1)
    seen = gaussian_filter(ball, fwhm / 2.354820045 / cell, truncate=5, mode="constant")

    def blocks(values):
        return values.reshape(-1, fine, 2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3, 5))

    share = blocks(ball)
    return float((blocks(seen) * share).sum() / share.sum())


def offset_in_voxel(grid, centre):
    """Where a centre lies from the middle of its voxel [mm]."""
    index = grid.lps_to_index(centre)
    return tuple(round(float(o), 3) for o in (index - np.round(index)) * grid.spacing_mm)


def later(hours):
    return FILLED + timedelta(hours=hours)
