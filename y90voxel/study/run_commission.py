"""A folder with images of a phantom to a folder with what they say of the camera."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.case.filling_record import FillingRecord, read_filling_record
from y90voxel.errors import InputError, Notice, Severity
from y90voxel.io.atomic import check_output_folder, output_folder
from y90voxel.io.dicom.attributes import lenient_reading
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole, index_study
from y90voxel.io.dicom.nm import read_nm
from y90voxel.io.dicom.pet import read_pet
from y90voxel.io.dicom.selection import is_nm, raise_unreadable
from y90voxel.io.images import read_emission_file
from y90voxel.io.result_tables import write_json
from y90voxel.io.toml_files import toml_text
from y90voxel.phantoms.commissioning import Commissioning, commission, one_gaussian
from y90voxel.phantoms.filling import layout_of
from y90voxel.quantification.emission import EmissionImage, Reconstruction
from y90voxel.regions.placement import place_regions
from y90voxel.study.read_study import read_region_files
from y90voxel.study.result_folder import damaged, read_document
from y90voxel.study.run_twin import FILLING_FILE
from y90voxel.study.study import file_record
from y90voxel.version import __version__

__all__ = ["run_commission"]

# Of commission.json and scanner.toml; goes up when a key changes its meaning.
SCHEMA_VERSION = 1


def run_commission(
    phantom: str | Path,
    out: str | Path,
    *,
    filling: str | Path | None = None,
    images: Sequence[str | Path] = (),
    earlier: Sequence[str | Path] = (),
    report: bool = True,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Write what images of a phantom say of a camera to ``out``; return the content of ``commission.json``.

    Parameters
    ----------
    phantom : path-like
        Folder with the DICOM images: one series an acquisition.
    out : path-like
        Folder of ``commission.json``, ``recovery.csv``, ``scanner.toml`` and ``commission.html``; complete or not at all.
    filling : path-like or None
        The filling record; None takes ``filling.toml`` of the folder.
    images : sequence of path-like
        PET images (NIfTI, NRRD, MetaImage) with a side-car each, in place of DICOM: one file an acquisition.
    earlier : sequence of path-like
        Folders that earlier commissionings wrote, for the trend.
    report : bool
        Write page and figures too.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the record or the images cannot be used, or contradict each other; see `y90voxel.phantoms.commissioning.commission`.
    """
    check_output_folder(out)
    started, clock = datetime.now(UTC), time.perf_counter()
    report_progress = progress or (lambda what, done: None)
    folder = Path(phantom)
    record_file = Path(filling) if filling is not None else folder / FILLING_FILE
    if not record_file.is_file():
        raise InputError(
            f"there is no filling record {record_file}. Write one (docs/phantoms.md), or give it by --filling.",
            file=record_file,
            tag="--filling",
        )
    record = read_filling_record(record_file)
    report_progress("reading images", 0.1)
    image_inputs, emissions, notices = _read_files(images) if images else _read(folder)
    reconstruction, more = _reconstruction(emissions, record)
    notices += more
    drawn = None if record.contours is None else _drawn(record, emissions[0], notices)
    report_progress("measuring", 0.4)
    result = commission(emissions, record, drawn)
    shown = _reconstruction_dict(reconstruction, emissions[0])
    trend = []
    for one in earlier:
        entry, more = _earlier(Path(one), result, shown)
        trend.append(entry)
        notices += more
    result = replace(result, notices=tuple(dict.fromkeys((*notices, *result.notices))))
    inputs = [file_record(record_file, "filling record"), *image_inputs]
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "commission",
        **result.as_dict(),
        "reconstruction": shown,
        "trend": trend,
        "provenance": {
            "version": __version__,
            "inputs": inputs,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 3),
        },
    }
    with output_folder(out, "commission") as made:
        write_json(document, made / "commission.json")
        if result.first.spheres:
            (made / "recovery.csv").write_text(_recovery_csv(result), encoding="utf-8")
        (made / "scanner.toml").write_text(_scanner(result, document), encoding="utf-8")
        if report:
            report_progress("drawing the report", 0.8)
            # deferred: 0.3 s, for reports alone
            from y90voxel.report.commission_page import write_commission_report

            write_commission_report(result, document, made)
    report_progress("done", 1.0)
    return document


