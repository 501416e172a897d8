"""Regions from the CT in a study: added where none is drawn, marked, and never deciding a calibration unasked."""

from dataclasses import replace
from pathlib import Path

import pytest

from y90voxel.case.verify import verify
from y90voxel.errors import InputError
from y90voxel.quantification.quantify import quantify
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.read_study import read_study
from y90voxel.volumes.volume import CtImage

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data" / "study"
FACTS = {"administered_activity_bq": 2.2e9, "lung_shunt_fraction": 0.06}
UNSHUNTED = {"administered_activity_bq": 2.2e9}


@pytest.fixture(scope="module")
def drawn():
    return read_study(SAMPLE)


@pytest.fixture(scope="module")
def bare(drawn):
    """The sample study without its lungs and body."""
    kept = tuple(region for region in drawn.drawn if not region.name.startswith(("Lung", "Body")))
    return replace(drawn, drawn=kept)


def codes(notices):
    return {notice.code for notice in notices}


def names(case):
    return [region.name for region in case.regions.drawn]


def test_lungs_and_body_are_added_and_marked_in_every_row(bare):
    case = bare.case(**FACTS)
    assert names(case)[-3:] == ["Lung_L (automatic)", "Lung_R (automatic)", "Body (automatic)"]
    assert "automatic-regions" in codes(case.notices)
    assert "other-regions" not in codes(case.notices)
    found = verify(case, build_engine("local", case))
    ours = [m for m in found.metrics["regions"] if m["role"] in ("lung", "lungs", "body")]
    assert len(ours) == 4
    assert all(m["automatic"] for m in ours)
    assert case.both_lungs_in_view
    assert found.metrics["lung"]["mean_mird_ct_gy"] is not None
    assert found.metrics["lung"]["fraction_in_fov"] == 1.0


def test_automatic_lungs_are_near_the_drawn_ones_in_volume_and_mass(bare, drawn):
    """Voxels are in or out: those at the surface bring tissue in and leave lung out, which adds 5 % to the mass."""
    ours, theirs = (verify(c, build_engine("local", c)) for c in (bare.case(**FACTS), drawn.case(**FACTS)))
    assert ours.region("lungs").volume_ml == pytest.approx(theirs.region("lungs").volume_ml, rel=0.03)
    assert ours.region("lungs").mass_g == pytest.approx(theirs.region("lungs").mass_g, rel=0.06)


def test_drawn_regions_are_not_doubled(drawn):
    case = drawn.case(**FACTS)
    assert not any("(automatic)" in name for name in names(case))
    assert "automatic-regions" not in codes(case.notices)


def test_the_setting_and_roles_leave_them_out(bare):
    assert not any("(automatic)" in name for name in names(bare.case(**FACTS, automatic=False)))
    case = bare.case(**FACTS, roles={"body (Automatic)": "ignore"})
    assert names(case)[-2:] == ["Lung_L (automatic)", "Lung_R (automatic)"]


def test_without_a_ct_nothing_is_added(bare):
    assert names(replace(bare, ct=None).case(**FACTS)) == [region.name for region in bare.drawn]


def test_automatic_lungs_leave_the_liver_alone(bare):
    regions = bare.case(**FACTS).regions
    lungs, liver = regions.mask_of(Role.LUNG), regions.mask_of(Role.LIVER, Role.TUMOUR)
    assert (lungs.array + liver.array).max() <= 1.0 + 1e-6


def test_lungs_cut_off_by_the_ct_are_truncated_and_judged_by_reference_mass(bare):
    ct = bare.ct
    keep = 75  # of 96 slices; the lungs end at slice 93
    cut = CtImage(ct.array[:keep], ct.grid.crop((0, 0, 0), (keep, *ct.grid.shape[1:])))
    case = replace(bare, ct=cut).case(**FACTS)
    assert {"automatic-lungs-truncated", "lungs-truncated"} <= codes(case.notices)
    assert not case.both_lungs_in_view
    found = verify(case, build_engine("local", case))
    lung = found.lung
    assert lung.fraction_in_fov == pytest.approx(found.region("lungs").mass_g / 1000.0)
    assert lung.fraction_in_fov < 0.7
    assert lung.mean_mird_ct_gy is None


def test_the_shunt_is_not_measured_on_automatic_lungs_unless_asked_for(bare, drawn):
    assert quantify(drawn.case(**UNSHUNTED)).shunt_source == "spect"
    with pytest.raises(InputError, match="needs the lung shunt fraction"):
        quantify(bare.case(**UNSHUNTED))
    asked = quantify(bare.case(**UNSHUNTED, lung_shunt_fraction="spect"))
    assert asked.lung_shunt_fraction == pytest.approx(
        quantify(drawn.case(**UNSHUNTED)).lung_shunt_fraction, abs=0.005
    )
    (notice,) = [n for n in asked.notices if n.code == "lung-shunt-measured"]
    assert "segmented from the CT" in notice.message


def test_a_cut_off_lung_is_not_measured_even_when_asked_for(bare):
    ct = bare.ct
    cut = CtImage(ct.array[:75], ct.grid.crop((0, 0, 0), (75, *ct.grid.shape[1:])))
    with pytest.raises(InputError, match="needs both lungs"):
        quantify(replace(bare, ct=cut).case(**UNSHUNTED, lung_shunt_fraction="spect"))


def test_calibration_over_the_image_is_the_same_with_and_without_automatic_lungs(bare):
    facts = {**FACTS, "calibration_region": "fov"}
    with_ours, without = (quantify(bare.case(**facts, automatic=a)).map_activity_bq for a in (True, False))
    assert with_ours == pytest.approx(without, rel=1e-12)


def test_calibration_over_an_automatic_body_is_refused(bare):
    with pytest.raises(InputError, match="segmented from the CT ends with it"):
        quantify(bare.case(**FACTS, calibration_region="body"))


def test_calibration_over_liver_and_lungs_takes_automatic_lungs_because_it_was_asked_for(bare, drawn):
    facts = {**UNSHUNTED, "calibration_region": "liver+lungs"}
    ours, theirs = (quantify(study.case(**facts)).map_activity_bq for study in (bare, drawn))
    assert ours == pytest.approx(theirs, rel=0.01)


def test_the_density_calibration_of_the_scanner_is_used_and_named(drawn):
    points = [(-1000.0, 0.001), (0.0, 1.0), (1000.0, 1.5)]
    case = drawn.case(**FACTS, density_calibration=points)
    found = verify(case, build_engine("local", case))
    assert found.density_sources["lung"] == "CT (calibration of this scanner, as given)"
    usual = drawn.case(**FACTS)
    assert found.lung.ct_mass_g != verify(usual, build_engine("local", usual)).lung.ct_mass_g
    with pytest.raises(InputError, match="must rise"):
        drawn.case(**FACTS, density_calibration=points[::-1])


def test_drawn_regions_are_not_from_ct_by_default():
    region = DrawnRegion("Lung_L", None)
    assert (region.from_ct, region.cut_off) == (False, False)
