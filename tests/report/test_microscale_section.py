"""The section and figure of dose between microspheres: all numbers and assumptions are on the page, and nothing unasked."""

import re
from dataclasses import replace

import numpy as np
import pytest
from evaluation_factory import make_evaluation
from PIL import Image

from y90voxel.case.microscale_evaluation import with_microscale
from y90voxel.case.settings import load_settings
from y90voxel.report.dose_page import write_report
from y90voxel.report.dose_report import dose_report
from y90voxel.report.formatting import dose_text, number
from y90voxel.report.microscale_section import microscale_section


def asked(evaluation, **given):
    tables = {"microscale": {"report": True, "days_since_calibration": 4.0, **given}}
    lq = {"tumour": {"alpha_beta_gy": 10.0, "repair_half_time_h": 1.5, "alpha_per_gy": 0.017}}
    chosen = load_settings(None, {**tables, "radiobiology": lq})
    update = {"microscale": chosen.microscale, "radiobiology": chosen.radiobiology}
    case = replace(evaluation.case, settings=evaluation.case.settings.model_copy(update=update))
    return with_microscale(replace(evaluation, case=case))


@pytest.fixture(scope="module")
def found():
    return asked(make_evaluation())


@pytest.fixture(scope="module")
def written(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(dose_report(found), folder)
    return folder


def test_the_page_has_every_number_and_assumption(found, written):
    page = (written / "report.html").read_text(encoding="utf-8")
    section = page[page.index("Between microspheres") :]
    text = re.sub(r"\s+", " ", section)
    assert "exploratory, no decision may rest on it" in text
    for sentence in found.microscale.assumptions:
        assert sentence.replace("'", "&#39;") in text
    for region in found.microscale.regions:
        shown = [
            region.mean_gy,
            *region.d_gy.values(),
            *region.d_alone_gy.values(),
            *region.voxel_d_gy.values(),
        ]
        shown += [*region.eud_gy.values(), *region.eud_alone_gy.values()]
        for gy in shown:
            assert dose_text(gy) in text
        assert number(region.spheres_per_ml) in text
    assert "at the stated α of 0.017 /Gy" in text
    assert "it turns no dose of one device into that of another" in text
    assert "voxels of 5 × 4.4 × 4.4 mm average over the unevenness" in page


def test_no_device_is_compared_with_another(written):
    page = (written / "report.html").read_text(encoding="utf-8")
    section = page[page.index("Between microspheres") : page.index("How this was computed")]
    assert "resin" not in section


def test_the_figure_shows_both_histograms_of_tumour_and_liver(written):
    picture = np.asarray(Image.open(written / "figures" / "microscale.png").convert("RGB")).astype(int)
    assert picture.shape[:2] == (590, 1420)
    for colour in ((0xA8, 0x32, 0x0A), (0x2F, 0x6F, 0x9F), (0x74, 0x50, 0xC4)):
        drawn = np.abs(picture - colour).sum(axis=2) < 12
        assert drawn[60:460, :700].sum() > 100
        assert drawn[60:460, 720:].sum() > 100


def test_nobody_asked_and_nothing_is_shown(tmp_path):
    write_report(dose_report(make_evaluation()), tmp_path)
    assert microscale_section(None) is None
    assert not (tmp_path / "figures" / "microscale.png").exists()
    assert "Between microspheres" not in (tmp_path / "report.html").read_text(encoding="utf-8")
