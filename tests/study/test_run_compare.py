"""Two result folders to a comparison: files, page, errors."""

import json
import re
import shutil

import dicom_factory as factory
import numpy as np
import pytest
from phantoms import liver_case
from registration_factory import matrices, reg
from study_factory import write_study

from y90voxel.case.verify import verify
from y90voxel.comparison.compare import compare
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.nifti import read_nifti, write_nifti
from y90voxel.io.toml_files import toml_text
from y90voxel.quantification.emission import EmissionImage
from y90voxel.study.dose_results import Output, write_results
from y90voxel.study.result_folder import read_dose_folder
from y90voxel.study.run_compare import run_compare
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, DoseMap

FRAME = "1.2.840.99.7"
GRID = Grid.from_spacing((30, 28, 30), (5.0, 5.0, 5.0), (-75, -68, -75), FRAME)


def run_dose(folder, *, predicted, tumour_to_normal, activity_bq=2e9, frame=FRAME, patient="P1"):
    grid = Grid(GRID.shape, GRID.affine, frame)
    counts = liver_case(grid, tumour_to_normal=tumour_to_normal).injections[0].emission.volume.array
    emission = EmissionImage(CountMap(counts, grid), "NM", "Tc-99m", predicted=predicted)
    case = liver_case(grid, emission=emission, activity_bq=activity_bq)
    evaluation = verify(case, LocalDeposition("Y-90"))
    return write_results(evaluation, folder, StudyIdentity(patient_id=patient), (), Output(report=False))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A prediction, and a delivery with less in the tumour."""
    root = tmp_path_factory.mktemp("runs")
    before = run_dose(root / "plan", predicted=True, tumour_to_normal=6.0)
    after = run_dose(root / "delivered", predicted=False, tumour_to_normal=4.0)
    return root, before, after


@pytest.fixture
def plan(runs, tmp_path):
    """A prediction to spoil."""
    return shutil.copytree(runs[0] / "plan", tmp_path / "plan")


def change_json(path, **values):
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | values))


def test_folders_agree_with_the_evaluations_that_wrote_them(runs, tmp_path):
    root, before, after = runs
    found = run_compare(root / "plan", root / "delivered", tmp_path / "out", report=False)
    assert found == json.loads((tmp_path / "out" / "compare.json").read_text())
    assert (found["schema_version"], found["kind"]) == (2, "compare")
    truth = compare(before, after).as_dict()
    assert [w["code"] for w in found["warnings"]] == [w["code"] for w in truth["warnings"]]
    assert [r["name"] for r in found["regions"]] == [r["name"] for r in truth["regions"]]
    for mine, theirs in zip(found["regions"], truth["regions"], strict=True):
        for key in ("predicted", "delivered", "difference"):
            doses = {k: v for k, v in theirs[key].items() if isinstance(v, float)}
            assert {k: mine[key][k] for k in doses} == pytest.approx(doses, rel=2e-4, abs=2e-3)
        assert mine["delivered"]["mean_gy"] == pytest.approx(after.region(mine["name"]).mean_gy, rel=2e-4)
    one, other = (part["voxels"]["agreement"]["concordance"] for part in (found, truth))
    assert one == pytest.approx(other, rel=1e-4)


def test_provenance_names_what_was_read(runs, tmp_path):
    root = runs[0]
    found = run_compare(root / "plan", root / "delivered", tmp_path / "out", report=False)
    for side in ("predicted", "delivered"):
        files = [item["file"] for item in found["provenance"][side]]
        assert files == ["metrics.json", "dose.nii.gz", "regions.nii.gz"]
    assert (found["predicted"]["predicted"], found["delivered"]["predicted"]) == (True, False)
    assert found["delivered"]["grid"]["frame_of_reference_uid"] == FRAME


def test_the_page_holds_every_region_and_loads_nothing(runs, tmp_path):
    root = runs[0]
    out = tmp_path / "out"
    run_compare(root / "plan", root / "delivered", out)
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    figures = ["figures/agreement.png", "figures/dvh.png", "figures/maps.png"]
    assert names == [".y90voxel.json", "compare.html", "compare.json", *figures, "viewer.html"]
    page = (out / "compare.html").read_text()
    addresses = re.findall(r"""(?:src|href|action|data)\s*=\s*["']?([^"'\s>]+)""", page)
    assert len(addresses) == 4
    (link,) = (address for address in addresses if not address.startswith("data:image/png;base64,"))
    assert link == "viewer.html"
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("</style>")[1]))
    for text in ("Liver", "GTV1", "non-tumour liver", "Dice 205 Gy", "concordance", "not a medical device"):
        assert text in words


