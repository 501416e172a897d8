"""Every kind of page by axe-core in headless Chromium: keyboard, screen reader, contrast, and no sideways scroll of the page.

axe-core is not part of this repository: `npm pack axe-core` brings it, once for the run; ``AXE_CORE`` may name an ``axe.min.js``.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from itertools import pairwise
from pathlib import Path

import pytest
from browser import SOFTWARE_WEBGL, browser, find_chromium
from cohort_factory import write_cohort_folders

from y90voxel.batch.cohort_results import write_cohort

ROOT = Path(__file__).resolve().parents[2]
AXE = "axe-core@4.10.2"  # rules change with versions
GRAVE = ("serious", "critical")
WIDTHS = (1400, 900, 420)  # [CSS pixels] of a desktop, a tablet held upright, a telephone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium (apt-get install chromium)"),
]


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The script that looks for faults."""
    if "AXE_CORE" in os.environ:
        return Path(os.environ["AXE_CORE"]).read_text(encoding="utf-8")
    folder, npm = tmp_path_factory.mktemp("axe"), shutil.which("npm")
    if (
        npm is None
        or subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, timeout=120).returncode
    ):
        pytest.skip("needs axe-core: npm and its registry, or AXE_CORE=axe.min.js")
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        return archive.extractfile("package/axe.min.js").read().decode("utf-8")


