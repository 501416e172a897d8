"""Commissioning on images of the twin: recovery against brute force, and everything that is known of the camera."""

from dataclasses import replace

import numpy as np
import pytest
from twin_images import (
    BACKGROUND,
    FILLED,
    SPHERES,
    brute_recovery,
    images,
    later,
    offset_in_voxel,
    record,
    study,
    true_centres,
)

from y90voxel.case.filling_record import Limits
from y90voxel.errors import InputError
from y90voxel.phantoms.commissioning import commission, judged
from y90voxel.phantoms.phantom_finding import SPHERE_MARGIN_MM


def commissioned(twin, **more):
    return commission(images(twin), twin.settings.filling.model_copy(update=more))


def distances(result, twin):
    return [
        np.linalg.norm(one.sphere.centre_mm - centre)
        for one, centre in zip(result.first.spheres, true_centres(twin), strict=True)
    ]


@pytest.mark.parametrize(
    ("fwhm", "voxel", "warm"),
    [
        (4.0, 4.0, True),
        (8.0, 5.0, True),
        pytest.param(12.0, 5.0, False, marks=pytest.mark.slow),
        (6.0, 2.5, False),
    ],
)
def test_recovery_is_that_of_the_same_integral_over_voxels(fwhm, voxel, warm):
    place = {} if voxel > 3 else {"field_mm": (60, 160, 160), "shift_mm": (2, -3, 4)}
    twin = study(
        {"fwhm_mm": fwhm, "voxel_mm": (voxel,) * 3}, place, filling={} if warm else {"background": None}
    )
    result = commissioned(twin)
    for one, centre in zip(result.first.spheres, true_centres(twin), strict=True):
        expected = brute_recovery(one.sphere.diameter_mm, fwhm, voxel, offset_in_voxel(twin.grid, centre))
        assert one.recovery == pytest.approx(expected, rel=0.01), one.sphere.diameter_mm
    assert max(distances(result, twin)) < 0.1
    assert result.gaussian.fwhm_mm == pytest.approx(fwhm, rel=0.03)
    assert result.gaussian.fits
    assert result.first.found.model.fwhm_mm == pytest.approx(fwhm, rel=0.03)
    assert result.calibration == pytest.approx(1.0, rel=0.005)
    assert not any(one.sphere.placed for one in result.first.spheres)


@pytest.mark.parametrize(
    "place",
    [
        {"angles_deg": (5, -7, 130), "mirrored": True},
        {"angles_deg": (-4, 3, -62), "shift_mm": (-6, -31, 9)},
        {"angles_deg": (0, 180, 15)},
    ],
)
def test_a_turned_phantom_is_found(place):
    twin = study({"noise_cv": 0.1}, place)
    result = commissioned(twin)
    assert max(distances(result, twin)) < 0.5
    assert [one.sphere.diameter_by_counts_mm for one in result.first.spheres] == pytest.approx(
        [10, 13, 17, 22, 28, 37], rel=0.06
    )


def test_with_noise_recovery_lies_within_three_standard_errors():
    still, noisy = (commissioned(study({"noise_cv": cv, "noise_fwhm_mm": 6.0}, seed=5)) for cv in (0.0, 0.25))
    pulls = [
        (one.recovery - true.recovery) / one.uncertainty
        for one, true in zip(noisy.first.spheres, still.first.spheres, strict=True)
    ]
    assert np.abs(pulls).max() < 3
    assert np.abs(pulls).max() > 0.3  # errors that were ten times too large would pass the line above
    assert noisy.first.background.noise_cv == pytest.approx(0.25, rel=0.05)
    assert noisy.calibration == pytest.approx(1.0, rel=0.005)


def test_a_sphere_that_is_lost_in_noise_is_placed_and_said():
    twin = study({"fwhm_mm": 15.0, "noise_cv": 0.4, "noise_fwhm_mm": 10.0}, seed=2)
    result = commissioned(twin)
    assert result.first.spheres[0].sphere.placed
    (said,) = [n.message for n in result.notices if n.code == "spheres-placed"]
    assert "10" in said
    assert distances(result, twin)[0] < 3.0
    assert not result.first.spheres[-1].sphere.placed


@pytest.mark.parametrize(("over_mm", "cut"), [(1.0, False), (-1.0, True)])
def test_a_sphere_at_the_edge_of_the_image(over_mm, cut):
    # the sphere of 37 mm is the highest along z of a phantom on its side
    reach = 18.5 + SPHERE_MARGIN_MM + over_mm
    twin = study(
        {"fwhm_mm": 6.0, "voxel_mm": (4, 4, 4)},
        {"field_mm": (240, 160, 240), "shift_mm": (0, 0, 120 - reach), "angles_deg": (0, 0, 0)},
        filling={"background": None},
    )
    if not cut:
        assert len(commissioned(twin).first.spheres) == 6
        return
    with pytest.raises(InputError, match="cuts off the sphere of 37 mm"):
        commissioned(twin)


