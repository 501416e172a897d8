"""No output of an anonymised run holds anything of the patient: every text attribute that DICOM knows is planted."""

import base64
import gzip
import json

import dicom_factory as factory
import numpy as np
import pytest
from cli_privacy import files_below, leaks
from pydicom.datadict import DicomDictionary
from pydicom.sequence import Sequence
from study_factory import ROIS, write_study

import y90voxel as yv
from y90voxel.errors import DicomError
from y90voxel.io.dicom.attributes import raw
from y90voxel.io.dicom.headers import HEADER_KEYWORDS
from y90voxel.io.nifti import write_nifti
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

MARK = "ZQXMARK"
DATE, UID = "19110203", "1.2.826.0.1.99999.71717"
PLANTED = {
    **dict.fromkeys(("PN",), f"{MARK}^PERSON"),
    **dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC", "AE", "CS"), MARK),
    "DA": DATE,
    "DT": f"{DATE}040506",
    "UI": UID,
}
# What the reader needs as it is; everything else is planted, PS3.15 table E.1 and more.
NEEDED = set(HEADER_KEYWORDS) - {
    "PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName", "StudyID",
    "SeriesDescription", "StudyDescription", "ImageComments", "DeviceSerialNumber", "StationName", "StructureSetLabel",
    "Manufacturer", "ManufacturerModelName",
}  # fmt: skip
GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--role", f"{MARK} lesion=tumour")
WHO = ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientNames", "ReferringPhysicianName", "PerformingPhysicianName",
       "OperatorsName", "InstitutionName", "AccessionNumber", "PatientAddress")  # fmt: skip


def plant(dataset, keywords=None):
    """Fill every text attribute of the dictionary, private elements, and a nested item with markers."""
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        first = vr.split(" or ")[0]
        chosen = (
            keyword and keyword not in NEEDED and tag >> 16 not in (0x0002, 0x0004, 0x0000) and not retired
        )
        if first in PLANTED and chosen and (keywords is None or keyword in keywords):
            dataset.add_new(tag, first, PLANTED[first])
    block = dataset.private_block(0x0011, f"{MARK} CREATOR", create=True)
    block.add_new(0x01, "LO", MARK)
    block.add_new(0x02, "UN", MARK.encode() + b" ")
    other = factory.item(PatientID=MARK, IssuerOfPatientID=MARK)
    dataset.OtherPatientIDsSequence = Sequence([other])
    dataset.file_meta.SourceApplicationEntityTitle = MARK
    dataset.preamble = MARK.encode().ljust(128, b"\0")
    return dataset


def planted_study(folder, keywords=None):
    """A study under a telling path, every object planted (of CT slices, two wholly), one ROI named after the patient."""
    import pydicom

    rois = {"Liver": ROIS["Liver"], f"{MARK} lesion": ROIS["GTV1"], "Stomach": ((30, 20, -10), 9.0)}
    write_study(folder, rois=rois)
    for path in folder.iterdir():
        wholly = not path.name.startswith("ct") or path.name in ("ct0000", "ct0020")
        plant(pydicom.dcmread(path), keywords if wholly else WHO).save_as(path, enforce_file_format=True)
    return folder


def test_the_search_finds_what_is_hidden():
    hidden = gzip.compress(f"name {MARK}".encode())
    page = (
        b"<img src='data:;base64,"
        + base64.b64encode(gzip.compress(MARK.encode() * 9, 0) + bytes(400))
        + b"'>"
    )
    assert leaks({"page": page}, [MARK]) != []
    assert leaks({"gz": hidden}, [MARK.lower()]) == [("gz", MARK.lower())]
    assert leaks({"utf16": MARK.encode("utf-16-le")}, [MARK]) == [("utf16", MARK)]


