"""Guards of DICOM headers, one case on each side: slice spacings alike, slices beside their line, offsets of time zones."""

from datetime import timedelta

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import _zone
from y90voxel.io.dicom.ct import read_ct
from y90voxel.io.dicom.index import index_study
from y90voxel.io.dicom.nm import read_nm

DRIFT_MM = 0.05  # what slices may drift aside over the stack
STORED = np.random.default_rng(0).integers(0, 2000, (9, 6, 7)).astype(np.uint16)


def only_series(datasets, folder):
    factory.save(datasets, folder)
    (series,) = index_study(folder).series
    return series


@pytest.mark.parametrize("thickness", ["3.97", "4.03", "4"])
def test_nm_thickness_within_1_percent_of_the_spacing_is_alike(tmp_path, thickness):
    _, notices = read_nm(only_series(factory.nm(STORED, SliceThickness=thickness), tmp_path))
    assert notices == ()


@pytest.mark.parametrize("thickness", ["3.95", "4.05"])
def test_nm_thickness_just_above_1_percent_beside_the_spacing_is_a_contradiction(tmp_path, thickness):
    with pytest.raises(DicomError, match="which of them places the slices is not known"):
        read_nm(only_series(factory.nm(STORED, SliceThickness=thickness), tmp_path))


def drifting(folder, beside_mm, odd=4):
    """A CT whose slices drift by 0.1 mm each, one of them further."""
    datasets = factory.ct(STORED)
    for index, dataset in enumerate(datasets):
        x, y, z = (float(v) for v in dataset.ImagePositionPatient)
        shift = 0.1 * index + (beside_mm if index == odd else 0.0)
        dataset.ImagePositionPatient = [f"{x + shift:.4f}", f"{y:.4f}", f"{z:.4f}"]
    return only_series(datasets, folder)


@pytest.mark.parametrize("beside_mm", [0.0, 1.9 * DRIFT_MM, -1.9 * DRIFT_MM])
def test_a_slice_up_to_twice_the_drift_tolerance_beside_its_line_is_gantry_tilt(tmp_path, beside_mm):
    _, notices = read_ct(drifting(tmp_path, beside_mm))
    assert [notice.code for notice in notices] == ["gantry-tilt"]


@pytest.mark.parametrize("beside_mm", [2.1 * DRIFT_MM, -2.1 * DRIFT_MM])
def test_a_slice_just_above_twice_the_drift_tolerance_beside_its_line_is_refused(tmp_path, beside_mm):
    with pytest.raises(DicomError, match="mm beside the line of the other slices"):
        read_ct(drifting(tmp_path, beside_mm))


@pytest.mark.parametrize(("offset", "minutes"), [("+1359", 839), ("+1400", 840), ("-1400", -840)])
def test_an_offset_of_up_to_14_hours_is_a_time_zone(offset, minutes):
    assert _zone(offset).utcoffset(None) == timedelta(minutes=minutes)


@pytest.mark.parametrize("offset", ["+1401", "-1401", "+2359"])
def test_an_offset_just_above_14_hours_is_no_time_zone(offset):
    assert _zone(offset) is None
