"""Steps of `compare`, `dvh`, `segment`, `twin`, scanner files and halves without a calculation: what is asked and refused."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.comparison.resolution import Resolution
from y90voxel.errors import DicomError, InputError, Notice, RegionError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.report import comparison_page
from y90voxel.study import read_halves as halves_module
from y90voxel.study import run_compare as compare_module
from y90voxel.study import run_dvh as dvh_module
from y90voxel.study import run_segment as segment_module
from y90voxel.study import run_twin as twin_module
from y90voxel.study import use_scanner as scanner_module
from y90voxel.study import warm_up as warm_module
from y90voxel.study.registering import Registering
from y90voxel.study.run_compare import Matching, run_compare
from y90voxel.study.run_dvh import run_dvh
from y90voxel.study.run_segment import ORGANS, run_segment
from y90voxel.study.run_twin import _written, run_twin
from y90voxel.study.use_scanner import UsedScanner, use_scanner
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, DoseMap, Mask

GRID = Grid.from_spacing((1, 1, 10), (10.0, 10.0, 10.0), frame_of_reference_uid="1.1")
WHOLE = Mask(np.ones(GRID.shape), GRID)


@pytest.fixture
def compared(monkeypatch, tmp_path):
    """A comparison whose reading and comparing are given: what each step got."""
    got = {}

    class Placed(SimpleNamespace):
        pass

    result = SimpleNamespace(
        notices=(Notice("compared", "x"),), voxels="voxels", as_dict=lambda: {"kind": "stand-in"}
    )
    side = SimpleNamespace(dose=SimpleNamespace(grid=GRID))

    def folder(name, patient):
        return SimpleNamespace(
            side=side, patient_id=patient, notices=(Notice(name, "x"),), inputs=({"role": name},)
        )

    def change(what, **changes):
        got.setdefault("changes", []).append(changes)
        if isinstance(what, Matching):
            return Matching(**{**what.__dict__, **changes})
        for key, value in changes.items():
            if what is not result:
                setattr(what, key, value)
        return what

    monkeypatch.setattr(compare_module, "replace", change)
    monkeypatch.setattr(
        compare_module,
        "with_activity",
        lambda side, path: got.setdefault("activity", []).append(path) or side,
    )
    monkeypatch.setattr(
        compare_module, "resolution_of_scanners", lambda files, *_: f"of {len(files)} scanners"
    )
    monkeypatch.setattr(compare_module, "read_landmark_pairs", lambda files: list(files))
    monkeypatch.setattr(
        compare_module,
        "with_target_error",
        lambda placed, landmarks, *_: got.update(landmarks=landmarks) or placed,
    )
    monkeypatch.setattr(compare_module, "file_record", lambda path, role: {"role": role})
    monkeypatch.setattr(compare_module, "write_registration", lambda alignment, path: path.touch())
    monkeypatch.setattr(compare_module, "shown_ct", lambda path: "ct")
    monkeypatch.setattr(comparison_page, "write_comparison_report", lambda *given: got.update(page=given))

    def run(patients=("1", "1"), alignment=None, voxels="voxels", **more):
        got.clear()
        result.voxels = voxels
        monkeypatch.setattr(
            compare_module, "read_predicted_folder", lambda path, model: folder("before", patients[0])
        )
        monkeypatch.setattr(compare_module, "read_dose_folder", lambda path: folder("after", patients[1]))
        monkeypatch.setattr(
            compare_module, "placement_of", lambda *_: (Placed(inputs=({"role": "reg"},)), alignment)
        )
        monkeypatch.setattr(compare_module, "compare", lambda *sides, **given: got.update(given) or result)
        out = tmp_path / f"out {len(list(tmp_path.iterdir()))}"
        document = run_compare("before", "after", out, **more)
        assert json.loads((out / "compare.json").read_text()) == document
        assert 0.0 <= document["provenance"]["seconds"] < 60.0
        return got, document, out

    return run


@pytest.mark.parametrize(
    ("patients", "accept", "refused"),
    [
        (("1", "1"), (), False),
        (("1", "2"), (), True),
        (("1", "2"), ("patients-differ",), False),
        ((None, "2"), (), False),
        (("1", None), (), False),
        (("", "2"), (), False),
    ],
)
def test_doses_that_are_compared_are_of_one_patient(compared, patients, accept, refused):
    if refused:
        with pytest.raises(InputError, match="the PatientID of the two dose files"):
            compared(patients, accept=accept)
    else:
        got, _, _ = compared(patients, accept=accept)
        said = [one.code for change in got["changes"] for one in change.get("notices", ())]
        assert said == ["before", "after", *accept, "compared"]


def test_a_refusal_that_compare_does_not_have_is_refused(compared):
    with pytest.raises(InputError, match="--accept 'maps-unlike' is no refusal of compare"):
        compared(accept=["patients-differ", "maps-unlike"])


@pytest.mark.parametrize(
    ("matching", "resolution", "with_activity"),
    [
        (None, None, False),
        (Matching(), None, False),
        (Matching(resolution=Resolution(12.0, 6.0)), Resolution(12.0, 6.0), True),
        (Matching(scanners=(Path("a"), Path("b"))), "of 2 scanners", True),
        (Matching(register=Registering("rigid")), None, True),
    ],
)
def test_activities_are_read_where_sides_are_brought_together(compared, matching, resolution, with_activity):
    got, document, _ = compared(matching=matching, report=False)
    assert got["resolution"] == resolution
    assert (got.get("activity") == ["before", "after"]) is with_activity
    registers = matching is not None and matching.register is not None
    assert document["provenance"]["registration"] == [{"role": "reg"}] * registers
    assert len(document["provenance"]["scanners"]) == (2 if resolution == "of 2 scanners" else 0)
    assert "page" not in got


def test_resolutions_are_stated_once(compared):
    with pytest.raises(InputError, match="resolution and scanners both state the resolutions"):
        compared(matching=Matching(Resolution(12.0, 6.0), scanners=(Path("a"),)))


@pytest.mark.parametrize("landmarks", [(), ("a.csv",)])
def test_landmarks_judge_a_registration(compared, landmarks):
    got, document, _ = compared(matching=Matching(register=Registering("rigid", landmarks=landmarks)))
    assert got.get("landmarks") == (list(landmarks) or None)
    assert [one["role"] for one in document["provenance"]["registration"]] == ["reg"] + ["landmarks"] * len(
        landmarks
    )


@pytest.mark.parametrize(
    ("alignment", "voxels", "ct"),
    [(None, "voxels", "ct"), ("alignment", "voxels", None), (None, None, None), ("alignment", None, None)],
)
def test_the_ct_of_the_delivered_dose_is_shown_where_voxels_were_compared_in_its_frame(
    compared, alignment, voxels, ct
):
    matching = None if alignment is None else Matching(register=Registering("rigid"))
    got, _, out = compared(alignment=alignment, voxels=voxels, matching=matching)
    assert got["page"][3:] == (alignment, ct)
    assert (out / "registration.dcm").is_file() is (alignment is not None)


@pytest.fixture
def histograms(monkeypatch, tmp_path):
    """Histograms of files that are given."""

    def run(*, dose_of="1", regions_of="1", studies=("2.1", "2.1"), inside=True, **more):
        def identity(patient, study):
            return None if patient is None else StudyIdentity(patient_id=patient, study_instance_uid=study)

        placed = Regions(GRID, (Region("Liver", Role.LIVER, WHOLE),)) if inside else Regions(GRID, ())
        drawn = [DrawnRegion("Liver", WHOLE)]
        monkeypatch.setattr(
            dvh_module, "read_dose", lambda path, notices: DoseMap(np.full(GRID.shape, 5.0), GRID)
        )
        monkeypatch.setattr(
            dvh_module, "read_region_files", lambda files, notices: (drawn, identity(regions_of, studies[1]))
        )
        monkeypatch.setattr(dvh_module, "read_dose_identity", lambda path: identity(dose_of, studies[0]))
        monkeypatch.setattr(
            dvh_module, "trusted_regions", lambda drawn, frame: (drawn, [Notice("frames-trusted", frame)])
        )
        monkeypatch.setattr(dvh_module, "place_regions", lambda *_, **__: (placed, [Notice("placed", "x")]))
        monkeypatch.setattr(dvh_module, "file_record", lambda path, role: {"role": role, "file": path.name})
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        document = run_dvh("d.dcm", more.pop("rois", "rs.dcm"), out, figure=False, **more)
        return document, [one["code"] for one in document["warnings"]], out

    return run


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, ["placed"]),
        ({"studies": ("2.1", "2.2")}, ["other-study", "placed"]),
        ({"studies": ("2.1", "2.2"), "dose_of": None}, ["placed"]),
        ({"studies": ("2.1", "2.2"), "regions_of": None}, ["placed"]),
        ({"trust_frames": True}, ["frames-trusted", "placed"]),
    ],
)
def test_dose_and_regions_of_two_studies_are_said(histograms, facts, said):
    document, codes, out = histograms(**facts)
    assert sorted(codes) == sorted(said)
    assert document["regions"][0]["mean_gy"] == 5.0
    assert not (out / "figures").exists()


@pytest.mark.parametrize("trusted", [True, False])
def test_how_regions_of_another_study_fit_is_said(histograms, trusted):
    document, _, _ = histograms(studies=("2.1", "2.2"), trust_frames=trusted)
    (message,) = (one["message"] for one in document["warnings"] if one["code"] == "other-study")
    assert ("taken as common, as asked" in message) is trusted
    assert ("they share a frame of reference" in message) is not trusted


def test_histograms_need_regions_of_the_patient_inside_the_dose(histograms, tmp_path):
    with pytest.raises((InputError, DicomError), match="of two patients"):
        histograms(regions_of="2")
    with pytest.raises(RegionError, match=r"none of the 1 regions of .* lies inside the dose grid"):
        histograms(inside=False)
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / "a.nii").write_bytes(b"x")
    inputs = histograms(rois=[folder, "b.dcm"])[0]["provenance"]["inputs"]
    assert [one["file"] for one in inputs] == ["d.dcm", "a.nii", "b.dcm"]


@pytest.fixture
def program(monkeypatch, tmp_path):
    """A program of segmentation that writes the masks of a folder, by name the share of its volume that lies in the CT."""
    commands = []

    def run(shares, *, found="TotalSegmentator", out="organs.nii.gz", **more):
        masks = {name: Mask(np.ones(GRID.shape), GRID) for name in shares}

        def read(file, notices):
            if shares[file.name] is None:
                raise RegionError("empty")
            return [SimpleNamespace(name=file.name, shape=masks[file.name])]

        def place(shape, grid):
            name = next(one for one, mask in masks.items() if mask is shape)
            return Mask(np.full(GRID.shape, min(shares[name], 1.0)), GRID), 10.0 if shares[
                name
            ] <= 1.0 else 10.0 / shares[name]

        monkeypatch.setattr(segment_module.shutil, "which", lambda name: found)
        monkeypatch.setattr(segment_module, "_ct", lambda path: CtImage(np.zeros(GRID.shape), GRID))
        monkeypatch.setattr(segment_module, "_run", commands.append)
        monkeypatch.setattr(segment_module, "masks_of_folder", lambda folder: [Path(name) for name in shares])
        monkeypatch.setattr(segment_module, "read_regions_file", read)
        monkeypatch.setattr(segment_module, "region_name_of_file", lambda file: file.name)
        monkeypatch.setattr(segment_module, "place_shape", place)
        monkeypatch.setattr(segment_module, "write_nifti", lambda *_: None)
        monkeypatch.setattr(
            segment_module, "write_regions_nifti", lambda drawn, path, automatic: path.touch()
        )
        drawn, notices = run_segment("study", tmp_path / "new" / out, **more)
        return list(drawn), [notice.code for notice in notices], commands[-1]

    return run


@pytest.mark.parametrize(
    ("options", "classes", "fast"),
    [
        ({}, list(ORGANS), False),
        ({"task": "liver_segments"}, [], False),
        ({"organs": ["spleen"]}, ["spleen"], False),
        ({"task": "other", "organs": ["spleen"], "fast": True}, ["spleen"], True),
    ],
)
def test_a_program_is_asked_for_its_classes(program, options, classes, fast):
    _, _, command = program({"liver": 1.0}, **options)
    asked = command[command.index("--roi_subset") + 1 :] if "--roi_subset" in command else []
    assert (asked, "--fast" in command, command[command.index("--task") + 1]) == (
        classes,
        fast,
        options.get("task", "total"),
    )


@pytest.mark.parametrize(
    ("shares", "found"),
    [
        ({"liver": 1.0, "spleen": 0.991}, (["liver", "spleen"], ["automatic-regions"])),
        ({"liver": 1.0, "spleen": 0.989}, "its masks are not those of this CT"),
        ({"liver": 1.0, "spleen": 1.009}, (["liver", "spleen"], ["automatic-regions"])),
        ({"liver": 1.0, "spleen": 1.011}, "its masks are not those of this CT"),
        ({"liver": 1.0, "spleen": None}, (["liver"], ["automatic-regions", "organs-not-found"])),
        ({"spleen": None}, "found none of its organs"),
    ],
)
def test_masks_lie_in_the_ct_within_one_percent(program, shares, found):
    if isinstance(found, str):
        with pytest.raises(InputError, match=found):
            program(shares)
    else:
        assert program(shares)[:2] == found


@pytest.mark.parametrize(
    ("found", "out", "said"),
    [(None, "a.nii", "is not on the path"), ("x", "a.nrrd", r"must end in \.nii\.gz or")],
)
def test_a_program_has_to_be_there_and_writes_nifti(program, found, out, said):
    with pytest.raises(InputError, match=said):
        program({"liver": 1.0}, found=found, out=out)


@pytest.mark.parametrize(
    ("code", "printed", "said"), [(0, b"", None), (3, b"x" * 700, "x" * 600), (1, b" \n", "said: nothing")]
)
def test_a_program_that_fails_is_quoted(monkeypatch, code, printed, said):
    done = SimpleNamespace(returncode=code, stdout=printed)
    monkeypatch.setattr(segment_module.subprocess, "run", lambda *_, **__: done)
    if said is None:
        segment_module._run(["x"])
    else:
        with pytest.raises(InputError, match=f"exit code {code} and said: ?.*") as caught:
            segment_module._run(["x"])
        assert caught.value.message.endswith(said)
        assert "x" * 601 not in caught.value.message


def test_a_ct_is_an_image_file_or_that_of_a_study(monkeypatch):
    monkeypatch.setattr(segment_module, "read_ct_file", lambda path: "file")
    for ct, found in ((None, None), ("dicom", "dicom")):
        monkeypatch.setattr(
            segment_module.DicomStudy,
            "open",
            lambda path, needs_emission, ct=ct: SimpleNamespace(ct=lambda: ct),
        )
        assert segment_module._ct(Path("ct.nii.gz")) == "file"
        if found is None:
            with pytest.raises(InputError, match="holds no CT: there is nothing to segment"):
                segment_module._ct(Path("study"))
        else:
            assert segment_module._ct(Path("study")) == found


@pytest.fixture
def twins(monkeypatch):
    """Settings of twins that are made, without images."""
    made = []

    def twin(settings):
        made.append(settings)
        return SimpleNamespace(
            filling=settings.filling, grid=GRID, frames=list, truth=lambda: {"kind": "stand-in"}
        )

    monkeypatch.setattr(twin_module, "TwinStudy", twin)
    return made


def test_a_twin_is_the_one_that_is_described_or_a_nema_phantom(twins, tmp_path):
    (tmp_path / "twin.toml").write_text("seed = 7\n[filling]\nnuclide = 'Ho-166'\n")
    told = []
    truth = run_twin(tmp_path / "twin.toml", tmp_path / "a", lambda what, done: told.append((what, done)))
    assert (twins[0].seed, twins[0].filling.nuclide, truth["seed"]) == (7, "Ho-166", 7)
    assert told == [("computing the images", 0.0)]
    assert json.loads((tmp_path / "a" / "truth.json").read_text()) == truth
    assert "Ho-166" in (tmp_path / "a" / "filling.toml").read_text()
    run_twin(None, tmp_path / "b")
    assert twins[1].filling.nuclide == "Y-90"


def test_a_filling_record_states_its_activities_with_a_unit():
    """In the record, `residual` is of the filling beside its volume; elsewhere it is what it is."""
    record = {
        "background": {"volume_ml": 9500.0, "activity": 1e9, "residual": 5e6, "stirred": True},
        "image": {"activity": 3.0, "path": Path("a")}, "activity": 2,
    }  # fmt: skip
    assert _written(record) == {
        "background": {"volume_ml": 9500.0, "activity": "1000000000.0 Bq", "residual": "5000000.0 Bq", "stirred": True},
        "image": {"activity": 3.0, "path": "a"}, "activity": 2,
    }  # fmt: skip
    assert _written({"volume_ml": 1.0, "activity": "1 GBq"})["activity"] == "1 GBq"


def study(**changes):
    given = {
        "notices": (Notice("study", "x"),),
        "inputs": ({"role": "emission"},),
        "emissions": ["a", "b"],
        "sources": (),
    }
    return SimpleNamespace(**{**given, "identity": StudyIdentity(patient_id="1"), **changes})


@pytest.fixture
def changed(monkeypatch):
    """Change a stand-in of a study as a dataclass is."""
    for module in (scanner_module, halves_module):
        monkeypatch.setattr(
            module, "replace", lambda what, **changes: SimpleNamespace(**{**what.__dict__, **changes})
        )
        monkeypatch.setattr(module, "file_record", lambda path, role: {"role": role})


@pytest.mark.parametrize("recovery", [None, Path("recovery.csv")])
def test_a_scanner_file_is_compared_with_every_image(monkeypatch, changed, recovery):
    asked = []
    monkeypatch.setattr(
        scanner_module,
        "check_scanner",
        lambda *given, **more: asked.append((given[1], more)) or [Notice("checked", "x")],
    )
    used = UsedScanner(
        SimpleNamespace(path=Path("s.toml"), recovery_file=recovery), (Notice("settings", "x"),), 1e4, 600.0
    )
    found = used.checked(study())
    assert asked == [
        ("a", {"rate_cps": 1e4, "duration_s": 600.0}),
        ("b", {"rate_cps": 1e4, "duration_s": 600.0}),
    ]
    assert [notice.code for notice in found.notices] == ["study", "settings", "checked"]
    assert [one["role"] for one in found.inputs] == ["emission", "scanner"] + ["recovery"] * (
        recovery is not None
    )
    plain = study()
    assert UsedScanner().checked(plain) is plain


@pytest.mark.parametrize("dead_time", [None, SimpleNamespace(observed_rate_cps=1e4)])
def test_a_scanner_file_is_merged_into_the_settings(monkeypatch, dead_time):
    asked = []
    merged = SimpleNamespace(dead_time=dead_time, dose=SimpleNamespace(acquisition_duration_s=600.0))
    monkeypatch.setattr(scanner_module, "read_scanner", lambda path: f"read {path}")
    monkeypatch.setattr(
        scanner_module,
        "with_scanner",
        lambda settings, scanner, plans: asked.append((scanner, plans)) or (merged, ["said"]),
    )
    settings, used = use_scanner(SimpleNamespace(scanner="s.toml"), plans=True)
    assert (settings, asked) == (merged, [("read s.toml", True)])
    assert used == UsedScanner("read s.toml", ("said",), None if dead_time is None else 1e4, 600.0)
    bare = SimpleNamespace(scanner=None)
    assert use_scanner(bare) == (bare, UsedScanner())


@pytest.mark.parametrize(
    ("patient", "sources", "refused"), [("1", ("s",), False), ("2", ("s",), True), ("2", (), False)]
)
def test_halves_of_dicom_are_of_the_patient_of_the_study(
    monkeypatch, changed, tmp_path, patient, sources, refused
):
    for name in ("a.dcm", "b.nii.gz"):
        (tmp_path / name).touch()
    inputs = [{"role": "ct"}, {"role": "emission", "files": 1}]
    half = SimpleNamespace(
        identity=StudyIdentity(patient_id=patient), emission=lambda: "dicom", inputs=lambda: inputs
    )
    monkeypatch.setattr(halves_module.DicomStudy, "open", lambda path: half)

    def read(path, notices):
        notices.append(Notice("unit", "x"))
        return "file"

    monkeypatch.setattr(halves_module, "read_emission_file", read)
    given = (tmp_path / "a.dcm", tmp_path / "b.nii.gz")
    if refused:
        with pytest.raises((InputError, DicomError), match="of two patients"):
            halves_module.read_halves(study(sources=sources), given)
        return
    found, halves = halves_module.read_halves(study(sources=sources), given)
    assert halves == ("dicom", "file")
    assert found.inputs == ({"role": "emission"}, {"role": "half A", "files": 1}, {"role": "half B"})
    assert [notice.code for notice in found.notices] == ["study", "unit"]


@pytest.mark.parametrize("patients", [("1", "1"), ("1", "2"), ("", "2")])
def test_halves_are_of_one_patient_beside_an_image_that_names_none(monkeypatch, changed, tmp_path, patients):
    """A half of another patient was taken, as the image of all counts was a file."""
    for name in ("1.dcm", "2.dcm"):
        (tmp_path / name).touch()

    def opened(path):
        identity = StudyIdentity(patient_id=patients[int(path.stem) - 1])
        return SimpleNamespace(
            identity=identity, emission=lambda: path.stem, inputs=lambda: [{"role": "emission"}]
        )

    monkeypatch.setattr(halves_module.DicomStudy, "open", opened)
    given = (tmp_path / "1.dcm", tmp_path / "2.dcm")
    if patients == ("1", "2"):
        with pytest.raises((InputError, DicomError), match=r"half A and .* of two patients"):
            halves_module.read_halves(study(), given)
    else:
        assert halves_module.read_halves(study(), given)[1] == ("1", "2")


def test_halves_are_there_or_not_asked_for(changed, tmp_path):
    plain = study()
    assert halves_module.read_halves(plain, None) == (plain, None)
    (tmp_path / "a.nii").touch()
    with pytest.raises(InputError, match=r"half A .* does not exist"):
        halves_module.read_halves(plain, (tmp_path / "none.nii", tmp_path / "a.nii"))


@pytest.mark.parametrize(("engine", "first"), [("density", True), ("convolution", False), ("exact", False)])
def test_the_first_engine_compiles_page_and_plan_too(monkeypatch, engine, first):
    runs = []
    monkeypatch.setattr(warm_module, "shipped_folder", lambda name: Path(name))
    monkeypatch.setattr(warm_module, "load_settings", lambda path, asked: asked)
    monkeypatch.setattr(warm_module, "run_study", lambda study, out, settings: runs.append(settings))
    monkeypatch.setattr(warm_module, "run_plan", lambda study, out, settings: runs.append("plan"))
    warm_module.run_sample(Path("out"), engine)
    assert (runs[0]["dose"]["engine"], runs[0]["output"]["report"]) == (engine, first)
    assert runs[1:] == ["plan"] * first
