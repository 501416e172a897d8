"""Roles of a case file that many studies share: what fits nothing is listed, what is nearly a region is told."""

import json

import pytest
from study_factory import ROIS, write_study

from y90voxel.study.optional_roles import fitting_roles, texts_without_region

GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-report", "--engine", "local", "--json")
NAMES = ["Whole liver", "GTV 1", "HCC seg 5", "Lung_L"]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Whole livr", "Whole liver"),
        ("whole_lvier", "Whole liver"),
        ("HHC*", "HCC seg 5"),
        ("HCC sge 5", "HCC seg 5"),
        ("HCC seg 6", None),  # another number is another region
        ("GTV 2", None),
        ("GTW 1", "GTV 1"),
        ("Perfused*", None),
        ("HX*", None),  # two letters may be anything
        ("Lumg*", "Lung_L"),
    ],
)
def test_a_role_that_is_nearly_a_region_says_which(text, near):
    roles, notices = fitting_roles(NAMES, {text: "tumour", "Spleen": "ignore"}, [text, "Spleen"])
    assert roles == {}
    said = {notice.code: notice.message for notice in notices}
    assert texts_without_region(said["role-without-region"]) == [text, "Spleen"]
    assert ("role-nearly-a-region" in said) is (near is not None)
    if near is not None:
        assert f"{text!r} (tumour) is nearly the region {near!r}" in said["role-nearly-a-region"]


def test_a_region_that_has_its_role_is_nearly_nothing_else():
    _, notices = fitting_roles(["GTV"], {"GTV": "tumour", "GTVs": "tumour"}, ["GTV", "GTVs"])
    assert [notice.code for notice in notices] == ["role-without-region"]


def test_what_is_not_optional_stays():
    assert fitting_roles(NAMES, {"x": "tumour", "GTV*": "tumour"}, ["GTV*"]) == (
        {"x": "tumour", "GTV*": "tumour"}, [],
    )  # fmt: skip


def case_file(folder, text):
    (folder / "case.toml").write_text(f"[regions.roles]\n{text}\n")
    return folder / "case.toml"


@pytest.mark.parametrize("command", ["dose", "plan"])
def test_a_case_file_of_a_cohort_serves_one_study(run_cli, tmp_path, command):
    write_study(tmp_path / "study")
    case = case_file(tmp_path, '"GTV*" = "tumour"\n"HCC*" = "tumour"\n"Livre" = "liver"')
    done = run_cli(command, tmp_path / "study", *GIVEN, "--case", case, "-o", tmp_path / "out")
    said = {one["code"]: one["message"] for one in json.loads(done.out)["warnings"]}
    assert (done.code, texts_without_region(said["role-without-region"])) == (0, ["HCC*", "Livre"])
    assert "'Livre' (liver) is nearly the region 'Liver'" in said["role-nearly-a-region"]


@pytest.mark.parametrize("command", ["dose", "plan"])
def test_a_role_that_is_typed_has_to_fit(run_cli, tmp_path, command):
    write_study(tmp_path / "study")
    case = case_file(tmp_path, '"HCC*" = "tumour"')
    given = (*GIVEN, "--case", case, "-o", tmp_path / "out")
    for typed in ("HHC 1=tumour", "HCC*=tumour"):  # typed, it has to fit although the file has it too
        done = run_cli(command, tmp_path / "study", *given, "--role", typed)
        assert (done.code, "names the region" in done.out + done.err) == (2, True)


def test_an_isocontour_may_be_named_by_a_case_file(run_cli, tmp_path):
    write_study(tmp_path / "study", rois={"Liver": ROIS["Liver"]})
    case = case_file(tmp_path, '"HCC*" = "tumour"')
    done = run_cli(
        "dose",
        tmp_path / "study",
        *GIVEN,
        "--case",
        case,
        "--isocontour",
        "tumour=40%",
        "-o",
        tmp_path / "out",
    )
    document = json.loads(done.out)
    assert "role-without-region" in [one["code"] for one in document["warnings"]]
    assert "tumour (40 % isocontour)" in [region["name"] for region in document["regions"]]
