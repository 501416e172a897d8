import math

import pytest

from y90voxel.errors import InputError, PhysicsError
from y90voxel.io.phantom_tables import read_dead_time_curve, read_recovery
from y90voxel.quantification.partial_volume import fit_recovery


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_spheres_of_a_phantom_are_fitted(tmp_path):
    """Y-90 PET of the NEMA phantom: 0.20 at 0.52 mL, 0.86 at 26.52 mL, 5 % (D'Arienzo et al.)."""
    path = table(tmp_path, "# NEMA, our PET\nvolume_ml, recovery\n0.52, 0.20\n26.52, 0.86\n")
    found = read_recovery(path, 0.05)
    assert (round(found.b1_ml, 3), round(found.b2, 4)) == (2.854, 0.8143)


def test_diameters_and_uncertainties_may_stand_in_the_file(tmp_path):
    rows = [(10.0, 0.2, 0.1), (17.0, 0.45, 0.05), (28.0, 0.75, 0.03), (37.0, 0.88, 0.02)]
    text = "diameter_mm,recovery,relative_uncertainty,note\n" + "".join(
        f"{d},{r},{u},a\n" for d, r, u in rows
    )
    found = read_recovery(table(tmp_path, text))
    volumes = [math.pi * d**3 / 6000 for d, _, _ in rows]
    expected = fit_recovery(volumes, [r for _, r, _ in rows], [u for _, _, u in rows])
    assert found.b1_ml == pytest.approx(expected.b1_ml)
    assert found.covariance[0, 0] == pytest.approx(expected.covariance[0, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recovery\n0.2\n0.3\n", "volume_ml or diameter_mm"),
        ("volume_ml,diameter_mm,recovery\n1,2,0.2\n", "one of them"),
        ("volume_ml\n1\n", "needs the columns"),
        ("volume_ml,recovery\n1,\n", "recovery is '', not a number"),
        ("volume_ml,recovery\n1,half\n", "'half', not a number"),
        ("volume_ml,recovery\n1,0.5\n", "two different volumes"),
        ("", "needs the columns"),
    ],
)
def test_tables_that_cannot_be_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_recovery(table(tmp_path, text), 0.05)


def test_an_unstated_uncertainty_is_not_guessed(tmp_path):
    with pytest.raises(InputError, match="recovery_uncertainty"):
        read_recovery(table(tmp_path, "volume_ml,recovery\n1,0.3\n10,0.8\n"))


def test_falling_recovery_and_missing_files_are_refused(tmp_path):
    with pytest.raises(PhysicsError):
        read_recovery(table(tmp_path, "volume_ml,recovery\n1,0.8\n10,0.3\n"), 0.05)
    with pytest.raises(InputError, match="cannot be read"):
        read_recovery(tmp_path / "none.csv", 0.05)


def test_a_number_of_uncertainties_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="2 uncertainties are given for 3"):
        fit_recovery([1, 2, 3], [0.2, 0.3, 0.4], [0.05, 0.05])


def test_a_dead_time_curve_is_read(tmp_path):
    path = table(tmp_path, "observed_cps,true_cps\n1000,1010\n9000,10000\n")
    curve = read_dead_time_curve(path)
    assert curve.true_rate(9000.0) == 10000.0
    assert curve.name == "table.csv"
    with pytest.raises(InputError, match="columns observed_cps and true_cps"):
        read_dead_time_curve(table(tmp_path, "observed,true\n1,2\n"))
