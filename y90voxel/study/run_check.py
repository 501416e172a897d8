"""A dose of another program and the study, or our results, to a folder with an independent second opinion."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from y90voxel.case.settings import StudySettings
from y90voxel.case.verify import verify
from y90voxel.dose.density_map import DensityModel, build_density_map
from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.io.atomic import check_output_folder, output_folder
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.doses import read_dose, read_dose_identity
from y90voxel.io.region_files import paths_of
from y90voxel.io.result_tables import write_json
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.regions.placement import place_regions, placed_names, without_answered_types
from y90voxel.regions.regions import DERIVED_NAMES, Region, Regions
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.optional_roles import fitting_roles, with_optional_roles
from y90voxel.study.read_study import read_region_files, trusted_regions
from y90voxel.study.result_folder import read_document, read_dose_folder, with_activity
from y90voxel.study.run_dose import StudyFiles, make_case, read_chosen
from y90voxel.study.study import file_record
from y90voxel.study.use_scanner import use_scanner
from y90voxel.vendor_check.check_dose import MAPS_UNLIKE, VendorCheck, check_vendor_dose
from y90voxel.vendor_check.check_inputs import OwnCalculation, VendorDose
from y90voxel.version import __version__
from y90voxel.volumes.volume import DoseMap

__all__ = ["OVERRIDES", "VendorFiles", "run_check"]

Progress = Callable[[str, float], None]
PATIENTS = "patients-differ"
# Refusals that --override takes.
OVERRIDES = (MAPS_UNLIKE, PATIENTS)
DISCLAIMER = "Independent check for research, not a clearance. Not a medical device."
# Tables of settings that decide our dose; what is given in others is listed.
USED = (
    "scanner", "administration", "injection", "dose", "monte_carlo", "regions", "lung", "series", "accept", "dead_time",
)  # fmt: skip


@dataclass(frozen=True)
class VendorFiles:
    """What another program wrote.

    Parameters
    ----------
    dose : path-like
        RTDOSE, or a volume in Gy.
    regions : sequence of path-like
        Its regions (RTSTRUCT, SEG, masks); none where it has those of the study.
    """

    dose: str | Path
    regions: Sequence[str | Path] = ()


@dataclass(frozen=True, eq=False)
class _Ours:
    """Our side with what is known of its files."""

    own: OwnCalculation
    identity: StudyIdentity
    label: str
    inputs: Sequence[Mapping[str, Any]]
    notices: Sequence[Notice] = field(default=())


def run_check(
    vendor: VendorFiles,
    source: str | Path,
    out: str | Path,
    settings: StudySettings | None = None,
    *,
    files: StudyFiles | None = None,
    override: Collection[str] = (),
    optional_roles: Collection[str] = (),
    report: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write ``check.json``, ``check.html`` and ``figures/`` to ``out``; return the content of the first.

    Parameters
    ----------
    vendor : VendorFiles
        The dose to check, and its regions.
    source : path-like
        The study that it was computed from, or the folder that `dose` wrote of it.
    out : path-like
        Folder of the results; appears complete or not at all.
    settings : StudySettings or None
        Clinical facts and choices for the study; of a folder of results only ``--trust-frames`` and roles.
    files : mapping or None
        ``emission``, ``ct``, ``regions``: files that complete or replace the study's.
    override : collection of str
        ``patients-differ`` and ``maps-unlike``: refusals that are overridden.
    optional_roles : collection of str
        Names and patterns of roles that may fit no region of either side, as those of a case file.
    report : bool
        Write page and figures too.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If a file cannot be used, or dose and study are of two patients (see `y90voxel.vendor_check.check_dose`).
    GeometryError
        If the dose lies in another frame of reference.
    UnitError
        If the dose is not in Gy.
    """
    unknown = [code for code in override if code not in OVERRIDES]
    if unknown:
        raise InputError(
            f"--override {unknown[0]!r} is no refusal of check; it has {', '.join(OVERRIDES)}.",
            tag="--override",
        )
    check_output_folder(out)
    started, clock = datetime.now(UTC), time.perf_counter()
    report_progress = progress or (lambda what, done: None)
    chosen = settings or StudySettings()
    if chosen.output.anonymise:
        raise InputError(
            "check has no --anonymise: its results name files and regions of the other program. Check copies that name nobody.",
            tag="output.anonymise",
        )
    notices: list[Notice] = []
    report_progress("reading the dose to check", 0.0)
    dose = read_dose(vendor.dose, notices=notices)  # may be wrong: said before anything is computed
    VendorDose(dose)
    identity = read_dose_identity(vendor.dose)
    folder = Path(source)
    if (folder / "metrics.json").is_file():
        _only_what_results_take(chosen, files, folder, with_regions=bool(paths_of(vendor.regions)))
        ours = _of_results(folder)
    else:
        ours = _of_study(
            folder, chosen, files or {}, optional_roles, lambda what, done: report_progress(what, 0.5 * done)
        )
    notices += ours.notices
    notices += _patients(identity, ours.identity, vendor.dose, override)
    trusted = chosen.dose.register_ == "trust"
    dose, own, more = _one_frame(dose, ours.own, trusted)
    notices += more
    regions, inputs = _their_regions(vendor, dose, ours.identity, chosen, override, notices, optional_roles)
    report_progress("comparing", 0.5)
    check = check_vendor_dose(own, VendorDose(dose, regions), accept=override)
    check = replace(check, notices=tuple(dict.fromkeys((*notices, *check.notices))))
    document = check.as_dict() | {
        "label": ours.label,
        "disclaimer": DISCLAIMER,
        "provenance": {
            "version": __version__,
            "vendor": [file_record(Path(vendor.dose), "dose to check"), *inputs],
            "own": list(ours.inputs),
            "settings": chosen.as_dict(),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 3),
        },
    }
    with output_folder(out, "check") as made:
        write_json(document, made / "check.json")
        _page(check, document, made, report_progress if report else None)
    report_progress("done", 1.0)
    return document


