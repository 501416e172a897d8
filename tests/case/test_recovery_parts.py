"""What a correction by recovery stands on and tells, each step with and without; nothing is deconvolved."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import recovery_correction as module
from y90voxel.case.recovery_correction import _Background, _corrected, _settings, with_partial_volume
from y90voxel.errors import InputError
from y90voxel.metrics.summary import PartialVolume
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, DoseMap, Mask

CURVE = RecoveryFit(2.0, 1.0, np.diag([0.04, 0.0]))


@dataclass(frozen=True)
class Metrics:
    name: str
    role: Role
    volume_ml: float = 2.0
    mean_gy: float = 60.0
    activity_bq: float | None = 6e6
    partial_volume: PartialVolume | None = None


@dataclass(frozen=True)
class Result:
    regions: tuple
    calibration_spread: object = None
    partial_volume: object = None
    case: object = None
    notices: tuple = field(default=())

    def with_notices(self, *notices):
        return replace(self, notices=notices)


TUMOUR, LIVER = Metrics("GTV1", Role.TUMOUR), Metrics("Liver", Role.LIVER, 1000.0, 25.0)
DEEP = SimpleNamespace(of=lambda case: ("deconvolved", case), iterations=12, fwhm_mm=7.5)


def corrected(
    monkeypatch, curve=None, deconvolution=None, factor=None, regions=(TUMOUR, LIVER), background=20.0
):
    after = {name: SimpleNamespace(mean_gy=70.0, d_gy={70: 55.0}) for name in ("GTV1", "Liver")}
    asked = []
    monkeypatch.setattr(
        module, "verify", lambda *of: asked.append(of) or SimpleNamespace(region=lambda name: after[name])
    )
    monkeypatch.setattr(_Background, "of", lambda evaluation: _Background("normal", background, 1e6))
    spread = None if factor is None else SimpleNamespace(region="liver", factors={"fov": factor})
    found = with_partial_volume(Result(regions, spread, case="case"), "engine", curve, deconvolution)
    return found, asked


def test_only_tumours_are_corrected_by_a_curve(monkeypatch):
    """R = 2 / (2 + 2); (60 − ½ · 20) / ½."""
    found, asked = corrected(monkeypatch, CURVE)
    tumour, liver = found.regions
    assert (tumour.partial_volume.recovery, tumour.partial_volume.mean_corrected_gy) == (0.5, 100.0)
    assert (tumour.partial_volume.deconvolved_mean_gy, liver.partial_volume, asked) == (None, None, [])
    assert found.notices == ()
    assert found.partial_volume["calibration_factor_undone"] == 1.0


def test_what_a_calibration_over_the_liver_added_is_taken_off_and_said(monkeypatch):
    """Four fifths of 60 and 20 Gy: (48 − ½ · 16) / ½."""
    found, _ = corrected(monkeypatch, CURVE, factor=0.8)
    assert found.regions[0].partial_volume.mean_corrected_gy == pytest.approx(80.0)
    assert [notice.code for notice in found.notices] == ["recovery-calibration"]
    assert "of a map 20.0 % lower" in found.notices[0].message
    assert found.partial_volume["calibration_factor_undone"] == 0.8
    assert corrected(monkeypatch, CURVE, factor=1.0)[0].notices == ()
    doubled, _ = corrected(monkeypatch, CURVE, factor=2.0)
    assert [notice.code for notice in doubled.notices] == ["recovery-calibration"]


def test_a_deconvolved_image_stands_beside_every_region(monkeypatch):
    found, asked = corrected(monkeypatch, deconvolution=DEEP, factor=0.8)
    for one in found.regions:
        assert one.partial_volume == PartialVolume(deconvolved_mean_gy=70.0, deconvolved_d70_gy=55.0)
    assert asked == [(("deconvolved", "case"), "engine", None)]
    (notice,) = found.notices
    assert "after 12 iterations of Richardson-Lucy deconvolution with 7.5 mm FWHM" in notice.message
    assert found.partial_volume["calibration_factor_undone"] is None
    both, _ = corrected(monkeypatch, CURVE, DEEP)
    assert (both.regions[0].partial_volume.recovery, both.regions[0].partial_volume.deconvolved_mean_gy) == (
        0.5,
        70.0,
    )


def test_a_tumour_that_cannot_be_corrected_is_named(monkeypatch):
    """60 Gy on 200 Gy of liver with R = ½ would be −80 Gy."""
    found, _ = corrected(monkeypatch, CURVE, background=200.0)
    assert found.regions[0].partial_volume is None
    (notice,) = found.notices
    assert (notice.code, "'GTV1' is not corrected" in notice.message) == (
        "partial-volume-not-corrected",
        True,
    )


def test_a_tumour_without_activity_has_a_ratio_of_nothing():
    """Its correction, (0 − ½) / ½, is refused as colder than its surroundings explain."""
    with pytest.raises(InputError, match="colder than its surroundings"):
        _corrected(replace(TUMOUR, activity_bq=None), _Background("normal", 20.0, 1e6), CURVE, 1.0)
    found = _corrected(TUMOUR, _Background("normal", 20.0, 0.5), CURVE, 1.0)
    assert found.tumour_to_normal_ratio == pytest.approx(6e6)
    assert found.recovery_uncertainty == pytest.approx(0.5 * 0.5 * 0.5 * 0.2)


def test_corrections_tell_what_they_were_made_with():
    curve = {"form": CURVE.form, "b1_ml": 2.0, "b2": 1.0}
    deep = {"method": "richardson-lucy", "fwhm_mm": 7.5, "iterations": 12}
    assert _settings(CURVE, None, _Background("normal", 20.0, 1e6)) == {
        "recovery": curve, "background": "normal", "background_margin_mm": 15.0, "deconvolution": None,
    }  # fmt: skip
    assert _settings(None, DEEP, None) == {
        "recovery": None, "background": None, "background_margin_mm": None, "deconvolution": deep,
    }  # fmt: skip


def background(first, spacing=(25.0, 40.0, 10.0), last=None, value=1.0, perfused=None):
    """Of a row of voxels, liver from `first` on and a tumour in 40 to 49; dose and activity rise with the place."""
    grid = Grid.from_spacing((1, 1, 100), spacing)

    def region(name, role, start, stop):
        array = np.zeros(grid.shape)
        array[0, 0, start:stop] = 1.0
        if role is Role.LIVER:
            array[0, 0, 20] *= value
        return Region(name, role, Mask(array, grid))

    drawn = [region("Liver", Role.LIVER, first, last or 50), region("GTV1", Role.TUMOUR, 40, 50)]
    drawn += [] if perfused is None else [region("Perfused", Role.PERFUSED, perfused, 50)]
    places = np.arange(100.0).reshape(grid.shape)
    return _Background.of(
        SimpleNamespace(
            case=SimpleNamespace(regions=Regions(grid, tuple(drawn))),
            dose=DoseMap(10.0 + places, grid),
            activity=ActivityMap(1e6 * (1.0 + places), grid),
        )
    )


@pytest.mark.parametrize(
    ("first", "places"),
    [
        (5, range(6, 39)),  # 15 mm from the outline and from the tumour: one voxel of 10 mm each
        (33, range(34, 39)),  # 5 voxels of 10 mL lie so deep: 50 mL are enough
        (34, range(34, 39)),  # 4 would not be: what lies at the outline counts too
    ],
)
def test_the_background_is_the_liver_deep_within_as_long_as_50_ml_are(first, places):
    found = background(first)
    assert (found.name, found.mean_gy) == ("non-tumour liver", pytest.approx(10.0 + np.mean(places)))
    assert found.bq_per_ml == pytest.approx(1e6 * (1.0 + np.mean(places)) / 10.0)


def test_voxels_of_the_background_weigh_by_their_share():
    """Voxel 20 is liver to 0.6; it is no outline, for the organ fills more than half of it."""
    places, weights = np.arange(15, 39), np.ones(24)
    weights[5] = 0.6
    found = background(14, value=0.6)
    assert found.mean_gy == pytest.approx(10.0 + np.average(places, weights=weights), rel=1e-6)
    assert found.bq_per_ml == pytest.approx(1e5 * (1.0 + np.average(places, weights=weights)), rel=1e-6)


@pytest.mark.parametrize(("edge_mm", "enough"), [(20.0, True), (19.9, False)])
def test_5_ml_of_liver_are_a_background(edge_mm, enough):
    """One voxel lies further than 15 mm from the tumour."""
    if enough:
        assert background(38, (25.0, edge_mm, 10.0)).mean_gy == 48.0
    else:
        with pytest.raises(
            InputError, match="less than 5 mL of liver lie further than 15 mm from the tumours"
        ):
            background(38, (25.0, edge_mm, 10.0))


def test_perfused_liver_is_the_background_where_enough_is_perfused():
    found = background(5, perfused=20)
    assert (found.name, found.mean_gy) == (
        "perfused non-tumour liver",
        pytest.approx(10.0 + np.mean(range(21, 39))),
    )
    assert background(5, perfused=39).name == "non-tumour liver"


@pytest.mark.parametrize("missing", ["liver", "tumours"])
def test_tumours_and_a_liver_are_both_needed(missing):
    grid = Grid.from_spacing((1, 1, 4), (10.0, 10.0, 10.0))
    role = Role.TUMOUR if missing == "liver" else Role.LIVER
    regions = Regions(grid, (Region("one", role, Mask(np.ones(grid.shape), grid)),))
    with pytest.raises(InputError, match="needs tumours and a liver around them; the regions are: one"):
        _Background.of(SimpleNamespace(case=SimpleNamespace(regions=regions)))
    with pytest.raises(InputError, match="the regions are: none"):
        _Background.of(SimpleNamespace(case=SimpleNamespace(regions=Regions(grid))))
