"""The page of a comparison where something is missing or maliciously named."""

import numpy as np
import pytest

from y90voxel.comparison.compare import compare
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.comparison.voxel_agreement import GammaCriteria
from y90voxel.metrics.gamma import GammaNormalisation
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.report.comparison_figures import comparison_figures
from y90voxel.report.comparison_page import comparison_content, render_comparison_page
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid.from_spacing((8, 9, 12), (10.0, 10.0, 10.0))
FIGURES = {"maps.png": b"maps", "agreement.png": b"agreement"}


def comparison(*names, scale=1.1, **options):
    masks = np.zeros((len(names) or 1, *GRID.shape))
    for place in range(len(names)):
        masks[place, 2:6, 2:6, 1 + 2 * place : 3 + 2 * place] = 1.0
    drawn = tuple(Region(n, Role.TUMOUR, Mask(m, GRID)) for n, m in zip(names, masks, strict=False))
    dose = DoseMap(20.0 + 100.0 * np.random.default_rng(1).random(GRID.shape), GRID)
    placed = tuple(Regions(GRID, drawn)) if names else ()
    other = dose.with_array(dose.array * scale)
    return compare(ComparedDose(dose, placed), ComparedDose(other, placed, label="<P & 7>"), **options)


def test_names_are_escaped():
    page = render_comparison_page(comparison("<script>alert(1)</script>", "B"), {}, FIGURES)
    assert "<script" not in page.lower()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;P &amp; 7&gt;" in page


def test_page_and_figures_stand_without_regions():
    found = comparison()
    assert set(comparison_figures(found)) == {"maps.png", "agreement.png"}
    assert "<h2>Regions</h2>" not in render_comparison_page(found, {}, FIGURES)


def test_figures_stand_on_a_dose_of_zero():
    found = comparison("A", "B", scale=0.0)
    pngs = comparison_figures(found)
    assert {name: png[:4] for name, png in pngs.items()} == dict.fromkeys(
        ("maps.png", "dvh.png", "agreement.png"), b"\x89PNG"
    )


def test_cards_join_several_tumours():
    content = comparison_content(comparison("A", "B"), {"version": "1", "started": None})
    assert [card["label"] for card in content["cards"]] == [
        "All tumours", "Voxel correlation", "Gamma up to 1",
    ]  # fmt: skip
    assert content["cards"][0]["value"] == "+10.0 %"
    assert comparison_content(comparison("A"), {})["cards"][0]["label"] == "A"


def test_the_criteria_of_gamma_are_stated():
    criteria = GammaCriteria(0.15, 7.0, GammaNormalisation.LOCAL)
    page = render_comparison_page(comparison("A", "B", gamma=criteria), {}, FIGURES)
    assert "Gamma 15 % / 7 mm local" in page


@pytest.mark.parametrize(("scale", "words"), [(1.1, "+"), (1.0, "by 0 Gy on average")])
def test_agreement_of_five_lesions_is_told_in_words(scale, words):
    found = comparison("A", "B", "C", "D", "E", scale=scale)
    content = comparison_content(found, {})
    assert "Over 5 lesions (A, B, C, D, E)" in content["agreement"][0]
    assert words in content["agreement"][0]
    assert "Concordance" in [card["label"] for card in content["cards"]]
    page = render_comparison_page(comparison("A", "B", "C", "D"), {}, FIGURES)
    assert "given from 5 lesions on; 4 are compared" in page


@pytest.mark.parametrize(("kind", "banners"), [(True, 1), (False, 0), (None, 0)])
def test_a_delivered_dose_that_is_a_prediction_is_marked(kind, banners):
    dose = DoseMap(np.full(GRID.shape, 10.0), GRID)
    found = compare(ComparedDose(dose, is_prediction=True), ComparedDose(dose, is_prediction=kind))
    assert render_comparison_page(found, {}, FIGURES).count("<strong>PREDICTED</strong>") == banners


def test_all_tumours_stand_at_the_top_where_lesions_have_other_names():
    """One lesion says more by its name; none, or not all of them, is no tumour dose."""
    masks = np.zeros((2, *GRID.shape))
    masks[0, 2:6, 2:6, 1:3] = masks[1, 2:6, 2:6, 5:7] = 1.0
    dose = DoseMap(20.0 + 100.0 * np.random.default_rng(1).random(GRID.shape), GRID)

    def first_card(predicted, delivered):
        sides = []
        for names in (predicted, delivered):
            drawn = [Region(n, Role.TUMOUR, Mask(m, GRID)) for n, m in zip(names, masks, strict=False)]
            together = Region("all tumours", Role.TUMOURS, Mask(masks[: len(names)].max(axis=0), GRID), True)
            sides.append(ComparedDose(dose, (*drawn, together)))
        return comparison_content(compare(*sides), {})["cards"][0]["label"]

    assert first_card(["hcc a", "hcc b"], ["HCC 1", "HCC 2"]) == "All tumours"
    assert first_card(["A", "b"], ["A", "c d"]) == "All tumours"
    assert first_card(["A"], ["A"]) == "A"
