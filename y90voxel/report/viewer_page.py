"""The interactive page of a calculation: its images become NIfTI, the page one file."""

from __future__ import annotations

from pathlib import Path

from y90voxel.case.evaluation import Evaluation
from y90voxel.io.nifti import packed_nifti
from y90voxel.report.viewer import render_viewer, viewer_content

__all__ = ["write_viewer"]


def write_viewer(evaluation: Evaluation, path: str | Path) -> Path:
    """Write the interactive page of an evaluation, one file that needs neither server nor network.

    Parameters
    ----------
    evaluation : Evaluation
        What is shown.
    path : path-like
        Written.
    """
    content = viewer_content(evaluation)
    images = {
        name: packed_nifti(volume.stored, volume.grid, volume.step, f"{volume.quantity} [{volume.unit}]")
        for name, volume in content.volumes.items()
    }
    path = Path(path)
    path.write_text(render_viewer(content, images), encoding="utf-8")
    return path
