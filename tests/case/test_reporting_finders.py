"""Each item of a report asked with and without what it needs, of results that hold nothing else."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from y90voxel.case import reporting_finders as finders
from y90voxel.regions.roles import Role

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def region(name, role, **values):
    return SimpleNamespace(name=name, role=role.value, **{"bed_mean_gy": None, "volume_ml": 12.5, **values})


def injection(**values):
    given = {"activity_bq": None, "time": None} | values
    return SimpleNamespace(
        administration=SimpleNamespace(**given), territory=values.get("territory"), arteries=()
    )


def reported(*regions, lung=None, case=None, **values):
    """A result with these regions and nothing else."""
    lungs = {"shunt_fraction": None, "shunt_source": "none", "mird_gy": {"mird-1kg": None}} | (lung or {})
    plain = {
        "injections": (injection(),), "device": None, "patient": None, "predicted": False, "alignment": None,
        "regions": SimpleNamespace(drawn=regions), "nuclide": "Y-90",
    }  # fmt: skip
    return SimpleNamespace(
        regions=regions, lung=SimpleNamespace(**lungs), case=SimpleNamespace(**plain | (case or {})), **values
    )


def told(found):
    return found.status, found.where


TUMOUR, LIVER = region("GTV1", Role.TUMOUR), region("Liver", Role.LIVER)
NORMAL = region("non-tumour liver", Role.NON_TUMOUR_LIVER)


@pytest.mark.parametrize(
    ("regions", "lung", "expected"),
    [
        ((TUMOUR, NORMAL, region("lungs", Role.LUNGS)), {}, ("derived", "tumours, non-tumour liver, lungs")),
        ((TUMOUR, NORMAL), {"mird_gy": {"mird-1kg": 7.0}}, ("derived", "tumours, non-tumour liver, lungs")),
        ((TUMOUR, NORMAL), {}, ("missing", "only tumours, non-tumour liver; no lungs: draw them, or give the lung shunt")),
        ((NORMAL,), {}, ("missing", "only non-tumour liver; no tumours, lungs: draw them, or give the lung shunt")),
        ((), {}, ("missing", "no tumours, non-tumour liver, lungs: draw them, or give the lung shunt")),
    ],
)  # fmt: skip
def test_source_tissues_need_tumours_normal_liver_and_lungs(regions, lung, expected):
    assert told(finders.source_tissues(reported(*regions, lung=lung))) == expected


def test_a_body_is_told_by_its_name():
    assert told(finders.body_dose(reported(TUMOUR, region("Skin", Role.BODY)))) == (
        "derived", "mean of 'Skin', the part in the image",
    )  # fmt: skip
    assert finders.body_dose(reported(TUMOUR)).status == "missing"


@pytest.mark.parametrize("find", [finders.activity_by_region, finders.volumes, finders.region_origin])
def test_without_a_region_nothing_is_told_of_regions(find):
    assert told(find(reported())) == ("missing", "no regions; draw them")


def test_activities_are_those_of_every_image():
    assert finders.activity_by_region(reported(TUMOUR)).where.endswith("from 1 image")
    both = reported(TUMOUR, case={"injections": (injection(), injection())})
    assert finders.activity_by_region(both).where.endswith("from 2 images, one an injection")


def test_the_time_course_is_the_half_life_in_hours():
    assert "half-life 64.1 h" in finders.time_course(reported()).where


def test_tumours_are_listed_with_their_volumes():
    both = reported(TUMOUR, region("GTV2", Role.TUMOUR, volume_ml=3.0), LIVER)
    assert told(finders.tumour_volumes(both)) == ("derived", "GTV1 12.5 mL, GTV2 3 mL")
    assert told(finders.tumour_doses(both)) == ("derived", "mean, D98 to D2, V50 to V205 of GTV1, GTV2")
    for find in (finders.tumour_volumes, finders.tumour_doses):
        assert told(find(reported(LIVER))) == ("missing", "no tumour is drawn")


def test_sub_structures_are_perfused_and_unperfused_liver():
    parts = region("perfused", Role.PERFUSED_NON_TUMOUR_LIVER), region("rest", Role.UNPERFUSED_LIVER)
    assert told(finders.sub_structures(reported(LIVER, *parts))) == ("derived", "perfused, rest")
    assert told(finders.sub_structures(reported(LIVER, NORMAL))) == ("missing", "no perfused volume is drawn")


def test_a_biological_dose_names_the_regions_that_have_one():
    found = finders.biological_dose(reported(TUMOUR, region("GTV2", Role.TUMOUR, bed_mean_gy=0.0)))
    assert told(found) == ("derived", "mean BED and EQD2 of GTV2, with the parameters")
    assert finders.biological_dose(reported(TUMOUR)).status == "missing"


@pytest.mark.parametrize(
    ("lung", "expected"),
    [
        ({"shunt_fraction": 0.0, "shunt_source": "given"}, ("present", "0 %, given; how it was measured is not recorded")),
        ({"shunt_fraction": 0.125, "shunt_source": "spect"}, ("derived", "12.5 %, by spect")),
        ({}, ("missing", "give --lung-shunt: a fraction, spect or planar")),
    ],
)  # fmt: skip
def test_a_shunt_is_told_with_its_source(lung, expected):
    assert told(finders.lung_shunt(reported(lung=lung))) == expected


def test_a_supply_is_what_injections_and_arteries_name_else_the_perfused_volume():
    artery = SimpleNamespace(territory="Left lobe")
    several = SimpleNamespace(territory=None, arteries=(artery, SimpleNamespace(territory=None)))
    perfused = region("Perfused", Role.PERFUSED)
    find = finders.vascular_territory
    assert told(find(reported(case={"injections": (several,)}))) == ("present", "Left lobe")
    assert told(find(reported(perfused))) == ("present", "Perfused")
    assert told(find(reported(perfused, case={"injections": (several, injection(territory="Perfused"))}))) == (
        "present", "Perfused, Left lobe",
    )  # fmt: skip
    assert find(reported(LIVER)).status == "missing"


@pytest.mark.parametrize(
    ("disease", "expected"), [("hcc", ("present", "hcc")), (None, ("missing", "give --disease"))]
)
def test_a_disease_is_told_as_stated(disease, expected):
    stated = None if disease is None else SimpleNamespace(value=disease)
    case = {"clinical_context": SimpleNamespace(disease=stated)}
    assert told(finders.disease_named(reported(case=case))) == expected


def test_the_device_is_told_by_its_product():
    assert told(finders.device_named(reported(case={"device": "resin"}))) == ("present", "SIR-Spheres")
    assert told(finders.device_named(reported())) == ("missing", "give --device")


@pytest.mark.parametrize(
    ("activities", "expected"),
    [
        ((2e9,), ("present", "3 GBq net")),
        ((1e9, 2e9), ("present", "3 GBq net")),
        ((1e9, None), ("derived", "3 GBq, from the image; give --activity")),
        ((None,), ("derived", "3 GBq, from the image; give --activity")),
    ],
)
def test_an_activity_is_stated_where_every_injection_states_it(activities, expected):
    case = {"injections": tuple(injection(activity_bq=one) for one in activities)}
    assert told(finders.administered_activity(reported(case=case, net_activity_bq=3e9))) == expected


def of_facts(find, *facts):
    plain = {"activity": 1e9, "activity_time": None, "residual": None, "net_activity": None}
    settings = SimpleNamespace(injections=tuple(SimpleNamespace(**plain | one) for one in facts))
    return told(find(reported(case={"settings": settings})))


TIMED, LEFT = {"activity_time": NOON}, {"residual": 0.0}
NET, NOTHING = {"activity": None, "net_activity": 1e9}, {"activity": None}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ((TIMED,), "the time of the assay is stated;"),
        ((TIMED, TIMED), "the time of the assay is stated;"),
        ((TIMED, {}), "give --activity-time;"),
        (({},), "give --activity-time;"),
        (({}, NET), "give --activity and --activity-time;"),
        ((NOTHING,), "give --activity and --activity-time;"),
    ],
)
def test_an_assay_is_that_of_every_vial(facts, words):
    status, where = of_facts(finders.assay, *facts)
    assert (status, where.startswith(words)) == ("missing", True)


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        ((LEFT,), "present", "given, and taken off the activity"),
        ((LEFT, LEFT), "present", "given, and taken off the activity"),
        ((LEFT, {}), "missing", "taken as none; give --residual"),
        (({},), "missing", "taken as none; give --residual"),
        ((NET,), "missing", "the net activity is stated, with the residual taken off; give --activity and"),
        (
            (LEFT, NET),
            "missing",
            "the net activity is stated, with the residual taken off; give --activity and",
        ),
        ((NOTHING,), "missing", "no vial activity is stated"),
    ],
)
def test_a_residual_is_asked_for_only_beside_the_activity_of_a_vial(facts, status, words):
    """A residual beside a net activity, or without an activity, would be refused."""
    found = of_facts(finders.residual_named, *facts)
    assert (found[0], found[1].startswith(words)) == (status, True)


def test_a_surrogate_verifies_no_delivery():
    assert finders.delivery_verified(reported(case={"predicted": True})).status == "missing"
    assert finders.delivery_verified(reported()).status == "derived"


CLINICAL = {
    "bclc": "B", "child_pugh_points": 5, "albi_grade": "1", "bilirubin_umol_per_l": 0.0, "portal_vein": "Vp0",
    "hepatic_vein": "Vv0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        (CLINICAL, "present", "BCLC, Child-Pugh, ALBI, bilirubin, portal vein, hepatic vein"),
        (CLINICAL | {"bclc": None}, "missing",
         "only Child-Pugh, ALBI, bilirubin, portal vein, hepatic vein; no BCLC: give them in [patient]"),
        ({}, "missing", "no BCLC, Child-Pugh, ALBI, bilirubin, portal vein, hepatic vein: give them in [patient]"),
    ],
)  # fmt: skip
def test_the_clinical_state_is_whole_or_missing(facts, status, words):
    patient = SimpleNamespace(as_dict=lambda: facts)
    assert told(finders.clinical_state(reported(case={"patient": patient}))) == (status, words)


def test_without_a_patient_the_clinical_state_is_missing():
    assert finders.clinical_state(reported()).where.startswith("no BCLC")


@pytest.mark.parametrize(
    ("scenario", "intent", "expected"),
    [
        ("bilobar", "palliative", ("present", "bilobar, palliative")),
        ("bilobar", None, ("missing", "only bilobar; give --intent")),
        (None, "palliative", ("missing", "only palliative; give --scenario")),
        (None, None, ("missing", "give --scenario and --intent")),
    ],
)
def test_intent_and_scenario_are_both_asked_for(scenario, intent, expected):
    stated = None if scenario is None else SimpleNamespace(value=scenario)
    case = {"clinical_context": SimpleNamespace(scenario=stated, intent=intent)}
    assert told(finders.intent_named(reported(case=case))) == expected


@pytest.mark.parametrize(
    ("anonymise", "times", "expected"),
    [
        (False, (NOON, NOON), ("present", "known with its zone")),
        (False, (NOON, NOON.replace(tzinfo=None)), ("missing", "known without a zone; give --time-zone")),
        (False, (NOON, None), ("missing", "give --time")),
        (False, (None,), ("missing", "give --time")),
        (True, (NOON,), ("missing", "left out of an anonymised report")),
    ],
)
def test_times_need_a_zone_in_every_injection(anonymise, times, expected):
    case = {
        "settings": SimpleNamespace(output=SimpleNamespace(anonymise=anonymise)),
        "injections": tuple(injection(time=one) for one in times),
    }
    assert told(finders.administration_time(reported(case=case))) == expected


def test_a_calibration_tells_what_the_map_holds_over_what_was_given():
    case = {"calibration": SimpleNamespace(mode=SimpleNamespace(value="absolute"))}
    found = finders.calibration_method(reported(case=case, map_activity_bq=3e9, net_activity_bq=2e9))
    assert told(found) == ("derived", "absolute; the whole map holds 1.5 times the net activity")


def test_a_registration_is_told_where_the_cts_were_aligned():
    assert finders.registration_done(reported(case={"alignment": object()})).status == "derived"
    assert finders.registration_done(reported()).status == "present"


@pytest.mark.parametrize(
    ("automatic", "where"),
    [
        ((False, False), "drawn"),
        ((True, False), "automatic: A; the others drawn"),
        ((True, True), "all automatic: no person drew one"),
    ],
)
def test_automatic_regions_are_told_from_drawn_ones(automatic, where):
    regions = [SimpleNamespace(name=name, automatic=one) for name, one in zip("AB", automatic, strict=True)]
    found = finders.region_origin(reported(case={"regions": SimpleNamespace(drawn=regions)}))
    assert told(found) == ("present", where)


def test_densities_are_told_by_their_sources_else_as_masses():
    assert (
        finders.density_and_mass(reported(density_sources={"lung": "CT", "liver": "set"})).where
        == "lung CT, liver set"
    )
    assert finders.density_and_mass(reported(density_sources={})).where == "masses of the regions"


def test_normal_liver_is_asked_for_whole_and_perfused():
    perfused = region("perfused", Role.PERFUSED_NON_TUMOUR_LIVER)
    find = finders.normal_liver_both
    assert told(find(reported(NORMAL, perfused))) == (
        "derived",
        "whole non-tumour liver, perfused non-tumour liver",
    )
    assert find(reported(NORMAL)).where.startswith(
        "only whole non-tumour liver; no perfused non-tumour liver:"
    )
    assert find(reported(perfused)).where.startswith(
        "only perfused non-tumour liver; no whole non-tumour liver:"
    )


@pytest.mark.parametrize(
    ("find", "name"),
    [(finders.recovery_applied, "partial_volume"), (finders.uncertainty_given, "uncertainty")],
)
def test_corrections_and_uncertainties_are_told_where_they_were_asked_for(find, name):
    assert find(reported(**{name: {}})).status == "derived"
    assert find(reported(**{name: None})).status == "missing"


def test_limits_are_counted_where_a_device_has_them():
    limits = {"limits": ("one", "another")}
    assert told(finders.limits_tested(reported(case={"device": "glass"}, **limits))) == (
        "derived", "2 rows, each with its source",
    )  # fmt: skip
    assert finders.limits_tested(reported(**limits)).status == "missing"


def test_organs_and_lung_conventions_are_whole_or_missing():
    organs = [region("A", Role.STOMACH), region("B", Role.HEART)]
    found = finders.organs_reported(reported(LIVER, *organs))
    assert told(found) == (
        "missing", "only stomach, heart; no duodenum, gallbladder, bowel, kidney, skin: draw or segment them",
    )  # fmt: skip
    find = finders.lung_conventions_reported
    both = {"mird_gy": {"mird-1kg": 7.167, "mird-ct": 0.0}}
    assert told(find(reported(lung=both))) == ("derived", "7.17 Gy with 1 kg, 0 Gy with CT mass")
    one = {"mird_gy": {"mird-1kg": None, "mird-ct": 8.0}}
    assert find(reported(lung=one)).where.startswith("only 8 Gy with CT mass; no 1 kg: needs the lung shunt")
