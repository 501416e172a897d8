"""The section of blood, lymphocytes and immunotherapy: what it says, its label, its figure, and that it is not there unasked."""

import io

import numpy as np
import pytest
from evaluation_factory import make_evaluation
from PIL import Image

from y90voxel.case.immune_evaluation import with_immune
from y90voxel.case.immune_settings import ImmuneSettings
from y90voxel.immune.immune_report import EXPLORATORY
from y90voxel.report.dose_page import render_dose_page
from y90voxel.report.dose_report import dose_report
from y90voxel.report.figures import dose_figures
from y90voxel.report.immune_figure import immune_png
from y90voxel.report.immune_section import immune_section

COUNTS = [{"day": -2, "giga_per_l": 1.4}, {"day": 30, "giga_per_l": 0.2}, {"day": 90, "giga_per_l": 3.0}]


def asked(**settings):
    return with_immune(make_evaluation(), ImmuneSettings.model_validate({"report": True, **settings}), "F")


@pytest.fixture(scope="module")
def full():
    return asked(
        cycle_days=[-3, 10, 31], count=COUNTS, pool_weighted=True, free_activity="0.5%", slow_share=0.5
    )


def test_nobody_asked_and_nothing_is_said():
    plain = make_evaluation()
    assert immune_section(plain.immune) is None
    report = dose_report(plain)
    assert "immune.png" not in dose_figures(report)
    assert "Blood, lymphocytes" not in render_dose_page(
        report.text, {"dose_hottest.png": b"", "dose_centre.png": b""}
    )


def test_the_page_says_that_no_decision_may_rest_on_it(full):
    report = dose_report(full)
    figures = dose_figures(report)
    page = render_dose_page(report.text, figures)
    section = page[page.index("Blood, lymphocytes") : page.index("How this was computed")]
    assert EXPLORATORY in section
    for sentence in full.immune.assumptions:
        assert sentence.replace("'", "&#39;") in section
    assert "as if lymphocytes never left the blood" in section
    assert "UNVERIFIED" in section
    assert "data:image/png" in section
    assert "<script>alert" not in section


def test_numbers_of_the_section_are_those_of_the_report(full):
    section = immune_section(full.immune)
    rows = {row["name"]: row["value"] for row in section["blood"]}
    blood = full.immune.blood
    assert rows["Mean dose to blood after full decay"] == f"{blood.mean_gy:.2f}"
    assert rows["Spread over cells"] == f"{blood.sd_gy:.2f}"
    assert rows["of it from lung"] == f"{blood.by_part_gy['lung']:.2f}"
    assert [row["day"] for row in section["cycles"]] == ["−3", "10", "31"]
    assert [row["left"] for row in section["cycles"]] == ["100", "7.46", "0.0321"]
    assert [row["where"] for row in section["measured"]] == ["within", "above"]
    assert section["counts"][0]["pools"] != "–"
    assert "1.41 Gy" in section["cohorts"][0]
    assert "1.66 Gy" in section["cohorts"][1]


def test_a_count_below_the_range_is_said():
    section = immune_section(asked(count=[COUNTS[0], {"day": 91, "giga_per_l": 0.01}]).immune)
    assert section["measured"][0]["where"] == "below"


def test_without_options_labels_of_options_are_not_there():
    section = immune_section(asked().immune)
    names = " ".join(row["name"] + row["note"] for row in section["blood"])
    assert "UNVERIFIED" not in names
    assert "Free activity" not in names
    assert (section["with_pools"], section["measured"], section["cycles_are_given"]) == (False, [], False)
    assert [row["day"] for row in section["cycles"]] == ["7", "14", "21"]


def test_the_figure_is_drawn_with_and_without_options(full):
    plain, whole = (
        np.asarray(Image.open(io.BytesIO(immune_png(e.immune))).convert("RGB")) for e in (asked(), full)
    )
    assert plain.shape == whole.shape == (580, 1420, 3)
    assert (plain != whole).any(axis=2).sum() > 1000
    for picture in (plain, whole):
        colours = {tuple(c) for c in picture[60:440, 70:660].reshape(-1, 3)}
        assert (201, 220, 234) in colours  # the range
