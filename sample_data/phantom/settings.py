"""What a synthetic study is made with."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import asdict, dataclass

import numpy as np

from .shapes import Array

# Of no organisation: every UID is 2.25 followed by a UUID derived from the settings (PS3.5 annex B.2).
UID_NAMESPACE = uuid.UUID("6f0f4d2e-3c1b-5b0e-9a53-79302d766f78")
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True)
class Settings:
    """What a synthetic study is made with; the defaults are the sample study.

    Parameters
    ----------
    seed : int
        Of the noise, the identifiers and, with ``vary``, of the patient.
    vary : bool
        Draw the patient, the lesions, the shunt and the activity from the seed.
    ct_shape, ct_spacing_mm
        Slices, rows, columns of the CT and their distances [mm].
    spect_shape, spect_voxel_mm
        Slices, rows, columns of the SPECT and the edge of its cubic voxels [mm].
    truth_bins : int
        The truth is laid out on voxels this many times smaller than those of the SPECT.
    spect_step_sign : int
        1: frames run along the normal of their planes (towards the head), -1: against it.
    camera_fwhm_mm : float
        Gaussian blur of the SPECT [mm]; 0 for none.
    spect_counts, planar_counts : float
        Expected counts of the whole SPECT and of both planar views together.
    noiseless : bool
        Write expected values, scaled to fill 16 bits, instead of Poisson counts; CT without noise too.
    lung_shunt_fraction, tumour_to_normal_ratio
        Truth: fraction of the activity in the lungs; concentration in living tumour over that in the
        perfused normal liver.
    activity_gbq : float
        Y-90 activity that the truth's doses are stated for [GBq].
    ct_noise_hu : float
        Standard deviation of the CT noise [HU].
    origin_mm : tuple of float
        Where the centre of the phantom lies in the scanner: x, y, z [mm].
    """

    seed: int = 90
    vary: bool = False
    ct_shape: tuple[int, int, int] = (96, 192, 192)
    ct_spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0)
    spect_shape: tuple[int, int, int] = (72, 128, 128)
    spect_voxel_mm: float = 4.42
    truth_bins: int = 3
    spect_step_sign: int = 1
    camera_fwhm_mm: float = 10.0
    spect_counts: float = 6.0e6
    planar_counts: float = 1.6e6
    noiseless: bool = False
    lung_shunt_fraction: float = 0.06
    tumour_to_normal_ratio: float = 4.0
    activity_gbq: float = 2.2
    ct_noise_hu: float = 11.0
    origin_mm: tuple[float, float, float] = (6.0, 12.0, -905.0)

    @property
    def truth_voxel_mm(self) -> float:
        """Edge of the voxels of the truth [mm]."""
        return self.spect_voxel_mm / self.truth_bins

    @property
    def camera_sigma_mm(self) -> float:
        """Standard deviation of the camera's blur [mm]."""
        return self.camera_fwhm_mm / FWHM_PER_SIGMA

    def uid(self, *role: object) -> str:
        """Return the identifier of one object: always the same for the same settings and role."""
        digest = hashlib.sha256(repr((sorted(asdict(self).items()), role)).encode()).hexdigest()
        return f"2.25.{uuid.uuid5(UID_NAMESPACE, digest).int}"

    def random(self, purpose: str) -> np.random.RandomState:
        """Return the random numbers for one purpose.

        RandomState, because its streams are frozen for good while those of a Generator may change.
        """
        digest = hashlib.sha256(f"{self.seed} {purpose}".encode()).digest()
        return np.random.RandomState(int.from_bytes(digest[:4], "little"))


# The middle of the phantom, from the lungs' tops to the lower tip of the liver, along z [mm].
MIDDLE_Z_MM = -17.5


def ct_axes(settings: Settings) -> list[Array]:
    """Return the CT's voxel centres along z, y, x in the frame of the anatomy [mm]."""
    middle = (MIDDLE_Z_MM, 6.0, 0.0)
    return [
        (np.arange(n) - (n - 1) / 2) * d + m
        for n, d, m in zip(settings.ct_shape, settings.ct_spacing_mm, middle, strict=True)
    ]


def spect_axes(settings: Settings) -> list[Array]:
    """Return the SPECT's voxel centres along z, y, x; deliberately not aligned with the CT's [mm]."""
    middle = (MIDDLE_Z_MM + 0.7, 4.1, -1.3)
    return [
        (np.arange(n) - (n - 1) / 2) * settings.spect_voxel_mm + m
        for n, m in zip(settings.spect_shape, middle, strict=True)
    ]
