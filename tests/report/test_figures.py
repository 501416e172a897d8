"""Figures show what the evaluation holds: points of interest, scale, outlines, histograms."""

import io
from dataclasses import replace

import numpy as np
import pytest
from evaluation_factory import PARTS, make_evaluation, with_regions
from PIL import Image

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_curves import drawn_curves
from y90voxel.regions.palette import region_styles
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.report.dose_report import dose_report
from y90voxel.report.drawing import Area, add_lines, add_picture, drawing, new_figure, png_bytes
from y90voxel.report.dvh_plot import draw_dvh, write_dvh_figure
from y90voxel.report.figures import dose_figures, overlay_pngs
from y90voxel.report.overlays import composite, draw_frame, draw_planes, overlay_height_px, sampled_overlays
from y90voxel.report.scene import build_scene
from y90voxel.volumes.volume import DoseMap, Mask


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation()


@pytest.fixture(scope="module")
def scene(evaluation):
    return build_scene(evaluation)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_every_figure_has_its_size_and_is_not_blank(evaluation):
    figures = dose_figures(dose_report(evaluation))
    assert list(figures) == ["dose_hottest.png", "dose_centre.png", "dvh.png"]
    for name, png in figures.items():
        picture = pixels(png)
        assert picture.shape[1:] == (1420, 3), name
        assert 400 <= picture.shape[0] <= 720, name
        assert picture.std() > 20, name
    assert pixels(figures["dvh.png"]).shape[0] == 560


def test_hottest_voxel_is_the_hottest_of_the_liver_and_named(evaluation, scene):
    inside = evaluation.case.regions.mask_of(Role.LIVER, Role.TUMOUR, Role.PERFUSED).array >= 0.5
    assert evaluation.dose.array[scene.hottest.index] == evaluation.dose.array[inside].max()
    assert scene.hottest.title.startswith("Through the hottest voxel of the liver: ")
    assert scene.hottest.title.endswith(" Gy, in GTV1")


def test_title_says_when_the_map_is_hotter_outside_the_liver(evaluation):
    hot = np.array(evaluation.dose.array)
    hot[0, 0, 0] = 5000.0
    scene = build_scene(replace(evaluation, dose=DoseMap(hot, evaluation.dose.grid)))
    assert scene.hottest.title.endswith("(the map reaches 5000 Gy outside it)")
    assert scene.top_gy < 1000.0


def test_centre_is_the_centre_of_the_liver(scene):
    centre_mm = scene.grid.index_to_lps(scene.centre.index)
    assert centre_mm == pytest.approx(PARTS[0][2], abs=5.0)
    assert scene.centre.title == "Through the centre of the liver"


@pytest.mark.parametrize(
    ("kept", "centre", "of"),
    [
        (("GTV1",), PARTS[1][2], "tumours"),
        (("Perfused volume",), None, "perfused volume"),
        ((), None, "dose distribution"),
    ],
)
def test_centre_falls_back_when_there_is_no_liver(evaluation, kept, centre, of):
    drawn = tuple(evaluation.case.regions[name] for name in kept)
    scene = build_scene(with_regions(evaluation, Regions(evaluation.dose.grid, drawn)))
    assert scene.centre.title == f"Through the centre of the {of}"
    if centre is not None:
        assert scene.grid.index_to_lps(scene.centre.index) == pytest.approx(centre, abs=5.0)


def test_region_smaller_than_half_a_voxel_still_gets_its_hottest_voxel(evaluation):
    tiny = np.zeros(evaluation.dose.grid.shape)
    tiny[30, 20, 40] = 0.2
    regions = Regions(evaluation.dose.grid, (Region("GTV", Role.TUMOUR, Mask(tiny, evaluation.dose.grid)),))
    assert build_scene(with_regions(evaluation, regions)).hottest.index == (30, 20, 40)


def test_empty_dose_map_still_draws(evaluation):
    empty = DoseMap(np.zeros(evaluation.dose.grid.shape), evaluation.dose.grid)
    regions = Regions(evaluation.dose.grid)
    bare = with_regions(replace(evaluation, dose=empty, regions=()), regions)
    assert list(dose_figures(dose_report(bare))) == ["dose_hottest.png", "dose_centre.png"]


