"""The interactive page in a real browser: it loads from a file, draws, and tells the truth about the point it is asked for.

CT and dose are linear in the patient's coordinates, which linear interpolation keeps exactly: whatever grid they lie on, the
page must read off the same formula.
"""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from browser import NO_WEBGL, SOFTWARE_WEBGL, browser, find_chromium, here, text, value
from linear_phantom import AXIAL, CENTRE, GY, HU, linear, phantom, tilted
from matplotlib.image import imread

from y90voxel.report.dose_report import dose_report
from y90voxel.report.viewer_page import write_viewer

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="needs Chromium (apt-get install chromium)")

SIZE = SimpleNamespace(width=1100, height=700)
HU_TOLERANCE = 1.0 + 0.5  # half a step of storage, and rounding to whole numbers
GY_TOLERANCE = 0.05 + 0.01  # one decimal, and half a step of storage


@pytest.fixture(scope="module")
def page():
    with browser(*SOFTWARE_WEBGL) as page:
        yield page


def opened(page, evaluation, folder):
    """The page of an evaluation, ready; what it complained about is a failure."""
    return shown(page, write_viewer(dose_report(evaluation), folder / "viewer.html"))


def shown(page, file):
    page.errors.clear()
    page.requests.clear()
    page.open(file, SIZE.width, SIZE.height)
    page.run("viewer.ready", 120)
    page.drawn()
    return page


@pytest.fixture(scope="module")
def axial_file(tmp_path_factory):
    return write_viewer(dose_report(phantom(AXIAL)), tmp_path_factory.mktemp("axial") / "viewer.html")


@pytest.fixture
def axial(page, axial_file):
    """The page of the axial phantom, opened anew: other tests move, zoom and hide in the same browser."""
    return shown(page, axial_file)


def picture(page):
    return imread(io.BytesIO(page.picture()))[..., :3]


def tick(page, identifier, on):
    page.run(
        f"(() => {{ const b = document.getElementById('{identifier}'); b.checked = {str(on).lower()}; b.onchange(); }})()"
    )


def slide(page, identifier, to):
    page.run(
        f"(() => {{ const s = document.getElementById('{identifier}'); s.value = {to}; s.oninput(); }})();"
        "new Promise(done => setTimeout(done, 400))"
    )


def write(page, identifier, words):
    page.run(
        f"(() => {{ const i = document.getElementById('{identifier}'); i.value = '{words}'; i.oninput(); }})()"
    )


def check_readout(page, point):
    page.run(f"viewer.goTo(rasOfLps({list(map(float, point))}))")
    assert np.abs(np.array(here(page)) - point).max() <= 0.051
    assert value(page, "dose-here") == pytest.approx(linear(point, GY), abs=GY_TOLERANCE)
    assert value(page, "underlay-here") == pytest.approx(linear(point, HU), abs=HU_TOLERANCE)


POINTS = [CENTRE, (-61.3, 40.2, 77.7), (33.3, -44.4, 5.5), (-80.0, -20.0, 60.0)]


@pytest.mark.parametrize("point", POINTS)
def test_crosshair_reads_dose_and_hu_of_the_point(axial, point):
    check_readout(axial, point)


def test_it_draws_and_loads_nothing(axial):
    image = picture(axial)
    for rows, columns in (
        (slice(60, 370), slice(0, 350)),
        (slice(390, 690), slice(0, 350)),
        (slice(60, 370), slice(370, 700)),
    ):
        assert image[rows, columns].std() > 0.1
    assert [url for url in axial.requests if not url.startswith(("file:", "data:"))] == []
    assert axial.errors == []
    assert not axial.run("[...document.querySelectorAll('img')].length")


def test_a_click_goes_where_the_picture_shows_that_grey(axial):
    """Picture, pointer and read-out agree: the grey at a pixel is the window's of the HU that the click there reads."""
    for box in ("show-isodoses", "show-outlines", "show-crosshair"):
        tick(axial, box, False)
    slide(axial, "opacity", 0)
    low, high = axial.run("[viewer.nv.volumes[0].cal_min, viewer.nv.volumes[0].cal_max]")
    axial.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
    image = picture(axial)
    seen = []
    for x, y in ((120, 190), (230, 190), (150, 250), (150, 520), (240, 600), (480, 180), (590, 250)):
        axial.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
        axial.click(x, y)
        point = here(axial)
        assert value(axial, "underlay-here") == pytest.approx(linear(point, HU), abs=HU_TOLERANCE + 0.1)
        grey = np.clip((linear(point, HU) - low) / (high - low), 0, 1)
        assert image[y, x].mean() == pytest.approx(grey, abs=0.012), (x, y)
        seen.append(point)
    right, down = np.subtract(seen[1], seen[0]), np.subtract(seen[2], seen[0])
    assert right[0] > 30  # axial: the patient's left is on the right
    assert down[1] > 10  # and the back is below
    assert seen[4][0] > seen[3][0]  # coronal: likewise
    assert seen[4][2] < seen[3][2]  # and the head is up
    assert seen[6][1] > seen[5][1]  # sagittal: front on the left
    assert seen[6][2] < seen[5][2]
    assert image.shape[:2] == (SIZE.height, SIZE.width)


