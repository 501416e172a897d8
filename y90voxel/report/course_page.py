"""The page of a patient's course: the time line, what each session says first, and all treatments together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from y90voxel.case.course_settings import CourseSettings, SessionSettings
from y90voxel.io.atomic import atomic_file
from y90voxel.reference.nuclide import nuclide as nuclide_record
from y90voxel.report.dose_content import DISCLAIMER
from y90voxel.report.dose_page import embedded, render_page
from y90voxel.report.formatting import MISSING, date_and_time, dose_text, percent
from y90voxel.report.time_line import TimeLineRow, time_line_png
from y90voxel.units import format_activity

__all__ = ["course_content", "write_course_page"]

_PAGES = {
    "plan": "plan.html",
    "dose": "report.html",
    "compare": "compare.html",
    "accumulate": "accumulate.html",
}


def write_course_page(course: CourseSettings, document: Mapping[str, Any], root: str | Path) -> Path:
    """Write ``course.html`` and return its path.

    Parameters
    ----------
    course : CourseSettings
        Sessions in order.
    document : mapping
        The content of ``course.json``.
    root : path-like
        Folder of the course; pages of sessions are linked where they are there.
    """
    root = Path(root)
    dated = course.session[0].date is not None
    png = time_line_png([_row(course, session, document) for session in course.session], dated=dated)
    content = course_content(document, root) | {"figures": embedded({"time_line.png": png})}
    with atomic_file(root / "course.html") as path:
        path.write_text(render_page("course.html.j2", content), encoding="utf-8")
    return root / "course.html"


def course_content(document: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return everything that the page shows besides its figure."""
    total = document["accumulate"]
    entries = [*document["sessions"], *document["comparisons"], *([] if total is None else [total])]
    return {
        "heading": document["title"],
        "label": f"{len(document['sessions'])} sessions",
        "subtitle": "plans, doses, comparisons and all treatments together",
        "predicted": None,
        "disclaimer": DISCLAIMER,
        "version": str(document["provenance"].get("version", MISSING)),
        "computed": date_and_time(document["provenance"].get("started")),
        "failed": [{"name": entry["name"], "error": entry["error"]} for entry in entries if entry["error"]],
        "sessions": [_session(entry, root) for entry in document["sessions"]],
        "comparisons": [_comparison(entry, root) for entry in document["comparisons"]],
        "total": None if total is None or "summary" not in total else _total(total, root),
    }


def _row(course: CourseSettings, session: SessionSettings, document: Mapping[str, Any]) -> TimeLineRow:
    """A session on the time line."""
    start = course.start(session)
    assert start is not None  # each session has a date or a day
    entry = next(e for e in document["sessions"] if e["name"] == session.name)
    summary = entry.get("summary") or {}
    if session.kind == "external beam":
        number = session.fractions or max(len(session.fraction_dates), 1)
        days = [start + timedelta(days=n) for n in range(number)]
        given = session.fraction_dates or days
        return TimeLineRow(
            session.name, start, fractions_after_s=tuple((day - start).total_seconds() for day in given)
        )
    if session.kind == "dose" and summary and not summary["predicted"]:
        return TimeLineRow(session.name, start, half_life_s=nuclide_record(summary["nuclide"]).half_life_s)
    return TimeLineRow(session.name, start)


def _link(entry: Mapping[str, Any], kind: str, root: Path) -> str | None:
    """The page of a folder, relative to that of the course; None where there is none."""
    folder = entry.get("folder")
    page = _PAGES.get(kind)
    return f"{folder}/{page}" if folder and page and (root / folder / page).is_file() else None


def _session(entry: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A row of the table of sessions."""
    summary = entry.get("summary") or {}
    doses = summary.get("doses_gy") or {}
    activity = summary.get("activity_bq")
    remarks = []
    if summary.get("stop"):
        remarks.append(f"STOP: {summary['stop']}")
    if summary.get("not_met"):
        remarks.append(f"not met: {', '.join(summary['not_met'])}")
    if summary.get("predicted"):
        remarks.append("predicted")
    if summary.get("model"):
        remarks.append(summary["model"])
    if summary.get("warnings"):
        remarks.append(f"{summary['warnings']} warnings")
    when = (entry["date"] or "")[:10] or f"day {entry['day']:g}"
    return {
        "when": when,
        "name": entry["name"],
        "kind": entry["kind"],
        "link": _link(entry, entry["kind"], root),
        "status": entry["status"] or "",
        "activity": MISSING if activity is None else format_activity(activity),
        "shunt": percent(summary.get("lung_shunt_fraction")),
        "tumours": dose_text(doses.get("tumours")),
        "normal": dose_text(doses.get("non_tumour_liver")),
        "lungs": dose_text(doses.get("lungs")),
        "said": "; ".join(remarks),
    }


def _comparison(entry: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Predicted against delivered, by region."""
    rows = (entry.get("summary") or {}).get("regions") or []
    return {
        "name": entry["name"],
        "link": _link(entry, "compare", root),
        "rows": [
            {
                "name": row["name"],
                "predicted": dose_text(row["predicted_gy"]),
                "delivered": dose_text(row["delivered_gy"]),
            }
            for row in rows
        ],
    }


def _total(entry: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """All treatments together."""
    summary = entry["summary"]
    return {
        "link": _link(entry, "accumulate", root),
        "model_value": summary["model_value"],
        "voxels": summary["voxels_summed"],
        "rows": [
            {
                "name": region["name"],
                "mean": dose_text(region["mean_gy"]),
                "effects": ", ".join(
                    f"{dose_text(effect['eqd2_mean_gy'])} ({effect['parameters']})"
                    for effect in region["effective"]
                )
                or MISSING,
            }
            for region in summary["regions"]
        ],
        "limits": [
            {
                "name": f"{limit['region']} {limit['quantity']}"
                + (f", {limit['parameters']}" if limit["parameters"] else ""),
                "found": dose_text(limit["value_gy"]),
                "limit": f"{limit['limit_gy']:g}",
                "status": limit["status"],
                "left": dose_text(limit["left_gy"]),
            }
            for limit in summary["limits"]
        ],
    }
