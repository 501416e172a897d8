import json

import pytest
from dicom_factory import nm
from study_factory import SPECT_AFFINE, spect_counts, write_study


def test_inspect_shows_every_series_with_role_geometry_and_regions(run_cli, tmp_path):
    done = run_cli("inspect", write_study(tmp_path))
    assert done.code == 0, done.err
    for part in (
        "EMISSION",
        "CT",
        "REGIONS",
        "8.00 × 8.00 × 8.00 mm",
        "Liver (liver), GTV1 (tumour)",
        "nuclide Tc-99m",
    ):
        assert part in done.out
    assert "The study can be used as it is" in done.out


def test_inspect_as_json(run_cli, tmp_path):
    found = json.loads(run_cli("inspect", write_study(tmp_path), "--json").out)
    assert (found["kind"], found["usable"], found["files"]) == ("inspect", True, 42)
    roles = {series["role"]: series for series in found["series"]}
    assert set(roles) == {"emission", "ct", "regions"}
    assert roles["emission"]["grid"]["spacing_mm"] == [8.0, 8.0, 8.0]


def test_inspect_names_what_is_wrong_and_goes_on(run_cli, tmp_path):
    broken = nm(spect_counts(), SPECT_AFFINE, DetectorInformationSequence=None)
    done = run_cli("inspect", write_study(tmp_path, nm=[broken]))
    assert done.code == 0
    assert "REFUSE" in done.out
    assert "ImagePositionPatient" in done.out
    assert "cannot be used" in done.out


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_missing_folder_is_refused(run_cli, tmp_path, flags):
    done = run_cli("inspect", tmp_path / "none", *flags)
    assert done.code == 2
    assert "none" in done.err
