"""Tables of results as CSV and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.dvh_bands import DvhBand
from y90voxel.metrics.region_noise import shares_without_noise

__all__ = ["plain_cell", "write_dvh_csv", "write_json", "write_metrics_csv", "write_result_tables"]

DVH_POINTS = 512  # rows of a curve; chosen: a row each 0.2 % of the highest dose, read by a spreadsheet


def write_result_tables(
    document: Mapping[str, Any],
    histograms: Mapping[str, DoseVolumeHistogram],
    folder: Path,
    bands: Mapping[str, DvhBand] | None = None,
    shrink: Mapping[str, float] | None = None,
) -> None:
    """Write ``dvh.csv``, ``metrics.json`` and ``metrics.csv``, and ``dvh_bands.csv`` where there are bands.

    Parameters
    ----------
    document : mapping
        The content of ``metrics.json``.
    histograms : mapping of str to DoseVolumeHistogram
        Of the document's regions, by name.
    folder : Path
        Exists.
    bands : mapping of str to DvhBand, optional
        By region name.
    shrink : mapping of str to float, optional
        By the name of each region whose histogram is corrected for noise, see `y90voxel.metrics.region_noise`.
    """
    regions = document["regions"]
    named = [(r["name"], r["role"], histograms[r["name"]]) for r in regions]
    write_dvh_csv(named, folder / "dvh.csv", shrink=shrink)
    if bands is not None:
        write_bands_csv([(n, band, histograms[n]) for n, band in bands.items()], folder / "dvh_bands.csv")
    write_json(document, folder / "metrics.json")
    write_metrics_csv(regions, folder / "metrics.csv")


def write_dvh_csv(
    histograms: Iterable[tuple[str, str, DoseVolumeHistogram]],
    path: str | Path,
    points: int = DVH_POINTS,
    shrink: Mapping[str, float] | None = None,
) -> None:
    """Write cumulative histograms in long form: region, role, dose_gy, volume_ml, volume_percent.

    Where some are corrected for noise, a last column volume_percent_without_noise has those, empty for the others.

    Parameters
    ----------
    histograms : iterable of (str, str, DoseVolumeHistogram)
        Region name, role and histogram.
    path : path-like
        File to write.
    points : int
        Dose steps from zero to the region's maximum; the volume at each is exact.
    shrink : mapping of str to float, optional
        As of `write_result_tables`.
    """
    columns = ("region", "role", "dose_gy", "volume_ml", "volume_percent")
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow((*columns, "volume_percent_without_noise") if shrink else columns)
        for name, role, histogram in histograms:
            doses = np.linspace(0.0, max(float(histogram.doses_gy[0]), 0.0), points)
            shares = histogram.cumulative(doses)
            cell, volume_ml = plain_cell(name), histogram.volume_ml
            more: Iterable[tuple[str, ...]] = repeat(("",) if shrink else ())
            if shrink and name in shrink:
                quiet = 100 * shares_without_noise(histogram, doses, shrink[name])
                more = [(f"{share:.6g}",) for share in quiet.tolist()]
            for dose, share, last in zip(doses.tolist(), shares.tolist(), more, strict=False):
                row = (f"{dose:.6g}", f"{share * volume_ml:.6g}", f"{100 * share:.6g}")
                writer.writerow((cell, role, *row, *last))


def write_bands_csv(
    bands: Iterable[tuple[str, DvhBand, DoseVolumeHistogram]], path: str | Path, points: int = DVH_POINTS
) -> None:
    """Write bands in long form: region, dose_gy, and the volume in percent: found, median, low and high.

    Parameters
    ----------
    bands : iterable of (str, DvhBand, DoseVolumeHistogram)
        Region name, its band, and the histogram that was found.
    path : path-like
        File to write.
    points : int
        Dose steps from zero to where the upper limit ends.
    """
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ("region", "dose_gy", "volume_percent", "median_percent", "low_percent", "high_percent")
        )
        for name, band, histogram in bands:
            highest = max(float(histogram.doses_gy[0]), float(band.high_gy[0]), 0.0)
            doses = np.linspace(0.0, highest, points)
            columns = (doses, 100.0 * histogram.cumulative(doses), *band.volumes_at(doses))
            for row in zip(*(column.tolist() for column in columns), strict=True):
                writer.writerow((plain_cell(name), *(f"{value:.6g}" for value in row)))


def write_metrics_csv(regions: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Write one row a region, nested values flattened with an underscore.

    Parameters
    ----------
    regions : sequence of mapping
        The ``regions`` of ``metrics.json``.
    path : path-like
        File to write.
    """
    rows = [_flat(region) for region in regions]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows({key: plain_cell(value) for key, value in row.items()} for row in rows)


def write_json(document: Mapping[str, Any], path: str | Path) -> None:
    """Write a JSON document; a NaN or infinity is a bug and raises ValueError."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested tables: {"v_percent": {"50": 1}} becomes {"v_percent_50": 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}_")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def plain_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula; numbers in seven digits."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.7g}"
    return value