def test_an_image_without_spheres_is_refused():
    twin = study()
    (image,) = images(twin)
    noise = np.random.default_rng(0).standard_normal(image.grid.shape)
    flat = image.volume.with_array(1e5 * (1.0 + 0.1 * noise))
    with pytest.raises(InputError, match="spheres of the phantom were not found"):
        commission([replace(image, volume=flat)], twin.settings.filling)


@pytest.mark.parametrize(("filled", "named"), [(37, None), (34, None), (31.5, "37 mm by the record, 3")])
def test_sizes_by_counts_are_compared_with_the_record(filled, named):
    twin = study(filling={"phantom": {"sphere_diameters_mm": [10, 13, 17, 22, 28, filled]}})
    said = twin.settings.filling.model_copy(update={"phantom": record().phantom})
    if named is None:
        assert commission(images(twin), said).first.spheres[-1].sphere.diameter_by_counts_mm == pytest.approx(
            filled, rel=0.03
        )
        return
    with pytest.raises(InputError, match=named):
        commission(images(twin), said)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"imaged_nuclide": "Ho-166"}, "header says Ho-166, the filling record Y-90"),
        ({"acquisition_start": later(-1)}, "before the filling"),
        ({"acquisition_start": None}, "does not state when"),
        ({"decay_reference": None}, "which instant its activity refers to"),
    ],
)
def test_headers_that_contradict_the_record_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        commission(images(study(), **changed), record())


def test_counts_need_a_duration_and_images_one_kind():
    counts = images(study({"modality": "NM", "sensitivity": 30.0}), frame_duration_s=None)
    with pytest.raises(InputError, match="does not state its duration"):
        commission(counts, record())
    with pytest.raises(InputError, match="several kinds"):
        commission([*images(study()), *images(study({"modality": "NM", "sensitivity": 30.0}))], record())
    with pytest.raises(InputError, match="no image"):
        commission([], record())


def test_contours_are_for_one_image():
    twin = study(hours=(2, 26))
    with pytest.raises(InputError, match="there are 2"):
        commission(images(twin), record(), true_centres(twin))


def test_drawn_spheres_stay_where_they_were_drawn():
    twin = study({"noise_cv": 0.3})
    drawn = [centre + np.array([0.7, 0, 0]) for centre in true_centres(twin)]
    result = commission(images(twin), record(), [*drawn[:3], None, *drawn[4:]])
    assert result.first.found.drawn
    found = [one.sphere.centre_mm for one in result.first.spheres]
    for k in (0, 1, 2, 4, 5):
        np.testing.assert_allclose(found[k], drawn[k], atol=0.25)  # weighed with their common layout
    np.testing.assert_allclose(found[3], drawn[3], atol=0.5)


def test_days_of_decay_tell_dead_time_and_sensitivity():
    camera = {"modality": "NM", "sensitivity": 20.0, "dead_time_us": 6.0, "fwhm_mm": 12.0, "noise_cv": 0.02}
    twin = study(
        camera,
        {"field_mm": (240, 270, 330), "shift_mm": (0, -25, 20)},
        hours=(2, 30, 80),
        filling={"nuclide": "Ho-166"},
    )
    result = commissioned(twin)
    assert result.dead_time.time_constant_s == pytest.approx(6e-6, rel=0.02)
    assert result.calibration == pytest.approx(20.0, rel=0.005)
    assert max(map(abs, result.linearity)) < 0.005
    assert result.first.calibration < 0.85 * 20.0  # the first day alone is a fifth low
    first = commission(images(twin)[:1], twin.settings.filling)
    assert first.dead_time is None
    assert any(n.code == "dead-time-unknown" for n in first.notices)


def test_a_camera_past_its_peak_is_outside_the_linear_range():
    camera = {"modality": "NM", "sensitivity": 80.0, "dead_time_us": 10.0, "fwhm_mm": 12.0}
    with pytest.raises(InputError, match="outside the linear range"):
        commissioned(study(camera, hours=(2, 60)))


def test_a_later_day_that_cannot_be_used_is_said():
    twin = study(hours=(2, 26))
    first, second = images(twin)
    broken = replace(second, volume=second.volume.with_array(np.full(second.grid.shape, 1.0)))
    result = commission([first, broken], twin.settings.filling)
    assert len(result.acquisitions) == 1
    assert any(n.code == "acquisition-not-used" for n in result.notices)


