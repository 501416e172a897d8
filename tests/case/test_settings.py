from datetime import datetime

import pytest

from y90voxel.case.plan_settings import PlanSettings
from y90voxel.case.settings import StudySettings, load_settings, merge, named_values, read_case_file
from y90voxel.errors import InputError

CASE = """
[administration]
nuclide = "Ho-166"
activity = "2.4 GBq"
activity_time = 2026-03-02T10:30:00
lung_shunt_fraction = "planar"
device = "ho166"

[dose]
engine = "local"
liver_density = "ct"
register = "trust"

[regions.roles]
"Segment 8" = "tumour"

[radiobiology.tumour]
alpha_beta_gy = 10
repair_half_time_h = 1.5

[[injection]]
activity = "1 GBq"
territory = "Perfused 1"
"""


def write(tmp_path, text):
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_case_file_is_read(tmp_path):
    settings = load_settings(write(tmp_path, CASE))
    assert settings.administration.activity == 2.4e9
    assert settings.administration.activity_time == datetime(2026, 3, 2, 10, 30)
    assert settings.administration.lung_shunt_fraction == "planar"
    assert (settings.dose.liver_density, settings.dose.register_) == ("ct", "trust")
    assert settings.regions.roles == {"Segment 8": "tumour"}
    assert settings.injection[0].territory == "Perfused 1"
    assert settings.as_dict()["radiobiology"]["tumour"]["alpha_beta_gy"] == 10


def test_an_option_beats_the_file(tmp_path):
    options = {"administration": {"activity": "1 GBq", "device": None}, "dose": {"grid": "4"}}
    settings = load_settings(write(tmp_path, CASE), options)
    assert settings.administration.activity == 1e9
    assert settings.administration.device == "ho166"
    assert settings.dose.grid == 4.0


def test_defaults_are_those_of_the_contract():
    settings = StudySettings()
    assert settings.administration.nuclide == "Y-90"
    assert settings.dose.calibration_region == "liver"
    assert settings.dose.engine == "auto"
    assert settings.dose.liver_density == 1.05
    assert settings.dose.grid == "emission"
    assert settings.output.report is True


@pytest.mark.parametrize(
    ("table", "key", "value", "message"),
    [
        ("dose", "engin", "local", "dose.engin is not a setting"),
        ("dose", "engine", "magic", "dose.engine = 'magic'"),
        ("dose", "grid", "abc", "dose.grid = 'abc'"),
        ("dose", "grid", [4.0], "dose.grid = [4.0]: [4.0] is not a number"),
        ("dose", "grid", True, "dose.grid = True: True is not a number"),
        ("dose", "liver_density", [1.0], "dose.liver_density = [1.0]: [1.0] is not a number"),
        ("dose", "liver_density", False, "dose.liver_density = False: False is not a number"),
        ("dose", "calibration_factor", -1, "must be above zero"),
        ("administration", "activity", "2.4", "cannot read '2.4'"),
        ("administration", "activity", 2.4, "has no unit"),
        ("administration", "lung_shunt_fraction", "6", "outside 0 to 1"),
        ("administration", "time", "yesterday", "administration.time = 'yesterday'"),
        ("administration", "device", "plastic", "'glass', 'resin' or 'ho166'"),
        ("radiobiology", "spleen", {}, "radiobiology.spleen"),
        ("plan", "split", [float("inf"), 1.0], "plan.split.0 = inf: Input should be a finite number"),
        ("plan", "objective", {"all tumours": float("inf")}, "should be a finite number"),
        ("plan", "perfused_dose_gy", float("inf"), "should be a finite number"),
        ("plan", "perfused_dose_gy", float("nan"), "should be a finite number"),
        ("patient", "weight_kg", float("inf"), "should be a finite number"),
        ("patient", "weight_kg", True, "patient.weight_kg = True: True is not a number"),
        ("patient", "ecog", False, "patient.ecog = False: False is not a number"),
        ("plan", "split", [1.0, True], "True is not a number"),
        ("plan", "objective", {"liver": 1.0, "GTV": True}, "True is not a number"),
        ("plan", "residual_fraction", True, "True is not a number"),
        ("dose", "verify_engine", True, "True is not a number"),
        ("monte_carlo", "seed", False, "False is not a number"),
        ("uncertainty", "samples", True, "True is not a number"),
    ],
)
def test_what_is_not_understood_is_named(table, key, value, message):
    with pytest.raises(InputError, match="settings cannot be used") as caught:
        load_settings(None, {table: {key: value}} if value != {} else {table: {key: {"alpha_beta_gy": 1}}})
    assert message in str(caught.value)
    assert caught.value.tag.startswith(table)


