"""The page of a calculation: complete, self-contained, and safe against what people name their regions."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from evaluation_factory import PARTS, make_evaluation, with_regions
from markupsafe import escape
from phantoms import changed

from y90voxel.case.lung_methods import LungMethod
from y90voxel.errors import Notice
from y90voxel.metrics.radiobiology import RadiobiologyParameters
from y90voxel.quantification.calibration import Calibration, CalibrationMode, CalibrationRegion
from y90voxel.regions.regions import Regions
from y90voxel.report.dose_content import (
    calibration_sentence,
    cards,
    dose_content,
    limiting_lung_dose,
    lung_method_rows,
    lung_rows,
)
from y90voxel.report.dose_page import render_dose_page, write_report
from y90voxel.report.dose_report import dose_report
from y90voxel.report.formatting import dose_text, flatten, number

FIGURES = {"dose_hottest.png": b"hottest", "dose_centre.png": b"centre", "dvh.png": b"dvh"}


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation()


@pytest.fixture(scope="module")
def page(evaluation):
    return render_dose_page(dose_content(evaluation), FIGURES)


def text_of(page):
    """The words of a page, without tags and with single blanks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("</style>")[1]))


def test_names_from_files_are_escaped(page):
    assert "<script" not in page.lower()
    assert "GTV 2 &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Patient &lt;7&gt;" in page
    assert "&lt;b&gt;odd &amp; end&lt;/b&gt;" in page


