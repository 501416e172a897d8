"""Where the parts of a phantom lie, in a frame of its own, and how that frame lies in an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.phantoms.blurred_shapes import sphere_volume_ml

__all__ = ["NEMA_DIAMETERS_MM", "PhantomLayout", "Pose", "Sphere", "nema_iec", "uniform_cylinder"]

# The body phantom of IEC 61675-1 that NEMA NU 2-2007 uses, inner dimensions [mm]: six spheres, 60° apart in order of size, on a
# circle around the lung insert; the body is half a disc above a rectangle with rounded corners (2 × 70 wide, radius 77).
NEMA_DIAMETERS_MM = (10.0, 13.0, 17.0, 22.0, 28.0, 37.0)
RING_RADIUS_MM = 57.2  # radius of the circle of spheres [mm]
INSERT_DIAMETER_MM = 51.0  # lung insert [mm]
_UPPER_RADIUS_MM = 147.0  # half disc [mm]
_CORNER_RADIUS_MM = 77.0  # lower corners [mm]
_CORNER_X_MM = 70.0  # centres of the corners beside the middle [mm]
# The circle lies halfway up the body, the centre of the half disc below it: (147 − 77) / 2.
_DISC_BELOW_RING_MM = 35.0
# The spheres hang 70 mm from one end of the 180 mm that can be filled.
_PLANE_TO_NEAR_END_MM = 70.0
_LENGTH_MM = 180.0  # that can be filled, as above [mm]


@dataclass(frozen=True)
class Sphere:
    """A fillable sphere of a phantom.

    Parameters
    ----------
    diameter_mm : float
        Inner diameter [mm].
    centre_mm : tuple of float, (3,)
        Centre in the phantom's frame [mm].
    """

    diameter_mm: float
    centre_mm: tuple[float, float, float]

    @property
    def volume_ml(self) -> float:
        """Inner volume [mL]."""
        return sphere_volume_ml(self.diameter_mm)


@dataclass(frozen=True)
class PhantomLayout:
    """The parts of a phantom. x runs to the left, y to the back, z to the head of a phantom that lies as a patient on its back.

    Parameters
    ----------
    name : str
        ``"nema-iec"`` or ``"cylinder"``.
    spheres : tuple of Sphere
        Empty for a uniform phantom.
    insert_diameter_mm : float or None
        Of the cold insert along the axis [mm], None without one.
    low_mm, high_mm : float
        Ends of the fillable length along z [mm].
    radius_mm : float or None
        Of a cylinder; None for the body of the NEMA phantom.
    """

    name: str
    spheres: tuple[Sphere, ...]
    insert_diameter_mm: float | None
    low_mm: float
    high_mm: float
    radius_mm: float | None = None

    def inside(self, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points of a cross-section can hold background solution, spheres not considered."""
        if self.radius_mm is not None:
            body = np.hypot(x_mm, y_mm) <= self.radius_mm
        else:
            below = y_mm - _DISC_BELOW_RING_MM
            upper = (below <= 0) & (np.hypot(x_mm, below) <= _UPPER_RADIUS_MM)
            middle = (below > 0) & (below <= _CORNER_RADIUS_MM) & (np.abs(x_mm) <= _CORNER_X_MM)
            corner = (below > 0) & (np.hypot(np.abs(x_mm) - _CORNER_X_MM, below) <= _CORNER_RADIUS_MM)
            body = upper | middle | corner
        if self.insert_diameter_mm is None:
            return np.asarray(body)
        return np.asarray(body & (np.hypot(x_mm, y_mm) > 0.5 * self.insert_diameter_mm))

    @property
    def half_width_mm(self) -> float:
        """A distance from the axis that no part lies beyond [mm]."""
        if self.radius_mm is not None:
            return self.radius_mm
        return math.hypot(_UPPER_RADIUS_MM, _DISC_BELOW_RING_MM)


@dataclass(frozen=True, eq=False)
class Pose:
    """How a phantom lies in an image: a point p of its frame is at rotation · p + centre.

    Parameters
    ----------
    rotation : ndarray, (3, 3)
        Orthogonal; of determinant −1 for a phantom of the other handedness.
    centre_mm : ndarray, (3,)
        Where the origin of the phantom's frame is, LPS [mm].
    """

    rotation: NDArray[np.float64]
    centre_mm: NDArray[np.float64]

    @classmethod
    def turned(cls, angles_deg: Sequence[float], centre_mm: Sequence[float], mirrored: bool = False) -> Pose:
        """Return a pose by rotations about x, y and z, in that order [degrees]; mirrored along x first if asked for."""
        a, b, c = np.radians(angles_deg)
        about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
        about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
        about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
        flip = np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])
        return cls(about_z @ about_y @ about_x @ flip, np.asarray(centre_mm, np.float64))

    def to_image(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the phantom's frame in LPS [mm], (..., 3)."""
        return np.asarray(points_mm @ self.rotation.T + self.centre_mm)

    def to_phantom(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return LPS points in the phantom's frame [mm], (..., 3)."""
        return np.asarray((points_mm - self.centre_mm) @ self.rotation)


def nema_iec(diameters_mm: Sequence[float] = NEMA_DIAMETERS_MM, *, insert: bool = True) -> PhantomLayout:
    """Return the NEMA IEC body phantom.

    Parameters
    ----------
    diameters_mm : sequence of float, (6,)
        Inner diameters of the spheres in the order of their places on the circle [mm].
    insert : bool
        Whether the cold lung insert is in it.

    Raises
    ------
    InputError
        If there are not six diameters, or one does not fit.
    """
    if len(diameters_mm) != len(NEMA_DIAMETERS_MM) or not all(
        0 < d <= RING_RADIUS_MM / 1.2 for d in diameters_mm
    ):
        raise InputError(
            f"the NEMA IEC phantom has six places for spheres of at most {RING_RADIUS_MM / 1.2:.0f} mm, got "
            f"{', '.join(f'{d:g}' for d in diameters_mm) or 'none'} mm.",
            tag="sphere_diameters_mm",
        )
    angles = np.radians(60.0 * np.arange(6))
    spheres = tuple(
        Sphere(float(d), (float(RING_RADIUS_MM * np.cos(a)), float(RING_RADIUS_MM * np.sin(a)), 0.0))
        for d, a in zip(diameters_mm, angles, strict=True)
    )
    return PhantomLayout(
        "nema-iec",
        spheres,
        INSERT_DIAMETER_MM if insert else None,
        _PLANE_TO_NEAR_END_MM - _LENGTH_MM,
        _PLANE_TO_NEAR_END_MM,
    )


def uniform_cylinder(diameter_mm: float, length_mm: float) -> PhantomLayout:
    """Return a cylinder filled evenly, its centre at the origin [mm]."""
    return PhantomLayout("cylinder", (), None, -0.5 * length_mm, 0.5 * length_mm, 0.5 * diameter_mm)
