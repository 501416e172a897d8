from dataclasses import replace

import numpy as np
import pytest
from phantoms import changed, ellipsoid, liver_case
from scipy.ndimage import gaussian_filter

from y90voxel.case.dose_uncertainty import with_uncertainty
from y90voxel.case.recovery_correction import Deconvolution, with_partial_volume
from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.quantification.calibration import Calibration, CalibrationRegion
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.volume import CountMap

FWHM = 10.0
ENGINE = LocalDeposition("Y-90")
CERTAIN = np.zeros((2, 2))


def seen_by_the_camera(**facts):
    case = liver_case(lungs=False, **facts)
    image = case.injections[0].emission
    blurred = gaussian_filter(image.volume.array, FWHM / 2.3548 / 4.0, mode="constant", truncate=6)
    emission = replace(image, volume=CountMap(blurred, case.grid))
    return case, replace(case, injections=(replace(case.injections[0], emission=emission),))


def with_perfused(case):
    """The same case with a perfused volume that keeps 10 mm from the capsule."""
    perfused = Region("Perfused", Role.PERFUSED, ellipsoid(case.grid, (0, 0, -25), (45, 35, 30)))
    return replace(case, regions=Regions(case.grid, (*case.regions.drawn, perfused)))


def sphere_recovery(case, radius=14.0):
    """Recovery of the tumour alone in a cold background: what a phantom sphere of its size would show."""
    sphere = ellipsoid(case.grid, (15, 5, -30), (radius,) * 3).array
    blurred = gaussian_filter(sphere, FWHM / 2.3548 / 4.0, mode="constant", truncate=6)
    return float((blurred * sphere).sum() / sphere.sum())


def test_means_and_ratio_are_corrected_to_the_truth_beside_the_uncorrected():
    """A tumour five times as warm as the liver around it; the phantom is a sphere of its size blurred alike."""
    sharp, blurred = (with_perfused(case) for case in seen_by_the_camera(tumour_to_normal=5.0))
    evaluation = verify(blurred, ENGINE)
    volume, r = evaluation.region("GTV1").volume_ml, sphere_recovery(sharp)
    curve = RecoveryFit(volume * (1 / r - 1), 1.0, CERTAIN)  # R(V) = V / (V + b1)
    found = with_partial_volume(evaluation, ENGINE, curve)
    tumour = found.region("GTV1").partial_volume
    assert tumour.recovery == pytest.approx(r)
    assert tumour.tumour_to_normal_ratio < 4.4
    # The background keeps from capsule and tumours, so that it neither lost nor gained.
    assert tumour.tumour_to_normal_ratio_corrected == pytest.approx(5.0, rel=0.03)
    # Five times the dose of pure liver; the mean over part-filled voxels of the sharp image is less than that itself.
    # All that was given lies in the image; a calibration over a liver of half-filled voxels loses half of their counts.
    over_all = changed(sharp, calibration=Calibration(region=CalibrationRegion.FIELD_OF_VIEW))
    normal = verify(over_all, ENGINE).dose.array[
        tuple(int(i) for i in sharp.grid.lps_to_index((-30, 0, -25)))
    ]
    truth = 5.0 * normal
    scale = sharp_over_blurred(sharp, blurred)  # of the liver's counts; the correction has undone it
    assert found.partial_volume["calibration_factor_undone"] == pytest.approx(scale, rel=0.04)
    assert found.region("GTV1").mean_gy == evaluation.region("GTV1").mean_gy
    assert tumour.mean_corrected_gy == pytest.approx(truth, rel=0.03)
    assert found.region("Liver").partial_volume is None
    assert found.metrics["partial_volume"]["background"] == "perfused non-tumour liver"


def sharp_over_blurred(sharp, blurred):
    """Calibration over the liver spreads what blur left in it: the factor that this brings."""
    liver = sharp.regions.mask_of(Role.LIVER, Role.TUMOUR).array
    held = [float((c.injections[0].emission.volume.array * liver).sum()) for c in (blurred, sharp)]
    return held[0] / held[1]


