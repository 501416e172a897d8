import csv
import json

import numpy as np
import pytest

from y90voxel.io.result_tables import write_dvh_csv, write_json, write_metrics_csv
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def histogram(doses):
    array = np.array(doses, float).reshape(1, 1, -1)
    grid = Grid.from_spacing(array.shape, (10, 10, 10))
    return DoseVolumeHistogram.from_dose(DoseMap(array, grid), Mask(np.ones(array.shape), grid))


def test_histograms_are_cumulative_and_exact_at_each_dose(tmp_path):
    write_dvh_csv([("GTV1", "tumour", histogram([0, 10, 20, 40]))], tmp_path / "dvh.csv", points=5)
    rows = rows_of(tmp_path / "dvh.csv")
    assert [(float(r["dose_gy"]), float(r["volume_ml"]), float(r["volume_percent"])) for r in rows] == [
        (0, 4, 100), (10, 3, 75), (20, 2, 50), (30, 1, 25), (40, 1, 25),
    ]  # fmt: skip
    assert {r["role"] for r in rows} == {"tumour"}


def test_metrics_are_flat_and_names_are_no_formulas(tmp_path):
    regions = [{"name": "=cmd()", "mean_gy": 1 / 3, "v_percent": {"50": 12.5}, "bed_mean_gy": None}]
    write_metrics_csv(regions, tmp_path / "metrics.csv")
    assert rows_of(tmp_path / "metrics.csv") == [
        {"name": "'=cmd()", "mean_gy": "0.3333333", "v_percent_50": "12.5", "bed_mean_gy": ""}
    ]


def test_json_holds_no_nan(tmp_path):
    write_json({"name": "Müller", "value": 1.5}, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "Müller", "value": 1.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"value": float("nan")}, tmp_path / "b.json")
