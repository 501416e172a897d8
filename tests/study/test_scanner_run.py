"""`dose` and `plan` with a scanner file."""

import json

import numpy as np
import pytest
from phantoms import changed, liver_case
from scipy.ndimage import gaussian_filter
from study_factory import write_study
from twin_images import images, study

from y90voxel.case.recovery_correction import with_partial_volume
from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.io.toml_files import toml_text
from y90voxel.phantoms.commissioning import commission
from y90voxel.quantification.calibration import Calibration, CalibrationRegion
from y90voxel.quantification.emission import EmissionImage
from y90voxel.volumes.volume import CountMap

SCANNER = {
    "schema_version": 1, "kind": "scanner", "nuclide": "Tc-99m", "modality": "NM",
    "reconstruction": {"voxel_mm": [8.0, 8.0, 8.0]},
    "calibration": {"factor_cps_per_mbq": 90.0, "relative_uncertainty": 0.03},
    "recovery": {"file": "recovery.csv", "b1_ml": 2.854, "b2": 0.8143, "smallest_ml": 0.52, "largest_ml": 26.52},
}  # fmt: skip
GIVEN = ("--activity", "2 GBq", "--lung-shunt", "0.05")


@pytest.fixture
def scanner(tmp_path):
    (tmp_path / "scanner.toml").write_text(toml_text(SCANNER))
    (tmp_path / "recovery.csv").write_text(
        "volume_ml,recovery,relative_uncertainty\n0.52,0.20,0.05\n26.52,0.86,0.05\n"
    )
    return tmp_path / "scanner.toml"


def test_dose_takes_recovery_from_a_scanner_file(run_cli, scanner, tmp_path):
    folder = write_study(tmp_path / "study")
    asked = ("dose", folder, "-o", tmp_path / "out", *GIVEN, "--scanner", scanner, "--no-report")
    refused = run_cli(*asked)
    assert refused.code == 2
    assert "relative over the liver" in refused.err
    done = run_cli(*asked, "--calibration-region", "fov")
    assert done.code == 0, done.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    tumour = next(r for r in metrics["regions"] if r["name"] == "GTV1")
    assert tumour["partial_volume"]["recovery"] == pytest.approx(0.81, abs=0.03)
    assert tumour["partial_volume"]["mean_corrected_gy"] > tumour["mean_gy"]
    assert {"scanner", "recovery"} <= {i["role"] for i in metrics["provenance"]["inputs"]}
    assert {"scanner-not-checked", "scanner-calibration-unused"} & {w["code"] for w in metrics["warnings"]}


def test_a_scanner_of_another_nuclide_is_refused_by_both(run_cli, scanner, tmp_path):
    scanner.write_text(toml_text(SCANNER | {"nuclide": "Y-90"}))
    folder = write_study(tmp_path / "study")
    asked = {
        "dose": (*GIVEN, "--calibration-region", "fov", "--calibration", "relative"),
        "plan": ("--lung-shunt", "0.05"),
    }
    for command, options in asked.items():
        done = run_cli(command, folder, "-o", tmp_path / command, *options, "--scanner", scanner)
        assert done.code == 2
        assert "'Y-90' as nuclide, the image says 'Tc-99m'" in done.err
        assert not (tmp_path / command).exists()


def test_a_case_file_names_a_scanner_beside_it(run_cli, scanner, tmp_path):
    case = tmp_path / "case.toml"
    case.write_text('scanner = "scanner.toml"\n[dose]\ncalibration_region = "fov"\n')
    folder = write_study(tmp_path / "study")
    done = run_cli("dose", folder, "-o", tmp_path / "out", *GIVEN, "--case", case, "--no-report")
    assert done.code == 0, done.err


def test_a_plan_without_images_has_no_use_for_a_scanner(run_cli, scanner, tmp_path):
    scanner.write_text(toml_text({k: v for k, v in SCANNER.items() if k != "recovery"}))
    case = tmp_path / "case.toml"
    case.write_text("[plan.anatomy]\nwhole_normal_mass_kg = 1.5\n")
    done = run_cli(
        "plan", "--case", case, "-o", tmp_path / "out", "--lung-shunt", "0.05", "--scanner", scanner
    )
    assert done.code == 2
    assert "has no use for a scanner file" in done.err


def test_recovery_of_a_commissioning_brings_a_tumour_to_its_dose():
    """A tumour of 28 mm in warm liver and the phantom, seen by one camera of 10 mm."""
    fwhm, engine = 10.0, LocalDeposition("Y-90")
    result = commission(images(study({"fwhm_mm": fwhm, "voxel_mm": (4, 4, 4)})), study().settings.filling)
    sharp = changed(
        liver_case(lungs=False, tumour_to_normal=5.0),
        calibration=Calibration(region=CalibrationRegion.FIELD_OF_VIEW),
    )
    counts = sharp.injections[0].emission.volume.array
    seen = gaussian_filter(counts, fwhm / 2.3548 / 4.0, mode="constant", truncate=6)
    blurred = changed(
        liver_case(
            lungs=False, emission=EmissionImage(CountMap(seen, sharp.grid), "NM", "Tc-99m", predicted=True)
        ),
        calibration=Calibration(region=CalibrationRegion.FIELD_OF_VIEW),
    )
    found = with_partial_volume(verify(blurred, engine), engine, result.recovery_fit).region("GTV1")
    normal = verify(sharp, engine).dose.array[tuple(int(i) for i in sharp.grid.lps_to_index((-30, 0, -25)))]
    assert found.mean_gy < 0.72 * 5.0 * normal
    assert found.partial_volume.mean_corrected_gy == pytest.approx(5.0 * normal, rel=0.03)
    assert np.isfinite(found.partial_volume.recovery_uncertainty)
