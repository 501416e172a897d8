"""The lung: shunt fraction from images, and mean dose by the conventions its limits were set with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from y90voxel.bounds import check_fraction, check_not_negative, check_positive
from y90voxel.errors import InputError, RegionError
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, limiting_convention
from y90voxel.volumes.box import widened_box
from y90voxel.volumes.volume import Mask, Volume

__all__ = [
    "MIRD_LUNG_MASS_KG",
    "exclude_margin",
    "lung_shunt_fraction_planar",
    "lung_shunt_fraction_spect",
    "mean_lung_dose",
    "mird_lung_doses",
    "project_onto_planar",
    "within_reach",
]

# Both lungs of the convention that limits refer to.
MIRD_LUNG_MASS_KG = limiting_convention().mass_kg or math.nan

# Parts of a planar pixel's width, and samples of a voxel's for each pixel that it is wide: so voxels leave no holes.
SHADOW_SAMPLES = 4


def mean_lung_dose(
    activity_gbq: float,
    lung_shunt_fraction: float,
    lung_mass_kg: float = MIRD_LUNG_MASS_KG,
    *,
    residual_fraction: float = 0.0,
    dose_constant_gy_kg_per_gbq: float,
) -> float:
    """Return the mean lung dose D = K A L (1 − R) / M [Gy]; doses of several treatments add.

    Parameters
    ----------
    activity_gbq : float
        Net activity at administration [GBq]; with a residual fraction, the vial's.
    lung_shunt_fraction : float
        L, 0 to 1.
    lung_mass_kg : float
        M [kg]: by the convention of the limits, or from CT. A limit belongs to the convention it was set with.
    residual_fraction : float
        Share of the vial left in vial and tubing R, 0 to 1; 0 when the activity is net already.
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq]: 49.77 for Y-90 by ICRP 107, 49.67 in many clinical papers.

    Raises
    ------
    InputError
        If the mass is not positive, the activity negative, or shunt or residual lie outside 0 to 1.

    Examples
    --------
    >>> round(mean_lung_dose(4.7, 0.12, dose_constant_gy_kg_per_gbq=49.67), 2)
    28.01
    """
    check_not_negative(activity_gbq, "the activity", "GBq")
    check_positive(lung_mass_kg, "the lung mass", "kg")
    check_fraction(lung_shunt_fraction, "the lung shunt fraction")
    check_fraction(residual_fraction, "the residual fraction")
    check_positive(dose_constant_gy_kg_per_gbq, "the dose constant", "Gy kg/GBq")
    shunted_gbq = activity_gbq * lung_shunt_fraction * (1.0 - residual_fraction)
    return dose_constant_gy_kg_per_gbq * shunted_gbq / lung_mass_kg


def mird_lung_doses(
    activity_gbq: float,
    lung_shunt_fraction: float | None,
    ct_mass_kg: float | None,
    *,
    dose_constant_gy_kg_per_gbq: float,
) -> dict[str, float | None]:
    """Return the mean lung dose by every convention, by its key [Gy]; None where shunt or mass are not known.

    Parameters
    ----------
    activity_gbq : float
        Net activity at administration [GBq].
    lung_shunt_fraction : float or None
        L, 0 to 1.
    ct_mass_kg : float or None
        Mass of the whole lungs from CT [kg].
    dose_constant_gy_kg_per_gbq : float
        K [Gy·kg/GBq].

    Raises
    ------
    InputError
        As `mean_lung_dose`.
    """
    masses = {row.key: row.mass_of(ct_mass_kg) for row in LUNG_CONVENTIONS}
    return {
        key: None
        if lung_shunt_fraction is None or mass is None
        else mean_lung_dose(
            activity_gbq, lung_shunt_fraction, mass, dose_constant_gy_kg_per_gbq=dose_constant_gy_kg_per_gbq
        )
        for key, mass in masses.items()
    }


def lung_shunt_fraction_planar(
    lung_anterior: float, lung_posterior: float, liver_anterior: float, liver_posterior: float
) -> float:
    """Return the lung shunt fraction from the geometric means of net planar counts.

    L = √(La Lp) / (√(La Lp) + √(Ha Hp)), uncorrected for attenuation: the lungs are detected better than
    the liver, so it overestimates (Allred et al. 2018, J Nucl Med 59:665).

    Parameters
    ----------
    lung_anterior, lung_posterior, liver_anterior, liver_posterior : float
        Counts net of background.

    Raises
    ------
    InputError
        If a count is negative or both organs are empty.

    Examples
    --------
    >>> round(lung_shunt_fraction_planar(12000, 14000, 150000, 110000), 5)
    0.09166
    """
    counts = (lung_anterior, lung_posterior, liver_anterior, liver_posterior)
    if min(counts) < 0:
        raise InputError(f"planar counts must not be negative, got {counts}; check the background.")
    lung, liver = math.sqrt(lung_anterior * lung_posterior), math.sqrt(liver_anterior * liver_posterior)
    if lung + liver == 0:
        raise InputError("the planar views hold no counts in lungs and liver.")
    return lung / (lung + liver)


def lung_shunt_fraction_spect(
    counts: Volume, lungs: Mask, liver: Mask, dome_margin_mm: float = 20.0, share_in_view: float = 1.0
) -> float:
    """Return the lung shunt fraction from an attenuation- and scatter-corrected SPECT.

    Breathing and blur put liver counts into the lung base, so lung within ``dome_margin_mm`` of the liver
    is left out and the rest scaled up by volume.

    Parameters
    ----------
    counts : Volume
        Counts or activity.
    lungs, liver : Mask
        On the grid of the counts.
    dome_margin_mm : float
        Margin around the liver [mm].
    share_in_view : float
        Share of the lungs' mass that the image sees, 0 to 1; uptake counts as uniform.

    Raises
    ------
    InputError
        If the share is not positive or above one.
    RegionError
        If no lung is left outside the margin, or neither organ holds counts.
    """
    check_fraction(share_in_view, "the share of the lungs in view")
    check_positive(share_in_view, "the share of the lungs in view", "")
    below_dome = exclude_margin(lungs, liver, dome_margin_mm)
    if not below_dome.array.any():
        raise RegionError(f"no lung lies further than {dome_margin_mm:g} mm from the liver.")
    in_lung = float((counts.array * below_dome.array).sum(dtype=np.float64)) * lungs.total / below_dome.total
    in_lung /= share_in_view
    in_liver = float((counts.array * liver.array).sum(dtype=np.float64))
    if not in_lung + in_liver > 0:
        raise RegionError("lungs and liver hold no counts together; check that image and regions match.")
    return max(in_lung, 0.0) / (max(in_lung, 0.0) + in_liver)


def exclude_margin(mask: Mask, neighbour: Mask, margin_mm: float) -> Mask:
    """Return the part of ``mask`` whose voxel centres lie further than ``margin_mm`` from ``neighbour``.

    Parameters
    ----------
    mask, neighbour : Mask
        On one grid; the neighbour counts where it fills at least half a voxel.
    margin_mm : float
        Distance between voxel centres [mm].
    """
    neighbour.check_on(mask.grid, "neighbour")
    box = widened_box(mask.box, mask.grid, margin_mm)
    solid = neighbour.array[box] >= 0.5
    if not solid.any():
        return mask
    values = np.array(mask.array)
    values[box][_near(solid, mask.grid.spacing_mm, margin_mm)] = 0.0
    return mask.with_array(values)


def within_reach(mask: Mask, margin_mm: float) -> Mask:
    """Return a region with all voxels whose centres lie within a margin of one that it fills by half.

    Parameters
    ----------
    mask : Mask
        The region.
    margin_mm : float
        Distance between voxel centres [mm].
    """
    box = widened_box(mask.box, mask.grid, margin_mm)
    wider = np.array(mask.array)
    wider[box][_near(mask.array[box] >= 0.5, mask.grid.spacing_mm, margin_mm)] = 1.0
    return mask.with_array(wider)


def _near(
    solid: NDArray[np.bool_], spacing_mm: tuple[float, float, float], margin_mm: float
) -> NDArray[np.bool_]:
    """Voxels within a margin of solid ones."""
    # deferred: the calculators of a plan need no compiled code
    from y90voxel.quantification._reach_loops import mark_within_reach

    near = np.zeros(solid.shape, bool)
    away = np.empty(solid.shape, np.int32)
    mark_within_reach(solid, _reach_voxels(spacing_mm, margin_mm), away, near)
    return near


def _reach_voxels(spacing_mm: tuple[float, float, float], margin_mm: float) -> NDArray[np.int32]:
    """How many columns away a voxel may lie to be within the margin, by its distance in slices and rows; −1 for none."""
    squares = [(np.arange(int(np.ceil(margin_mm / spacing)) + 1) * spacing) ** 2 for spacing in spacing_mm]
    distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    return np.asarray((distance <= margin_mm).sum(axis=2) - 1, np.int32)


def _middles(parts: int) -> NDArray[np.float64]:
    """The middles of equal parts of a voxel, from its centre, in voxels."""
    return (np.arange(parts) + 0.5) / parts - 0.5


def project_onto_planar(
    mask: Mask, planar_affine: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the shadow of a region on a planar view, (rows, columns): pixels that it covers at least by half.

    Parameters
    ----------
    mask : Mask
        The region.
    planar_affine : ndarray, (4, 4)
        Indices (slice, row, column) of the planar grid to LPS [mm]; its slice axis is the viewing direction.
    shape : tuple of int, (2,)
        Rows and columns of the view.
    """
    view = planar_affine[:3, 0] / np.linalg.norm(planar_affine[:3, 0])
    along = np.abs(mask.grid.directions.T @ view)
    axis = int(along.argmax())
    solid = mask.array >= 0.5
    if along[axis] > 0.999:  # looking along an axis of the grid: one layer casts the whole shadow
        solid = np.asarray(solid.any(axis=axis, keepdims=True))
    finest_mm = float(np.linalg.norm(planar_affine[:3, 1:3], axis=0).min())
    pixels_wide = [
        math.ceil(spacing / finest_mm - 1e-6) for spacing in mask.grid.spacing_mm
    ]  # but for rounding
    pixels_wide[axis] = 0
    across = [_middles(SHADOW_SAMPLES * wide) if wide else np.zeros(1) for wide in pixels_wide]
    inverse = np.linalg.inv(planar_affine)
    voxels = np.argwhere(solid)
    fine = np.zeros((shape[0] * SHADOW_SAMPLES, shape[1] * SHADOW_SAMPLES), dtype=bool)
    for shift in np.stack(np.meshgrid(*across, indexing="ij"), axis=-1).reshape(-1, 3):
        pixels = (mask.grid.index_to_lps(voxels + shift) @ inverse[:3, :3].T + inverse[:3, 3])[:, 1:]
        places = np.floor((pixels + 0.5) * SHADOW_SAMPLES).astype(int)
        inside = ((places >= 0) & (places < np.array(fine.shape))).all(axis=1)
        fine[places[inside, 0], places[inside, 1]] = True
    covered = fine.reshape(shape[0], SHADOW_SAMPLES, shape[1], SHADOW_SAMPLES).mean(axis=(1, 3))
    return np.asarray(covered >= 0.5)
