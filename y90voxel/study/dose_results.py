"""The folder that a dose calculation leaves behind: complete, or not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from y90voxel.case.bed_map import bed_map
from y90voxel.case.evaluation import Evaluation
from y90voxel.errors import Notice
from y90voxel.io.atomic import output_folder
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.reg_writer import write_registration
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.dicom.rtstruct_writer import write_rtstruct
from y90voxel.io.dicom.seg_writer import write_seg
from y90voxel.io.nifti import write_activity_concentration, write_nifti, write_regions_nifti
from y90voxel.io.result_tables import write_bands_csv, write_dvh_csv, write_json, write_metrics_csv
from y90voxel.volumes.volume import Volume

__all__ = ["Output", "write_results"]


@dataclass(frozen=True)
class Output:
    """What is written besides the maps and tables.

    Parameters
    ----------
    report : bool
        HTML report, figures and interactive page.
    pdf : bool
        A PDF of the report.
    """

    report: bool = True
    pdf: bool = False


def write_results(
    evaluation: Evaluation,
    folder: str | Path,
    identity: StudyIdentity,
    sources: tuple[SourceSeries, ...] = (),
    output: Output | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Evaluation:
    """Write every output of a dose calculation to ``folder``, all or nothing.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    folder : path-like
        Must not exist, or hold results of an earlier run only.
    identity : StudyIdentity
        Patient and study of the DICOM outputs.
    sources : tuple of SourceSeries
        Series that the DICOM outputs refer to.
    output : Output
        What else is written.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Returns
    -------
    Evaluation
        The result with what the files could not hold among its notices.

    Raises
    ------
    InputError
        If the folder exists and is not ours, or cannot be written.
    """
    wanted = output or Output()
    tell = progress or (lambda what, done: None)
    with output_folder(folder) as temporary:
        tell("writing maps", 0.0)
        said = _write_maps(evaluation, temporary, identity, sources)
        alignment = evaluation.case.alignment
        if alignment is not None:
            write_registration(
                alignment, temporary / "registration.dcm", identity=identity, references=sources
            )
        evaluation = evaluation.with_notices(*said)
        _write_tables(evaluation, temporary)
        if wanted.report:
            tell("drawing the report", 0.5)
            # deferred: 0.3 s, for reports alone
            from y90voxel.report.dose_page import write_report
            from y90voxel.report.viewer_page import write_viewer

            write_report(
                evaluation, temporary, viewer=write_viewer(evaluation, temporary / "viewer.html").name
            )
        if wanted.pdf:
            tell("writing the PDF", 0.8)
            # deferred: 0.3 s, for reports alone
            from y90voxel.report.dose_pdf import write_pdf

            write_pdf(evaluation, temporary / "report.pdf")
    return evaluation


def _write_maps(
    evaluation: Evaluation, folder: Path, identity: StudyIdentity, sources: tuple[SourceSeries, ...]
) -> tuple[Notice, ...]:
    """Dose, activity and regions; returns what the formats could not hold."""
    kind = "predicted" if evaluation.case.predicted else "delivered"
    comment = f"{kind}, {evaluation.case.nuclide}, {evaluation.engine}; research only"
    said = write_rtdose(
        evaluation.dose, folder / "dose.dcm", identity=identity, references=sources, comment=comment
    )
    write_nifti(evaluation.dose, folder / "dose.nii.gz")
    if evaluation.dose.relative_uncertainty is not None:
        spread = Volume(evaluation.dose.relative_uncertainty, evaluation.dose.grid)
        write_nifti(spread, folder / "dose_uncertainty.nii.gz")
    write_activity_concentration(evaluation.activity, folder / "activity.nii.gz")
    biological = bed_map(evaluation)
    if biological is not None:
        write_rtdose(
            biological.dose,
            folder / "bed.dcm",
            identity=identity,
            references=sources,
            comment=biological.comment,
            effective=True,
        )
        write_nifti(biological.dose, folder / "bed.nii.gz", description="biologically effective dose [Gy]")
    regions = list(evaluation.case.regions)
    if not regions:
        return said
    masks = {region.name: region.mask for region in regions}
    roles = {region.name: region.role.value for region in regions}
    automatic = [region.name for region in regions if region.automatic]
    write_regions_nifti(masks, folder / "regions.nii.gz", roles=roles, automatic=automatic)
    found: tuple[Notice, ...] = ()
    for write, name in ((write_seg, "regions.seg.dcm"), (write_rtstruct, "regions.rtstruct.dcm")):
        found += write(
            masks, folder / name, roles=roles, automatic=automatic, identity=identity, references=sources
        )
    return tuple(dict.fromkeys((*said, *found)))


def _write_tables(evaluation: Evaluation, folder: Path) -> None:
    """Histograms and metrics."""
    histograms = [(m.name, m.role, evaluation.dvh(m.name)) for m in evaluation.regions]
    write_dvh_csv(histograms, folder / "dvh.csv")
    if evaluation.uncertainty is not None:
        bands = [(name, band, evaluation.dvh(name)) for name, band in evaluation.bands.items()]
        write_bands_csv(bands, folder / "dvh_bands.csv")
    write_json(evaluation.metrics, folder / "metrics.json")
    write_metrics_csv(evaluation.metrics["regions"], folder / "metrics.csv")
