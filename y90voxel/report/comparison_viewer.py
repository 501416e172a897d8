"""The interactive page of a comparison: predicted, delivered and difference beside each other on the delivered study's CT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from y90voxel.comparison.comparison_result import Comparison
from y90voxel.comparison.voxel_comparison import VoxelComparison
from y90voxel.io.nifti import packed_nifti
from y90voxel.report.comparison_figures import OUTLINED, comparison_styles, diverging_colours
from y90voxel.report.dose_page import render_page
from y90voxel.report.formatting import dose_text, number, signed_dose
from y90voxel.report.scene import CT_WINDOW_HU, THRESHOLD
from y90voxel.report.shown_doses import ShownDoses, shown_doses
from y90voxel.report.viewer import CT_WINDOWS, ViewerContent, dose_scale, encoded, packaged_text
from y90voxel.volumes.packing import PackedVolume, pack_ct, pack_dose, pack_mask
from y90voxel.volumes.volume import CtImage, Index

__all__ = ["VIEWER_FILE", "comparison_viewer", "write_comparison_viewer"]

VIEWER_FILE = "viewer.html"
STYLES = ("style.css", "compare.css")
SCRIPTS = ("shared.js", "nifti.js", "volume.js", "contours.js", "marks.js", "compare.js")
MARGIN_MM = 40.0  # shown around what is compared, at least [mm]; chosen: ribs and the dome still show
NO_CT = (
    "Without CT: the delivered results hold none (written without pages, or anonymised). --register with --delivered-ct "
    "brings one."
)


def comparison_viewer(
    comparison: Comparison, voxels: VoxelComparison, page: Mapping[str, Any], ct: CtImage | None
) -> ViewerContent:
    """Return what the interactive page of a comparison shows.

    Parameters
    ----------
    comparison : Comparison
        What is shown.
    voxels : VoxelComparison
        Its part voxel by voxel.
    page : mapping
        Texts of the comparison's page; its head is repeated.
    ct : CtImage or None
        CT of the delivered study.
    """
    shown, dose = shown_doses(voxels), voxels.delivered_dose
    volumes: dict[str, PackedVolume] = {
        "predicted": pack_dose(voxels.predicted_dose, whole=True),
        "delivered": pack_dose(dose, whole=True),
    }
    if ct is not None:
        volumes["underlay"] = pack_ct(ct, dose.grid)
    if not (voxels.covered.array >= 0.5).all():
        volumes["covered"] = pack_mask(voxels.covered)
    volumes |= {f"region-{n}": pack_mask(region.mask) for n, region in enumerate(voxels.regions)}
    head = ("heading", "label", "subtitle", "predicted", "disclaimer", "version", "computed")
    factor = "" if comparison.factor == 1.0 else f" × {number(comparison.factor, 4)}"
    sides = [f"predicted{factor}", "delivered", "delivered − predicted"]
    texts = {name: page[name] for name in head} | {
        "warnings": len(page["warnings"]),
        "sides": sides,
        "how": f"Both on the delivered grid: {voxels.how}.",
        "no_ct": NO_CT,
    }
    data = {
        "sides": sides,
        "underlay": None if ct is None else _underlay(),
        "dose": dose_scale(shown.top_gy, THRESHOLD * shown.top_gy),
        "difference": {
            "reach_gy": shown.reach_gy,
            "colours": np.rint(255 * diverging_colours()).astype(int).tolist(),
        },
        "box_lps_mm": _box(voxels, shown),
        "points": _points(voxels, shown),
        "regions": _regions(comparison, voxels),
    }
    return ViewerContent(texts, data, volumes)


def write_comparison_viewer(content: ViewerContent, path: str | Path) -> Path:
    """Write the interactive page of a comparison, one file that needs neither server nor network.

    Parameters
    ----------
    content : ViewerContent
        What it shows.
    path : path-like
        Written.
    """
    images = {
        name: packed_nifti(volume.stored, volume.grid, volume.step, f"{volume.quantity} [{volume.unit}]")
        for name, volume in content.volumes.items()
    }
    made = {
        **content.page,
        "data": content.data,
        "images": encoded(images),
        "style": "\n".join(packaged_text(f"templates/viewer/{name}") for name in STYLES),
        "scripts": [packaged_text(f"templates/viewer/{name}") for name in SCRIPTS],
    }
    path = Path(path)
    path.write_text(render_page("comparison_viewer.html.j2", made), encoding="utf-8")
    return path


def _underlay() -> dict[str, Any]:
    """Window of the CT, and the windows to choose from."""
    return {
        "window": list(CT_WINDOW_HU),
        "presets": [{"name": n, "level": level, "width": w} for n, level, w in CT_WINDOWS],
    }


def _box(voxels: VoxelComparison, shown: ShownDoses) -> list[list[float]]:
    """Two opposite corners of what is shown [LPS, mm]."""
    places = voxels.delivered_dose.grid.index_to_lps(np.argwhere(shown.inside).astype(float))
    return [
        [round(float(p), 3) for p in corner]
        for corner in (places.min(axis=0) - MARGIN_MM, places.max(axis=0) + MARGIN_MM)
    ]


def _points(voxels: VoxelComparison, shown: ShownDoses) -> list[dict[str, Any]]:
    """Where the page can go: the greatest delivered dose, the greatest difference, the middle."""

    def entry(name: str, index: Index) -> dict[str, Any]:
        place = voxels.delivered_dose.grid.index_to_lps(index)
        return {"name": name, "lps_mm": [round(float(p), 3) for p in place]}

    return [
        entry("hottest delivered", shown.hottest),
        entry("greatest difference", shown.differing),
        entry("centre", shown.centre),
    ]


def _regions(comparison: Comparison, voxels: VoxelComparison) -> list[dict[str, Any]]:
    """Name, colour and mean doses of each region, both in its delivered contour."""
    styles, rows = comparison_styles(comparison), []
    for region in voxels.regions:
        before, after = region.predicted.mean_gy, region.delivered.mean_gy
        rows.append(
            {
                "name": region.name,
                "role": region.role.value.replace("_", " "),
                "colour": styles[region.name].colour,
                "dash": list(styles[region.name].dash),
                "outlined": region.role in OUTLINED,
                "predicted": dose_text(before),
                "delivered": dose_text(after),
                "change": signed_dose(after - before),
            }
        )
    return rows
