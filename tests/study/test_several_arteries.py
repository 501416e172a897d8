"""Two [[injection]] and one scan afterwards, through the command line: doses against the analytic sum."""

import json

import numpy as np
import pytest
from dicom_factory import pet, save
from study_factory import SPECT_AFFINE, spect_counts, write_study

from y90voxel.errors import InputError
from y90voxel.io.nifti import write_nifti
from y90voxel.study.read_study import read_study
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

GRID = Grid.from_spacing((24, 26, 28), (4.0, 4.0, 4.0))
T_HALF_H, K, DENSITY = 64.1, 49.77, 1.05
LEFT, RIGHT = (slice(6, 14), slice(6, 16), slice(4, 12)), (slice(6, 18), slice(6, 16), slice(14, 20))
TIMES_H, SCAN_H = (0.0, 26.0), 50.0
TUMOUR = (slice(8, 11), slice(8, 11), slice(6, 9))
NETS, SHUNTS = (1.5e9, 0.8e9), (0.02, 0.05)


def box(*slices_):
    mask = np.zeros(GRID.shape)
    for one in slices_:
        mask[one] = 1.0
    return mask


def scan_bq_per_ml():
    """What two uniform territories hold at the scan, each since its own injection."""
    image = np.zeros(GRID.shape)
    for region, net, shunt, hours in zip((LEFT, RIGHT), NETS, SHUNTS, TIMES_H, strict=True):
        volume_ml = box(region).sum() * GRID.voxel_volume_ml
        image[region] = net * (1 - shunt) * 2 ** (-(SCAN_H - hours) / T_HALF_H) / volume_ml
    return image


def case_file(
    folder,
    calibration,
    *,
    times=("2026-03-02T08:00", "2026-03-03T10:00"),
    territories=("left", "right"),
    acquired="2026-03-04T10:00",
):
    lines = [
        "[dose]",
        f'calibration = "{calibration}"',
        'engine = "local"',
        "[series]",
        f'acquisition_time = "{acquired}"',
    ]
    for net, shunt, time, territory in zip(NETS, SHUNTS, times, territories, strict=True):
        lines += ["[[injection]]", f'net_activity = "{net / 1e9} GBq"', f"lung_shunt_fraction = {shunt}"]
        lines += [f'time = "{time}"'] if time else []
        lines += [f'territory = "{territory}"'] if territory else []
    (folder / "case.toml").write_text("\n".join(lines))
    return folder / "case.toml"


@pytest.fixture
def files(tmp_path):
    masks = {"liver": box(LEFT, RIGHT), "left": box(LEFT), "right": box(RIGHT), "tumour": box(TUMOUR)}
    (tmp_path / "masks").mkdir()
    for name, mask in masks.items():
        write_nifti(CountMap(mask, GRID), tmp_path / "masks" / f"{name}.nii.gz")
    write_nifti(CountMap(scan_bq_per_ml(), GRID), tmp_path / "scan.nii.gz")
    return tmp_path


def run(run_cli, command, folder, case, *more):
    files = ["--emission", folder / "scan.nii.gz", "--regions", folder / "masks", "--case", case]
    return run_cli(command, *files, "-o", folder / "out", *more)


def run_dose(run_cli, folder, case):
    roles = ["--role", "left=perfused", "--role", "right=perfused"]
    return run(run_cli, "dose", folder, case, *roles, "--no-report")


def analytic_gy(region, net, shunt):
    """All decays of an injection in its own mass."""
    mass_kg = box(region).sum() * GRID.voxel_volume_ml * DENSITY / 1000.0
    return K * net / 1e9 * (1 - shunt) / mass_kg


@pytest.mark.parametrize("calibration", ["absolute", "relative"])
def test_doses_of_both_territories_equal_the_analytic_sum(calibration, run_cli, files):
    ran = run_dose(run_cli, files, case_file(files, calibration))
    assert ran.code == 0, ran.err
    found = json.loads((files / "out" / "metrics.json").read_text())
    dose = {region["name"]: region["mean_gy"] for region in found["regions"]}
    left, right = (analytic_gy(r, n, s) for r, n, s in zip((LEFT, RIGHT), NETS, SHUNTS, strict=True))
    assert dose["left"] == pytest.approx(left, rel=2e-4)
    assert dose["right"] == pytest.approx(right, rel=2e-4)
    arteries = found["arteries"]
    parts = [NETS[0] * 2 ** (-26.0 / T_HALF_H), NETS[1]]
    assert arteries["activity_at_reference_bq"] == pytest.approx(sum(parts), rel=1e-6)
    assert arteries["reference_time"] == "2026-03-03T10:00:00"
    assert found["activity_bq"] == pytest.approx(sum(NETS))
    lungs = K * sum(n * s for n, s in zip(NETS, SHUNTS, strict=True)) / 1e9
    assert found["lung"]["mean_mird_1kg_gy"] == pytest.approx(lungs, rel=2e-4)
    first, second = arteries["injections"]
    assert [one["image_over_stated"] for one in (first, second)] == pytest.approx([1.0, 1.0], rel=1e-4)
    assert [part["region"] for part in first["doses"]] == ["left", "tumour", "non-tumour liver"]
    assert [part["region"] for part in second["doses"]] == ["right", "non-tumour liver"]
    assert first["doses"][1]["mean_gy"] == pytest.approx(left, rel=2e-4)
    volumes = [part["volume_ml"] for part in first["doses"]]
    assert volumes[1] + volumes[2] == pytest.approx(volumes[0])


