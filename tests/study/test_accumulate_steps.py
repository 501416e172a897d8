"""Adding up treatments without a calculation: whose regions they are, which CTs are registered, what is written."""

import json
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.accumulation_settings import AccumulationSettings
from y90voxel.errors import DicomError, InputError, Notice
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study import run_accumulate as module
from y90voxel.study.read_treatments import ReadTreatment
from y90voxel.study.run_accumulate import _give_regions, _inputs, _write, run_accumulate
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid.from_spacing((1, 1, 2), (4.0, 4.0, 4.0), frame_of_reference_uid="1.1")
LIVER = Region("Liver", Role.LIVER, Mask(np.ones(GRID.shape), GRID))


def treatment(name, regions=(), patient="1", inputs=()):
    from y90voxel.accumulation.time_courses import DecayingSource
    from y90voxel.accumulation.treatment import Treatment

    made = Treatment(
        name,
        DoseMap(np.ones(GRID.shape), GRID),
        datetime(2026, 3, 2),
        DecayingSource(230763.6, 0.0),
        regions,
        "Y-90",
    )
    identity = None if patient is None else StudyIdentity(patient_id=patient)
    return ReadTreatment(made, identity, tuple(inputs), (Notice(f"read {name}", "x"),))


@pytest.fixture
def files_of_regions(monkeypatch):
    """Regions of files that fill the grid, of a patient; which steps were taken."""
    seen = SimpleNamespace(whose=StudyIdentity(patient_id="1"), steps=[])

    def place(drawn, grid, roles, must_be_whole, liver_tumours):
        seen.steps.append("placed")
        return Regions(grid, (LIVER,)), [Notice("placed", "x")]

    monkeypatch.setattr(module, "read_region_files", lambda files, notices: (["drawn"], seen.whose))
    monkeypatch.setattr(module, "trusted_regions", lambda drawn, frame: (drawn, [Notice("trusted", frame)]))
    monkeypatch.setattr(module, "place_regions", place)
    return seen


@pytest.mark.parametrize(
    ("with_regions", "reference", "given"),
    [
        ((True, False), None, "b"),
        ((True, False), "b", "b"),
        ((False, False), "a", "a"),
        ((True, False), "a", None),
        ((False, False), None, None),
        ((True, True), None, None),
        ((True, True), "a", None),
    ],
)
def test_regions_of_files_are_of_the_one_treatment_without_any_or_of_the_reference(
    files_of_regions, with_regions, reference, given
):
    read = [treatment(n, (LIVER,) if has else ()) for n, has in zip("ab", with_regions, strict=True)]
    if given is None:
        with pytest.raises(InputError, match="name the treatment without regions that they belong to"):
            _give_regions(read, reference, ["rs.dcm"], False)
        return
    notices = _give_regions(read, reference, ["rs.dcm"], False)
    assert [notice.code for notice in notices] == ["placed"]
    found = next(one for one in read if one.treatment.name == given).treatment.regions
    assert "Liver" in [region.name for region in found]
    assert [bool(one.treatment.regions) for one in read] == [
        has or name == given for name, has in zip("ab", with_regions, strict=True)
    ]


@pytest.mark.parametrize(
    ("patient", "whose", "refused"),
    [("1", "1", False), ("1", "2", True), (None, "2", False), ("1", None, False)],
)
def test_regions_of_files_are_of_the_patient(files_of_regions, patient, whose, refused):
    files_of_regions.whose = None if whose is None else StudyIdentity(patient_id=whose)
    read = [treatment("a", patient=patient)]
    if refused:
        with pytest.raises((InputError, DicomError), match="of two patients"):
            _give_regions(read, None, ["rs.dcm"], False)
    else:
        _give_regions(read, None, ["rs.dcm"], True)
        assert files_of_regions.steps == ["placed"]


@pytest.mark.parametrize("trust", [True, False])
def test_frames_of_regions_are_trusted_where_that_is_asked_for(files_of_regions, trust):
    notices = _give_regions([treatment("a")], None, ["rs.dcm"], trust)
    assert [(notice.code, notice.message) for notice in notices] == [("trusted", "1.1")] * trust + [
        ("placed", "x")
    ]


def test_each_file_stands_once_among_the_inputs():
    one, ct = {"file": "a"}, {"file": "ct"}
    read = [treatment("a", inputs=[one]), treatment("b", inputs=[{"file": "b"}])]
    joined = SimpleNamespace(registered=[SimpleNamespace(inputs=[ct, one]), SimpleNamespace(inputs=[ct])])
    assert _inputs(read, joined) == [one, {"file": "b"}, ct]


class Sum(SimpleNamespace):
    """What an accumulation gives."""


def sum_of(*, maps=True, histogram=True):
    region = SimpleNamespace(
        name="Liver", role=Role.LIVER, histogram="absorbed" if histogram else None,
        effects=[SimpleNamespace(parameters=SimpleNamespace(name="liver"), histogram="effect" if histogram else None)],
    )  # fmt: skip
    made = {name: name if maps else None for name in ("bed", "eqd2", "physical")}
    return Sum(
        regions=[region],
        treatments=["a", "b"],
        notices=(Notice("sum", "x"),),
        as_dict=lambda: {"kind": "accumulate"},
        **made,
    )


