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

from y90voxel.case.evaluation import Evaluation
from y90voxel.metrics.dvh_bands import BAND_PERCENT
from y90voxel.regions.palette import region_styles
from y90voxel.regions.regions import Region
from y90voxel.report.dose_content import DISCLAIMER, PREDICTED, subtitle
from y90voxel.report.dose_page import render_page
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, number
from y90voxel.report.overlays import colours
from y90voxel.report.scene import Scene, build_scene
from y90voxel.report.viewer_volumes import PackedVolume, pack_activity, pack_ct, pack_dose, pack_region
from y90voxel.volumes.volume import Mask

__all__ = ["ViewerContent", "isodose_levels", "render_viewer", "viewer_content"]

DVH_POINTS = 300
# Isodoses offered first: round values that clinics read, and the 205 Gy of glass microspheres.
ROUND_LEVELS_GY = (5, 10, 20, 30, 50, 70, 100, 150, 205, 300, 400, 600, 800, 1200, 2000)
MOST_LEVELS = 6
# Clear below the threshold, then from this opacity to that at four times the threshold; all of it times what the
# slider says, which starts at so many percent.
OPACITY_FROM, OPACITY_TO, OPACITY_PERCENT = 0.4, 1.0, 65
CT_WINDOWS = (("soft tissue", 40, 400), ("liver", 80, 180), ("lung", -600, 1500), ("bone", 400, 1800))
SCRIPTS = ("volume.js", "contours.js", "histograms.js", "page.js")


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


def viewer_content(evaluation: Evaluation) -> ViewerContent:
    """Return what the interactive page of an evaluation shows.

    Parameters
    ----------
    evaluation : Evaluation
        What is shown.
    """
    scene = build_scene(evaluation)
    case, provenance = evaluation.case, evaluation.provenance
    shown = list(evaluation.main_histograms())
    regions = [case.regions[name] for name in shown]
    underlay = (
        pack_activity(evaluation.activity) if case.ct is None else pack_ct(case.ct, evaluation.dose.grid)
    )
    volumes = {"underlay": underlay, "dose": pack_dose(evaluation.dose)}
    volumes |= {f"region-{n}": pack_region(region) for n, region in enumerate(regions)}
    page = {
        "heading": "Predicted absorbed dose" if case.predicted else "Absorbed dose",
        "label": case.label,
        "subtitle": subtitle(evaluation),
        "predicted": PREDICTED if case.predicted else None,
        "disclaimer": DISCLAIMER,
        "version": str(provenance.get("version", MISSING)),
        "computed": date_and_time(provenance.get("started")),
        "warnings": len(evaluation.warnings),
        "dose_step": volumes["dose"].step,
    }
    data = {
        "underlay": _underlay(scene, underlay),
        "dose": _dose_scale(scene),
        "regions": _regions(evaluation, regions, scene),
        "dvh": _histograms(evaluation, shown),
        "points": [
            {
                "name": "hottest voxel",
                "lps_mm": _rounded(scene.grid.index_to_lps(scene.hottest.index)),
            },
            {"name": "centre", "lps_mm": _rounded(scene.grid.index_to_lps(scene.centre.index))},
        ],
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
            "images": {name: base64.b64encode(raw).decode("ascii") for name, raw in images.items()},
            "style": _text("templates/viewer/style.css"),
            "scripts": [_text(f"templates/viewer/{name}") for name in SCRIPTS],
            "niivue": _text("vendor/niivue/niivue.umd.js"),
            "licences": _text("vendor/niivue/LICENSE") + "\n" + _text("vendor/niivue/LICENSE-BUNDLED"),
        },
    )


@cache
def _text(name: str) -> str:
    """A text file of this package; none of them ends the element that it is put into."""
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


def _dose_scale(scene: Scene) -> dict[str, Any]:
    """Colours, opacity and isodoses of the dose."""
    share = scene.threshold_gy / scene.top_gy
    return {
        "top_gy": scene.top_gy,
        "threshold_gy": scene.threshold_gy,
        "levels_gy": isodose_levels(scene.top_gy),
        "colours": np.rint(255 * colours()[::15]).astype(int).tolist(),
        "opacity": {
            "share": share,
            "from": OPACITY_FROM,
            "to": OPACITY_TO,
            "percent": OPACITY_PERCENT,
        },
    }


def _regions(evaluation: Evaluation, regions: list[Region], scene: Scene) -> list[dict[str, Any]]:
    """Name, colour, key numbers and hottest point of each region."""
    styles = region_styles((region.name, region.role) for region in evaluation.case.regions)
    outlined = {region.name for region, _ in scene.outlined}
    rows = []
    for region in regions:
        metrics = evaluation.region(region.name)
        mean = metrics.mean_gy if metrics.mass_weighted_mean_gy is None else metrics.mass_weighted_mean_gy
        rows.append(
            {
                "name": region.name,
                "role": region.role.value.replace("_", " "),
                "colour": styles[region.name].colour,
                "dash": list(styles[region.name].dash),
                "outlined": region.name in outlined,
                "volume": number(metrics.volume_ml),
                "mean": dose_text(mean),
                "d70": dose_text(metrics.d_gy[70]),
                "hottest_lps_mm": _rounded(_hottest_mm(evaluation, region.mask)),
            }
        )
    return rows


def _hottest_mm(evaluation: Evaluation, mask: Mask) -> np.ndarray[Any, Any]:
    """Where the dose is greatest among voxels at least half filled (filled at all, if none is)."""
    core = mask.array >= 0.5
    inside = np.flatnonzero(core if core.any() else mask.array)
    flat = inside[int(np.argmax(evaluation.dose.array.ravel()[inside]))]
    return mask.grid.index_to_lps(np.unravel_index(flat, mask.grid.shape))


def _histograms(evaluation: Evaluation, names: list[str]) -> dict[str, Any]:
    """Volume in percent at common dose steps, by region in their order, with its limits where there is a band."""
    histograms = [evaluation.dvh(name) for name in names]
    bands = [evaluation.bands.get(name) for name in names]
    reached = [float(band.high_gy[0]) for band in bands if band is not None]
    top = max((float(h.doses_gy[0]) for h in histograms), default=0.0) or 1.0
    shown = (
        max([top if not histograms else 0.0, *(h.dose_at_volume(0.5) for h in histograms), *reached]) or top
    )
    doses = np.linspace(0.0, max(top, *reached) if reached else top, DVH_POINTS)
    return {
        "doses_gy": [round(dose, 6) for dose in doses.tolist()],
        "volumes_percent": [_percents(100.0 * h.cumulative(doses)) for h in histograms],
        "bands_percent": [
            None if band is None else [_percents(limit) for limit in band.volumes_at(doses)[1:]]
            for band in bands
        ],
        "band": f"bands: {BAND_PERCENT:g} % at each dose",
        "shown_gy": 1.04 * shown,
    }


def _percents(volumes: ArrayLike) -> list[float]:
    """Volumes to a thousandth of a percent."""
    return [round(float(volume), 3) for volume in np.asarray(volumes)]


def _rounded(point_mm: np.ndarray[Any, Any]) -> list[float]:
    """A position to a micrometre."""
    return [round(float(p), 3) for p in point_mm]
