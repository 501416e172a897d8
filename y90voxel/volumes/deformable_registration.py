"""Deformable alignment of two CT images of one patient around the liver, by diffeomorphic demons, after a rigid one.

Contours that both CTs have guide it: they stand in the images that are compared, as liver or lungs that nobody can miss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, Notice
from y90voxel.volumes.field_quality import FieldQuality, check_field, field_quality
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.image_registration import REACH_SIGMAS, WINDOW_HU, Alignment, seen_part, smoothing_to
from y90voxel.volumes.transform import AffineTransform, Deformation, Transform
from y90voxel.volumes.volume import CtImage, Mask

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["DeformableAlignment", "Guide", "deform_ct"]

Floats = NDArray[np.floating[Any]]
Progress = Callable[[str, float], None]

WORK_MM = 3.0  # working voxel [mm], as long as a CT slice; decision 20
Steps = tuple[tuple[int, int, float], ...]
# Shrinking, iterations and smoothing of the field [working voxels of the step], from coarse to fine; measured, decision 20.
PLAIN: Steps = ((4, 80, 2.0), (2, 60, 2.0), (1, 30, 2.0))
# Contours of both livers bear a finer field [as above]; without them it would follow noise. The last step smooths out what
# the finer field took from noise, which soon goes, and leaves long waves, which go slowly: measured, decision 20.
GUIDED: Steps = ((4, 120, 1.0), (2, 100, 1.0), (1, 60, 1.0), (1, 20, 1.5))
# The box around the focus in which images are compared and the deformation is defined [mm].
MARGIN_MM = 50.0
# What a guided organ is set to in the images that are compared [HU]: it stands out from its neighbours as soft tissue from lung.
GUIDE_HU = 400.0
# Deeper within an organ than breathing moves its surface [mm].
DEEP_MM = 15.0
LEAST_CONTRAST_HU = (
    10.0  # less is noise and calibration, not contrast agent [HU]; chosen: half the noise of low dose
)


@dataclass(frozen=True, eq=False)
class Guide:
    """A contour that both CTs have.

    Parameters
    ----------
    moving, fixed : Mask
        The same organ on both, each in the frame of its CT.
    sign : float
        1 for the liver, −1 for lungs: neighbours stand out against each other.
    """

    moving: Mask
    fixed: Mask
    sign: float = 1.0


@dataclass(frozen=True, eq=False)
class DeformableAlignment:
    """How one CT was deformed onto another.

    Parameters
    ----------
    rigid : Alignment
        The rigid alignment before.
    pull : Deformation
        From points of the fixed CT's frame to points of the moving one's: where the tissue came from.
    quality : FieldQuality
        What the deformation does in the focus.
    correlation : tuple of float
        Correlation of CT numbers around the focus, aligned rigidly and deformed.
    notices : tuple of Notice
        What is unusual in it.
    """

    rigid: Alignment
    pull: Deformation
    quality: FieldQuality
    correlation: tuple[float, float]
    notices: tuple[Notice, ...]

    @property
    def summary(self) -> str:
        """What was done and how well."""
        low, high = self.quality.volume_ratio
        mean, most = self.quality.displacement_mm[0], self.quality.displacement_mm[2]
        back = self.quality.inconsistency_mm
        there = (
            ""
            if back is None
            else f"; the other direction ends {back[0]:.1f} mm away on average, {back[1]:.1f} mm in 5 %"
        )
        return (
            f"In the liver the deformation moves points by {mean:.1f} mm on average and {most:.1f} mm at most beyond a rigid "
            f"motion; volume ratios {low:.2f} to {high:.2f}, no folds{there}. The correlation of CT numbers rises from "
            f"{self.correlation[0]:.2f} to {self.correlation[1]:.2f}."
        )

    def beyond_rigid_mm(self, points_mm: Floats) -> Floats:
        """Return how far the deformation moves points of the fixed CT's frame beyond the rigid motion [mm]."""
        came_from = self.rigid.transform.points(self.pull.points(points_mm))
        return np.asarray(np.linalg.norm(came_from - points_mm, axis=-1))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures of merit for JSON."""
        return {
            "kind": "deformable",
            "rigid": self.rigid.as_dict(),
            **self.quality.as_dict(),
            "correlation": list(self.correlation),
        }


def deform_ct(
    rigid: Alignment,
    focus: Mask,
    guides: Sequence[Guide] = (),
    progress: Progress | None = None,
    *,
    drawn_on_moving: bool = False,
) -> DeformableAlignment:
    """Return the deformation that brings one CT onto another of the same patient, after their rigid alignment.

    Diffeomorphic demons (SimpleITK) from coarse to fine in a box around the focus. Found twice, once in each direction: the
    distance that is left after there and back tells what a user can trust.

    Parameters
    ----------
    rigid : Alignment
        The two CTs and the motion between them.
    focus : Mask
        The liver in the frame of the fixed CT.
    guides : sequence of Guide
        Contours that both CTs have. Without one of the liver, what contrast agent does to it is taken out within the focus.
    progress : callable or None
        Called with what is being done and the finished fraction.
    drawn_on_moving : bool
        Whether the focus was drawn on the moving CT and brought to the fixed one's frame by the rigid motion.

    Raises
    ------
    GeometryError
        If the images do not share the focus, or the deformation folds.

    References
    ----------
    Vercauteren et al. 2009, NeuroImage 45:S61, doi 10.1016/j.neuroimage.2008.10.040.
    """
    report_progress = progress or (lambda what, done: None)
    grid = _work_grid(rigid.fixed, focus)
    back_to_moving = rigid.transform.inverse()
    fixed = _prepared(rigid.fixed, [(g.fixed, g.sign) for g in guides], grid, AffineTransform(np.eye(4)))
    moving = _prepared(rigid.moving, [(g.moving, g.sign) for g in guides], grid, back_to_moving)
    shape = _nearest(focus.array, focus.grid, grid, AffineTransform(np.eye(4)))
    inside = shape >= 0.5
    guided = any(guide.sign > 0 for guide in guides)
    steps = GUIDED if guided else PLAIN
    if not guided:
        if drawn_on_moving:
            moving = _as_bright_as(fixed, moving, shape)
        else:
            fixed = _as_bright_as(moving, fixed, shape)
    offsets = _demons(
        fixed, moving, grid, lambda done: report_progress("deforming the CT", 0.5 * done), steps
    )
    returns = _demons(
        moving, fixed, grid, lambda done: report_progress("deforming it back", 0.5 + 0.5 * done), steps
    )
    unmoved = AffineTransform(np.eye(4))
    pull = Deformation(unmoved, back_to_moving, grid, offsets)
    quality = field_quality(
        Deformation(unmoved, unmoved, grid, offsets),
        grid,
        inside,
        Deformation(unmoved, unmoved, grid, returns),
    )
    notices = check_field(quality)
    correlation = _correlations(rigid, pull, grid, inside)
    if not correlation[1] >= correlation[0]:
        raise GeometryError(
            f"the deformation makes the CTs less alike around the liver (correlation {correlation[0]:.2f} before, "
            f"{correlation[1]:.2f} after). Use rigid registration, or register the images elsewhere.",
            tag="--register",
        )
    return DeformableAlignment(rigid, pull, quality, correlation, tuple(notices))


def _work_grid(fixed: CtImage, focus: Mask) -> Grid:
    """The box around the focus that the fixed CT covers."""
    corners = fixed.grid.corners_mm()
    places = focus.grid.index_to_lps(np.argwhere(focus.array >= 0.5).astype(float))
    if not len(places):
        raise GeometryError("there is no liver to deform around.", tag="--register")
    low = np.maximum(places.min(axis=0) - MARGIN_MM, corners.min(axis=0))
    high = np.minimum(places.max(axis=0) + MARGIN_MM, corners.max(axis=0))
    if (high - low < 2 * MARGIN_MM).any():
        raise GeometryError(
            "the CT shows too little of the liver to deform it: "
            f"{' × '.join(f'{max(length, 0.0):.0f}' for length in high - low)} mm. Use rigid registration.",
            tag="--register",
        )
    size = np.ceil((high - low) / WORK_MM).astype(int)
    return Grid.from_spacing(size[::-1].tolist(), (WORK_MM,) * 3, (low + WORK_MM / 2).tolist())


def _prepared(
    image: CtImage, contours: Sequence[tuple[Mask, float]], grid: Grid, pull: AffineTransform
) -> NDArray[np.float32]:
    """Soft tissue of a CT on the working grid, smoothed to it, with the guides in it [HU]."""
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter

    sigma = smoothing_to(WORK_MM, image.grid)
    part = seen_part(image, grid, pull, sigma)
    values = gaussian_filter(np.clip(part.array.astype(np.float32), *WINDOW_HU), sigma, truncate=REACH_SIGMAS)
    made = _nearest(values, part.grid, grid, pull)
    made = gaussian_filter(made, 0.5)
    for mask, sign in contours:
        shape = _nearest(mask.array.astype(np.float32), mask.grid, grid, pull)
        # What contrast agent does to the whole organ is taken out: it is no motion.
        middle = float(np.median(made[shape >= 0.5])) if (shape >= 0.5).any() else 0.0
        made = made + gaussian_filter(shape, 0.7) * (sign * GUIDE_HU - middle)
    return np.asarray(made, np.float32)


def _as_bright_as(
    other: NDArray[np.float32], drawn: NDArray[np.float32], shape: Floats
) -> NDArray[np.float32]:
    """An image whose organ is as bright as at the same place of the other, deep within: contrast agent is no motion [HU]."""
    # deferred: 0.2 s
    from scipy.ndimage import binary_erosion, gaussian_filter

    inside = shape >= 0.5
    deep = binary_erosion(inside, iterations=round(DEEP_MM / WORK_MM))
    where = deep if deep.any() else inside
    shift = float(np.median(other[where]) - np.median(drawn[where]))
    if abs(shift) < LEAST_CONTRAST_HU:
        return drawn
    return np.asarray(drawn + shift * gaussian_filter(np.asarray(shape, np.float32), 0.7), np.float32)


def _nearest(array: Floats, grid: Grid, target: Grid, pull: Transform) -> Floats:
    """Values of an image on another grid; beyond its edge those of the edge, so that no edge of view draws a force."""
    # deferred: 0.2 s
    from scipy.ndimage import map_coordinates

    points = target.index_to_lps(np.moveaxis(np.indices(target.shape, dtype=float), 0, -1))
    places = grid.lps_to_index(pull.points(points))
    values = map_coordinates(
        np.asarray(array, np.float32), np.moveaxis(places, -1, 0), order=1, mode="nearest"
    )
    return np.asarray(values, np.float32)


def _image(array: NDArray[np.float32], grid: Grid) -> SimpleITK.Image:
    """An array on an axial grid as SimpleITK image."""
    # deferred: 0.1 s
    import SimpleITK

    made = SimpleITK.GetImageFromArray(array)
    made.SetSpacing([WORK_MM] * 3)
    made.SetOrigin(grid.origin_mm.tolist())
    return made


def _demons(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    grid: Grid,
    told: Callable[[float], None],
    steps: Steps = PLAIN,
) -> NDArray[np.float32]:
    """The offsets that take points of the fixed image to those of the moving one, (slices, rows, columns, 3) [mm]."""
    # deferred: 0.1 s
    import SimpleITK

    one, other = _image(fixed, grid), _image(moving, grid)
    field = None
    work = [iterations / shrink**3 for shrink, iterations, _ in steps]
    for step, (shrink, iterations, sigma) in enumerate(steps):
        images = [_shrunk(image, shrink) for image in (one, other)]
        demons = SimpleITK.DiffeomorphicDemonsRegistrationFilter()
        demons.SetNumberOfIterations(iterations)
        demons.SetMaximumRMSError(0.0)  # all iterations always: the end does not hang on a sum over threads
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(sigma)
        if field is None:
            field = demons.Execute(*images)
        else:
            finer = SimpleITK.ResampleImageFilter()
            finer.SetReferenceImage(images[0])
            finer.SetUseNearestNeighborExtrapolator(True)
            field = demons.Execute(*images, finer.Execute(field))
        told(sum(work[: step + 1]) / sum(work))
    return np.asarray(SimpleITK.GetArrayFromImage(field), np.float32)


def _shrunk(image: SimpleITK.Image, factor: int) -> SimpleITK.Image:
    """An image on voxels so many times as long, smoothed to them."""
    # deferred: 0.1 s
    import SimpleITK

    if factor == 1:
        return image
    return SimpleITK.Shrink(SimpleITK.SmoothingRecursiveGaussian(image, 0.5 * factor * WORK_MM), [factor] * 3)


def _correlations(
    rigid: Alignment, pull: Transform, grid: Grid, inside: NDArray[np.bool_]
) -> tuple[float, float]:
    """Correlation of CT numbers around the focus, aligned rigidly and deformed."""
    # deferred: 0.2 s
    from scipy.ndimage import binary_dilation

    around = binary_dilation(inside, iterations=4)
    unmoved = AffineTransform(np.eye(4))
    part = seen_part(rigid.fixed, grid, unmoved, np.zeros(3))
    fixed = _nearest(np.clip(part.array, *WINDOW_HU), part.grid, grid, unmoved)
    moving = np.clip(rigid.moving.array, *WINDOW_HU)
    correlations = []
    for way in (rigid.transform.inverse(), pull):
        other = _nearest(moving, rigid.moving.grid, grid, way)
        pair = np.stack([fixed[around], other[around]])
        correlations.append(float(np.corrcoef(pair)[0, 1]) if min(pair.std(axis=1)) > 0 else 0.0)
    return correlations[0], correlations[1]
