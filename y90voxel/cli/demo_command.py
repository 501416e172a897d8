"""``y90voxel demo``: the main job on the bundled sample study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

__all__ = ["demo"]


def demo(
    out: Annotated[Path, Option("-o", "--out", help="Folder to write.")] = Path("y90voxel-demo"),
    as_json: Annotated[bool, Option("--json", help="Print metrics.json, and errors as JSON.")] = False,
) -> None:
    """Run the main job on the bundled synthetic study."""
    from y90voxel.cli.dose_command import run
    from y90voxel.reference.shipped import shipped_folder

    folder = shipped_folder("sample_data")
    run(folder / "study", out, folder / "case.toml", {}, {}, as_json)
