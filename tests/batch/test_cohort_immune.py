"""Blood dose and counts in the tables of a cohort."""

from y90voxel.batch.cohort_immune import immune_columns
from y90voxel.io.cohort_tables import COLUMNS

BLOCK = {
    "blood": {"mean_gy": 3.3, "sd_gy": 0.05, "low_gy": 3.0, "high_gy": 4.1},
    "lymphocytes": {
        "measured": [
            {"day": 8.0, "ratio": 0.5, "low": 0.1, "high": 0.6},
            {"day": 33.0, "ratio": 0.6, "low": 0.2, "high": 0.7},
            {"day": 95.0, "ratio": 0.7, "low": 0.3, "high": 0.9},
        ]
    },
}


def test_the_count_next_to_day_30_stands_beside_its_range():
    columns = immune_columns(BLOCK)
    assert columns["immune_blood_mean_gy"] == 3.3
    told = [columns[f"immune_count_{key}"] for key in ("day", "ratio", "low", "high")]
    assert told == [33.0, 0.6, 0.2, 0.7]
    assert columns.keys() <= COLUMNS.keys()


def test_without_counts_or_block_there_are_no_columns():
    assert immune_columns(None) == {}
    assert "immune_count_day" not in immune_columns({**BLOCK, "lymphocytes": {"measured": []}})