@pytest.fixture
def written(monkeypatch):
    """What is written, by file."""
    files = {}
    monkeypatch.setattr(module, "write_json", lambda document, path: path.write_text(json.dumps(document)))
    monkeypatch.setattr(module, "write_dvh_csv", lambda rows, path: files.update({path.name: rows}))
    monkeypatch.setattr(
        module,
        "write_rtdose",
        lambda dose, path, identity, comment, effective: files.update(
            {path.name: (dose, identity, comment, effective)}
        ),
    )
    monkeypatch.setattr(module, "write_nifti", lambda dose, path: files.update({path.name: dose}))
    monkeypatch.setattr(
        module,
        "write_registration",
        lambda alignment, path, identity: files.update({path.name: (alignment, identity)}),
    )
    return files


@pytest.mark.parametrize("missing", [None, "bed", "eqd2", "physical"])
def test_maps_are_written_where_voxels_were_added(written, tmp_path, missing):
    """The comment states the parameters of normal liver, 2.5 Gy and 2.5 h."""
    total = sum_of()
    if missing is not None:
        setattr(total, missing, None)
    _write(total, "identity", {}, tmp_path)
    if missing is None:
        assert (written["eqd2.nii.gz"], written["dose.nii.gz"]) == ("eqd2", "physical")
        assert written["bed.dcm"] == ("bed", "identity", "BED, a/b 2.5 Gy, repair 2.5 h, 2 treatments", True)
    else:
        assert list(written) == ["dvh.csv"]


@pytest.mark.parametrize("histogram", [True, False])
def test_histograms_are_of_what_was_added(written, tmp_path, histogram):
    _write(sum_of(histogram=histogram), None, {}, tmp_path)
    rows = [("Liver, absorbed dose", "liver", "absorbed"), ("Liver, EQD2, liver", "liver", "effect")]
    assert written["dvh.csv"] == (rows if histogram else [])


@pytest.fixture
def added(written, monkeypatch, tmp_path):
    """A sum of treatments whose reading, joining and adding are given."""
    seen = {}
    read = {"a": treatment("a", (LIVER,), "1"), "b": treatment("b", (), "2")}
    alignment = SimpleNamespace(entry={"file": "reg.dcm"}, alignment="alignment", inputs=[])

    def join(treatments, base, asked, *, cts, trust_frames, progress):
        seen.update(base=base, cts=cts, trust=trust_frames)
        return SimpleNamespace(
            treatments=treatments, whole=True, notices=(Notice("joined", "x"),), registered=[alignment]
        )

    def add(treatments, base, limits, *, frames_joined, carry, progress):
        seen.update(limits=limits, carry=carry)
        return sum_of()

    def one(path, facts, *, days_alone):
        seen.update(days=days_alone)
        return read[path.name]

    monkeypatch.setattr(module, "read_treatment", one)
    monkeypatch.setattr(module, "check_one_patient", lambda read: [Notice("patients", "x")])
    monkeypatch.setattr(module, "join_frames", join)
    monkeypatch.setattr(module, "accumulate", add)
    monkeypatch.setattr(module, "replace", lambda what, *, notices: seen.update(said=notices) or what)

    def run(**more):
        settings = AccumulationSettings.model_validate(more.pop("settings", {}))
        document = run_accumulate(["a", "b"], tmp_path / "out", settings, report=False, **more)
        assert json.loads((tmp_path / "out" / "accumulate.json").read_text()) == document
        return seen, document

    return run


def test_the_sum_is_of_the_patient_and_the_grid_of_the_reference(added, written):
    seen, document = added()
    assert (seen["base"], seen["cts"], seen["trust"], seen["carry"]) == ("a", {}, False, "point")
    assert written["bed.dcm"][1].patient_id == "1"
    assert seen["days"] is False
    assert written["reg.dcm"] == ("alignment", written["bed.dcm"][1])
    assert [notice.code for notice in seen["said"]] == ["read a", "read b", "patients", "joined", "sum"]
    assert document["registrations"] == [{"file": "reg.dcm"}]
    assert 0.0 <= document["provenance"]["seconds"] < 60.0


def test_cts_are_those_that_were_given(added):
    settings = {
        "treatment": [{"path": "b", "ct": "ct.nii"}],
        "limit": ["non-tumour liver bed <= 70"],
        "register": "rigid",
    }
    seen, document = added(settings=settings, trust_frames=True, days_alone=True)
    assert seen["days"] is True
    assert (seen["cts"], seen["trust"], len(seen["limits"])) == ({"b": "ct.nii"}, True, 1)
    assert document["provenance"]["settings"]["register_"] == "rigid"


def test_regions_are_given_where_they_are_named(added, monkeypatch):
    monkeypatch.setattr(
        module, "_give_regions", lambda read, reference, files, trust: [Notice("given", str(files))]
    )
    assert "given" in [notice.code for notice in added(regions=["rs.dcm"])[0]["said"]]
