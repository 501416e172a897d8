"""Counts behind a lung shunt: scatter, attenuation, the liver dome, and the lung mass from CT."""

from __future__ import annotations

import numpy as np

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.errors import InputError, RegionError
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.volumes.volume import CtImage, Mask

__all__ = [
    "correct_shunt_for_attenuation",
    "ct_lung_mass_kg",
    "dual_window_scatter_correction",
    "lung_shunt_fraction_from_counts",
    "scale_to_whole_lungs",
    "triple_window_scatter_correction",
]


def lung_shunt_fraction_from_counts(
    lung_counts: float, liver_counts: float, other_counts: float = 0.0
) -> float:
    """Return L = C_lung / (C_lung + C_liver + C_other).

    Parameters
    ----------
    lung_counts, liver_counts : float
        Attenuation- and scatter-corrected counts, or those of a single planar view, decayed to one time.
    other_counts : float
        Treated tissue outside the liver, such as a tumour fed from elsewhere.

    Raises
    ------
    InputError
        If counts are negative or all zero.

    Examples
    --------
    >>> round(lung_shunt_fraction_from_counts(12000, 150000), 5)
    0.07407
    """
    counts = (lung_counts, liver_counts, other_counts)
    for value in counts:
        check_not_negative(value, "counts", "(lungs, liver, other)")
    if sum(counts) == 0:
        raise InputError("lungs, liver and other tissue hold no counts.")
    return lung_counts / sum(counts)


def correct_shunt_for_attenuation(measured: float, detection_ratio: float) -> float:
    """Return the true shunt L = m / (m + ε (1 − m)) behind one measured without attenuation correction.

    Counts from the lungs reach the camera ε times as readily as those from the liver, about 1.5 to 2; there is
    no default, because ε belongs to the patient and the camera.

    Parameters
    ----------
    measured : float
        m, 0 to 1.
    detection_ratio : float
        ε, lung over liver detection efficiency.

    Raises
    ------
    InputError
        If the shunt lies outside 0 to 1 or ε is not positive.

    Examples
    --------
    >>> round(correct_shunt_for_attenuation(0.12, 1.5), 4)
    0.0833
    """
    check_fraction(measured, "the measured lung shunt fraction")
    check_positive(detection_ratio, "the detection ratio of lung over liver", "")
    return measured / (measured + detection_ratio * (1.0 - measured))


def scale_to_whole_lungs(retained_counts: float, retained_mass: float, total_mass: float) -> float:
    """Return the counts of whole lungs from a part of them, C_retained M_total / M_retained.

    For lungs cut off by the field of view, and for lungs without the part near the liver dome.

    Parameters
    ----------
    retained_counts : float
        Counts of the part.
    retained_mass, total_mass : float
        Masses (or volumes) of the part and of the whole, in one unit.

    Raises
    ------
    RegionError
        If the part is larger than the whole.
    InputError
        If the part has no mass, or counts are negative.

    Examples
    --------
    >>> lungs = scale_to_whole_lungs(4.0e5, 0.70, 0.95)
    >>> round(lung_shunt_fraction_from_counts(lungs, 9.5e6), 5)
    0.05405
    """
    check_not_negative(retained_counts, "the lung counts", "")
    check_positive(retained_mass, "the mass of the lung part", "kg")
    check_positive(total_mass, "the lung mass", "kg")
    if retained_mass > total_mass:
        raise RegionError(
            f"the lung part ({retained_mass:g}) is larger than the whole lungs ({total_mass:g})."
        )
    return retained_counts * total_mass / retained_mass


def dual_window_scatter_correction(
    peak_counts: float, low_counts: float, peak_width_kev: float, low_width_kev: float
) -> float:
    """Return the counts without scatter C − (C_low / W_low) W / 2, not below zero.

    Parameters
    ----------
    peak_counts, low_counts : float
        Counts in the photopeak window and in the window below it.
    peak_width_kev, low_width_kev : float
        Window widths [keV].

    Raises
    ------
    InputError
        If counts are negative or a width is not positive.

    References
    ----------
    The triangle under the peak from one side, as used for planar MAA views in BMC Cancer 2022,
    doi 10.1186/s12885-022-10392-y.

    Examples
    --------
    >>> dual_window_scatter_correction(1000.0, 200.0, 28.0, 14.0)
    800.0
    """
    return triple_window_scatter_correction(
        peak_counts, low_counts, 0.0, peak_width_kev, low_width_kev, low_width_kev
    )


def triple_window_scatter_correction(
    peak_counts: float,
    low_counts: float,
    high_counts: float,
    peak_width_kev: float,
    low_width_kev: float,
    high_width_kev: float,
) -> float:
    """Return the counts without scatter C − (C₁ / w₁ + C₂ / w₂) W / 2, not below zero.

    Parameters
    ----------
    peak_counts, low_counts, high_counts : float
        Counts in the photopeak window and in the narrow windows at both sides.
    peak_width_kev, low_width_kev, high_width_kev : float
        Window widths [keV].

    Raises
    ------
    InputError
        If counts are negative or a width is not positive.

    References
    ----------
    Ogawa et al. 1991, IEEE Trans Med Imaging 10:408, doi 10.1109/42.97591.
    """
    for counts in (peak_counts, low_counts, high_counts):
        check_not_negative(counts, "window counts", "")
    for width in (peak_width_kev, low_width_kev, high_width_kev):
        check_positive(width, "a window width", "keV")
    scatter = 0.5 * peak_width_kev * (low_counts / low_width_kev + high_counts / high_width_kev)
    return max(peak_counts - scatter, 0.0)


def ct_lung_mass_kg(ct: CtImage, lungs: Mask, calibration: DensityCalibration | None = None) -> float:
    """Return the lung mass Σ ρ(HU) V over the lungs [kg].

    Parameters
    ----------
    ct : CtImage
        HU; values below −1000 count as air.
    lungs : Mask
        Both lungs on the grid of the CT.
    calibration : DensityCalibration or None
        CT numbers to density, that of all dose calculations where it is None: 1 + HU / 1000 gave 0.259 g/mL where they
        have 0.268, at −741 HU.

    Raises
    ------
    RegionError
        If the lungs are empty.
    GridMismatchError
        If the mask lies on another grid.

    References
    ----------
    Near-linear density of lung in HU: Kao et al. 2014, EJNMMI Res 4:33, doi 10.1186/s13550-014-0033-7.
    """
    lungs.check_on(ct.grid, "lungs")
    inside = np.flatnonzero(lungs.array)
    if inside.size == 0:
        raise RegionError("the lungs are empty on the CT: there is no lung mass.")
    curve = DensityCalibration() if calibration is None else calibration
    density = curve.density(ct.array.ravel()[inside]).astype(np.float64)
    return float(density @ lungs.array.ravel()[inside].astype(np.float64)) * ct.grid.voxel_volume_ml / 1000.0