def test_without_territories_all_energy_together_is_that_of_both_injections(run_cli, files):
    ran = run_dose(run_cli, files, case_file(files, "relative", territories=(None, None)))
    assert ran.code == 0, ran.err
    found = json.loads((files / "out" / "metrics.json").read_text())
    liver = next(region for region in found["regions"] if region["name"] == "liver")
    energy = K * sum(n * (1 - s) for n, s in zip(NETS, SHUNTS, strict=True)) / 1e9
    assert liver["mean_gy"] * liver["mass_g"] / 1000.0 == pytest.approx(energy, rel=2e-4)
    assert "No territory is given" in ran.err


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"times": ("2026-03-02T08:00", None)}, "injection 2 states no time"),
        ({"acquired": "2026-03-03T09:00"}, "precedes the administration"),
        ({"territories": ("left", "middle")}, "middle"),
    ],
)
def test_what_one_scan_cannot_be_read_with_is_refused(facts, said, run_cli, files):
    ran = run_dose(run_cli, files, case_file(files, "absolute", **facts))
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize("calibration", ["absolute", "relative"])
def test_a_scan_before_the_last_injection_is_refused_however_it_is_calibrated(calibration, run_cli, files):
    ran = run_dose(run_cli, files, case_file(files, calibration, acquired="2026-03-03T09:00"))
    assert ran.code == 2
    assert "precedes the administration" in ran.err


def test_an_activity_shared_by_both_is_refused(run_cli, files):
    case = case_file(files, "relative")
    case.write_text('[administration]\nactivity = "2 GBq"\n' + case.read_text())
    ran = run_dose(run_cli, files, case)
    assert ran.code == 2
    assert "given once for 2 injections" in ran.err


def test_a_plan_and_a_surrogate_need_a_map_for_each_artery(run_cli, files, tmp_path):
    case = case_file(files, "relative")
    planned = run(run_cli, "plan", files, case)
    assert planned.code == 2
    assert "a plan needs the map of each artery" in planned.err
    surrogate = write_study(tmp_path / "maa")
    case = case_file(files, "relative", territories=("Liver", "GTV1"))
    ran = run_cli("dose", surrogate, "--case", case, "-o", files / "out", "--trust-time")
    assert ran.code == 2
    assert "one surrogate image" in ran.err


def test_anonymous_results_tell_hours_and_no_times(run_cli, files):
    for mask in (files / "masks").glob("left*"):
        mask.rename(mask.with_name("Smith.nii.gz"))
    case = case_file(files, "relative", territories=("Smith", "right"))
    ran = run(run_cli, "dose", files, case, "--anonymise")
    assert ran.code == 0, ran.err
    written = [file for file in (files / "out").rglob("*") if file.suffix in (".json", ".html", ".csv")]
    for file in written:
        assert "2026-03-0" not in file.read_text(), file
        assert "Smith" not in file.read_text(), file
    assert "26.0 h before the last" in (files / "out" / "report.html").read_text()


def dicom_scan(folder):
    """A Y-90 PET of the small study, decay corrected to its start at 10:00 on 12 March 2024."""
    stored = pet(spect_counts(), SPECT_AFFINE)
    write_study(folder, nm=[])
    save(stored, folder, "pet")
    return stored[0]


def test_the_report_splits_by_territory_and_the_header_may_mean_any_injection(run_cli, tmp_path):
    image = dicom_scan(tmp_path / "study")
    assert (
        image.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime == "20240312080000"
    )
    uid = str(image.SeriesInstanceUID)
    lines = ["[dose]", 'calibration = "relative"', 'engine = "local"']
    for time, gbq, territory in (("2024-03-12T06:30", 1.2, "Liver"), ("2024-03-12T08:10", 0.4, "GTV1")):
        lines += [
            "[[injection]]",
            f'net_activity = "{gbq} GBq"',
            "lung_shunt_fraction = 0.05",
            f'time = "{time}"',
        ]
        lines += [f'territory = "{territory}"', f'emission_series = "{uid}"']
    (tmp_path / "case.toml").write_text("\n".join(lines))
    study, case = tmp_path / "study", tmp_path / "case.toml"
    ran = run_cli("dose", study, "--case", case, "--pdf", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "time-contradicts-header" not in ran.err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Several arteries, one scan" in page
    assert (tmp_path / "out" / "report.pdf").stat().st_size > 10_000
    parts = 1.2 * 2 ** (-(5 / 3) / T_HALF_H), 0.4
    assert f"all 2 together hold {parts[0]:.4g} GBq + 400 MBq = {sum(parts):.4g} GBq" in page
    lines[-1] = ""
    (tmp_path / "case.toml").write_text("\n".join(lines))
    ran = run_cli("dose", tmp_path / "study", "--case", tmp_path / "case.toml", "-o", tmp_path / "out2")
    assert ran.code == 2
    assert "1 of 2 injections name their emission_series" in ran.err


def test_a_header_far_from_every_injection_is_refused(tmp_path):
    image = dicom_scan(tmp_path)
    study = read_study(tmp_path, emission_series=str(image.SeriesInstanceUID))
    facts = [
        {"administered_activity_bq": 1e9, "time": time, "lung_shunt_fraction": 0.0}
        for time in ("2024-03-08T08:00", "2024-03-09T08:00")
    ]
    with pytest.raises(InputError, match="one of both is wrong"):
        study.case(injections=facts)
