"""Files of several treatments to a folder with their sum: what is read, asked for and refused."""

import json
import shutil
from dataclasses import replace

import dicom_factory as factory
import numpy as np
import pydicom
import pytest
from phantoms import liver_case
from pydicom.uid import RTPlanStorage
from registration_factory import matrices, reg

from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.rtdose import read_rtdose, write_rtdose
from y90voxel.io.nifti import read_nifti, write_nifti
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.quantification.emission import EmissionImage
from y90voxel.study.dose_results import Output, write_results
from y90voxel.study.result_folder import read_dose_folder
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

FRAME, OTHER = "1.2.840.99.7", "1.2.840.99.8"
GRID = Grid.from_spacing((30, 28, 30), (5.0, 5.0, 5.0), (-75, -68, -75), FRAME)
SMALL = Grid.from_spacing((40, 40, 40), (3.0, 3.0, 3.0), (-60, -60, -60), FRAME)
IDENTITY = StudyIdentity(patient_id="P1")
DATES = ("--date", "first=2026-01-05", "--date", "sbrt.dcm=2026-03-02")


def ball(grid, top_gy=45.0):
    centres = grid.index_to_lps(np.stack(np.indices(grid.shape), axis=-1))
    return DoseMap(top_gy / (1 + np.exp((np.linalg.norm(centres, axis=-1) - 25.0) / 4.0)), grid)


def folder_of(root, name, *, predicted=False, scale=1.0):
    """What `dose` writes of the phantom; another scale stands for another engine."""
    imaged = "Tc-99m" if predicted else "Y-90"
    counts = liver_case(GRID).injections[0].emission.volume
    emission = EmissionImage(counts, "NM", imaged, predicted=predicted)
    evaluation = verify(liver_case(GRID, emission=emission), LocalDeposition("Y-90"))
    dose = evaluation.dose.with_array(evaluation.dose.array * scale)
    write_results(replace(evaluation, dose=dose), root / name, IDENTITY, (), Output(report=False))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("treatments")
    folder_of(root, "first")
    write_rtdose(ball(SMALL), root / "sbrt.dcm", identity=IDENTITY)
    write_nifti(ball(GRID, 60.0), root / "old.nii.gz")
    return root


@pytest.fixture
def files(made, tmp_path):
    """The treatments, to spoil."""
    for name in ("sbrt.dcm", "old.nii.gz"):
        shutil.copy(made / name, tmp_path / name)
    shutil.copytree(made / "first", tmp_path / "first")
    return tmp_path


def change(path, **attributes):
    dataset = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


@pytest.fixture
def add(run_cli, files):
    """Accumulate the two files with what is usual, and more arguments."""

    def run(
        *arguments, paths=("first", "sbrt.dcm"), usual=(*DATES, "--fractions", "sbrt.dcm=5"), report=False
    ):
        out = files / "out"
        options = ("-o", out, *usual, *arguments, *(() if report else ("--no-report",)), "--json")
        done = run_cli("accumulate", *(files / path for path in paths), *options)
        return done, out

    return run


def failed(done, *words):
    assert done.code == 2
    message = json.loads(done.err)["error"]["message"]
    for word in words:
        assert word in message
    return message


def test_a_folder_and_a_beam(add, made):
    done, out = add("--limit", "non-tumour liver bed <= 150", report=True)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document == json.loads((out / "accumulate.json").read_text())
    assert [t["name"] for t in document["treatments"]] == ["first", "sbrt"]
    assert [t["fractions"] for t in document["treatments"]] == [None, 5]
    first = read_dose_folder(made / "first").side.dose.array
    physical, equivalent = read_nifti(out / "dose.nii.gz"), read_nifti(out / "eqd2.nii.gz")
    assert physical.array[0].min() >= 0
    assert (physical.array[0] >= first - 1e-4).all()
    bed = read_rtdose(out / "bed.dcm", notices=[])
    assert bed.array / 1.8 == pytest.approx(equivalent.array[0], abs=1e-4 * bed.array.max())
    header = pydicom.dcmread(out / "bed.dcm", stop_before_pixels=True)
    assert (header.DoseType, header.DoseUnits) == ("EFFECTIVE", "GY")
    assert header.DoseComment.startswith("BED, a/b 2.5 Gy, repair 2.5 h")
    assert header.PatientID == "P1"
    page = (out / "accumulate.html").read_text()
    assert "products and beams are not equivalent per Gy" in page
    assert {f.name for f in (out / "figures").iterdir()} == {"time_line.png", "maps.png", "dvh.png"}
    rows = (out / "dvh.csv").read_text().splitlines()
    assert any(row.startswith('"GTV1, EQD2, tumour 10"') for row in rows)
    codes = {warning["code"] for warning in document["warnings"]}
    assert {"fraction-dates-assumed", "mixed-sum", "effect-parameters"} <= codes
    for item in document["provenance"]["inputs"]:
        assert len(item["sha256"]) == 64