def test_a_comparison_can_be_repeated_in_place_but_eats_nothing_else(runs, tmp_path):
    root = runs[0]
    for _ in range(2):
        run_compare(root / "plan", root / "delivered", tmp_path / "out", report=False)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        run_compare(root / "plan", root / "delivered", tmp_path / "out", report=False)


def test_other_patients_are_refused_unless_accepted_and_never_named(runs, tmp_path):
    run_dose(tmp_path / "other", predicted=False, tumour_to_normal=4.0, patient="SECRET")
    folders = (runs[0] / "plan", tmp_path / "other", tmp_path / "out")
    with pytest.raises(InputError, match="PatientID of the two dose files") as refused:
        run_compare(*folders, report=False)
    assert "SECRET" not in str(refused.value)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="is no refusal of compare; it has patients-differ"):
        run_compare(*folders, report=False, accept=["surrogate"])
    found = run_compare(*folders, report=False, accept=["patients-differ"])
    assert "patients-differ" in [warning["code"] for warning in found["warnings"]]
    assert "SECRET" not in (tmp_path / "out" / "compare.json").read_text()


@pytest.mark.parametrize("activity_bq", [2e9, 3e9])
def test_other_frames_keep_what_each_run_says_of_its_regions(runs, tmp_path, activity_bq):
    after = run_dose(
        tmp_path / "other",
        predicted=False,
        tumour_to_normal=4.0,
        frame="1.2.840.99.8",
        activity_bq=activity_bq,
    )
    found = run_compare(runs[0] / "plan", tmp_path / "other", tmp_path / "out")
    assert found["voxels"] is None
    assert "1.2.840.99.8" in found["voxels_reason"]
    assert not (tmp_path / "out" / "figures" / "maps.png").exists()
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "Not compared: the predicted dose lies in frame of reference" in page
    factor = activity_bq / 2e9
    assert found["normalisation"]["factor"] == pytest.approx(factor, rel=1e-12)
    stated = [
        json.loads((folder / "metrics.json").read_text()) for folder in (runs[0] / "plan", tmp_path / "other")
    ]
    assert len(found["regions"]) == len(stated[0]["regions"]) == 7
    for side, document, scale in zip(("predicted", "delivered"), stated, (factor, 1.0), strict=True):
        own = {entry["name"]: entry for entry in document["regions"]}
        for region in found["regions"]:
            for key in ("mean_gy", "mass_weighted_mean_gy", "d70_gy", "d90_gy", "max_gy"):
                assert region[side][key] == pytest.approx(scale * own[region["name"]][key], rel=1e-6)
            for key in ("volume_ml", "mass_g", "activity_bq"):
                assert region[side][key] == own[region["name"]][key]
            mean = own[region["name"]]["mean_gy"]
            assert region[side]["mean_gy_per_gbq"] == pytest.approx(mean / (document["activity_bq"] / 1e9))
    tumour = next(region for region in found["regions"] if region["name"] == "GTV1")
    assert tumour["predicted"]["tumour_to_normal"] == pytest.approx(ratio(runs[1]), rel=1e-12)
    assert tumour["delivered"]["tumour_to_normal"] == pytest.approx(ratio(after), rel=1e-12)
    assert tumour["predicted"]["v_percent"]["100"] == pytest.approx(
        100 * (runs[1].dose.array[runs[1].case.regions["GTV1"].mask.array >= 0.999] * factor >= 100).mean(),
        abs=8.0,
    )


