"""Every setting is declared once; options, columns, arguments, help and schema follow from the declaration."""

import json
import re
import tomllib
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest

from y90voxel.case.setting_names import (
    all_keys,
    manifest_columns,
    named_settings,
    nested,
    options_of,
    settings_from_arguments,
)
from y90voxel.case.settings import StudySettings, load_settings
from y90voxel.cli.schema_command import case_file_schema
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.deconvolution import DEFAULT_ITERATIONS

ROOT = Path(__file__).resolve().parents[2]
# What an option of each kind may be typed as, where any text will not do.
TYPED = {
    "activity": "2.4 GBq", "residual": "60 MBq", "activity_time": "2026-03-02T10:30", "residual_time": "2026-03-02T11:30",
    "time": "2026-03-02T10:30", "injection_time": "2026-03-02T10:30", "calibration_time": ["2026-03-01T12:00"],
    "lung_shunt": "6 %", "nuclide": "Ho-166", "time_zone": "+02:00", "liver_density": "1.03", "grid": "4",
    "acquisition_time": "2026-03-02T14:30", "accept": ["units-swapped"],
    "target_uncertainty": "1%", "role": ["Segment 8=tumour"], "isocontour": ["tumour=40%"], "goal": ["GTV1 mean >= 205"],
    "sphere_activity": "340 Bq", "limit": ["liver mean <= 60"], "previous_lung_dose": [3.0], "previous": ["OUT"],
    "residual_fraction": "2 %", "verify_engine": 200_000,
}  # fmt: skip


def typed_value(one):
    """A value that may be typed for an option."""
    if one.kind is bool:
        return True
    if one.choices and one.name not in TYPED:
        return one.choices[-1]
    return TYPED.get(
        one.name, {int: 7, float: 1.7, str: "1.2.3", tuple[str, str]: ("a.nii", "b.nii")}[one.kind]
    )


@pytest.mark.parametrize("command", ["dose", "plan", "batch", "dvh"])
def test_every_option_reaches_the_setting_that_declares_it(command):
    options = options_of(command)
    assert options
    for one in options:
        tables = nested(one.path, one.value(typed_value(one)))
        if one.path[:2] == ("plan", "order"):  # an order needs both of its times
            order = {"injection_time": "2026-03-02T10:30", "calibration_times": ["2026-03-01T12:00"]}
            tables = {"plan": {"order": order | tables["plan"]["order"]}}
        changed, plain = load_settings(None, tables).as_dict(), StudySettings().as_dict()
        for key in one.path:
            changed, plain = changed[key], (plain or {}).get(key)
        assert changed != plain, one.setting.flag


@pytest.mark.parametrize("command", ["dose", "plan", "batch", "dvh"])
def test_an_option_that_is_not_typed_says_nothing(command):
    for one in options_of(command):
        assert one.value(False if one.kind is bool else None) is None
        assert not one.repeated or one.value([]) is None


def test_every_setting_has_a_help_and_says_its_choices():
    for one in named_settings():
        assert one.help.strip(), one.path
        assert "{" not in one.help, one.path
        assert (
            not one.choices
            or all(choice in one.help for choice in one.choices)
            or one.setting.sets is not None
        )


def test_flags_and_columns_and_arguments_are_unique_or_meant_together():
    by_flag = {}
    for one in named_settings():
        by_flag.setdefault(one.setting.flag, []).append(one.path)
    shared = {flag: paths for flag, paths in by_flag.items() if flag and len(paths) > 1}
    assert shared == {"--seed": [("monte_carlo", "seed"), ("uncertainty", "seed")]}


def test_the_columns_of_a_manifest_are_those_of_the_first_release():
    first = {
        "nuclide", "activity", "activity_time", "residual", "residual_time", "lung_shunt", "lung_shunt_fraction", "time",
        "time_zone", "device", "calibration", "calibration_region", "calibration_factor", "acquisition_duration",
        "dose_constant", "engine", "liver_density", "grid", "emission_series", "ct_series", "regions_series", "label",
        "acquisition_time", "decay_reference",
    }  # fmt: skip
    later = {"verify_engine"}
    assert first | later == set(manifest_columns())
    for dotted in manifest_columns().values():
        assert dotted.split(".")[0] in StudySettings.model_fields