def test_histograms_of_a_planning_system_agree_with_dicompyler(made):
    """The mean, D70 and D2 of a ball in an RTDOSE, by dicompyler-core's own reading, within 0.2 %."""
    dvh = pytest.importorskip("dicompylercore.dvh")
    dose = read_rtdose(made / "sbrt.dcm", notices=[])
    inside = Mask((dose.array > 10.0).astype(float), dose.grid)
    ours = DoseVolumeHistogram.from_dose(dose, inside)
    header = pydicom.dcmread(made / "sbrt.dcm")
    values = header.pixel_array * float(header.DoseGridScaling)
    counts, edges = np.histogram(values[values > 10.0], bins=np.arange(0, 46, 0.01))
    theirs = dvh.DVH(counts * dose.grid.voxel_volume_ml, edges, "differential", dose_units="Gy").cumulative
    assert theirs.mean == pytest.approx(ours.mean_gy, rel=2e-3)
    for x in (70, 2):
        assert theirs.statistic(f"D{x}").value == pytest.approx(ours.dose_at_volume(x), rel=2e-3)


def test_a_nifti_dose_with_a_case_file(run_cli, files):
    (files / "course.toml").write_text(
        """
limit = ["liver mean <= 200"]
[[treatment]]
path = "old.nii.gz"
name = "TARE of 2025"
date = 2025-11-03
nuclide = "Ho-166"
[[treatment]]
path = "first"
date = 2026-01-05T10:30:00
"""
    )
    done = run_cli(
        "accumulate", files / "first", files / "old.nii.gz", "--case", files / "course.toml", "-o", files / "out",
        "--no-report", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    document = json.loads(done.out)
    old, first = document["treatments"]
    assert (old["name"], old["nuclide"], first["start"]) == ("TARE of 2025", "Ho-166", "2026-01-05T10:30:00")
    assert old["half_life_s"] == pytest.approx(26.8 * 3600, rel=0.01)
    codes = {warning["code"] for warning in document["warnings"]}
    assert {"patient-unknown", "frame-unknown", "dose-unit-assumed", "mixed-sum"} - codes <= {
        "dose-unit-assumed"
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"usual": ("--date", "first=2026-01-05", "--date", "sbrt.dcm=2026-03-02")}, ("number of fractions of sbrt.dcm",)),
        ({"usual": ("--date", "first=2026-01-05", "--fractions", "sbrt.dcm=5")}, ("date of sbrt.dcm is not known",)),
        ({"usual": (*DATES, "--fractions", "sbrt.dcm=0")}, ("0 must be 1 or more",)),
        ({"usual": (*DATES, "--fractions", "sbrt.dcm=50")}, ("44.9 Gy", "0.898 Gy for each of 50", "one fraction")),
        ({"usual": (*DATES, "--fractions", "other.dcm=5")}, ("'other.dcm' is none of the treatments",)),
        ({"usual": (*DATES, "--fractions", "sbrt.dcm")}, ("is not FILE=VALUE",)),
        ({"usual": ("--date", "first=5.1.2026")}, ("not a date",)),
        ({"usual": (*DATES, "--fractions", "sbrt.dcm=5", "--nuclide", "sbrt.dcm=Y-90")}, ("one or the other",)),
        ({"usual": (*DATES, "--fractions", "sbrt.dcm=5", "--fractions", "first=5")}, ("first is a result folder",)),
        ({"paths": ("first", "first"), "usual": DATES[:2]}, ("fits several",)),
    ],
)  # fmt: skip
def test_facts_that_are_missing_or_wrong(add, arguments, words):
    done, out = add(**arguments)
    failed(done, *words)
    assert not out.exists()


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"DoseSummationType": "FRACTION"}, ("part of a treatment", "FRACTION")),
        ({"DoseSummationType": "BEAM"}, ("part of a treatment", "BEAM")),
        ({"DoseType": "EFFECTIVE"}, ("effective dose", "PHYSICAL")),
        ({"DoseUnits": "RELATIVE"}, ("DoseUnits is RELATIVE",)),
        ({"PatientID": "P2"}, ("two patients",)),
    ],
)
def test_doses_that_must_not_be_added(add, files, attributes, words):
    change(files / "sbrt.dcm", **attributes)
    failed(add()[0], *words)


