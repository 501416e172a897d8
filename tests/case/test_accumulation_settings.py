"""The case file of accumulate and its options: each fact reaches its treatment, or is refused."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from y90voxel.case.accumulation_settings import TreatmentFacts, facts_of, read_accumulation_settings
from y90voxel.errors import InputError


def read(folder, text, **options):
    path = folder / "case.toml"
    path.write_text(text)
    return read_accumulation_settings(path, options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[treatment]\npath = "a.dcm"\nfractions = 5',
            r"treatment is a list of a table each, \[\[treatment\]\]",
        ),
        ('treatment = ["a.dcm"]', "treatment is a list"),
        ("treatment = 5", "treatment is a list"),
        ('limit = "lungs mean <= 50"', "limit is a list of texts, got 'lungs mean <= 50'"),
        ("limit = [50]", "limit is a list of texts"),
        ('registration = "x.dcm"', "registration is a list of paths, got 'x.dcm'"),
        ("registration = 5", "registration is a list of paths"),
        (
            '[[treatment]]\npath = "a"\nfractions = 5\n[[treatment]]\npath = "a"\ndate = 2026-03-02',
            "describes the treatment 'a' twice",
        ),
        ("[[treatment]]\nfractions = 5", "treatment.0.path"),
        ('[[treatment]]\npath = "a"\nfractions = 0', "fractions = 0: .*must be 1 or more"),
        ('[[treatment]]\npath = "a"\ndoses = 0', "doses is not a setting"),
        ("limits = []", "limits is not a setting"),
        ("limit = [", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_passed_over(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["a.dcm", "=5", "a.dcm 5", "a.dcm=", "a.dcm= "])
@pytest.mark.parametrize("option", ["fractions", "ct"])
def test_an_option_of_a_treatment_names_it_and_says_something(option, text):
    with pytest.raises(InputError, match=f"--{option} .* is not FILE=VALUE"):
        read_accumulation_settings(None, {option: [text]})


@pytest.mark.parametrize(("second", "refused"), [("a=5", False), ("b=7", False), ("a=7", True)])
def test_two_values_of_one_option_for_one_file_are_refused(second, refused):
    """The last one counted."""
    if refused:
        with pytest.raises(InputError, match="--fractions is given twice for a: 5 and 7"):
            read_accumulation_settings(None, {"fractions": ["a=5", second]})
    else:
        found = read_accumulation_settings(None, {"fractions": ["a=5", second]}).treatment
        assert found[0].fractions == 5


def test_files_lie_beside_the_case_file_and_options_where_the_command_runs(tmp_path):
    text = 'registration = ["r.dcm"]\nlimit = ["a"]\n[[treatment]]\npath = "a"\nct = "ct.nii"'
    found = read(tmp_path, text, registration=["s.dcm"], limit=["b"], ct=["b=ct.nii"])
    assert found.registration == [str(tmp_path / "r.dcm"), "s.dcm"]
    assert found.limit == ["a", "b"]
    assert [one.ct for one in found.treatment] == [str(tmp_path / "ct.nii"), "ct.nii"]


@pytest.mark.parametrize("name", ["sbrt.dcm", "sbrt", "doses/sbrt.dcm"])
def test_an_option_adds_to_what_the_case_file_says_of_the_same_file(tmp_path, name):
    """Whatever each of them calls it."""
    text = '[[treatment]]\npath = "sbrt.dcm"\nfractions = 5\ndate = 2026-03-02'
    settings = read(tmp_path, text, date=[f"{name}=2026-04-01"])
    paths = [Path("other.dcm"), Path("doses/sbrt.dcm")]
    other, sbrt = facts_of(paths, settings)
    assert (other.path, other.fractions, other.date) == ("other.dcm", None, None)
    assert (sbrt.fractions, sbrt.date) == (5, datetime(2026, 4, 1, 12))


@pytest.mark.parametrize(
    ("paths", "said"),
    [(("b.dcm",), "'a.dcm' is none of"), (("x/a.dcm", "y/a.dcm"), "'a.dcm' fits several of")],
)
def test_what_fits_no_treatment_or_several_is_refused(tmp_path, paths, said):
    settings = read(tmp_path, '[[treatment]]\npath = "a.dcm"\nfractions = 5')
    with pytest.raises(InputError, match=said):
        facts_of([Path(path) for path in paths], settings)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (date(2026, 3, 2), datetime(2026, 3, 2, 12)),
        ("2026-03-02", datetime(2026, 3, 2, 12)),
        (datetime(2026, 3, 2, 10, 30), datetime(2026, 3, 2, 10, 30)),
        (datetime(2026, 3, 2, 10, 30, tzinfo=UTC), datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
        ("2026-03-02T10:30", datetime(2026, 3, 2, 10, 30)),
        ("March", None),
        (5, None),
    ],
)
def test_a_day_is_noon_where_no_hour_is_stated(typed, found):
    if found is None:
        with pytest.raises(ValueError, match="not a date; write it like 2026-03-02 or"):
            TreatmentFacts.model_validate({"path": "a", "date": typed})
    else:
        assert TreatmentFacts.model_validate({"path": "a", "date": typed}).date == found


def test_a_fact_may_be_left_open():
    """As a course does whose external beam states the dates of its fractions."""
    assert TreatmentFacts.model_validate({"path": "a", "fractions": None}).fractions is None
    assert TreatmentFacts.model_validate({"path": "a", "fractions": 1}).fractions == 1