def _read_files(
    images: Sequence[str | Path],
) -> tuple[list[dict[str, Any]], list[EmissionImage], list[Notice]]:
    """PET images with side-cars: their records, what they hold, and what was noticed.

    Raises
    ------
    InputError
        If one has no side-car, or states no day.
    """
    notices: list[Notice] = []
    emissions = [read_emission_file(image, notices=notices) for image in images]
    for image, emission in zip(images, emissions, strict=True):
        if emission.modality == "file" or emission.day_unknown:
            lacks = "no date (ScanDate)" if emission.day_unknown else "neither unit, time nor nuclide"
            raise InputError(
                f"{image} states {lacks}: what the phantom held when it was acquired is not known. Give the JSON of a PET image "
                "(BIDS or dcm2niix) with it beside the image, or DICOM.",
                file=image,
                tag="--emission",
            )
    return [file_record(Path(image), "phantom image") for image in images], emissions, notices


def _read(folder: Path) -> tuple[list[dict[str, Any]], list[EmissionImage], list[Notice]]:
    """Every emission series of a folder: their records, what they hold, and what was noticed."""
    index = index_study(folder)
    raise_unreadable(index)
    series = list(index.with_role(SeriesRole.EMISSION))
    if not series:
        raise InputError(
            f"{folder} holds no reconstructed SPECT or PET images of a phantom.", file=folder, tag="PHANTOM"
        )
    emissions, notices = [], []
    with lenient_reading():
        for one in series:
            emission, series_notices = (read_nm if is_nm(one) else read_pet)(one)
            emissions.append(emission)
            notices += [notice for notice in series_notices if notice.severity is Severity.WARN]
    return [_input(one) for one in series], emissions, notices


def _reconstruction(
    emissions: Sequence[EmissionImage], record: FillingRecord
) -> tuple[Reconstruction, list[Notice]]:
    """The one reconstruction of all images: of their headers, or of the record where they do not say.

    Raises
    ------
    InputError
        If images differ, or the record contradicts them.
    """
    stated = {emission.reconstruction for emission in emissions}
    voxels = {tuple(round(s, 3) for s in emission.grid.spacing_mm) for emission in emissions}
    if len(stated) > 1 or len(voxels) > 1:
        raise InputError(
            f"the images were reconstructed differently ({'; '.join(map(str, [*stated, *voxels]))}): recovery is of one "
            "reconstruction. Commission each by itself.",
            tag="ReconstructionMethod",
        )
    (own,) = stated
    notices = []
    for field, recorded in (("method", record.image.reconstruction), ("filter", record.image.filter)):
        header = getattr(own, field)
        if recorded and header and recorded != header:
            raise InputError(
                f"the filling record says {recorded!r}, the image headers {header!r} for the {field} of the reconstruction. "
                "Correct the record.",
                tag=f"image.{'reconstruction' if field == 'method' else field}",
            )
        if recorded:
            own = replace(own, **{field: recorded})
        elif not header:
            notices.append(
                Notice(
                    f"{field}-unknown",
                    f"neither the image headers nor the filling record say the {field} of the reconstruction: a study that uses "
                    "scanner.toml cannot be checked against it.",
                )
            )
    return own, notices


def _drawn(
    record: FillingRecord, emission: EmissionImage, notices: list[Notice]
) -> list[NDArray[np.float64] | None]:
    """Centres of drawn spheres in the order of the layout, by the diameter in their names.

    Raises
    ------
    InputError
        If two regions are named as one sphere, or fewer than three are drawn whose names tell which they are.
    """
    assert record.contours is not None
    drawn, _ = read_region_files(record.contours, notices)
    regions, more = place_regions(drawn, emission.grid, {}, must_be_whole=())
    notices += more
    diameters = [sphere.diameter_mm for sphere in layout_of(record).spheres]
    centres: list[NDArray[np.float64] | None] = [None] * len(diameters)
    names: dict[int, str] = {}
    for region in regions.drawn:
        numbers = {float(n) for n in re.findall(r"\d+(?:\.\d+)?", region.name)}
        fitting = [k for k, d in enumerate(diameters) if d in numbers]
        if len(fitting) != 1:
            continue
        other = names.setdefault(fitting[0], region.name)
        if other != region.name:
            raise InputError(
                f"{record.contours}: both {other!r} and {region.name!r} have the {diameters[fitting[0]]:g} mm of one sphere in "
                "their names: which of them it is, is not clear. Rename or remove one.",
                file=record.contours,
                tag="contours",
            )
        weights = np.asarray(region.mask.array, np.float64)
        where = np.argwhere(weights > 0)
        share = weights[tuple(where.T)]
        centres[fitting[0]] = emission.grid.index_to_lps(share @ where / share.sum())
    named = sum(centre is not None for centre in centres)
    if named < 3:
        raise InputError(
            f"{record.contours} has {named} drawn spheres whose names hold one diameter of the record "
            f"({', '.join(f'{d:g}' for d in diameters) or 'none'} mm); three are needed. Name them such as 'sphere 37'.",
            file=record.contours,
            tag="contours",
        )
    return centres


