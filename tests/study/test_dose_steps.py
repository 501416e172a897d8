"""A dose from files without a calculation: what is read, which steps are taken in which order, and what a study is chosen by."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from y90voxel.case import dose_uncertainty, engine_check, immune_evaluation, microscale_evaluation
from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.study import run_dose as module
from y90voxel.study.run_dose import _single, make_case, read_chosen, run_study


@pytest.mark.parametrize(
    ("given", "found"),
    [(None, None), ("a.nii", "a.nii"), (Path("a.nii"), Path("a.nii")), (["a.nii"], "a.nii"), ([], None)],
)
def test_an_emission_image_is_one_file(given, found):
    assert _single({"emission": given}, "emission") == found
    assert _single({}, "emission") is None


def test_several_emission_images_are_refused():
    with pytest.raises(InputError, match="2 files are given as ct, one is needed"):
        _single({"ct": ["a.nii", "b.nii"]}, "ct")


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        ({}, (None, False, False)),
        ({"dose": {"register": "trust"}}, (None, True, False)),
        ({"dose": {"register": "rigid"}}, (None, False, "rigid")),
        ({"series": {"emission": "1.2"}}, ("1.2", False, False)),
        (
            {"injection": [{"emission_series": "1.2"}, {"emission_series": "1.3"}]},
            (["1.2", "1.3"], False, False),
        ),
        ({"injection": [{"emission_series": "1.2"}] * 2}, (["1.2"], False, False)),
    ],
)
def test_a_study_is_read_as_the_settings_choose(monkeypatch, tables, found):
    seen = {}
    monkeypatch.setattr(module, "read_study", lambda path, **given: seen.update(given) or "study")
    files = {"regions": ["a", "b"], "ct": ["c"]}
    assert read_chosen("folder", load_settings(None, tables), files, lambda *_: None, ["x"]) == "study"
    assert (seen["emission_series"], seen["trust_frames"], seen["register"]) == found
    assert (seen["regions"], seen["ct"], seen["emission"], seen["only"]) == (["a", "b"], "c", None, ["x"])


def test_a_case_knows_which_engine_was_chosen_and_why(monkeypatch):
    asked = {}
    study = SimpleNamespace(case=lambda settings, **more: asked.update(more) or SimpleNamespace())
    monkeypatch.setattr(module, "decide_engine", lambda engine, case: f"{engine} decided")
    monkeypatch.setattr(module, "replace", lambda case, **changes: changes)
    found = make_case(
        study, load_settings(None, {"dose": {"engine": "local"}}), shown={"a": 1}, measure_shunt=True
    )
    assert found == {"engine_decision": "local decided"}
    assert asked == {"dead_time": None, "measure_shunt": True, "shown_settings": {"a": 1}}


HALVES = {"noise": {"halves": ["a.nii", "b.nii"]}}
RECOVERY = {"partial_volume": {"fwhm_mm": 8.0, "method": "richardson-lucy"}}


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """A run of which every step is a stand-in: returns the names of those that were taken, with what they got."""
    taken, got, told = [], {}, []

    def step(name, value=None, place=module):
        def work(*given, **more):
            taken.append(name)
            got[name] = (given, more)
            return value(*given) if callable(value) else value

        monkeypatch.setattr(place, name, work)

    study = SimpleNamespace(identity=SimpleNamespace(patient_sex="F"), sources=("source",))
    case = SimpleNamespace(notices=(), settings=load_settings(None, {}))
    evaluation = SimpleNamespace(name="evaluation")
    scanner = SimpleNamespace(checked=lambda study: study)
    step("use_scanner", lambda settings: (settings, scanner))
    step("recovery_curve", "curve")
    step("read_chosen", study)
    step("read_halves", lambda study, paths: (study, None if paths is None else "halves"))
    step("with_optional_roles", lambda study, settings, _: (study, settings))
    step("anonymised", lambda study, settings: (study, settings, {}))
    step("make_case", case)
    monkeypatch.setattr(module, "replace", lambda what, **_: what)
    step("carried_notices", ())
    step("build_engine", SimpleNamespace(name="local"))
    for name in ("check_administrations", "check_halves", "earlier_dose", "deconvolution_of"):
        step(name, name)
    for name in ("verify", "with_halves", "with_partial_volume", "anonymous_evaluation", "write_results"):
        step(name, evaluation)
    for place, name in (
        (engine_check, "with_engine_check"), (dose_uncertainty, "with_uncertainty"),
        (immune_evaluation, "with_immune"), (microscale_evaluation, "with_microscale"),
    ):  # fmt: skip
        step(name, evaluation, place)

    def run(tables=None, listener=told.append, **more):
        taken.clear()
        settings = load_settings(None, tables or {})
        found = run_study("s", tmp_path / "out", settings, progress=lambda what, done: listener(done), **more)
        assert found is evaluation
        assert listener is not told.append or told[-1] == 1.0
        return list(taken), got

    return run


PLAIN = [
    "use_scanner", "recovery_curve", "read_chosen", "read_halves", "with_optional_roles", "anonymised", "make_case",
    "carried_notices", "build_engine", "verify", "write_results",
]  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "more"),
    [
        ({}, []),
        ({"output": {"sr": True}}, ["check_administrations"]),
        (HALVES, ["check_halves", "with_halves"]),
        (RECOVERY, ["deconvolution_of", "with_partial_volume"]),
        ({"dose": {"verify_engine": 20000}}, ["with_engine_check"]),
        ({"output": {"uncertainty": True}}, ["with_uncertainty"]),
        ({"immune": {"report": True}}, ["with_immune"]),
        ({"microscale": {"report": True}}, ["with_microscale"]),
        ({"output": {"anonymise": True}}, ["anonymous_evaluation"]),
    ],
)
def test_a_step_is_taken_where_it_is_asked_for(steps, tables, more):
    taken, _ = steps(tables)
    assert sorted(taken) == sorted([*PLAIN, *more])
    assert [name for name in taken if name not in more] == PLAIN


def test_steps_get_what_they_need(steps):
    _, got = steps({"dose": {"verify_engine": 20000}, "monte_carlo": {"seed": 7}, "immune": {"report": True}})
    assert got["with_engine_check"][0][1:3] == (20000, 7)
    assert got["with_immune"][0][2] == "F"
    assert got["write_results"][0][3] == ("source",)
    assert got["read_chosen"][0][2] == {}
    assert steps({}, files={"ct": "a"})[1]["read_chosen"][0][2] == {"ct": "a"}
    _, got = steps({"output": {"uncertainty": True}, **RECOVERY})
    assert got["with_uncertainty"][0][1]["recovery"] == "curve"
    assert got["with_partial_volume"][0][2:] == ("curve", "deconvolution_of")


@pytest.mark.parametrize(("tables", "read"), [({}, True), (HALVES, False), (RECOVERY, False)])
def test_an_earlier_dose_is_read_where_it_is_the_engines(steps, tables, read):
    """What is corrected after the engine has another dose in its results."""
    taken, got = steps(tables, earlier=Path("earlier"))
    assert ("earlier_dose" in taken) is read
    assert got["verify"][1]["simulated"] == ("earlier_dose" if read else None)
    assert "earlier_dose" not in steps({})[0]


def test_each_part_has_its_share_of_the_progress(steps, monkeypatch):
    told = []
    _, got = steps({"output": {"uncertainty": True}, "dose": {"verify_engine": 20000}}, listener=told.append)
    shares = {
        "read_chosen": (0.0, 0.5), "build_engine": (0.55, 0.75), "verify": (0.5, 0.75), "with_engine_check": (0.75, 0.8),
        "with_uncertainty": (0.75, 0.85), "write_results": (0.85, 1.0),
    }  # fmt: skip
    for name, share in shares.items():
        given, more = got[name]
        progress = next(one for one in (*given, *more.values()) if callable(one))
        told.clear()
        progress("x", 0.0)
        progress("x", 1.0)
        assert told == pytest.approx(share), name


def anonymised(monkeypatch, tables):
    """Study, settings and what is shown of them, where HCC 1 is called tumour 1."""
    monkeypatch.setattr(module, "anonymous_names", lambda drawn, identity: {"HCC 1": "tumour 1"})
    monkeypatch.setattr(
        module,
        "renamed_roles",
        lambda study, roles, names: {names[name]: role for name, role in roles.items()},
    )
    study = SimpleNamespace(drawn=(), identity=None, anonymous=lambda: "anonymous study")
    return study, module.anonymised(study, load_settings(None, tables))


def test_nothing_is_renamed_where_names_may_be_told(monkeypatch):
    tables = {"regions": {"roles": {"HCC 1": "tumour"}}, "output": {"label": "mine"}}
    study, (found, settings, shown) = anonymised(monkeypatch, tables)
    assert found is study
    assert (settings.regions.roles, settings.output.label) == ({"HCC 1": "tumour"}, "mine")
    assert shown["regions"]["roles"] == {"HCC 1": "tumour"}


def test_settings_of_an_anonymous_study_name_regions_by_their_new_names(monkeypatch):
    tables = {
        "output": {"anonymise": True, "label": "mine"}, "regions": {"roles": {"HCC 1": "tumour"}},
        "injection": [{"territory": name, "net_activity": "1 GBq"} for name in ("HCC 1", "Liver", None)],
        "plan": {"goal": [{"region": "HCC 1", "value": 150.0}]},
    }  # fmt: skip
    _, (found, settings, shown) = anonymised(monkeypatch, tables)
    assert (found, settings.regions.roles, settings.output.label) == (
        "anonymous study",
        {"tumour 1": "tumour"},
        None,
    )
    assert [one.territory for one in settings.injection] == ["tumour 1", "Liver", None]
    assert [goal.region for goal in settings.plan.goal] == ["tumour 1"]
    assert shown["plan"]["goal"][0]["region"] == "tumour 1"
    assert "HCC 1" not in str(shown)
    assert shown["radiobiology"] == settings.as_dict()["radiobiology"]
