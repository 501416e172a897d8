"""How uneven dose is where spheres lie at random: mean and variance by Campbell's theorem, exact for any kernel.

Spheres (or clusters) that lie independently of each other, n of them per volume, each of N decays with kernel k, give ::

    mean = n N ∫ k dV        variance = n N² ∫ k² dV · E[m²]/E[m]

with m the number of spheres at one point (N. R. Campbell, Proc Camb Phil Soc 15 (1909) 117; Kingman, Poisson
Processes, Oxford 1993). At a given mean dose the variance is proportional to the activity of a sphere, and at a
given sphere it is proportional to the dose. All of it refers to voxels of 0.1 mm (`SCORING_MM`), whatever the
voxels of the image are: an image averages over millimetres and shows none of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.microscale.cluster_models import ClusterModel, cluster_model
from y90voxel.microscale.sphere_kernel import SCORING_MM, ScoringKernel
from y90voxel.reference.voxel_integration import octant_energy_fractions

__all__ = ["LOBULE_MM3", "cv", "dose_variance", "empty_lobule_share", "spheres_per_ml", "variance_map"]

MM3_PER_ML = 1000.0  # exact
# A hexagonal prism of side 0.693 mm and height 1.5 mm, about 2 mg of liver: Crookston et al. 2019, IEEE TRPMS 3(1):31
# (doi 10.1109/trpms.2018.2842463), after Gulec et al. 2010, J Nucl Med 51:301.
LOBULE_MM3 = 1.87


def spheres_per_ml(mean_dose_gy: float, activity_per_sphere_bq: float, kernel: ScoringKernel) -> float:
    """Return the density of spheres that gives a mean dose, D / (N ∫ k dV) [1/mL].

    Parameters
    ----------
    mean_dose_gy : float
        Mean absorbed dose D [Gy]; zero gives zero.
    activity_per_sphere_bq : float
        Activity of one sphere at injection [Bq]; its decays are N = A T½ / ln 2.
    kernel : ScoringKernel
        Of the nuclide and the tissue.

    Raises
    ------
    InputError
        If the dose is negative or the activity of a sphere not positive.

    Examples
    --------
    >>> from y90voxel.microscale.sphere_kernel import scoring_kernel
    >>> round(spheres_per_ml(120.0, 2500.0, scoring_kernel("Y-90")))
    969
    """
    check_not_negative(mean_dose_gy, "the mean dose", "Gy")
    check_positive(
        activity_per_sphere_bq, "the activity per sphere", "Bq", tag="microscale.activity_per_sphere"
    )
    per_sphere_gy_mm3 = kernel.decays(activity_per_sphere_bq) * kernel.integral_gy_mm3
    return mean_dose_gy / per_sphere_gy_mm3 * MM3_PER_ML


def dose_variance(
    mean_dose_gy: float,
    activity_per_sphere_bq: float,
    kernel: ScoringKernel,
    clusters: str | ClusterModel = "single",
) -> float:
    """Return the variance of dose between voxels of 0.1 mm at a mean dose, by Campbell's theorem [Gy²].

    Parameters
    ----------
    mean_dose_gy : float
        Mean absorbed dose [Gy]; the variance is proportional to it.
    activity_per_sphere_bq : float
        Activity of one sphere at injection [Bq].
    kernel : ScoringKernel
        Of the nuclide and the tissue.
    clusters : str or ClusterModel
        How many spheres lie together; clusters lie anywhere, independently.

    Raises
    ------
    InputError
        If the dose is negative, the activity of a sphere not positive, or the model unknown.
    """
    density_per_mm3 = spheres_per_ml(mean_dose_gy, activity_per_sphere_bq, kernel) / MM3_PER_ML
    decays = kernel.decays(activity_per_sphere_bq)
    factor = cluster_model(clusters).size_weighted_mean
    return density_per_mm3 * decays**2 * kernel.square_integral_gy2_mm3 * factor


def cv(
    mean_dose_gy: float,
    activity_per_sphere_bq: float,
    kernel: ScoringKernel,
    clusters: str | ClusterModel = "single",
) -> float:
    """Return the coefficient of variation of dose between voxels of 0.1 mm; parameters and errors as of `dose_variance`.

    Zero dose has none and gives zero.

    Examples
    --------
    >>> from y90voxel.microscale.sphere_kernel import scoring_kernel
    >>> round(cv(40.0, 2500.0, scoring_kernel("Y-90")), 2)
    0.7
    """
    variance = dose_variance(mean_dose_gy, activity_per_sphere_bq, kernel, clusters)
    return math.sqrt(variance) / mean_dose_gy if mean_dose_gy > 0 else 0.0


def variance_map(
    spheres: NDArray[np.float64],
    spacing_mm: tuple[float, float, float],
    activity_per_sphere_bq: float,
    kernel: ScoringKernel,
    clusters: str | ClusterModel = "single",
) -> NDArray[np.float64]:
    """Return the variance of dose at the 0.1 mm scale in every voxel of an image, N² Σ n(x) k²(x→y) E[m²]/E[m] in Gy².

    Parameters
    ----------
    spheres : ndarray, (slice, row, column)
        Expected number of spheres in each voxel; they lie anywhere in it.
    spacing_mm : tuple of float, (3,)
        Voxel size along slice, row, column [mm], not below 0.1 mm.
    activity_per_sphere_bq : float
        Activity of one sphere at injection [Bq].
    kernel : ScoringKernel
        Of the nuclide and the tissue.
    clusters : str or ClusterModel
        How many spheres lie together.

    Returns
    -------
    ndarray
        Mean of the variance over each voxel, the shape of ``spheres``. There are no spheres outside the image.

    Raises
    ------
    InputError
        If a number of spheres is negative or not finite, the shape has not three axes, voxels are smaller than the scoring
        scale, the activity of a sphere is not positive, or the model unknown.
    """
    # deferred: 0.2 s
    from scipy.signal import fftconvolve

    given = np.asarray(spheres, dtype=np.float64)
    if given.ndim != 3 or not np.isfinite(given).all() or (given.size and given.min() < 0):
        raise InputError(
            f"spheres must be a finite, not negative number in every voxel of three axes, got shape {given.shape}."
        )
    if min(spacing_mm) < SCORING_MM:
        raise InputError(
            f"voxels of {min(spacing_mm):g} mm are smaller than the {SCORING_MM:g} mm that dose is scored over."
        )
    check_positive(
        activity_per_sphere_bq, "the activity per sphere", "Bq", tag="microscale.activity_per_sphere"
    )
    edges = kernel.radial.edges_mm[kernel.radial.edges_mm <= kernel.reach_mm]
    squares, _ = np.histogram(
        kernel.radius_mm, edges, weights=kernel.dose_gy**2 * kernel.volume_mm3
    )  # of each shell
    octant = octant_energy_fractions(edges, squares, spacing_mm)
    around = octant[np.ix_(*(np.abs(np.arange(1 - n, n)) for n in octant.shape))]
    decays = kernel.decays(activity_per_sphere_bq)
    factor = decays**2 * cluster_model(clusters).size_weighted_mean / float(np.prod(spacing_mm))
    return np.asarray(np.maximum(fftconvolve(given, around, mode="same"), 0.0) * factor)


def empty_lobule_share(
    density_per_ml: float, clusters: str | ClusterModel = "single", lobule_mm3: float = LOBULE_MM3
) -> float:
    """Return the share of lobules that hold no sphere, exp(-n V / E[m]), where clusters lie anywhere.

    Parameters
    ----------
    density_per_ml : float
        Spheres per volume n [1/mL]; zero leaves every lobule empty.
    clusters : str or ClusterModel
        How many spheres lie together.
    lobule_mm3 : float
        Volume V of a lobule [mm³].

    Raises
    ------
    InputError
        If the density is negative, the volume not positive, or the model unknown.

    Examples
    --------
    >>> round(empty_lobule_share(969.0), 2), round(empty_lobule_share(969.0, "geometric-5"), 2)
    (0.16, 0.7)
    """
    check_not_negative(density_per_ml, "the density of spheres", "1/mL")
    check_positive(lobule_mm3, "the volume of a lobule", "mm³")
    mean_size = cluster_model(clusters).mean_size
    return math.exp(-density_per_ml / MM3_PER_ML * lobule_mm3 / mean_size)