def test_an_isodose_runs_through_the_point_of_its_dose(axial):
    for box in ("show-outlines", "show-crosshair"):
        tick(axial, box, False)
    tick(axial, "show-isodoses", True)
    slide(axial, "opacity", 0)
    for x, y in ((200, 560), (560, 200)):
        axial.click(x, y)
        dose = linear(here(axial), GY)
        write(axial, "levels", f"{dose:.3f}")
        near = picture(axial)[y, x - 40 : x + 41]
        coloured = np.flatnonzero(near[:, 0] - near[:, 2] > 0.15) - 40  # the only colour over a grey picture
        assert coloured.size >= 1
        assert np.abs(coloured).max() <= 2, coloured


def test_a_wrong_isodose_is_marked_and_changes_nothing(axial):
    levels = axial.run("JSON.stringify(viewer.levels)")
    write(axial, "levels", "100, high")
    assert axial.run("document.getElementById('levels').classList.contains('wrong')")
    assert axial.run("JSON.stringify(viewer.levels)") == levels


def test_regions_and_histograms_are_linked(axial):
    axial.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
    assert text(axial, "regions-here") == "in Liver, non-tumour liver"
    axial.run("document.querySelectorAll('#regions .name')[1].click()")
    widths = axial.run(
        "[...document.querySelectorAll('#dvh polyline')].map(l => [+l.dataset.region, +l.getAttribute('stroke-width')])"
    )
    assert [region for region, width in widths if width > 3] == [1]
    assert widths[-1][0] == 1  # drawn last, on top
    box = axial.run(
        "(({ left, top, width, height }) => [left, top, width, height])(document.getElementById('dvh').getBoundingClientRect())"
    )
    axial.mouse("mouseMoved", box[0] + box[2] * 0.6, box[1] + box[3] * 0.5)
    dose, volume = axial.run("[viewer.hoverGy, viewer.histograms.volumeAt(1, viewer.hoverGy)]")
    tip = axial.run("[...document.querySelectorAll('#dvh .tip')].map(t => t.textContent)")
    evaluation = phantom(AXIAL)
    truth = 100 * evaluation.dvh("GTV <img src=x onerror=alert(1)>").volume_at_dose(dose)
    assert volume == pytest.approx(truth, abs=1.5)  # steps of a histogram of 1,331 voxels
    assert tip[0] == f"at least {dose:.3g} Gy"
    assert tip[1].startswith(f"{volume:.0f} %  GTV <img src=x")
    axial.mouse("mouseMoved", 10, 10)
    assert axial.run("viewer.hoverGy") is None
    axial.run("document.querySelectorAll('#regions .go')[1].click()")
    assert "GTV" in text(axial, "regions-here")
    assert value(axial, "dose-here") == pytest.approx(
        evaluation.region("GTV <img src=x onerror=alert(1)>").max_gy, abs=GY_TOLERANCE
    )


def test_window_and_zoom_controls_act(axial):
    axial.run("document.querySelector('#presets button:nth-child(4)').click()")
    assert axial.run("[viewer.nv.volumes[0].cal_min, viewer.nv.volumes[0].cal_max]") == [-500, 1300]
    axial.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
    slide(axial, "zoom", 3)
    axial.click(175, 213)  # the crosshair stays in the middle of the tile
    assert np.abs(np.array(here(axial)) - CENTRE).max() < 6
    slide(axial, "zoom", 1)
    assert axial.errors == []


def test_outside_the_dose_grid_there_is_no_number(axial):
    axial.run("viewer.goTo(rasOfLps([-20, 15, 200]))")
    assert text(axial, "dose-here") == "not computed here"


def test_a_tilted_dose_grid_reads_and_shows_the_same(page, axial, tmp_path):
    opened(page, phantom(tilted(AXIAL)), tmp_path)
    for point in POINTS[:3]:
        check_readout(page, point)
    assert page.errors == []


def test_without_ct_the_activity_lies_below(page, axial, tmp_path):
    opened(page, phantom(tilted(AXIAL), ct=False), tmp_path)
    page.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
    assert text(page, "underlay-label") == "activity"
    assert value(page, "underlay-here") == pytest.approx(
        0.5 / AXIAL.voxel_volume_ml, rel=5e-3
    )  # three digits
    assert value(page, "dose-here") == pytest.approx(linear(CENTRE, GY), abs=GY_TOLERANCE)
    assert page.errors == []


def test_without_webgl_the_page_says_so_and_keeps_the_histograms(tmp_path):
    with browser(*NO_WEBGL) as page:
        opened(page, phantom(AXIAL), tmp_path)
        assert "WebGL 2 is missing" in text(page, "message")
        assert page.run("document.querySelectorAll('#dvh polyline').length") == 3
        page.run("document.querySelectorAll('#regions .name')[0].click()")
        assert page.errors == []