def _input(series: SeriesRecord) -> dict[str, Any]:
    """A series, for provenance."""
    return {
        "role": "phantom image",
        "series_instance_uid": series.uid,
        "files": len(series.instances),
        "sha256": series.sha256(),
    }


def _earlier(
    folder: Path, result: Commissioning, reconstruction: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Notice]]:
    """What an earlier commissioning found, for the trend, and in what it was reconstructed otherwise.

    Raises
    ------
    InputError
        If the folder is none, damaged, or of another nuclide or kind of image.
    """
    document = read_document(folder, "commission.json", "commission")
    try:
        now = (result.filling.nuclide, result.first.image.modality, result.counts)
        then = (document["nuclide"], document["modality"], document["calibration"]["unit"] == "cps/MBq")
        if now != then:
            raise InputError(
                f"{folder} is of {then[0]} in {then[1]}, this phantom of {now[0]} in {now[1]}: there is no trend between them.",
                file=folder / "commission.json",
                tag="--earlier",
            )
        first = document["acquisitions"][0]
        entry = {
            "folder": folder.name,
            "start": first["start"],
            "calibration": document["calibration"]["value"],
            "fwhm_mm": (document["gaussian_fit"] or {}).get("fwhm_mm"),
            "noise_cv": (first["background"] or {}).get("noise_cv"),
            "recovery": {f"{s['diameter_mm']:g}": s["recovery"] for s in first["spheres"]},
        }
        differs = [
            f"{name} {before} then, {reconstruction[name]} now"
            for name, before in document["reconstruction"].items()
            if before and reconstruction.get(name) and before != reconstruction[name]
        ]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise damaged(folder / "commission.json", f"an entry is missing or misplaced ({error})") from error
    if not differs:
        return entry, []
    text = f"{folder.name} was measured otherwise ({'; '.join(differs)}): what changed since may be that, and not the scanner."
    return entry, [Notice("trend-of-another-reconstruction", text)]


def _reconstruction_dict(reconstruction: Reconstruction, emission: EmissionImage) -> dict[str, Any]:
    """How the images were reconstructed, for JSON and TOML."""
    return {
        "method": reconstruction.method or None,
        "filter": reconstruction.filter or None,
        "camera": reconstruction.camera or None,
        "voxel_mm": [round(s, 4) for s in emission.grid.spacing_mm],
    }


def _recovery_csv(result: Commissioning) -> str:
    """The table that ``partial_volume.recovery`` reads."""
    lines = [
        f"# recovery of {result.filling.nuclide} spheres, mean over the volume, less background; y90voxel {__version__}",
        "diameter_mm,recovery,relative_uncertainty",
    ]
    lines += [
        f"{row['diameter_mm']:g},{row['recovery']:.6f},{row['relative_uncertainty']:.6f}"
        for row in result.recovery_rows()
    ]
    return "\n".join(lines) + "\n"


def _scanner(result: Commissioning, document: dict[str, Any]) -> str:
    """The file that ``--scanner`` takes."""
    first, fit, gaussian, dead = result.first, result.recovery_fit, result.gaussian, result.dead_time
    rows = result.recovery_rows()
    rates = [one.image.rate_cps for one in result.acquisitions if one.image.rate_cps is not None]
    unit = "factor_cps_per_mbq" if result.counts else "shown_over_true"
    scanner = {
        "schema_version": SCHEMA_VERSION,
        "kind": "scanner",
        "version": __version__,
        "measured": first.image.start,
        "nuclide": result.filling.nuclide,
        "modality": first.image.modality,
        "reconstruction": document["reconstruction"],
        "calibration": {unit: result.calibration, "relative_uncertainty": result.calibration_uncertainty},
        "recovery": None
        if fit is None
        else {
            "file": "recovery.csv",
            "form": fit.form,
            "b1_ml": fit.b1_ml,
            "b2": fit.b2,
            "covariance": fit.covariance.tolist(),
            "smallest_ml": min(row["volume_ml"] for row in rows),
            "largest_ml": max(row["volume_ml"] for row in rows),
        },
        "resolution": None
        if gaussian is None
        else {"fwhm_mm": gaussian.fwhm_mm, "one_gaussian_fits": one_gaussian(gaussian)},
        "dead_time": None
        if dead is None
        else {
            "time_constant_us": 1e6 * dead.time_constant_s,
            "error_us": 1e6 * dead.error_s,
            "highest_rate_cps": max(rates),
        },
        "noise": None if first.background is None else {"background_cv": first.background.noise_cv},
    }
    return "# what y90voxel commission measured; dose and plan take it by --scanner\n" + toml_text(scanner)
