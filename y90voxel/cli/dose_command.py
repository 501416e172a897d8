"""``y90voxel dose``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from y90voxel.cli.options import (
    AsJson,
    CaseFile,
    Ct,
    Emission,
    Out,
    RegionFiles,
    Settings,
    chosen_settings,
    roles_of_case,
    takes_settings,
)

if TYPE_CHECKING:
    from y90voxel.study.run_dose import StudyFiles

__all__ = ["dose"]


@takes_settings("dose")
def dose(
    study: Annotated[Path | None, Argument(help="Folder or .zip with the DICOM study.")] = None,
    *,
    out: Out,
    case: CaseFile = None,
    emission: Emission = None,
    ct: Ct = None,
    regions: RegionFiles = None,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Compute absorbed dose, DVHs, metrics and a report of one treatment."""
    run(study, out, case, settings, {"emission": emission, "ct": ct, "regions": regions or None}, as_json)


def run(
    study: Path | None,
    out: Path,
    case: Path | None,
    settings: Settings,
    files: StudyFiles,
    as_json: bool,
) -> None:
    """Run the main job with the settings of a case file and options, and print what was found."""
    from y90voxel.cli.progress import progress
    from y90voxel.cli.terminal_tables import print_evaluation
    from y90voxel.study.run_dose import run_study

    chosen = chosen_settings(case, settings)
    with progress(quiet=as_json) as report_progress:
        evaluation = run_study(
            study,
            out,
            chosen,
            files=files,
            optional_roles=roles_of_case(case, settings),
            progress=report_progress,
        )
    print_evaluation(evaluation, out, as_json)
