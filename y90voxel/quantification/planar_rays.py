"""What each pixel of planar views looks through: lungs, liver, and the attenuation of the CT along its ray."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.quantification.lung_measures import project_onto_planar
from y90voxel.reference.tissue import DensityCalibration
from y90voxel.regions.regions import Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage, Mask

__all__ = ["Rays", "rays_of", "shadows_of"]

Plane = NDArray[np.float64]
# What is denser belongs to the patient (or the couch), what is thinner is air around it [g/mL]; lung has 0.26.
BODY_G_PER_ML = 0.1
AIR_HU = -1000.0  # [HU], by definition of the scale


@dataclass(frozen=True, eq=False)
class Rays:
    """Lungs, liver and tissue seen by every pixel, (rows, columns).

    Parameters
    ----------
    pixel_mm : tuple of float, (2,)
        Row and column spacing [mm].
    margin_mm : float
        Around shadows [mm].
    from_left, from_right, from_liver : ndarray
        Distance from the shadow of each lung and of the liver [mm].
    left, right : ndarray
        Volume of each lung on the pixel's ray, in any unit.
    in_ct : ndarray of bool or None
        Where there is a patient; None without a CT.
    water : ndarray or None
        ∫ρ dl along the ray [g/cm²]; None without a CT.
    in_lung, in_liver : ndarray or None
        The same within each organ.
    background_share : ndarray
        Share of the patient's thickness that is neither lung nor liver; 1 without a CT.
    nearest_lung, nearest_liver : ndarray of int, (2, rows, columns)
        The pixel of each shadow that is nearest.
    """

    pixel_mm: tuple[float, float]
    margin_mm: float
    from_left: Plane
    from_right: Plane
    from_liver: Plane
    left: Plane
    right: Plane
    in_ct: NDArray[np.bool_] | None
    water: Plane | None
    in_lung: Plane | None
    in_liver: Plane | None
    background_share: Plane
    nearest_lung: NDArray[np.int64]
    nearest_liver: NDArray[np.int64]

    @property
    def attenuates(self) -> bool:
        """Whether attenuation is known."""
        return self.water is not None

    @property
    def liver_zone(self) -> NDArray[np.bool_]:
        """Pixels within the margin of the liver's shadow."""
        return np.asarray(self.from_liver <= self.margin_mm)

    def lung_zone(self, *, left: bool) -> NDArray[np.bool_]:
        """Pixels within the margin of the lungs' shadows, or the left one's, that are not the liver's."""
        nearest = self.from_left if left else np.minimum(self.from_left, self.from_right)
        mine = (nearest <= self.margin_mm) & ~self.liver_zone
        return np.asarray(mine & (self.from_left < self.from_right)) if left else np.asarray(mine)

    def in_sight(self, *, left: bool) -> float:
        """Share of the lungs' volume, or of the left lung's, that lies clear of the liver's zone."""
        lung = self.left if left else self.left + self.right
        return float(lung[~self.liver_zone].sum() / lung.sum())

    @property
    def left_share(self) -> float:
        """Share of the left lung in the volume of both."""
        return float(self.left.sum() / (self.left.sum() + self.right.sum()))

    def beside(self, reach: float) -> NDArray[np.bool_]:
        """Pixels of the patient between one margin and so many from lungs and liver."""
        distance = np.minimum(np.minimum(self.from_left, self.from_right), self.from_liver)
        beside = (distance > self.margin_mm) & (distance <= reach * self.margin_mm)
        return np.asarray(beside if self.in_ct is None else beside & self.in_ct)

    def lung_weight(self, per_cm: float) -> Plane:
        """What the geometric mean of a lung's pixel is multiplied by; that of the nearest one outside the shadow."""
        return self._weight(self.in_lung, self.nearest_lung, per_cm)

    def liver_weight(self, per_cm: float) -> Plane:
        """What the geometric mean of a liver's pixel is multiplied by; that of the nearest one outside the shadow."""
        return self._weight(self.in_liver, self.nearest_liver, per_cm)

    def _weight(self, own: Plane | None, nearest: NDArray[np.int64], per_cm: float) -> Plane:
        """exp(µL / 2) (µt / 2) / sinh(µt / 2)."""
        if self.water is None or own is None:
            return np.ones(self.from_liver.shape)
        half = 0.5 * per_cm * own
        thin = half < 1e-6
        thickness = np.where(thin, 1.0, half / np.sinh(np.where(thin, 1.0, half)))
        weight = np.exp(0.5 * per_cm * self.water) * thickness
        return np.asarray(weight[nearest[0], nearest[1]])


