import pytest

from y90voxel.errors import InputError
from y90voxel.planning import (
    albi_grade,
    albi_score,
    albumin_g_per_l,
    bilirubin_mg_per_dl,
    bilirubin_umol_per_l,
    child_pugh_class,
    child_pugh_points,
)


@pytest.mark.parametrize(
    ("score", "grade"), [(-2.61, 1), (-2.60, 1), (-2.59, 2), (-1.39, 2), (-1.38, 3), (1.0, 3)]
)
def test_albi_grades_at_their_boundaries(score, grade):
    """Johnson et al. 2015: up to -2.60, up to -1.39, above."""
    assert albi_grade(score) == grade


def test_units_convert_and_turn_back():
    assert bilirubin_umol_per_l(1.1) == pytest.approx(18.81)
    assert bilirubin_mg_per_dl(bilirubin_umol_per_l(0.7)) == pytest.approx(0.7)
    assert albi_score(bilirubin_umol_per_l(27 / 17.1), albumin_g_per_l(3.9)) == pytest.approx(
        -2.370, rel=1e-3
    )


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ((33.9, 35.1, 1.69, "none", 0), 5),
        ((34.0, 35.0, 1.7, "mild", 1), 10),
        ((50.0, 28.0, 2.3, "mild", 2), 10),
        ((50.1, 27.9, 2.31, "moderate", 3), 15),
        ((10.0, 40.0, 1.0, "none", 4), 7),
    ],
)
def test_child_pugh_points_at_their_boundaries(values, points):
    assert child_pugh_points(*values) == points


@pytest.mark.parametrize(("points", "letter"), [(5, "A"), (6, "A"), (7, "B"), (9, "B"), (10, "C"), (15, "C")])
def test_child_pugh_classes(points, letter):
    assert child_pugh_class(points) == letter


@pytest.mark.parametrize(
    ("bilirubin", "albumin", "message"),
    [
        (0.0, 40, "bilirubin must be positive"),
        (10, 0.0, "albumin must be positive"),
        (10, 3.9, "39 for 3.9 g/dL"),
        (10, 390, "not possible"),
    ],
)
def test_bad_blood_values_are_refused(bilirubin, albumin, message):
    with pytest.raises(InputError, match=message):
        albi_score(bilirubin, albumin)
    with pytest.raises(InputError, match=message):
        child_pugh_points(bilirubin, albumin, 1.0, "none", 0)


def test_bad_findings_are_refused():
    with pytest.raises(InputError, match="INR must be positive"):
        child_pugh_points(10, 40, 0.0, "none", 0)
    with pytest.raises(InputError, match="none, mild or moderate, got 'some'"):
        child_pugh_points(10, 40, 1.0, "some", 0)
    with pytest.raises(InputError, match="0 to 4, got 5"):
        child_pugh_points(10, 40, 1.0, "none", 5)
    with pytest.raises(InputError, match="between 5 and 15, got 16"):
        child_pugh_class(16)
    with pytest.raises(InputError, match="must be finite"):
        albi_grade(float("nan"))
    for convert in (bilirubin_umol_per_l, bilirubin_mg_per_dl, albumin_g_per_l):
        with pytest.raises(InputError):
            convert(-1.0)