def _page(check: VendorCheck, document: Mapping[str, Any], folder: Path, progress: Progress | None) -> None:
    """Write the page, where it is wanted."""
    if progress is None:
        return
    progress("drawing the report", 0.8)
    # deferred: 0.3 s, for reports alone
    from y90voxel.report.vendor_check_page import write_check_report

    write_check_report(check, document, folder)


def _of_study(
    path: Path,
    settings: StudySettings,
    files: StudyFiles,
    optional_roles: Collection[str],
    progress: Progress,
) -> _Ours:
    """Our dose of a study, computed now."""
    settings, scanner = use_scanner(settings)
    study = scanner.checked(read_chosen(path, settings, files, progress))
    study, settings = with_optional_roles(study, settings, optional_roles)
    case = make_case(study, settings)
    engine = build_engine(settings.dose.engine, case, monte_carlo=settings.monte_carlo)
    progress("computing our dose", 0.6)
    evaluation = verify(case, engine)
    notices = [*evaluation.notices, *_listed(settings)]
    return _Ours(OwnCalculation.of(evaluation), study.identity, case.label, study.inputs, notices)


def _listed(settings: StudySettings) -> list[Notice]:
    """Say which settings were given and decide nothing here."""
    plain, rest = StudySettings(), settings.changed(output={"report": True})  # its page is left out or not
    given = [
        name
        for name in StudySettings.model_fields
        if name not in USED and getattr(rest, name) != getattr(plain, name)
    ]
    if not given:
        return []
    message = f"given and not used by this check: {', '.join(given)}. They decide nothing of our dose."
    return [Notice("settings-carried", message)]


def _of_results(folder: Path) -> _Ours:
    """Our dose as `dose` wrote it."""
    read = read_dose_folder(folder)
    side = with_activity(read.side, folder)
    document = read_document(folder, "metrics.json", "dose")
    if side.activity is None:
        raise InputError(
            f"{folder} holds no activity.nii.gz on the grid of its dose, which variants of other models are made of. Give the "
            "study in its place, or run `dose` again.",
            file=folder / "activity.nii.gz",
        )
    used = document["provenance"].get("settings", {}).get("dose", {})
    stated = used.get("liver_density", LIVER_DENSITY_G_PER_ML)
    density = float(stated) if not isinstance(stated, str) else LIVER_DENSITY_G_PER_ML
    grid = side.dose.grid
    drawn = Regions(grid, tuple(region for region in side.regions if region.name not in DERIVED_NAMES))
    densities, _, _ = build_density_map(grid, drawn, None, DensityModel(density))
    calibration = document["calibration"]
    own = OwnCalculation(
        dose=side.dose,
        activity=side.activity,
        density=densities,
        regions=side.regions,
        nuclide=document["nuclide"],
        engine=document["engine"],
        net_activity_bq=document["activity_bq"],
        calibration=calibration.get("region") or calibration["mode"],
        calibration_factors=calibration.get("alternatives", {}),
        lung_shunt_fraction=side.lung_shunt_fraction,
        liver_density_g_per_ml=density,
        dose_constant_gy_kg_per_gbq=used.get("dose_constant_gy_kg_per_gbq"),
        densities_by_role=True,
    )
    return _Ours(own, StudyIdentity(patient_id=read.patient_id or ""), side.label, read.inputs, read.notices)


