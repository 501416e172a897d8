"""What the commissioning of a camera found, and whether an image is of the camera as it was commissioned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from y90voxel.errors import InputError, Notice
from y90voxel.quantification.emission import EmissionImage, Reconstruction
from y90voxel.volumes.volume import CountMap

__all__ = ["Scanner", "check_scanner"]

# Voxels of an image may differ from those of the phantom by this part: rounding of headers, no other matrix.
SAME_VOXELS = 0.01


@dataclass(frozen=True)
class Scanner:
    """A camera as `y90voxel commission` found it.

    Parameters
    ----------
    path : Path
        The file.
    nuclide, modality : str
        What the phantom held, ``"NM"`` or ``"PT"``.
    reconstruction : Reconstruction
        Of the phantom's images; empty where it is not known.
    voxel_mm : tuple of float
        Their voxels [mm].
    factor_cps_per_mbq : float or None
        Calibration of counts, without dead time.
    shown_over_true : float or None
        Cross calibration: Bq/mL of the images over the true ones.
    relative_uncertainty : float
        Of the calibration.
    recovery_file : Path or None
        Table of recovery.
    volumes_ml : tuple of float or None
        Smallest and largest sphere of it [mL].
    time_constant_us, highest_rate_cps : float or None
        Dead time [µs], and the highest rate that it was measured at [1/s].
    fwhm_mm : float or None
        FWHM of the Gaussian that fits its spheres [mm].
    one_gaussian_fits : bool
        Whether one does.
    """

    path: Path
    nuclide: str
    modality: str
    reconstruction: Reconstruction
    voxel_mm: tuple[float, ...]
    factor_cps_per_mbq: float | None = None
    shown_over_true: float | None = None
    relative_uncertainty: float = 0.0
    recovery_file: Path | None = None
    volumes_ml: tuple[float, float] | None = None
    time_constant_us: float | None = None
    highest_rate_cps: float | None = None
    fwhm_mm: float | None = None
    one_gaussian_fits: bool = True


def check_scanner(
    scanner: Scanner,
    emission: EmissionImage,
    *,
    rate_cps: float | None = None,
    duration_s: float | None = None,
) -> list[Notice]:
    """Refuse an image that the commissioning does not hold for; return what could not be checked.

    Parameters
    ----------
    scanner : Scanner
        The commissioning.
    emission : EmissionImage
        The image.
    rate_cps : float or None
        Observed count rate as stated [1/s]; None takes the counts of the image over its duration.
    duration_s : float or None
        That duration as stated [s]; None takes the one of the image.

    Raises
    ------
    InputError
        If nuclide, kind of image, reconstruction, filter or voxels are others.
    """
    imaged = emission.imaged_nuclide
    _same("nuclide", scanner.nuclide, imaged, scanner)
    unknown = [] if imaged else ["nuclide"]
    if emission.modality != "file":
        _same("modality", scanner.modality, emission.modality, scanner)
    else:
        unknown.append("modality")
    own, other = scanner.reconstruction, emission.reconstruction
    for name, tag in (
        ("method", "ReconstructionMethod"),
        ("filter", "ConvolutionKernel"),
        ("camera", "ManufacturerModelName"),
    ):
        commissioned, stated = getattr(own, name), getattr(other, name)
        if commissioned and stated:
            _same(
                f"{name} of the reconstruction" if name != "camera" else name,
                commissioned,
                stated,
                scanner,
                tag,
            )
        else:
            unknown.append(name)
    voxels = np.array(emission.grid.spacing_mm)
    if np.abs(voxels / np.array(scanner.voxel_mm) - 1.0).max() > SAME_VOXELS:
        raise InputError(
            f"{scanner.path.name} was commissioned with voxels of {' × '.join(f'{v:g}' for v in scanner.voxel_mm)} mm, the image "
            f"has {' × '.join(f'{v:.4g}' for v in voxels)} mm: recovery is of one reconstruction. Commission "
            "the camera with this one.",
            file=scanner.path,
            tag="scanner",
        )
    notices = _rate_notices(scanner, rate_cps or _rate_cps(emission, duration_s))
    if not unknown:
        return notices
    return [
        *notices,
        Notice(
            "scanner-not-checked",
            f"{', '.join(unknown)} of the image or of {scanner.path.name} is not known: whether the commissioning holds for this "
            "image in that respect was not checked.",
        ),
    ]


def _rate_cps(emission: EmissionImage, duration_s: float | None) -> float | None:
    """Counts of an image over its duration [1/s], None where it has none; headers without one may state 0."""
    duration = duration_s or emission.frame_duration_s
    if duration is None or duration <= 0.0 or not isinstance(emission.volume, CountMap):
        return None
    return emission.volume.total / duration


def _rate_notices(scanner: Scanner, rate: float | None) -> list[Notice]:
    """Say where an image has more counts per second than the phantom ever had."""
    highest = scanner.highest_rate_cps
    if highest is None or rate is None:
        return []
    if rate <= highest:
        return []
    return [
        Notice(
            "scanner-rate-outside",
            f"the image has {rate:.4g} counts per second, the phantom had {highest:.4g} at most: dead time is extrapolated.",
        )
    ]


def _same(what: str, commissioned: str, imaged: str | None, scanner: Scanner, tag: str = "scanner") -> None:
    """Refuse what differs from the commissioning."""
    if imaged and commissioned != imaged:
        raise InputError(
            f"{scanner.path.name} was commissioned for {commissioned!r} as {what}, the image says {imaged!r}: recovery, "
            "calibration and dead time do not hold for it. Give the scanner file of this one, or leave --scanner out.",
            file=scanner.path,
            tag=tag,
        )
