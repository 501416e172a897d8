"""The interactive page of a comparison in a real browser: three panes that tell the truth, and move as one.

CT and doses are linear in the patient's coordinates, which linear interpolation keeps exactly: whatever grid they lie on, the
page must read off the same formulas.
"""

import io
import json

import numpy as np
import pytest
from browser import SOFTWARE_WEBGL, browser, find_chromium, here, text, value
from linear_phantom import AXIAL, CENTRE, GY, HU, linear, positions, tilted
from matplotlib.image import imread

from y90voxel.comparison.compare import compare
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.voxel_agreement import GammaCriteria
from y90voxel.errors import InputError
from y90voxel.io.nrrd_writer import write_nrrd
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.report.comparison_page import write_comparison_report
from y90voxel.study.result_folder import shown_ct
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, DoseMap, Mask

BEFORE = (230.0, (0.4, -0.9, 0.2))  # the predicted dose, linear as the delivered one
CT_GRID = Grid.from_spacing((60, 90, 110), (4.0, 2.5, 2.4), np.array(CENTRE) - (131.0, 111.0, 118.0))
HOSTILE = "GTV </script><script>alert(1)</script>"
SIZE = (1400, 900)
HU_TOLERANCE, GY_TOLERANCE = 1.5, 0.06  # half a step of storage, and rounding of what is shown
CODES = {"ArrowLeft": 37, "ArrowUp": 38, "PageDown": 34, "Home": 36, "End": 35, "Escape": 27}


def comparison(grid=AXIAL, predicted_grid=None, *, named=HOSTILE, frames=(None, None)):
    """Two linear doses, a box called liver and a tumour with a hostile name."""
    from dataclasses import replace

    sides = []
    for own, formula, frame in zip((predicted_grid or grid, grid), (BEFORE, GY), frames, strict=True):
        own = replace(own, frame_of_reference_uid=frame)
        places = positions(own)
        boxes = [
            (np.abs(places - np.array(CENTRE) - shift) < half).all(axis=-1).astype(float)
            for shift, half in ((0.0, (70, 60, 50)), ((30, 0, 10), (22, 22, 22)))
        ]
        drawn = (
            Region("Liver", Role.LIVER, Mask(boxes[0], own)),
            Region(named, Role.TUMOUR, Mask(boxes[1], own)),
        )
        dose = DoseMap(linear(places, formula), own)
        sides.append(
            ComparedDose(dose, tuple(Regions(own, drawn)), is_prediction=formula is BEFORE, label="P 7")
        )
    return compare(*sides, gamma=GammaCriteria())


def ct():
    return CtImage(linear(positions(CT_GRID), HU).astype(np.float32), CT_GRID)


@pytest.fixture(scope="module")
def chromium():
    if find_chromium() is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    with browser(*SOFTWARE_WEBGL) as page:
        yield page


def written(folder, found, image=None):
    write_comparison_report(found, {"version": "1"}, folder, ct=image)
    return folder / "viewer.html"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("compared"), comparison(), ct())


def shown(page, file, size=SIZE):
    page.errors.clear()
    page.requests.clear()
    page.open(file, *size)
    page.run("viewer.ready", 120)
    page.drawn()
    return page


@pytest.fixture
def page(chromium, file):
    """The page, opened anew: other tests move, zoom and hide in the same browser."""
    return shown(chromium, file)


def go(page, point):
    page.run(f"viewer.goTo(rasOfLps({list(map(float, point))}))")


def press(page, key, shift=False):
    for kind in ("keyDown", "keyUp"):
        page.send(
            "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=CODES.get(key, 0),
            modifiers=8 if shift else 0, text=key if kind == "keyDown" and len(key) == 1 else "",
        )  # fmt: skip


def tick(page, identifier, on):
    page.run(f"document.getElementById('{identifier}').checked = {str(on).lower()}; viewer.paint()")


def box(page, view, side):
    """Left, top, width and height of a pane in the window."""
    return page.run(
        f"(() => {{ const b = document.querySelector('canvas[data-view={view}][data-side={side}]').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]; })()"
    )


def picture(page):
    return imread(io.BytesIO(page.picture()))[..., :3]


@pytest.mark.parametrize("tilt", [False, True], ids=["axial", "tilted"])
def test_every_pane_reads_the_truth_at_the_crosshair(chromium, tmp_path, tilt):
    grid = tilted(AXIAL) if tilt else AXIAL
    page = shown(chromium, written(tmp_path, comparison(grid), ct()))
    for point in (CENTRE, (-61.3, 40.2, 57.7), (3.3, -14.4, 25.5)):
        go(page, point)
        assert np.abs(np.array(here(page)) - point).max() <= 0.051
        before, after = linear(point, BEFORE), linear(point, GY)
        assert value(page, "predicted-here") == pytest.approx(before, abs=GY_TOLERANCE)
        assert value(page, "delivered-here") == pytest.approx(after, abs=GY_TOLERANCE)
        assert value(page, "difference-here") == pytest.approx(after - before, abs=2 * GY_TOLERANCE)
        assert value(page, "underlay-here") == pytest.approx(linear(point, HU), abs=HU_TOLERANCE)