@pytest.mark.parametrize(
    ("limit", "passes", "fails"),
    [
        ("background_error", 0.002, 0.0000001),
        ("noise_cv", 0.11, 0.09),
        ("uniformity", 0.1, 0.0001),
        ("insert_error", 0.05, 0.0000001),
        ("calibration_uncertainty", 0.04, 0.02),
        ("fwhm_mm", 8.3, 7.7),
        ("linearity", 0.01, 0.00001),
    ],
)
def test_limits_of_the_site_have_two_sides(limit, passes, fails, two_days):
    for value, expected in ((passes, True), (fails, False)):
        (verdict,) = judged(two_days, Limits(**{limit: value})).verdicts
        assert (verdict.name, verdict.passed) == (limit, expected), verdict


def test_least_recovery_is_by_diameter(two_days):
    rows = judged(two_days, Limits(least_recovery={"37": 0.5, "10": 0.9})).verdicts
    assert [row.passed for row in rows] == [True, False]
    with pytest.raises(InputError, match="sphere of 12 mm"):
        judged(two_days, Limits(least_recovery={"12": 0.5}))


@pytest.fixture(scope="module")
def two_days():
    facts = {"uncertainty": {"activity": 0.03, "volume": 0.01}}
    return commissioned(study({"noise_cv": 0.1}, hours=(2, 26), filling=facts))


def test_a_limit_that_images_do_not_tell_is_refused():
    with pytest.raises(InputError, match=r"limits.linearity is 0.02"):
        commission(images(study()), record(limits={"linearity": 0.02}))


def test_spheres_colder_than_the_background_are_refused():
    with pytest.raises(InputError, match="not warmer than the background"):
        commission(images(study()), record(spheres=SPHERES | {"activity": "20 MBq"}))


CYLINDER = {"kind": "cylinder", "diameter_mm": 200, "length_mm": 160}


def cylinder(**phantom):
    facts = {"phantom": CYLINDER | phantom, "spheres": None, "background": BACKGROUND | {"volume_ml": 5026.5}}
    return study({"noise_cv": 0.05}, {"field_mm": (240, 260, 260), "shift_mm": (3, 2, 1)}, filling=facts)


def test_a_cylinder_tells_calibration_and_noise():
    result = commissioned(cylinder())
    assert result.calibration == pytest.approx(1.0, rel=0.005)
    assert result.first.background.noise_cv == pytest.approx(0.05, rel=0.05)
    assert result.first.spheres == ()
    assert result.gaussian is None


@pytest.mark.parametrize(("diameter", "good"), [(206, True), (213, False), (189, False)])
def test_the_size_of_a_cylinder_is_compared_with_the_record(diameter, good):
    twin = cylinder()
    said = twin.settings.filling.model_copy(
        update={"phantom": cylinder(diameter_mm=diameter).settings.filling.phantom}
    )
    if good:
        commission(images(twin), said)
        return
    with pytest.raises(InputError, match="the record a cylinder of"):
        commission(images(twin), said)


def test_a_cylinder_without_a_middle_is_refused():
    place = {"field_mm": (30, 260, 260), "shift_mm": (0, 0, 0)}
    with pytest.raises(InputError, match="no part of the cylinder"):
        commissioned(study({}, place, filling={"phantom": CYLINDER, "spheres": None}))


def test_a_slab_of_a_phantom_has_no_background():
    place = {"field_mm": (50, 270, 330), "shift_mm": (0, -30, 0)}
    with pytest.raises(InputError, match="no background is far enough"):
        commissioned(study({"fwhm_mm": 20.0}, place))
    assert commissioned(study({"fwhm_mm": 6.0}, place)).calibration == pytest.approx(1.0, rel=0.005)


def test_the_result_is_json():
    import json

    document = json.loads(json.dumps(commissioned(study({"noise_cv": 0.1})).as_dict(), allow_nan=False))
    assert document["acquisitions"][0]["start"] == "2026-03-02T14:00:00"
    assert document["reference_time"] == FILLED.isoformat()


def test_a_sphere_below_the_background_is_left_out_of_the_curve():
    result = commissioned(study({"fwhm_mm": 15.0, "noise_cv": 0.6, "noise_fwhm_mm": 10.0}, seed=9))
    assert result.first.spheres[0].recovery < 0
    assert "spheres-lost" in {n.code for n in result.notices}
    assert [row["diameter_mm"] for row in result.recovery_rows()] == [13, 17, 22, 28, 37]
    assert result.recovery_fit is not None


def test_spheres_that_drown_in_noise_are_not_found():
    with pytest.raises(InputError, match="spheres stand out from the noise"):
        commissioned(study({"fwhm_mm": 15.0, "noise_cv": 0.6, "noise_fwhm_mm": 10.0}, seed=2))
