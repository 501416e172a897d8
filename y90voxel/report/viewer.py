"""The interactive page: what it shows, and how it becomes one file that needs neither server nor network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from y90voxel.metrics.dvh_bands import BAND_PERCENT
from y90voxel.metrics.dvh_curves import DvhCurves
from y90voxel.report.dose_page import render_page
from y90voxel.report.dose_report import DoseReport
from y90voxel.report.formatting import dose_text, number
from y90voxel.report.overlays import colours
from y90voxel.report.scene import Scene
from y90voxel.volumes.packing import PackedVolume

__all__ = [
    "CT_WINDOWS",
    "ViewerContent",
    "dose_scale",
    "encoded",
    "isodose_levels",
    "packaged_text",
    "render_viewer",
    "viewer_content",
]

# Texts of the report that the head of the page repeats.
HEAD = ("heading", "label", "subtitle", "predicted", "disclaimer", "version", "computed")
# Isodoses offered first: round values that clinics read, and the 205 Gy of glass microspheres.
ROUND_LEVELS_GY = (5, 10, 20, 30, 50, 70, 100, 150, 205, 300, 400, 600, 800, 1200, 2000)
MOST_LEVELS = 6  # isodoses at once; chosen: more colours are not told apart
# Clear below the threshold, then from this opacity to that at four times the threshold; all of it times what the
# slider says, which starts at so many percent.
OPACITY_FROM, OPACITY_TO, OPACITY_PERCENT = 0.4, 1.0, 65
CT_WINDOWS = (("soft tissue", 40, 400), ("liver", 80, 180), ("lung", -600, 1500), ("bone", 400, 1800))
SCRIPTS = (
    "shared.js", "volume.js", "contours.js", "histograms.js", "marks.js", "panes.js", "keys.js", "snapshot.js", "page.js",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ViewerContent:
    """Everything that the page shows.

    Parameters
    ----------
    page : mapping
        Texts of the page's head.
    data : mapping
        What its scripts read: scales, regions, histograms; plain JSON.
    volumes : mapping of str to PackedVolume
        ``underlay``, ``dose`` and ``region-0``, ``region-1``, ... in the order of ``data["regions"]``.
    """

    page: Mapping[str, Any]
    data: Mapping[str, Any]
    volumes: Mapping[str, PackedVolume]


def viewer_content(report: DoseReport) -> ViewerContent:
    """Return what the interactive page of a report shows."""
    scene, text = report.scene, report.text
    volumes = {"underlay": report.underlay, "dose": report.dose}
    volumes |= {f"region-{n}": region.image for n, region in enumerate(report.regions)}
    page = {name: text[name] for name in HEAD}
    page |= {"warnings": len(text["warnings"]), "dose_step": report.dose.step}
    points = (("hottest voxel", scene.hottest), ("centre", scene.centre))
    data = {
        "underlay": _underlay(scene, report.underlay),
        "dose": dose_scale(scene.top_gy, scene.threshold_gy),
        "regions": _regions(report),
        "dvh": _histograms(report.whole_curves),
        "points": [{"name": name, "lps_mm": _rounded(focus.point_mm)} for name, focus in points],
    }
    return ViewerContent(page, data, volumes)


def isodose_levels(top_gy: float) -> list[float]:
    """Return the isodoses that are drawn at first: at most six round ones below the top of the scale.

    Examples
    --------
    >>> isodose_levels(480.0)
    [70.0, 100.0, 150.0, 205.0, 300.0, 400.0]
    >>> isodose_levels(0.3)
    [0.06, 0.15, 0.24]
    """
    levels = [float(level) for level in ROUND_LEVELS_GY if level <= 0.9 * top_gy]
    if len(levels) < 3:
        return [float(f"{share * top_gy:.2g}") for share in (0.2, 0.5, 0.8)]
    return levels[-MOST_LEVELS:]


def render_viewer(content: ViewerContent, images: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    content : ViewerContent
        What it shows.
    images : mapping of str to bytes
        The ``volumes`` of the content as ``.nii.gz``, under the same names.
    """
    return render_page(
        "viewer.html.j2",
        {
            **content.page,
            "data": content.data,
            "images": encoded(images),
            "style": packaged_text("templates/viewer/style.css"),
            "scripts": [packaged_text(f"templates/viewer/{name}") for name in SCRIPTS],
            "niivue": packaged_text("vendor/niivue/niivue.umd.js"),
            "licences": packaged_text("vendor/niivue/LICENSE")
            + "\n"
            + packaged_text("vendor/niivue/LICENSE-BUNDLED"),
        },
    )


