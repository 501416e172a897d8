"""A result in a notebook: the same numbers as everywhere, nothing of the patient."""

import csv
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from evaluation_factory import PARTS, make_evaluation, with_regions

from y90voxel.case import evaluation_view
from y90voxel.errors import InputError
from y90voxel.io.result_tables import write_metrics_csv
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.optional import install_command
from y90voxel.regions.regions import Regions


@pytest.fixture(scope="module")
def evaluation():
    return make_evaluation()


def test_the_frame_is_metrics_csv(evaluation, tmp_path):
    frame = evaluation.to_pandas()
    write_metrics_csv(evaluation.metrics["regions"], tmp_path / "metrics.csv")
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {frame.index.name, *frame.columns} == set(rows[0])
    assert list(frame.index) == [row["name"] for row in rows]
    assert frame.loc["GTV1", "d70_gy"] == evaluation.region("GTV1").d_gy[70]
    assert frame.loc["Liver", "v_percent_100"] == evaluation.region("Liver").v_percent[100]


def test_a_histogram_becomes_a_frame(evaluation):
    histogram = evaluation.dvh("GTV1")
    frame = histogram.to_pandas(points=50)
    assert list(frame.columns) == ["dose_gy", "volume_ml", "volume_percent"]
    assert len(frame) == 50
    assert frame.dose_gy.iloc[-1] == histogram.doses_gy[0]
    assert frame.volume_ml.iloc[0] == pytest.approx(histogram.volume_ml)
    for row in frame.itertuples():
        assert row.volume_percent == pytest.approx(100 * histogram.volume_at_dose(row.dose_gy), abs=1e-9)


def test_maps_and_regions_become_a_dataset(evaluation):
    data = evaluation.to_xarray()
    assert set(data.data_vars) == {"absorbed_dose", "activity", "mass_density", "occupancy"}
    liver = data.occupancy.sel(region="Liver")
    mean = float((data.absorbed_dose * liver).sum() / liver.sum())
    assert mean == pytest.approx(evaluation.region("Liver").mean_gy, rel=1e-12)
    assert data.attrs["predicted"] == 1


def test_a_dataset_without_regions_has_no_occupancy(evaluation):
    assert "occupancy" not in with_regions(evaluation, Regions(evaluation.dose.grid)).to_xarray()


def test_an_evaluation_shows_its_doses_and_nothing_of_the_patient(evaluation):
    html = evaluation._repr_html_()
    words = " ".join(ET.fromstring(html).itertext())
    assert PARTS[2][0] in words  # hostile name, as text
    assert "<script" not in html
    for name in evaluation.main_histograms():
        metrics = evaluation.region(name)
        assert f"{metrics.mass_weighted_mean_gy:.4g}" in words
        assert f"{metrics.d_gy[70]:.4g}" in words
    assert "Predicted absorbed dose: Y-90, 2.4 GBq net" in words
    assert "2 warnings: lungs-truncated, odd-name" in words
    assert "not met: " in words
    assert html.count("<polyline") == len(evaluation.main_histograms())
    for identity in ("2.25.1234567890", "1.2.840.99.1", "2026", "Patient"):
        assert identity not in html


def test_histograms_are_drawn_up_to_what_half_a_percent_of_the_hottest_region_gets(evaluation, monkeypatch):
    """The axis ends 4 % beyond it."""
    ends, asked = [], []
    plain, dose_at_volume = evaluation_view.dvh_curve, DoseVolumeHistogram.dose_at_volume

    def told(histogram, percent):
        asked.append(percent)
        return dose_at_volume(histogram, percent)

    def seen(histogram, name, colour, end, dash):
        ends.append(end)
        return plain(histogram, name, colour, end, dash)

    monkeypatch.setattr(evaluation_view, "dvh_curve", seen)
    monkeypatch.setattr(DoseVolumeHistogram, "dose_at_volume", told)
    evaluation._repr_html_()
    assert asked == [0.5] * len(evaluation.main_histograms())
    hottest = max(dvh.dose_at_volume(0.5) for dvh in evaluation.main_histograms().values())
    assert ends == pytest.approx([1.04 * hottest] * len(evaluation.main_histograms()))


def test_an_evaluation_without_regions_or_warnings_shows_itself(evaluation):
    bare = replace(with_regions(evaluation, Regions(evaluation.dose.grid)), regions=(), notices=(), limits=())
    html = bare._repr_html_()
    assert "<table" not in html
    assert "warnings" not in html


def test_a_histogram_shows_itself(evaluation):
    histogram = evaluation.dvh("GTV1")
    words = " ".join(ET.fromstring(histogram._repr_html_()).itertext())
    for value in (histogram.mean_gy, histogram.mass_weighted_mean_gy, histogram.dose_at_volume(98)):
        assert f"{value:.4g}" in words


@pytest.mark.parametrize("use", ["to_pandas", "to_xarray"])
def test_a_missing_library_is_named(evaluation, use, monkeypatch):
    for name in ("pandas", "xarray"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=f"needs (pandas|xarray).*{re.escape(install_command('notebook'))}"):
        getattr(evaluation, use)()


def test_figures_show_no_region_twice(evaluation):
    shown = list(evaluation.main_histograms())
    assert "lungs" in shown
    assert not {"Lung_L", "Lung_R"} & set(shown)
    assert np.isfinite([evaluation.dvh(name).mean_gy for name in shown]).all()