def test_the_page_draws_nine_panes_and_loads_nothing(page):
    image = picture(page)
    for view in ("axial", "coronal", "sagittal"):
        for side in ("predicted", "delivered", "difference"):
            left, top, width, height = map(round, box(page, view, side))
            assert image[top : top + height, left : left + width].std() > 0.05, (view, side)
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.errors == []
    assert page.run("typeof alerted") == "undefined"
    rows = page.run("[...document.querySelectorAll('#regions tbody th')].map(cell => cell.textContent)")
    assert HOSTILE in rows


@pytest.mark.parametrize("side", ["predicted", "delivered", "difference"])
def test_a_click_in_any_pane_moves_the_crosshair_of_all(page, side):
    for name in ("show-isodoses", "show-outlines"):
        tick(page, name, False)
    page.run("document.getElementById('opacity').value = 0; document.getElementById('opacity').oninput()")
    left, top, width, height = box(page, "axial", side)
    page.click(left + 0.3 * width, top + 0.62 * height)
    point = here(page)
    page.run("new Promise(done => setTimeout(done, 300))")
    image = picture(page)
    # The cross is blue on grey: it runs at the same place of each pane, where the click was.
    for other in ("predicted", "delivered", "difference"):
        x, y, w = (round(part) for part in box(page, "axial", other)[:3])
        row = image[y + 30, x + 4 : x + w - 4]
        assert np.argmax(row[:, 2] - row[:, 0]) + 4 == pytest.approx(0.3 * w, abs=2.1), other
    # And the grey beside it is that of the CT number of that place.
    low, high = page.run("viewer.window")
    x, y = round(left + 0.3 * width) + 3, round(top + 0.62 * height) + 3
    grey = np.clip((linear(point, HU) - low) / (high - low), 0, 1)
    assert image[y, x].mean() == pytest.approx(grey, abs=0.03)
    right, down = page.run(
        "(({position: p}) => [-(p[0] - viewer.middle[0]), -(p[1] - viewer.middle[1])])(viewer)"
    )
    assert right < 0 < down  # left of the middle is the patient's right, below it the back


def test_zoom_and_planes_are_those_of_all_panes(page):
    go(page, CENTRE)
    before = page.run("viewer.panes.slice(0, 3).map(p => viewer.frame(p.view, p.canvas).scale)")
    page.run("document.getElementById('zoom').value = 3; document.getElementById('zoom').oninput()")
    page.run("new Promise(done => setTimeout(done, 300))")
    after = page.run("viewer.panes.slice(0, 3).map(p => viewer.frame(p.view, p.canvas).scale)")
    assert after == pytest.approx([3 * scale for scale in before])
    left, top, width, height = box(page, "coronal", "difference")
    page.run("window.stay = document.getElementById('position-here').textContent")
    page.mouse("mouseWheel", left + width / 2, top + height / 2, deltaX=0, deltaY=-120)
    page.run(  # a busy machine may take seconds to hand the wheel on
        """(async () => {
          for (let i = 0; i < 500 && document.getElementById('position-here').textContent === window.stay; i++)
            await new Promise(done => setTimeout(done, 20));
        })()"""
    )
    assert here(page) == pytest.approx(np.add(CENTRE, (0, -4.0, 0)), abs=0.051)


def test_by_keyboard(page):
    page.run("document.getElementById('panes').focus()")
    press(page, "1")
    go(page, CENTRE)
    press(page, "ArrowLeft")
    assert here(page)[0] == pytest.approx(CENTRE[0] - 4.0, abs=0.051)
    press(page, "ArrowUp", shift=True)
    assert here(page)[1] == pytest.approx(CENTRE[1] - 20.0, abs=0.051)
    press(page, "3")
    press(page, "PageDown")
    assert here(page)[0] == pytest.approx(CENTRE[0], abs=0.051)
    hidden = "[...document.querySelectorAll('canvas.pane')].filter(c => c.hidden).length"
    press(page, "f")
    assert page.run(hidden) == 6
    press(page, "Escape")
    assert page.run(hidden) == 0
    press(page, "d")
    place = here(page)
    inside = positions(AXIAL)[(np.abs(positions(AXIAL) - CENTRE) < (70, 60, 50)).all(axis=-1)]
    greatest = np.abs(linear(inside, GY) - linear(inside, BEFORE)).max()
    assert abs(linear(place, GY) - linear(place, BEFORE)) == pytest.approx(greatest, abs=0.2)
    press(page, "Home")
    assert value(page, "delivered-here") == pytest.approx(linear(inside, GY).max(), abs=0.2)
    for key, name in (("i", "show-isodoses"), ("o", "show-outlines"), ("c", "show-crosshair")):
        press(page, key)
        assert not page.run(f"document.getElementById('{name}').checked"), key
    press(page, "?")
    assert page.run("document.getElementById('help').open")
    assert page.errors == []