def test_the_deconvolved_image_comes_closer_to_the_truth_and_the_dose_map_stays():
    sharp, blurred = seen_by_the_camera(tumour_to_normal=5.0)
    truth, evaluation = verify(sharp, ENGINE), verify(blurred, ENGINE)
    found = with_partial_volume(evaluation, ENGINE, deconvolution=Deconvolution(FWHM, 30))
    assert found.dose is evaluation.dose
    true, before = (e.region("GTV1").mean_gy for e in (truth, evaluation))
    after = found.region("GTV1").partial_volume.deconvolved_mean_gy
    assert abs(after - true) < 0.4 * abs(before - true)
    assert found.region("GTV1").as_dict()["partial_volume"]["recovery"] is None
    assert "deconvolved" in {notice.code for notice in found.notices}


def test_the_deconvolved_activity_is_calibrated_anew():
    _, blurred = seen_by_the_camera()
    found = with_partial_volume(verify(blurred, ENGINE), ENGINE, deconvolution=Deconvolution(FWHM, 10))
    liver = found.region("Liver")
    # Liver and tumour hold what was given less the shunt, deconvolved or not: local deposition keeps the mean.
    assert liver.partial_volume.deconvolved_mean_gy == pytest.approx(liver.mean_gy, rel=0.01)


def test_a_tumour_colder_than_its_surroundings_explain_is_left_alone_and_said():
    _, blurred = seen_by_the_camera(tumour_to_normal=0.05)
    curve = RecoveryFit(50.0, 1.0, CERTAIN)
    found = with_partial_volume(verify(blurred, ENGINE), ENGINE, curve)
    assert found.region("GTV1").partial_volume is None
    assert (
        "colder than its surroundings"
        in {n.code: n.message for n in found.notices}["partial-volume-not-corrected"]
    )


def test_a_liver_that_is_all_neighbour_of_tumours_is_refused():
    case = liver_case(lungs=False)
    small = replace(case.regions["Liver"], mask=ellipsoid(case.grid, (15, 5, -30), (20, 20, 20)))
    close = replace(case, regions=Regions(case.grid, (small, case.regions["GTV1"])))
    with pytest.raises(InputError, match="less than 5 mL of liver"):
        with_partial_volume(verify(close, ENGINE), ENGINE, RecoveryFit(1.0, 1.0, CERTAIN))


def test_a_study_without_tumour_is_refused():
    case = liver_case(lungs=False)
    bare = replace(case, regions=Regions(case.grid, (case.regions["Liver"],)))
    with pytest.raises(InputError, match="needs tumours and a liver"):
        with_partial_volume(verify(bare, ENGINE), ENGINE, RecoveryFit(1.0, 1.0, CERTAIN))


def test_the_interval_of_a_corrected_mean_is_centred_on_it():
    """Log-normal: the corrected mean is the geometric middle; what is not corrected is called the blurred mean."""
    _, blurred = seen_by_the_camera(tumour_to_normal=5.0)
    curve = RecoveryFit(5.0, 1.0, np.diag([0.1, 0.001]))
    found = with_uncertainty(
        with_partial_volume(verify(blurred, ENGINE), ENGINE, curve), {"recovery": curve, "samples": 40}
    )
    tumour, liver = found.region("GTV1"), found.region("Liver")
    middle = np.sqrt(tumour.uncertainty.low_gy * tumour.uncertainty.high_gy)
    assert middle == pytest.approx(tumour.partial_volume.mean_corrected_gy, rel=1e-6)
    assert tumour.uncertainty.as_dict()["interval_of"] == "mean corrected by recovery"
    assert np.sqrt(liver.uncertainty.low_gy * liver.uncertainty.high_gy) == pytest.approx(
        liver.mean_gy, rel=1e-6
    )
    assert liver.uncertainty.interval_of == "blurred mean"


def test_recovery_of_a_map_over_the_whole_image_has_nothing_to_undo():
    _, blurred = seen_by_the_camera(tumour_to_normal=5.0)
    fov = changed(blurred, calibration=Calibration(region=CalibrationRegion.FIELD_OF_VIEW))
    curve = RecoveryFit(5.0, 1.0, CERTAIN)
    liver, whole = (with_partial_volume(verify(case, ENGINE), ENGINE, curve) for case in (blurred, fov))
    assert whole.partial_volume["calibration_factor_undone"] == 1.0
    assert "recovery-calibration" in {n.code for n in liver.notices} - {n.code for n in whole.notices}
    ours, theirs = (e.region("GTV1").partial_volume.mean_corrected_gy for e in (liver, whole))
    assert ours == pytest.approx(theirs, rel=1e-3)  # all that blur took from the liver lies within its margin
