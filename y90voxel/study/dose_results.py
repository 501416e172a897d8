"""The folder that a dose calculation leaves behind: complete, or not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from y90voxel.case.bed_map import bed_map
from y90voxel.case.evaluation import Evaluation
from y90voxel.errors import Notice
from y90voxel.io.atomic import output_folder
from y90voxel.io.dicom.encapsulated_pdf import write_encapsulated_pdf
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.radiation_dose_sr import write_radiation_dose_sr
from y90voxel.io.dicom.reg_writer import write_registration
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.dicom.rtstruct_writer import write_rtstruct
from y90voxel.io.dicom.seg_writer import write_seg
from y90voxel.io.nifti import write_activity_concentration, write_nifti, write_regions_nifti
from y90voxel.io.result_tables import write_result_tables
from y90voxel.study.administered_doses import administered_doses
from y90voxel.volumes.volume import Volume

__all__ = ["Output", "write_results"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Output:
    """What is written besides the maps and tables.

    Parameters
    ----------
    report : bool
        HTML report, figures and interactive page.
    pdf : bool
        A PDF of the report.
    pdf_dicom : bool
        A PDF of the report, and the same as DICOM object.
    sr : bool
        Radiation Dose SR, one for each administration.
    """

    report: bool = True
    pdf: bool = False
    pdf_dicom: bool = False
    sr: bool = False


def write_results(
    evaluation: Evaluation,
    folder: str | Path,
    identity: StudyIdentity,
    sources: tuple[SourceSeries, ...] = (),
    output: Output | None = None,
    progress: Progress | None = None,
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
    report_progress = progress or (lambda what, done: None)
    with output_folder(folder, "dose") as temporary:
        report_progress("writing maps", 0.0)
        format_notices = _write_maps(evaluation, temporary, identity, sources)
        alignment = evaluation.case.alignment
        if alignment is not None:
            write_registration(
                alignment, temporary / "registration.dcm", identity=identity, references=sources
            )
        evaluation = evaluation.with_notices(*format_notices)
        if wanted.sr:
            evaluation = evaluation.with_notices(*_write_sr(evaluation, temporary, identity, sources))
        histograms = {metrics.name: evaluation.dvh(metrics.name) for metrics in evaluation.regions}
        if wanted.report:
            # deferred: with the report alone
            from y90voxel.report.slicer_scene import write_slicer_scene

            write_slicer_scene(evaluation, temporary, with_ct=not evaluation.case.settings.output.anonymise)
        if wanted.report or wanted.pdf or wanted.pdf_dicom:
            _write_reports(evaluation, temporary, wanted, report_progress)
        if wanted.pdf_dicom:
            write_encapsulated_pdf(
                temporary / "report.pdf",
                temporary / "report.pdf.dcm",
                title="Dose of radioembolization",
                objects=[temporary / "dose.dcm"],
                identity=identity,
                references=sources,
            )
        bands = None if evaluation.uncertainty is None else evaluation.bands
        write_result_tables(evaluation.metrics, histograms, temporary, bands, evaluation.shrink)
    return evaluation


def _write_maps(
    evaluation: Evaluation, folder: Path, identity: StudyIdentity, sources: tuple[SourceSeries, ...]
) -> tuple[Notice, ...]:
    """Dose, activity and regions; returns what the formats could not hold."""
    biological = bed_map(evaluation)
    kind = "predicted" if evaluation.case.predicted else "delivered"
    comment = f"{kind}, {evaluation.case.nuclide}, {evaluation.engine}; research only"
    dose_notices = write_rtdose(
        evaluation.dose, folder / "dose.dcm", identity=identity, references=sources, comment=comment
    )
    write_nifti(evaluation.dose, folder / "dose.nii.gz")
    if evaluation.dose.relative_uncertainty is not None:
        spread = Volume(evaluation.dose.relative_uncertainty, evaluation.dose.grid)
        write_nifti(spread, folder / "dose_uncertainty.nii.gz")
    write_activity_concentration(evaluation.activity, folder / "activity.nii.gz")
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
        return dose_notices
    masks = {region.name: region.mask for region in regions}
    roles = {region.name: region.role.value for region in regions}
    automatic = [region.name for region in regions if region.automatic]
    write_regions_nifti(masks, folder / "regions.nii.gz", roles=roles, automatic=automatic)
    region_notices: tuple[Notice, ...] = ()
    for write, name in ((write_seg, "regions.seg.dcm"), (write_rtstruct, "regions.rtstruct.dcm")):
        region_notices += write(
            masks, folder / name, roles=roles, automatic=automatic, identity=identity, references=sources
        )
    return tuple(dict.fromkeys((*dose_notices, *region_notices)))


def _write_sr(
    evaluation: Evaluation, folder: Path, identity: StudyIdentity, sources: tuple[SourceSeries, ...]
) -> tuple[Notice, ...]:
    """A Radiation Dose SR for each administration; returns what has to be said of them."""
    stated, notices = administered_doses(evaluation, identity)
    for number, one in enumerate(stated, start=1):
        name = "dose.sr.dcm" if len(stated) == 1 else f"dose_injection_{number}.sr.dcm"
        write_radiation_dose_sr(one, folder / name, identity=identity, references=sources)
    return notices


def _write_reports(evaluation: Evaluation, folder: Path, wanted: Output, progress: Progress) -> None:
    """What people read."""
    # deferred: 0.3 s, for reports alone
    from y90voxel.report.dose_page import write_report
    from y90voxel.report.dose_report import dose_report

    progress("drawing the report", 0.5)
    report = dose_report(evaluation)
    viewer = None
    if wanted.report:
        # deferred: 0.1 s, for pages alone
        from y90voxel.report.viewer_page import write_viewer

        viewer = write_viewer(report, folder / "viewer.html").name
    write_report(report, folder, viewer=viewer, page=wanted.report, pdf=wanted.pdf or wanted.pdf_dicom)