def test_where_the_prediction_does_not_reach_nothing_is_read(chromium, tmp_path):
    half = AXIAL.crop((0, 0, 0), (*AXIAL.shape[:2], 30))
    page = shown(chromium, written(tmp_path, comparison(AXIAL, half), ct()))
    edge = half.index_to_lps((20, 20, 29))
    go(page, edge - (8.0, 0, 0))
    assert value(page, "difference-here") == pytest.approx(
        linear(edge - (8.0, 0, 0), GY) - linear(edge - (8.0, 0, 0), BEFORE), abs=0.15
    )
    for beyond_mm in (2.0, 30.0):
        beyond = np.add(edge, (beyond_mm, 0, 0))
        go(page, beyond)
        assert text(page, "predicted-here") == text(page, "difference-here") == "not computed here"
        assert value(page, "delivered-here") == pytest.approx(linear(beyond, GY), abs=GY_TOLERANCE)


def test_without_ct_it_is_said_and_doses_stand(chromium, tmp_path):
    page = shown(chromium, written(tmp_path, comparison()))
    go(page, CENTRE)
    assert text(page, "underlay-here") == "–"
    assert "Without CT: the delivered results hold none" in page.run("document.body.innerText")
    assert page.run("document.getElementById('level')") is None
    assert value(page, "delivered-here") == pytest.approx(linear(CENTRE, GY), abs=GY_TOLERANCE)
    assert page.errors == []


def test_without_a_common_grid_the_comparison_says_so_in_that_place(tmp_path):
    found = comparison(frames=("1.2.3", "1.2.4"))
    assert found.voxels is None
    paths = write_comparison_report(found, {"version": "1"}, tmp_path, ct=ct())
    assert "viewer.html" not in [path.name for path in paths]
    said = (tmp_path / "compare.html").read_text().split("<h2>Voxel by voxel</h2>")[1]
    assert "without a common grid no voxel of one belongs to one of the other" in said
    assert 'href="viewer.html"' not in said


def test_on_paper_stand_the_panes_and_no_controls(page):
    picture(page)
    page.send("Emulation.setEmulatedMedia", media="print")
    try:
        assert page.run("document.getElementById('controls').offsetHeight") == 0
        assert page.run("document.querySelector('header').offsetHeight") > 0
        heights = page.run("[...document.querySelectorAll('canvas.pane')].map(c => c.offsetHeight)")
        assert min(heights) > 60
        pdf = page.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
        assert len(pdf) > 100_000  # the pictures are in it
    finally:
        page.send("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("width", [900, 420])
def test_narrow_windows_are_not_scrolled_sideways(chromium, file, width):
    page = shown(chromium, file, (width, 900))
    assert page.run("document.documentElement.scrollWidth - innerWidth") <= 0
    assert min(box(page, "axial", side)[2] for side in ("predicted", "delivered", "difference")) > 280


def test_the_ct_of_delivered_results_is_read_where_they_hold_one(tmp_path):
    assert shown_ct(tmp_path) is None
    (tmp_path / "scene").mkdir()
    image = ct()
    write_nrrd(image.array.astype(np.int16), image.grid, tmp_path / "scene" / "ct.nrrd")
    read = shown_ct(tmp_path)
    assert read.grid.frame_of_reference_uid is None
    np.testing.assert_allclose(read.array, image.array.astype(np.int16), atol=0.5)
    content = written(tmp_path, comparison(), read).read_text()
    assert json.loads(content.split('id="data">')[1].split("</script>")[0])["underlay"]["window"] == [
        -160,
        240,
    ]
    file = tmp_path / "scene" / "ct.nrrd"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot read"):
        shown_ct(tmp_path)


@pytest.mark.parametrize(("before", "after"), [(1.0, 0.0), (0.0, 0.0)])
def test_a_dose_of_zero_and_no_regions_still_make_a_page(chromium, tmp_path, before, after):
    grid = AXIAL.crop(
        (10, 10, 10), (12, 14, 16)
    )  # gamma looks everywhere where nothing agrees: 12 s for all of it
    doses = [DoseMap(np.full(grid.shape, dose), grid) for dose in (before, after)]
    page = shown(chromium, written(tmp_path, compare(*doses, gamma=GammaCriteria())))
    assert (value(page, "predicted-here"), value(page, "delivered-here")) == (before, after)
    assert page.run("document.getElementById('regions').hidden")
    assert page.errors == []
