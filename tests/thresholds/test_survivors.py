"""Faults that a sample of mutants went through (docs/mutants.md), each held by a test."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case.uncertainty_inputs import complete_inputs
from y90voxel.case.verify import verify
from y90voxel.clinical.limits import Sense
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.io.dicom.seg_frames import _common_box, _contradicts, _spread
from y90voxel.io.dicom.sources import _check_total
from y90voxel.planning.aims import DoseAim
from y90voxel.planning.solved_model import _reached
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.calibration import Calibration, CalibrationRegion
from y90voxel.quantification.calibration_region import calibration_region
from y90voxel.quantification.focal_uptake import _maxima
from y90voxel.quantification.lung_shunt import _possible_source
from y90voxel.quantification.stated_facts import check_stated_time
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.study.run_dose import _single
from y90voxel.study.run_plan import _with_uncertainty
from y90voxel.study.study import Study
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage


def test_limits_of_a_verified_case_are_held_against_the_doses_of_its_regions():
    case = liver_case(activity_bq=2e9, shunt=0.05)
    (injection,) = case.injections
    administration = replace(injection.administration, device="glass")
    case = replace(case, injections=(replace(injection, administration=administration),))
    found = verify(case, LocalDeposition("Y-90"))
    of_liver = [limit for limit in found.limits if limit.region == "non-tumour liver"]
    dose = found.region("non-tumour liver").mass_weighted_mean_gy
    assert of_liver
    assert dose > 1.0
    assert [limit.value_gy for limit in of_liver] == pytest.approx([dose] * len(of_liver))


@pytest.mark.parametrize("files", [[Path("a")], (Path("a"),), Path("a")], ids=["list", "tuple", "path"])
def test_one_file_of_a_role_is_that_file(files):
    assert _single({"emission": files}, "emission") == Path("a")


def test_two_files_of_a_role_that_takes_one_are_refused():
    with pytest.raises(InputError, match="2 files are given as emission"):
        _single({"emission": [Path("a"), Path("b")]}, "emission")


@pytest.mark.parametrize("missing", ["planar", "ct"])
def test_without_views_or_ct_no_regions_of_views_are_made(missing):
    study = SimpleNamespace(planar=object(), ct=object())
    setattr(study, missing, None)
    assert Study._planar_regions(study, [], {}) is None


def test_regions_of_views_lie_on_voxels_of_2_mm_over_the_ct():
    ct = CtImage(np.zeros((20, 20, 20)), Grid.from_spacing((20, 20, 20), (3.0, 5.0, 1.0)))
    found = Study._planar_regions(SimpleNamespace(planar=object(), ct=ct), [], {})
    assert found.grid.spacing_mm == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize(("unpacked", "refused"), [(1024**3, False), (1024**3 + 1, True)])
def test_an_archive_of_more_than_1_gib_may_not_unpack_to_absurd_sizes(unpacked, refused, tmp_path):
    member = SimpleNamespace(compress_size=1000, file_size=unpacked)
    if refused:
        with pytest.raises(InputError, match="No study compresses so well"):
            _check_total([member], tmp_path, 2000)
    else:
        _check_total([member], tmp_path, 2000)


@pytest.mark.parametrize(("size", "refused"), [(10**7, False), (10**7 - 1, True)])
def test_an_archive_may_unpack_to_200_times_its_size(size, refused, tmp_path):
    member = SimpleNamespace(compress_size=1000, file_size=2 * 10**9)
    if refused:
        with pytest.raises(InputError, match="No study compresses so well"):
            _check_total([member], tmp_path, size)
    else:
        _check_total([member], tmp_path, size)


def test_an_image_of_nothing_has_no_highest_voxel():
    empty = np.zeros((6, 6, 6), np.float32)
    assert _maxima(empty, np.ones(empty.shape, bool), -1.0, 10.0, (4.0, 4.0, 4.0)) == []
    empty[3, 2, 1] = 1e-6
    assert _maxima(empty, np.ones(empty.shape, bool), -1.0, 10.0, (4.0, 4.0, 4.0)) == [(3, 2, 1)]


@pytest.mark.parametrize(("below", "brought"), [(0.5e-6, True), (1.5e-6, False)])
def test_what_the_solver_leaves_below_a_goal_is_given_and_no_more(below, brought):
    goal = DoseAim("goal", "tumour", Sense.AT_LEAST, 100.0)
    table = SimpleNamespace(doses=lambda activities: {"tumour": 50.0 * sum(activities)})
    problem = SimpleNamespace(table=table, split=None, greatest_scale=lambda direction: 10.0)
    found = _reached(problem, [goal], (2.0 * (1.0 - below),), (1.0,))
    assert found == pytest.approx((2.0 if brought else 2.0 * (1.0 - below),), rel=1e-9)


@pytest.mark.parametrize("origin", [(1, 2), (0, 0)])
def test_two_planes_of_a_segment_lie_in_the_box_that_holds_both(origin):
    row, column = origin
    one = (0, row, column, np.ones((2, 3), np.float32))
    other = (1, row + 2, column + 1, np.ones((1, 4), np.float32))
    box = _common_box(one, other)
    assert box == (row, column, row + 3, column + 5)
    np.testing.assert_array_equal(_spread(one, box), [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(_spread(other, box), [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]])


def test_over_the_whole_image_with_both_lungs_in_it_no_shunt_is_needed():
    case = liver_case()
    whole = SimpleNamespace(
        calibration=Calibration(region=CalibrationRegion.FIELD_OF_VIEW), lung_masses_g=None
    )
    given = Administration(activity_bq=2e9)
    assert calibration_region(whole, case.injections[0], case.regions, given) == (None, 2e9)
    without = liver_case(lungs=False).regions
    with pytest.raises(InputError, match="needs the lung shunt fraction"):
        calibration_region(whole, case.injections[0], without, given)


@pytest.mark.parametrize(
    ("in_emission", "image", "in_views", "source"),
    [
        ("lungs and liver", None, None, "spect"),
        ("liver", None, None, "none"),
        ("liver", "placed", "lungs and liver", "planar"),
        ("liver", "placed", "liver", "none"),
        ("liver", "unplaced", "lungs and liver", "none"),
        ("liver", None, "lungs and liver", "none"),
        ("lungs", "placed", "lungs and liver", "none"),
    ],
)
def test_what_a_shunt_that_is_not_given_can_be_measured_on(in_emission, image, in_views, source):
    every = liver_case().regions
    drawn = {
        "lungs and liver": every,
        "liver": liver_case(lungs=False).regions,
        "lungs": Regions(every.grid, tuple(r for r in every.drawn if r.role is Role.LUNG)),
        None: None,
    }
    views = image and SimpleNamespace(grid=every.grid if image == "placed" else None)
    setup = SimpleNamespace(image=views, regions=drawn[in_views])
    assert _possible_source(drawn[in_emission], setup) == source


HEADER = datetime(2024, 3, 12, 8)


@pytest.mark.parametrize(
    ("apart_s", "said"),
    [(3600, 0), (3601, 1), (86400, 1), (86401, None), (-3600, 0), (-3601, 1), (-86401, None)],
)
def test_a_stated_time_an_hour_off_the_header_is_said_and_a_day_off_refused(apart_s, said):
    image = SimpleNamespace(
        administration_time=HEADER, day_unknown=False, predicted=False, administration_day_assumed=False
    )
    time = HEADER + timedelta(seconds=apart_s)
    if said is None:
        with pytest.raises(InputError, match="one of both is wrong"):
            check_stated_time(image, time, trusted=False)
        said = 1
    codes = [notice.code for notice in check_stated_time(image, time, trusted=True)]
    assert codes == ["time-contradicts-header"] * said


def test_a_plan_without_uncertainty_is_the_plan_as_it_is():
    plan, settings = object(), SimpleNamespace(output=SimpleNamespace(uncertainty=False))
    assert _with_uncertainty(plan, settings, lambda what, done: None) is plan


@pytest.mark.parametrize(("second", "said"), [("Y-90", None), ("Ho-166", "found Ho-166, Y-90")])
def test_all_injections_of_a_case_are_of_one_nuclide(second, said):
    case = liver_case()
    (one,) = case.injections
    given = replace(one.administration, nuclide=second)
    other = replace(one, emission=replace(one.emission), administration=given)
    if said is None:
        assert replace(case, injections=(one, other)).nuclide == "Y-90"
    else:
        with pytest.raises(InputError, match=said):
            replace(case, injections=(one, other))


@pytest.mark.parametrize(
    ("heights", "speaks"),
    [((0.0, 4.0), False), ((0.0, 4.0, 8.0), True), ((0.0, 4.0, 8.079), True), ((0.0, 4.0, 8.083), False)],
)
def test_planes_at_every_other_place_speak_against_it_from_two_even_steps_on(heights, speaks):
    """Steps alike within 2 % of 4 mm, twice what is stated; two planes alone tell nothing."""
    assert _contradicts(np.array(heights), 4.0, 2.0, None) is speaks


@pytest.mark.parametrize(
    ("with_ct", "edge_mm", "blur_mm", "where"), [(False, 4.0, 10.0, "emission image"), (True, 1.0, 2.0, "CT")]
)
def test_contours_are_as_sure_as_the_image_they_were_drawn_on(with_ct, edge_mm, blur_mm, where):
    """Voxels of 4 mm in the emission, of 2 × 1 × 1 mm in the CT; a registration error is half a voxel of the emission."""
    case = liver_case()
    if with_ct:
        case = replace(case, ct=CtImage(np.zeros((4, 4, 4)), Grid.from_spacing((4, 4, 4), (2.0, 1.0, 1.0))))
    found, notices = complete_inputs(case, {"fwhm_mm": 10.0})[:2]
    assert found.registration_mm == 2.0
    assert found.contour_fwhm_mm == blur_mm
    assert found.contour_voxel_mm == pytest.approx(edge_mm, rel=0.3)
    assert f"regions drawn on voxels of the {where}," in notices[0].message
