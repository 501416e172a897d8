"""An anonymised cohort tells nothing: planted markers, columns, values, labels, the key."""

import csv
import hashlib
import json
import sqlite3
import sys

import pydicom
import pytest
from cli_privacy import files_below, leaks
from study_factory import ROIS, write_study

from y90voxel.batch.identity_tokens import identity_tokens
from y90voxel.batch.keyed_labels import carried_columns, marks_of
from y90voxel.batch.ledger import LEDGER

SECRET = b"0" * 32
MARKS = marks_of(identity_tokens("Döe^John", "H-0042", "19500102"), SECRET)
GIVEN = ("--set", "administration.activity=2 GBq", "--set", "administration.lung_shunt_fraction=0.05")


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        ("John Doe", False),
        ("DOE, JOHN", False),
        ("doe", False),
        ("h0042", False),
        ("H-0042", False),
        ("1950-01-02", False),
        ("2.1.1950", False),
        ("01/02/50", False),
        (19500102, False),
        ("19500103", True),
        ("Jo", True),
        ("ward 3", True),
        (12, True),
        (None, True),
    ],
)
def test_a_column_that_was_asked_for_is_carried_unless_it_holds_the_patients_own(value, carried):
    found = carried_columns({"Ward": value}, MARKS, SECRET, ["ward"])
    assert found == ({"Ward": value} if carried else {})


def test_columns_that_nobody_asked_for_are_dropped_and_outcomes_stay():
    columns = {
        "Patientenname": "x",
        "remark": "y",
        "response": "PR",
        "survival_days": 12,
        "event": "John died",
    }
    assert carried_columns(columns, MARKS, SECRET, []) == {"response": "PR", "survival_days": 12}
    assert carried_columns(columns, None, SECRET, ["remark"]) == {"response": "PR", "survival_days": 12}
    assert carried_columns({"response": "PR"}, marks_of(["pr"], SECRET), SECRET, []) == {}


