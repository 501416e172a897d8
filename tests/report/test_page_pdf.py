"""The PDF: what the page says, all of it, on sheets of A4."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from evaluation_factory import make_evaluation

from y90voxel.errors import Notice
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.plan import plan_from_masses
from y90voxel.planning.plan_result import PlanFacts
from y90voxel.report import page_pdf
from y90voxel.report.dose_page import render_dose_page, write_report
from y90voxel.report.dose_report import dose_report
from y90voxel.report.figures import dose_figures
from y90voxel.report.page_pdf import write_pdf
from y90voxel.report.plan_page import render_plan_page, write_plan_page
from y90voxel.report.treatment_page import render_treatment_page

HEAD = "<html><head><title>Plan</title></head><body><main>"
FOOT = "<footer>Research software.</footer></main></body></html>"


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation()


@pytest.fixture(scope="module")
def plan():
    territories = (
        Territory("hepatic", 0.1, (TumourUptake("GTV <1>", 0.2, 3.0),), 0.8),
        Territory("renal", 0.2, (TumourUptake("GTV <1>", 0.1, 5.0),), 0.1),
    )
    anatomy = Anatomy({"GTV <1>": 0.3}, perfused_normal_kg=0.9, whole_normal_kg=1.6)
    return plan_from_masses(
        PlanFacts("two arteries", "Y-90", "glass", 49.67, given_gbq=(3.3, 1.4)), anatomy, territories
    )


@pytest.fixture(scope="module")
def pages(evaluation, plan):
    report = dose_report(evaluation)
    return {
        "dose": render_dose_page(report.text, dose_figures(report), "viewer.html"),
        "plan": render_plan_page(plan, {}),
        "treatment": render_treatment_page(plan),
    }


def tree_of(page):
    reader = page_pdf._Tree()
    reader.feed(page)
    return reader.close_tree()


def said_by_parts(page):
    """All text that is set, in order."""
    for kind, element, _ in page_pdf._parts(tree_of(page)):
        if kind in ("h1", "h2", "h3", "p"):
            yield page_pdf._said(element)
        elif kind == "ul" and "settings" in element.get("class", ""):
            yield from map(page_pdf._said, element)
        elif kind != "img":
            for rows in page_pdf._rows(kind, element):
                for row in rows:
                    yield from map(page_pdf._said, row)


def letters(texts):
    return re.sub(r"\s+", "", "".join(texts))


@pytest.mark.parametrize("name", ["dose", "plan", "treatment"])
def test_every_word_of_the_page_is_set_once(name, pages):
    main = next(tree_of(pages[name]).iter("main"))
    said = letters(said_by_parts(pages[name]))
    assert said == letters([page_pdf._said(main)])
    assert len(said) > 300


def printed(pdf):
    """The words of a PDF, as poppler reads them."""
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext here")
    read = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True)
    return re.sub(r"\s+", " ", read.stdout)


def sheets(pdf):
    return len(re.findall(rb"/Type /Page\b", pdf.read_bytes()))


def test_a_report_is_printed_with_its_numbers_and_figures(evaluation, tmp_path):
    (pdf,) = write_report(dose_report(evaluation), tmp_path, page=False, pdf=True)
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]
    assert len(re.findall(rb"/Subtype /Image\b", pdf.read_bytes())) == 3
    words = printed(pdf)
    for what in ("PREDICTED", "GTV 2 <script>alert(1)</script>", "V100", "Limits and goals", "SHA-256"):
        assert what in words
    assert "interactive page" not in words


def test_pages_are_added_for_what_does_not_fit(evaluation, tmp_path):
    notices = tuple(Notice("long", "words of a very long warning " * 12) for _ in range(60))
    few = write_report(dose_report(evaluation), tmp_path, page=False, pdf=True)[0]
    count = sheets(few)
    many = write_report(dose_report(replace(evaluation, notices=notices)), tmp_path, page=False, pdf=True)[0]
    assert sheets(many) >= count + 2


def test_a_report_without_regions_and_device_is_printed(tmp_path):
    bare = make_evaluation(regions=False, device=None, ct=False, predicted=False)
    (pdf,) = write_report(dose_report(bare), tmp_path, page=False, pdf=True)
    words = printed(pdf)
    assert "No device is given" in words
    assert "PREDICTED" not in words


def test_a_plan_is_printed_with_the_sheet_of_the_day(plan, tmp_path):
    paths = write_plan_page(plan, tmp_path, pdf=True)
    assert [path.name for path in paths if path.suffix == ".pdf"] == ["plan.pdf", "treatment.pdf"]
    assert (tmp_path / "treatment.html").exists()
    words = printed(tmp_path / "treatment.pdf")
    for what in ("hepatic", "renal", "Lot and vial number", "Time of the assay, with zone", "Physician ____"):
        assert what in words


def test_a_field_to_write_in_is_higher_than_a_row_of_text(tmp_path):
    row = "<tr><th scope='row'>Assay</th><td{}></td></tr>"
    tables = {name: "<table><tbody>" + 40 * row.format(cell) + "</tbody></table>" for name, cell in
              {"blank": " class='blank'", "text": ""}.items()}  # fmt: skip
    counts = {
        name: sheets(write_pdf(HEAD + text + FOOT, tmp_path / f"{name}.pdf")) for name, text in tables.items()
    }
    assert counts == {"blank": 2, "text": 1}


def test_a_table_with_more_columns_than_fit_is_set_smaller(tmp_path):
    cells = "".join(f"<td class='number'>{1000 + n}.25</td>" for n in range(18))
    page = f"{HEAD}<table><tbody><tr>{cells}</tr></tbody></table>{FOOT}"
    words = printed(write_pdf(page, tmp_path / "wide.pdf"))
    for n in range(18):
        assert f"{1000 + n}.25" in words  # none is broken
    more = page.replace(cells, 4 * cells)
    everything = letters([printed(write_pdf(more, tmp_path / "wider.pdf"))])  # broken, but all there
    assert len(everything) >= 4 * 18 * len("1000.25")


def test_a_sign_that_the_font_lacks_leaves_a_box_and_no_noise(tmp_path, caplog, capfd):
    page = f"{HEAD}<h1>Plan 患者 <br>ψ</h1><p>{'x' * 400}</p>{FOOT}"
    words = printed(write_pdf(page, tmp_path / "a.pdf"))
    assert "Plan □□ ψ" in words
    assert caplog.text == ""
    assert capfd.readouterr().err == ""


def test_a_struck_row_is_struck_and_says_why(tmp_path):
    row = "<tr class='struck'><td>10 GBq</td><td class='plain'>not offered: liver</td></tr>"
    (cells,) = page_pdf._rows("table", tree_of(f"<table><tbody>{row}</tbody></table>"))[1]
    assert [page_pdf._face(cell, cells, None).emphasis.name for cell in cells] == ["S", "NONE"]
