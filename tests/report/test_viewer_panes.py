"""The interactive page beyond its numbers: keyboard, panes alone, saved pictures, texts that keep clear of each other."""

import base64
import io
import itertools

import numpy as np
import pytest
from browser import NO_WEBGL, SOFTWARE_WEBGL, browser, find_chromium
from linear_phantom import AXIAL, CENTRE, GY, linear, phantom
from PIL import Image

from y90voxel.report.dose_report import dose_report
from y90voxel.report.viewer_page import write_viewer

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="needs Chromium (apt-get install chromium)")

CODES = {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "PageUp": 33, "PageDown": 34, "Home": 36, "End": 35,
    "Escape": 27, "Tab": 9,
}  # fmt: skip
VOXEL_MM = 2.4  # the finest of the phantom's CT


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_viewer(dose_report(phantom(AXIAL)), tmp_path_factory.mktemp("panes") / "viewer.html")


@pytest.fixture(scope="module")
def chromium():
    with browser(*SOFTWARE_WEBGL) as page:
        yield page


@pytest.fixture(params=[(1100, 700), (420, 800)], ids=["1100", "420"])
def sized(chromium, file, request):
    return shown(chromium, file, *request.param)


@pytest.fixture
def page(chromium, file):
    page = shown(chromium, file, 1100, 700)
    page.run("document.getElementById('images').focus()")
    return page


def shown(page, file, width, height):
    page.errors.clear()
    page.open(file, width, height)
    page.run("viewer.ready", 120)
    page.drawn()
    return page


def press(page, *keys, shift=False):
    for key in keys:
        code = CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = {"text": key} if len(key) == 1 else {}
        page.send(
            "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key, windowsVirtualKeyCode=code,
            modifiers=8 * shift, **text,
        )  # fmt: skip
        page.send(
            "Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code, modifiers=8 * shift
        )


def here(page):
    text = page.run("document.getElementById('position-here').textContent").replace("−", "-")
    return np.array([float(part) for part in text.split(",")])


def overlapping(boxes):
    return [
        (a, b)
        for (a, one), (b, two) in itertools.combinations(boxes, 2)
        if one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
    ]


LABELS = "Object.entries(viewer.labels).map(([view, found]) => [view, found.map(({ words, box }) => [words, box])])"


def test_values_of_isodoses_never_lie_on_each_other(sized):
    """Closely nested isodoses: a dose that is linear has all of them side by side."""
    sized.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
    for levels in ("230, 234, 238, 242, 246, 250", "150, 200, 250, 300", "249, 250, 251"):
        sized.run(
            f"(() => {{ const i = document.getElementById('levels'); i.value = '{levels}'; i.oninput(); }})()"
        )
        labels = sized.run(LABELS)
        assert {view for view, _ in labels} == {"axial", "coronal", "sagittal"}
        for view, found in labels:
            assert overlapping(found) == [], (levels, view)
        assert sum(len(found) for _, found in labels) >= 3
        key = sized.run("[...document.querySelectorAll('#isodose-key li')].map(l => l.textContent)")
        assert key == [f"{level.strip()} Gy" for level in levels.split(",")]


def test_titles_letters_and_scales_keep_clear_of_each_other(sized):
    boxes = sized.run(
        """(() => {
          const context = document.getElementById("lines").getContext("2d"), pixel = pixelRatio();
          return viewer.nv.screenSlices.map((tile) => {
            const view = VIEWS.find(({ across }) => across === 2 - tile.axCorSag), place = viewer.panes.placeOf(view);
            const size = [context.canvas.width, context.canvas.height];
            const pane = place.map((share, n) => share * size[n % 2]);
            const texts = captions(view, pane, -1012.4, pixel);
            return [...texts, scaleBar(tile, pane, pixel).label].map((one) => [one.words, boxOf(context, one, pixel)]);
          });
        })()"""
    )
    assert len(boxes) == 3
    for pane in boxes:
        assert overlapping(pane) == []
        assert len(pane) >= 6
    titles = sized.run(
        "[...document.querySelectorAll('#dvh text')].map(t => [t.textContent, (b => [b.left, b.top, b.right, b.bottom])"
        "(t.getBoundingClientRect())]).filter(([words]) => words)"
    )
    buttons = sized.run(
        "[...document.querySelectorAll('button.alone')].map(t => [t.title, (b => [b.left, b.top, b.right, b.bottom])"
        "(t.getBoundingClientRect())])"
    )
    assert overlapping([*titles, *buttons]) == []