def encoded(images: Mapping[str, bytes]) -> dict[str, str]:
    """Return files as base64 text, by name."""
    return {name: base64.b64encode(raw).decode("ascii") for name, raw in images.items()}


@cache
def packaged_text(name: str) -> str:
    """Return a text file of this package; none of them ends the element that it is put into."""
    return files("y90voxel.report").joinpath(name).read_text(encoding="utf-8")


def _underlay(scene: Scene, packed: PackedVolume) -> dict[str, Any]:
    """What lies under the dose: its window, and the windows to choose from."""
    low, high = scene.window
    is_ct = packed.unit == "HU"
    if not is_ct:  # the scene's window is in Bq per voxel
        low, high = 0.0, float(np.percentile(packed.stored, 99.9)) * packed.step
    return {
        "name": packed.quantity,
        "unit": packed.unit,
        "window": [low, high],
        "range": [-1024, 2000] if is_ct else [0.0, float(packed.stored.max()) * packed.step],
        "presets": [{"name": n, "level": level, "width": w} for n, level, w in CT_WINDOWS] if is_ct else [],
    }


def dose_scale(top_gy: float, threshold_gy: float) -> dict[str, Any]:
    """Return colours, opacity and isodoses of a dose for the scripts of a page.

    Parameters
    ----------
    top_gy, threshold_gy : float
        Top of the colour scale, and the dose below which it is clear [Gy].
    """
    return {
        "top_gy": top_gy,
        "threshold_gy": threshold_gy,
        "levels_gy": isodose_levels(top_gy),
        "colours": np.rint(255 * colours()[::15]).astype(int).tolist(),
        "opacity": {
            "share": threshold_gy / top_gy,
            "from": OPACITY_FROM,
            "to": OPACITY_TO,
            "percent": OPACITY_PERCENT,
        },
    }


def _regions(report: DoseReport) -> list[dict[str, Any]]:
    """Name, colour, key numbers and hottest point of each region."""
    outlined = {region.name for region, _ in report.scene.outlined}
    rows = []
    for region in report.regions:
        metrics = region.metrics
        mean = metrics.mean_gy if metrics.mass_weighted_mean_gy is None else metrics.mass_weighted_mean_gy
        rows.append(
            {
                "name": metrics.name,
                "role": metrics.role.replace("_", " "),
                "colour": region.style.colour,
                "dash": list(region.style.dash),
                "outlined": metrics.name in outlined,
                "volume": number(metrics.volume_ml),
                "mean": dose_text(mean),
                "d70": dose_text(metrics.d_gy[70]),
                "hottest_lps_mm": _rounded(region.hottest_mm),
            }
        )
    return rows


def _histograms(curves: DvhCurves) -> dict[str, Any]:
    """Volume in percent at common dose steps, by region in their order, with its limits where there is a band.

    Where halves of the image take noise out, what was found stands beside it.
    """
    by_region = curves.by_name.values()
    return {
        "doses_gy": [round(dose, 6) for dose in curves.doses_gy.tolist()],
        "volumes_percent": [_percents(curve.volumes_percent) for curve in by_region],
        "bands_percent": [
            None if curve.limits_percent is None else [_percents(limit) for limit in curve.limits_percent]
            for curve in by_region
        ],
        "found_percent": [
            None if curve.found_percent is None else _percents(curve.found_percent) for curve in by_region
        ],
        "band": f"bands of tumours and normal liver: {BAND_PERCENT:g} %",
        "shown_gy": curves.drawn_gy,
    }


def _percents(volumes: ArrayLike) -> list[float]:
    """Volumes to a thousandth of a percent."""
    return [round(float(volume), 3) for volume in np.asarray(volumes)]


def _rounded(point_mm: np.ndarray[Any, Any]) -> list[float]:
    """A position to a micrometre."""
    return [round(float(p), 3) for p in point_mm]