def test_box_holds_the_liver_with_a_margin_and_stays_close_to_it(evaluation, scene):
    used = np.argwhere(evaluation.case.regions["Liver"].mask.array >= 0.5)
    spacing = np.array(scene.grid.spacing_mm)
    before = (used.min(axis=0) - np.array(scene.box.low)) * spacing
    after = (np.array(scene.box.high) - used.max(axis=0)) * spacing
    assert before.min() > 15.0
    assert after.min() > 15.0
    assert max(before.max(), after.max()) < 60.0


def test_dose_is_transparent_below_the_threshold_and_coloured_above(scene):
    (overlay,) = sampled_overlays(scene, [scene.hottest], 1404)
    picture = composite(scene, overlay.panels[0]).astype(int)
    row, column = (round(v) for v in overlay.panels[0].mark)
    red, _, blue = picture[row, column]
    assert red > blue + 40
    corner = picture[2, 2]  # far from the liver: dose below the threshold, plain grey
    assert corner.min() == corner.max()


def test_emission_image_lies_under_the_dose_where_there_is_no_ct():
    without = make_evaluation(ct=False)
    scene = build_scene(without)
    assert scene.underlay is without.activity
    assert scene.underlay_name == "emission image"
    values = scene.grey(np.array([-1.0, 0.0, scene.window[1] / 4, scene.window[1], 2 * scene.window[1]]))
    assert values == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])


def test_ct_is_shown_in_a_soft_tissue_window(scene):
    assert scene.grey(np.array([-1000.0, -160.0, 40.0, 240.0, 900.0])) == pytest.approx([0, 0, 0.5, 1, 1])


def test_overlay_has_three_panels_letters_positions_and_the_legend(scene):
    (overlay,) = sampled_overlays(scene, [scene.hottest], 1404)
    with drawing():
        figure = new_figure(1420, 700)
        area = Area(8, 8, 1404, overlay_height_px(overlay, 1404))
        draw_frame(figure, overlay, area)
        draw_planes(figure, overlay, area)
    texts = [text.get_text() for text in figure.texts]
    for view in ("Axial   z = ", "Coronal   y = ", "Sagittal   x = "):
        assert any(text.startswith(view) and text.endswith(" mm") for text in texts)
    letters = [text for text in texts if len(text) == 1]
    assert [set(letters[n : n + 4]) for n in (0, 4, 8)] == [set("RLAP"), set("RLSI"), set("APSI")]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [
        "Liver",
        "GTV1",
        "GTV 2 <script>alert(1)</scrip…",
        "Perfused volume",
        "Lung_R",
        "Lung_L",
    ]


def test_a_picture_reaches_the_figure_pixel_by_pixel_with_lines_on_their_pixels():
    rgb = np.random.default_rng(6).integers(0, 256, (31, 40, 3), np.uint8)
    with drawing():
        figure = new_figure(100, 80)
        area = Area(21, 13, 40, 31)
        add_picture(figure, area, rgb)
        plain = pixels(png_bytes(figure))
        row = np.array([(-50.0, 7.0), (90.0, 7.0)])  # cut at the edge of the picture
        add_lines(figure, area, [row], colors="#00ff00", linewidths=0.6, snap=False)
        lined = pixels(png_bytes(figure))
    top = 80 - 13 - 31
    assert np.array_equal(plain[top : top + 31, 21:61], rgb)
    assert (plain == 255).all(axis=-1).sum() >= 100 * 80 - 31 * 40
    green = (lined != plain).any(axis=-1)
    assert sorted(set(np.nonzero(green)[0])) == [top + 7]
    assert (np.nonzero(green)[1].min(), np.nonzero(green)[1].max()) == (21, 60)


def test_overlays_that_share_a_frame_are_those_drawn_alone(scene):
    overlays = sampled_overlays(scene, [scene.hottest, scene.centre], 1404)
    assert overlay_pngs(overlays) == [png for overlay in overlays for png in overlay_pngs([overlay])]


