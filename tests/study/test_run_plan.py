"""What a plan is asked for, from its settings; what injections and masses become; which maps are written."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.plan_settings import AnatomySettings, TreatmentSettings
from y90voxel.case.settings import load_settings
from y90voxel.clinical.limits import Sense
from y90voxel.errors import InputError, Notice
from y90voxel.planning import plan_immune, plan_microscale
from y90voxel.planning.compartments import Territory, TumourUptake
from y90voxel.regions.roles import Role
from y90voxel.report import plan_page, slicer_scene
from y90voxel.study import run_plan as module
from y90voxel.study.run_plan import (
    _anatomy,
    _check_activities,
    _reserve,
    _treatment,
    _write,
    _write_maps,
    request_of,
    run_plan,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

A = {"name": "A", "mass_kg": 0.10, "ratio": 3.0}
TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def asked(plan=None, **tables):
    return request_of(load_settings(None, {"plan": plan or {}, **tables}))


def test_a_request_holds_what_was_asked():
    order = {
        "injection_time": "2026-03-02T12:00", "calibration_times": ["2026-03-01T12:00Z", "2026-02-28T12:00"],
        "greatest_age_h": 100.0, "activity": "2.5 GBq", "vial_sizes": ["3 GBq", "500 MBq"],
    }  # fmt: skip
    plan = {
        "order": order, "split": [1.0, 3.0], "greatest_activity": ["4 GBq", "5 GBq"], "residual_fraction": 0.02,
        "perfused_dose_gy": 400.0, "objective": {"A": 2.0}, "recovery": {"A": 0.8}, "table_limits": False,
        "treatment": [
            {
                "assay": "3 GBq", "assay_time": "2026-03-02T11:00", "time": "2026-03-02T12:00Z",
                "residual": "50 MBq", "residual_time": "2026-03-02T13:00",
            },
        ],
    }  # fmt: skip
    found = asked(plan, administration={"time_zone": "+02:00"})
    assert (found.order.activity_gbq, found.order.vial_sizes_gbq) == (2.5, (3.0, 0.5))
    assert (found.order.greatest_age_h, found.order.injection_time) == (100.0, TEN)
    assert [time.astimezone(UTC).hour for time in found.order.calibration_times] == [12, 10]
    (day,) = found.treatment
    assert (day.assay_gbq, day.residual_gbq, day.readings) == (3.0, 0.05, None)
    assert [t.astimezone(UTC).hour for t in (day.assay_time, day.injection_time, day.residual_time)] == [
        9, 12, 11,
    ]  # fmt: skip
    assert (found.split, found.greatest_gbq, found.residual_fraction) == ((1.0, 3.0), (4.0, 5.0), 0.02)
    assert (found.perfused_dose_gy, found.objective, found.recovery) == (400.0, {"A": 2.0}, {"A": 0.8})
    assert found.table_limits is False
    plain = asked()
    assert (plain.order, plain.split, plain.greatest_gbq, plain.treatment) == (None, None, None, ())
    assert plain.table_limits is True


def test_an_order_of_a_model_has_no_activity_and_no_sizes_of_its_own():
    times = {"injection_time": "2026-03-02T12:00Z", "calibration_times": ["2026-03-01T12:00Z"]}
    order = asked({"order": times | {"model": "mird"}}).order
    assert (order.model, order.activity_gbq, order.vial_sizes_gbq) == ("mird", None, None)


def test_limits_come_before_goals_and_say_what_they_are():
    aims = asked(
        {
            "goal": [{"region": "A", "metric": "D70", "value": 150.0, "name": "mine", "source": "trial"}],
            "limit": [{"region": "liver", "value": 40.0, "previous": 5.0}],
        }
    ).aims
    assert [(one.sense, one.value, one.previous) for one in aims] == [
        (Sense.BELOW, 40.0, 5.0),
        (Sense.AT_LEAST, 150.0, 0.0),
    ]
    assert [one.name for one in aims] == ["liver mean at most 40 Gy", "mine"]
    assert [one.source for one in aims] == ["given", "trial"]
    (unnamed,) = asked({"goal": [{"region": "A", "metric": "V100", "value": 90.0}]}).aims
    assert unnamed.name == "A V100 at least 90 %"


@pytest.mark.parametrize(("ascites", "known"), [("present", True), ("none", False), (None, None)])
def test_the_patient_table_says_whether_there_is_ascites(ascites, known):
    table = {} if ascites is None else {"ascites": ascites}
    found = asked({"scenario": "lobectomy"}, patient=table | {"bilirubin_reversible": True}).context
    assert (found.ascites, found.bilirubin_reversible) == (known, True)
    assert found.scenario.name == "LOBECTOMY"
    assert asked({"scenario": "lobectomy"}).context.ascites is None


def test_survey_readings_stand_in_for_a_residual():
    readings = {
        "reading_before": 10.0,
        "reading_after": 0.3,
        "reading_background": 0.1,
        "readings_apart_h": 1.5,
    }
    assayed = {"assay": "3 GBq", "assay_time": TEN, "time": TEN}
    found = _treatment(TreatmentSettings(**assayed, **readings), None).readings
    assert (found.before, found.after, found.background, found.hours_apart) == (10.0, 0.3, 0.1, 1.5)
    nothing = _treatment(TreatmentSettings(), None)
    assert (nothing.readings, nothing.assay_gbq, nothing.residual_gbq, nothing.assay_time) == (None,) * 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"reading_background": 0.1},
            r"reading_background \(0.1\) and readings_apart_h \(0 h\) belong to survey",
        ),
        (
            {"readings_apart_h": 2.0},
            r"readings_apart_h \(2 h\) belong to survey readings, and there are none",
        ),
        ({"residual": "50 MBq"}, r"\[\[plan.treatment\]\] gives residual and no assay"),
        ({"assay_time": TEN, "time": TEN}, "gives assay_time and no assay"),
        ({"reading_before": 10.0, "reading_after": 0.3}, "gives reading_before and no assay"),
        ({"residual_time": TEN}, "measured at 2026-03-02T10:00:00.00:00, but how much it was is not given"),
    ],
)
def test_what_belongs_to_a_reading_that_is_not_given_is_refused(given, said):
    """It was dropped without a word."""
    with pytest.raises(InputError, match=said):
        _treatment(TreatmentSettings(**given), None)


@pytest.mark.parametrize("missing", [(), (2,), (1, 3), (1, 2, 3)])
def test_activities_are_those_of_all_injections_or_of_none(missing):
    """Those of some were dropped without a word: nothing was judged."""
    activities = [None if number in missing else 1e9 for number in (1, 2, 3)]
    if 0 < len(missing) < 3:
        with pytest.raises(
            InputError, match=f"of {3 - len(missing)} of 3 .* {', '.join(map(str, missing))}: they"
        ):
            _check_activities(activities)
    else:
        _check_activities(activities)


def planned(administration=None, territory=(), tumour=(A,), plan=None, **tables):
    anatomy = {"perfused_normal_mass_kg": 0.5, "whole_normal_mass_kg": 1.4, "tumour": list(tumour)}
    anatomy |= {"territory": list(territory)}
    given = {
        "device": "glass",
        **({"lung_shunt_fraction": 0.05} if administration is None else administration),
    }
    options = {"administration": given, "plan": {"anatomy": anatomy, **(plan or {})}, **tables}
    return run_plan(None, None, load_settings(None, options))


def reached(name, **more):
    return {"name": name, "lung_shunt_fraction": 0.05, "normal_mass_kg": 0.2, "tumour": [A], **more}


@pytest.mark.parametrize(
    ("administration", "territory", "given"),
    [
        ({"lung_shunt_fraction": 0.05}, (), None),
        ({"lung_shunt_fraction": 0.05, "net_activity": "3 GBq"}, (), (3.0,)),
        ({"lung_shunt_fraction": 0.05, "activity": "3 GBq"}, (), (3.0,)),
        ({"net_activity": "3 GBq"}, (reached("r", normal_mass_kg=0.5),), (3.0,)),
        ({}, (reached("r", normal_mass_kg=0.5, activity="2 GBq"),), (2.0,)),
        ({}, (reached("r", activity="2 GBq"), reached("l", activity="1 GBq")), (2.0, 1.0)),
        ({}, (reached("r"), reached("l")), None),
        (
            {},
            (reached("r", activity="2 GBq"), reached("l")),
            "activity of 1 of 2 injections is given, not .* injection 2",
        ),
        (
            {"net_activity": "3 GBq"},
            (reached("r"), reached("l")),
            "is given beside injections that have their own",
        ),
        (
            {"net_activity": "3 GBq"},
            (reached("r", normal_mass_kg=0.5, activity="2 GBq"),),
            "is given beside injections",
        ),
        ({}, (), "give every injection in"),
        ({"lung_shunt_fraction": "planar"}, (), "give every injection in"),
    ],
)
def test_the_activities_of_masses_are_those_of_their_injections(administration, territory, given):
    stated = () if len(territory) == 2 else ({"name": "A", "mass_kg": 0.1},) if territory else (A,)
    if isinstance(given, str):
        with pytest.raises(InputError, match=given):
            planned(administration, territory, stated)
    else:
        assert planned(administration, territory, stated).facts.given_gbq == given


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("r", "l"), ["r", "l"]),
        (("injection", "injection"), ["injection 1", "injection 2"]),
        (("a", "b", "a"), ["a 1", "b 2", "a 3"]),
    ],
)
def test_injections_of_one_name_are_numbered(names, found):
    plan = planned({}, [reached(name) for name in names], ())
    assert [territory.name for territory in plan.territories] == found


def test_there_must_be_images_or_masses():
    with pytest.raises(InputError, match="there is nothing to plan from"):
        run_plan(None, None, load_settings(None, {"administration": {"lung_shunt_fraction": 0.05}}))


def test_injections_of_images_are_none_of_masses():
    with pytest.raises(InputError, match=r"\[\[injection\]\] is for images"):
        planned(injection=[{"net_activity": "1 GBq"}])


@pytest.mark.parametrize(
    ("plan", "refused"), [({"recovery": {"A": 0.8}}, True), ({"recovery": {}}, False), ({}, False)]
)
def test_ratios_of_masses_are_not_corrected(plan, refused):
    if refused:
        with pytest.raises(InputError, match="there is nothing to correct by recovery"):
            planned(plan=plan)
    else:
        assert planned(plan=plan).facts.label == "plan without images"


def test_a_plan_of_masses_knows_its_facts():
    plan = planned(patient={"height_m": 1.8, "treatment_date": "2026-03-02"}, output={"label": "mine"})
    assert plan.facts.patient.dated
    assert (plan.facts.label, plan.facts.nuclide, plan.facts.device, plan.facts.dated) == (
        "mine",
        "Y-90",
        "glass",
        True,
    )
    assert plan.facts.dose_constant_gy_kg_per_gbq == pytest.approx(49.77, abs=0.01)
    stated = planned(
        dose={"dose_constant_gy_kg_per_gbq": 49.67}, output={"anonymise": True},
        patient={"treatment_date": "2026-03-02"},
    )  # fmt: skip
    assert not stated.facts.patient.dated
    assert (stated.facts.dose_constant_gy_kg_per_gbq, stated.facts.dated) == (49.67, False)
    assert planned(administration={"lung_shunt_fraction": 0.0}).territories[0].lung_shunt_fraction == 0.0


@pytest.mark.parametrize("table", [{"partial_volume": {"method": "richardson-lucy", "fwhm_mm": 8.0}}, {}])
def test_what_corrects_a_dose_alone_is_listed_as_unused(table):
    codes = [notice.code for notice in planned(**table).notices]
    assert ("partial-volume-method-unused" in codes) is bool(table)
    assert "noise-halves-unused" not in codes


@pytest.mark.parametrize("asked_for", [(), ("immune",), ("microscale",), ("immune", "microscale")])
def test_exploratory_blocks_are_added_where_they_are_asked_for(monkeypatch, asked_for):
    added = []
    monkeypatch.setattr(plan_immune, "with_plan_immune", lambda plan, *_: added.append("immune") or plan)
    monkeypatch.setattr(
        plan_microscale, "with_plan_microscale", lambda plan, *_: added.append("microscale") or plan
    )
    planned(**{name: {"report": True} for name in asked_for})
    assert added == list(asked_for)


def test_a_plan_of_masses_has_no_use_for_a_scanner_file(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "use_scanner", lambda settings, plans: (settings, None))
    with pytest.raises(InputError, match="a plan without images has no use for a scanner file"):
        planned(scanner=str(tmp_path / "scanner.toml"))


def uptakes(*tumours, normal_kg=0.4):
    return Territory("r", 0.05, tuple(TumourUptake(n, mass, 3.0) for n, mass in tumours), normal_kg)


def test_masses_of_tumours_add_over_injections_unless_they_are_stated():
    one, other = uptakes(("A", 0.1), ("B", 0.2)), uptakes(("A", 0.3), normal_kg=0.3)
    stated = AnatomySettings(tumour=[{"name": "B", "mass_kg": 0.5}])
    found = _anatomy(stated, (one, other))
    assert found.tumour_masses_kg == pytest.approx({"A": 0.4, "B": 0.5})
    assert found.perfused_normal_kg is None
    assert _anatomy(stated, (one,)).perfused_normal_kg == 0.4
    assert _anatomy(AnatomySettings(perfused_normal_mass_kg=0.7), (one,)).perfused_normal_kg == 0.7


@pytest.mark.parametrize(
    ("liver", "perfused", "share"),
    [
        (1500.0, 600.0, 0.6),
        (1500.0, 1500.0, 0.0),
        (1500.0, 1501.0, 0.0),
        (None, 600.0, None),
        (1500.0, None, None),
    ],
)
def test_the_reserve_is_the_untreated_share_of_the_liver(liver, perfused, share):
    found = _reserve(AnatomySettings(liver_volume_ml=liver, perfused_volume_ml=perfused))
    assert found == (None if share is None else pytest.approx(share))


GRID = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))


def maps_of(injections, regions=(), alignment=None):
    """Dose maps of 1 Gy per GBq of the first injection, 10 of the second, in the split that is asked for."""
    gys = [1.0, 10.0][:injections]
    return SimpleNamespace(
        dose=lambda split: DoseMap(np.full(GRID.shape, np.dot(split, gys)), GRID),
        evaluations=[SimpleNamespace(dose=DoseMap(np.full(GRID.shape, gy), GRID)) for gy in gys],
        case=SimpleNamespace(regions=regions, alignment=alignment),
    )


@pytest.fixture
def written(monkeypatch):
    """What is written where, with the mean of a map."""
    found = {}

    def volume(dose, path):
        found[path.name] = float(dose.array.mean())

    def regions(masks, path, *, roles, automatic):
        found[path.name] = (list(masks), roles, automatic)

    monkeypatch.setattr(module, "write_nifti", volume)
    monkeypatch.setattr(module, "write_regions_nifti", regions)
    return found


@pytest.mark.parametrize(
    ("injections", "activities", "gy"),
    [
        (1, (2.0,), 1.0),
        (1, None, 1.0),
        (1, (0.0,), 1.0),
        (2, (3.0, 1.0), 3.25),
        (2, (0.0, 0.5), 10.0),
        (2, (0.0, 0.0), 5.5),
        (2, None, 5.5),
    ],
)
def test_the_map_is_of_one_gbq_in_the_split_of_the_first_model(written, tmp_path, injections, activities, gy):
    plan = SimpleNamespace(maps=maps_of(injections), first=SimpleNamespace(activities_gbq=activities))
    _write_maps(plan, tmp_path)
    each = (
        {f"dose_per_gbq_injection_{n}.nii.gz": v for n, v in ((1, 1.0), (2, 10.0))} if injections > 1 else {}
    )
    assert written == pytest.approx({"dose_per_gbq.nii.gz": gy} | each)


def test_regions_are_written_with_their_roles_and_whether_they_were_drawn(written, tmp_path):
    names = (("Liver", Role.LIVER, False), ("rest", Role.NON_TUMOUR_LIVER, True))
    regions = [SimpleNamespace(name=n, mask=None, role=role, automatic=auto) for n, role, auto in names]
    plan = SimpleNamespace(maps=maps_of(1, regions), first=SimpleNamespace(activities_gbq=(1.0,)))
    _write_maps(plan, tmp_path)
    assert written["regions.nii.gz"] == (
        ["Liver", "rest"],
        {"Liver": "liver", "rest": "non_tumour_liver"},
        ["rest"],
    )


@pytest.mark.parametrize(
    ("aligned", "dated", "there"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_an_anonymous_plan_names_no_frame_of_reference(written, monkeypatch, tmp_path, aligned, dated, there):
    monkeypatch.setattr(module, "write_registration", lambda alignment, path: path.touch())
    plan = SimpleNamespace(
        maps=maps_of(1, alignment=object() if aligned else None), metrics={"kind": "plan"},
        facts=SimpleNamespace(dated=dated), first=SimpleNamespace(activities_gbq=(1.0,)),
    )  # fmt: skip
    monkeypatch.setattr(module, "write_json", lambda document, path: path.write_text(json.dumps(document)))
    _write(plan, tmp_path / "out", report=False, pdf=False)
    assert (tmp_path / "out" / "registration.dcm").is_file() is there
    assert not list((tmp_path / "out").glob("*.html"))


@pytest.mark.parametrize(("report", "pdf"), [(True, False), (False, True), (True, True), (False, False)])
def test_a_page_and_a_pdf_are_drawn_where_they_are_asked_for(monkeypatch, tmp_path, report, pdf):
    drawn = []
    monkeypatch.setattr(
        plan_page, "write_plan_page", lambda plan, folder, *, page, pdf: drawn.append((page, pdf))
    )
    monkeypatch.setattr(slicer_scene, "write_planned_scene", lambda plan, folder: drawn.append("scene"))
    monkeypatch.setattr(module, "write_json", lambda document, path: path.write_text("{}"))
    _write(SimpleNamespace(maps=None, metrics={}), tmp_path / "out", report=report, pdf=pdf)
    assert drawn == [(report, pdf)] * (report or pdf) + ["scene"] * report


class Study(SimpleNamespace):
    """Of a study what a plan takes of it."""


def from_images(monkeypatch, activities=(1e9,), tables=None, notices=(), alignment=None):
    """Run a plan of a study of which every step is a stand-in; returns what the steps were given."""
    seen = {}
    patient = SimpleNamespace(anonymous=lambda: "anonymous")
    injections = [SimpleNamespace(administration=SimpleNamespace(activity_bq=a)) for a in activities]
    case = SimpleNamespace(injections=injections)
    study = Study(identity=SimpleNamespace(patient_sex="F"), notices=())

    def keep(name, value):
        def step(*given, **named):
            seen[name] = (given, named)
            return value(*given, **named) if callable(value) else value

        monkeypatch.setattr(module, name, step)

    keep("read_chosen", study)
    keep("with_optional_roles", lambda study, settings, _: (study, settings))
    keep("anonymised", lambda study, settings: (study, settings, settings))
    keep("make_case", case)
    keep("build_engine", "engine")
    keep("anonymous_case", "no names")
    result = module.Plan.__new__(module.Plan)
    monkeypatch.setattr(
        module, "replace", lambda what, **changes: seen.setdefault("replaced", []).append(changes) or what
    )
    monkeypatch.setattr(
        module.Plan, "with_notices", lambda self, *more: seen.setdefault("said", []).extend(more) or self
    )
    object.__setattr__(result, "facts", SimpleNamespace(patient=patient))
    object.__setattr__(result, "maps", "maps")
    object.__setattr__(result, "notices", notices)
    keep("plan", result)
    for name in ("_with_uncertainty", "_with_immune", "_with_microscale"):
        keep(name, result)
    options = {"administration": {"device": "glass"}, **(tables or {})}
    found = run_plan("study", None, load_settings(None, options))
    assert found is result
    return seen


@pytest.mark.parametrize(("given", "used"), [(None, "relative"), ("absolute", "absolute")])
def test_a_plan_of_images_calibrates_relatively_unless_it_is_told_otherwise(monkeypatch, given, used):
    seen = from_images(monkeypatch, tables={} if given is None else {"dose": {"calibration": given}})
    (_, settings), named = seen["make_case"]
    assert (settings.dose.calibration, named["measure_shunt"]) == (used, True)
    assert seen["_with_immune"][0][2] == "F"
    assert "replaced" not in seen  # nothing was anonymised


def test_activities_of_some_images_without_those_of_others_are_refused(monkeypatch):
    from_images(monkeypatch, (1e9, 2e9))
    from_images(monkeypatch, (None, None))
    with pytest.raises(InputError, match="activity of 1 of 2 injections is given, not that of injection 1"):
        from_images(monkeypatch, (None, 2e9))


def test_an_anonymous_plan_of_images_knows_no_dates_and_no_names(monkeypatch):
    notices = (Notice("a", "b"),)
    seen = from_images(monkeypatch, tables={"output": {"anonymise": True}}, notices=notices)
    changes = {key: value for change in seen["replaced"] for key, value in change.items()}
    assert (changes["patient"], changes["dated"], changes["case"]) == ("anonymous", False, "no names")


def test_masses_beside_images_are_refused(monkeypatch):
    with pytest.raises(InputError, match=r"masses are given in plan\.anatomy, but also images"):
        from_images(monkeypatch, tables={"plan": {"anatomy": {"tumour": [A]}}})


@pytest.mark.parametrize("halves", [True, False])
def test_halves_of_an_image_are_listed_as_unused(monkeypatch, tmp_path, halves):
    table = {"noise": {"halves": [str(tmp_path / "a.nii"), str(tmp_path / "b.nii")]}} if halves else {}
    codes = [notice.code for notice in from_images(monkeypatch, tables=table)["said"]]
    assert ("noise-halves-unused" in codes) is halves
    assert "partial-volume-method-unused" not in codes
