"""The slider of a plan's page in headless Chromium, and the sheet of the treatment day."""

from datetime import UTC, datetime, timedelta

import pytest
from browser import browser, find_chromium

import y90voxel as yv
from y90voxel.clinical.limits import ClinicalContext, Disease, Scenario
from y90voxel.errors import InputError
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan_request import OrderRequest, PlanRequest
from y90voxel.planning.treatment_day import SurveyReadings, TreatmentDay
from y90voxel.quantification.lung_conventions import plan_row_label
from y90voxel.report.plan_page import render_plan_page
from y90voxel.report.treatment_page import render_treatment_page

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONTEXT = ClinicalContext(Scenario.UNILOBAR, Disease.HCC, bilirubin_umol_per_l=12.0, hepatic_reserve=0.5)
MORNING = NOON - timedelta(hours=3)
ASSAYED = TreatmentDay(
    3.60, MORNING, NOON, readings=SurveyReadings(42.0, 0.9, 0.1)
)  # 3.60 GBq at nine are 3.4852 at noon; 1.909 % stay behind


def planned(*days, **asked):
    """Two arteries of one liver, glass."""
    reached = (
        Territory("left <b>", 0.06, (TumourUptake("A", 0.2, 4.0),), 0.5),
        Territory("right", 0.10, (TumourUptake("B", 0.1, 6.0),), 0.4),
    )
    anatomy = Anatomy({"A": 0.2, "B": 0.1}, perfused_normal_kg=0.9, whole_normal_kg=1.3)
    facts = yv.PlanFacts("patient", "Y-90", "glass", 49.77, given_gbq=(1.0, 1.0))
    request = PlanRequest(CONTEXT, treatment=days, **asked)
    return yv.plan_from_masses(facts, anatomy, reached, request)


def one(*days, order=True):
    reached = Territory("lobe", 0.06, (TumourUptake("GTV1", 0.3, 4.0),), 0.7)
    anatomy = Anatomy({"GTV1": 0.3}, perfused_normal_kg=0.7, whole_normal_kg=0.81056)
    asked = OrderRequest(NOON, (NOON - timedelta(hours=64),)) if order else None
    facts = yv.PlanFacts("patient", "Y-90", "glass", 49.77)
    return yv.plan_from_masses(facts, anatomy, [reached], PlanRequest(CONTEXT, order=asked, treatment=days))


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    if find_chromium() is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    page = tmp_path_factory.mktemp("slider") / "plan.html"
    page.write_text(render_plan_page(planned(), {}), encoding="utf-8")
    with browser() as found:
        found.open(page)
        yield found


def shown(window):
    """Activities [GBq] and doses by region [Gy] as the page holds them."""
    activities = window.run("[...document.querySelectorAll('.slider output')].map(o => +o.dataset.gbq)")
    doses = window.run(
        "Object.fromEntries([...document.querySelectorAll('#slider-doses tbody tr')]"
        ".map(r => [r.cells[0].dataset.region, +r.cells[1].dataset.gy]))"
    )
    return activities, doses


def test_the_slider_follows_keys_and_equals_the_plan(window):
    plan = planned()
    assert shown(window)[0] == pytest.approx(plan.first.activities_gbq)
    window.run("document.getElementById('activity-0').focus()")
    for key in ("ArrowRight", "ArrowRight", "PageUp", "ArrowLeft"):
        for kind in ("rawKeyDown", "keyUp"):
            code = {"ArrowRight": 39, "ArrowLeft": 37, "PageUp": 33}[key]
            window.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)
    activities, doses = shown(window)
    assert activities[0] != pytest.approx(plan.first.activities_gbq[0])
    assert activities[1] == pytest.approx(plan.first.activities_gbq[1])
    for name, dose in plan.first.table.doses(activities).items():
        assert doses[name] == pytest.approx(dose, rel=1e-3), name
    assert not window.errors


