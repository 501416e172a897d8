"""What is stated of a patient and a treatment, on which limits depend."""

from __future__ import annotations

from dataclasses import dataclass, replace

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.clinical.limit_records import (
    BILIRUBIN_THRESHOLD_UMOL_PER_L,
    BilirubinClass,
    Disease,
    LiverFunction,
    Scenario,
)
from y90voxel.short_repr import short_repr

__all__ = ["ClinicalContext"]


@dataclass(frozen=True)
class ClinicalContext:
    """What decides which limits apply; nothing that is not stated (None) is assumed: every limit that might apply holds.

    Parameters
    ----------
    scenario : Scenario or None
        Segmentectomy, lobectomy, unilobar or bilobar.
    disease : Disease or None
        Tumour type.
    bilirubin_umol_per_l : float or None
        Total bilirubin [µmol/L].
    hepatic_reserve : float or None
        Untreated fraction of the liver, 0 to 1.
    liver_function : LiverFunction or None
        As the treating team judges it.
    previous_lung_doses_gy : tuple of float or None
        Lung doses of all earlier treatments, empty when there were none [Gy]; None: not asked.
    pretreated : bool or None
        Whether the liver was treated before.
    ascites, bilirubin_reversible : bool or None
        Ascites; whether a raised bilirubin has a reversible cause.
    gastrointestinal_focus : bool
        Whether a focus of uptake was confirmed as gastrointestinal.
    intent : str or None
        What the treatment is meant to achieve; no limit depends on it.

    Raises
    ------
    InputError
        If the bilirubin is not positive, the reserve no fraction, or an earlier dose negative.
    """

    scenario: Scenario | None = None
    disease: Disease | None = None
    bilirubin_umol_per_l: float | None = None
    hepatic_reserve: float | None = None
    liver_function: LiverFunction | None = None
    previous_lung_doses_gy: tuple[float, ...] | None = None
    pretreated: bool | None = None
    ascites: bool | None = None
    bilirubin_reversible: bool | None = None
    gastrointestinal_focus: bool = False
    intent: str | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.bilirubin_umol_per_l is not None:
            check_positive(self.bilirubin_umol_per_l, "the bilirubin", "umol/L")
        if self.hepatic_reserve is not None:
            check_fraction(self.hepatic_reserve, "the hepatic reserve")
        for dose in self.previous_lung_doses_gy or ():
            check_not_negative(dose, "the lung dose of an earlier treatment", "Gy")

    def completed(self, bilirubin_umol_per_l: float | None, hepatic_reserve: float | None) -> ClinicalContext:
        """Return the context with what patient record and regions add; what is stated here stays."""
        return replace(
            self,
            bilirubin_umol_per_l=bilirubin_umol_per_l
            if self.bilirubin_umol_per_l is None
            else self.bilirubin_umol_per_l,
            hepatic_reserve=hepatic_reserve if self.hepatic_reserve is None else self.hepatic_reserve,
        )

    @property
    def bilirubin_class(self) -> BilirubinClass | None:
        """Class of the 50/90 Gy rule; at the threshold itself, which the source leaves open, the stricter one."""
        if self.bilirubin_umol_per_l is None:
            return None
        raised = self.bilirubin_umol_per_l >= BILIRUBIN_THRESHOLD_UMOL_PER_L
        return BilirubinClass.RAISED if raised else BilirubinClass.NORMAL