def _only_what_results_take(
    settings: StudySettings, files: StudyFiles | None, folder: Path, *, with_regions: bool
) -> None:
    """Refuse settings and files for a dose that is computed already; frames may be trusted, and roles are of their regions."""
    plain, rest = StudySettings(), settings.changed(output={"report": True})  # its page is left out or not
    if settings.dose.register_ == "trust":
        rest = rest.changed(dose={"register_": plain.dose.register_})
    if with_regions:
        rest = rest.changed(regions={"roles": {}})
    given = [name for name in StudySettings.model_fields if getattr(rest, name) != getattr(plain, name)]
    given += [role for role, file in (files or {}).items() if file]
    if given:
        raise InputError(
            f"{folder} holds results of `dose`, with the settings of that run; given now and not usable: {', '.join(given)}. "
            "Leave them out, or give the study in place of its results.",
            tag=given[0],
        )


def _patients(
    theirs: StudyIdentity | None, ours: StudyIdentity, path: str | Path, override: Collection[str]
) -> list[Notice]:
    """Refuse a file of another patient; who they are stays in the files."""
    if theirs is None or not theirs.patient_key or not ours.patient_key:
        return [
            Notice(
                "patient-unknown",
                f"{path} or the study names no patient: that both are of one is not checked.",
            )
        ]
    if theirs.patient_key == ours.patient_key:
        return []
    message = f"{path} and the study are of two patients (PatientID differs), or of one with two numbers."
    if PATIENTS in override:
        return [Notice(PATIENTS, f"{message} Overridden as asked.")]
    raise InputError(
        f"{message} Give files of one patient; --override {PATIENTS} checks all the same.", tag="PatientID"
    )


def _one_frame(
    dose: DoseMap, own: OwnCalculation, trusted: bool
) -> tuple[DoseMap, OwnCalculation, list[Notice]]:
    """Both sides in one frame of reference.

    Raises
    ------
    GeometryError
        If the frames differ and are not trusted.
    """
    theirs, ours = dose.grid.frame_of_reference_uid, own.dose.grid.frame_of_reference_uid
    if theirs == ours and ours is not None:
        return dose, own, []
    notices = []
    if theirs is None or ours is None:
        which = " and ".join(name for name, uid in (("their", theirs), ("our", ours)) if uid is None)
        message = f"the frame of reference of {which} dose is not known; the coordinates are taken as common."
        notices.append(Notice("frame-unknown", message))
    elif trusted:
        message = f"the frames of reference differ ({theirs}; {ours}) and are taken as common, as was asked."
        notices.append(Notice("frames-trusted", message))
    else:
        raise GeometryError(
            f"the dose to check lies in frame of reference {theirs}, ours in {ours}: their coordinates do not compare. Give a "
            "dose in the frame of the images, or take coordinates as common (--trust-frames).",
            tag="FrameOfReferenceUID",
        )
    grid = replace(dose.grid, frame_of_reference_uid=ours)
    return DoseMap(dose.array, grid), own, notices


def _their_regions(
    vendor: VendorFiles,
    dose: DoseMap,
    identity: StudyIdentity,
    settings: StudySettings,
    override: Collection[str],
    notices: list[Notice],
    optional_roles: Collection[str],
) -> tuple[tuple[Region, ...], list[dict[str, Any]]]:
    """Their regions on the grid of their dose, and the files; ``notices`` gets what has to be said."""
    paths = paths_of(vendor.regions)
    if not paths:
        return (), []
    read: list[Notice] = []
    drawn, whose = read_region_files(paths, read)
    if whose is not None:
        notices += _patients(whose, identity, ", ".join(map(str, paths)), override)
    if settings.dose.register_ == "trust":
        drawn, more = trusted_regions(drawn, dose.grid.frame_of_reference_uid)
        notices += more
    roles, said = fitting_roles(placed_names(drawn), settings.regions.roles, optional_roles)
    placed, more = place_regions(drawn, dose.grid, roles, must_be_whole=())
    notices += [*without_answered_types(read, drawn, roles), *said, *more]
    inputs = [file_record(path, "regions to check") for path in paths if path.is_file()]
    return tuple(placed), inputs
