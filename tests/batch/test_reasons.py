"""A summary that a person can act on: which studies, why, what to do, by kind."""

import pytest

from y90voxel.batch.reasons import KINDS, MOST_NAMES, grouped, kind_of, summary_lines
from y90voxel.batch.study_outcome import StudyOutcome, StudyStatus

# What this program says, and how it is grouped.
REASONS = {
    "/out/p1 cannot be replaced (Access denied): another program holds it or a file in it open": "held-open",
    "its patient has several predictions (a, b) or treatments (c): say it in a column 'predicted_by'": "prediction",
    "the study that predicts it (predicted_by) is not among those of the cohort": "prediction",
    "'GTV9=GTV1' names a region that there is not: the predicted dose has Liver": "pair",
    "'GTV1' is no pair of regions. It has the form PREDICTED=DELIVERED": "pair",
    "'GTV1' stands in two pairs, 'GTV1=A' and 'GTV1=B'; give it in one.": "pair",
    "are these the same lesions? Relative to the liver, 'A' and 'A' lie 30 mm apart": "pair",
    "the course /archive/p1/course.toml cannot be read: Invalid value": "course",
    "1 of its 3 steps failed: maa: no emission image in maa: give a SPECT.": "course",
    "its image is of the treatment and not of a surrogate: there is nothing to plan.": "nothing-to-plan",
    "notes.txt in studies-a is not ours and would be lost": "copied-files",
    "it is not in the cohort any more; the results of an earlier run are kept.": "not-in-cohort",
    "it has no emission image and shares no frame of reference with one; its patient has other studies": "passed-over",
    "no emission image in p2: give a SPECT or PET.": "no-emission",
    "the settings cannot be used: dose.calibration_region = 'x' is none of liver, liver+lungs.": "settings",
    "the settings cannot be used: administration.activty is not a setting.": "settings",
    "/archive/p1/case.toml cannot be read: Expected '=' after a key": "settings",
    "row 3 of cohort.csv: there is no file or folder /x.": "files-missing",
    "refused now: there is no file or folder /x. The results of an earlier run are kept.": "files-missing",
    "slice 12 of the CT is missing between 48 and 56 mm": "files-missing",
    "the DICOM file cannot be read (unexpected end). It is damaged: export it again.": "unreadable",
    "2 CT series fit: choose one with --ct-series.": "ambiguous",
    "the study has no liver. [regions]": "regions",
    "row 5 of cohort.csv names no study: column 'study' is empty.": "manifest-row",
    "the activity is not known: give --activity.": "clinical-facts",
    "it ran longer than the 1 s of --timeout and was ended.": "timeout",
    "it needed more than the 1 GiB of --memory-gb.": "memory",
    "its process was ended by SIGKILL, by the system when memory runs out or by hand. See logs/p.log.": "memory",
    "its results cannot be moved: Read-only file system": "storage",
    "its process was ended by SIGSEGV, a crash of the interpreter. See logs/p.log.": "crash",
    "the cluster gave it up: Attempted to run it 4 times": "crash",
    "KeyError: 'a bug'": "other",
    None: "other",
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_its_kind(reason):
    assert kind_of(reason).name == REASONS[reason]


def test_every_kind_is_met_by_a_reason_and_says_what_to_do():
    assert {kind.name for kind in KINDS} | {"other"} == set(REASONS.values())
    assert all(kind.advice for kind in KINDS)


def outcome(number, reason, status=StudyStatus.REFUSED):
    folder = f"p{number}" if status is StudyStatus.STALE else None
    return StudyOutcome(f"p{number}", f"p{number}", status, reason, folder)


@pytest.mark.parametrize("count", [MOST_NAMES, MOST_NAMES + 1])
def test_the_largest_group_comes_first_and_names_are_bounded(count):
    outcomes = [outcome(0, "KeyError", StudyStatus.FAILED)]
    outcomes += [outcome(number, "no emission image here") for number in range(1, count + 1)]
    groups = grouped(outcomes)
    assert [(g["status"], g["kind"], len(g["studies"])) for g in groups] == [
        ("refused", "no-emission", count),
        ("failed", "other", 1),
    ]
    first, why, advice, *_ = summary_lines(outcomes)
    assert first.startswith(f"{count} refused (no-emission): p1, p2, p3")
    assert first.endswith(" and 1 more") == (count > MOST_NAMES)
    assert why == "    why: no emission image here"
    assert advice == "    what to do: add the SPECT or PET series"
