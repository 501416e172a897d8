import gzip
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from dicom_factory import STUDY, rtstruct, save
from study_factory import ROIS, ball_contours

from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.nifti import write_nifti
from y90voxel.version import __version__
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap


def test_version_and_help(run_cli):
    assert run_cli("--version").out.strip() == __version__
    shown = run_cli("--help").out
    for command in ("demo", "inspect", "dose", "compare", "dvh", "kernel"):
        assert f"  {command} " in shown
    assert "not a medical device" in " ".join(shown.split())


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['y90voxel', '--help']\n"
        "from y90voxel.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'numba', 'pydicom', 'SimpleITK', 'scipy', 'matplotlib', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_wrong_option_ends_with_2(run_cli):
    assert run_cli("dose", "--no-such-option").code == 2


@pytest.mark.parametrize("name", ["kernel.csv", "kernel.npz"])
def test_kernel_is_written_with_provenance_and_reads_back(run_cli, tmp_path, name):
    from y90voxel.io.kernel_files import read_kernel
    from y90voxel.reference.voxel_kernel import voxel_kernel

    done = run_cli("kernel", "--nuclide", "Y-90", "--spacing", "4.8", "-o", tmp_path / name)
    assert done.code == 0, done.err
    kernel = read_kernel(tmp_path / name)
    assert np.array_equal(kernel.s_values, voxel_kernel("Y-90", 4.8).s_values)
    assert kernel.provenance["sha256"]
    assert "mGy/(MBq·s)" in done.out


def test_kernel_of_anisotropic_voxels_as_json(run_cli, tmp_path):
    arguments = ("--spacing", "3,4.07,4.07", "--nuclide", "Ho-166", "--medium", "liver")
    done = run_cli("kernel", *arguments, "-o", tmp_path / "k.npz", "--json")
    assert json.loads(done.out)["sha256"]


def test_a_radial_kernel_of_our_own_is_written_in_the_format_of_the_shipped_ones(run_cli, tmp_path):
    """PENELOPE: R50 2.342 mm, R90 5.393 mm (electrons); 20,000 decays know them to about 1 %."""
    arguments = ("--from-monte-carlo", "--histories", "20000", "--seed", "1", "--json")
    done = run_cli("kernel", *arguments, "-o", tmp_path / "y90.csv")
    assert done.code == 0, done.err
    lines = (tmp_path / "y90.csv").read_text().splitlines()
    head = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    assert (head["nuclide"], head["medium"]) == ("Y-90", "water")
    assert json.loads(done.out)["code"] == head["code"]
    rows = np.array([line.split(",") for line in lines if not line.startswith("#")][1:], float)
    within = np.cumsum(rows[:, 2]) / rows[:, 2].sum()
    for part, radius in ((0.5, 2.342), (0.9, 5.393)):
        assert np.interp(part, within, rows[:, 1]) == pytest.approx(radius, rel=0.015)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs the voxel size"),
        (("--from-monte-carlo", "--histories", "1000"), ".csv"),
        (("--spacing", "wide"), "one or three numbers"),
        (("--spacing", "1,2"), "got 2"),
        (("--spacing", "-1"), "-1"),
        (("--spacing", "4", "--medium", "cheese"), "cheese"),
        (("--spacing", "4", "--nuclide", "Lu-177"), "Lu-177"),
    ],
)
def test_bad_kernels_are_refused(run_cli, tmp_path, arguments, message):
    done = run_cli("kernel", *arguments, "-o", tmp_path / "k.npz")
    assert (done.code, message in done.err) == (2, True), done.err
    assert list(tmp_path.iterdir()) == []


def test_a_radial_kernel_needs_a_spectrum(run_cli, tmp_path):
    done = run_cli("kernel", "--from-monte-carlo", "--nuclide", "Tc-99m", "-o", tmp_path / "k.csv")
    assert (done.code, "Tc-99m" in done.err) == (2, True), done.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def dose_and_rois(tmp_path):
    grid = Grid.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78, -78, -78))
    height = np.broadcast_to(grid.index_to_lps(np.stack(np.mgrid[:40, :1, :1], -1))[..., 2], grid.shape)
    write_nifti(DoseMap(100.0 + height, grid), tmp_path / "dose.nii.gz")
    contours = {name: ball_contours(*shape) for name, shape in ROIS.items()}
    path = save([rtstruct(contours, frame="1.2.3")], tmp_path / "rois")[0]
    return tmp_path / "dose.nii.gz", path


