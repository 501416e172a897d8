"""What a CT holds that its densities should not be trusted for: wrong units, padding, metal, contrast agent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError, Notice
from y90voxel.reference.tissue import LIVER_DENSITY_G_PER_ML
from y90voxel.volumes.volume import CtImage, DensityMap, Mask

__all__ = ["check_ct_numbers", "contrast_agent"]

# Air is -1000 HU; noise takes single voxels to about -1100, padding of round fields of view lies far below.
LOWEST_HU = -1100.0
# Scales of 12 bits end at 3071 HU; only extended scales with metal go beyond 4000.
HIGHEST_HU = 4000.0
# An image with more than this share of voxels above the highest is not in HU.
MOST_ABOVE_HIGHEST = 0.01
# The densest bone, enamel, is about 2800 HU, compact bone below 2000: above lies metal (or a dense contrast medium).
METAL_ABOVE_HU = 2500.0
SMALLEST_METAL_ML = 0.1  # [mL]; chosen: some thirty voxels of 1 x 1 x 3 mm; single voxels of noise stay below
# Tumours enhance to 200 HU at most (arterial phase); lipiodol deposits have 200 to 1000 HU and more. Calcified ones are rare.
LIPIODOL_ABOVE_HU, LEAST_LIPIODOL_ML = 200.0, 0.5
# Liver without contrast agent has 50 to 65 HU, in the portal venous phase 100 to 120 HU. CT numbers are asked, not
# densities, since calibrations fall where soft tissue meets marrow at about 100 HU.
CONTRAST_ABOVE_HU = 80.0


def check_ct_numbers(ct: CtImage) -> list[Notice]:
    """Return notices about padding, out-of-range values and metal.

    Parameters
    ----------
    ct : CtImage
        In HU.

    Raises
    ------
    InputError
        If values are not finite, or so many lie above 4000 that they are no Hounsfield units.
    """
    lowest, highest = float(ct.array.min()), float(ct.array.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        ct.check_finite()
    notices = []
    if lowest < LOWEST_HU:
        message = (
            f"{_percent(ct.array < LOWEST_HU)} of the CT lies below {LOWEST_HU:g} HU (down to {lowest:g} HU): padding or "
            "artefacts, taken as air."
        )
        notices.append(Notice("ct-below-air", message))
    if highest > HIGHEST_HU:
        share = float(np.mean(ct.array > HIGHEST_HU))
        if share > MOST_ABOVE_HIGHEST:
            raise InputError(
                f"{100 * share:.1f} % of the CT lies above {HIGHEST_HU:g} HU (up to {highest:g}): these are not Hounsfield "
                "units. Check RescaleSlope and RescaleIntercept, or the image file.",
                tag="RescaleIntercept",
            )
        message = (
            f"{_percent(ct.array > HIGHEST_HU)} of the CT lies above {HIGHEST_HU:g} HU (up to {highest:g} HU): metal or "
            "artefacts; densities there are those of the calibration's last point."
        )
        notices.append(Notice("ct-above-range", message))
    metal_ml = 0.0
    if highest > METAL_ABOVE_HU:
        metal_ml = float(np.count_nonzero(ct.array > METAL_ABOVE_HU)) * ct.grid.voxel_volume_ml
    if metal_ml >= SMALLEST_METAL_ML:
        message = (
            f"{metal_ml:.2g} mL of the CT lie above {METAL_ABOVE_HU:g} HU (up to {highest:g} HU): metal or dense contrast "
            "medium. Densities at it and in its streaks are wrong; doses within 10 mm of it are uncertain."
        )
        notices.append(Notice("ct-metal", message))
    return notices


def contrast_agent(ct: CtImage, density: DensityMap, liver: Mask, set_to: float | None) -> list[Notice]:
    """Return a notice when the liver's CT numbers are higher than liver has, which contrast agent makes them.

    Parameters
    ----------
    ct : CtImage
        In HU.
    density : DensityMap
        Density from the CT on the dose grid.
    liver : Mask
        Occupancy of the liver on the dose grid, where the CT covers it.
    set_to : float or None
        Density that the liver gets instead of the CT's [g/mL]; None keeps the CT's.

    Raises
    ------
    InputError
        If the CT's density is kept where it shows lipiodol or another dense contrast medium.
    """
    interior = np.argwhere(liver.array > 0.999)
    if not len(interior):
        return []
    places = np.rint(ct.grid.lps_to_index(density.grid.index_to_lps(interior))).astype(int)
    values = ct.array[tuple(np.clip(places, 0, np.array(ct.grid.shape) - 1).T)]
    if set_to is None:
        _refuse_dense_contrast(values, density.grid.voxel_volume_ml)
    hu = float(np.median(values))
    if hu <= CONTRAST_ABOVE_HU:
        return []
    liver_density = float(density.array[tuple(interior.T)].mean())
    treatment = (
        f"liver and tumour keep its {liver_density:.3f} g/mL, {100 * (liver_density / LIVER_DENSITY_G_PER_ML - 1):.1f} % above "
        f"{LIVER_DENSITY_G_PER_ML:g} g/mL, and get that much less dose: give --liver-density"
        if set_to is None
        else f"liver and tumour are set to {set_to:g} g/mL instead of its {liver_density:.3f}, vessels and other organs are not"
    )
    return [Notice("contrast-agent", f"the liver has {hu:.0f} HU, which means contrast agent; {treatment}.")]


def _refuse_dense_contrast(hu: NDArray[Any], voxel_ml: float) -> None:
    """Refuse densities from CT numbers that no tissue of the liver has."""
    dense = hu > LIPIODOL_ABOVE_HU
    volume_ml = float(np.count_nonzero(dense)) * voxel_ml
    if volume_ml < LEAST_LIPIODOL_ML:
        return
    raise InputError(
        f"the liver density is to come from the CT, but {volume_ml:.1f} mL of liver and tumours have more than "
        f"{LIPIODOL_ABOVE_HU:g} HU (mean {float(hu[dense].mean()):.0f} HU): lipiodol, dense contrast medium or metal, whose CT "
        "numbers come from their atomic number and not from their mass. Tumours would get 16 to 29 % too little dose. "
        "Give --liver-density 1.05.",
        tag="dose.liver_density",
    )


def _percent(voxels: NDArray[np.bool_]) -> str:
    """A share in per cent."""
    return f"{100 * float(np.mean(voxels)):.2g} %"
