"""The distribution of dose between microspheres, without simulating any: its Laplace transform is known exactly.

Clusters that lie independently, with density n_c, m spheres at each point, and N decays of kernel k a sphere, give at a point ::

    ⟨exp(-s D)⟩ = exp(-n_c Ψ(s)),    Ψ(s) = ∫ [1 - G(exp(-s N k))] dV

where G is the generating function of m (the generating functional of a Poisson process: Kingman, Poisson Processes, Oxford
1993). Real s = α gives the surviving fraction and so the equivalent uniform dose, EUD = (n_c/α) Ψ(α); complex s gives the
histogram by Fourier inversion. On portal tracts the density depends on the place in the lattice of tracts: the transform is
the mean of the above over the places of one cell.

All of it at the scoring scale of 0.1 mm, for spheres of equal activity spread evenly over a region.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from y90voxel.bounds import check_not_negative, check_positive
from y90voxel.errors import InputError
from y90voxel.microscale.cluster_models import ClusterModel, cluster_model
from y90voxel.microscale.local_doses import LocalDoses
from y90voxel.microscale.sphere_kernel import NEAR_VOXELS, SCORING_MM, ScoringKernel
from y90voxel.short_repr import short_repr

__all__ = ["PLACES", "TRACT_CELL", "DoseFunctional", "MicroscaleDvh", "dose_functional", "eud"]

# Where clusters lie: anywhere in the tissue, or anywhere on the portal tracts.
PLACES = ("volume", "tracts")
# Parallel tracts on a rectangle of 10 by 6 voxels of 0.1 mm: with 1.5 mm of height a tract has 0.9 mm³. Högberg et al. 2015
# (PMC4545624) have one portal tract per mg of liver, Crookston et al. 2019 (doi 10.1109/trpms.2018.2842463) two in a lobule
# of 1.87 mm³.
TRACT_CELL = (10, 6)
TRACT_LENGTH_MM = 1.5  # [mm], from the volume per tract above
# Relative width of the classes that doses of the kernel are gathered in; volume and dose are kept exactly.
CLASS_WIDTH = 0.08
# Points of the dose axis of a histogram, which is computed twice: the second axis ends at 1.5 times D2. Against 16 times as
# many points D98, D70, D50 and D2 move by less than 0.5 %, from 1 to 120 Gy (`tests/microscale`).
DVH_POINTS = 1024
AXIS_END = 1.5  # over D2, as above
# Standard deviation of the smoothing in steps of the dose axis; chosen: what the steps alone blur.
SMOOTHING_POINTS = 1.5
LEAD_POINTS = 12  # points below zero dose, so that smoothing carries nothing round the periodic axis
# The first axis ends this many standard deviations above the mean: at most 1/(1 + 7²) = 2 % lies beyond (Cantelli), so D2 is
# on it.
AXIS_SPREADS = 7.0
# A transform below this part of its start is left out; chosen: rounding, after the damping is undone.
NEGLIGIBLE = math.log(1e14)
# What lies beyond the axis comes back damped by this much.
DAMPING = math.log(1e8)

Array = NDArray[np.float64]
# A mean dose [Gy], or those of the parts of a region.
Dose = float | LocalDoses


@dataclass(frozen=True, eq=False)
class MicroscaleDvh:
    """An expected histogram at the scale of 0.1 mm.

    Parameters
    ----------
    dose_gy : ndarray, (n,)
        Doses, rising [Gy].
    volume_fraction : ndarray, (n,)
        Share of the volume with that dose or more.
    """

    dose_gy: Array
    volume_fraction: Array

    __repr__ = short_repr

    def dose_at_volume(self, percent: float) -> float:
        """Return D_x, the least dose of the hottest ``percent`` of the volume [Gy].

        Raises
        ------
        InputError
            If the volume is not between 2 and 100 %: the axis of doses holds no less.
        """
        if not 2.0 <= percent <= 100.0:
            raise InputError(
                f"D_x of an expected histogram is known for 2 to 100 % of the volume, got {percent:g} %."
            )
        return float(np.interp(-percent / 100.0, -self.volume_fraction, self.dose_gy))


@dataclass(frozen=True, eq=False)
class DoseFunctional:
    """Ψ(s) of one kind of sphere, and what follows from it for any mean dose.

    Parameters
    ----------
    cluster_dose_gy : ndarray, (k,)
        Doses of one sphere's decays, a class each [Gy].
    volume_mm3 : ndarray, (places, k)
        Volume of each class around the places of a cell; one place where clusters lie anywhere [mm³].
    share : ndarray, (places,)
        How often each place occurs; they add up to one.
    clusters : ClusterModel
        How many spheres lie together.
    """

    cluster_dose_gy: Array
    volume_mm3: Array
    share: Array
    clusters: ClusterModel

    __repr__ = short_repr

    def exponent(self, s: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return Ψ(s) around every place [mm³], (len(s), places); s in 1/Gy, its real part not negative."""
        return self._exponent(np.exp(-np.multiply.outer(s, self.cluster_dose_gy)))

    def clusters_per_mm3(self, mean_dose_gy: float) -> float:
        """Return the density of clusters that gives a mean dose [Gy], [1/mm³].

        Raises
        ------
        InputError
            If the dose is negative.
        """
        check_not_negative(mean_dose_gy, "the mean dose", "Gy")
        return mean_dose_gy * self._clusters_per_gy

    def log_laplace(self, dose: Dose, s: ArrayLike) -> NDArray[np.complex128]:
        """Return ln⟨exp(-s D)⟩ at s [1/Gy], (n,); the dose is as of `dvh`."""
        return self._log_mean(_local(dose), self.exponent(np.atleast_1d(np.asarray(s))))

    def cv(self, dose: Dose) -> float:
        """Return the coefficient of variation at a dose as of `dvh`; zero for no dose.

        The variance is that of Campbell's theorem, and on tracts that of the places' means besides.
        """
        local = _local(dose)
        mean_gy = local.mean_gy
        if mean_gy == 0:
            return 0.0
        squares = self.cluster_dose_gy**2 @ self.volume_mm3.T @ self.share
        sizes = self.clusters.mean_size * self.clusters.size_weighted_mean
        random = mean_gy * self._clusters_per_gy * sizes * squares
        means = self._place_means()
        between = float(means**2 @ self.share) / float(means @ self.share) ** 2 - 1.0
        lattice = max(between, 0.0) * (mean_gy**2 + local.variance_gy2)
        return math.sqrt(random + lattice + local.variance_gy2) / mean_gy

    def eud(self, dose: Dose, alpha_per_gy: float) -> float:
        """Return the equivalent uniform dose -ln⟨exp(-α D)⟩/α [Gy], the linear term of cell kill alone.

        Parameters
        ----------
        dose : float or LocalDoses
            As of `dvh`; zero gives zero.
        alpha_per_gy : float
            α [1/Gy].

        Raises
        ------
        InputError
            If the dose is negative or α not positive.
        """
        check_positive(alpha_per_gy, "alpha", "1/Gy")
        return -float(self.log_laplace(dose, [alpha_per_gy])[0].real) / alpha_per_gy

    def dvh(self, dose: Dose) -> MicroscaleDvh:
        """Return the expected histogram, by Fourier inversion; no dose is zero everywhere.

        The density is damped by exp(-a d) before it is inverted on a periodic axis, so that what lies beyond the axis comes
        back 1e-8 as high, as in inversions of Laplace transforms by Fourier series (Abate and Whitt 1992, Queueing Systems
        10:5).

        Parameters
        ----------
        dose : float or LocalDoses
            Mean dose of a region that spheres are spread over evenly [Gy], or the doses of its parts: spheres are then as
            dense everywhere as the local dose asks for, which holds where that changes little over a millimetre.

        Raises
        ------
        InputError
            If the dose is negative.
        """
        local = _local(dose)
        if local.mean_gy == 0:
            return MicroscaleDvh(np.zeros(2), np.array([1.0, 0.0]))
        length_gy = local.mean_gy * (1.0 + AXIS_SPREADS * self.cv(local))
        first = self._inverted(local, length_gy, DVH_POINTS // 4)
        return self._inverted(local, AXIS_END * first.dose_at_volume(2.0), DVH_POINTS)

    def _inverted(self, local: LocalDoses, length_gy: float, points: int) -> MicroscaleDvh:
        """The histogram on an axis of a length [Gy] and that many points."""
        step = length_gy / (points - LEAD_POINTS)
        period = step * points
        damping = DAMPING / period
        s = np.asarray(damping + 2j * np.pi / period * np.arange(points // 2 + 1), np.complex128)
        # By a Gaussian, so that the series ends without ringing.
        smoothing = 0.5 * (SMOOTHING_POINTS * step * s) ** 2
        exponent = self._exponents(s)
        # No part can bring more than this to the transform: where it is negligible, it is not computed.
        bound = -self._clusters_per_gy * local.doses_gy.min() * exponent.real.min(axis=1) + smoothing.real
        computed = bound > bound[0] - NEGLIGIBLE
        transform = np.zeros(len(s), np.complex128)
        transform[computed] = np.exp(
            self._log_mean(local, exponent[computed]) + (smoothing - s * LEAD_POINTS * step)[computed]
        )
        dose = step * np.arange(points)
        share = np.maximum(np.fft.irfft(transform, points) * np.exp(damping * dose), 0.0)
        above = np.clip(1.0 - np.cumsum(share), 0.0, 1.0)
        middle = dose + (0.5 - LEAD_POINTS) * step
        positive = middle > 0
        return MicroscaleDvh(np.append(0.0, middle[positive]), np.append(1.0, above[positive]))

    def _exponents(self, s: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Ψ at evenly spaced s, as `exponent`: powers of few exponentials, which are quicker than as many exponentials."""
        block = math.isqrt(len(s) - 1) + 1
        first = np.exp(-np.multiply.outer(s[:block], self.cluster_dose_gy))
        steps = block * np.arange(block) * (s[1] - s[0])
        blocks = np.exp(-np.multiply.outer(steps, self.cluster_dose_gy))
        powers = (blocks[:, None] * first).reshape(-1, len(self.cluster_dose_gy))
        return self._exponent(powers[: len(s)])

    def _exponent(self, survived: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """∫ (1 - G) dV of what survives the spheres of one point, (n, places)."""
        # Not by @: threads of BLAS cost more than so small a product, ten times so on a busy machine.
        left = np.einsum("sk,pk->sp", self.clusters.generating(survived), self.volume_mm3)
        return np.asarray(self.volume_mm3.sum(axis=1) - left)

    def _log_mean(self, local: LocalDoses, exponent: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Logarithm of the mean of exp(-n_c Ψ) over places and parts, (n,)."""
        powers = -self._clusters_per_gy * np.multiply.outer(exponent, local.doses_gy)
        powers = powers.reshape(len(exponent), -1)
        greatest = powers.real.max(axis=1, keepdims=True)
        share = np.multiply.outer(self.share, local.share).ravel()
        return np.asarray(np.log(np.einsum("sk,k->s", np.exp(powers - greatest), share)) + greatest[:, 0])

    @property
    def _clusters_per_gy(self) -> float:
        """Clusters per mm³ that give 1 Gy on average."""
        return 1.0 / (self.clusters.mean_size * float(self._place_means() @ self.share))

    def _place_means(self) -> Array:
        """∫ N k dV around every place [Gy·mm³]."""
        return np.asarray(self.volume_mm3 @ self.cluster_dose_gy)


def _local(dose: Dose) -> LocalDoses:
    """Parts of a region; one part of a mean dose."""
    return dose if isinstance(dose, LocalDoses) else LocalDoses.even(dose)


def dose_functional(
    activity_per_sphere_bq: float,
    kernel: ScoringKernel,
    clusters: str | ClusterModel = "single",
    places: str = "volume",
) -> DoseFunctional:
    """Return the functional of spheres of one activity.

    Parameters
    ----------
    activity_per_sphere_bq : float
        Activity of one sphere at injection [Bq].
    kernel : ScoringKernel
        Of the nuclide and the tissue.
    clusters : str or ClusterModel
        How many spheres lie together, at one point.
    places : str
        ``"volume"``: clusters lie anywhere; ``"tracts"``: anywhere on the portal tracts.

    Raises
    ------
    InputError
        If the activity is not positive, or the model or the places are unknown.
    """
    check_positive(
        activity_per_sphere_bq, "the activity per sphere", "Bq", tag="microscale.activity_per_sphere"
    )
    if places not in PLACES:
        raise InputError(
            f"unknown places of clusters {places!r}. They are {' or '.join(PLACES)}.", tag="microscale.places"
        )
    model = cluster_model(clusters)
    classes, volume, share = _classes(kernel, places)
    return DoseFunctional(classes * kernel.decays(activity_per_sphere_bq), volume, share, model)


def eud(
    mean_dose_gy: float,
    alpha_per_gy: float,
    activity_per_sphere_bq: float,
    kernel: ScoringKernel,
    clusters: str | ClusterModel = "single",
    places: str = "volume",
) -> float:
    """Return the equivalent uniform dose of a mean dose at the 0.1 mm scale [Gy].

    Parameters
    ----------
    mean_dose_gy : float
        Mean absorbed dose [Gy].
    alpha_per_gy : float
        α [1/Gy].
    activity_per_sphere_bq, kernel, clusters, places
        See `dose_functional`.

    Raises
    ------
    InputError
        If a number is out of range, or a name unknown.

    Examples
    --------
    >>> from y90voxel.microscale.sphere_kernel import scoring_kernel
    >>> round(eud(205.0, 0.2, 2500.0, scoring_kernel("Y-90")))
    173
    """
    functional = dose_functional(activity_per_sphere_bq, kernel, clusters, places)
    return functional.eud(mean_dose_gy, alpha_per_gy)


@cache
def _classes(kernel: ScoringKernel, places: str) -> tuple[Array, Array, Array]:
    """Doses of one decay by class [Gy], the volumes of each around every place [mm³], and the share of every place."""
    if places == "volume":
        around, share = [(kernel.dose_gy, kernel.volume_mm3)], np.ones(1)
    else:
        around, share = _around_tracts(kernel)
    positive = kernel.dose_gy[kernel.dose_gy > 0]
    low, high = math.log(positive.min()), math.log(positive.max())
    classes = np.exp(np.linspace(low, high, 2 + math.ceil((high - low) / CLASS_WIDTH)))
    return classes, np.stack([_gathered(classes, dose, volume) for dose, volume in around]), share


def _gathered(classes: Array, dose: Array, volume: Array) -> Array:
    """Volumes by class: each is shared out between the two classes around its dose, so that volume and dose are kept."""
    dose, volume = dose[dose > 0], volume[dose > 0]
    upper = np.clip(np.searchsorted(classes, dose), 1, len(classes) - 1)
    weight = np.clip((dose - classes[upper - 1]) / (classes[upper] - classes[upper - 1]), 0.0, 1.0)
    lower = np.bincount(upper - 1, volume * (1.0 - weight), len(classes))
    return np.asarray(lower + np.bincount(upper, volume * weight, len(classes)), np.float64)


def _around_tracts(kernel: ScoringKernel) -> tuple[list[tuple[Array, Array]], Array]:
    """Doses and volumes around each place of a cell of the lattice of tracts; places that mirror each other are one."""
    reach = math.ceil(kernel.reach_mm / SCORING_MM)
    along = np.arange(reach + 1)
    cell_mm3 = TRACT_CELL[0] * TRACT_CELL[1] * SCORING_MM**3  # of tissue to a voxel of tract
    volume = np.where(along > 0, 2.0, 1.0) * cell_mm3  # up and down a tract
    squares = np.arange(1 + NEAR_VOXELS**2, reach**2 + 1)
    far_gy = kernel.far_gy(SCORING_MM * np.sqrt(squares))
    around, share = [], []
    for place in np.ndindex(TRACT_CELL[0] // 2 + 1, TRACT_CELL[1] // 2 + 1):
        rows, columns = (
            np.abs(step * np.arange(-(reach // step) - 1, reach // step + 2) - at)
            for step, at in zip(TRACT_CELL, place, strict=True)
        )
        square = (along**2)[:, None, None] + (rows**2)[:, None] + columns**2
        volumes = np.broadcast_to(volume[:, None, None], square.shape)
        near = square <= NEAR_VOXELS**2
        up, row, column = np.nonzero(near)
        far = ~near & (square <= reach**2)
        by_square = np.bincount(square[far], volumes[far], reach**2 + 1)[squares]
        near_gy = kernel.near_gy[up, rows[row], columns[column]]
        around.append((np.append(near_gy, far_gy), np.append(volumes[near], by_square)))
        mirrored = [1 if at in (0, step / 2) else 2 for step, at in zip(TRACT_CELL, place, strict=True)]
        share.append(math.prod(mirrored) / math.prod(TRACT_CELL))
    return around, np.array(share)