EVERYTHING = """
[administration]
activity = "2.2 GBq"
lung_shunt_fraction = 0.06
device = "glass"
[plan]
scenario = "unilobar"
disease = "HCC"
[patient]
bilirubin_umol_per_l = 15
[immune]
report = true
[microscale]
days_since_calibration = 3
report = true
[output]
uncertainty = true
"""
# Each kind of page, and where it lies among the results.
PAGES = {
    "report": "dose/report.html", "viewer": "dose/viewer.html", "plan": "plan/plan.html", "treatment": "plan/treatment.html",
    "course": "course/course.html", "compare": "course/02-tare-right-lobe-compared/compare.html",
    "compared": "course/02-tare-right-lobe-compared/viewer.html",
    "accumulate": "course/accumulate/accumulate.html", "cohort": "cohort/cohort.html", "commission": "commission/commission.html",
    "check": "check/check.html",
}  # fmt: skip


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A page of every kind, from the sample study and what is made from it."""
    out = tmp_path_factory.mktemp("pages")
    (out / "case.toml").write_text(EVERYTHING, encoding="utf-8")
    study = ROOT / "sample_data" / "study"

    def run(*words):
        done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr

    run("-m", "y90voxel", "dose", study, "--case", out / "case.toml", "-o", out / "dose")
    run("-m", "y90voxel", "plan", study, "--case", out / "case.toml", "-o", out / "plan")
    run("-m", "y90voxel", "check", out / "dose" / "dose.dcm", out / "dose", "-o", out / "check")
    run(ROOT / "docs" / "courses" / "make_patient_4.py", out / "patient_4")
    run("-m", "y90voxel", "course", out / "patient_4" / "patient_4.toml", "-o", out / "course")
    run("-m", "y90voxel", "twin", "-o", out / "twin")
    run("-m", "y90voxel", "commission", out / "twin", "-o", out / "commission")
    (out / "cohort").mkdir()
    write_cohort(out / "cohort", write_cohort_folders(out / "cohort"))
    return out


@pytest.fixture(scope="module")
def window():
    with browser(*SOFTWARE_WEBGL) as page:
        yield page


def opened(window, file, width):
    window.errors.clear()
    window.open(file, width, 900)
    if window.run("typeof viewer !== 'undefined'"):
        window.run("viewer.ready", 120)
    return window


def faults(window, axe, impacts=GRAVE):
    """What axe-core finds of these impacts: rule and the first element."""
    window.run(f"{axe};0")
    found = window.run(
        "axe.run(document).then(r => r.violations.map(v => [v.impact, v.id, v.nodes[0].html.slice(0, 200)]))",
        180,
    )
    return [fault for fault in found if fault[0] in impacts]


def test_axe_finds_what_is_wrong(window, axe, tmp_path):
    page = tmp_path / "wrong.html"
    page.write_text(
        "<!DOCTYPE html><html lang=en><title>w</title><main><h1>w</h1><img src=x.png><p style='color:#ccc'>faint</p></main>"
    )
    assert {rule for _, rule, _ in faults(opened(window, page, 900), axe)} == {"image-alt", "color-contrast"}


@pytest.mark.parametrize("kind", PAGES)
def test_no_page_has_a_grave_fault_at_any_width(window, axe, results, kind):
    for width in WIDTHS:
        opened(window, results / PAGES[kind], width)
        assert window.run("document.documentElement.scrollWidth - innerWidth") <= 0, width
        assert faults(window, axe) == [], width
        assert window.errors == []


@pytest.mark.parametrize("kind", PAGES)
def test_headings_pictures_and_tables_say_what_they_are(window, results, kind):
    opened(window, results / PAGES[kind], 1400)
    levels = window.run("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    alts = window.run("[...document.querySelectorAll('main img')].map(i => i.alt)")
    assert all(len(alt) > 15 for alt in alts), alts
    bare = window.run("[...document.querySelectorAll('th:not([scope])')].map(t => t.outerHTML)")
    assert bare == []
    unnamed = window.run(
        "[...document.querySelectorAll('tbody tr')].filter(r => !r.querySelector('th') && !r.closest('table')"
        ".querySelector('th[scope=rowgroup][rowspan]')).map(r => r.outerHTML.slice(0, 200))"
    )
    assert unnamed == []


def test_the_table_of_a_cohort_is_sorted_by_keyboard(window, results):
    opened(window, results / PAGES["cohort"], 1400)
    window.run("document.querySelectorAll('#studies .sort')[2].focus()")
    for event in ("rawKeyDown", "char", "keyUp"):
        window.send("Input.dispatchKeyEvent", type=event, key="Enter", text="\r", windowsVirtualKeyCode=13)
    assert window.run("document.querySelectorAll('#studies th')[2].ariaSort") == "descending"
    values = window.run(
        "[...document.querySelectorAll('#studies tbody tr')].map(r => r.cells[2].dataset.sort)"
    )
    numbers = [float(value) for value in values if value]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 20


@pytest.mark.parametrize("kind", PAGES)
def test_the_focus_is_seen_wherever_the_keyboard_takes_it(window, results, kind):
    opened(window, results / PAGES[kind], 420)
    seen = set()
    for _ in range(60):
        for event in ("rawKeyDown", "keyUp"):
            window.send("Input.dispatchKeyEvent", type=event, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        where, style, thickness = window.run(
            "(({ outlineStyle, outlineWidth }, e) => [[...document.querySelectorAll('*')].indexOf(e), outlineStyle,"
            " parseFloat(outlineWidth)])(getComputedStyle(document.activeElement), document.activeElement)"
        )
        if window.run("document.activeElement === document.body"):
            break
        assert (style, thickness >= 2) == ("solid", True), window.run(
            "document.activeElement.outerHTML.slice(0, 200)"
        )
        seen.add(where)
    assert len(seen) >= 2


def test_what_goes_on_beyond_the_right_edge_fades_until_it_is_scrolled_to(window, results):
    opened(window, results / PAGES["commission"], 420)
    state = (
        "[...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth - e.clientWidth,"
        " parseFloat(getComputedStyle(e).getPropertyValue('--fade'))])"
    )
    window.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
    first = window.run(state)
    assert {fade for beyond, fade in first if beyond > 20} == {28}
    assert {fade for beyond, fade in first if beyond <= 0} == {0}
    window.run("document.querySelectorAll('.scroll').forEach(e => e.scrollLeft = e.scrollWidth)")
    window.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
    assert max(fade for _, fade in window.run(state)) < 1