def shadows_of(grid: Grid, regions: Regions) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the shadows of lungs and liver (with its tumours) on the views.

    Parameters
    ----------
    grid : Grid
        Of the views, one slice.
    regions : Regions
        Lungs and liver in full.

    Raises
    ------
    InputError
        If one of them is not drawn.
    """
    lungs, liver = regions.mask_of(Role.LUNG), regions.mask_of(Role.LIVER, Role.TUMOUR)
    if lungs is None or liver is None:
        raise InputError(
            "the planar lung shunt needs regions of the lungs and the liver. Draw them, or give --lung-shunt as a number.",
            tag="administration.lung_shunt_fraction",
        )
    shape = grid.shape[1], grid.shape[2]
    return project_onto_planar(lungs, grid.affine, shape), project_onto_planar(liver, grid.affine, shape)


def rays_of(
    grid: Grid, regions: Regions, ct: CtImage | None, density: DensityCalibration, margin_mm: float
) -> Rays:
    """Return what the pixels of planar views look through.

    Parameters
    ----------
    grid : Grid
        Of the views, one slice; its slice axis is the viewing direction.
    regions : Regions
        Lungs and liver in full.
    ct : CtImage or None
        For attenuation.
    density : DensityCalibration
        CT numbers to density.
    margin_mm : float
        Around shadows [mm].

    Raises
    ------
    InputError
        If lungs or liver are not drawn, or one of them is not in the views.
    """
    _, on_liver = shadows_of(grid, regions)
    shape = grid.shape[1], grid.shape[2]
    lungs = _left_and_right(regions)
    shadows = [project_onto_planar(lung, grid.affine, shape) for lung in lungs]
    for shadow, name in zip((*shadows, on_liver), ("left lung", "right lung", "liver"), strict=True):
        if not shadow.any():
            raise InputError(
                f"the {name} casts no shadow on the planar views: it lies outside them, or they have another position. Give "
                "--lung-shunt as a number.",
                tag="administration.lung_shunt_fraction",
            )
    pixel_mm = grid.spacing_mm[1], grid.spacing_mm[2]
    from_left, from_right = (_distance(shadow, pixel_mm)[0] for shadow in shadows)
    from_liver, nearest_liver = _distance(on_liver, pixel_mm)
    _, nearest_lung = _distance(shadows[0] | shadows[1], pixel_mm)
    solid = _solid(grid, regions.grid if ct is None else ct.grid)
    left, right = (_on_rays(lung, solid) for lung in lungs)
    liver = regions.mask_of(Role.LIVER, Role.TUMOUR)
    assert liver is not None  # its shadow was cast
    patient, water, in_lung, in_liver, other = _tissue(
        ct, density, solid, left + right, _on_rays(liver, solid)
    )
    return Rays(
        pixel_mm=pixel_mm,
        margin_mm=margin_mm,
        from_left=from_left,
        from_right=from_right,
        from_liver=from_liver,
        left=left.sum(axis=0),
        right=right.sum(axis=0),
        in_ct=patient,
        water=water,
        in_lung=in_lung,
        in_liver=in_liver,
        background_share=other,
        nearest_lung=nearest_lung,
        nearest_liver=nearest_liver,
    )


def _left_and_right(regions: Regions) -> tuple[Mask, Mask]:
    """Left and right lung: by their centres where two are drawn, else at the plane through the centre of both."""
    whole = regions.mask_of(Role.LUNG)
    assert whole is not None  # checked with the shadows
    drawn = [region.mask for region in regions.drawn if region.role is Role.LUNG]
    if len(drawn) == 2:
        centres = [float(mask.grid.index_to_lps(mask.centre_at())[0]) for mask in drawn]
        first, second = drawn if centres[0] >= centres[1] else drawn[::-1]
        return first, second
    middle = whole.grid.index_to_lps(whole.centre_at())[0]
    index = np.stack(np.meshgrid(*(np.arange(n) for n in whole.grid.shape), indexing="ij"), axis=-1)
    is_left = whole.grid.index_to_lps(index)[..., 0] >= middle
    array = whole.array
    return whole.with_array(np.where(is_left, array, 0.0)), whole.with_array(np.where(is_left, 0.0, array))


def _distance(shadow: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> tuple[Plane, NDArray[np.int64]]:
    """Distance of each pixel from a shadow [mm], and its nearest pixel."""
    # deferred: 0.2 s
    from scipy.ndimage import distance_transform_edt

    away, nearest = distance_transform_edt(~shadow, sampling=pixel_mm, return_indices=True)
    return np.asarray(away, np.float64), np.asarray(nearest, np.int64)


def _solid(grid: Grid, covered: Grid) -> Grid:
    """The pixels of the views drawn out along the viewing direction over an image, in cubes' depth of a pixel."""
    view = grid.affine[:3, 0] / np.linalg.norm(grid.affine[:3, 0])
    step = float(min(grid.spacing_mm[1:]))
    depths = (covered.corners_mm() - grid.affine[:3, 3]) @ view
    first, last = float(depths.min()), float(depths.max())
    count = int(np.ceil((last - first) / step))
    affine = np.array(grid.affine)
    affine[:3, 0] = view * step
    affine[:3, 3] = grid.affine[:3, 3] + view * (first + 0.5 * step)
    return Grid((count, grid.shape[1], grid.shape[2]), affine, covered.frame_of_reference_uid)


def _on_rays(mask: Mask, solid: Grid) -> Plane:
    """Occupancy of a region along the rays."""
    # deferred: numba, 0.2 s; settings take a constant from here
    from y90voxel.volumes.resample import resample

    return np.asarray(resample(mask, solid).array, np.float64)


def _tissue(
    ct: CtImage | None, density: DensityCalibration, solid: Grid, lungs: Plane, liver: Plane
) -> tuple[NDArray[np.bool_] | None, Plane | None, Plane | None, Plane | None, Plane]:
    """Where the patient is, what lies on each ray in all, in the lungs and in the liver [g/cm²], and what is neither."""
    if ct is None:
        return None, None, None, None, np.ones(solid.shape[1:])
    # deferred: numba, 0.2 s; settings take a constant from here
    from y90voxel.volumes.resample import resample

    along = density.density(resample(ct, solid, fill=AIR_HU).array).astype(np.float64)
    step_cm = solid.spacing_mm[0] / 10.0
    patient = along > BODY_G_PER_ML
    thickness = patient.sum(axis=0)
    organs = np.minimum(lungs + liver, 1.0)
    other = np.maximum(thickness - (organs * patient).sum(axis=0), 0.0) / np.maximum(thickness, 1)
    along[~patient] = 0.0
    water = along.sum(axis=0) * step_cm
    in_lung, in_liver = ((along * organ).sum(axis=0) * step_cm for organ in (lungs, liver))
    return thickness > 0, water, in_lung, in_liver, np.asarray(other)
