"""Steps of a check without computing: whose files they are, in which coordinates, which settings count, what results give."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.settings import load_settings
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.study import run_check as module
from y90voxel.study.run_check import (
    VendorFiles,
    _listed,
    _of_results,
    _of_study,
    _one_frame,
    _only_what_results_take,
    _page,
    _patients,
    _their_regions,
    run_check,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DoseMap, Mask

PATH = "theirs.dcm"


def of(patient):
    return None if patient is None else StudyIdentity(patient_id=patient)


@pytest.mark.parametrize(
    ("theirs", "ours", "override", "code"),
    [
        ("1", "1", (), None),
        (None, "1", (), "patient-unknown"),
        ("", "1", (), "patient-unknown"),
        ("1", "", (), "patient-unknown"),
        ("2", "1", ("patients-differ",), "patients-differ"),
        ("2", "1", ("maps-unlike",), "refused"),
        ("2", "1", (), "refused"),
    ],
)
def test_files_are_of_one_patient(theirs, ours, override, code):
    if code == "refused":
        with pytest.raises(InputError, match="of two patients"):
            _patients(of(theirs), of(ours), PATH, override)
    else:
        found = _patients(of(theirs), of(ours), PATH, override)
        assert [notice.code for notice in found] == [] if code is None else [code]


def dose(frame):
    return DoseMap(
        np.ones((1, 1, 2)), Grid.from_spacing((1, 1, 2), (4.0, 4.0, 4.0), frame_of_reference_uid=frame)
    )


@pytest.mark.parametrize(
    ("theirs", "ours", "trusted", "code", "unknown"),
    [
        ("1", "1", False, None, None),
        (None, "1", False, "frame-unknown", "of their dose"),
        ("1", None, False, "frame-unknown", "of our dose"),
        (None, None, False, "frame-unknown", "of their and our dose"),
        ("2", "1", True, "frames-trusted", "(2; 1)"),
        ("2", "1", False, "refused", None),
    ],
)
def test_both_doses_lie_in_one_frame(theirs, ours, trusted, code, unknown):
    own = SimpleNamespace(dose=dose(ours))
    if code == "refused":
        with pytest.raises(GeometryError, match="lies in frame of reference 2, ours in 1"):
            _one_frame(dose(theirs), own, trusted)
        return
    found, same, notices = _one_frame(dose(theirs), own, trusted)
    assert (found.grid.frame_of_reference_uid, same) == (ours, own)
    assert [notice.code for notice in notices] == ([] if code is None else [code])
    assert unknown is None or unknown in notices[0].message


def settings(**tables):
    return load_settings(None, tables)


@pytest.mark.parametrize(
    ("tables", "listed"),
    [
        ({}, None),
        ({"administration": {"device": "glass"}, "dose": {"engine": "local"}}, None),
        ({"patient": {"height_m": 1.8}, "output": {"label": "x"}}, "output, patient"),
        ({"output": {"report": False}}, None),
        ({"output": {"report": False, "pdf": True}}, "output"),
    ],
)
def test_settings_that_decide_nothing_of_a_dose_are_listed(tables, listed):
    notices = _listed(settings(**tables))
    assert [notice.code for notice in notices] == ["settings-carried"] * (listed is not None)
    if listed is not None:
        names = notices[0].message.split(": ", 1)[1].split(".")[0]
        assert sorted(names.split(", ")) == listed.split(", ")


ROLES = {"roles": {"HCC 1": "tumour"}}


@pytest.mark.parametrize(
    ("tables", "files", "with_regions", "refused"),
    [
        ({}, None, False, None),
        ({}, {"ct": None}, False, None),
        ({}, {"ct": Path("ct.nii")}, True, "ct"),
        ({"dose": {"register": "trust"}}, None, False, None),
        ({"output": {"report": False}}, None, False, None),
        ({"output": {"report": False, "pdf": True}}, None, False, "output"),
        ({"dose": {"register": "rigid"}}, None, True, "dose"),
        ({"dose": {"register": "deformable"}}, None, False, "dose"),
        ({"dose": {"register": "trust", "engine": "local"}}, None, True, "dose"),
        ({"regions": ROLES}, None, True, None),
        ({"regions": ROLES}, None, False, "regions"),
        ({"regions": ROLES | {"automatic": False}}, None, True, "regions"),
        ({"patient": {"height_m": 1.8}}, None, True, "patient"),
    ],
)
def test_results_take_trust_in_frames_and_roles_of_their_regions(tables, files, with_regions, refused):
    """A registration, and roles where the other program gave no regions, were passed over."""
    given = settings(**tables), files, Path("ours")
    if refused is None:
        _only_what_results_take(*given, with_regions=with_regions)
    else:
        with pytest.raises(InputError, match=f"given now and not usable: {refused}") as caught:
            _only_what_results_take(*given, with_regions=with_regions)
        assert caught.value.tag == refused


GRID = Grid.from_spacing((1, 1, 2), (10.0, 10.0, 10.0))
LIVER = Region("Liver", Role.LIVER, Mask(np.ones(GRID.shape), GRID))


def results(monkeypatch, *, activity=True, dose_settings=None, calibration=None, patient="1"):
    """Our side of results whose liver fills the grid."""
    side = ComparedDose(
        dose=DoseMap(np.full(GRID.shape, 50.0), GRID), regions=(LIVER,), label="S", study_instance_uid=None, nuclide="Y-90",
        is_prediction=False, activity_bq=1e9, lung_shunt_fraction=0.05, engine="local", energy_per_activity_j_per_gbq=49.77,
    )  # fmt: skip
    made = ActivityMap(np.full(GRID.shape, 5e8), GRID)
    document = {
        "nuclide": "Y-90", "engine": "local", "activity_bq": 1e9,
        "provenance": {} if dose_settings is None else {"settings": {"dose": dose_settings}},
        "calibration": calibration or {"mode": "absolute"},
    }  # fmt: skip
    read = SimpleNamespace(side=side, patient_id=patient, inputs=(), notices=())
    monkeypatch.setattr(module, "read_dose_folder", lambda folder: read)
    monkeypatch.setattr(module, "read_document", lambda *_: document)
    monkeypatch.setattr(
        module,
        "with_activity",
        lambda side, folder: module.replace(side, activity=made if activity else None),
    )
    return _of_results(Path("ours"))


@pytest.mark.parametrize(
    ("used", "density"),
    [(None, 1.05), ({}, 1.05), ({"liver_density": "ct"}, 1.05), ({"liver_density": 1.03}, 1.03)],
)
def test_results_have_the_density_of_their_settings(monkeypatch, used, density):
    own = results(monkeypatch, dose_settings=used).own
    assert own.liver_density_g_per_ml == density
    assert own.density.array == pytest.approx(density, rel=1e-6)
    assert own.densities_by_role
    assert own.dose_constant_gy_kg_per_gbq is None


def test_results_say_how_counts_became_activity(monkeypatch):
    own = results(
        monkeypatch, calibration={"mode": "relative", "region": "liver", "alternatives": {"fov": 1.1}}
    ).own
    assert (own.calibration, own.calibration_factors, own.net_activity_bq) == ("liver", {"fov": 1.1}, 1e9)
    assert results(monkeypatch).own.calibration == "absolute"
    assert (
        results(
            monkeypatch, dose_settings={"dose_constant_gy_kg_per_gbq": 49.67}
        ).own.dose_constant_gy_kg_per_gbq
        == 49.67
    )
    assert (
        results(monkeypatch, patient=None).identity.patient_id,
        results(monkeypatch).identity.patient_id,
    ) == ("", "1")


def test_results_without_activity_are_refused(monkeypatch):
    with pytest.raises(InputError, match=r"holds no activity\.nii\.gz"):
        results(monkeypatch, activity=False)


def their(monkeypatch, *, files=("a.dcm",), patient="1", register="refuse", roles=None):
    """Regions of the other program, and what is said of them."""
    seen = {}
    drawn = [DrawnRegion("HCC", LIVER.mask)]
    monkeypatch.setattr(module, "read_region_files", lambda paths, read: (drawn, of(patient)))
    monkeypatch.setattr(
        module, "trusted_regions", lambda drawn, frame: (drawn, [Notice("frames-trusted", frame)])
    )

    def place(drawn, grid, roles, must_be_whole):
        seen["roles"] = roles
        return (LIVER,), [Notice("placed", "x")]

    monkeypatch.setattr(module, "place_regions", place)
    notices = []
    chosen = settings(dose={"register": register}, regions={"roles": roles or {}})
    found = _their_regions(VendorFiles("d.dcm", files), dose("1.2"), of("1"), chosen, (), notices, ())
    return found, [notice.code for notice in notices], seen.get("roles")


def test_their_regions_are_read_where_there_are_some(monkeypatch, tmp_path):
    assert their(monkeypatch, files=()) == (((), []), [], None)
    (placed, inputs), said, roles = their(monkeypatch, roles={"HCC": "tumour"})
    assert (placed, inputs, said, roles) == ((LIVER,), [], ["placed"], {"HCC": "tumour"})
    file = tmp_path / "a.dcm"
    file.write_bytes(b"x")
    (_, inputs), _, _ = their(monkeypatch, files=(str(file), str(tmp_path)))
    assert [item["role"] for item in inputs] == ["regions to check"]


@pytest.mark.parametrize(
    ("patient", "register", "said"),
    [
        (None, "refuse", ["placed"]),
        ("", "refuse", ["patient-unknown", "placed"]),
        ("1", "trust", ["frames-trusted", "placed"]),
        ("1", "rigid", ["placed"]),
    ],
)
def test_whose_their_regions_are_and_in_which_frame(monkeypatch, patient, register, said):
    assert their(monkeypatch, patient=patient, register=register)[1] == said


def test_regions_of_another_patient_are_refused(monkeypatch):
    with pytest.raises(InputError, match="of two patients"):
        their(monkeypatch, patient="2")


def test_a_page_is_drawn_where_it_is_wanted(monkeypatch):
    from y90voxel.report import vendor_check_page

    drawn, told = [], []
    monkeypatch.setattr(vendor_check_page, "write_check_report", lambda *given: drawn.append(given))
    _page("check", {}, Path("out"), None)
    assert drawn == []
    _page("check", {}, Path("out"), lambda what, done: told.append(what))
    assert (drawn, told) == ([("check", {}, Path("out"))], ["drawing the report"])


@pytest.fixture
def checked(monkeypatch, tmp_path):
    """A check of which reading and comparing are given; returns what ours was made of."""
    made, theirs = [], ["1"]
    ours = SimpleNamespace(
        own=SimpleNamespace(dose=dose("1")),
        identity=of("1"),
        label="S",
        inputs=(),
        notices=[Notice("ours", "x")],
    )
    monkeypatch.setattr(module, "read_dose", lambda path, notices: dose(theirs[0]))
    monkeypatch.setattr(module, "VendorDose", lambda *_: None)
    monkeypatch.setattr(module, "read_dose_identity", lambda path: of("1"))
    monkeypatch.setattr(module, "_of_results", lambda folder: made.append("results") or ours)
    monkeypatch.setattr(module, "_of_study", lambda path, settings, files, *_: made.append(files) or ours)
    monkeypatch.setattr(module, "file_record", lambda path, role: {"role": role})
    result = SimpleNamespace(notices=(), as_dict=lambda: {"kind": "check"})

    def with_notices(what, **changes):
        if what is not result:
            return dataclasses.replace(what, **changes)
        said = [notice.code for notice in changes["notices"]]
        return SimpleNamespace(as_dict=lambda: {"kind": "check", "said": said})

    monkeypatch.setattr(module, "check_vendor_dose", lambda own, vendor, accept: result)
    monkeypatch.setattr(module, "replace", with_notices)

    def run(source, frame="1", **more):
        source.mkdir(exist_ok=True)
        theirs[0] = frame
        out = tmp_path / f"out{len(made)}"
        document = run_check(VendorFiles("d.dcm"), source, out, report=False, **more)
        assert json.loads((out / "check.json").read_text())["label"] == "S"
        assert 0.0 <= document["provenance"]["seconds"] < 60.0
        return document, made[-1]

    return run


def test_our_side_is_a_study_or_its_results(checked, tmp_path):
    document, made = checked(tmp_path / "study")
    assert (made, document["said"], document["provenance"]["own"]) == ({}, ["ours"], [])
    assert checked(tmp_path / "study", files={"ct": "a"})[1] == {"ct": "a"}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "metrics.json").touch()
    assert checked(tmp_path / "results")[1] == "results"


@pytest.mark.parametrize("register", ["trust", "refuse"])
def test_coordinates_of_another_frame_are_trusted_where_that_is_asked_for(checked, tmp_path, register):
    chosen = settings(dose={"register": register})
    if register == "trust":
        assert "frames-trusted" in checked(tmp_path / "study", "2", settings=chosen)[0]["said"]
    else:
        with pytest.raises(GeometryError, match="their coordinates do not compare"):
            checked(tmp_path / "study", "2", settings=chosen)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"override": ["nonsense"]}, "--override 'nonsense' is no refusal of check"),
        ({"settings": settings(output={"anonymise": True})}, "check has no --anonymise"),
    ],
)
def test_what_a_check_cannot_do_is_refused(checked, tmp_path, more, said):
    with pytest.raises(InputError, match=said):
        checked(tmp_path / "study", **more)


def test_our_dose_of_a_study_says_which_settings_decide_nothing(monkeypatch):
    study = SimpleNamespace(identity=of("1"), inputs=("file",))
    case, evaluation = SimpleNamespace(label="S"), SimpleNamespace(notices=[Notice("own", "x")])
    monkeypatch.setattr(module, "read_chosen", lambda *_: study)
    monkeypatch.setattr(module, "with_optional_roles", lambda study, settings, _: (study, settings))
    monkeypatch.setattr(module, "make_case", lambda *_: case)
    monkeypatch.setattr(module, "build_engine", lambda *_, **__: "engine")
    monkeypatch.setattr(module, "verify", lambda *_: evaluation)
    monkeypatch.setattr(module.OwnCalculation, "of", lambda evaluation: "ours")
    found = _of_study(Path("s"), settings(patient={"height_m": 1.8}), {}, (), lambda what, done: None)
    assert [notice.code for notice in found.notices] == ["own", "settings-carried"]
    assert (found.own, found.label, found.identity, found.inputs) == (
        "ours",
        "S",
        study.identity,
        study.inputs,
    )
