"""The interactive page of a calculation: its images become NIfTI, the page one file."""

from __future__ import annotations

from pathlib import Path

from y90voxel.io.nifti import packed_nifti
from y90voxel.report.dose_report import DoseReport
from y90voxel.report.viewer import render_viewer, viewer_content

__all__ = ["write_viewer"]


def write_viewer(report: DoseReport, path: str | Path) -> Path:
    """Write the interactive page of a report, one file that needs neither server nor network.

    Parameters
    ----------
    report : DoseReport
        What is shown.
    path : path-like
        Written.
    """
    content = viewer_content(report)
    images = {
        name: packed_nifti(volume.stored, volume.grid, volume.step, f"{volume.quantity} [{volume.unit}]")
        for name, volume in content.volumes.items()
    }
    path = Path(path)
    path.write_text(render_viewer(content, images), encoding="utf-8")
    return path
