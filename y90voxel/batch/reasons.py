"""Why studies have no results, grouped by kind, with what to do about each: a summary that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus

__all__ = ["KINDS", "Kind", "grouped", "kind_of", "summary_lines"]

MOST_NAMES = 6  # studies named in a line of the summary; chosen: more do not fit a terminal


@dataclass(frozen=True)
class Kind:
    """A kind of reason.

    Parameters
    ----------
    name : str
        Short and stable; ``--retry`` takes it.
    pattern : str
        What such reasons have in them.
    advice : str
        What to do.
    """

    name: str
    pattern: str
    advice: str


# The first that fits. Words of messages of this program.
KINDS = (
    Kind(
        "held-open",
        r"holds it or a file in it open",
        "close the program that has the results open; the finished ones lie beside them",
    ),
    Kind(
        "prediction",
        r"predicted_by",
        "name the study of the row that predicts in the column 'predicted_by' of the manifest",
    ),
    Kind(
        "pair",
        r"names a region that there is not|is no pair of regions|stands in two pairs|are these the same lesions",
        "say in the column 'pair' of the treatment's row which regions are one, by the names that the two sides have",
    ),
    Kind(
        "course",
        r"^the course |of its \d+ steps failed",
        "correct the course file, or the case files and studies of its sessions",
    ),
    Kind(
        "nothing-to-plan",
        r"nothing to plan",
        "nothing, if the image is of the treatment (--accept skipped)",
    ),
    Kind(
        "copied-files",
        r"would be lost",
        "move files of your own out of the result folders",
    ),
    Kind(
        "not-in-cohort",
        r"not in the cohort",
        "mount the share or restore the files; --accept stale if they are meant to be gone",
    ),
    Kind(
        "passed-over",
        r"has no emission image and shares",
        "nothing, if the other studies of the patient are the right ones (--accept skipped)",
    ),
    Kind(
        "no-emission",
        r"no emission image",
        "add the SPECT or PET series",
    ),
    Kind(
        "settings",  # before the regions, files and facts that such a message names
        r"settings cannot be used|is no setting|is not a setting|case file|case\.toml cannot be read",
        "correct the case file, the row of the manifest or the option",
    ),
    Kind(
        "files-missing",
        r"there is no file|is missing|are missing|missing between|was there when|cannot be opened",
        "restore the files or correct their paths",
    ),
    Kind(
        "unreadable",
        r"cannot be read|damaged|truncated|not a readable|ended early",
        "copy the files again from their source",
    ),
    Kind(
        "ambiguous",
        r"series fit|several|which of",
        "choose with --set series.emission=UID, series.ct, series.regions or a case file",
    ),
    Kind(
        "regions",
        r"\bliver\b|\btumours?\b|\bregions?\b",
        "draw or name the region (regions.roles)",
    ),
    Kind(
        "manifest-row",
        r"row \d+ of",
        "correct the row of the manifest",
    ),
    Kind(
        "clinical-facts",
        r"activity|shunt|administration|calibration",
        "give the fact in the case file or the manifest",
    ),
    Kind(
        "timeout",
        r"ran longer than",
        "raise --timeout, or choose a quicker engine",
    ),
    Kind(
        "memory",
        r"needed more than|when memory runs out",
        "raise --memory-gb, or start fewer --workers",
    ),
    Kind(
        "storage",
        r"cannot write|no space|cannot be moved",
        "free space or repair the disk",
    ),
    Kind(
        "crash",
        r"was ended by|ended by itself|gave it up",
        "read logs/<study>.log; --retry failed tries again",
    ),
)
OTHER = Kind("other", "", "read the reason, and logs/<study>.log")


def kind_of(reason: str | None) -> Kind:
    """Return the kind of a reason.

    Examples
    --------
    >>> kind_of("no emission image in p2").name, kind_of("KeyError: 1").name
    ('no-emission', 'other')
    """
    return next((kind for kind in KINDS if re.search(kind.pattern, reason or "", re.IGNORECASE)), OTHER)


def grouped(outcomes: Iterable[StudyOutcome]) -> list[dict[str, Any]]:
    """Return the studies without results of their own by status and kind, the largest group first."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in outcomes:
        if outcome.status is StudyStatus.DONE:
            continue
        kind = kind_of(outcome.reason)
        group = groups.setdefault(
            (outcome.status.value, kind.name),
            {"status": outcome.status.value, "kind": kind.name, "advice": kind.advice, "studies": []},
        )
        group["studies"].append(outcome.study_id)
        group.setdefault("example", outcome.reason)
    return sorted(groups.values(), key=lambda group: (-len(group["studies"]), group["status"], group["kind"]))


def summary_lines(outcomes: Iterable[StudyOutcome]) -> list[str]:
    """Return what a person has to know of the studies without results: which, why, what to do."""
    lines = []
    for group in grouped(outcomes):
        names = group["studies"]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        lines += [
            f"{len(names)} {group['status']} ({group['kind']}): {', '.join(names[:MOST_NAMES])}{more}",
            f"    why: {group['example']}",
            f"    what to do: {group['advice']}",
        ]
    return lines