def test_page_loads_nothing_from_anywhere(page):
    addresses = re.findall(r"""(?:src|href|action|data)\s*=\s*["']?([^"'\s>]+)""", page)
    assert len(addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not re.search(r"@import|url\(|<link|<iframe|https?://", page)


def test_figures_are_inside_the_page_and_beside_it(evaluation, tmp_path):
    paths = write_report(dose_report(evaluation), tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "report.html", "figures/dose_hottest.png", "figures/dose_centre.png", "figures/dvh.png",
    ]  # fmt: skip
    page = paths[0].read_text(encoding="utf-8")
    for path in paths[1:]:
        assert base64.b64encode(path.read_bytes()).decode() in page
    assert page.count("<img ") == 3


def test_every_region_is_there_with_its_numbers(evaluation, page):
    words = text_of(page)
    for metrics in evaluation.regions:
        name = metrics.name.replace("<", "&lt;").replace(">", "&gt;")
        row = words[words.index("Region mL g MBq") :]
        row = row[row.index(f" {name} ") : row.index(f" {name} ") + 300]
        assert f" {number(metrics.volume_ml)} {number(metrics.mass_g)} " in row
        for dose in (metrics.mass_weighted_mean_gy, metrics.d_gy[70], metrics.d_gy[98]):
            assert f" {dose_text(dose)} " in row, (metrics.name, dose)


def test_every_warning_is_there(evaluation):
    notices = tuple(Notice(f"code-{n}", f"message number {n} of this run") for n in range(40))
    words = text_of(render_dose_page(dose_content(replace(evaluation, notices=notices)), FIGURES))
    assert "40 warnings to read with these numbers" in words
    for notice in notices:
        assert f"{notice.code} {notice.message}" in words


def test_page_without_warnings_has_no_box_for_them(evaluation):
    assert 'class="warnings"' not in render_dose_page(dose_content(replace(evaluation, notices=())), FIGURES)


def test_disclaimer_and_facts_are_visible(page):
    words = text_of(page)
    for fact in (
        "Research software, not a medical device.",
        "Patient &lt;7&gt;",
        "Y-90 · glass microspheres · convolution with voxel S values",
        "computed 2026-03-02 10:15 UTC",
        "Net activity 2.4 GBq",
        "Lung shunt 6.00 %",
        "1.2.840.99.1",
        "ab12ab12ab12",
        "cd34" * 16,
        "administration.activity = 2.4 GBq",
        "set to 1.05 g/mL",
        "2.25.1234567890",
        "49.77 J/GBq",
        "of the liver volume lies outside the perfused volume",
    ):
        assert fact in words, fact


@pytest.mark.parametrize(("predicted", "count"), [(True, 1), (False, 0)])
def test_prediction_is_marked_and_delivery_is_not(predicted, count):
    page = render_dose_page(dose_content(make_evaluation(predicted=predicted)), FIGURES)
    assert page.count("predicted from a surrogate; not the delivered dose") == count
    assert ("Predicted absorbed dose" in page) is predicted


def test_limits_state_their_status_in_words_with_source(evaluation, page):
    words = text_of(page)
    statuses = [held.status for held in evaluation.limits]
    assert set(statuses) == {"met", "not met", "not applicable"}
    for mark, status in (("✕", "not met"), ("✓", "met"), ("–", "not applicable")):
        assert words.count(f"{mark} {status}") == statuses.count(status)
    for held in evaluation.limits:
        assert escape(held.reason or held.limit.source) in page
    assert "at least 205" in words
    assert "at most 30" in words


def test_limits_that_do_not_apply_say_so():
    evaluation = make_evaluation(regions=False)
    words = text_of(
        render_dose_page(dose_content(evaluation), {k: v for k, v in FIGURES.items() if k != "dvh.png"})
    )
    assert "– not applicable" in words
    assert "Dose-volume" not in words


def test_without_a_device_the_page_says_how_to_get_limits():
    words = text_of(render_dose_page(dose_content(make_evaluation(device=None)), FIGURES))
    assert "No device is given, so no limits are reported. Give --device glass" in words


def test_model_values_appear_only_where_parameters_were_given(evaluation, page):
    assert "Mean BED" not in page
    assert "EUD" not in page
    parameters = RadiobiologyParameters(10.0, 1.5 * 3600, 0.01, "our clinic")
    first, *rest = evaluation.regions
    first = replace(
        first,
        bed_mean_gy=61.2,
        eqd2_mean_gy=51.0,
        eud_gy=33.4,
        radiobiology=parameters,
        relative_uncertainty=0.124,
    )
    words = text_of(render_dose_page(dose_content(replace(evaluation, regions=(first, *rest))), FIGURES))
    assert "BED, EQD2 and EUD at 2.4" in words
    assert (
        "Liver: α/β 10.0 Gy, repair half-time 1.50 h (G 0.0229 with the half-life of 64.1 h), α 0.0100 /Gy; "
        "source: our clinic." in words
    )
    assert "Model values, voxel by voxel" in words
    assert " 61.2 51.0 33.4 " in words
    unsourced = replace(first, radiobiology=RadiobiologyParameters(10.0, 1.5 * 3600))
    words = text_of(render_dose_page(dose_content(replace(evaluation, regions=(unsourced, *rest))), FIGURES))
    assert "no α, so no EUD; source: not stated." in words


def test_automatic_and_truncated_regions_are_flagged(evaluation):
    drawn = list(evaluation.case.regions.drawn)
    drawn[4] = replace(drawn[4], truncated=True, fraction_in_image=0.74)
    regions = Regions(evaluation.dose.grid, tuple(drawn))
    marked = tuple(replace(m, automatic=m.name == "Liver") for m in evaluation.regions)
    words = text_of(
        render_dose_page(dose_content(replace(with_regions(evaluation, regions), regions=marked)), FIGURES)
    )
    assert "Liver liver automatic" in words
    assert "Lung_R lung cut off by the image, 74.0 % in view" in words


def test_regions_that_no_person_drew_are_told_once(evaluation):
    marked = replace(evaluation, regions=tuple(replace(m, automatic=True) for m in evaluation.regions))
    words = text_of(render_dose_page(dose_content(marked), FIGURES))
    assert words.count("automatic No region was drawn by a person") == 1
    assert "Liver liver automatic" not in words


def test_lung_conventions_are_all_listed_and_the_limiting_one_is_marked(evaluation):
    rows = lung_rows(evaluation)
    assert [row["dose"] for row in rows] == ["7.17", "8.02", "2.31", "2.05", "1.12"]
    assert [row["name"] for row in rows if row["used"]] == ["MIRD, 1 kg of lung"]


def test_lung_methods_stand_side_by_side_with_their_engines(evaluation):
    methods = (
        LungMethod("mird-1kg", None, 7.167),
        LungMethod("convolution", 2.31, 2.05, 1.12, 1.01, 0.33),
        LungMethod("density", 2.42, 2.21, 1.15, 1.04, 0.41),
    )
    compared = replace(evaluation, lung=replace(evaluation.lung, by_method=methods))
    rows = lung_method_rows(compared)
    assert [row["name"] for row in rows] == [
        "MIRD, 1 kg of lung",
        "convolution with voxel S values",
        "density-aware superposition",
    ]
    assert [row["used"] for row in rows] == [False, True, False]
    assert [row["by_mass"] for row in rows] == ["7.17", "2.05", "2.21"]
    words = text_of(render_dose_page(dose_content(compared), FIGURES))
    assert "density-aware superposition 2.21 2.42 1.04 1.15 0.41" in words
    assert "convolution with voxel S values (the dose map) 2.05 2.31 1.01 1.12 0.33" in words
    assert "Mean lung dose by method" not in text_of(render_dose_page(dose_content(evaluation), FIGURES))


def test_limiting_lung_dose_falls_back_to_the_map_and_then_to_none(evaluation):
    without = replace(evaluation, lung=replace(evaluation.lung, mird_gy={}))
    assert limiting_lung_dose(without) == ("voxel map, mass-weighted", 2.05)
    assert [row["name"] for row in lung_rows(without) if row["used"]] == ["voxel map, mass-weighted"]
    one_lung = Regions(evaluation.dose.grid, evaluation.case.regions.drawn[:5])
    assert limiting_lung_dose(with_regions(without, one_lung)) == ("", None)
    assert not any(row["used"] for row in lung_rows(with_regions(without, one_lung)))


def test_cards_show_a_single_tumour_and_met_limits(evaluation):
    limits = tuple(replace(held, status="met") for held in evaluation.limits)
    tumour = tuple(m for m in evaluation.regions if m.name in ("Liver", "GTV1", "non-tumour liver"))
    found = {
        card["label"]: card
        for card in cards(replace(evaluation, regions=tumour, limits=limits), "1 GBq", "glass microspheres")
    }
    gtv = evaluation.region("GTV1")
    assert found["Tumour"]["value"] == f"{number(gtv.mass_weighted_mean_gy)} Gy"
    assert found["Tumour"]["note"] == f"mean; D70 {number(gtv.d_gy[70])} Gy"
    count = len([held for held in limits if held.status != "not applicable"])
    assert found["Limits and goals"] | {"note": ""} == {
        "label": "Limits and goals", "value": f"{count} of {count} met", "note": "", "status": "met",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        (
            Calibration(),
            "net activity × (1 − lung shunt), over the counts in liver, tumours and perfused volume together",
        ),
        (
            Calibration(region=CalibrationRegion.LIVER_AND_LUNGS),
            "net activity, over the counts in liver and lungs together",
        ),
        (Calibration(region=CalibrationRegion.BODY), "net activity, over the counts in the body"),
        (Calibration(CalibrationMode.ABSOLUTE), "absolute: the image states Bq/mL"),
        (
            Calibration(CalibrationMode.FACTOR, factor_cps_per_mbq=9.53),
            "camera factor, 9.530 counts per second and MBq",
        ),
    ],
)
def test_calibration_is_told_as_it_was_done(evaluation, calibration, words):
    assert words in calibration_sentence(
        replace(evaluation, case=changed(evaluation.case, calibration=calibration))
    )


