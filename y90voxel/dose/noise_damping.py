"""How much less a dose voxel varies than a voxel of the image that it was computed from."""

from __future__ import annotations

import math

import numpy as np

from y90voxel.quantification.noise import ImageNoise
from y90voxel.reference.voxel_kernel import DoseKernel

__all__ = ["noise_damping"]


def noise_damping(kernel: DoseKernel, fwhm_mm: float = 0.0) -> float:
    """Return the relative standard deviation of a dose voxel over that of an image voxel, √Σ(S ⋆ g)² / ΣS.

    Betas carry energy between voxels, and what is independent in them averages out. Noise that goes together over more
    than the range of the betas is damped by less.

    Parameters
    ----------
    kernel : DoseKernel
        For the voxels of the image.
    fwhm_mm : float
        Correlation length of the noise [mm]: g is the Gaussian filter that would make it, of gain one for white noise.

    Examples
    --------
    >>> from y90voxel.reference.voxel_kernel import voxel_kernel
    >>> round(noise_damping(voxel_kernel("Y-90", (4.8, 4.8, 4.8), "soft_tissue")), 2)
    0.46
    """
    values = np.asarray(kernel.s_values)
    pad = [math.ceil(2.0 * fwhm_mm / step) for step in kernel.spacing_mm]
    spread = ImageNoise(1.0, fwhm_mm).correlated(np.pad(values, [(n, n) for n in pad]), kernel.spacing_mm)
    return float(np.sqrt((spread**2).sum()) / values.sum())