def ratio(evaluation):
    tumour, normal = evaluation.region("GTV1"), evaluation.region("non-tumour liver")
    return (tumour.activity_bq / tumour.mass_g) / (normal.activity_bq / normal.mass_g)


def test_other_frames_are_taken_as_common_where_trusted(runs, tmp_path):
    run_dose(tmp_path / "other", predicted=False, tumour_to_normal=4.0, frame="1.2.840.99.8")
    found = run_compare(
        runs[0] / "plan", tmp_path / "other", tmp_path / "out", trust_frames=True, report=False
    )
    assert "frames-trusted" in [warning["code"] for warning in found["warnings"]]
    assert found["voxels"]["how"] == "coordinates taken as common, as asked"


@pytest.mark.parametrize("reason", ["no frame", "anonymised", "no dose.dcm"])
def test_a_frame_that_was_made_up_or_is_missing_is_unknown(plan, tmp_path, reason):
    if reason == "no frame":
        run_dose(plan, predicted=True, tumour_to_normal=6.0, frame=None)
    elif reason == "anonymised":
        change_json(plan / "metrics.json", provenance={"settings": {"output": {"anonymise": True}}})
    else:
        (plan / "dose.dcm").unlink()
    assert read_dose_folder(plan).side.dose.grid.frame_of_reference_uid is None


def test_a_run_without_regions_reads_back_without(plan):
    change_json(plan / "metrics.json", regions=[])
    (plan / "regions.nii.gz").unlink()
    assert read_dose_folder(plan).side.regions == ()


def test_roles_and_names_read_back(runs):
    side = read_dose_folder(runs[0] / "plan").side
    assert [(r.name, r.role.value) for r in side.regions] == [
        (r.name, r.role.value) for r in runs[1].case.regions
    ]
    assert {name: m.mean_gy for name, m in side.stated.items()} == {
        m.name: pytest.approx(m.mean_gy) for m in runs[1].regions
    }


# damage


def not_a_folder(plan):
    shutil.rmtree(plan)


def no_metrics(plan):
    (plan / "metrics.json").unlink()


def cut_metrics(plan):
    (plan / "metrics.json").write_text('{"schema_version": 1, "ki')


def a_list(plan):
    (plan / "metrics.json").write_text("[]")


def other_kind(plan):
    change_json(plan / "metrics.json", kind="dvh")


def no_nuclide(plan):
    document = json.loads((plan / "metrics.json").read_text())
    del document["nuclide"]
    (plan / "metrics.json").write_text(json.dumps(document))


def no_dose(plan):
    (plan / "dose.nii.gz").unlink()


def cut_dose(plan):
    (plan / "dose.nii.gz").write_bytes((plan / "dose.nii.gz").read_bytes()[:2000])


def no_regions(plan):
    (plan / "regions.nii.gz").unlink()


def other_voxels(plan):
    grid = read_nifti(plan / "dose.nii.gz").grid.with_spacing(6.0)
    write_nifti(DoseMap(np.ones(grid.shape), grid), plan / "dose.nii.gz")


def no_rtdose(plan):
    (plan / "dose.dcm").write_bytes(b"nothing of the kind")