def test_limits_on_the_slider_are_those_of_the_function(window):
    """At every position the statuses are what the plan says of that activity."""
    plan = planned()
    for position in (0, 150, 400, 1000):
        window.run(
            f"(i => {{ i.value = {position}; i.dispatchEvent(new Event('input')); }})(document.getElementById('activity-1'))"
        )
        activities, _ = shown(window)
        expected = [r.status for r in plan.first.results_at(activities) if r.status != "not applicable"]
        found = window.run(
            "[...document.querySelectorAll('#slider-aims .status')].map(s => s.textContent.slice(2))"
        )
        assert found == expected
    line = window.run("document.getElementById('slider-binding').textContent")
    assert "First limit in this split: non-tumour liver ≤ 75 Gy" in line
    window.run("document.getElementById('slider-reset').click()")
    assert shown(window)[0] == pytest.approx(plan.first.activities_gbq)


def test_the_slider_names_lung_doses_as_people_do(window):
    labels = window.run(
        "[...document.querySelectorAll('#slider-doses tbody th:first-child')].map(c => c.textContent)"
    )
    assert "Lungs, 1 kg" in labels
    assert plan_row_label("lungs_ct") == "Lungs, CT mass"
    assert plan_row_label("lungs_voxel") == "Lungs, dose map"
    assert not {"lungs", "lungs_ct", "lungs_voxel"} & set(labels)


def test_names_in_the_slider_are_escaped():
    page = render_plan_page(planned(), {})
    assert "left <b>" not in page
    assert "http" not in page.split('id="slider-data"')[1].split("</script>")[0]


def test_without_an_activity_there_is_no_slider_and_the_sheet_says_why():
    plan = yv.plan_from_masses(
        yv.PlanFacts("p", "Y-90", "resin", 49.77), Anatomy(), (Territory("a", 0.1),), PlanRequest()
    )
    assert 'id="slider"' not in render_plan_page(plan, {})
    assert "No activity is planned" in render_treatment_page(plan)


def test_the_sheet_has_empty_fields_before_and_numbers_after():
    before = render_treatment_page(one())
    assert before.count('class="blank"') > 10
    assert "7 GBq, calibrated 2026-03-01T20:00+00:00" in before
    plan = one(ASSAYED)
    (delivery,) = plan.metrics["treatment"]
    vial = 3.60 * 2 ** (-3 / 64.1)
    net = vial * (1 - 0.8 / 41.9)
    assert delivery["vial_activity_at_injection_bq"] == pytest.approx(1e9 * vial, rel=1e-9)
    assert delivery["net_activity_bq"] == pytest.approx(1e9 * net, rel=1e-9)
    assert delivery["deviation_percent"] == pytest.approx(100 * (net / plan.first.activity_gbq - 1))
    assert delivery["within_delivery_tolerance"] is True
    doses = plan.metrics["treatment_doses_gy"]
    assert doses["non_tumour_liver"] == pytest.approx(75.0 * net / plan.first.activity_gbq, rel=1e-6)
    after = render_treatment_page(plan)
    assert f"{net:.3f} GBq" in after
    assert "within ± 10 %" in after
    assert "BEYOND" in render_treatment_page(one(TreatmentDay(5.0, NOON, NOON, 0.1)))


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (lambda: TreatmentDay(3.0), "3 GBq needs its time and that of the injection"),
        (lambda: TreatmentDay(3.0, NOON, NOON, 0.1, readings=SurveyReadings(42, 1)), "residual is given twice"),
        (lambda: one(TreatmentDay(3.0, NOON, NOON, 4.0)).metrics, "residual of 4 GBq exceeds the vial of 3 GBq"),
        (lambda: one(TreatmentDay(3.0, NOON.replace(tzinfo=None), NOON)).metrics, "has no time zone"),
        (lambda: one(ASSAYED, ASSAYED).metrics, "2 treatments are described, but there are 1 injections"),
        (lambda: TreatmentDay(-3.0, NOON, NOON), "assayed activity must be"),
    ],
)  # fmt: skip
def test_a_day_that_cannot_be_is_refused(day, words):
    with pytest.raises(InputError, match=words):
        day()


@pytest.mark.parametrize(("size", "refused"), [(2.5, True), (20.5, True), (12.0, False)])
def test_sizes_of_vials_beyond_what_is_sold_are_refused(size, refused):
    order = OrderRequest(NOON, (NOON - timedelta(hours=64),), vial_sizes_gbq=(size,))
    if refused:
        with pytest.raises(
            InputError, match=rf"vial of {size:g} GBq is not sold: TheraSphere comes with 3 to 20"
        ):
            planned(order=order)
    else:
        assert {offer.vial.size_gbq for o in planned(order=order).orders for offer in o.offers} == {12.0}
