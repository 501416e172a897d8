"""The table of lung conventions: which mass a mean lung dose divides by, and under which names it is written.

Everything that says "1 kg" takes it from here, so that another mass, or another convention beside these, is a row.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LUNGS_VOXEL", "LUNG_CONVENTIONS", "LungConvention", "limiting_convention", "plan_row_label"]

# Row of the doses of a plan for the lungs of the dose map itself.
LUNGS_VOXEL = "lungs_voxel"


@dataclass(frozen=True)
class LungConvention:
    """A mass that shunted energy is divided by.

    Parameters
    ----------
    key : str
        Its name as a method.
    mass_kg : float or None
        Mass of both lungs [kg]; None: from CT, where it shows them whole.
    limiting : bool
        Whether limits refer to its dose; one row of the table has it.
    dose_key : str
        Key of the dose in ``metrics.json`` [Gy]; with ``lung_`` before it, the column of a cohort.
    mass_key : str
        Key of the mass in ``plan.json`` [g].
    plan_row : str
        Row of the doses of a plan.
    mass_text : str
        The mass, in the headings of tables.
    short_text : str
        The same where there is less room.
    label : str
        What reports call the method.
    note : str
        What it is; ``{mass}`` stands for the mass that CT gave.
    """

    key: str
    mass_kg: float | None
    limiting: bool
    dose_key: str
    mass_key: str
    plan_row: str
    mass_text: str
    short_text: str
    label: str
    note: str

    def mass_of(self, ct_kg: float | None) -> float | None:
        """Return the mass [kg] where CT says ``ct_kg``; None where it is not known."""
        return ct_kg if self.mass_kg is None else self.mass_kg


# 1 kg is both lungs of the convention that the 30 Gy limit was set with (Kao et al. 2014, EJNMMI Res 4:33,
# doi 10.1186/s13550-014-0033-7, discuss it against masses from CT).
LUNG_CONVENTIONS = (
    LungConvention(
        "mird-1kg", 1.0, True, "mean_mird_1kg_gy", "mass_1kg_g", "lungs", "1 kg", "1 kg",
        "MIRD, 1 kg of lung", "shunted energy over the conventional mass",
    ),
    LungConvention(
        "mird-ct", None, False, "mean_mird_ct_gy", "ct_mass_g", "lungs_ct", "CT mass", "CT",
        "MIRD, CT mass", "shunted energy over the {mass}; whole lungs in view only",
    ),
)  # fmt: skip


def limiting_convention() -> LungConvention:
    """Return the convention that limits refer to."""
    (convention,) = (row for row in LUNG_CONVENTIONS if row.limiting)
    return convention


def plan_row_label(row: str) -> str:
    """Return what people read for a row of the doses of a plan: a name for the lungs, other rows as they are.

    Examples
    --------
    >>> plan_row_label("lungs_ct"), plan_row_label("GTV1")
    ('Lungs, CT mass', 'GTV1')
    """
    by_row = {row.plan_row: f"Lungs, {row.mass_text}" for row in LUNG_CONVENTIONS}
    by_row[LUNGS_VOXEL] = "Lungs, dose map"
    return by_row.get(row, row)
