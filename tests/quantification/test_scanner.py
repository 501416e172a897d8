"""Whether an image is of the camera as it was commissioned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.emission import EmissionImage, Reconstruction
from y90voxel.quantification.scanner import Scanner, check_scanner
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap

MADE = Reconstruction("OSEM 5i12s", "Gauss 5", "Maker Model")
SCANNER = Scanner(
    Path("scanner.toml"), "Y-90", "NM", MADE, (4.8, 4.8, 4.8), factor_cps_per_mbq=3.0, highest_rate_cps=100.0
)


def image(voxel=4.8, counts=27.0, **facts):
    grid = Grid.from_spacing((3, 3, 3), (voxel,) * 3)
    usual = {"imaged_nuclide": "Y-90", "reconstruction": MADE, "frame_duration_s": 1.0}
    return EmissionImage(CountMap(np.full((3, 3, 3), counts / 27.0), grid), "NM", **(usual | facts))


def test_an_image_of_the_same_camera_passes():
    assert check_scanner(SCANNER, image()) == []


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"imaged_nuclide": "Ho-166"}, "'Y-90' as nuclide, the image says 'Ho-166'"),
        ({"reconstruction": replace(MADE, method="FBP")}, "'OSEM 5i12s' as method of the reconstruction"),
        ({"reconstruction": replace(MADE, filter="Gauss 8")}, "'Gauss 5' as filter of the reconstruction"),
        ({"reconstruction": replace(MADE, camera="Other")}, "'Maker Model' as camera"),
    ],
)
def test_another_nuclide_reconstruction_or_filter_is_refused(facts, message):
    with pytest.raises(InputError, match=message):
        check_scanner(SCANNER, image(**facts))


def test_another_kind_of_image_is_refused():
    with pytest.raises(InputError, match="'NM' as modality"):
        check_scanner(SCANNER, replace(image(), modality="PT"))


@pytest.mark.parametrize(("voxel", "good"), [(4.8 * 1.009, True), (4.8 * 1.011, False), (4.8 * 0.989, False)])
def test_voxels_are_those_of_the_phantom_within_one_per_cent(voxel, good):
    if good:
        assert check_scanner(SCANNER, image(voxel)) == []
        return
    with pytest.raises(InputError, match="commissioned with voxels"):
        check_scanner(SCANNER, image(voxel))


def test_what_is_not_known_is_said():
    plain = replace(image(imaged_nuclide=None, reconstruction=Reconstruction()), modality="file")
    (notice,) = check_scanner(SCANNER, plain)
    assert notice.code == "scanner-not-checked"
    assert "nuclide, modality, method, filter, camera" in notice.message


@pytest.mark.parametrize(("counts", "codes"), [(99.0, []), (101.0, ["scanner-rate-outside"])])
def test_rates_above_the_phantom_are_said(counts, codes):
    assert [n.code for n in check_scanner(SCANNER, image(counts=counts))] == codes


@pytest.mark.parametrize(
    ("scanner", "duration_s", "codes"),
    [
        (SCANNER, 2.0, []), (SCANNER, 1.0, ["scanner-rate-outside"]), (SCANNER, None, []), (SCANNER, 0.0, []),
        (SCANNER, -1.0, []), (SCANNER, 1.5, []), (SCANNER, 0.5, ["scanner-rate-outside"]),
        (replace(SCANNER, highest_rate_cps=None), 1.0, []),
    ],
)  # fmt: skip
def test_a_rate_is_counts_over_a_duration(scanner, duration_s, codes):
    found = check_scanner(scanner, image(counts=150.0, frame_duration_s=duration_s))
    assert [n.code for n in found] == codes


def test_activities_have_no_rate():
    shown = image(counts=150.0)
    assert check_scanner(SCANNER, replace(shown, volume=ActivityMap(shown.volume.array, shown.grid))) == []


@pytest.mark.parametrize(
    ("stated", "codes"),
    [
        ({"duration_s": 2.0}, []),
        ({"duration_s": 1.0}, ["scanner-rate-outside"]),
        ({"rate_cps": 99.0, "duration_s": 1.0}, []),
        ({"rate_cps": 101.0, "duration_s": 2.0}, ["scanner-rate-outside"]),
    ],
)
def test_a_rate_and_a_duration_that_are_stated_come_first(stated, codes):
    """150 counts: of an image that knows no duration, and of one that states 1.2 s where the highest rate is 100 1/s."""
    for own in (None, 1.2):
        found = check_scanner(SCANNER, image(counts=150.0, frame_duration_s=own), **stated)
        assert [n.code for n in found] == codes
