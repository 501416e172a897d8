"""Dose between microspheres in the tables of a cohort."""

from y90voxel.batch.cohort_microscale import microscale_columns
from y90voxel.io.cohort_tables import COLUMNS

BLOCK = {
    "activity_per_sphere_bq": 885.0,
    "clusters": "single",
    "places": "volume",
    "regions": [
        {"region": "GTV1", "spheres_per_ml": 9000.0, "empty_lobules_percent": 0.1, "cv_alone": 0.14,
         "d98_gy": 212.0, "d70_gy": 337.0, "d2_gy": 572.0},
    ],
}  # fmt: skip


def test_a_region_has_its_own_numbers_and_those_of_the_spheres():
    columns = microscale_columns(BLOCK, "GTV1")
    assert columns["microscale_activity_per_sphere_bq"] == 885.0
    assert (columns["microscale_d70_gy"], columns["microscale_cv_alone"]) == (337.0, 0.14)
    assert columns.keys() == {name for name in COLUMNS if name.startswith("microscale_")}


def test_other_regions_and_studies_without_it_have_none():
    assert microscale_columns(BLOCK, "lungs") == {}
    assert microscale_columns(None, "GTV1") == {}
