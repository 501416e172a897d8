"""Rigid alignment of two CT images of one patient by mutual information, around the liver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import GeometryError, Notice
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, sampled
from y90voxel.volumes.volume import CtImage

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["REACH_SIGMAS", "Alignment", "align_ct", "compared", "seen_part", "smoothing_to"]

Floats = NDArray[np.floating[Any]]

# Soft tissue and its borders to fat, lung and bone; contrast agent and metal beyond count no more than bone.
WINDOW_HU = (-200.0, 300.0)
OUTSIDE_HU = -1000.0  # [HU]: air
# Images are compared at this fineness: coarse for the search along the body, then fine [mm].
COARSE_MM, FINE_MM = 8.0, 2.5
# The part of the CT around the focus that counts [mm].
FOCUS_MARGIN_MM = 30.0
# The search along the body steps so far each way from the middle [mm].
SEARCH_STEP_MM = 24.0
BINS = 40  # of the joint histogram; chosen: 12 HU each, as fine as noise of CT
REACH_SIGMAS = 4.0  # a Gaussian ends there: less than 1e-4 of it lies beyond
SEED = 20260101  # any number: the same images align alike
# A second start, turned and shifted so far, must end at the same place.
SECOND_START_MM, SECOND_START_DEGREES = 8.0, 3.0
# What is not plausible: liver lost, a patient turned so far, or two starts that end so far apart.
SMALLEST_OVERLAP = 0.7
LARGEST_ANGLE_DEGREES = 30.0  # chosen: patients lie turned by a few degrees
LARGEST_DISAGREEMENT_MM = 4.0  # [mm]; chosen: below a voxel of SPECT or PET
# Of CT numbers in the window; chosen: half-way between unrelated (0) and equal (1).
SMALLEST_CORRELATION = 0.5


@dataclass(frozen=True, eq=False)
class Alignment:
    """How one CT was aligned with another.

    Parameters
    ----------
    transform : AffineTransform
        From points of the moving CT's frame to points of the fixed one's.
    moving, fixed : CtImage
        The images.
    information : tuple of float
        Mutual information around the focus with coordinates taken as common, and aligned.
    correlation : tuple of float
        Correlation of CT numbers around the focus before and after; NaN where nothing overlaps.
    overlap : float
        Fraction of the focus that the fixed CT covers after alignment.
    disagreement_mm : float
        How far two starts ended apart, at most over the focus [mm].
    focus_mm : ndarray, (2, 3)
        The box of the moving CT that counted, its corners in the moving frame [mm].
    """

    transform: AffineTransform
    moving: CtImage
    fixed: CtImage
    information: tuple[float, float]
    correlation: tuple[float, float]
    overlap: float
    disagreement_mm: float
    focus_mm: Floats

    @property
    def summary(self) -> str:
        """What was done and how well, in two sentences."""
        middle = self.focus_mm.mean(axis=0)
        moved = float(np.linalg.norm(self.transform.points(middle) - middle))
        return (
            f"It moves the middle of the region of interest by {moved:.1f} mm and turns by "
            f"{self.transform.angle_degrees:.1f} degrees; mutual information rises from {self.information[0]:.3f} to "
            f"{self.information[1]:.3f} and the correlation of CT numbers from {_number(self.correlation[0])} to "
            f"{self.correlation[1]:.2f}; two starts end {self.disagreement_mm:.1f} mm apart. Breathing and deformation are "
            "not undone."
        )

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is unusual in it: nothing, for an alignment that is not plausible is refused."""
        return ()

    def reversed(self) -> Alignment:
        """Return the same alignment with the CTs in each other's place."""
        corners = np.array(np.meshgrid(*self.focus_mm.T, indexing="ij")).reshape(3, -1).T
        placed = self.transform.points(corners)
        return replace(
            self,
            transform=self.transform.inverse(),
            moving=self.fixed,
            fixed=self.moving,
            focus_mm=np.stack([placed.min(axis=0), placed.max(axis=0)]),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return matrix and figures of merit for JSON; NaN, where nothing overlapped, as None."""
        before = self.correlation[0]
        return {
            "kind": "rigid",
            "matrix": self.transform.matrix.tolist(),
            "mutual_information": list(self.information),
            "correlation": [before if np.isfinite(before) else None, self.correlation[1]],
            "overlap": self.overlap,
            "disagreement_mm": self.disagreement_mm,
        }


def align_ct(moving: CtImage, fixed: CtImage, focus_points_mm: Floats | None = None) -> Alignment:
    """Return the rigid motion that brings one CT onto another of the same patient.

    Mattes mutual information over the box around the focus, from a search along the body to two levels of fineness
    (SimpleITK, one thread and fixed seed: the same images give the same result). Done twice from different starts.

    Parameters
    ----------
    moving : CtImage
        The CT that regions were drawn on, in its own frame.
    fixed : CtImage
        The CT that shares the emission image's coordinates.
    focus_points_mm : ndarray, (points, 3), optional
        Points of the moving CT's frame around which the images have to agree; the whole image by default.

    Raises
    ------
    GeometryError
        If the result is not plausible: the focus is not covered, the patient is turned by more than 30 degrees, CT
        numbers do not correlate, or the two starts disagree.

    References
    ----------
    Mattes et al., Proc SPIE 4322, 1609 (2001), doi 10.1117/12.431046.
    """
    box = _focus_box(moving, focus_points_mm)
    coarse = (_prepared(moving, COARSE_MM, box), _prepared(fixed, COARSE_MM))
    fine = (_prepared(moving, FINE_MM, box), _prepared(fixed, FINE_MM))
    with _one_thread():
        start = _searched(*coarse, box)
        motion = _refined(*fine, _refined(*coarse, start))
        unmoved = _information(*fine, _euler(box))
        if _information(*fine, motion) < unmoved:  # the search went astray: begin with the images as they lie
            motion = _refined(*fine, _refined(*coarse, _euler(box)))
        other = _refined(*fine, _disturbed(motion))
        values = (unmoved, _information(*fine, motion))
    corners = np.array(np.meshgrid(*box.T, indexing="ij")).reshape(3, -1).T
    apart = np.linalg.norm(_as_affine(motion).points(corners) - _as_affine(other).points(corners), axis=-1)
    transform = _as_affine(motion)
    identity = AffineTransform(np.eye(4))
    correlation, overlap = compared(moving, fixed, transform, box)
    before, _ = compared(moving, fixed, identity, box)
    alignment = Alignment(
        transform, moving, fixed, values, (before, correlation), overlap, float(apart.max()), box
    )
    _check_plausible(alignment)
    return alignment


def compared(moving: CtImage, fixed: CtImage, transform: AffineTransform, box: Floats) -> tuple[float, float]:
    """Return the correlation of CT numbers over a box of the moving image, and how much of it the fixed one covers.

    Parameters
    ----------
    moving, fixed : CtImage
        The images.
    transform : AffineTransform
        From the moving frame to the fixed one.
    box : ndarray, (2, 3)
        Corners in the moving frame [mm].
    """
    grid = _box_grid(box, FINE_MM)
    pull = AffineTransform(np.eye(4))
    one = sampled(moving.array, moving.grid, grid, pull, np.nan)
    two = sampled(fixed.array, fixed.grid, grid, transform, np.nan)
    both = np.isfinite(one) & np.isfinite(two)
    overlap = float(both.sum() / max(np.isfinite(one).sum(), 1))
    if both.sum() < 100:
        return float("nan"), overlap
    pair = np.clip(np.stack([one[both], two[both]]), *WINDOW_HU)
    if min(pair.std(axis=1)) == 0:
        return float("nan"), overlap
    return float(np.corrcoef(pair)[0, 1]), overlap


def _check_plausible(alignment: Alignment) -> None:
    """Raise when the result cannot be right."""
    angle = alignment.transform.angle_degrees
    reasons = []
    if alignment.overlap < SMALLEST_OVERLAP:
        reasons.append(
            f"only {100 * alignment.overlap:.0f} % of the region of interest is covered by the other CT"
        )
    if angle > LARGEST_ANGLE_DEGREES:
        reasons.append(f"it would turn the patient by {angle:.0f} degrees")
    if not alignment.disagreement_mm <= LARGEST_DISAGREEMENT_MM:
        reasons.append(f"two starts end {alignment.disagreement_mm:.1f} mm apart")
    if not alignment.correlation[1] >= SMALLEST_CORRELATION:
        reasons.append(f"CT numbers correlate by {_number(alignment.correlation[1])} only")
    if not alignment.information[1] >= alignment.information[0]:
        reasons.append("the images agree less than before")
    if reasons:
        raise GeometryError(
            f"the two CTs could not be aligned plausibly: {'; '.join(reasons)}. Check that they show the same part of the "
            "same patient, register them elsewhere and add the registration object (REG), or draw the regions on the "
            "emission study's CT.",
            tag="dose.register",
        )


def _number(value: float) -> str:
    """A correlation, or that there is none."""
    return f"{value:.2f}" if np.isfinite(value) else "none (no overlap)"


def _focus_box(moving: CtImage, points: Floats | None) -> Floats:
    """Return the box around the focus, within the image, (2, 3) [mm]."""
    corners = moving.grid.corners_mm()
    image = np.stack([corners.min(axis=0), corners.max(axis=0)])
    if points is None or not len(points):
        return image
    low, high = points.min(axis=0) - FOCUS_MARGIN_MM, points.max(axis=0) + FOCUS_MARGIN_MM
    box = np.stack([np.maximum(low, image[0]), np.minimum(high, image[1])])
    return box if (box[1] - box[0] > 4 * COARSE_MM).all() else image


def _box_grid(box: Floats, spacing_mm: float) -> Grid:
    """Return an axial grid over a box."""
    size = np.maximum(np.ceil((box[1] - box[0]) / spacing_mm).astype(int), 2)
    return Grid.from_spacing(size[::-1].tolist(), (spacing_mm,) * 3, (box[0] + spacing_mm / 2).tolist())


def _prepared(image: CtImage, spacing_mm: float, box: Floats | None = None) -> SimpleITK.Image:
    """Return a CT on an axial grid of that fineness, smoothed to it, clipped to the window, as SimpleITK image."""
    # deferred: 0.3 s
    import SimpleITK
    from scipy.ndimage import gaussian_filter

    corners = image.grid.corners_mm()
    whole = np.stack([corners.min(axis=0), corners.max(axis=0)])
    grid = _box_grid(whole if box is None else box, spacing_mm)
    sigma = smoothing_to(spacing_mm, image.grid)
    part = seen_part(image, grid, AffineTransform(np.eye(4)), sigma)
    values = gaussian_filter(np.clip(part.array.astype(np.float32), *WINDOW_HU), sigma, truncate=REACH_SIGMAS)
    array = sampled(values, part.grid, grid, AffineTransform(np.eye(4)), WINDOW_HU[0])
    made = SimpleITK.GetImageFromArray(array)
    made.SetSpacing([spacing_mm] * 3)
    made.SetOrigin(grid.origin_mm.tolist())
    return made


def smoothing_to(spacing_mm: float, grid: Grid) -> Floats:
    """Return the width of the Gaussian that smooths a finer grid to a spacing, along its axes [voxels]; 0 where it is coarser.

    Parameters
    ----------
    spacing_mm : float
        Of the grid that is smoothed to [mm].
    grid : Grid
        That of the image.
    """
    ratio = spacing_mm / np.array(grid.spacing_mm)
    return np.where(ratio > 1, 0.5 * np.sqrt(np.maximum(ratio**2 - 1, 0)), 0.0)


def seen_part(image: CtImage, grid: Grid, pull: AffineTransform, sigma: Floats) -> CtImage:
    """Return the part of an image that a grid sees, with what smoothing and interpolation reach beyond it.

    Smoothing the part gives the same values there as smoothing the whole, which takes 78 million voxels where a few million
    are seen. All of the image where the grid does not see it.

    Parameters
    ----------
    image : CtImage
        The image.
    grid : Grid
        Where its values are wanted.
    pull : AffineTransform
        From points of the grid's frame to those of the image's.
    sigma : ndarray, (3,)
        Of the smoothing [voxels of the image].
    """
    places = image.grid.lps_to_index(pull.points(grid.corners_mm()))
    beyond = np.ceil(REACH_SIGMAS * sigma + 0.5) + 1
    low = np.maximum(np.floor(places.min(axis=0)) - beyond, 0).astype(int)
    high = np.minimum(np.ceil(places.max(axis=0)) + beyond + 1, image.grid.shape).astype(int)
    if (high <= low).any():
        return image
    shape = (high - low).tolist()
    array = image.array[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    return CtImage(array, image.grid.crop(low.tolist(), shape))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let SimpleITK sum in one order: its metric asks for the global number of threads, not for that of the method."""
    # deferred: 0.1 s
    import SimpleITK

    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _method(samples: float, iterations: int, step_mm: float) -> SimpleITK.ImageRegistrationMethod:
    """Return a registration by Mattes mutual information on a fixed choice of samples, on one thread."""
    # deferred: 0.1 s
    import SimpleITK

    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    if samples < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(samples, SEED)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(step_mm, 0.005, iterations, 0.6, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    return method


def _euler(box: Floats) -> SimpleITK.Euler3DTransform:
    """Return the rotation and translation that do nothing, turning about the middle of the focus."""
    # deferred: 0.1 s
    import SimpleITK

    transform = SimpleITK.Euler3DTransform()
    transform.SetCenter(box.mean(axis=0).tolist())
    return transform


def _searched(focus: SimpleITK.Image, other: SimpleITK.Image, box: Floats) -> SimpleITK.Euler3DTransform:
    """Return the best of a row of shifts: bodies centred in the axial plane, stepping along the body."""
    middle, low, high = box.mean(axis=0), *_body_extent(other)
    aside = _body_middle(other) - _body_middle(focus, fallback=middle)
    best, best_value = _euler(box), -np.inf
    half = (box[1, 2] - box[0, 2]) / 2
    heights = np.arange(
        min(low + half, (low + high) / 2), max(high - half, (low + high) / 2) + 1, SEARCH_STEP_MM
    )
    for height in heights:
        trial = _euler(box)
        trial.SetTranslation((float(aside[0]), float(aside[1]), float(height - middle[2])))
        trial = _refined(focus, other, trial, iterations=30)
        value = _information(focus, other, trial)
        if value > best_value:
            best, best_value = trial, value
    return best


def _body_extent(image: SimpleITK.Image) -> tuple[float, float]:
    """Return where an image begins and ends along the body [mm]."""
    low = image.GetOrigin()[2]
    return low, low + image.GetSpacing()[2] * (image.GetSize()[2] - 1)


def _body_middle(image: SimpleITK.Image, fallback: Floats | None = None) -> Floats:
    """Return the middle of the body in the axial plane; of the focus, its own middle."""
    # deferred: 0.1 s
    import SimpleITK

    if fallback is not None:
        return fallback
    array = SimpleITK.GetArrayViewFromImage(image) > WINDOW_HU[0] + 50
    index = np.argwhere(array).mean(axis=0)[::-1] if array.any() else np.array(image.GetSize()) / 2
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def _refined(
    focus: SimpleITK.Image,
    other: SimpleITK.Image,
    start: SimpleITK.Euler3DTransform,
    iterations: int = 150,
) -> SimpleITK.Euler3DTransform:
    """Return the optimum near a start."""
    # deferred: 0.1 s
    import SimpleITK

    spacing = focus.GetSpacing()[0]
    count = int(np.prod(focus.GetSize()))
    method = _method(min(1.0, 60_000 / count), iterations, spacing)
    method.SetInitialTransform(SimpleITK.Euler3DTransform(start), inPlace=True)
    try:
        motion = method.Execute(focus, other)
    except RuntimeError:  # nothing overlaps: this start leads nowhere
        return start
    return SimpleITK.Euler3DTransform(motion)


def _information(
    focus: SimpleITK.Image, other: SimpleITK.Image, transform: SimpleITK.Euler3DTransform
) -> float:
    """Return the mutual information of two images under a transform; 0 where nothing overlaps."""
    method = _method(1.0, 1, 1.0)
    method.SetInitialTransform(transform)
    try:
        return -float(method.MetricEvaluate(focus, other))
    except RuntimeError:
        return 0.0


def _disturbed(transform: SimpleITK.Euler3DTransform) -> SimpleITK.Euler3DTransform:
    """Return a start that is off the optimum."""
    # deferred: 0.1 s
    import SimpleITK

    other = SimpleITK.Euler3DTransform(transform)
    turn = np.radians(SECOND_START_DEGREES)
    x, y, z, *_ = other.GetParameters()
    other.SetRotation(x + turn, y - turn, z + turn)
    shift = np.array(other.GetTranslation()) + SECOND_START_MM * np.array((1, -1, 1)) / np.sqrt(3)
    other.SetTranslation(shift.tolist())
    return other


def _as_affine(transform: SimpleITK.Euler3DTransform) -> AffineTransform:
    """Return the matrix of a SimpleITK transform: from the focus image's frame to the other's."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.column_stack(columns), origin
    return AffineTransform(matrix)
