"""Standard uncertainty of a region's mean dose, by the EANM scheme (Gear et al. 2018).

D = Ã S with S ∝ m^(−c), and A = C / (Q R): the volume enters mass, counts and recovery at once, so its three terms
are added before they are squared. What planning on MAA does not foresee is a bias and no part of this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.quantification.partial_volume import recovery_log_slope
from y90voxel.quantification.recovery_curve import blurred_sphere_recovery

__all__ = [
    "COLD",
    "MASS_EXPONENT",
    "DoseUncertainty",
    "Surroundings",
    "activity_uncertainty",
    "diameter_uncertainty_mm",
    "dose_interval_gy",
    "dose_uncertainty",
    "edge_intensity",
    "volume_uncertainty",
]

MASS_EXPONENT = 1.0  # S per mass of a locally absorbed beta emitter
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def diameter_uncertainty_mm(voxel_mm: float, fwhm_mm: float) -> float:
    """Return the standard uncertainty of a drawn diameter, √(a²/6 + FWHM² / (4 ln 2)) [mm].

    Two edges, each placed to the nearest voxel boundary and within the blur of the image.

    Parameters
    ----------
    voxel_mm : float
        Voxel size a of the image that was drawn on [mm].
    fwhm_mm : float
        Its resolution [mm].

    Raises
    ------
    InputError
        If the voxel size is not positive or the resolution negative.

    References
    ----------
    Gear et al. 2018, Eur J Nucl Med Mol Imaging 45:2456, doi 10.1007/s00259-018-4136-7.
    """
    check_positive(voxel_mm, "the voxel size", "mm")
    check_not_negative(fwhm_mm, "the resolution", "mm")
    return math.sqrt(voxel_mm**2 / 6.0 + fwhm_mm**2 / (4.0 * math.log(2.0)))


def volume_uncertainty(diameter_mm: float, voxel_mm: float, fwhm_mm: float) -> float:
    """Return the relative standard uncertainty of a volume, 3 u_d / d.

    Parameters
    ----------
    diameter_mm : float
        Diameter of a sphere of the same volume [mm].
    voxel_mm, fwhm_mm : float
        As in `diameter_uncertainty_mm` [mm].

    Raises
    ------
    InputError
        If a length is not positive.
    """
    check_positive(diameter_mm, "the diameter", "mm")
    return 3.0 * diameter_uncertainty_mm(voxel_mm, fwhm_mm) / diameter_mm


def edge_intensity(diameter_mm: float, fwhm_mm: float) -> float:
    """Return φ, twice the intensity at the edge of a blurred uniform sphere over that inside it.

    φ = erf(2r / (σ√2)) − 2σ / (r√(2π)) (1 − exp(−2r²/σ²)); counts change with the drawn volume by φ / (2R).

    Parameters
    ----------
    diameter_mm : float
        Diameter 2r [mm].
    fwhm_mm : float
        Resolution, σ times 2.355 [mm].

    Raises
    ------
    InputError
        If a length is not positive.
    """
    check_positive(diameter_mm, "the diameter", "mm")
    check_positive(fwhm_mm, "the resolution", "mm")
    r, sigma = 0.5 * diameter_mm, fwhm_mm / _FWHM_PER_SIGMA
    tail = 2.0 * sigma / (r * math.sqrt(2.0 * math.pi)) * -math.expm1(-2.0 * (r / sigma) ** 2)
    return math.erf(2.0 * r / (sigma * math.sqrt(2.0))) - tail


def activity_uncertainty(
    activity: float,
    residual: float,
    lung_shunt_fraction: float,
    lung_shunt: float,
    scaling: float = 0.0,
) -> float:
    """Return the relative standard uncertainty of the hepatic activity A_net (1 − L) in relative calibration.

    √(u_A² + u_R² + (u_L / (1 − L))² + u_s²): replaces that of a calibration factor.

    Parameters
    ----------
    activity, residual : float
        Relative standard uncertainty of the net activity by the vial assay and by the residual.
    lung_shunt_fraction : float
        L, 0 to below 1.
    lung_shunt : float
        Relative standard uncertainty of L.
    scaling : float
        That of the counts the map is scaled by.

    Raises
    ------
    InputError
        If an uncertainty is negative, or the shunt outside its range.

    Examples
    --------
    >>> round(activity_uncertainty(0.05, 0.03, 0.12, 0.30), 4)
    0.0712
    """
    check_fraction(lung_shunt_fraction, "the lung shunt fraction", whole=False)
    for value, what in (
        (activity, "activity"),
        (residual, "residual"),
        (lung_shunt, "shunt"),
        (scaling, "scaling"),
    ):
        check_not_negative(value, f"the relative uncertainty of the {what}", "")
    shunted = lung_shunt * lung_shunt_fraction / (1.0 - lung_shunt_fraction)
    return math.sqrt(activity**2 + residual**2 + shunted**2 + scaling**2)


@dataclass(frozen=True)
class DoseUncertainty:
    """The relative standard uncertainty of a mean dose, with its parts; the attributes are keys of ``metrics.json``.

    Parameters
    ----------
    relative : float
        Standard uncertainty over the dose (k = 1).
    volume : float
        Relative standard uncertainty of the volume.
    volume_factor : float
        (1 − b) (φ / (2R) − d ln R / d ln V − c), what a relative change of the volume does to the dose.
    activity, recovery_fit, statistics, decay : float
        The other relative standard uncertainties.
    """

    relative: float
    volume: float
    volume_factor: float
    activity: float
    recovery_fit: float
    statistics: float
    decay: float


@dataclass(frozen=True)
class Surroundings:
    """What lies around a region, and what its counts stand for.

    Parameters
    ----------
    background : float
        b, dose around the region over that in it; 0 to 1.
    is_calibrated_over : bool
        Whether the counts of the region stand for the activity: then they are what they are however it is drawn, and the
        volume enters by the mass alone, −c.
    is_blurred : bool
        Whether the dose is that of the blurred image and no recovery curve is given: R is then that of a sphere in a Gaussian
        blur, without slope, for the blurred mean is not divided by it.
    is_corrected : bool
        Whether the dose is the mean corrected by recovery in warm background: T = (m − (1 − R) B) / R is known to
        m / (R T) = 1 + b (1 − R) / R times what the counts of the region are known to.

    Raises
    ------
    InputError
        If the background lies outside 0 to 1.
    """

    background: float = 0.0
    is_calibrated_over: bool = False
    is_blurred: bool = False
    is_corrected: bool = False

    def __post_init__(self) -> None:
        check_fraction(self.background, "the background over the region")


COLD = Surroundings()


def dose_uncertainty(
    diameter_mm: float,
    voxel_mm: float,
    fwhm_mm: float,
    *,
    recovery_b1_ml: float | None = None,
    recovery_b2: float | None = None,
    activity: float,
    recovery_fit: float = 0.0,
    statistics: float,
    decay: float = 0.0,
    mass_exponent: float = MASS_EXPONENT,
    emission_fwhm_mm: float | None = None,
    surroundings: Surroundings = COLD,
) -> DoseUncertainty:
    """Return the relative standard uncertainty of the mean dose of a region.

    (u_D/D)² = u_A² + ((1 − b) u_R,fit)² + u_stat² + u_λ² + [(1 − b) (φ/(2R) − d ln R/d ln V − c)]² (u_V/V)².

    Gear et al. have b = 0, a sphere in a cold background. In a warm one only what stands above it is blurred away or drawn
    amiss: with T = B + (m − B)/R and the concentration at the edge B + (T − B) φ/2, d ln T / d ln V is (1 − B/T) times theirs.

    Parameters
    ----------
    diameter_mm : float
        Diameter of a sphere of the same volume [mm].
    voxel_mm, fwhm_mm : float
        Voxel size and resolution of the image that the region was drawn on [mm].
    recovery_b1_ml, recovery_b2 : float or None
        Recovery curve, see `recovery_coefficient`; None takes R as one whatever the volume.
    activity : float
        Relative standard uncertainty of the calibration, or of the hepatic activity (`activity_uncertainty`).
    recovery_fit : float
        Relative standard uncertainty of R from the fit.
    statistics : float
        Relative standard uncertainty of the region's counts.
    decay : float
        That of the decay constant; negligible for Y-90.
    mass_exponent : float
        c of S ∝ m^(−c).
    emission_fwhm_mm : float or None
        Resolution of the emission image, where the region was drawn on another one [mm].
    surroundings : Surroundings
        What lies around the region, and what its counts stand for.

    Raises
    ------
    InputError
        If a length is not positive, an uncertainty negative, or half of a recovery curve is given.

    References
    ----------
    Gear et al. 2018, Eur J Nucl Med Mol Imaging 45:2456, doi 10.1007/s00259-018-4136-7.
    """
    for value, what in (
        (activity, "activity"),
        (recovery_fit, "recovery"),
        (statistics, "counts"),
        (decay, "decay"),
    ):
        check_not_negative(value, f"the relative uncertainty of the {what}", "")
    volume = volume_uncertainty(diameter_mm, voxel_mm, fwhm_mm)
    recovery, log_slope = 1.0, 0.0
    if recovery_b1_ml is not None and recovery_b2 is not None:
        volume_ml = math.pi * diameter_mm**3 / 6000.0
        log_slope = recovery_log_slope(volume_ml, recovery_b1_ml, recovery_b2)
        recovery = 1.0 - log_slope / recovery_b2
    elif recovery_b1_ml is not None or recovery_b2 is not None:
        raise InputError(f"a recovery curve has b1 and b2, got {recovery_b1_ml} mL and {recovery_b2}.")
    blur_mm = fwhm_mm if emission_fwhm_mm is None else emission_fwhm_mm
    background = surroundings.background
    if surroundings.is_blurred and recovery_b1_ml is None:
        recovery = blurred_sphere_recovery(diameter_mm, blur_mm)
    factor = edge_intensity(diameter_mm, blur_mm) / (2.0 * recovery) - log_slope - mass_exponent
    factor = -mass_exponent if surroundings.is_calibrated_over else (1.0 - background) * factor
    recovery_fit *= 1.0 - background
    if surroundings.is_corrected:
        statistics *= 1.0 + background * (1.0 - recovery) / recovery
    relative = math.sqrt(activity**2 + recovery_fit**2 + statistics**2 + decay**2 + (factor * volume) ** 2)
    return DoseUncertainty(relative, volume, factor, activity, recovery_fit, statistics, decay)


def dose_interval_gy(dose_gy: float, relative_uncertainty: float, k: float = 2.0) -> tuple[float, float]:
    """Return the log-normal interval of a dose, D exp(∓k σ) with σ² = ln(1 + u²) [Gy].

    Asymmetric, as uncertainties of small lesions are, and never below zero.

    Parameters
    ----------
    dose_gy : float
        Dose, taken as the median [Gy].
    relative_uncertainty : float
        Relative standard uncertainty u.
    k : float
        Coverage factor; 2 for about 95 %.

    Raises
    ------
    InputError
        If dose or uncertainty are negative, or k not positive.
    """
    check_not_negative(dose_gy, "the dose", "Gy")
    check_not_negative(relative_uncertainty, "the relative uncertainty", "")
    check_positive(k, "the coverage factor", "")
    factor = math.exp(k * math.sqrt(math.log1p(relative_uncertainty**2)))
    return dose_gy / factor, dose_gy * factor