def other_dicom(plan):
    shutil.copy(plan / "regions.seg.dcm", plan / "dose.dcm")


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (not_a_folder, InputError, "there is no folder"),
        (no_metrics, InputError, r"holds no metrics\.json"),
        (cut_metrics, InputError, "is damaged"),
        (a_list, InputError, "is of kind None, 'dose' is needed"),
        (other_kind, InputError, "is of kind 'dvh', 'dose' is needed"),
        (no_nuclide, InputError, r"damaged: an entry is missing or misplaced \('nuclide'\)"),
        (no_dose, InputError, r"dose\.nii\.gz is missing"),
        (cut_dose, InputError, "damaged gzip file"),
        (no_regions, InputError, r"regions\.nii\.gz is missing"),
        (other_voxels, InputError, "its voxels are not those of the dose map"),
        (no_rtdose, DicomError, "not a DICOM file"),
        (other_dicom, DicomError, "is not an RTDOSE file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_damaged_folders_are_refused_and_nothing_is_written(runs, plan, tmp_path, spoil, error, message):
    spoil(plan)
    with pytest.raises(error, match=message):
        run_compare(plan, runs[0] / "delivered", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# command line


def test_command_prints_regions_and_agreement(runs, run_cli, tmp_path):
    root = runs[0]
    done = run_cli("compare", root / "plan", root / "delivered", "-o", tmp_path / "out", "--no-report")
    assert done.code == 0, done.err
    assert "multiplied by 1, the delivered over the predicted net activity (2 GBq predicted" in done.out
    assert re.search(r"^GTV1 +\d", done.out, re.M)
    assert "gamma %" in done.out
    assert "warning [gamma-criteria-default]" in done.err


def test_command_prints_the_document_as_json(runs, run_cli, tmp_path):
    root = runs[0]
    options = ("--normalise", "mean-liver", "--gamma-dose", "15%", "--gamma-distance", "6", "--gamma-local")
    done = run_cli(
        "compare", root / "plan", root / "delivered", "-o", tmp_path / "out", *options, "--no-report", "--json"
    )  # fmt: skip
    found = json.loads(done.out)
    assert found == json.loads((tmp_path / "out" / "compare.json").read_text())
    assert found["voxels"]["gamma_criteria"] == {
        "dose_percent": 15.0, "distance_mm": 6.0, "normalisation": "local", "cutoff_percent": 5.0,
        "reference": "predicted",
    }  # fmt: skip
    assert found["normalisation"]["mode"] == "mean-liver"


def test_a_registration_object_gives_the_voxels_of_other_frames(runs, run_cli, tmp_path):
    run_dose(tmp_path / "other", predicted=False, tumour_to_normal=4.0, frame="1.2.840.99.8")
    item = [(FRAME, matrices(np.eye(4)), ())]
    factory.save([reg(item, own="1.2.840.99.8")], tmp_path / "reg")
    (file,) = (tmp_path / "reg").iterdir()
    arguments = ("compare", runs[0] / "plan", tmp_path / "other", "-o", tmp_path / "out")
    (tmp_path / "points.csv").write_text(
        "name,predicted_l,predicted_p,predicted_s,delivered_l,delivered_p,delivered_s\nhilum,0,0,0,0,3,4\n"
    )
    asked = ("--register", file, "--landmarks", tmp_path / "points.csv")
    done = run_cli(*arguments, *asked, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["voxels"]["how"].startswith("registration object, rigid")
    assert found["registration"]["liver"]["dice"] == pytest.approx(1.0, abs=1e-3)
    assert "registration-object" in [warning["code"] for warning in found["warnings"]]
    assert found["registration"]["landmarks"]["mm"]["max"] == pytest.approx(5.0)
    assert [item["role"] for item in found["provenance"]["registration"]] == ["registration", "landmarks"]
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "Target error at 1 landmarks, mm" in page
    assert "points.csv" in page
    straight = run_compare(runs[0] / "plan", runs[0] / "delivered", tmp_path / "straight", report=False)
    one, other = (part["voxels"]["agreement"]["rmse_gy"] for part in (found, straight))
    assert one == pytest.approx(other, rel=1e-6)


def test_resolutions_are_matched_as_asked(runs, run_cli, tmp_path):
    root = runs[0]
    done = run_cli(
        "compare", root / "plan", root / "delivered", "-o", tmp_path / "out", "--match-resolution", "6,15"
    )
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert found["resolution"]["filter_fwhm_mm"] == pytest.approx(np.sqrt(15**2 - 6**2))
    before, after = found["resolution"]["activity_bq"]
    assert before == pytest.approx(runs[1].activity.total, rel=1e-6)
    assert after == pytest.approx(before, rel=1e-9)
    means = {row["name"]: row for row in found["resolution"]["regions"]}
    for region in found["regions"]:
        assert region["predicted"]["mean_gy"] == means[region["name"]]["mean_after_gy"]
    assert means["GTV1"]["mean_after_gy"] < 0.9 * means["GTV1"]["mean_before_gy"]
    assert means["GTV1"]["mean_before_gy"] == pytest.approx(runs[1].region("GTV1").mean_gy)
    assert "Mean blurred, Gy" in (tmp_path / "out" / "compare.html").read_text()
    assert "warning [resolution-matched]" in done.err


def test_scanner_files_match_resolutions_and_stand_among_the_inputs(runs, run_cli, tmp_path):
    folders = (runs[0] / "plan", runs[0] / "delivered")
    for nuclide, fwhm_mm in (("Tc-99m", 6.0), ("Y-90", 15.0), ("Ho-166", 15.0)):
        document = {
            "schema_version": 1, "kind": "scanner", "nuclide": nuclide, "modality": "NM", "resolution": {"fwhm_mm": fwhm_mm},
            "reconstruction": {"voxel_mm": [5.0] * 3}, "calibration": {"relative_uncertainty": 0.03},
        }  # fmt: skip
        (tmp_path / f"{nuclide}.toml").write_text(toml_text(document))
    asked = (
        "compare",
        *folders,
        "-o",
        tmp_path / "out",
        "--no-report",
        "--scanner",
        tmp_path / "Tc-99m.toml",
        "--scanner",
    )
    done = run_cli(*asked, tmp_path / "Y-90.toml")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert found["resolution"]["filter_fwhm_mm"] == pytest.approx(np.sqrt(15**2 - 6**2))
    assert [i["file"] for i in found["provenance"]["scanners"]] == ["Tc-99m.toml", "Y-90.toml"]
    done = run_cli(*asked, tmp_path / "Ho-166.toml")
    assert done.code == 2
    assert "of a phantom with Ho-166" in done.err
    done = run_cli(*asked, tmp_path / "Y-90.toml", "--match-resolution", "6,15")
    assert done.code == 2
    assert "give one of them" in done.err


def test_swapped_folders_end_with_2(runs, run_cli, tmp_path):
    root = runs[0]
    done = run_cli("compare", root / "delivered", root / "plan", "-o", tmp_path / "out", "--json")
    assert done.code == 2
    assert "Give the prediction first" in json.loads(done.err)["error"]["message"]


def test_a_plan_and_the_dose_of_the_same_study_agree(run_cli, tmp_path):
    """The plan's dose per GBq times the activity is the dose that `dose` computes (to the rounding of float32)."""
    study = write_study(tmp_path / "study")
    given = ("--activity", "2 GBq", "--lung-shunt", "0.05", "--no-report")
    assert run_cli("dose", study, *given, "-o", tmp_path / "dose").code == 0
    done = run_cli("plan", study, *given, "-o", tmp_path / "plan")
    assert done.code == 0, done.err
    done = run_cli(
        "compare", tmp_path / "plan", tmp_path / "dose", "-o", tmp_path / "out", "--no-report", "--json"
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)
    codes = {warning["code"] for warning in found["warnings"]}
    assert codes == {
        "plan-activity",
        "both-predicted",
        "gamma-criteria-default",
        "gamma-distance-below-voxel",
    }
    for region in found["regions"]:
        assert region["difference"]["mean_gy"] == pytest.approx(
            0.0, abs=1e-5 * region["predicted"]["mean_gy"]
        )
    assert (
        found["predicted"]["grid"]["frame_of_reference_uid"]
        == found["delivered"]["grid"]["frame_of_reference_uid"]
    )
