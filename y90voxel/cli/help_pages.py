"""What the help adds to the options: groups of commands, groups of options, and an example for each command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["EXAMPLES", "GROUPS", "PANEL_ORDER", "PLAIN", "panel_of", "sections"]

GROUPS = {
    "One treatment": ("demo", "inspect", "plan", "dose", "compare", "check", "dvh", "segment"),
    "One patient": ("accumulate", "course"),
    "Many patients": ("batch",),
    "Camera and physics": ("commission", "twin", "kernel"),
    "Archive and files": ("fetch", "send", "schema", "warm-up"),
}
OTHER = "Other commands"

EXAMPLES = {
    "demo": "y90voxel demo -o demo",
    "inspect": "y90voxel inspect patient-07",
    "dose": 'y90voxel dose patient-07 --activity "2.4 GBq" --residual "60 MBq" --lung-shunt 0.06 --device glass -o out-07',
    "plan": "y90voxel plan patient-07-maa --lung-shunt spect --device glass --scenario lobectomy --disease HCC -o plan-07",
    "compare": "y90voxel compare plan-07 out-07 -o compare-07",
    "accumulate": "y90voxel accumulate out-2025 out-2026 -o sum --limit 'non-tumour liver bed <= 150'",
    "course": "y90voxel course course.toml -o course-07",
    "batch": "y90voxel batch cohort.csv -o cohort --case all.toml --workers 4",
    "check": 'y90voxel check vendor.dcm patient-07 --activity "2.4 GBq" --lung-shunt 0.06 -o check-07',
    "dvh": "y90voxel dvh dose.dcm regions.dcm -o dvh-07",
    "segment": "y90voxel segment patient-07 -o organs-07.nii.gz",
    "commission": "y90voxel commission nema-iec --filling filling.toml -o camera-1",
    "twin": "y90voxel twin twin.toml -o phantom",
    "kernel": "y90voxel kernel --spacing 3,4.07,4.07 --medium liver -o kernel.csv",
    "schema": "y90voxel schema metrics",
    "warm-up": "y90voxel warm-up",
    "send": "y90voxel send out-07 --to PACS@192.0.2.5:104",
    "fetch": "y90voxel fetch 1.2.840.113619.2.55.3.1 --from PACS@192.0.2.5:104 -o patient-07",
}

GIVEN, PATIENT, PLAN, DOSE = "What was given", "Patient and limits", "Plan", "Calibration and dose"
IMAGES, HISTORIES, REFUSALS = "Images and regions", "Monte Carlo", "Refusals that are overridden"
EXPLORATORY, OUTPUTS = "Exploratory", "Outputs"
PLAIN = "Options"
PANEL_ORDER = (PLAIN, GIVEN, PATIENT, PLAN, DOSE, IMAGES, HISTORIES, REFUSALS, EXPLORATORY, OUTPUTS)
# Headings of options that are settings, by the longest beginning of their dotted key.
PANELS = {
    "scanner": DOSE,
    "administration": GIVEN,
    "patient": PATIENT,
    "plan": PLAN,
    **dict.fromkeys(
        (
            "plan.scenario", "plan.disease", "plan.function", "plan.pretreated", "plan.intent", "plan.liver_function",
            "plan.gastrointestinal_focus", "plan.previous_lung_doses_gy", "plan.previous", "plan.table_limits",
        ),
        PATIENT,
    ),
    "dose": DOSE,
    "lung": DOSE,
    "dose.register": IMAGES,
    "dose.trust_frames": IMAGES,
    "series": IMAGES,
    "regions": IMAGES,
    "noise": IMAGES,
    "monte_carlo": HISTORIES,
    "uncertainty": HISTORIES,
    "accept": REFUSALS,
    "immune": EXPLORATORY,
    "microscale": EXPLORATORY,
    "output": OUTPUTS,
}  # fmt: skip


def panel_of(path: Sequence[str]) -> str:
    """Return the heading of an option by the keys that lead to its setting.

    Examples
    --------
    >>> panel_of(("plan", "disease")), panel_of(("plan", "goal")), panel_of(("what", "else"))
    ('Patient and limits', 'Plan', 'Options')
    """
    keys = [".".join(path[:length]) for length in range(len(path), 0, -1)]
    return next((PANELS[key] for key in keys if key in PANELS), PLAIN)


def sections(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return commands by group, in the order of the groups; those of none come last."""
    known = list(names)
    grouped = {name for group in GROUPS.values() for name in group}
    listed = [(title, [name for name in group if name in known]) for title, group in GROUPS.items()]
    listed.append((OTHER, [name for name in known if name not in grouped]))
    return [(title, group) for title, group in listed if group]