def planted_cohort(place, studies):
    """Studies with markers in tags, names of folders and files, manifest, columns and case files; returns the markers."""
    markers = [f"ZQX{number:02d}MARK" for number in range(60)]
    marker = iter(markers)
    manifest_name, case_name = next(marker), next(marker)
    shared = [next(marker) for _ in range(8)]  # eight columns' values
    tags = ("PatientName", "PatientID", "OtherPatientNames", "ReferringPhysicianName", "InstitutionName",
            "AccessionNumber", "PatientAddress", "StudyDescription", "SeriesDescription")  # fmt: skip
    planted = {tag: next(marker) for tag in tags}
    rest = list(marker)
    root = place / manifest_name
    rows = []
    for number in range(studies):
        name = f"{rest[number % len(rest)]}_{number}"
        folder = root / name
        rois = {"Liver": ROIS["Liver"], f"{rest[(number + 1) % len(rest)]} lesion": ROIS["GTV1"]}
        write_study(folder, rois=rois, StudyInstanceUID=f"1.2.{number}", PatientBirthDate="19110203")
        for path in list(folder.iterdir()):
            dataset = pydicom.dcmread(path)
            for tag, value in planted.items():
                setattr(dataset, tag, value)
            dataset.save_as(
                folder / f"{rest[(number + 2) % len(rest)]}_{path.name}", enforce_file_format=True
            )
            path.unlink()
        if number % 5 == 3:  # refused: names a file that is not there
            (root / f"{case_name}_{number}.toml").write_text(
                f'[output]\nlabel = "{rest[0]}"\n[unknown]\na = 1\n'
            )
        rows.append(
            {
                "study": name,
                "case": f"{case_name}_{number}.toml" if number % 5 in (3, 4) else "",
                "label": rest[number % len(rest)],
                f"regions.roles.{rois_name(rois)}": "tumour",
                "Patientenname": shared[0],
                "Geburtsdatum": "03.02.1911",
                "hospital number": shared[1],
                "remark": shared[2],
                "kept": planted["PatientName"] if number % 2 else "ward 3",
                "also kept": "3.2.1911",
                "response": shared[3] if number % 2 else "PR",
            }
        )
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (root / f"{manifest_name}.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return root / f"{manifest_name}.csv", [*markers, "19110203", "1911-02-03", "3.2.1911", "03.02.1911"]


def rois_name(rois):
    return next(name for name in rois if name != "Liver")


def search(run_cli, tmp_path, studies, report):
    """Compute an anonymised cohort twice and search everything that it leaves."""
    manifest, secrets = planted_cohort(tmp_path / "in", studies)
    out = tmp_path / "out"
    argv = ["batch", manifest, "-o", out, "--anonymise", *GIVEN, "--engine", "local", *report]
    argv += ["--keep-column", "kept", "--keep-column", "also kept"]
    outputs = {}
    for number in range(2):
        done = run_cli(*argv)
        assert done.code == 2
        outputs |= {f"stdout {number}": done.out.encode(), f"stderr {number}": done.err.encode()}
    missing = run_cli(*argv, "--case", tmp_path / "in" / f"{secrets[1]}.toml")
    assert missing.code == 2
    outputs |= {"missing": missing.err.encode() + missing.out.encode()}
    outputs |= files_below(out)
    outputs["names"] = "\n".join(outputs).encode()
    assert leaks(outputs, secrets) == []
    return out, json.loads((out / "status.json").read_text())


def check(out, status, studies):
    """What has to be there all the same."""
    broken = sum(number % 5 in (3, 4) for number in range(studies))
    assert status["counts"]["done"] == studies - broken
    assert status["counts"]["refused"] == broken
    table = (out / "cohort.csv").read_text()
    assert "ward 3" in table  # asked for, and nobody's
    assert "PR" in table
    with sqlite3.connect(out / LEDGER) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM study")]
    guesses = [hashlib.sha256(str(path).encode()).hexdigest() for path in (out.parent / "in").rglob("*")]
    assert not set(keys) & set(guesses)
    assert (out.parent / "out.key").stat().st_mode & 0o077 == 0


def test_an_anonymised_cohort_leaves_nothing_of_its_patients(run_cli, tmp_path):
    out, status = search(run_cli, tmp_path, 5, ("--no-report",))
    check(out, status, 5)


@pytest.mark.slow
def test_twenty_anonymised_studies_with_reports_leave_none_of_sixty_markers(run_cli, tmp_path):
    out, status = search(run_cli, tmp_path, 20, ())
    check(out, status, 20)
    sys.stderr.write(f"20 studies, 60 markers, {len(files_below(out))} files: none found\n")


def test_a_key_that_is_lost_or_another_is_refused(run_cli, tmp_path):
    write_study(tmp_path / "cohort" / "p1")
    argv = [
        "batch",
        tmp_path / "cohort",
        "-o",
        tmp_path / "out",
        "--anonymise",
        *GIVEN,
        "--engine",
        "local",
        "--no-report",
    ]
    assert run_cli(*argv).code == 0
    key = tmp_path / "out.key"
    text = key.read_text()
    key.rename(tmp_path / "aside")
    assert "is missing. Its labels cannot be made" in run_cli(*argv).err
    key.write_text("0" * 64)
    assert "not the key that this" in run_cli(*argv).err
    key.write_text(text)
    done = run_cli(*argv)
    assert (done.code, "0 computed now" in done.out) == (0, True)
    # another place, and a ledger that was lost
    (tmp_path / "out" / LEDGER).unlink()
    done = run_cli(*argv, "--key-file", tmp_path / "aside")
    assert (done.code, "0 computed now" in done.out) == (0, True)


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_cohort_whose_labels_have_no_key_is_refused_and_left_as_it_is(run_cli, tmp_path, more):
    """Earlier versions made labels of the paths alone: they are found by trying."""
    write_study(tmp_path / "cohort" / "p1")
    out = tmp_path / "out"
    argv = [
        "batch",
        tmp_path / "cohort",
        "-o",
        out,
        "--anonymise",
        *GIVEN,
        "--engine",
        "local",
        "--no-report",
    ]
    assert run_cli(*argv).code == 0
    with sqlite3.connect(out / LEDGER) as db:
        db.execute("DELETE FROM cohort WHERE name = 'key_check'")
        states = db.execute("SELECT study_id, state FROM study").fetchall()
    (tmp_path / "out.key").unlink()
    done = run_cli(*argv, *more)
    assert done.code == 2
    assert "labels are digests without a key" in done.err
    assert "Choose a new output folder" in done.err
    assert not (tmp_path / "out.key").exists()
    with sqlite3.connect(out / LEDGER) as db:
        assert db.execute("SELECT study_id, state FROM study").fetchall() == states