def test_an_anonymised_run_leaves_nothing_of_the_patient(run_cli, tmp_path):
    study = planted_study(tmp_path / f"{MARK}_study")
    case = tmp_path / "case.toml"
    parameters = f'alpha_beta_gy = 10\nrepair_half_time_h = 1.5\nsource = "as for {MARK}"\n'
    case.write_text(f"[radiobiology.non_tumour_liver]\n{parameters}", encoding="utf-8")
    done = run_cli("dose", study, *GIVEN, "--case", case, "--anonymise", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    outputs = files_below(tmp_path / "out")
    assert b"left out, anonymised" in outputs["metrics.json"]
    assert {"dose.dcm", "report.html", "regions.seg.dcm", "metrics.json"} <= outputs.keys()
    outputs |= {
        "stdout": done.out.encode(),
        "stderr": done.err.encode(),
        "names": "\n".join(outputs).encode(),
    }
    uids = {factory.uid(name) for name in ("nm", "ct", "rtstruct", "nm/0", "ct/0", "rtstruct/0")}
    assert leaks(outputs, [MARK, DATE, UID, "1911-02-03", "20240312", "2024-03-12", *uids]) == []
    assert b"Stomach" in outputs["metrics.json"]  # names of anatomy stay


def test_an_anonymised_plan_holds_the_limits_of_its_case_file_without_what_was_typed_beside_them(
    run_cli, tmp_path
):
    study = planted_study(tmp_path / f"{MARK}_study")
    case = tmp_path / "case.toml"
    case.write_text(
        f'[[plan.limit]]\nregion = "{MARK} lesion"\nvalue = 300\nname = "wish of {MARK}"\nsource = "letter of {MARK}"\n'
        '[[plan.limit]]\nregion = "liver"\nvalue = 60\n',
        encoding="utf-8",
    )
    done = run_cli(
        "plan", study, *GIVEN, "--case", case, "--anonymise", "--engine", "local", "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    outputs = files_below(tmp_path / "out")
    assert leaks(outputs, [MARK, DATE, UID]) == []
    limits = next(m for m in json.loads(outputs["plan.json"])["models"] if m["name"] == "voxel")["limits"]
    assert [(row["limit_gy"], row["source"]) for row in limits if row["limit_gy"] in (300.0, 60.0)] == [
        (300.0, "left out, anonymised"),
        (60.0, "given"),
    ]


def test_names_of_files_with_spaces_are_taken_out_of_notices(tmp_path):
    """A mask without a frame of reference is named in a notice, as the file is called."""
    study = planted_study(tmp_path / "study")
    mask = tmp_path / f"{MARK} left artery.nii.gz"
    grid = Grid.from_spacing((5, 5, 5), (4.0, 4.0, 4.0))
    write_nifti(Mask(np.ones(grid.shape, np.float32), grid), mask)
    found = yv.read_study(study, regions=mask)
    assert any(mask.name in notice.message for notice in found.notices)
    hidden = found.anonymous()
    assert not any(MARK in notice.message or "left artery" in notice.message for notice in hidden.notices)
    assert len(hidden.notices) == len(found.notices)


REFUSED = {
    "an unreadable file": lambda study: (study / f"{MARK}.dcm").write_bytes(bytes(128) + b"DICM"),
    "a missing slice": lambda study: (study / "ct0011").unlink(),
    "no emission image": lambda study: (study / "nm0000").unlink(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_anonymised_refusal_names_nobody(run_cli, tmp_path, name):
    study = planted_study(tmp_path / f"{MARK}_study")
    REFUSED[name](study)
    done = run_cli("dose", study, *GIVEN, "--anonymise", "-o", tmp_path / "out")
    assert done.code == 2
    assert leaks({"stderr": done.err.encode(), "stdout": done.out.encode()}, [MARK, DATE, UID]) == []


@pytest.mark.parametrize("name", [None, *REFUSED])
def test_logs_and_refusals_name_nobody_even_without_anonymise(run_cli, tmp_path, name):
    study = planted_study(tmp_path / "study", WHO)
    for path in study.glob("rs*"):
        path.unlink()
    write_study(tmp_path / "plain")
    (tmp_path / "plain" / "rs0000").rename(study / "rs0000")
    patient_of(study / "rs0000")
    if name is not None and name != "an unreadable file":
        REFUSED[name](study)
    elif name is not None:
        (study / "x.dcm").write_bytes(bytes(128) + b"DICM")
    done = run_cli("dose", study, *GIVEN[:4], "--no-report", "-o", tmp_path / "out")
    assert done.code == (0 if name is None else 2), done.err
    assert leaks({"stderr": done.err.encode(), "stdout": done.out.encode()}, [MARK, DATE]) == []


def patient_of(path):
    """Give a file the planted patient, so that it belongs to the others."""
    import pydicom

    dataset = pydicom.dcmread(path)
    dataset.PatientID, dataset.PatientName = MARK, f"{MARK}^PERSON"
    dataset.save_as(path)


def test_a_damaged_name_does_not_show_its_value():
    class Damaged(dict):
        def get_item(self, tag):
            raise ValueError(f"cannot convert {MARK}")

    with pytest.raises(DicomError, match=r"PatientBirthDate cannot be read\. The file is damaged") as caught:
        raw(Damaged(), "PatientBirthDate")
    assert MARK not in caught.value.message
    with pytest.raises(DicomError, match=MARK):
        raw(Damaged(), "Rows")


def test_a_bug_shows_a_traceback_without_the_patient(run_cli, tmp_path, monkeypatch, capsys):
    import sys
    import traceback

    from y90voxel.cli.main import main
    from y90voxel.study import run_dose as run

    study = planted_study(tmp_path / "study", WHO)

    def fail(*_arguments, **_options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(run, "verify", fail)
    arguments = ["dose", str(study), *GIVEN, "--no-report", "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["y90voxel", *arguments[:6], *arguments[8:]])
    with pytest.raises(RuntimeError) as caught:
        main()
    told = "".join(traceback.format_exception(caught.value))
    assert "a bug" in told
    assert leaks({"traceback": told.encode(), "stderr": capsys.readouterr().err.encode()}, [MARK, DATE]) == []


@pytest.mark.parametrize("command", ["dose", "plan"])
def test_a_case_file_that_is_missing_is_not_named(run_cli, tmp_path, command):
    case = tmp_path / f"{MARK}.toml"
    done = run_cli(command, tmp_path, "--case", case, "--anonymise", "-o", tmp_path / "out")
    assert done.code == 2
    assert leaks({"stderr": done.err.encode()}, [MARK, str(tmp_path)]) == []
