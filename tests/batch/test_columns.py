"""Columns of a manifest: a setting in any case, refused when it is nearly one, carried through otherwise."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from y90voxel.batch.columns import (
    SETTINGS,
    STUDY_COLUMNS,
    USUAL,
    dotted_only,
    read_columns,
)
from y90voxel.batch.manifest import read_manifest
from y90voxel.batch.run_batch import run_batch
from y90voxel.case.setting_names import all_keys
from y90voxel.errors import InputError
from y90voxel.near_names import LONG_NAME, edit_distance

# What people have in tables of patients, and what earlier versions carried.
CARRIED = (
    "age sex gender arm group site centre center hospital country comment notes response best_response "
    "objective_response responder mrecist recist survival_days os_months os_days os_event "
    "overall_survival_months pfs_months event death died time_to_progression ttp t n m bclc ecog child_pugh "
    "albi afp bilirubin albumin ascites cirrhosis etiology hbv hcv pvt lesions tumour_size stage grade lobe "
    "date treatment_date operator scanner vendor batch cohort visit session cycle prior_tace remission "
    "admission cause race weight height wt ht bmi patient patient_id id mrn name initials dob lsf spheres "
    "particles vial planned_dose tumour_dose score status type phase crp hct ctx ctp cr pt os pfs baseline lab "
    "labs dose volume year number index x y "
)
EVERY = [*STUDY_COLUMNS, *SETTINGS, *(key.replace("*", "Segment 1") for key in all_keys())]


def columns(tmp_path, *names, cell="x"):
    return read_columns(tmp_path / "cohort.csv", [dict.fromkeys(names, cell)])


def fate(tmp_path, name, cell="x"):
    """What becomes of a column: used, refused or carried."""
    try:
        return "carried" if columns(tmp_path, name, cell=cell)[name] is None else "used"
    except InputError:
        return "refused"


@pytest.mark.parametrize("name", CARRIED.split())
def test_facts_of_patients_are_carried_through(tmp_path, name):
    assert {fate(tmp_path, spelt) for spelt in (name, name.upper(), name.title())} == {"carried"}


@pytest.mark.parametrize("name", EVERY)
def test_settings_count_in_any_case(tmp_path, name):
    meaning = columns(tmp_path, name)[name]
    assert meaning is not None
    fixed, _, own = name.partition("Segment 1")
    for spelt in (fixed.upper(), fixed.title(), f" {fixed.swapcase()}"):
        column = f"{spelt}Segment 1{own}" if "Segment 1" in name else spelt
        assert columns(tmp_path, column)[column] == meaning


@st.composite
def slips(draw):
    """A setting or file column with one letter added, left out, changed or swapped, in any case."""
    name = draw(st.sampled_from(EVERY))
    fixed, own = (name[: name.index("Segment 1")], "Segment 1") if "Segment 1" in name else (name, "")
    place = draw(st.integers(0, len(fixed) - 1))
    letter = draw(st.sampled_from([*string.ascii_letters, *string.digits, "_", "-", " ", "."]))
    before, here, after = fixed[:place], fixed[place], fixed[place + 1 :]
    slip = draw(
        st.sampled_from(
            (
                before + letter + here + after,
                before + after,
                before + letter + after,
                before + after[:1] + here + after[1:],
            )
        )
    )
    return draw(st.sampled_from((slip, slip.upper(), slip.title()))) + own


SLIPS = slips().filter(
    lambda name: name.strip().lower() not in USUAL
)  # facts of patients, a test of their own


@settings(max_examples=150)
@given(SLIPS)
def test_a_slip_of_the_pen_is_refused_or_used_and_never_ignored(tmp_path_factory, name):
    assert fate(tmp_path_factory.getbasetemp(), name, cell="scans/ct.nii.gz") in ("refused", "used")


@pytest.mark.slow
@settings(max_examples=2000)
@given(SLIPS)
def test_no_slip_of_many_is_ignored(tmp_path_factory, name):
    assert fate(tmp_path_factory.getbasetemp(), name, cell="scans/ct.nii.gz") in ("refused", "used")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("residaul", "residual"),
        ("Residul", "residual"),
        ("devcie", "device"),
        ("lung shunt", "lung_shunt"),
        ("timezone", "time_zone"),
        ("region", "regions"),
        ("dose.engin", "dose.engine"),
        ("dose_engine", "dose.engine"),
        ("region.roles.Segment 1", "regions.roles.NAME"),
        ("regions.rolesSegment 1", "regions.roles.NAME"),
    ],
)
def test_the_refusal_suggests_the_setting(tmp_path, name, expected):
    with pytest.raises(InputError, match="would be ignored: ") as caught:
        columns(tmp_path, "study", name, "age")
    assert f"{name!r} is nearly {expected!r}" in caught.value.message
    assert "Nothing was computed" in caught.value.message


@pytest.mark.parametrize(("option", "key"), dotted_only().items())
def test_options_that_are_columns_under_another_name_are_refused_with_it(tmp_path, option, key):
    with pytest.raises(InputError, match=f"{option!r} is an option of dose") as caught:
        columns(tmp_path, "study", option)
    assert repr(key) in caught.value.message
    assert key.replace("NAME", "*") in all_keys()


def test_all_misspelt_columns_are_named_at_once(tmp_path):
    with pytest.raises(InputError, match=r"'residaul' is nearly 'residual'; 'devise' is nearly 'device'"):
        columns(tmp_path, "study", "residaul", "devise")


@pytest.mark.parametrize(
    ("name", "setting", "distance", "expected"),
    [
        ("nuclides", "nuclide", 1, "refused"),
        ("nukleide", "nuclide", 2, "carried"),  # seven letters: one slip
        ("residua", "residual", 1, "refused"),
        ("residue", "residual", 2, "refused"),  # eight: two
        ("resident", "residual", 3, "carried"),
    ],
)
def test_both_sides_of_the_nearness(tmp_path, name, setting, distance, expected):
    assert (len(setting) >= LONG_NAME) is (setting == "residual")
    assert edit_distance(name, setting) == distance
    assert fate(tmp_path, name) == expected


def test_a_short_name_is_refused_only_where_it_names_files(tmp_path):
    (tmp_path / "scan").mkdir()
    for cell, expected in (("41", "carried"), (None, "carried"), ("x.mha", "refused"), ("scan", "refused")):
        assert fate(tmp_path, "hct", cell=cell) == expected


@pytest.mark.parametrize("name", ["activity_GBq", "residual (MBq)", "Residual_mCi", "lung_shunt_percent"])
def test_a_setting_with_its_unit_is_refused_unless_the_setting_is_there(tmp_path, name):
    with pytest.raises(InputError, match="with a unit, which belongs into the cells"):
        columns(tmp_path, "study", name)
    settings_ = ("study", "activity", "residual", "lung_shunt")
    assert columns(tmp_path, *settings_, name)[name] is None


def test_a_key_that_its_table_does_not_have_is_refused_for_the_whole_manifest(tmp_path):
    with pytest.raises(InputError, match=r"'patient.nickname' is no setting of the table patient"):
        columns(tmp_path, "study", "patient.nickname")
    assert columns(tmp_path, "study", "lab.sodium")["lab.sodium"] is None


@pytest.mark.parametrize(
    ("one", "other", "meaning"),
    [
        ("Device", "device", "administration.device"),
        ("lung_shunt", "lung_shunt_fraction", "administration.lung_shunt_fraction"),
        ("engine", "Dose.Engine", "dose.engine"),
        ("Study", "study", "study"),
    ],
)
def test_two_columns_of_one_meaning_are_refused(tmp_path, one, other, meaning):
    with pytest.raises(InputError, match=f"both mean {meaning}"):
        columns(tmp_path, one, other)


def test_nothing_is_computed_with_a_misspelt_column(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "cohort.csv").write_text("study,activity,residaul\na,2 GBq,\n")
    with pytest.raises(InputError, match="'residaul' is nearly 'residual'"):
        run_batch(tmp_path / "cohort.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*/metrics.json"))


def test_settings_in_any_case_reach_the_study(tmp_path):
    for name in ("a", "liver.nii", "GTV 1.nii"):
        (tmp_path / name).mkdir()
    (tmp_path / "cohort.csv").write_text(
        "Study,Device,Lung_Shunt,Dose.Engine,Regions.Roles.Segment 1,Regions,Age\n"
        "a,resin,0.06,local,tumour,liver.nii | GTV 1.nii,71\n"
    )
    (unit,) = read_manifest(tmp_path / "cohort.csv")
    assert unit.problem is None
    assert unit.settings == {
        "administration": {"device": "resin", "lung_shunt_fraction": "0.06"},
        "dose": {"engine": "local"},
        "regions": {"roles": {"Segment 1": "tumour"}},
    }
    assert unit.columns == {"Age": "71"}
    assert unit.files == {"regions": (tmp_path / "liver.nii", tmp_path / "GTV 1.nii")}
    assert unit.named_files(resolved=False)["regions"] == [str(file) for file in unit.all_files]


def test_a_file_that_one_of_several_does_not_name_is_the_rows_problem(tmp_path):
    for name in ("a", "liver.nii"):
        (tmp_path / name).mkdir()
    (tmp_path / "cohort.csv").write_text("study,regions\na,liver.nii|gone.nii\n")
    (unit,) = read_manifest(tmp_path / "cohort.csv")
    assert unit.problem.startswith("row 2 of cohort.csv: there is no file or folder")
    assert "gone.nii" in unit.problem
