"""Decimal commas and European dates, on both sides of doubt."""

import pytest

from y90voxel.batch.european import with_decimal_points_and_iso_dates
from y90voxel.batch.manifest import read_manifest


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["2,4 GBq", "12 GBq"], ["2.4 GBq", "12 GBq"]),
        (["0,125", None], ["0.125", None]),
        (["1,234", "2,5"], ["1.234", "2.5"]),
        (["1,234"], ["1,234"]),
        (["1,234", "2,345"], ["1,234", "2,345"]),
        (["2,4", "2.4"], ["2,4", "2.4"]),
        (["2,4", "a, b"], ["2,4", "a, b"]),
        (["31.12.2025", "3.4.2026 9:05"], ["2025-12-31", "2026-04-03T09:05"]),
        (["31/12/2025", "03/04/2026"], ["2025-12-31", "2026-04-03"]),
        (["03/04/2026"], ["03/04/2026"]),
        (["12/31/2025"], ["12/31/2025"]),
        (["31.12.2025", "unknown"], ["31.12.2025", "unknown"]),
    ],
)
def test_a_column_is_read_where_it_leaves_no_doubt(cells, read):
    rows = [(number, {"x": cell}) for number, cell in enumerate(cells)]
    assert [row["x"] for _, row in with_decimal_points_and_iso_dates(rows, ["x"])] == read


def test_a_manifest_of_a_european_spreadsheet_is_read(tmp_path):
    for name in ("a", "b,1"):
        (tmp_path / name).mkdir()
    text = "study;activity;lung_shunt;time;survival_days\na;2,4 GBq;0,05;31.12.2025 14:30;12,5\nb,1;2 GBq;0,06;1.2.2026 8:00;30\n"
    (tmp_path / "c.csv").write_text(text)
    first, second = read_manifest(tmp_path / "c.csv")
    assert first.settings["administration"] == {
        "activity": "2.4 GBq",
        "lung_shunt_fraction": "0.05",
        "time": "2025-12-31T14:30",
    }
    assert second.problem is None
    assert first.columns == {"survival_days": "12.5"}