def test_arrows_move_the_crosshair_in_the_pane_and_pages_turn_planes(page):
    page.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
    start = here(page)
    for pane, keys, shift, moved in (
        ("1", ("ArrowRight",), False, (VOXEL_MM, 0, 0)),
        ("1", ("ArrowUp",), False, (0, -VOXEL_MM, 0)),
        ("1", ("PageUp",), False, (0, 0, VOXEL_MM)),
        ("2", ("ArrowLeft",), False, (-VOXEL_MM, 0, 0)),
        ("2", ("ArrowUp",), True, (0, 0, 5 * VOXEL_MM)),
        ("2", ("PageDown",), False, (0, VOXEL_MM, 0)),
        ("3", ("ArrowRight", "ArrowRight"), False, (0, 2 * VOXEL_MM, 0)),
        ("3", ("ArrowDown",), False, (0, 0, -VOXEL_MM)),
        ("3", ("PageUp",), False, (-VOXEL_MM, 0, 0)),
    ):
        page.run(f"viewer.goTo(rasOfLps({list(CENTRE)}))")
        press(page, pane)
        press(page, *keys, shift=shift)
        assert here(page) - start == pytest.approx(np.array(moved), abs=0.11), (pane, keys)
        read = float(page.run("document.getElementById('dose-here').textContent").split()[0])
        assert read == pytest.approx(linear(here(page), GY), abs=0.2)
    for _ in range(40):
        press(page, "PageUp", shift=True)  # a wall: the crosshair stays in the anatomy
    assert page.run("document.getElementById('underlay-here').textContent").endswith("HU")
    assert page.errors == []


def test_keys_before_the_images_are_there_do_no_harm(chromium, file):
    chromium.errors.clear()
    chromium.open(file, 1100, 700)
    chromium.run("document.getElementById('images').focus()")
    press(chromium, "ArrowRight", "PageUp", "+", "Home", "2", "f", "i", "s")
    chromium.run("viewer.ready", 120)
    assert chromium.errors == []
    assert chromium.run("[viewer.panes.alone?.name, viewer.nv.screenSlices.length]") in (
        ["coronal", 1],
        [None, 3],
    )
    press(chromium, "Escape")
    assert chromium.run("viewer.nv.screenSlices.length") == 3


def test_letters_act_on_the_images_and_nowhere_else(page):
    ticked = "document.getElementById('show-isodoses').checked"
    press(page, "i")
    assert page.run(ticked) is False
    press(page, "i")
    page.run("document.getElementById('levels').focus()")
    press(page, "i", "f")
    assert page.run(ticked) is True
    assert page.run("document.getElementById('levels').value").endswith("if")
    assert page.run("viewer.panes.alone") is None


def test_one_pane_fills_the_stage_and_its_clicks_are_right(page):
    press(page, "2", "f")
    assert page.run("viewer.panes.alone.name") == "coronal"
    assert page.run("viewer.nv.screenSlices.length") == 1
    assert page.run("document.getElementById('dvh').hidden") is True
    visible = "[...document.querySelectorAll('button.alone')].filter(b => !b.hidden).map(b => [b.ariaLabel, b.ariaPressed])"
    assert page.run(visible) == [["coronal alone", "true"]]
    page.click(200, 300)
    left = here(page)
    page.click(500, 300)
    assert here(page)[0] - left[0] > 30  # the patient's left is on the right
    assert here(page)[1:] == pytest.approx(left[1:], abs=0.11)
    read = float(page.run("document.getElementById('dose-here').textContent").split()[0])
    assert read == pytest.approx(linear(here(page), GY), abs=0.2)
    press(page, "4")  # from pane to pane while one is alone
    assert page.run("[viewer.panes.alone.name, document.activeElement.id]") == ["histograms", "dvh"]
    press(page, "Escape")
    assert page.run("[viewer.panes.alone, viewer.nv.screenSlices.length]") == [None, 3]
    page.run("document.querySelector('button.alone').click()")
    assert page.run("viewer.panes.alone.name") == "axial"
    assert page.errors == []