def test_negative_doses_are_refused(add, files):
    image = ball(GRID)
    write_nifti(DoseMap(image.array - 5.0, GRID), files / "old.nii.gz")
    # a volume of another program, which does not describe itself as our dose
    import nibabel

    plain = nibabel.load(files / "old.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(plain.dataobj), plain.affine), files / "old.nii.gz")
    done, _ = add(
        paths=("first", "old.nii.gz"),
        usual=(*DATES[:2], "--date", "old.nii.gz=2025-01-01", "--fractions", "old.nii.gz=5"),
    )
    failed(done, "below 0")


def test_a_treatment_counts_once(add, files):
    shutil.copytree(files / "first", files / "again")
    done, _ = add(
        paths=("first", "again"), usual=("--date", "first=2026-01-05", "--date", "again=2026-02-05")
    )
    failed(done, "the same dose", "counts once")


def test_one_session_counts_once_whatever_the_engine(add, files):
    """Another engine of the same study and day; a later day of the same study is another treatment."""
    folder_of(files, "density", scale=0.99)
    for day, refused in (("2026-01-05", True), ("2026-01-06", False)):
        usual = ("--date", "first=2026-01-05", "--date", f"density={day}")
        done, _ = add(paths=("first", "density"), usual=usual)
        assert (done.code == 2) is refused
        if refused:
            failed(done, "one study and one day", "2026-01-05", "[[injection]]")


def test_a_prediction_counts_only_where_the_user_says_so(add, files):
    folder_of(files, "maa", predicted=True)
    usual = ("--date", "maa=2026-02-05", "--date", "sbrt.dcm=2026-03-02", "--fractions", "sbrt.dcm=5")
    done, _ = add(paths=("maa", "sbrt.dcm"), usual=usual)
    failed(done, "prediction from a surrogate", "predicted = true")
    (files / "case.toml").write_text('[[treatment]]\npath = "maa"\npredicted = true\ndate = 2026-02-05\n')
    done, _ = add("--case", files / "case.toml", paths=("maa", "sbrt.dcm"), usual=usual[2:])
    assert "predicted-dose" in {warning["code"] for warning in json.loads(done.out)["warnings"]}


@pytest.mark.parametrize("name", ["dose.dcm", "dose.nii.gz"])
def test_a_file_out_of_a_result_folder_is_not_taken_for_a_beam(add, name):
    usual = ("--date", f"{name}=2026-01-05", "--date", "sbrt.dcm=2026-03-02", "--fractions", f"{name}=1",
             "--fractions", "sbrt.dcm=5")  # fmt: skip
    failed(add(paths=(f"first/{name}", "sbrt.dcm"), usual=usual)[0], "result folder", "give the folder")


def test_fractions_of_the_plan_beside_the_dose(add, files):
    change(files / "sbrt.dcm", DoseSummationType="PLAN")
    dose = pydicom.dcmread(files / "sbrt.dcm")
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = RTPlanStorage, "1.2.3.4"
    dose.ReferencedRTPlanSequence = [reference]
    dose.save_as(files / "sbrt.dcm")
    plan = pydicom.Dataset()
    plan.file_meta = pydicom.dataset.FileMetaDataset()
    plan.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    plan.SOPClassUID, plan.SOPInstanceUID, plan.PatientID = RTPlanStorage, "1.2.3.4", "P1"
    group = pydicom.Dataset()
    group.NumberOfFractionsPlanned = 3
    plan.FractionGroupSequence = [group]
    plan.save_as(files / "plan.dcm", enforce_file_format=True)
    done, _ = add(usual=DATES)
    assert json.loads(done.out)["treatments"][1]["fractions"] == 3
    shutil.rmtree(files / "out")
    failed(add()[0], "5 fractions are given", "has 3")


def test_dates_of_fractions(run_cli, files):
    def dated(dates, more=""):
        (files / "dates.toml").write_text(
            '[[treatment]]\npath = "first"\ndate = 2026-01-05\n[[treatment]]\npath = "sbrt.dcm"\n'
            f"{more}fraction_dates = [{dates}]\n"
        )
        return run_cli("accumulate", files / "first", files / "sbrt.dcm", "--case", files / "dates.toml",
                       "-o", files / "out", "--no-report", "--json")  # fmt: skip

    done = dated("2026-01-07, 2026-01-09T08:00:00, 2026-01-12")
    beam = json.loads(done.out)["treatments"][1]
    assert (beam["fractions"], beam["start"]) == (3, "2026-01-07T12:00:00")
    failed(dated("2026-01-07, 2026-01-09", "fractions = 3\n"), "2 dates of fractions for 3")
    failed(dated("2026-01-07", "date = 2026-01-08\n"), "before the beginning")


def test_other_frames_need_a_registration_or_trust(add, files):
    change(files / "sbrt.dcm", FrameOfReferenceUID=OTHER)
    done, out = add()
    document = json.loads(done.out)
    assert document["voxels_summed"] is False
    assert "voxels-not-added" in {w["code"] for w in document["warnings"]}
    assert not (out / "bed.dcm").exists()
    shutil.rmtree(out)
    trusted = json.loads(add("--trust-frames")[0].out)
    assert trusted["voxels_summed"] is True
    assert "frames-trusted" in {w["code"] for w in trusted["warnings"]}
    shutil.rmtree(out)
    failed(add("--registration", files / "sbrt.dcm")[0], "no registration")


def test_a_registration_joins_frames(add, files):
    """The beam lies 10 mm to the side in its own frame; with the registration the sum is that of one frame."""
    one_frame = read_nifti(add()[1] / "dose.nii.gz").array[0]
    shutil.rmtree(files / "out")
    position = [float(v) for v in pydicom.dcmread(files / "sbrt.dcm").ImagePositionPatient]
    change(
        files / "sbrt.dcm",
        FrameOfReferenceUID=OTHER,
        ImagePositionPatient=[position[0] + 10.0, *position[1:]],
    )
    matrix = np.eye(4)
    matrix[0, 3] = -10.0  # from points of the beam's frame to those of the first one's
    (path,) = factory.save([reg([(OTHER, matrices(matrix), ())], own=FRAME)], files / "reg")
    done, out = add("--registration", path)
    document = json.loads(done.out)
    assert document["voxels_summed"] is True
    said = next(w["message"] for w in document["warnings"] if w["code"] == "registered")
    assert "rigid" in said
    assert "translation 10.0 mm" in said
    moved = read_nifti(out / "dose.nii.gz").array[0]
    # means of voxels in one frame, values at their centres through a registration
    assert np.abs(moved - one_frame).max() < 0.02 * one_frame.max()
    assert moved.sum() == pytest.approx(one_frame.sum(), rel=1e-3)


def test_regions_for_doses_that_have_none(add, files):
    """Two doses of a planning system, with the regions of a file."""
    write_rtdose(ball(SMALL, 30.0), files / "boost.dcm", identity=IDENTITY)
    usual = ("--date", "boost.dcm=2026-01-05", "--date", "sbrt.dcm=2026-03-02", "--fractions", "sbrt.dcm=5",
             "--fractions", "boost.dcm=3")  # fmt: skip
    both = ("boost.dcm", "sbrt.dcm")
    failed(add(paths=both, usual=usual)[0], "no treatment has regions")
    regions = files / "first" / "regions.seg.dcm"
    failed(add("--regions", regions, paths=both, usual=usual)[0], "reference = NAME")
    (files / "case.toml").write_text("reference = 'sbrt'\n")
    done, _ = add("--regions", regions, "--case", files / "case.toml", paths=both, usual=usual)
    document = json.loads(done.out)
    assert document["reference"] == "sbrt"
    assert {"liver", "GTV1"} <= {region["name"].lower() for region in document["regions"]} | {"GTV1"}


def test_the_case_file_is_read_whole(run_cli, files):
    (files / "bad.toml").write_text("referense = 'first'\n")
    arguments = ("accumulate", files / "first", files / "sbrt.dcm", "-o", files / "out", "--json", "--case")
    failed(run_cli(*arguments, files / "bad.toml"), "referense is not a setting")
    (files / "bad.toml").write_text("carry = 'both'\n")
    failed(run_cli(*arguments, files / "bad.toml"), "carry", "'both'")
    (files / "bad.toml").write_text("reference = 'x'\n[[treatment]]\npath = 'first'\ndate = 2026-01-05\n")
    facts = ("--date", "sbrt.dcm=2026-03-02", "--fractions", "sbrt.dcm=5")
    failed(run_cli(*arguments, files / "bad.toml", *facts), "no treatment 'x'")
    (files / "bad.toml").write_text("[[treatment\n")
    failed(run_cli(*arguments, files / "bad.toml"), "cannot be read")


def test_tables_on_the_terminal(run_cli, files):
    done = run_cli(
        "accumulate", files / "first", files / "sbrt.dcm", "-o", files / "out", *DATES, "--fractions", "sbrt.dcm=5",
        "--no-report", "--limit", "non-tumour liver bed <= 70",
    )  # fmt: skip
    assert done.code == 0
    assert "BED / EQD2 Gy" in done.out
    assert "limit lungs mean" in done.out
    assert "limit non-tumour liver bed, liver 2.5" in done.out
    assert "warning [mixed-sum]" in done.err
