"""A tumour corrected by the recovery of a phantom that the same camera saw: within 3 % of the truth, and in the stated interval.

What the interval holds is drawn in each realisation: noise of both images, calibration, and the drawn diameter, each with its
stated standard uncertainty. With noise alone it would hold the truth always: contours and calibration make most of it.
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import pytest
from phantoms import changed, ellipsoid
from twin_images import images, record, study

from y90voxel.case import dose_uncertainty as uncertainty
from y90voxel.case.case import Case
from y90voxel.case.dose_uncertainty import with_uncertainty
from y90voxel.case.recovery_correction import with_partial_volume
from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.metrics.uncertainty_budget import diameter_uncertainty_mm
from y90voxel.phantoms.blurred_shapes import blurred_sphere
from y90voxel.phantoms.commissioning import commission
from y90voxel.phantoms.twin import twin_concentration, twin_frame
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import Calibration, CalibrationMode
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.quantification.noise import ImageNoise
from y90voxel.reference.nuclide import nuclide
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap

FWHM_MM, VOXEL_MM, NOISE_FWHM_MM = 8.0, 4.0, 8.0
PHANTOM_CV, PATIENT_CV, CALIBRATION, CONTOUR_MM = 0.10, 0.15, 0.05, 2.0
GRID = Grid.from_spacing((36, 36, 36), (VOXEL_MM,) * 3, (-70.0, -70.0, -70.0))
LIVER_MM, TUMOUR_AT, RATIO, LIVER_BQ_PER_ML = 58.0, (15.0, 5.0, -12.0), 5.0, 1e5
GIVEN, SCANNED = datetime(2026, 3, 2, 8), datetime(2026, 3, 3, 8)
ENGINE = LocalDeposition("Y-90")
STATED = {
    "fwhm_mm": FWHM_MM, "contour_voxel_mm": CONTOUR_MM, "contour_fwhm_mm": CONTOUR_MM, "calibration": CALIBRATION,
    "registration_mm": 0.0, "noise": PATIENT_CV, "noise_fwhm_mm": NOISE_FWHM_MM,
}  # fmt: skip


@lru_cache
def seen_phantom(fwhm_mm=FWHM_MM):
    """The twin, and what its voxels show without noise."""
    camera = {
        "fwhm_mm": fwhm_mm,
        "voxel_mm": (VOXEL_MM,) * 3,
        "noise_cv": PHANTOM_CV,
        "noise_fwhm_mm": NOISE_FWHM_MM,
    }
    twin = study(camera)
    filled = twin.filling
    spheres = [filled.sphere_bq_per_ml] * len(twin.layout.spheres)
    seen = twin_concentration(
        twin.layout, twin.pose, twin.grid, fwhm_mm, spheres, filled.background_bq_per_ml
    )
    return twin, seen, images(twin)[0]


@lru_cache(maxsize=128)
def commissioned(seed):
    """The recovery of one realisation of the phantom."""
    twin, seen, image = seen_phantom()
    filled = twin.filling
    values = twin_frame(
        seen, twin.grid, twin.camera, activity_mbq=1e-6 * filled.total_bq, elapsed_s=7200.0, first_elapsed_s=7200.0,
        half_life_s=filled.half_life_s, reference=filled.background_bq_per_ml, rng=np.random.default_rng(seed),
    )  # fmt: skip
    volume = ActivityMap(values * twin.grid.voxel_volume_ml, twin.grid)
    return commission([replace(image, volume=volume)], record()).recovery_fit


@lru_cache
def seen_patient(diameter_mm, fwhm_mm=FWHM_MM):
    """Liver with one tumour, blurred in closed form and averaged over each voxel [Bq/mL]."""
    centres = GRID.index_to_lps(np.indices(GRID.shape).reshape(3, -1).T)
    node, total = VOXEL_MM / 2.0 / math.sqrt(3.0), np.zeros(len(centres))
    for shift in np.array(np.meshgrid(*[(-node, node)] * 3)).reshape(3, -1).T:
        points = centres + shift
        total += blurred_sphere(np.linalg.norm(points, axis=1), LIVER_MM, fwhm_mm)
        tumour = blurred_sphere(np.linalg.norm(points - TUMOUR_AT, axis=1), diameter_mm / 2.0, fwhm_mm)
        total += (RATIO - 1.0) * tumour
    return LIVER_BQ_PER_ML * total.reshape(GRID.shape) / 8.0


def patient(diameter_mm, rng=None, fwhm_mm=FWHM_MM):
    """The case of one realisation; without a generator neither noise nor errors."""
    image, drawn_mm, samples = seen_patient(diameter_mm, fwhm_mm), diameter_mm, 8
    if rng is not None:
        samples = 4  # a new region each time; its volume is known to a per cent
        image = image + ImageNoise(PATIENT_CV**2 * LIVER_BQ_PER_ML, NOISE_FWHM_MM).draw(
            image, GRID.spacing_mm, rng
        )
        image = image * (1.0 + CALIBRATION * rng.standard_normal())
        drawn_mm += diameter_uncertainty_mm(CONTOUR_MM, CONTOUR_MM) * rng.standard_normal()
    emission = EmissionImage(
        ActivityMap(image * GRID.voxel_volume_ml, GRID), "PT", "Y-90", decay_reference=DecayReference.START,
        acquisition_start=SCANNED, series_start=SCANNED, frame_duration_s=900.0,
    )  # fmt: skip
    regions = (
        Region("Liver", Role.LIVER, ellipsoid(GRID, (0, 0, 0), (LIVER_MM,) * 3)),
        Region("GTV1", Role.TUMOUR, ellipsoid(GRID, TUMOUR_AT, (drawn_mm / 2.0,) * 3, samples)),
    )
    given = Administration(time=GIVEN, lung_shunt_fraction=0.0, shunt_source="given")
    case = Case("phantom", (Injection(emission, given),), Regions(GRID, regions))
    return changed(case, calibration=Calibration(mode=CalibrationMode.ABSOLUTE))


def true_gy():
    record_of = nuclide("Y-90")
    grown = 2.0 ** ((SCANNED - GIVEN) / timedelta(seconds=record_of.half_life_s))
    return record_of.dose_constant_gy_kg_per_gbq * RATIO * LIVER_BQ_PER_ML * grown * 1e-9 / 1.05e-3


def realised(count, phantoms, monkeypatch):
    """Corrected means, stated uncertainties, and how often the interval holds the truth."""
    monkeypatch.setattr(
        uncertainty, "sample_bands", lambda *_: ({}, [])
    )  # the interval is of the budget alone
    rng, held, means, stated = np.random.default_rng(11), 0, [], []
    for number in range(count):
        fit = commissioned(number % phantoms)
        evaluation = with_partial_volume(verify(patient(28.0, rng), ENGINE), ENGINE, fit)
        found = with_uncertainty(evaluation, STATED | {"recovery": fit}).region("GTV1")
        assert found.uncertainty.interval_of == "mean corrected by recovery"
        held += found.uncertainty.low_gy <= true_gy() <= found.uncertainty.high_gy
        means.append(found.partial_volume.mean_corrected_gy)
        stated.append(found.relative_uncertainty)
    return np.array(means), np.array(stated), held


BETWEEN = ((8.0, 17.0), (8.0, 24.0), (8.0, 28.0), (12.0, 24.0), (12.0, 28.0))  # FWHM and diameter [mm]


def test_the_interval_of_a_corrected_tumour_is_as_wide_as_realisations_spread(monkeypatch):
    means, stated, held = realised(20, 4, monkeypatch)
    assert held >= 17
    assert means.mean() == pytest.approx(true_gy(), rel=0.04)  # the mean of 20 that are known to 9 % each
    assert 0.65 < means.std(ddof=1) / means.mean() / stated.mean() < 1.35


@pytest.mark.slow
def test_the_interval_of_a_corrected_tumour_holds_the_truth_in_90_to_99_of_100(monkeypatch):
    means, stated, held = realised(100, 10, monkeypatch)
    assert 90 <= held <= 99
    assert means.mean() == pytest.approx(true_gy(), rel=0.03)
    assert 0.85 < means.std(ddof=1) / means.mean() / stated.mean() < 1.15


@pytest.mark.parametrize(
    ("fwhm_mm", "diameter_mm"),
    [
        *((8.0, d) for d in (14.0, 20.0, 34.0)),
        *((12.0, d) for d in (20.0, 34.0)),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in BETWEEN),
    ],
)
def test_recovery_from_0_4_on_brings_a_tumour_within_3_per_cent(fwhm_mm, diameter_mm):
    """Without noise in the patient; 1 mL to 21 mL, recovery 0.41 to 0.75. At 12 mm the liver itself loses 10 % of its mean."""
    twin, seen, image = seen_phantom(fwhm_mm)
    fit = commission(
        [replace(image, volume=ActivityMap(seen * twin.grid.voxel_volume_ml, twin.grid))], record()
    ).recovery_fit
    case = patient(diameter_mm, fwhm_mm=fwhm_mm)
    found = with_partial_volume(verify(case, ENGINE), ENGINE, fit).region("GTV1").partial_volume
    assert 0.4 < found.recovery < 0.8
    assert found.mean_corrected_gy == pytest.approx(true_gy(), rel=0.03)