def test_regions_without_a_role_are_outlined_only_when_nothing_else_is(evaluation):
    drawn = tuple(replace(region, role=Role.OTHER) for region in evaluation.case.regions.drawn)
    assert len(build_scene(with_regions(evaluation, Regions(evaluation.dose.grid, drawn))).outlined) == len(
        drawn
    )
    mixed = (replace(drawn[0], role=Role.LIVER), *drawn[1:])
    outlined = build_scene(with_regions(evaluation, Regions(evaluation.dose.grid, mixed))).outlined
    assert [region.name for region, _ in outlined] == ["Liver"]


def test_plotted_curves_are_the_histograms(evaluation):
    shown = evaluation.main_histograms()
    styles = region_styles((region.name, region.role) for region in evaluation.case.regions)
    with drawing():
        figure = new_figure(1420, 560)
        draw_dvh(figure, drawn_curves(shown), styles, {"GTV1"}, Area(10, 8, 1400, 544))
    axes = figure.axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 1]
    dots = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(curves) == len(shown)
    for line, histogram in zip(curves, shown.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), 100 * histogram.cumulative(line.get_xdata()))
    assert [dot.get_xdata()[0] for dot in dots] == [shown["GTV1"].dose_at_volume(70)]
    assert axes.get_xlim()[1] > max(h.dose_at_volume(0.5) for h in shown.values())


def test_a_histogram_without_noise_has_what_was_found_as_a_thin_line_behind_it(evaluation):
    shown = {"GTV1": evaluation.dvh("GTV1")}
    styles = region_styles((region.name, region.role) for region in evaluation.case.regions)
    with drawing():
        figure = new_figure(1420, 560)
        curves = drawn_curves(shown, shrink={"GTV1": 0.6})
        draw_dvh(figure, curves, styles, (), Area(10, 8, 1400, 544))
    found, quiet = figure.axes[0].lines
    assert found.get_linewidth() < quiet.get_linewidth()
    np.testing.assert_array_equal(found.get_ydata(), curves.by_name["GTV1"].found_percent)
    np.testing.assert_array_equal(quiet.get_ydata(), curves.by_name["GTV1"].volumes_percent)
    assert any("thin: as found" in text.get_text() for text in figure.texts)


def test_histograms_leave_out_what_another_line_shows(evaluation):
    assert list(evaluation.main_histograms()) == [
        "Liver", "GTV1", PARTS[2][0], "Perfused volume", "all tumours", "non-tumour liver",
        "perfused non-tumour liver", "unperfused liver", "lungs",
    ]  # fmt: skip
    one = Regions(evaluation.dose.grid, evaluation.case.regions.drawn[:2])
    assert list(with_regions(evaluation, one).main_histograms()) == ["Liver", "GTV1", "non-tumour liver"]


def test_dvh_figure_of_any_names_is_written(evaluation, tmp_path):
    mask = evaluation.case.regions["GTV1"].mask
    histogram = DoseVolumeHistogram.from_dose(evaluation.dose, mask)
    names = ["_hidden", r"$\frac{1}$", "肝臓", "x" * 80]
    path = write_dvh_figure(dict.fromkeys(names, histogram), tmp_path / "dvh.png")
    assert path == tmp_path / "dvh.png"
    assert pixels(path.read_bytes()).shape == (560, 1420, 3)


def test_names_reach_the_legend_unchanged_but_shortened(evaluation):
    histogram = evaluation.dvh("GTV1")
    names = ["_hidden", "$x$", "y" * 80]
    with drawing():
        figure = new_figure(1420, 560)
        styles = region_styles((name, Role.OTHER) for name in names)
        draw_dvh(figure, drawn_curves(dict.fromkeys(names, histogram)), styles, (), Area(10, 8, 1400, 544))
        figure.canvas.draw()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["_hidden", "$x$", "y" * 29 + "…"]


def test_a_region_has_one_colour_and_line_everywhere(evaluation):
    roles = [(region.name, region.role) for region in evaluation.case.regions]
    styles = region_styles(roles)
    looks = [(style.colour, style.dash) for style in styles.values()]
    assert len(set(looks)) == len(looks)
    outlined = {region.name: style for region, style in build_scene(evaluation).outlined}
    assert all(styles[name] == style for name, style in outlined.items())


def test_many_tumours_stay_apart():
    styles = region_styles((f"GTV{n}", Role.TUMOUR) for n in range(20))
    assert len({(style.colour, style.dash) for style in styles.values()}) == 20
