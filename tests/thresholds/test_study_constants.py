"""Named numbers of reading and running a study, one case just inside and one just outside of each (docs/mutants.md)."""

import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.roles import Role
from y90voxel.study import engine_choice, run_segment, study
from y90voxel.study.anonymous_text import identity_words, names_nobody
from y90voxel.study.engine_choice import decide_engine
from y90voxel.study.judgement import _asked_for
from y90voxel.study.optional_roles import fitting_roles
from y90voxel.study.read_treatments import _check_whole, _fraction_dates
from y90voxel.study.schema_parts import COUNT
from y90voxel.study.study import Study
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, Mask


def test_words_of_an_identity_have_three_letters_or_more():
    found = identity_words(StudyIdentity("Li^Ida^van", "7A-123", accession_number="A1"))
    assert found == {"ida", "van", "123"}


@pytest.mark.parametrize(("name", "nobody"), [("Segment 8", True), ("GTV 12", True), ("GTV 123", False)])
def test_numbers_of_regions_have_two_digits(name, nobody):
    assert names_nobody(name) is nobody


@pytest.mark.parametrize(("share", "engine"), [(0.895, "convolution"), (0.905, "density")])
def test_a_ct_with_nine_tenths_of_the_counts_gives_densities(share, engine, monkeypatch):
    monkeypatch.setattr(engine_choice, "share_in_ct", lambda case: share)
    assert decide_engine("auto", SimpleNamespace(ct="a CT")).name == engine


@pytest.mark.parametrize(("text", "near"), [("GTW", True), ("GT*", False), ("HCX*", True), ("HX*", False)])
def test_a_name_of_three_letters_may_be_nearly_a_region(text, near):
    _, notices = fitting_roles(["GTV", "HCC seg 5"], {text: "tumour"}, [text])
    assert ("role-nearly-a-region" in {notice.code for notice in notices}) is near


@pytest.mark.parametrize(("gy_a_fraction", "refused"), [(0.95, True), (1.05, False)])
def test_less_than_1_gy_a_fraction_is_the_dose_of_one_fraction(gy_a_fraction, refused):
    arguments = (Path("dose.dcm"), 25 * gy_a_fraction, 25, None)
    if refused:
        with pytest.raises(InputError, match="looks like the dose of one fraction"):
            _check_whole(*arguments)
    else:
        _check_whole(*arguments)


def test_fractions_are_taken_as_given_from_monday_to_friday():
    wednesday = datetime(2026, 3, 4, 12)
    facts = SimpleNamespace(fraction_dates=(), path="plan.dcm")
    dates, notices = _fraction_dates(facts, wednesday, 5)
    assert [day.day for day in dates] == [4, 5, 6, 9, 10]
    assert [notice.code for notice in notices] == ["fraction-dates-assumed"]


@pytest.mark.parametrize(
    ("lost", "accepted"), [(0.0095, True), (0.0105, False), (-0.0095, True), (-0.0105, False)]
)
def test_a_mask_may_lose_a_hundredth_between_its_grid_and_the_ct(lost, accepted, monkeypatch):
    """100 voxels of 1 mL lie in the CT; the program drew a little more, or less."""
    grid = Grid.from_spacing((4, 5, 5), (10.0, 10.0, 10.0))
    mask = Mask(np.ones(grid.shape), grid)
    drawn_ml = 100.0 / (1.0 - lost)
    region = SimpleNamespace(name="liver", shape=mask)
    monkeypatch.setattr(run_segment, "masks_of_folder", lambda folder: [Path("liver.nii.gz")])
    monkeypatch.setattr(run_segment, "read_regions_file", lambda file, notices: [region])
    monkeypatch.setattr(run_segment, "place_shape", lambda shape, grid: (mask, drawn_ml))
    ct = CtImage(np.zeros(grid.shape, np.int16), grid)
    if accepted:
        assert list(run_segment._read(Path("masks"), ct)[0]) == ["liver"]
    else:
        with pytest.raises(InputError, match=r"of which 100 mL lie in the CT"):
            run_segment._read(Path("masks"), ct)


@pytest.mark.parametrize("length", [590, 610])
def test_the_last_600_characters_of_a_program_are_quoted(length):
    said = "".join(chr(ord("a") + n % 26) for n in range(length))
    with pytest.raises(InputError, match="ended with exit code 3 and said") as caught:
        run_segment._run([sys.executable, "-S", "-c", f"print({said!r}); raise SystemExit(3)"])
    assert caught.value.message.endswith(f" {said[-600:]}")


def test_a_count_is_0_or_more():
    assert (COUNT["type"], COUNT["minimum"]) == ("integer", 0)


@pytest.mark.parametrize(("millions", "refused"), [(39.5, False), (40.5, True)])
def test_a_dose_grid_has_40_million_voxels_at_most(millions, refused):
    grid = SimpleNamespace(size=int(millions * 1e6))
    asked = SimpleNamespace(_wanted_grid=lambda wanted: grid)
    if refused:
        with pytest.raises(InputError, match="up to 40 million are computed"):
            Study._dose_grid(asked, 1.0)
    else:
        assert Study._dose_grid(asked, 1.0) is grid


@pytest.mark.parametrize(
    ("mm", "wanted", "millions", "kept"),
    [
        (2.76, 3.0, 1.0, True),  # finer than 0.7 of 4 mm
        (2.84, 3.0, 1.0, False),
        (5.0, 3.0, 1.0, False),
        (5.0, "emission", 1.0, True),
        (5.0, 3.0, 39.5, False),
        (5.0, 3.0, 40.5, True),
    ],
)
def test_voxels_below_0_7_of_the_images_are_kept_whatever_they_move(mm, wanted, millions, kept, monkeypatch):
    """Else the image's own are taken, where it has no more voxels than can be computed."""
    monkeypatch.setattr(study, "moved_by_grid", lambda image, view, regions: {"GTV1": -0.03})
    image = SimpleNamespace(spacing_mm=(4.0, 4.0, 4.0), size=int(millions * 1e6))
    view = SimpleNamespace(grid=image, role=Role.TUMOUR)
    emission = SimpleNamespace(grid=image, volume=None)
    regions = SimpleNamespace(grid=SimpleNamespace(spacing_mm=(mm, mm, mm)))
    found, notices = Study._fine_enough(SimpleNamespace(emissions=(emission,)), wanted, [view], regions)
    assert found is (regions if kept else view)
    assert [notice.code for notice in notices] == ([] if kept else ["grid-refined"])


@pytest.mark.parametrize(
    ("tag", "option", "assumed"),
    [
        ("administration.activity", "--activity", {"activity_bq": 1e9}),
        ("administration.lung_shunt_fraction", "--lung-shunt", {"lung_shunt_fraction": 0.0}),
        ("administration.time", "--time", {"time": datetime(2026, 3, 3, 16), "trust_time": True}),
        ("AcquisitionTime", "--acquisition-time", {}),
        ("dose.grid", None, {}),
    ],
)
def test_facts_of_the_clinic_are_assumed_to_see_what_else_is_wrong(tag, option, assumed):
    """1 GBq, no shunt, and an injection 20 h before the scan: nothing that a notice would be about."""
    emission = SimpleNamespace(acquisition_start=datetime(2026, 3, 4, 12))
    found = _asked_for(InputError("missing.", tag=tag), SimpleNamespace(emissions=(emission,)))
    assert found == (option, assumed)


def test_without_the_time_of_the_scan_no_time_of_injection_is_assumed():
    study = SimpleNamespace(emissions=(SimpleNamespace(acquisition_start=None),))
    assert _asked_for(InputError("missing.", tag="administration.time"), study) == ("--time", {})
