"""Histograms and metrics of any dose file with any regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from y90voxel.errors import Notice, RegionError
from y90voxel.io.atomic import check_output_folder, output_folder
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.sources import list_files
from y90voxel.io.doses import read_dose, read_dose_identity
from y90voxel.io.region_files import paths_of
from y90voxel.io.result_tables import write_result_tables
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.summary import summarise
from y90voxel.regions.placement import place_regions, urgent_first, without_answered_types
from y90voxel.regions.whole_liver import LiverTumours
from y90voxel.study.read_study import read_region_files, trusted_regions
from y90voxel.study.study import file_record
from y90voxel.version import __version__

__all__ = ["run_dvh"]


def run_dvh(
    dose_path: str | Path,
    rois_path: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    roles: Mapping[str, str] | None = None,
    trust_frames: bool = False,
    liver_tumours: LiverTumours = "ask",
    figure: bool = True,
) -> dict[str, Any]:
    """Write ``dvh.csv``, ``metrics.json``, ``metrics.csv`` and a figure to ``out``; return the metrics.

    Parameters
    ----------
    dose_path : path-like
        RTDOSE, NIfTI, NRRD or MetaImage [Gy].
    rois_path : path-like or sequence of path-like
        RTSTRUCT, SEG, ``.seg.nrrd``, label image or mask; several add up.
    out : path-like
        Folder to write, all or nothing.
    roles : mapping of str to str, optional
        Roles by ROI name or pattern.
    trust_frames : bool
        Take the coordinates of other frames of reference as common.
    liver_tumours : {'ask', 'join', 'apart'}
        What is done about tumours that the liver was drawn without.
    figure : bool
        Draw the histograms.

    Raises
    ------
    InputError
        If a file cannot be read, regions of two files share a name, or the folder cannot be used.
    RegionError
        If no region lies inside the dose grid.
    DicomError
        If dose and regions are of two patients.
    """
    check_output_folder(out)
    notices: list[Notice] = []
    dose = read_dose(dose_path, notices=notices)
    rois = paths_of(rois_path)
    drawn, whose = read_region_files(rois, notices)
    identity = read_dose_identity(dose_path)
    if identity is not None and whose is not None:
        identity.check_patient(whose, str(dose_path), ", ".join(map(str, rois)))
        notices += _other_study(identity, whose, trust_frames)
    if trust_frames:
        drawn, new_notices = trusted_regions(drawn, dose.grid.frame_of_reference_uid)
        notices += new_notices
    regions, new_notices = place_regions(
        drawn, dose.grid, roles, must_be_whole=(), liver_tumours=liver_tumours
    )
    notices = [*without_answered_types(notices, drawn, roles), *new_notices]
    if not regions.drawn:
        raise RegionError(
            f"none of the {len(drawn)} regions of {', '.join(map(str, rois))} lies inside the dose grid of {dose_path}."
        )
    histograms = {region.name: DoseVolumeHistogram.from_dose(dose, region.mask) for region in regions}
    metrics = [summarise(region, histograms[region.name], None, None, None).as_dict() for region in regions]
    document = {
        "schema_version": 1,
        "kind": "dvh",
        "regions": metrics,
        "warnings": [{"code": notice.code, "message": notice.message} for notice in urgent_first(notices)],
        "provenance": {
            "version": __version__,
            "inputs": [
                file_record(Path(dose_path), "dose"),
                *(file_record(path, "regions") for roi in rois for path in _files(roi)),
            ],
        },
    }
    with output_folder(out, "dvh") as folder:
        write_result_tables(document, histograms, folder)
        if figure:
            # deferred: 0.3 s, for reports alone
            from y90voxel.report.dvh_plot import write_dvh_figure

            (folder / "figures").mkdir()
            write_dvh_figure(histograms, folder / "figures" / "dvh.png")
    return document


def _other_study(dose: StudyIdentity, regions: StudyIdentity, trusted: bool) -> list[Notice]:
    """Say where regions of another study are used: they fit only if patient and frame of reference are the same."""
    one, other = dose.study_instance_uid, regions.study_instance_uid
    if one == other:
        return []
    how = "their coordinates were taken as common, as asked" if trusted else "they share a frame of reference"
    message = (
        f"dose and regions are of two studies of one patient ({one} and {other}); {how}. Check that they fit."
    )
    return [Notice("other-study", message)]


def _files(rois: Path) -> list[Path]:
    """The files that regions are read from: one, or those of a folder."""
    return [source.path for source in list_files(rois)] if rois.is_dir() else [rois]