def test_histograms_are_read_by_keyboard_and_said(page):
    press(page, "4", "ArrowDown", "ArrowDown")
    assert page.run("viewer.chosen") == 1
    for _ in range(3):
        press(page, "ArrowRight", shift=True)
    dose = page.run("viewer.hoverGy")
    spoken = page.run("document.getElementById('spoken').textContent")
    assert spoken.startswith(f"at least {dose:.3g} Gy, ")
    assert "GTV <img" in spoken
    press(page, "Escape")
    assert page.run("[viewer.hoverGy, viewer.chosen]") == [None, -1]
    press(page, "ArrowUp")  # from none: the last one
    assert page.run("viewer.chosen") == 2


def test_the_list_of_keys_opens_and_gives_the_focus_back(page):
    press(page, "?")
    assert page.run("document.getElementById('help').open") is True
    assert page.run("document.querySelectorAll('#help tbody tr').length") == page.run("KEYS.length")
    press(page, "f")  # the page behind does nothing
    assert page.run("viewer.panes.alone") is None
    press(page, "Escape")
    assert page.run("[document.getElementById('help').open, document.activeElement.id]") == [False, "images"]


def saved(page):
    """Name and picture that a click on the button saves."""
    page.run("HTMLAnchorElement.prototype.click = function () { window.saved = this; }")
    page.run("document.getElementById('save').click()")
    name, data = page.run(
        """(async () => {
          while (!window.saved) await new Promise((done) => setTimeout(done, 20));
          const blob = await (await snapshot(viewer)).toDataURL("image/png");
          return [window.saved.download, blob];
        })()""",
        120,
    )
    return name, Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB")


def test_a_saved_picture_holds_the_panes_and_what_they_are(page):
    name, picture = saved(page)
    assert name.endswith("viewer.png")
    assert not set(name) & set("<>/ :")
    assert len(name) <= 124
    width, height = page.run(
        "[document.getElementById('stage').clientWidth, document.getElementById('stage').clientHeight]"
    )
    assert picture.size == (width, height + page.run("FOOT"))
    pixels = np.asarray(picture, float)
    for rows in (slice(0, height // 2), slice(height // 2, height)):
        for columns in (slice(0, width // 2), slice(width // 2, width)):
            assert pixels[rows, columns].std() > 10
    assert pixels[height:].max() > 200  # the lines below
    lines = page.run("pictureLines(viewer)")
    assert lines[0].startswith("Predicted absorbed dose")
    assert "PREDICTED" in lines[1]
    assert lines[2].startswith(
        f"dose {page.run('document.getElementById(`dose-here`).textContent')} at x, y, z"
    )
    assert "not a medical device" in lines[3]
    press(page, "3", "f")
    name, alone = saved(page)
    assert np.abs(np.asarray(alone, float) - pixels).mean() > 5
    assert page.errors == []


def test_without_webgl_keys_and_pictures_are_those_of_the_histograms(file):
    with browser(*NO_WEBGL) as page:
        shown(page, file, 1100, 700)
        page.run("document.getElementById('images').focus()")
        press(page, "ArrowLeft", "+", "Home", "i", "4", "f")
        assert page.run("viewer.panes.alone.name") == "histograms"
        _, picture = saved(page)
        assert np.asarray(picture, float).std() > 5
        assert page.errors == []
