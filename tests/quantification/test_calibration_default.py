"""The evidence of decision 18: what each calibration region makes of the sample and of a real MAA SPECT."""

import json
from pathlib import Path

import pytest

import y90voxel as yv
from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.reference.shipped import shipped_folder

ROOT = Path(__file__).resolve().parents[2]
MAA = ROOT.parent / "shared" / "data" / "maa_spect_real"
RECORD = (ROOT / "docs" / "decisions" / "0018-calibration-default.md").read_text(encoding="utf-8")
ROWS = {
    "whole liver": "Liver",
    "non-tumour liver": "non-tumour liver",
    "perfused non-tumour liver": "perfused non-tumour liver",
    "all tumours": "all tumours",
}


def percent(found, true):
    return f"{100 * (found / true - 1):+.1f}".replace("-", "−")


@pytest.mark.parametrize("row", ROWS)
def test_the_record_says_of_the_sample_what_its_truth_says(row):
    doses = json.loads((shipped_folder("sample_data") / "truth.json").read_text(encoding="utf-8"))
    doses = doses["regions"][ROWS[row]]["mean_dose_gy"]
    (line,) = [line for line in RECORD.splitlines() if line.startswith(f"| {row} |")]
    by_liver, by_image = line.split("|")[2:4]
    assert f"({percent(doses['blurred_calibrated_over_liver'], doses['plain'])})" in by_liver.replace(
        "sample ", ""
    )
    assert f"({percent(doses['blurred'], doses['plain'])})" in by_image


@pytest.mark.skipif(not MAA.is_dir(), reason="development data are not there")
def test_the_real_image_gives_the_factors_of_the_record():
    study = yv.read_study(
        None, emission=MAA / "patient_2_SPECT.nrrd", regions=MAA / "patient_2_Segmentation.seg.nrrd"
    )
    case = study.case(calibration="relative", activity_bq=1e9, lung_shunt_fraction=0.05)
    factors = verify(case, LocalDeposition("Y-90")).calibration_spread.factors
    assert factors["liver+margin"] == pytest.approx(0.800, abs=0.0006)
    assert factors["fov"] == pytest.approx(0.602, abs=0.0006)
    assert "factors 0.800 with the margin, 0.602 over the whole image" in RECORD