def test_calibration_over_the_image_takes_the_shunt_off_when_lungs_are_not_in_view(evaluation):
    case = changed(evaluation.case, calibration=Calibration(region=CalibrationRegion.FIELD_OF_VIEW))
    one_lung = Regions(evaluation.dose.grid, evaluation.case.regions.drawn[:5])
    told = calibration_sentence(replace(evaluation, case=replace(case, regions=one_lung)))
    assert told.startswith("relative: net activity × (1 − lung shunt), over the counts in the whole image")


def test_injections_are_listed_with_time_and_territory(evaluation):
    first = evaluation.case.injections[0]
    time = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    second = replace(
        first,
        emission=replace(first.emission),
        administration=replace(first.administration, activity_bq=None, time=time),
        territory="Perfused volume",
    )
    rows = dose_content(replace(evaluation, case=replace(evaluation.case, injections=(first, second))))[
        "injections"
    ]
    assert [row["activity"] for row in rows] == ["2.4 GBq", "from the image"]
    assert [row["time"] for row in rows] == ["–", "2026-03-02 09:30 UTC"]
    assert [row["territory"] for row in rows] == ["liver, tumours and perfused volume", "Perfused volume"]
    assert {(row["shunt"], row["image"]) for row in rows} == {("6.00 %", "Tc-99m NM, surrogate")}


def test_inputs_without_a_name_have_no_column_for_it(evaluation, page):
    bare = {"inputs": [{"series_instance_uid": "1.2.3", "files": 96, "sha256": "f" * 64}]}
    words = text_of(render_dose_page(dose_content(replace(evaluation, provenance=bare)), FIGURES))
    assert "Inputs Series Files SHA-256, first 12 1.2.3 96 ffffffffffff " in words
    assert "Inputs What Series Files SHA-256, first 12 emission 1.2.840.99.1 1 ab12ab12ab12 " in text_of(page)


def test_page_stands_without_provenance(evaluation):
    words = text_of(render_dose_page(dose_content(replace(evaluation, provenance={})), FIGURES))
    assert "computed –" in words


def test_nested_settings_become_dotted_keys():
    assert list(flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": None})) == [
        ("a.b", "1"),
        ("a.c.d", "[2]"),
        ("e", "None"),
    ]


def test_region_names_of_the_factory_hold_markup():
    assert "<script>" in PARTS[2][0]
