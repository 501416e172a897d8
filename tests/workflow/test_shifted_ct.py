"""A CT of another breathing position at the dome: liver and tumour keep their doses, the lungs are marked."""

from functools import lru_cache

import numpy as np
import pytest
from dome_phantom import CT_GRID, ball, ct, drawn

from y90voxel.case.verify import verify
from y90voxel.cli.terminal_tables import print_evaluation
from y90voxel.dose.density.superposition import DensitySuperposition
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.quantification.emission import EmissionImage
from y90voxel.regions.placement import place_regions
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.report.dose_content import dose_content
from y90voxel.study.study import Study
from y90voxel.volumes.volume import CountMap

# Just under the dome, where a CT taken in inspiration shows lung.
TUMOUR = ((8.0, 0.0, 4.0), 13.0)
MEANS = ("Liver", "GTV1", "non-tumour liver")


@lru_cache(maxsize=16)
def evaluated(shift_mm):
    shapes = [*drawn(), DrawnRegion("GTV1", Contours(tuple(ball(*TUMOUR))))]
    grid = CT_GRID.with_spacing(4.0)
    regions, _ = place_regions(shapes, grid)
    counts = 100.0 * regions["Liver"].mask.array + 300.0 * regions["GTV1"].mask.array
    counts = counts + 2.0 * regions["Lungs"].mask.array
    study = Study(
        label="dome",
        emissions=(EmissionImage(CountMap(counts, grid), "NM", "Tc-99m", predicted=True),),
        drawn=tuple(shapes),
        ct=ct(shift_mm),
        planar=None,
        identity=StudyIdentity(),
        sources=(),
        inputs=(),
        notices=(),
    )
    case = study.case(activity_bq=5e8, lung_shunt_fraction=0.04)
    return verify(case, DensitySuperposition("Y-90"))


@pytest.mark.parametrize("shift_mm", [-30, -20, -10, 10, 20, 30])
def test_means_of_liver_and_tumour_hold_within_a_percent(shift_mm):
    """Before liver and tumour had their own density wherever they are drawn: 18.0 for 14.6 Gy, greatest dose 49 for 14.8."""
    plain, moved = evaluated(0), evaluated(shift_mm)
    for name in MEANS:
        one, other = plain.region(name), moved.region(name)
        assert other.mean_gy == pytest.approx(one.mean_gy, rel=0.01), name
        assert other.mass_weighted_mean_gy == pytest.approx(one.mass_weighted_mean_gy, rel=0.01), name
        assert other.max_gy < 1.05 * one.max_gy, name


@pytest.mark.parametrize("shift_mm", [-30, -20, -10, 10, 20, 30])
def test_lungs_are_marked_as_not_reliable_in_every_output(shift_mm, tmp_path, capsys):
    plain, moved = evaluated(0), evaluated(shift_mm)
    assert (plain.metrics["lung"]["reliable"], moved.metrics["lung"]["reliable"]) == (True, False)
    for evaluation, marked in ((plain, False), (moved, True)):
        assert ("ct-contours-disagree" in {notice.code for notice in evaluation.notices}) is marked
        content = dose_content(evaluation)
        flags = {row["name"]: row["flags"] for row in content["regions"]}
        assert ("not reliable" in flags["Lungs"]) is marked
        assert not any("not reliable" in flags[name] for name in MEANS)
        assert ("NOT RELIABLE" in content["lung_facts"]) is marked
        print_evaluation(evaluation, tmp_path, as_json=False)
        assert ("Lungs (not reliable)" in capsys.readouterr().out) is marked


def test_the_dose_of_the_unshifted_study_is_what_its_activity_gives():
    """0.48 GBq in a liver of 1.05 g/mL: all energy but what leaves through its surface."""
    plain = evaluated(0)
    liver = plain.region("Liver")
    energy_j = 49.77 * 0.48
    assert liver.mass_weighted_mean_gy * liver.mass_g / 1000.0 == pytest.approx(energy_j, rel=0.06)
    assert np.isfinite(plain.dose.array).all()
