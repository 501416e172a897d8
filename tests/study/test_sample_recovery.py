"""The sample study with its recovery corrected: intervals are centred on corrected means and hold the truth of truth.json."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import y90voxel as yv
from y90voxel.case.dose_uncertainty import with_uncertainty
from y90voxel.case.recovery_correction import with_partial_volume
from y90voxel.case.verify import verify
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.quantification.partial_volume import fit_recovery
from y90voxel.reference.shipped import shipped_folder

SPHERES_MM = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)  # inner diameters of the NEMA phantom
SAMPLE = shipped_folder("sample_data")
TUMOURS = ("GTV1", "GTV2")
PARTS = 6


def measured_recovery(fwhm_mm, voxel_mm):
    """What the phantom's spheres show in the sample's camera: a Gaussian, then the average over a voxel.

    Made on voxels a sixth as large, with numpy and scipy alone.
    """
    fine, found = voxel_mm / PARTS, []
    for diameter in SPHERES_MM:
        half = int(np.ceil((0.5 * diameter + 1.6 * fwhm_mm) / fine))
        half += (-2 * half - 1) % PARTS // 2 + PARTS  # whole voxels of the camera
        n = (2 * half) // PARTS * PARTS
        at = (np.arange(n) - 0.5 * (n - 1)) * fine
        ball = (at[:, None, None] ** 2 + at[:, None] ** 2 + at**2 <= (0.5 * diameter) ** 2).astype(float)
        seen = gaussian_filter(ball, fwhm_mm / 2.3548 / fine, truncate=5.0)
        blocks = (n // PARTS, PARTS) * 3
        image, mask = (a.reshape(blocks).mean(axis=(1, 3, 5)) for a in (seen, ball))
        found.append(float((image * mask).sum() / mask.sum()))
    return found


@pytest.fixture(scope="module")
def truth():
    return json.loads((SAMPLE / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def curve(truth):
    camera = truth["camera"]
    recovery = measured_recovery(camera["gaussian_fwhm_mm"], camera["voxel_mm"])
    return fit_recovery([np.pi * d**3 / 6000.0 for d in SPHERES_MM], recovery, 0.05)


@pytest.fixture(scope="module")
def plain(truth):
    study = yv.read_study(SAMPLE / "study")
    case = study.case(
        activity_bq=1e9 * truth["activity_gbq"],
        lung_shunt_fraction=truth["lung_shunt_fraction"],
        device="glass",
    )
    return verify(case, DensitySuperposition("Y-90"))


def with_interval(evaluation, curve=None):
    given = {"samples": 40} if curve is None else {"samples": 40, "recovery": curve}
    return with_uncertainty(evaluation, given)


def test_spheres_of_the_camera_show_what_the_formula_says(truth):
    """Analytic recovery of a Gaussian: that of 10 mm at most; averages over voxels of 4.42 mm stay within one of 12 mm."""
    found = np.array(measured_recovery(10.0, truth["camera"]["voxel_mm"]))
    assert (found < [0.2153, 0.3285, 0.4518, 0.5609, 0.6481, 0.7301]).all()  # 10 mm
    assert (found > [0.1505, 0.2479, 0.3682, 0.4852, 0.5836, 0.6787]).all()  # 12 mm


def test_the_interval_of_a_corrected_mean_is_centred_on_it_and_holds_the_truth(plain, truth, curve):
    found = with_interval(with_partial_volume(plain, DensitySuperposition("Y-90"), curve), curve)
    for name in TUMOURS:
        tumour, true = found.region(name), truth["regions"][name]["mean_dose_gy"]["plain"]
        interval, corrected = tumour.uncertainty, tumour.partial_volume.mean_corrected_gy
        assert np.sqrt(interval.low_gy * interval.high_gy) == pytest.approx(corrected, rel=1e-9)
        assert interval.low_gy <= true <= interval.high_gy
        assert interval.interval_of == "mean corrected by recovery"
        assert abs(corrected - true) < abs(tumour.mean_gy - true)  # it brings the mean nearer to the truth
        assert corrected == pytest.approx(true, rel=0.06)


def test_an_uncorrected_interval_is_of_the_blurred_mean_and_holds_that(plain, truth):
    found = with_interval(plain)
    for name in TUMOURS:
        tumour = found.region(name)
        blurred = truth["regions"][name]["mean_dose_gy"]["blurred_calibrated_over_liver"]
        assert tumour.uncertainty.interval_of == "blurred mean"
        assert tumour.uncertainty.low_gy <= blurred <= tumour.uncertainty.high_gy
