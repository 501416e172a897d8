"""The page of a sum of treatments: what it says, as plain rows of text, and the writing of page and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from y90voxel.accumulation.accumulate import MODEL_VALUE, Accumulation
from y90voxel.accumulation.cumulative_limits import LimitResult
from y90voxel.accumulation.region_sums import RegionSum
from y90voxel.accumulation.time_courses import DecayingSource
from y90voxel.accumulation.treatment import Treatment
from y90voxel.regions.roles import Role
from y90voxel.report.accumulation_figures import accumulation_figures, accumulation_styles
from y90voxel.report.alignment_figure import alignment_png
from y90voxel.report.dose_content import DISCLAIMER
from y90voxel.report.dose_page import embedded, render_page
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, number
from y90voxel.report.registration_rows import registration_rows
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.image_registration import Alignment

__all__ = ["accumulation_content", "write_accumulation_report"]


def write_accumulation_report(
    accumulation: Accumulation,
    provenance: Mapping[str, Any],
    folder: str | Path,
    registrations: Sequence[tuple[Mapping[str, Any], Alignment | DeformableAlignment]] = (),
) -> list[Path]:
    """Write ``accumulate.html`` and ``figures/*.png``, and return their paths.

    Parameters
    ----------
    accumulation : Accumulation
        What is reported.
    provenance : mapping
        Version, inputs, time.
    folder : path-like
        Exists; files in it are replaced.
    registrations : sequence of tuple
        What ``accumulate.json`` says of each registration of CTs, and the registration.
    """
    folder = Path(folder)
    figures = accumulation_figures(accumulation)
    for place, (_, alignment) in enumerate(registrations, 1):
        figures[f"registration_{place}.png"] = alignment_png(alignment)
    (folder / "figures").mkdir(exist_ok=True)
    paths = [folder / "accumulate.html"]
    for name, png in figures.items():
        paths.append(folder / "figures" / name)
        paths[-1].write_bytes(png)
    pictures = embedded(figures)
    content = accumulation_content(accumulation, provenance) | {"figures": pictures}
    content["registrations"] = [
        {
            "name": entry["treatment"],
            **registration_rows(
                entry,
                alignment.summary,
                "the CTs of the reference and of the treatment",
                pictures[f"registration_{place}"],
            ),
        }
        for place, (entry, alignment) in enumerate(registrations, 1)
    ]
    paths[0].write_text(render_page("accumulate.html.j2", content), encoding="utf-8")
    return paths


def accumulation_content(accumulation: Accumulation, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the page shows besides its figures."""
    predicted = [treatment.name for treatment in accumulation.treatments if treatment.predicted]
    return {
        "heading": "Treatments together",
        "label": f"{len(accumulation.treatments)} treatments",
        "subtitle": f"{accumulation.treatments[0].start:%Y-%m-%d} to {accumulation.treatments[-1].start:%Y-%m-%d}",
        "predicted": f"{', '.join(predicted)}: predicted from a surrogate, not delivered."
        if predicted
        else None,
        "disclaimer": DISCLAIMER,
        "version": str(provenance.get("version", MISSING)),
        "computed": date_and_time(provenance.get("started")),
        "model_value": MODEL_VALUE if accumulation.mixed else None,
        "cards": _cards(accumulation),
        "warnings": [{"code": notice.code, "message": notice.message} for notice in accumulation.notices],
        "treatments": [
            _treatment_row(treatment, accumulation.reference) for treatment in accumulation.treatments
        ],
        "names": [treatment.name for treatment in accumulation.treatments],
        "regions": [_region_row(accumulation, region) for region in accumulation.regions],
        "limits": [_limit_row(limit) for limit in accumulation.limits],
        "focal": [
            {"bed": f"{level:g}", "volume": number(ml)} for level, ml in accumulation.focal_liver_ml.items()
        ],
        "inputs": [
            {"file": item["file"], "sha256": str(item["sha256"])[:12]}
            for item in provenance.get("inputs") or ()
        ],
    }


def _cards(accumulation: Accumulation) -> list[dict[str, str]]:
    """The few numbers that are read first."""
    cards: list[dict[str, str]] = []
    for role in (Role.TUMOURS, Role.TUMOUR, Role.NON_TUMOUR_LIVER):
        region = next((r for r in accumulation.regions if r.role is role), None)
        if region is None or (role is Role.TUMOUR and cards):
            continue
        effects = "; ".join(
            f"EQD2 {dose_text(e.eqd2_mean_gy)} Gy ({e.parameters.name})" for e in region.effects
        )
        cards.append(_card(region.name, f"{dose_text(region.mean_gy)} Gy", effects or "absorbed dose"))
    for limit in accumulation.limits:
        parameters = "" if limit.parameters is None else f", {limit.parameters.name}"
        note = f"{limit.limit.quantity}{parameters}, of {limit.limit.value_gy:g} Gy; left {dose_text(limit.left_gy)} Gy"
        card = _card(limit.limit.region, limit.status, note)
        cards.append(card | {"status": {"met": "", "not met": "bad"}.get(limit.status, "open")})
    return cards


def _card(label: str, value: str, note: str) -> dict[str, str]:
    return {"label": label[:1].upper() + label[1:], "value": value, "note": note}


def _treatment_row(treatment: Treatment, reference: str) -> dict[str, str]:
    """What is known of one treatment."""
    course = treatment.course
    if isinstance(course, DecayingSource):
        how = f"half-life {course.half_life_s / 3600:.4g} h, to the end"
    else:
        how = f"{treatment.fractions} fractions"
    return {
        "name": treatment.name,
        "kind": "external beam" if treatment.nuclide is None else f"radioembolization, {treatment.nuclide}",
        "start": f"{treatment.start:%Y-%m-%d %H:%M}",
        "course": how,
        "reference": "reference" if treatment.name == reference else "",
        "grid": str(treatment.dose.grid),
    }


def _region_row(accumulation: Accumulation, region: RegionSum) -> dict[str, Any]:
    """Doses of one region."""
    style = accumulation_styles(accumulation)[region.name]
    histogram = region.histogram
    return {
        "name": region.name,
        "role": region.role.value.replace("_", " "),
        "colour": style.colour,
        "dash": " ".join(str(2.2 * length) for length in style.dash),
        "volume": number(region.volume_ml),
        "alone": [dose_text(region.means_gy.get(treatment.name)) for treatment in accumulation.treatments],
        "sum": dose_text(region.mean_gy),
        "d70": MISSING if histogram is None else dose_text(histogram.dose_at_volume(70)),
        "effects": [
            {
                "parameters": effect.parameters.name,
                "bed": dose_text(effect.bed_mean_gy),
                "eqd2": dose_text(effect.eqd2_mean_gy),
            }
            for effect in region.effects
        ],
    }


def _limit_row(limit: LimitResult) -> dict[str, str]:
    """A limit with what is left."""
    entry = limit.as_dict()
    fractions = ", ".join(f"{n} × {dose_text(gy)}" for n, gy in entry["left_as_fractions_gy"].items())
    return {
        "region": limit.limit.region,
        "quantity": {"mean": "mean absorbed dose", "bed": "mean BED", "eqd2": "mean EQD2"}[
            limit.limit.quantity
        ],
        "parameters": entry["parameters"] or "",
        "found": dose_text(limit.found_gy),
        "limit": f"{limit.limit.value_gy:g}",
        "status": limit.status,
        "left": dose_text(limit.left_gy),
        "fractions": fractions or MISSING,
        "radioembolization": dose_text(entry["left_as_radioembolization_gy"]),
        "source": limit.limit.source,
    }
