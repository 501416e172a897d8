"""Studies in a tree, with case files beside them."""

import json
import shutil

import pytest
from study_factory import write_study

from y90voxel.batch.discovery import find_cohort
from y90voxel.batch.study_units import Unit, study_ids


def write(root, name, number, **options):
    return write_study(root / name, StudyInstanceUID=f"1.2.3.{number}", PatientID=f"P{number}", **options)


def found(root):
    return {unit.name: unit for unit in find_cohort(root).units}


def test_every_study_has_its_folder_and_its_case_files(tmp_path):
    write(tmp_path, "site/one", 1)
    write(tmp_path, "site/two", 2)
    (tmp_path / "case.toml").write_text('[dose]\nengine = "local"\nliver_density = 1.04\n')
    (tmp_path / "site" / "two" / "case.toml").write_text(
        '[administration]\nactivity = "2 GBq"\n[dose]\nengine = "convolution"'
    )
    units = found(tmp_path)
    assert list(units) == ["site/one", "site/two"]
    assert units["site/one"].settings == {"dose": {"engine": "local", "liver_density": 1.04}}
    assert units["site/two"].settings == {
        "administration": {"activity": "2 GBq"},
        "dose": {"engine": "convolution", "liver_density": 1.04},
    }
    assert len(units["site/one"].only) == 42
    assert units["site/one"].path == tmp_path / "site/one"


def test_studies_mixed_in_one_folder_are_several_units(tmp_path):
    for number in (1, 2):
        write(tmp_path, f"s{number}", number)
        for file in (tmp_path / f"s{number}").iterdir():
            file.rename(tmp_path / f"{number}{file.name}")
        (tmp_path / f"s{number}").rmdir()
    units = find_cohort(tmp_path).units
    assert [len(unit.only) for unit in units] == [42, 42]
    assert all(name.startswith("1") for name in units[0].only)
    ids = study_ids(list(units), {}, anonymous=False)
    assert len(set(ids.values())) == 2
    assert all(name.startswith("study-") for name in ids.values())


def test_links_to_folders_are_followed_once_and_never_in_a_circle(tmp_path):
    cohort, elsewhere = tmp_path / "cohort", tmp_path / "elsewhere"
    write(cohort, "here", 1)
    write(elsewhere, "deep/there", 2)
    for name, target in {
        "linked": elsewhere, "linked twice": elsewhere / "deep", "again": cohort / "here",
        "around": cohort, "above": tmp_path, "nowhere": tmp_path / "none",
    }.items():  # fmt: skip
        (cohort / name).symlink_to(target)
    (elsewhere / "back").symlink_to(cohort)
    units = found(cohort)
    assert sorted(units) == ["here", "linked/deep/there"]
    assert [len(unit.only) for unit in units.values()] == [42, 42]


def test_a_case_file_that_cannot_be_read_is_the_studys_problem(tmp_path):
    write(tmp_path, "a", 1)
    write(tmp_path, "b", 2)
    (tmp_path / "b" / "case.toml").write_text("activity = 2 GBq")
    units = found(tmp_path)
    assert units["a"].problem is None
    assert "case.toml cannot be read" in units["b"].problem


def test_archives_are_studies_with_case_files_of_their_name(tmp_path):
    write(tmp_path / "x", "study", 1)
    shutil.make_archive(str(tmp_path / "cohort" / "p1"), "zip", tmp_path / "x" / "study")
    (tmp_path / "cohort" / "p1.toml").write_text('[dose]\nengine = "local"')
    units = found(tmp_path / "cohort")
    assert units["p1"].path == tmp_path / "cohort" / "p1.zip"
    assert units["p1"].only is None
    assert units["p1"].settings == {"dose": {"engine": "local"}}


def test_a_study_without_emission_image_is_a_unit_that_will_be_refused(tmp_path):
    write(tmp_path, "a", 1)
    write(tmp_path, "b", 2)
    (tmp_path / "b" / "nm0000").unlink()
    assert list(found(tmp_path)) == ["a", "b"]


def test_other_studies_of_a_treated_patient_are_passed_over_and_said(tmp_path):
    write(tmp_path, "a", 1)
    write_study(
        tmp_path / "diagnostic", StudyInstanceUID="1.2.9", PatientID="P1", FrameOfReferenceUID="1.2.9.1"
    )
    for name in ("nm0000", "rs0000"):
        (tmp_path / "diagnostic" / name).unlink()
    cohort = find_cohort(tmp_path)
    assert [(unit.name, unit.passed_over) for unit in cohort.units] == [("a", False), ("diagnostic", True)]
    assert "--accept skipped" in cohort.units[1].problem


def test_a_ct_of_another_study_in_the_same_frame_names_the_image_that_it_joins(tmp_path):
    write(tmp_path, "a", 1, with_regions=False)
    write_study(tmp_path / "rois", StudyInstanceUID="1.2.9", PatientID="P1", with_ct=False, nm=[])
    (unit,) = find_cohort(tmp_path).units
    assert unit.settings["series"]["emission"].startswith("1.2")
    assert "rois/rs0000" in unit.only


def test_unreadable_files_go_to_the_study_beside_them(tmp_path):
    damaged = b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00CS\xff\xff"
    write(tmp_path, "a/images", 1)
    (tmp_path / "a" / "images" / "bad1").write_bytes(damaged)
    (tmp_path / "a" / "images" / "more").mkdir()
    (tmp_path / "a" / "images" / "more" / "bad2").write_bytes(damaged)
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "bad3").write_bytes(damaged)
    units = found(tmp_path)
    assert list(units) == ["a/images", "lost"]
    assert {"bad1", "more/bad2"} < set(units["a/images"].only)
    assert units["lost"].only == ("bad3",)


def test_results_in_the_tree_are_not_studies_but_what_lies_beside_them_is(tmp_path):
    write(tmp_path, "a", 1)
    write(tmp_path, "old/p", 2)
    names = sorted(path.name for path in (tmp_path / "old" / "p").iterdir())
    mark = tmp_path / "old" / "p" / ".y90voxel.json"
    mark.write_text(json.dumps({"command": "dose", "files": names}))
    cohort = find_cohort(tmp_path)
    assert [unit.name for unit in cohort.units] == ["a"]
    assert cohort.remarks == ("old/p is not looked into: it holds results",)
    mark.write_text(json.dumps({"command": "dose", "files": ["dose.dcm"]}))
    assert [unit.name for unit in find_cohort(tmp_path).units] == ["a", "old/p"]


def test_a_fetched_study_is_a_study(tmp_path):
    """`fetch` of earlier versions listed what it had fetched, as results are listed."""
    write(tmp_path, "a", 1)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    (tmp_path / "a" / ".y90voxel.json").write_text(json.dumps({"files": names}))
    assert list(found(tmp_path)) == ["a"]


@pytest.mark.parametrize("anonymous", [False, True])
def test_identifiers_are_stable_and_fit_for_any_file_system(anonymous):
    units = [
        Unit(f"k{i}", name, None) for i, name in enumerate(["p/1", "P/1", "logs", "ä ö:*", "...", "x" * 300])
    ]
    ids = study_ids(units, {}, anonymous=anonymous)
    assert len({name.casefold() for name in ids.values()}) == len(units)
    assert all(len(name) < 100 and not set(name) & set("/:* ") for name in ids.values())
    assert "logs" not in ids.values()
    if anonymous:
        assert all(name.startswith("study-") for name in ids.values())
    again = study_ids([Unit("new", "p/1", None), *units[::-1]], ids, anonymous=anonymous)
    assert {key: again[key] for key in ids} == ids
    assert again["new"] not in ids.values()
