"""scanner.toml and the table beside it."""

import pytest

from y90voxel.errors import InputError
from y90voxel.io.scanner_file import read_scanner
from y90voxel.io.toml_files import toml_text

DOCUMENT = {
    "schema_version": 1, "kind": "scanner", "nuclide": "Y-90", "modality": "NM",
    "reconstruction": {"method": "OSEM", "voxel_mm": [4.8, 4.8, 4.8]},
    "calibration": {"factor_cps_per_mbq": 3.5, "relative_uncertainty": 0.03},
    "recovery": {"file": "recovery.csv", "b1_ml": 2.854, "b2": 0.8143, "smallest_ml": 0.52, "largest_ml": 26.52},
    "dead_time": {"time_constant_us": 5.0, "highest_rate_cps": 3e4},
}  # fmt: skip


def written(folder, **changed):
    document = {k: v for k, v in (DOCUMENT | changed).items() if v is not None}
    (folder / "scanner.toml").write_text(toml_text(document))
    (folder / "recovery.csv").write_text(
        "volume_ml,recovery,relative_uncertainty\n0.52,0.20,0.05\n26.52,0.86,0.05\n"
    )
    return folder / "scanner.toml"


def test_a_scanner_is_read(tmp_path):
    found = read_scanner(written(tmp_path))
    assert (found.nuclide, found.factor_cps_per_mbq, found.shown_over_true) == ("Y-90", 3.5, None)
    assert found.reconstruction.method == "OSEM"
    assert found.reconstruction.filter == ""
    assert found.recovery_file == tmp_path / "recovery.csv"
    assert found.volumes_ml == (0.52, 26.52)
    assert (found.time_constant_us, found.highest_rate_cps) == (5.0, 3e4)
    plain = read_scanner(written(tmp_path, recovery=None, dead_time=None))
    assert (plain.recovery_file, plain.time_constant_us) == (None, None)
    assert (plain.fwhm_mm, plain.one_gaussian_fits) == (None, True)
    resolved = read_scanner(written(tmp_path, resolution={"fwhm_mm": 11.5, "one_gaussian_fits": False}))
    assert (resolved.fwhm_mm, resolved.one_gaussian_fits) == (11.5, False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "twin"}, "no scanner file of this version"),
        ({"schema_version": 2}, "no scanner file of this version"),
        ({"calibration": None}, "damaged.*calibration"),
        ({"reconstruction": {"voxel_mm": ["a"]}}, "damaged"),
        ({"recovery": DOCUMENT["recovery"] | {"b1_ml": 2.854 * 1.012}}, "not that of this commissioning"),
    ],
)
def test_a_file_that_is_no_scanner_or_another_is_refused(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        read_scanner(written(tmp_path, **changed))


def test_digits_of_the_table_are_no_other_measurement(tmp_path):
    near = DOCUMENT["recovery"] | {"b1_ml": 2.854 * 1.008}
    assert read_scanner(written(tmp_path, recovery=near)).recovery_file is not None


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_scanner(tmp_path / "none.toml")