@pytest.mark.parametrize("text", ["[dose", "dose = ", "\x00"])
def test_a_broken_file_is_named(tmp_path, text):
    with pytest.raises(InputError, match=r"case\.toml cannot be read"):
        load_settings(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml cannot be read"):
        load_settings(tmp_path / "none.toml")


def test_merge_goes_table_by_table_and_keeps_the_base():
    base = {"a": {"x": 1, "y": 2}, "b": 3}
    assert merge(base, {"a": {"y": 5, "z": None}, "c": {"q": None}}) == {"a": {"x": 1, "y": 5}, "b": 3}
    assert base == {"a": {"x": 1, "y": 2}, "b": 3}


@pytest.mark.parametrize("scenario", [None, "lobectomy", "segmentectomy", "unilobar", "bilobar"])
@pytest.mark.parametrize("intent", [None, "hypertrophy"])
def test_hypertrophy_is_wanted_of_a_lobectomy_alone(intent, scenario):
    given = {"intent": intent, "scenario": scenario}
    if intent == "hypertrophy" and scenario not in (None, "lobectomy"):
        with pytest.raises(ValueError, match=f"but scenario = {scenario}; correct one of them"):
            PlanSettings.model_validate(given)
    else:
        assert PlanSettings.model_validate(given).intent == intent


@pytest.mark.parametrize(
    ("function", "liver_function", "refused"),
    [("good", "good", False), ("good", None, False), (None, "poor", False), ("good", "poor", True)],
)
def test_liver_function_under_both_of_its_names_is_one(function, liver_function, refused):
    given = {"function": function, "liver_function": liver_function}
    if refused:
        with pytest.raises(ValueError, match="contradict each other; give one of them"):
            PlanSettings.model_validate(given)
    else:
        assert PlanSettings.model_validate(given).context.liver_function == (function or liver_function)


def test_files_that_a_case_names_lie_beside_it(tmp_path):
    path = write(
        tmp_path,
        'scanner = "s.toml"\n[partial_volume]\nrecovery = "r.csv"\n[dead_time]\ncurve = "/abs/c.csv"\n'
        '[noise]\nhalves = ["a.nii", "b.nii"]\n[plan]\nprevious = ["OUT"]\n[regions]\nroles = {curve = "tumour"}\n',
    )
    read = read_case_file(path)
    assert read == {
        "scanner": str(tmp_path / "s.toml"),
        "partial_volume": {"recovery": str(tmp_path / "r.csv")},
        "dead_time": {"curve": "/abs/c.csv"},
        "noise": {"halves": [str(tmp_path / "a.nii"), str(tmp_path / "b.nii")]},
        "plan": {"previous": [str(tmp_path / "OUT")]},
        "regions": {"roles": {"curve": "tumour"}},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scanner = 5", "scanner = 5"),
        ("partial_volume = 5", "partial_volume = 5"),
        ('partial_volume = "recovery"', "partial_volume = 'recovery'"),
        ("[partial_volume]\nrecovery = 5", "partial_volume.recovery = 5"),
        ("[plan]\nprevious = 5", "plan.previous = 5"),
    ],
)
def test_a_file_that_is_no_text_is_refused_by_its_key(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        load_settings(write(tmp_path, text))


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        ("Segment 8=tumour", {"Segment 8": "tumour"}),
        (" a = b = c ", {"a = b": "c"}),
        ("tumour", None),
        ("=tumour", None),
        ("  =tumour", None),
    ],
)
@pytest.mark.parametrize(("option", "kind"), [("--role", "NAME=ROLE"), ("--isocontour", "ROLE=PERCENT")])
def test_pairs_of_an_option_name_something(option, kind, pair, found):
    if found is None:
        with pytest.raises(InputError, match=f"^{option} '{pair}' is not {kind}, such as") as caught:
            named_values([pair], option)
        assert caught.value.tag == option
    else:
        assert named_values([pair], option) == found


@pytest.mark.parametrize(
    ("typed", "stands", "registers"),
    [
        ("refuse", "refuse", None),
        ("trust", "trust", None),
        ("rigid", "rigid", "rigid"),
        ("deformable", "deformable", "deformable"),
        ("align", "rigid", "rigid"),
    ],
)
def test_what_is_done_about_frames(typed, stands, registers):
    dose = StudySettings.model_validate({"dose": {"register": typed}}).dose
    assert (dose.register_, dose.registration) == (stands, registers)


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"grid": " CT "}, "ct"),
        ({"grid": "Emission"}, "emission"),
        ({"grid": "4"}, 4.0),
        ({"grid": 4}, 4.0),
        ({"liver_density": " CT "}, "ct"),
        ({"liver_density": "1.03"}, 1.03),
        ({"liver_density": 1}, 1.0),
    ],
)
def test_words_and_numbers_of_the_dose_table(table, found):
    ((key, _),) = table.items()
    assert getattr(StudySettings.model_validate({"dose": table}).dose, key) == found


def test_one_injection_is_the_administration_itself():
    settings = StudySettings.model_validate({"administration": {"activity": "1 GBq"}})
    assert settings.injections == (settings.administration,)


@pytest.mark.parametrize(
    ("table", "asked"),
    [
        ({}, False),
        ({"recovery": "r.csv"}, True),
        ({"method": "richardson-lucy", "fwhm_mm": 6.0}, True),
        ({"fwhm_mm": 6.0}, False),
        ({"method": "richardson-lucy"}, None),
    ],
)
def test_a_deconvolution_needs_the_resolution(table, asked):
    if asked is None:
        with pytest.raises(ValueError, match="the method richardson-lucy needs fwhm_mm"):
            StudySettings.model_validate({"partial_volume": table})
    else:
        assert StudySettings.model_validate({"partial_volume": table}).partial_volume.asked is asked


def test_true_and_false_are_what_a_switch_takes():
    given = {"output": {"report": False}, "plan": {"pretreated": True}, "lung": {"compare_methods": False}}
    settings = StudySettings.model_validate(given)
    assert (settings.output.report, settings.plan.pretreated) == (False, True)
    assert settings.lung.compare_methods is False
    assert StudySettings.model_validate({"uncertainty": {"samples": 1}}).uncertainty.samples == 1
