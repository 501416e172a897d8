"""The change of a small region's activity on a coarser grid: equal to that of its mean dose by local deposition, and said."""

from pathlib import Path

import pytest

import y90voxel as yv
from y90voxel.case.grid_shift import GREATEST_SHIFT, _shares, activity_shifts
from y90voxel.dose.local_deposition import LocalDeposition

SAMPLE = Path(__file__).parents[2] / "sample_data" / "study"


@pytest.fixture(scope="module")
def study():
    return yv.read_study(SAMPLE)


def run(study, grid):
    facts = {
        "device": "glass",
        "activity_bq": 2.2e9,
        "lung_shunt_fraction": 0.06,
        "time_zone": "Europe/Berlin",
    }
    return yv.verify(study.case(grid=grid, **facts), LocalDeposition("Y-90"))


@pytest.fixture(scope="module")
def native(study):
    return run(study, "emission")


@pytest.mark.parametrize(("grid", "said"), [(3.0, False), (5.0, True)])
def test_a_coarser_grid_changes_means_by_what_it_says(study, native, grid, said):
    """Tumours of 95 and 29 mL, image of 4.42 mm: −0.7 and −0.9 % at 3 mm, −1.9 and −2.3 % at 5 mm."""
    found = run(study, grid)
    shifts = activity_shifts(found.case, found.activity)
    for name in ("GTV1", "GTV2"):
        dose = found.region(name).mass_weighted_mean_gy / native.region(name).mass_weighted_mean_gy - 1.0
        assert shifts[name] == pytest.approx(dose, abs=5e-4)
        assert (abs(shifts[name]) > GREATEST_SHIFT) is said
    messages = [n.message for n in found.notices if n.code == "grid-moves-activity"]
    assert bool(messages) is said
    if said:
        assert f"GTV2 {100 * shifts['GTV2']:+.1f} %" in messages[0]
        assert "4.42 × 4.42 × 4.42 mm, the dose grid of 5 × 5 × 5 mm" in messages[0]


def test_on_the_grid_of_the_image_nothing_moves(native):
    assert activity_shifts(native.case, native.activity) == {}
    assert "grid-moves-activity" not in {n.code for n in native.notices}


def test_of_a_map_without_activity_no_share_is_told(native):
    empty = native.activity.with_array(0.0 * native.activity.array)
    assert _shares(empty, native.case.regions) == {}
    held = _shares(native.activity, native.case.regions)
    tumour = native.case.regions["GTV1"].mask.array
    own = float((tumour.astype(float) * native.activity.array).sum()) / native.activity.total
    assert held["GTV1"] == pytest.approx(own, rel=1e-6)
