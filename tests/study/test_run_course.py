"""A patient's sessions in order: what is run, kept, compared and added up, and what is refused."""

import json
import shutil

import dicom_factory as dicom
import numpy as np
import pytest
from study_factory import write_study, write_therapy_study

from y90voxel.case.course_settings import folder_name, read_course
from y90voxel.errors import InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

COURSE = """
title = "A patient"
[[session]]
name = "MAA"
kind = "plan"
date = 2026-01-05
study = "maa"
case = "maa.toml"
[[session]]
name = "TARE 1"
kind = "dose"
date = 2026-01-12
study = "first"
case = "therapy.toml"
[[session]]
name = "first cycle"
kind = "event"
date = 2026-01-26
[[session]]
name = "TARE 2"
kind = "dose"
date = 2026-03-02
study = "second"
case = "therapy.toml"
[[session]]
name = "SBRT"
kind = "external beam"
date = 2026-05-04
dose = "sbrt.dcm"
fractions = 5
[accumulate]
limit = ["non-tumour liver bed <= 150"]
"""
MAA = """
[administration]
activity = "1 GBq"
lung_shunt_fraction = 0.05
device = "glass"
[dose]
engine = "local"
[plan]
disease = "HCC"
scenario = "lobectomy"
"""
THERAPY = """
[administration]
activity = "1 GBq"
lung_shunt_fraction = 0.05
[dose]
engine = "local"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    write_study(root / "maa")
    write_therapy_study(root / "first", 500)
    write_therapy_study(root / "second", 300)
    grid = Grid.from_spacing((30, 30, 30), (4.0, 4.0, 4.0), (-58, -58, -58), dicom.FRAME)
    centres = grid.index_to_lps(np.stack(np.indices(grid.shape), axis=-1))
    ball = 40.0 / (1 + np.exp((np.linalg.norm(centres - np.array([12, 5, -10]), axis=-1) - 20) / 4))
    write_rtdose(DoseMap(ball, grid), root / "sbrt.dcm", identity=StudyIdentity())
    (root / "maa.toml").write_text(MAA)
    (root / "therapy.toml").write_text(THERAPY)
    (root / "course.toml").write_text(COURSE)
    return root


@pytest.fixture
def files(made, tmp_path):
    return shutil.copytree(made, tmp_path / "files", copy_function=shutil.copy2)


def run(run_cli, files, *arguments, name="course.toml"):
    return run_cli("course", files / name, "-o", files / "out", "--json", *arguments)


def statuses(document):
    entries = [*document["sessions"], *document["comparisons"], document["accumulate"]]
    return {entry["name"]: entry["status"] for entry in entries if entry and entry["status"]}


def test_a_course_is_run_kept_and_taken_up_again(run_cli, files):
    done = run(run_cli, files)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document == json.loads((files / "out" / "course.json").read_text())
    every = {"MAA", "TARE 1", "TARE 2", "MAA and TARE 1", "all treatments"}
    assert statuses(document) == dict.fromkeys(every, "done")  # TARE 2 was not predicted by the first plan
    total = document["accumulate"]["summary"]
    one, two = (
        s["summary"]["doses_gy"]["tumours"] for s in document["sessions"] if s["name"].startswith("TARE")
    )
    tumour = next(r for r in total["regions"] if r["name"] == "GTV1")
    assert tumour["mean_gy"] > one + two
    assert total["limits"][1]["region"] == "non-tumour liver"
    page = (files / "out" / "course.html").read_text()
    for link in (
        "01-maa/plan.html",
        "02-tare-1/report.html",
        "02-tare-1-compared/compare.html",
        "accumulate/accumulate.html",
    ):
        assert f'href="{link}"' in page
        assert (files / "out" / link).is_file()
    assert "products and beams are not equivalent" in page

    again = json.loads(run(run_cli, files).out)
    assert statuses(again) == dict.fromkeys(every, "kept")
    # another activity of the second treatment: it and the sum are made again, nothing else
    text = COURSE.replace('study = "second"\ncase = "therapy.toml"', 'study = "second"\ncase = "other.toml"')
    (files / "other.toml").write_text(THERAPY.replace("1 GBq", "2 GBq"))
    (files / "course.toml").write_text(text)
    changed = json.loads(run(run_cli, files).out)
    made_again = {name for name, status in statuses(changed).items() if status == "done"}
    assert made_again == {"TARE 2", "all treatments"}


def test_a_session_that_fails_is_told_and_the_others_go_on(run_cli, files):
    shutil.rmtree(files / "first")
    done = run(run_cli, files)
    assert done.code == 2
    document = json.loads(done.out)
    states = statuses(document)
    assert (states["TARE 1"], states["TARE 2"], states["MAA"]) == ("failed", "done", "done")
    # its place is taken by what predicts the other, and the sum holds what there is
    assert states["MAA and TARE 2"] == "done"
    error = next(s["error"] for s in document["sessions"] if s["name"] == "TARE 1")
    assert "first" in error
    assert "FAILED" in (files / "out" / "course.html").read_text()
    plain = run_cli("course", files / "course.toml", "-o", files / "out", "--no-report")
    assert plain.code == 2
    assert "TARE 1 failed:" in plain.err
    assert "TARE 2" in plain.out


def test_a_dose_says_what_predicts_it(run_cli, files):
    text = COURSE.replace('study = "second"', 'study = "second"\npredicted_by = "MAA"')
    (files / "course.toml").write_text(text)
    document = json.loads(run(run_cli, files, "--no-report").out)
    assert {"MAA and TARE 1", "MAA and TARE 2"} <= statuses(document).keys()
    assert not (files / "out" / "course.html").exists()
    (files / "course.toml").write_text(text.replace('predicted_by = "MAA"', 'predicted_by = "CT"'))
    done = run(run_cli, files)
    assert done.code == 2
    assert "predicted by 'CT'" in json.loads(done.err)["error"]["message"]


def test_one_treatment_is_no_sum(run_cli, files):
    (files / "course.toml").write_text(COURSE[: COURSE.index('[[session]]\nname = "first cycle"')])
    document = json.loads(run(run_cli, files, "--no-report").out)
    assert document["accumulate"] is None


def test_a_folder_of_something_else_is_left_alone(run_cli, files):
    (files / "out").mkdir()
    (files / "out" / "thesis.txt").write_text("mine")
    done = run(run_cli, files)
    assert done.code == 2
    assert "holds no course" in json.loads(done.err)["error"]["message"]
    assert [p.name for p in (files / "out").iterdir()] == ["thesis.txt"]
    shutil.rmtree(files / "out")
    (files / "out").write_text("a file")
    assert "is a file" in json.loads(run(run_cli, files).err)["error"]["message"]


EVENT = '[[session]]\nname = "a"\nkind = "event"\ndate = 2026-01-05\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[session]\n", "cannot be read"),
        ("", "needs a \\[\\[session\\]\\]"),
        ('[[session]]\nname = "a"\nkind = "operation"\ndate = 2026-01-05\n', "kind"),
        ('[[session]]\nname = "a"\nkind = "event"\n', "needs a date"),
        (EVENT.replace("date = 2026-01-05", "date = 2026-01-05\nday = 3"), "not both"),
        (EVENT.replace("event", "dose"), "'a' needs study or case"),
        (EVENT.replace("event", "external beam"), "'a' needs dose"),
        (EVENT + 'study = "x"\n', "does not use study"),
        (EVENT + "fractions = 3\n", "does not use fractions"),
        (EVENT + 'predicted_by = "b"\n', "does not use predicted_by"),
        (EVENT + EVENT, "two sessions are named 'a'"),
        (EVENT + EVENT.replace('"a"', '"b"').replace("date = 2026-01-05", "day = 3"), "one or the other"),
        (EVENT + EVENT.replace('"a"', '"b"').replace("2026-01-05", "2025-12-31"), "'b' \\(2025-12-31\\) is listed after 'a'"),
        (EVENT.replace("date = 2026-01-05", "day = 9") + EVENT.replace('"a"', '"b"').replace("date = 2026-01-05", "day = 3"),
         "'b' \\(day 3\\) is listed after 'a' \\(day 9\\)"),
        (EVENT + 'colour = "red"\n', "colour is not a setting"),
    ],
)  # fmt: skip
def test_files_that_are_no_course(tmp_path, text, message):
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_course(tmp_path / "course.toml")


def test_sessions_without_a_letter_have_a_folder_too():
    assert folder_name("肝") == "session"
    assert folder_name("TARE, rechts (2)") == "tare-rechts-2"
