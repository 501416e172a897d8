"""The truth in numbers: volumes, activities, absorbed doses, with and without the camera's blur."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import dose_truth
from .dose_truth import DoseOfActivity
from .emission import Truth, bin_down, spread_up
from .settings import Settings
from .shapes import Array

LUNG_MASS_KG = 1.0
NOTES = {
    "plain": "the activity as it is, no camera",
    "blurred": (
        "the activity as the camera shows it: Gaussian blur, then evenly spread within each SPECT voxel; "
        "total activity conserved, so some of the liver's lies outside it"
    ),
    "blurred_calibrated_over_liver": (
        "the blurred activity times one factor that puts administered activity x (1 - lung shunt) into the "
        "liver contour: what patient-relative calibration over the liver gives"
    ),
    "dose": (
        "mean absorbed dose to total decay: activity convolved with the Y-90 kernel in water on the truth's "
        "own voxels, divided by liver density / water density; volume mean over the region"
    ),
}


def with_derived(occupancy: dict[str, Array]) -> dict[str, Array]:
    """Return the regions and those that follow from them."""
    tumours = sum(v for k, v in occupancy.items() if k.startswith("GTV"))
    tumours = np.minimum(tumours, occupancy["Liver"])
    return {
        **occupancy,
        "all tumours": tumours,
        "lungs": occupancy["Lung_L"] + occupancy["Lung_R"],
        "non-tumour liver": occupancy["Liver"] - tumours,
        "perfused non-tumour liver": np.maximum(occupancy["Perfused volume"] - tumours, 0.0),
        "unperfused liver": occupancy["Liver"] - occupancy["Perfused volume"],
    }


def significant(value: float, digits: int = 6) -> float:
    """Return a number rounded to so many digits, so that the last bits of a processor do not show."""
    return float(f"{float(value):.{digits}g}")


def activity_maps(truth: Truth, blurred: Array, settings: Settings) -> dict[str, Array]:
    """Return the activity of each convention on the fine voxels [GBq]."""
    bins = settings.truth_bins
    imaged = spread_up(bin_down(blurred, bins), bins)
    in_liver = float((imaged * truth.occupancy["Liver"]).sum())
    maps = {
        "plain": truth.fraction,
        "blurred": imaged,
        "blurred_calibrated_over_liver": imaged * ((1.0 - settings.lung_shunt_fraction) / in_liver),
    }
    return {name: m * settings.activity_gbq for name, m in maps.items()}


def region_numbers(
    truth: Truth, maps: dict[str, Array], kernels: Path, origin: Array, settings: Settings
) -> dict:
    """Return volume, centroid, activity and dose of every region."""
    voxel_ml = settings.truth_voxel_mm**3 / 1000.0
    engine = DoseOfActivity(kernels, settings.truth_voxel_mm)
    doses = {"plain": engine(maps["plain"]), "blurred": engine(maps["blurred"])}
    factor = maps["blurred_calibrated_over_liver"].sum() / maps["blurred"].sum()
    doses["blurred_calibrated_over_liver"] = doses["blurred"] * factor
    z, y, x = truth.axes
    bq, blurred_names = settings.activity_gbq * 1e9, ("blurred", "blurred_calibrated_over_liver")
    numbers = {}
    for name, inside in with_derived(truth.occupancy).items():
        total = float(inside.sum())
        weights = [inside.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
        centroid = [float(w @ a) / total for w, a in zip(weights[::-1], (x, y, z), strict=True)]
        entry = {
            "volume_ml": significant(total * voxel_ml),
            "centroid_lps_mm": [round(float(c + o), 3) for c, o in zip(centroid, origin, strict=True)],
            "activity_fraction": significant(truth.region_fraction[name]),
            "mean_activity_bq_per_ml": {
                "plain": significant(truth.region_fraction[name] * bq / (total * voxel_ml)),
                **{
                    k: significant((maps[k] * inside).sum() * 1e9 / (total * voxel_ml)) for k in blurred_names
                },
            },
        }
        if "ung" not in name:
            entry["mass_g"] = significant(total * voxel_ml * dose_truth.LIVER_DENSITY_G_PER_ML)
            entry["mean_dose_gy"] = {k: significant((d * inside).sum() / total) for k, d in doses.items()}
        numbers[name] = entry
    return numbers


def truth_numbers(
    truth: Truth, blurred: Array, body_ml: float, planar_shunt: float, kernels: Path, settings: Settings
) -> dict:
    """Return everything that truth.json says."""
    maps = activity_maps(truth, blurred, settings)
    regions = region_numbers(truth, maps, kernels, np.array(settings.origin_mm), settings)
    regions["Body"] = {"volume_ml": significant(body_ml)}
    fraction = settings.lung_shunt_fraction
    in_liver = float((maps["blurred"] * truth.occupancy["Liver"]).sum()) / settings.activity_gbq
    lung_gy = dose_truth.ENERGY_PER_ACTIVITY_J_PER_GBQ * settings.activity_gbq * fraction / LUNG_MASS_KG
    return {
        "schema_version": 1,
        "what": "Truth of a synthetic radioembolization work-up; see README.md beside this file.",
        "conventions": NOTES,
        "seed": settings.seed,
        "nuclide": "Y-90",
        "activity_gbq": settings.activity_gbq,
        "energy_per_activity_j_per_gbq": dose_truth.ENERGY_PER_ACTIVITY_J_PER_GBQ,
        "liver_density_g_per_ml": dose_truth.LIVER_DENSITY_G_PER_ML,
        "kernel": dose_truth.KERNEL_FILE,
        "lung_shunt_fraction": fraction,
        "tumour_to_normal_ratio": settings.tumour_to_normal_ratio,
        "mean_lung_dose_mird_1kg_gy": significant(lung_gy),
        "camera": {
            "gaussian_fwhm_mm": settings.camera_fwhm_mm,
            "voxel_mm": settings.spect_voxel_mm,
            "expected_counts": None if settings.noiseless else settings.spect_counts,
            "poisson_noise": not settings.noiseless,
            "activity_fraction_in_liver_after_blur": significant(in_liver),
        },
        "truth_voxel_mm": significant(settings.truth_voxel_mm, 9),
        "planar_lung_shunt_fraction": significant(planar_shunt),
        "regions": regions,
    }
