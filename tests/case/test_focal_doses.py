"""Foci of the images of a case: from which regions, in which order, and what is said of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import focal_doses as module
from y90voxel.case.focal_doses import FocalDose, _pertechnetate, first_screen, focal_doses, focal_notices
from y90voxel.errors import Notice
from y90voxel.quantification.focal_uptake import Focus
from y90voxel.regions.regions import Regions
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, DoseMap, Mask

GRID = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
FINE = Grid.from_spacing((4, 4, 4), (2.0, 2.0, 2.0), (-1.0, -1.0, -1.0))
DOSE = DoseMap(np.full(GRID.shape, 7.0), GRID)


def focus(share, organs=(), ratio=3.0):
    return Focus(Mask(np.ones(GRID.shape), GRID), (1.0, 2.0, 3.0), 0.5, share, ratio, organs)


def injection(regions=None, grid=GRID):
    volume = CountMap(np.ones(grid.shape), grid)
    return SimpleNamespace(regions=regions, emission=SimpleNamespace(volume=volume))


def test_foci_of_all_images_stand_by_their_share_of_the_counts(monkeypatch):
    """The second image has the hottest; of the third, without a liver, nothing is known."""
    answers = iter(((focus(0.02), focus(0.01)), (focus(0.20),), None))
    asked = []
    monkeypatch.setattr(module, "find_foci", lambda *of: asked.append(of) or next(answers))
    own, shared = Regions(FINE), Regions(GRID)
    case = SimpleNamespace(
        injections=(injection(), injection(own), injection()), regions=shared, emission_fwhm_mm=9.0
    )
    found = focal_doses(case, DOSE)
    assert [one.focus.share for one in found] == [0.20, 0.02, 0.01]
    assert [one.mean_gy for one in found] == [7.0] * 3
    assert [regions is own for _, regions, _ in asked] == [False, True, False]
    assert [counts.grid.shape for counts, _, _ in asked] == [(2, 2, 2), (4, 4, 4), (2, 2, 2)]
    assert asked[0][2] == 9.0


@pytest.mark.parametrize(("count", "said"), [(4, 4), (5, 5), (6, 6), (8, 6)])
def test_of_more_than_five_foci_the_number_is_said(count, said):
    notices = focal_notices([FocalDose(focus(0.02), 10.0)] * count)
    assert len(notices) == said
    assert notices[-1].message.startswith(f"{count - 5} more foci") is (count > 5)


@pytest.mark.parametrize(
    ("ratio", "mean_gy", "organs", "words"),
    [
        (None, 10.0, (), ["at x 1, y 2, z 3 mm", "no counts around it, 10 Gy."]),
        (3.0, None, (("Magen", "stomach"), ("GB", "gallbladder")), ["in 'Magen' and 'GB'", "3 times its surroundings, outside"]),
    ],
)  # fmt: skip
def test_a_focus_is_told_with_place_contrast_and_dose(ratio, mean_gy, organs, words):
    (notice,) = focal_notices([FocalDose(focus(0.02, organs, ratio), mean_gy)])
    for part in (*words, "0.5 mL with 2 % of the counts", "plan with --gastrointestinal-focus"):
        assert part in notice.message


STOMACH, KIDNEY, THYROID = ("Magen", "stomach"), ("Niere", "kidney"), ("Thyroid", "thyroid")


@pytest.mark.parametrize(
    ("organs", "said"),
    [
        ((STOMACH, KIDNEY), "'Magen' and 'Niere' light up"), ((STOMACH, THYROID), "'Magen' and 'Thyroid' light up"),
        ((STOMACH, KIDNEY, THYROID), "'Magen' and 'Thyroid' and 'Niere' light up"), ((STOMACH,), None),
        ((KIDNEY, THYROID), None), ((), None),
    ],
)  # fmt: skip
def test_stomach_and_another_organ_look_like_free_pertechnetate(organs, said):
    notices = _pertechnetate([FocalDose(focus(0.02, (organ,)), 1.0) for organ in organs])
    assert len(notices) == (said is not None)
    if said:
        assert said in notices[0].message


def test_foci_and_pertechnetate_stand_on_the_first_screen():
    codes = ("focal-uptake", "no-liver", "free-pertechnetate")
    assert [notice.code for notice in first_screen([Notice(code, "") for code in codes])] == [
        codes[0],
        codes[2],
    ]