def test_arguments_take_becquerels_and_tables():
    settings = settings_from_arguments(
        {
            "activity_bq": 2.4e9,
            "residual_bq": 6e7,
            "time": datetime(2026, 3, 2, 10, 30),
            "roles": {"Segment 8": "tumour"},
            "compare_lung_methods": False,
            "grid": 4.0,
            "device": None,
            "patient": {"height_m": 1.7},
            "injections": [{"activity_bq": 1e9, "territory": "left"}],
        }
    )
    given = settings.administration
    assert (given.activity, given.residual, given.device) == (2.4e9, 6e7, None)
    assert (settings.lung.compare_methods, settings.dose.grid, settings.patient.height_m) == (False, 4.0, 1.7)
    assert (settings.injection[0].activity, settings.injection[0].territory) == (1e9, "left")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activty_bq": 1e9}, "did you mean 'activity_bq'"),
        ({"injections": [{"teritory": "left"}]}, "did you mean 'territory'"),
        ({"xyzzy": 1}, r"takes no argument 'xyzzy'$"),
    ],
)
def test_an_unknown_argument_is_refused_with_the_nearest(arguments, message):
    with pytest.raises(TypeError, match=message):
        settings_from_arguments(arguments)


def test_an_injection_takes_what_it_lacks_from_the_administration():
    tables = {
        "administration": {"lung_shunt_fraction": 0.05, "time": "2026-03-02T10:30"},
        "injection": [{"activity": "1 GBq"}, {"activity": "2 GBq", "lung_shunt_fraction": 0.1}],
    }
    first, second = load_settings(None, tables).injections
    assert (first.activity, first.lung_shunt_fraction, first.time) == (
        1e9,
        0.05,
        datetime(2026, 3, 2, 10, 30),
    )
    assert (second.lung_shunt_fraction, second.time) == (0.1, datetime(2026, 3, 2, 10, 30))


def test_the_published_schema_is_that_of_the_settings():
    assert (ROOT / "docs" / "case.schema.json").read_text(encoding="utf-8") == case_file_schema()


def test_no_help_in_the_schema_ends_in_an_empty_list():
    """A value that is the only one, and the values of a list, stand where the help says so."""
    told = case_file_schema()
    assert not re.search(r": ?\.|\{choices\}", told)
    assert "may be repeated: activity-beyond-reason, liver-beyond-reason or units-swapped." in told
    assert "Deconvolution of the whole image: richardson-lucy." in told


@pytest.mark.parametrize(
    "path", [ROOT / "sample_data" / "case.toml", *sorted((ROOT / "docs" / "three_patients").glob("*.toml"))]
)
def test_the_schema_accepts_the_case_files_of_the_project(path):
    document = json.loads(json.dumps(tomllib.loads(path.read_text(encoding="utf-8")), default=str))
    assert list(jsonschema.Draft202012Validator(json.loads(case_file_schema())).iter_errors(document)) == []


@pytest.mark.parametrize(
    "tables",
    [
        {"dose": {"engin": "local"}},
        {"dose": {"engine": "magic"}},
        {"administration": {"activity": 2.4}},
        {"nonsense": {}},
    ],
)
def test_the_schema_refuses_what_the_settings_refuse(tables):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tables, json.loads(case_file_schema()))


def test_the_default_iterations_are_those_of_the_deconvolution():
    assert StudySettings().partial_volume.iterations == DEFAULT_ITERATIONS


def test_keys_of_the_contract_are_settings():
    contract = (
        "administration.nuclide administration.activity administration.activity_time administration.residual "
        "administration.residual_time administration.lung_shunt_fraction administration.time administration.device "
        "dose.calibration dose.calibration_region dose.calibration_factor dose.dose_constant_gy_kg_per_gbq dose.engine "
        "dose.liver_density dose.register dose.grid regions.roles output.report output.anonymise plan.disease plan.scenario"
    )
    declared = {".".join(one.path) for one in named_settings()}
    assert set(contract.split()) <= declared