def test_dvh_of_a_dose_file_with_any_rois(run_cli, dose_and_rois, tmp_path):
    """Dose is 100 Gy + height: the mean over a ball is the dose at its centre, 90 Gy."""
    done = run_cli("dvh", *dose_and_rois, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)
    regions = {region["name"]: region for region in metrics["regions"]}
    assert metrics["kind"] == "dvh"
    assert regions["Liver"]["mean_gy"] == pytest.approx(90.0, abs=0.1)
    assert regions["non-tumour liver"]["role"] == "non_tumour_liver"
    assert regions["GTV1"]["mass_g"] is None
    assert (tmp_path / "out" / "figures" / "dvh.png").exists()
    rows = (tmp_path / "out" / "dvh.csv").read_text().splitlines()
    assert rows[0] == "region,role,dose_gy,volume_ml,volume_percent"


def test_dvh_prints_a_table(run_cli, dose_and_rois, tmp_path):
    done = run_cli("dvh", *dose_and_rois, "--no-report", "-o", tmp_path / "out")
    assert "GTV1" in done.out
    assert not (tmp_path / "out" / "figures").exists()


def test_dvh_takes_regions_as_the_other_commands_do(run_cli, dose_and_rois, tmp_path):
    dose, rois = dose_and_rois
    options = ("--no-report", "--json")
    one = run_cli("dvh", dose, rois, "-o", tmp_path / "one", *options)
    other = run_cli("dvh", dose, "--regions", rois, "-o", tmp_path / "other", *options)
    assert json.loads(one.out)["regions"] == json.loads(other.out)["regions"]
    none = run_cli("dvh", dose, "-o", tmp_path / "none")
    assert none.code == 2
    assert "each with --regions FILE" in " ".join(none.err.replace("│", " ").split())


def test_dvh_refuses_regions_elsewhere(run_cli, dose_and_rois, tmp_path):
    dose, _ = dose_and_rois
    path = save([rtstruct({"Liver": ball_contours((900, 900, 0), 20)}, frame="1.2.3")], tmp_path / "far")[0]
    done = run_cli("dvh", dose, path, "-o", tmp_path / "out")
    assert (done.code, "lies inside the dose grid" in done.err) == (2, True), done.err
    assert not (tmp_path / "out").exists()


def rtdose_of(folder, patient="F1", study=STUDY):
    """An RTDOSE of a patient over the balls of the study factory."""
    grid = Grid.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78, -78, -78))
    folder.mkdir()
    identity = StudyIdentity(patient_id=patient, study_instance_uid=study)
    dose = DoseMap(np.full(grid.shape, 50.0), replace(grid, frame_of_reference_uid="1.2.3"))
    write_rtdose(dose, folder / "dose.dcm", identity=identity)
    return folder / "dose.dcm"


@pytest.mark.parametrize(
    ("patient", "study", "message", "codes"),
    [
        ("F1", STUDY, None, []),
        ("F1", STUDY + ".9", None, ["other-study"]),
        ("F2", STUDY, "are of two patients", None),
        ("", STUDY, None, []),
    ],
)
def test_dvh_compares_patient_and_study_of_dose_and_regions(
    run_cli, dose_and_rois, tmp_path, patient, study, message, codes
):
    _, rois = dose_and_rois
    done = run_cli(
        "dvh",
        rtdose_of(tmp_path / "d", patient, study),
        rois,
        "--no-report",
        "-o",
        tmp_path / "out",
        "--json",
    )
    if message:
        assert (done.code, message in done.err, "F2" in done.err) == (2, True, False), done.err
        return
    assert done.code == 0, done.err
    assert [w["code"] for w in json.loads(done.out)["warnings"]] == codes


@pytest.mark.parametrize(("lowest", "code"), [(0.0, 0), (-0.1, 2)])
def test_dvh_refuses_a_dose_image_below_zero(run_cli, dose_and_rois, tmp_path, lowest, code):
    grid = Grid.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78, -78, -78))
    dose = np.full(grid.shape, 50.0)
    dose[0, 0, 0] = lowest
    write_nifti(DoseMap(dose, grid), tmp_path / "other.nii.gz")
    data = bytearray(gzip.decompress((tmp_path / "other.nii.gz").read_bytes()))
    data[148:228] = bytes(80)  # descrip: not written by this program
    (tmp_path / "other.nii.gz").write_bytes(gzip.compress(bytes(data)))
    done = run_cli("dvh", tmp_path / "other.nii.gz", dose_and_rois[1], "--no-report", "-o", tmp_path / "out")
    assert done.code == code, done.err
    assert ("1 of 64000 voxels are below 0" in done.err) == bool(code)