def test_help_of_the_program_repeats_the_first_line_of_each_command():
    from importlib import import_module

    from y90voxel.cli.main import COMMANDS

    for name, text in COMMANDS.items():
        called = name.replace("-", "_")
        function = getattr(import_module(f"y90voxel.cli.{called}_command"), called)
        assert re.split(r"\n\s*\n", function.__doc__)[0].strip() == text


def test_the_choices_of_the_calibration_are_those_of_the_quantification():
    fields = {one.path: one.choices for one in named_settings()}
    assert fields["dose", "calibration"] == tuple(CalibrationMode)
    assert fields["dose", "calibration_region"] == tuple(CalibrationRegion)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dome_margin_mm", "  [default: 20.0]"), ("iterations", "  [default: 10]"), ("engine", "  [default: auto]"),
        ("seed", "  [default: 0]"), ("residual_fraction", ""), ("device", ""), ("no_report", ""),
    ],
)  # fmt: skip
def test_help_says_the_default_that_there_is(name, shown):
    """Nothing where nothing holds, and none of a switch; a seed of 0 is one."""
    found = next(one for one in named_settings() if one.name == name)
    said = found.help.partition("  [default: ")
    assert "".join(said[1:]) == shown


@pytest.mark.parametrize("name", ["emission", "ct", "seed", "histories", "height_m", "scenario", "codes"])
def test_no_argument_of_a_case_is_what_reading_chose_or_a_whole_table_holds(name):
    """The series were chosen while the study was read; engines, patient and plan have tables of their own."""
    with pytest.raises(TypeError, match=f"a case takes no argument '{name}'"):
        settings_from_arguments({name: 1})


def test_what_is_stated_of_a_series_is_an_argument():
    found = settings_from_arguments({"acquisition_time": "2026-03-02T14:30", "decay_reference": "START"})
    assert (found.series.acquisition_time, found.series.decay_reference) == (
        datetime(2026, 3, 2, 14, 30),
        "START",
    )


@pytest.mark.parametrize(
    ("path", "kind", "repeated"),
    [
        ("administration.activity", str, False),
        ("administration.lung_shunt_fraction", str, False),
        ("administration.time", str, False),
        ("dose.grid", str, False),
        ("dose.register", str, False),
        ("dose.verify_engine", int, False),
        ("dose.dome_margin_mm", float, False),
        ("dose.density_calibration", str, True),
        ("plan.greatest_activity", str, True),
        ("plan.split", float, True),
        ("plan.previous_lung_doses_gy", float, True),
        ("plan.order.calibration_times", str, True),
        ("regions.roles", str, True),
        ("accept.codes", str, True),
        ("noise.halves", tuple[str, str], False),
        ("output.report", str, False),
    ],
)
def test_how_a_value_is_typed_follows_from_its_type(path, kind, repeated):
    found = next(one for one in named_settings() if ".".join(one.path) == path)
    assert (found.kind, found.repeated) == (kind, repeated)


def test_nothing_is_nested_as_nothing():
    assert nested(("dose", "grid"), None) == {}
    assert nested(("output", "report"), False) == {"output": {"report": False}}


def test_keys_are_those_of_tables_that_may_be_absent_and_of_what_the_user_names():
    """Columns of a manifest and slips in them are compared with these."""
    keys = set(all_keys())
    expected = {
        "patient.height_m", "patient.afp.unit", "dead_time.curve", "plan.order.model", "plan.anatomy.tumour_volume_ml",
        "regions.roles.*", "regions.isocontour.tumour", "regions.isocontour.perfused", "radiobiology.tumour.alpha_beta_gy",
        "plan.objective.*", "dose.register", "noise.halves", "plan.goal",
    }  # fmt: skip
    assert keys >= expected
    assert len(all_keys()) == len(keys)
    assert not keys & {
        "patient",
        "dead_time",
        "scanner",
        "injection",
        "radiobiology.*",
        "regions.isocontour.*",
    }
    assert not [key for key in keys if key.startswith(".") or "register_" in key or "roles.tumour" in key]
